"""`/person`, `/consents` and `/reveals`."""

from __future__ import annotations

from typing import Final

from marshmallow import fields

from jiayuan.chassis.operation import (
    JSON,
    Operation,
    Operations,
    at,
    many,
    maybe_at,
    one_of,
    text,
    told,
    whole,
)
from jiayuan.contracts.schemas.common import Demand

from ..channels import privacy


class Reveals(Demand):
    """The query of `GET /reveals`."""

    report = fields.String(metadata={"description": "Only those of this report."})
    state = fields.String(metadata={"description": "`waiting`: only those that are to be decided."})


Consent = told("Consent", "What reporters agree to.", version=text(), since=text(), title=text(), text=text())
Line = told(
    "PersonLogLine",
    "An export or erasure.",
    at=at(),
    action=text(),
    person=text(),
    reports=whole(),
    asked_by=text(),
    why=fields.String(required=True, allow_none=True),
)
Step = told("RevealStep", "Who did what.", action=text(), who=text(), at=at(), why=fields.String())
Reveal = told(
    "Reveal",
    "That somebody asked to see a report as it arrived, and what became of it.",
    id=text(),
    report=text(),
    state=one_of("waiting", "approved", "refused", "lapsed", "over"),
    why=text(),
    until=maybe_at(),
    steps=many(Step),
)
_OBJECT: Final = {JSON: {"schema": {"type": "object"}}}
_EXPORT: Final = {**_OBJECT, "text/html": {"schema": {"type": "string"}}}

OPERATIONS: Final[Operations] = {
    ("GET", "/consents"): Operation(
        "privacy", {200: told("Consents", "By version.", newest=text(), versions=many(Consent))}
    ),
    ("POST", "/person/export"): Operation(
        "privacy",
        {200: _EXPORT},
        body=privacy.Who,
        refuses=(401, 403, 404, 410),
        described="For a citizen who is signed in, or with a report's code and the number that it was made with.",
    ),
    ("POST", "/person/erasure"): Operation(
        "privacy",
        {200: _OBJECT},
        body=privacy.Erasure,
        refuses=(401, 403, 404),
        described="For a citizen who is signed in, or with a report's code and the number that it was made with.",
    ),
    ("GET", "/person/log"): Operation(
        "privacy", {200: told("PersonLog", "The newest first.", lines=many(Line))}
    ),
    ("POST", "/reveals"): Operation(
        "privacy", {201: Reveal}, body=privacy.Ask, refuses=(404,), proof="token"
    ),
    ("GET", "/reveals"): Operation(
        "privacy",
        {200: told("Reveals", "The newest first.", reveals=many(Reveal))},
        query=Reveals,
        proof="token",
    ),
    ("POST", "/reveals/<string:reveal>/approval"): Operation(
        "privacy", {201: Reveal}, body=privacy.Approval, refuses=(404, 409)
    ),
    ("POST", "/reveals/<string:reveal>/refusal"): Operation(
        "privacy", {201: Reveal}, body=privacy.Refusal, refuses=(404, 409)
    ),
    ("GET", "/reveals/<string:reveal>/content"): Operation(
        "privacy", {200: _OBJECT}, refuses=(404, 409, 410), proof="token"
    ),
}
