"""A key-value server that trusts its network: each node answers at once, and tells the others later.

    python3 kv.py 127.0.0.1:7000 127.0.0.1:7001,127.0.0.1:7002
"""
import http.client, json, queue, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

host, port = sys.argv[1].rsplit(":", 1)
peers = [(peer, queue.Queue()) for peer in sys.argv[2].split(",") if peer]
values, lock = {}, threading.Lock()

class Handler(BaseHTTPRequestHandler):
    protocol_version, wbufsize = "HTTP/1.1", -1

    def answer(self, status, value=None):
        body = json.dumps({"value": value}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def body(self):
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def write(self, value):
        values[self.path] = value
        for _, changes in peers if "X-Peer" not in self.headers else []:
            changes.put((self.path, value))
        self.answer(200, value)

    def do_GET(self):
        self.answer(200 if self.path in values else 404, values.get(self.path))

    def do_PUT(self):
        with lock:
            self.write(self.body()["value"])

    def do_POST(self):  # compare-and-set
        change = self.body()
        with lock:
            if values.get(self.path) != change["from"]:
                return self.answer(409)
            self.write(change["to"])

    def log_message(self, *_):
        pass

def tell(peer, changes):
    while True:
        path, value = changes.get()
        try:
            to = http.client.HTTPConnection(peer, timeout=1)
            to.request("PUT", path, json.dumps({"value": value}), {"X-Peer": "1"})
            to.getresponse().read()
        except OSError as error:
            print("lost a change for", peer, error, flush=True)

for peer, changes in peers:
    threading.Thread(target=tell, args=(peer, changes), daemon=True).start()
ThreadingHTTPServer.request_queue_size = 128
ThreadingHTTPServer((host, int(port)), Handler).serve_forever()
