"""A g-counter in the service seq-kv: the sum is changed by compare-and-set. Before a read something new is written, as only who
writes is certain to see the newest state."""
from node import Node

node = Node()
writes = 0


@node.on("add")
def add(message):
    def attempt(known):
        node.ask("seq-kv", {"type": "cas", "key": "sum", "from": known, "to": known + message["body"]["delta"],
                            "create_if_not_exists": True},
                 lambda answer: node.reply(message, {"type": "add_ok"}) if answer["type"] == "cas_ok" else again())

    def again():
        newest(attempt)

    again()


@node.on("read")
def read(message):
    newest(lambda value: node.reply(message, {"type": "read_ok", "value": value}))


def newest(then):
    global writes
    writes += 1
    mark = {"type": "write", "key": "mark-" + node.id, "value": writes}
    node.ask("seq-kv", mark, lambda _: node.ask(
        "seq-kv", {"type": "read", "key": "sum"}, lambda answer: then(answer.get("value", 0))))


node.run()
