"""Logs: the next offset of each is in the service lin-kv, where it is taken by compare-and-set; each record is a value there,
and so are the committed offsets."""
from node import Node

node = Node()
BATCH = 20


def take_offset(key, then):
    def attempt(answer):
        next_offset = answer.get("value", 0)
        node.ask("lin-kv", {"type": "cas", "key": "next-" + key, "from": next_offset, "to": next_offset + 1,
                            "create_if_not_exists": True},
                 lambda answer: then(next_offset) if answer["type"] == "cas_ok" else take_offset(key, then))

    node.ask("lin-kv", {"type": "read", "key": "next-" + key}, attempt)


@node.on("send")
def send(message):
    key, record = message["body"]["key"], message["body"]["msg"]
    take_offset(key, lambda offset: node.ask(
        "lin-kv", {"type": "write", "key": f"record-{key}-{offset}", "value": record},
        lambda _: node.reply(message, {"type": "send_ok", "offset": offset})))


@node.on("poll")
def poll(message):
    offsets, polled = message["body"]["offsets"], {}
    if not offsets:
        return node.reply(message, {"type": "poll_ok", "msgs": {}})

    def read(key, offset, records):
        def answered(answer):
            # A record that is not there yet ends the poll: to pass it over would be to lose it.
            if answer["type"] == "read_ok" and len(records) < BATCH:
                records.append([offset, answer["value"]])
                return read(key, offset + 1, records)
            polled[key] = records
            if len(polled) == len(offsets):
                node.reply(message, {"type": "poll_ok", "msgs": polled})

        node.ask("lin-kv", {"type": "read", "key": f"record-{key}-{offset}"}, answered)

    for key, offset in offsets.items():
        read(key, offset, [])


@node.on("commit_offsets")
def commit_offsets(message):
    left = len(message["body"]["offsets"])

    def written(_):
        nonlocal left
        left -= 1
        if left == 0:
            node.reply(message, {"type": "commit_offsets_ok"})

    for key, offset in message["body"]["offsets"].items():
        node.ask("lin-kv", {"type": "write", "key": "committed-" + key, "value": offset}, written)


@node.on("list_committed_offsets")
def list_committed_offsets(message):
    keys, found, answers = message["body"]["keys"], {}, []

    def read(key, answer):
        answers.append(key)
        if answer["type"] == "read_ok":
            found[key] = answer["value"]
        if len(answers) == len(keys):
            node.reply(message, {"type": "list_committed_offsets_ok", "offsets": found})

    for key in keys:
        node.ask("lin-kv", {"type": "read", "key": "committed-" + key}, lambda answer, key=key: read(key, answer))


node.run()
