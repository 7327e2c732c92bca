"""Wrong: it says what it was told the time before."""
from node import Node

node = Node()
last = "nothing yet"


@node.on("echo")
def echo(message):
    global last
    node.reply(message, {"type": "echo_ok", "echo": last})
    last = message["body"]["echo"]


node.run()
