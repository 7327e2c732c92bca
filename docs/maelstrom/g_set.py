"""Sends all that it has to all others, again and again."""
from node import Node

node = Node()
elements = set()


@node.on("add")
def add(message):
    elements.add(message["body"]["element"])
    node.reply(message, {"type": "add_ok"})


@node.on("read")
def read(message):
    node.reply(message, {"type": "read_ok", "value": sorted(elements)})


@node.on("merge")
def merge(message):
    elements.update(message["body"]["elements"])


def gossip():
    for other in node.others:
        node.send(other, {"type": "merge", "elements": sorted(elements)})


node.every(0.3, gossip)
node.run()
