"""What is published: what is asked and what is answered."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import fields

from jiayuan.chassis.operation import (
    JSON,
    Operation,
    Operations,
    at,
    binary,
    many,
    maybe,
    maybe_at,
    one_of,
    part,
    text,
    told,
    whole,
)

from ..api import public as api
from ..sheeting import CSV, XLSX
from .proof import Inclusion

_PAGE: Final = {200: {"text/html": {"schema": {"type": "string"}}}}
_FORM: Final[dict[str, Any]] = {
    "application/x-www-form-urlencoded": {
        "schema": {
            "type": "object",
            "required": ["code"],
            "properties": {"code": {"type": "string", "minLength": 4, "maxLength": 40}},
        }
    }
}
File = told(
    "PublishedFile", "A file: its size and its digest, as the leaf has it.", bytes=whole(), digest=text()
)
Files = told(
    "PublishedFiles", "The files of a publication.", json=part(File), csv=part(File), xlsx=part(File)
)
PublicAccount = told(
    "PublicAccount",
    "A publication, without its entries.",
    name=text(),
    year=whole(),
    street=maybe(),
    number=whole(),
    at=at(),
    entries=whole(),
    files=part(Files),
    checkpoint=whole(),
)
PublicAccounts = told(
    "PublicAccounts", "The newest publication of each year and street.", accounts=many(PublicAccount)
)
PublicMatter = told(
    "PublicMatter",
    "An entry of the account: its line as it was published (null: it came later), and the proof of its postings.",
    entry=text(),
    published=fields.Dict(required=True, allow_none=True),
    proofs=many(Inclusion),
)
PublicMatters = told(
    "PublicMatters",
    "What a tracking code leads to in a publication; nothing where it leads to nothing.",
    account=part(PublicAccount),
    matters=many(PublicMatter),
)
Ordered = told(
    "OrderedPublication", "It will be published in a moment.", id=text(), name=text(), state=one_of("ordered")
)
Publication = told(
    "Publication",
    "An order, and what was published for it.",
    id=text(),
    name=text(),
    state=one_of("ordered", "published"),
    street=maybe(),
    ordered_at=at(),
    ordered_by=text(),
    published_at=maybe_at(),
    files=fields.Nested(Files, required=True, allow_none=True),
)
Publications = told("Publications", "The newest orders first.", publications=many(Publication))
_JSON_OR_FILE: Final = {JSON: {"schema": {"type": "object"}}, **binary(CSV.partition(";")[0], XLSX)}

OPERATIONS: Final[Operations] = {
    ("POST", "/accounts/<int:year>/publications"): Operation(
        "public", {202: Ordered}, body=api.PublicationBody, refuses=(404,)
    ),
    ("GET", "/accounts/<int:year>/publications"): Operation("public", {200: Publications}, refuses=(404,)),
    ("GET", "/public/accounts"): Operation("public", {200: PublicAccounts}),
    ("GET", "/public/accounts/<string:name>"): Operation("public", _PAGE, refuses=(404,)),
    ("GET", "/public/accounts/<string:name>/file/<any(json,csv,xlsx):form>"): Operation(
        "public",
        {200: _JSON_OR_FILE, 304: None},
        refuses=(404,),
        described="JSON by /public/account.schema.json.",
    ),
    ("GET", "/public/accounts/<string:name>/checkpoint"): Operation(
        "public", {200: {"text/plain": {"schema": {"type": "string"}}}}, refuses=(404,)
    ),
    ("GET", "/public/accounts/<string:name>/proof"): Operation("public", {200: Inclusion}, refuses=(404,)),
    ("POST", "/public/accounts/<string:name>/matters"): Operation(
        "public", {200: PublicMatters}, body=api.CodeBody, refuses=(404, 503)
    ),
    ("POST", "/public/accounts/<string:name>/mine"): Operation(
        "public", {**_PAGE, 503: _PAGE[200]}, body=_FORM, refuses=(404, 413, 415)
    ),
    ("GET", "/public/reports/<string:period>/page"): Operation("public", _PAGE, refuses=(404, 422)),
    ("GET", "/public/verify.js"): Operation(
        "public", {200: {"text/javascript": {"schema": {"type": "string"}}}}
    ),
    ("GET", "/public/account.schema.json"): Operation(
        "public", {200: {"application/schema+json": {"schema": {"type": "object"}}}}
    ),
}
