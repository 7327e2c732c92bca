"""Tells its neighbours each message that it has not seen, again and again until they say that they have it."""
from node import Node

node = Node()
seen = []
unacknowledged = {}  # (neighbour, message)


def learn(value, teller=None):
    if value in seen:
        return
    seen.append(value)
    for neighbour in node.neighbours:
        if neighbour != teller:
            unacknowledged[(neighbour, value)] = True
            tell(neighbour, value)


def tell(neighbour, value):
    node.ask(neighbour, {"type": "gossip", "message": value},
             lambda _: unacknowledged.pop((neighbour, value), None))


@node.on("broadcast")
def broadcast(message):
    learn(message["body"]["message"])
    node.reply(message, {"type": "broadcast_ok"})


@node.on("gossip")
def gossip(message):
    learn(message["body"]["message"], message["src"])
    node.reply(message, {"type": "gossip_ok"})


@node.on("read")
def read(message):
    node.reply(message, {"type": "read_ok", "messages": seen})


node.every(0.3, lambda: [tell(*pair) for pair in list(unacknowledged)])
node.run()
