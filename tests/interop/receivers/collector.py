"""A collector of OpenTelemetry on loopback: it speaks OTLP over HTTP, and reads what it gets with PyPI's
`opentelemetry-proto`, the project's own messages.

One JSON request a line on stdin, one JSON answer a line on stdout; tests/interop/collector.rs is the other end.

  {"do":"listen"}                  -> {"port":…}
  {"do":"next","status":200,"reject":0}
                                   -> {"path":…,"headers":{…},"request":{…}}   the next export, answered with the status
"""

import json
import queue
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from google.protobuf.json_format import MessageToDict
from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

PATIENCE = 20
exports = queue.Queue()


class Collector(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        export = {"path": self.path, "headers": {name.lower(): value for name, value in self.headers.items()}}
        try:
            export["request"] = read(body)
        except Exception as error:
            export["error"] = f"{type(error).__name__}: {error}"
        verdict = queue.Queue()
        exports.put((export, verdict))
        status, reject = verdict.get()
        answer = ExportTraceServiceResponse()
        if reject:
            answer.partial_success.rejected_spans = reject
            answer.partial_success.error_message = "some are not wanted"
        answer = answer.SerializeToString()
        self.send_response(status)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def read(body):
    """ParseFromString() is strict about wire types; what it does not know it keeps, and that must be nothing."""
    request = ExportTraceServiceRequest()
    request.ParseFromString(body)
    unknown(request)
    return MessageToDict(request)


def unknown(message):
    if len(UnknownFieldSet(message)):
        raise ValueError(f"fields that {message.DESCRIPTOR.full_name} does not have")
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for inner in value if field.is_repeated else [value]:
                unknown(inner)


def answer(request):
    if request["do"] == "listen":
        server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return {"port": server.server_port}
    if request["do"] == "next":
        export, verdict = exports.get(timeout=PATIENCE)
        verdict.put((request["status"], request["reject"]))
        return export
    raise ValueError(f"unknown request: {request['do']}")


def main():
    for line in sys.stdin:
        try:
            reply = answer(json.loads(line))
        except Exception as error:  # The other end shows whatever went wrong.
            reply = {"error": f"collector: {type(error).__name__}: {error}"}
        print(json.dumps(reply), flush=True)


main()
