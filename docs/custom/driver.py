"""A driver of the server beside this file: lines of JSON in, lines of JSON out, several operations at a time."""
import http.client, json, sys, threading

out = threading.Lock()

def reply(request, **more):
    with out:
        print(json.dumps({"id": request["id"], **more}), flush=True)

def ask(request, method, body=None):
    """The status and the value; an OSError before the request is sent is raised as ConnectionRefusedError."""
    to = http.client.HTTPConnection(request["address"], timeout=1)
    try:
        to.connect()
    except OSError as error:
        raise ConnectionRefusedError(error) from error
    path = "/" + "".join("%%%02X" % byte for byte in request["key"].encode())
    to.request(method, path, None if body is None else json.dumps(body))
    answer = to.getresponse()
    return answer.status, json.loads(answer.read())["value"]

def operate(request):
    f, value = request["f"], request["value"]
    try:
        if f == "read":
            reply(request, type="ok", value=ask(request, "GET")[1])
        elif f == "write":
            ask(request, "PUT", {"value": value})
            reply(request, type="ok")
        elif f == "cas":
            status, _ = ask(request, "POST", {"from": value[0], "to": value[1]})
            outcome = {"type": "ok"} if status == 200 else {"type": "fail", "error": "another value"}
            reply(request, **outcome)
        else:
            reply(request, type="fail", error="unknown function " + f)
    except ConnectionRefusedError as error:
        reply(request, type="fail", error=str(error))
    except Exception as error:  # it may have happened; the bench knows that of a read nothing has
        reply(request, type="info", error=repr(error))

for line in sys.stdin:
    threading.Thread(target=operate, args=(json.loads(line),), daemon=True).start()
