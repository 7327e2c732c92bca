"""Wrong: the service seq-kv may answer with what was true a moment ago."""
from node import Node

node = Node()


def pass_on(message):
    body = {name: value for name, value in message["body"].items() if name != "msg_id"}

    def answered(answer):
        node.reply(message, {name: value for name, value in answer.items() if name != "in_reply_to"})

    node.ask("seq-kv", body, answered)


for kind in ["read", "write", "cas"]:
    node.on(kind)(pass_on)
node.run()
