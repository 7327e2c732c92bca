"""Each node has the sums of all nodes, and of each keeps what goes furthest (g-counter and pn-counter)."""
from node import Node

node = Node()
sums = {}  # node -> [what was added, what was taken away]


@node.on("add")
def add(message):
    delta = message["body"]["delta"]
    own = sums.setdefault(node.id, [0, 0])
    own[0 if delta > 0 else 1] += abs(delta)
    node.reply(message, {"type": "add_ok"})


@node.on("read")
def read(message):
    node.reply(message, {"type": "read_ok", "value": sum(up - down for up, down in sums.values())})


@node.on("merge")
def merge(message):
    for other, (up, down) in message["body"]["sums"].items():
        known = sums.setdefault(other, [0, 0])
        sums[other] = [max(known[0], up), max(known[1], down)]


def gossip():
    for other in node.others:
        node.send(other, {"type": "merge", "sums": sums})


node.every(0.3, gossip)
node.run()
