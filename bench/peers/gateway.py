"""Verifies a notification with the platform's own SDK for Python, and hands it on as JSON.

gateway.py LISTEN UPSTREAM KEY

One event loop of the standard library, with as much of HTTP as the senders speak: what a framework takes comes on top.
"""

import asyncio
import json
import sys
from urllib.parse import parse_qsl

from alipay.aop.api.util.SignatureUtils import get_sign_content, verify_with_rsa

listen, upstream, key_file = sys.argv[1:]
with open(key_file) as file:
    # The SDK adds the lines around the key itself.
    key = "".join(line.strip() for line in file if "-----" not in line)
idle = []


async def message(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return head, await reader.readexactly(int(length))


def verified(body):
    params = dict(parse_qsl(body.decode(), keep_blank_values=True))
    sign = params.pop("sign", None)
    if sign is None or params.pop("sign_type", None) != "RSA2":
        return None
    try:
        return params if verify_with_rsa(key, get_sign_content(params).encode(), sign) else None
    except Exception:
        return None


async def deliver(params):
    body = json.dumps(params | {"biz_content": json.loads(params["biz_content"])}, ensure_ascii=False).encode()
    reader, writer = idle.pop() if idle else await asyncio.open_connection(*upstream.split(":"))
    writer.write(
        f"POST /alipay/notify HTTP/1.1\r\nhost: {upstream}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n".encode() + body
    )
    head, _ = await message(reader)
    idle.append((reader, writer))
    return head.split(b" ")[1].startswith(b"2")


async def serve(reader, writer):
    try:
        while True:
            _, body = await message(reader)
            params = verified(body)
            answer = b"success" if params and await deliver(params) else b"fail"
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(answer), answer))
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main():
    server = await asyncio.start_server(serve, *listen.split(":"))
    await server.serve_forever()


asyncio.run(main())
