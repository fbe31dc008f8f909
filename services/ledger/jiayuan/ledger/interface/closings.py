"""Closing a year or a quarter: what is sent and what is answered."""

from __future__ import annotations

from typing import Final

from marshmallow import fields

from jiayuan.chassis.operation import (
    Operation,
    Operations,
    at,
    many,
    maybe,
    one_of,
    text,
    told,
    whole,
    yes_no,
)

from ..api import closings
from ..closing import ACTS

Closing = told(
    "Closing",
    "What somebody did about a period; nothing of it is ever changed.",
    id=text(),
    period=text(),
    number=whole(),
    act=one_of(*ACTS),
    actor=text(),
    at=at(),
    reason=text(),
    figures=fields.Dict(required=True),
    digest=text(metadata={"description": "SHA-256 of the figures as JSON, keys sorted."}),
)
Closings = told("Closings", "Everything that was done about any period.", acts=many(Closing))
State = told(
    "PeriodState",
    "A period, and everything that was done about it.",
    period=text(),
    closed=yes_no(),
    pending=maybe(),
    figures=fields.Dict(required=True),
    digest=text(),
    acts=many(Closing),
)

OPERATIONS: Final[Operations] = {
    ("GET", "/closings"): Operation("closings", {200: Closings}),
    ("GET", "/closings/<string:period>"): Operation("closings", {200: State}, refuses=(404,)),
    ("POST", "/closings/<string:period>"): Operation(
        "closings", {201: Closing}, body=closings.ProposalBody, refuses=(404, 409)
    ),
    ("POST", "/closings/<string:period>/decision"): Operation(
        "closings", {200: Closing}, body=closings.DecisionBody, refuses=(404, 409)
    ),
}
