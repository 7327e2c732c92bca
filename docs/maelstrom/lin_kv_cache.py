"""Wrong: it remembers what it has read, and does not learn when another node changes it."""
from node import Node

node = Node()
cache = {}


def pass_on(message):
    body = {name: value for name, value in message["body"].items() if name != "msg_id"}
    key = body["key"]
    if body["type"] == "read" and key in cache:
        return node.reply(message, {"type": "read_ok", "value": cache[key]})

    def answered(answer):
        if answer["type"] == "read_ok":
            cache[key] = answer["value"]
        elif answer["type"] in ["write_ok", "cas_ok"]:
            cache.pop(key, None)
        node.reply(message, {name: value for name, value in answer.items() if name != "in_reply_to"})

    node.ask("lin-kv", body, answered)


for kind in ["read", "write", "cas"]:
    node.on(kind)(pass_on)
node.run()
