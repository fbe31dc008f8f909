"""What people wish to be told."""

from __future__ import annotations

from typing import Final

from marshmallow import fields

from jiayuan.chassis.operation import (
    Operation,
    Operations,
    at,
    binary,
    many,
    one_of,
    part,
    text,
    told,
    yes_no,
)

from ..api.preferences import TYPES, KeptBody, WishesBody
from ..preferences import CHANNELS, SUBJECTS

Hours = told(
    "QuietHours",
    "From one time of day until another, in the county's zone.",
    **{"from": text(), "until": text()},
)
Subject = told(
    "SubjectWish",
    "One subject of notices.",
    subject=one_of(*SUBJECTS),
    name=text(metadata={"description": "In Chinese."}),
    refusable=yes_no(),
    refused=yes_no(),
)
_WISHES: Final[dict[str, fields.Field]] = {
    "type": one_of(*TYPES),
    "policy": text(metadata={"description": "The version of the policy that says what may be refused."}),
    "refused": fields.List(fields.String(), required=True),
    "unwanted": fields.List(one_of(*CHANNELS), required=True),
    "vendor": fields.List(
        one_of(*CHANNELS),
        required=True,
        metadata={"description": "Of those not wanted: where a provider says that the person unsubscribed."},
    ),
    "quiet": part(Hours, allow_none=True),
    "subjects": many(Subject),
}
Wishes = told("Wishes", "What somebody wishes to be told, and what he may refuse.", **_WISHES)
Change = told(
    "WishesChange",
    "A change of somebody's wishes.",
    at=at(),
    how=one_of("page", "code", "person", "staff", "command", "reply", "vendor"),
    by=text(
        metadata={"description": "Who kept it for somebody, or the provider that said it; empty: the person."}
    ),
    reason=text(),
    before=fields.Dict(required=True, allow_none=True),
    after=fields.Dict(required=True, allow_none=True),
)
Kept = told("KeptWishes", "Wishes with how they came to be.", **_WISHES, changes=many(Change))

_OF = "/preferences/<any(citizen, person, unit, desk):type>/<string:id>"
_CODE = "<string(maxlength=40):code>"
_PAGE = binary("text/html")
_FORM: Final = {
    "application/x-www-form-urlencoded": {
        "schema": {
            "type": "object",
            "properties": {
                "do": {
                    "enum": ["save", "stop", "all"],
                    "description": "stop: refuse all; all: refuse nothing",
                },
                "keep": {"type": "array", "items": {"enum": ["receipt", "progress", "result"]}},
                "from": {"type": "string"},
                "until": {"type": "string"},
            },
        }
    }
}

OPERATIONS: Final[Operations] = {
    ("GET", "/preferences/me"): Operation("preferences", {200: Wishes}, refuses=(404,)),
    ("PUT", "/preferences/me"): Operation(
        "preferences", {200: Wishes}, body=WishesBody, refuses=(400, 404, 422)
    ),
    ("GET", _OF): Operation("preferences", {200: Kept}, refuses=(404,)),
    ("PUT", _OF): Operation("preferences", {200: Wishes}, body=KeptBody, refuses=(400, 404, 422)),
    ("GET", f"/preferences/code/{_CODE}"): Operation("preferences", {200: Wishes}, refuses=(404, 429)),
    ("PUT", f"/preferences/code/{_CODE}"): Operation(
        "preferences", {200: Wishes}, body=WishesBody, refuses=(400, 404, 422, 429)
    ),
    ("GET", f"/u/{_CODE}"): Operation("unsubscribing", {200: _PAGE}, refuses=(404, 429)),
    ("POST", f"/u/{_CODE}"): Operation(
        "unsubscribing", {200: _PAGE}, body=_FORM, refuses=(400, 404, 413, 415, 422, 429)
    ),
}
