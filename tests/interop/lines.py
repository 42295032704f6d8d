"""What the drivers have in common: one JSON request a line on stdin, one JSON answer a line on stdout."""

import json
import sys


def serve(name, answer):
    sys.stdin.reconfigure(encoding="utf-8")
    for line in sys.stdin:
        try:
            reply = answer(json.loads(line))
        except Exception as error:  # The other end shows whatever went wrong.
            reply = {"error": f"{name}: {type(error).__name__}: {error}"}
        print(json.dumps(reply), flush=True)
