"""What a node in Python needs: it reads messages, calls a function for each, and sends answers and requests.

    from node import Node
    node = Node()

    @node.on("echo")
    def echo(message):
        node.reply(message, {"type": "echo_ok", "echo": message["body"]["echo"]})

    node.run()
"""

import json
import sys
import threading


class Node:
    def __init__(self):
        self.id, self.others, self.neighbours = None, [], []
        self.handlers, self.waiting = {}, {}
        self.lock = threading.RLock()
        self.number = 0

    def on(self, kind):
        """The function below handles messages of this type."""
        def register(handler):
            self.handlers[kind] = handler
            return handler
        return register

    def send(self, dest, body):
        with self.lock:
            print(json.dumps({"src": self.id, "dest": dest, "body": body}), flush=True)

    def reply(self, message, body):
        self.send(message["src"], {**body, "in_reply_to": message["body"]["msg_id"]})

    def error(self, message, code, text):
        self.reply(message, {"type": "error", "code": code, "text": text})

    def ask(self, dest, body, then):
        """Sends a request; `then` is called with the body of the answer, when there is one."""
        with self.lock:
            self.number += 1
            self.waiting[self.number] = then
            self.send(dest, {**body, "msg_id": self.number})
            return self.number

    def every(self, seconds, work):
        """Calls `work` again and again."""
        def again():
            with self.lock:
                work()
            self.every(seconds, work)
        timer = threading.Timer(seconds, again)
        timer.daemon = True
        timer.start()

    def run(self):
        for line in sys.stdin:
            message = json.loads(line)
            with self.lock:
                self.handle(message)

    def handle(self, message):
        body = message["body"]
        if "in_reply_to" in body:
            then = self.waiting.pop(body["in_reply_to"], None)
            if then:
                then(body)
        elif body["type"] == "init":
            self.id = body["node_id"]
            self.others = [node for node in body["node_ids"] if node != self.id]
            self.reply(message, {"type": "init_ok"})
        elif body["type"] == "topology":
            self.neighbours = body["topology"][self.id]
            self.reply(message, {"type": "topology_ok"})
        elif body["type"] in self.handlers:
            self.handlers[body["type"]](message)
        else:
            self.error(message, 10, "there is no " + body["type"])
