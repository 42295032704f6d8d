"""What the sidecar delivers, in Python with Flask: python app.py

INBOX stands for the app's database: a folder with a file for each notification that was dealt with.
"""

import json
import os
import tempfile
from pathlib import Path

from flask import Flask, request

app = Flask(__name__)
inbox = Path(os.environ.get("INBOX", "inbox"))


@app.post("/alipay/notify")
def notify():
    event = request.get_json()
    take(request.headers, event)
    return "", 204  # whatever is raised above is a 500, and Alipay delivers it again


def take(headers, event):
    file = inbox / f"{headers['alipay-app-id']}.{event['notify_id']}.json"
    # Yours: the work, in one transaction with the row.
    with tempfile.NamedTemporaryFile("w", dir=inbox, prefix="draft", encoding="utf-8") as draft:
        draft.write(f"{headers['alipay-msg-method']} {json.dumps(event['biz_content'], ensure_ascii=False)}")
        draft.flush()
        try:
            os.link(draft.name, file)
        except FileExistsError:
            pass  # the same one may come again, and twice at once: it was dealt with


if __name__ == "__main__":
    app.run("127.0.0.1", int(os.environ.get("PORT", "3000")))
