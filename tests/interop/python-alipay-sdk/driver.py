"""Signs and checks notifications with PyPI's `python-alipay-sdk`, the SDK most Python projects use.

One JSON request a line on stdin, one JSON answer a line on stdout; tests/interop/sdk.rs is the other end.

  {"do":"sign","form":"v1|v2","charset":"utf-8","params":{…},"private_key_file":"…"} -> {"body":"…"}
  {"do":"verify","charset":"utf-8","body":"…","public_key_file":"…"}                 -> {"accepted":true|false}
"""

import sys
from functools import cache
from pathlib import Path
from urllib.parse import parse_qsl

from alipay import AliPay, DCAliPay
from Cryptodome.PublicKey import RSA

sys.path.insert(0, str(Path(__file__).parents[1]))
from lines import serve


def answer(request):
    if request["charset"] != "utf-8":
        raise ValueError(f"python-alipay-sdk signs and checks utf-8 only, not {request['charset']}")
    if request["do"] == "sign":
        return {"body": sign(**request)}
    if request["do"] == "verify":
        return {"accepted": verify(**request)}
    raise ValueError(f"unknown request: {request['do']}")


def sign(form, params, private_key_file, **_):
    """AliPay.sign_data() sorts, joins and signs what it is given, and returns it as a form with its `sign`."""
    private_key = read(private_key_file)
    public_key = RSA.import_key(private_key).public_key().export_key().decode()
    sdk = AliPay(appid="unused", app_private_key_string=private_key, alipay_public_key_string=public_key)
    if form == "v2":
        return sdk.sign_data(dict(params))
    unsigned = dict(params)
    sign_type = unsigned.pop("sign_type")
    return sdk.sign_data(unsigned) + "&sign_type=" + sign_type


def verify(body, public_key_file, **_):
    """AliPay.verify() is the SDK's check of a notification: it takes `sign_type` out first, so it knows V1 only."""
    key = read(public_key_file)
    private_key = unused_private_key()
    if "BEGIN CERTIFICATE" in key:
        sdk = DCAliPay("unused", private_key, key, key, key)
    else:
        sdk = AliPay(appid="unused", app_private_key_string=private_key, alipay_public_key_string=key)
    params = dict(parse_qsl(body, keep_blank_values=True, strict_parsing=True))
    return sdk.verify(params, params.pop("sign"))


@cache
def unused_private_key():
    """The SDK loads a private key even where it only checks."""
    return RSA.generate(1024).export_key().decode()


def read(path):
    with open(path, encoding="ascii") as file:
        return file.read()


serve("python-alipay-sdk", answer)
