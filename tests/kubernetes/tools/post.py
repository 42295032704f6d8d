"""Requests to loopback, from within the network of a pod: a JSON line in, a JSON line out, in the order of the requests."""

import http.client
import json
import sys

for line in sys.stdin:
    request = json.loads(line)
    try:
        connection = http.client.HTTPConnection("127.0.0.1", request["port"], timeout=30)
        headers = {"content-type": "application/x-www-form-urlencoded"} if request["method"] == "POST" else {}
        connection.request(request["method"], request["path"], request.get("body"), headers)
        response = connection.getresponse()
        answer = {"status": response.status, "body": response.read().decode()}
        connection.close()
    except OSError as error:
        answer = {"error": str(error)}
    print(json.dumps(answer), flush=True)
