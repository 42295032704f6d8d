"""Signs and checks notifications with PyPI's `alipay-sdk-python`, the platform's own SDK for Python.

One JSON request a line on stdin, one JSON answer a line on stdout; tests/interop/sdk.rs is the other end.

  {"do":"sign","form":"v1|v2","charset":"utf-8|gbk|…","params":{…},"private_key_file":"…"}    -> {"body":"…"}
  {"do":"verify","form":"v1|v2","charset":"utf-8|gbk|…","body":"…","public_key_file":"…"}     -> {"accepted":true|false}
"""

import sys
from pathlib import Path
from urllib.parse import parse_qsl

import rsa
from alipay.aop.api.util.SignatureUtils import get_sign_content, sign_with_rsa2, verify_with_rsa
from alipay.aop.api.util.WebUtils import url_encode

sys.path.insert(0, str(Path(__file__).parents[1]))
from lines import serve


def answer(request):
    if request["do"] == "sign":
        return {"body": sign(**request)}
    if request["do"] == "verify":
        return {"accepted": verify(**request)}
    raise ValueError(f"unknown request: {request['do']}")


def sign(form, charset, params, private_key_file, **_):
    """get_sign_content() composes the text and sign_with_rsa2() signs it in any charset; url_encode() makes the form."""
    text = get_sign_content(signed_of(params, form))
    return url_encode({**params, "sign": sign_with_rsa2(read(private_key_file), text, charset)}, charset)


def verify(form, charset, body, public_key_file, **_):
    """The SDK has no function for a whole notification; its users call verify_with_rsa() over get_sign_content()."""
    params = dict(parse_qsl(body, keep_blank_values=True, strict_parsing=True, encoding=charset, errors="strict"))
    signature = params.pop("sign")
    text = get_sign_content(signed_of(params, form))
    try:
        return verify_with_rsa(read(public_key_file), text.encode(charset), signature)
    except rsa.VerificationError:
        return False


def signed_of(params, form):
    """The SDK leaves it to its users which parameters are signed: V1 is without `sign_type`, V2 with it."""
    return {name: value for name, value in params.items() if form == "v2" or name != "sign_type"}


def read(path):
    with open(path, encoding="ascii") as file:
        return file.read().strip()


serve("alipay-sdk-python", answer)
