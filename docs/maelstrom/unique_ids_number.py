"""Wrong: a number alone is another node's number as well."""
from node import Node

node = Node()
count = 0


@node.on("generate")
def generate(message):
    global count
    count += 1
    node.reply(message, {"type": "generate_ok", "id": count})


node.run()
