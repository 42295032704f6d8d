"""Reads what the sidecar delivers with PyPI's `cloudevents`, the official SDK of CloudEvents, and `standardwebhooks`,
the reference library of Standard Webhooks.

One JSON request a line on stdin, one JSON answer a line on stdout; tests/interop/receiver.rs is the other end.

  {"do":"event","headers":{…},"body":"…"}                  -> {"attributes":{…},"data":…}
  {"do":"webhook","headers":{…},"body":"…","secret":"…"}   -> {"accepted":true|false}
"""

import sys
from datetime import datetime
from pathlib import Path

from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from standardwebhooks import Webhook, WebhookVerificationError

sys.path.insert(0, str(Path(__file__).parents[1]))
from lines import serve


def answer(request):
    if request["do"] == "event":
        return event(**request)
    if request["do"] == "webhook":
        return {"accepted": verify(**request)}
    raise ValueError(f"unknown request: {request['do']}")


def event(headers, body, **_):
    """from_http_event() tells the mode by the headers, reads the event, and checks it by the specification."""
    read = from_http_event(HTTPMessage(headers=headers, body=body.encode()))
    return {"attributes": {name: plain(value) for name, value in read.get_attributes().items()}, "data": read.get_data()}


def plain(value):
    """The SDK makes a datetime of `time`."""
    return value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else value


def verify(headers, body, secret, **_):
    """Webhook.verify() checks the signature over the body as it came, and that the time is that of now."""
    try:
        Webhook(secret).verify(body.encode(), headers)
        return True
    except WebhookVerificationError:
        return False


serve("receivers", answer)
