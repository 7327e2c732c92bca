"""Wrong with more than one node: each counts the offsets of a log by itself."""
from node import Node

node = Node()
logs, committed = {}, {}


@node.on("send")
def send(message):
    log = logs.setdefault(message["body"]["key"], [])
    log.append(message["body"]["msg"])
    node.reply(message, {"type": "send_ok", "offset": len(log) - 1})


@node.on("poll")
def poll(message):
    polled = {}
    for key, offset in message["body"]["offsets"].items():
        records = logs.get(key, [])[offset:offset + 20]
        polled[key] = [[offset + place, record] for place, record in enumerate(records)]
    node.reply(message, {"type": "poll_ok", "msgs": polled})


@node.on("commit_offsets")
def commit_offsets(message):
    committed.update(message["body"]["offsets"])
    node.reply(message, {"type": "commit_offsets_ok"})


@node.on("list_committed_offsets")
def list_committed_offsets(message):
    known = {key: committed[key] for key in message["body"]["keys"] if key in committed}
    node.reply(message, {"type": "list_committed_offsets_ok", "offsets": known})


node.run()
