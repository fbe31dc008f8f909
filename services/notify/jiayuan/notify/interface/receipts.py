"""What providers say of messages afterwards, each in its own form."""

from __future__ import annotations

from typing import Final

from marshmallow import Schema, fields

from jiayuan.chassis.operation import JSON, Operation, Operations


class Signed(Schema):
    """What WeChat signs its pushes with; other providers send no query string."""

    signature = fields.String()
    timestamp = fields.String()
    nonce = fields.String()
    encrypt_type = fields.String()
    msg_signature = fields.String()
    openid = fields.String()


class Echo(Signed):
    """WeChat's question whether an address is ours."""

    echostr = fields.String()


_ITS_OWN: Final = {"schema": {"description": "As the provider sends it."}}
_ANSWER: Final = {
    JSON: {"schema": {"description": "As the provider wants it."}},
    "text/plain": {"schema": {"type": "string"}},
}

OPERATIONS: Final[Operations] = {
    ("POST", "/replies/<string(maxlength=32):provider>/<string(maxlength=128):secret>"): Operation(
        "receipts",
        {200: {"application/json": {"schema": {"type": "object"}}}},
        body={"application/json": {"schema": {"type": ["object", "array"]}}},
        refuses=(400, 404, 413),
    ),
    ("POST", "/receipts/<string(maxlength=32):provider>/<string(maxlength=128):secret>"): Operation(
        "receipts",
        {200: _ANSWER},
        body={JSON: _ITS_OWN, "text/xml": _ITS_OWN},
        query=Signed,
        refuses=(400, 404, 413),
    ),
    ("GET", "/receipts/<string(maxlength=32):provider>/<string(maxlength=128):secret>"): Operation(
        "receipts", {200: {"text/plain": {"schema": {"type": "string"}}}}, query=Echo, refuses=(400, 404)
    ),
}
