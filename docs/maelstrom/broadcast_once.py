"""Wrong where messages get lost: it tells its neighbours once."""
from node import Node

node = Node()
seen = []


def learn(value, teller=None):
    if value not in seen:
        seen.append(value)
        for neighbour in node.neighbours:
            if neighbour != teller:
                node.send(neighbour, {"type": "gossip", "message": value})


@node.on("broadcast")
def broadcast(message):
    learn(message["body"]["message"])
    node.reply(message, {"type": "broadcast_ok"})


@node.on("gossip")
def gossip(message):
    learn(message["body"]["message"], message["src"])


@node.on("read")
def read(message):
    node.reply(message, {"type": "read_ok", "messages": seen})


node.run()
