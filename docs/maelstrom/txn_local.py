"""Wrong: each node does transactions on what it has, and tells the others later."""
from node import Node

node = Node()
state = {}


def apply(txn):
    completed = []
    for f, key, value in txn:
        name = str(key)
        if f == "r":
            value = state.get(name)
        elif f == "append":
            state[name] = state.get(name, []) + [value]
        else:
            state[name] = value
        completed.append([f, key, value])
    return completed


@node.on("txn")
def txn(message):
    node.reply(message, {"type": "txn_ok", "txn": apply(message["body"]["txn"])})
    for other in node.others:
        node.send(other, {"type": "replicate", "txn": message["body"]["txn"]})


@node.on("replicate")
def replicate(message):
    apply(message["body"]["txn"])


node.run()
