"""Wrong where messages arrive twice or not at all: it sends what was added, not the sum."""
from node import Node

node = Node()
total = 0


@node.on("add")
def add(message):
    global total
    delta = message["body"]["delta"]
    total += delta
    node.reply(message, {"type": "add_ok"})
    for other in node.others:
        node.send(other, {"type": "change", "delta": delta})


@node.on("change")
def change(message):
    global total
    total += message["body"]["delta"]


@node.on("read")
def read(message):
    node.reply(message, {"type": "read_ok", "value": total})


node.run()
