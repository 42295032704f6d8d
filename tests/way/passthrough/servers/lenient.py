"""An app that reads a path in every way that an app might, and takes a notification for one if any of them leads there."""

import itertools
import posixpath
import unicodedata
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


def readings(target):
    habits = itertools.product(range(4), ("replace", "ignore"), *[(False, True)] * 4)
    for decodes, errors, drops_parameters, normalises, cuts, is_plain in habits:
        path = target.split("?")[0]
        for with_host in (path, urlsplit(path).path):
            text = with_host
            for _ in range(decodes):
                text = unquote(text, errors=errors)
            text = text.replace("\\", "/")
            if normalises:
                text = unicodedata.normalize("NFKC", text)
            if is_plain:
                text = text.encode("ascii", "ignore").decode()
            if drops_parameters:
                text = "/".join(segment.split(";")[0] for segment in text.split("/"))
            if cuts:
                text = text.split("\0")[0].split("?")[0]
            text = "/".join(segment if set(segment) == {"."} else segment.strip(" .") for segment in text.split("/"))
            yield posixpath.normpath("/" + text.lstrip("/")).lower()


class App(BaseHTTPRequestHandler):
    def do_GET(self):
        is_handler = any((reading + "/").startswith("/alipay/notify/") for reading in readings(self.path))
        body = b"NOTIFIED" if is_handler else b"the app"
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), App)
print(server.server_address[1], flush=True)
server.serve_forever()
