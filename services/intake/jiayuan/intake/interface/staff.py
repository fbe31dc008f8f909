"""`/hotline` and `/field`: who sends for others."""

from __future__ import annotations

from typing import Final

from marshmallow import fields

from jiayuan.chassis.operation import (
    Operation,
    Operations,
    Wrong,
    at,
    many,
    maybe,
    maybe_at,
    one_of,
    part,
    real,
    text,
    told,
    whole,
)

from .. import schemas
from . import answers
from .reports import Attached

Standing = told(
    "Standing",
    "How far a person's reports proved right, and the counts behind it.",
    subject=fields.String(),
    score=real(),
    level=text(),
    words=text(),
    submitted=whole(),
    confirmed=whole(),
    refused=whole(),
    withdrawn=whole(),
    duplicate=whole(),
)
Clock = told("PhoneClock", "How far the phone's clock is off.", skew_seconds=whole(), words=maybe())
Item = told(
    "WalkedItem",
    "What became of one item of a walk. Accepted, it holds what a receipt does.",
    id=maybe(),
    outcome=one_of("accepted", "duplicate", "refused"),
    problems=many(Wrong),
    report=fields.String(),
    tracking_code=fields.String(metadata={"description": "Only where no citizen's number was given."}),
    repeats=fields.String(
        metadata={"description": "The report in which the same person said the same before."}
    ),
)
Walked = told(
    "Walked",
    "What became of each item, in their order.",
    reports=many(Item),
    accepted=whole(),
    duplicate=whole(),
    refused=whole(),
    clock=part(Clock),
    standing=part(Standing),
)
Sent = told(
    "SentReport",
    "A report that the caller sent.",
    id=text(),
    item=maybe(),
    title=text(),
    received_at=at(),
    device_at=maybe_at(),
    progress=part(answers.Progress),
)
SentReports = told("SentReports", "The newest first.", reports=many(Sent), standing=part(Standing))

OPERATIONS: Final[Operations] = {
    ("POST", "/hotline/reports"): Operation(
        "hotline", {201: answers.Receipt, 200: answers.Receipt}, body=schemas.HotlineReport, refuses=(409,)
    ),
    ("POST", "/field/reports"): Operation("field", {200: Walked}, body=schemas.Walk),
    ("GET", "/field/reports"): Operation("field", {200: SentReports}),
    ("POST", "/field/reports/<string:report>/media"): Operation(
        "field", {201: Attached}, body=schemas.Attachments, refuses=(404, 409)
    ),
    ("GET", "/field/standing/<string:subject>"): Operation("field", {200: Standing}, proof="token"),
}
