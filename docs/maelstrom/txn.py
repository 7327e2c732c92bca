"""Transactions on lists and registers: all of the state is one value of the service lin-kv, changed by compare-and-set."""
from node import Node

node = Node()
STATE = {"key": "state"}


def done(txn, state):
    """What the transaction comes to, and the state after it."""
    state, completed = dict(state), []
    for f, key, value in txn:
        name = str(key)
        if f == "r":
            value = state.get(name)
        elif f == "append":
            state[name] = state.get(name, []) + [value]
        else:
            state[name] = value
        completed.append([f, key, value])
    return completed, state


@node.on("txn")
def txn(message):
    def attempt(answer):
        before = answer.get("value", {})
        completed, after = done(message["body"]["txn"], before)
        change = {"type": "cas", "from": before, "to": after, "create_if_not_exists": True, **STATE}
        node.ask("lin-kv", change, lambda answer: finished(answer, completed))

    def finished(answer, completed):
        if answer["type"] == "cas_ok":
            node.reply(message, {"type": "txn_ok", "txn": completed})
        else:
            node.error(message, 30, "another transaction was faster")

    node.ask("lin-kv", {"type": "read", **STATE}, attempt)


node.run()
