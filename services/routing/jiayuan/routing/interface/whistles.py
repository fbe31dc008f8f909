"""What is read of whistles, and what looks like gaming."""

from __future__ import annotations

from typing import Final

from marshmallow import fields

from jiayuan.chassis.operation import (
    Operation,
    Operations,
    at,
    many,
    maybe,
    maybe_at,
    text,
    told,
    whole,
    yes_no,
)

from ..api import gaming, whistles

_ARRIVAL = told(
    "Arrival",
    "A unit on the spot.",
    by=text(),
    place=maybe(),
    people=fields.Integer(required=True, allow_none=True),
    evidence=many(fields.String()),
    note=maybe(),
)
_UNIT = told(
    "WhistledUnit",
    "A unit that was called: its part, and how far it is. `arrival` for who may see what it wrote.",
    unit=text(),
    name=text(),
    part=text(),
    leg=text(),
    state=text(),
    called_at=at(),
    report_in_by=maybe_at(),
    reported_in_at=maybe_at(),
    arrived_at=maybe_at(),
    late=yes_no(),
    arrival=fields.Nested(_ARRIVAL),
)
_REFUSAL = told(
    "Refusal",
    "A unit that refused, and what the convener said.",
    unit=maybe(),
    leg=maybe(),
    refused_at=at(),
    reason=maybe(),
    of=text(),
    decided_at=maybe_at(),
    upheld=fields.Boolean(required=True, allow_none=True),
    note=maybe(),
)
Whistle = told(
    "WhistleOfCase",
    "How the whistle of a case stands.",
    number=text(),
    sequence=whole(),
    state=text(),
    whistle=fields.Dict(keys=fields.String(), required=True),
    unclaimed=maybe(),
    units=many(_UNIT),
    refusals=many(_REFUSAL),
)
_UNCLAIMED = told(
    "UnclaimedCase",
    "A case that nobody takes.",
    case=text(),
    number=text(),
    title=text(),
    category=text(),
    colour=text(),
    street=text(),
    community=maybe(),
    sequence=whole(),
    ground=text(),
    why=text(),
    since=at(),
    missing=text(),
    refused_by=many(fields.String()),
    at_work=many(fields.String()),
    meeting=maybe(),
    desk=text(),
)
Unclaimed = told("UnclaimedCases", "Cases that nobody takes, the oldest first.", cases=many(_UNCLAIMED))
_LOOKED = told("Look", "Somebody looked at a finding.", at=at(), by=text(), note=text())
_FINDING = told(
    "Finding",
    "Something that looks like gaming. `look` false: it has a plain explanation.",
    id=text(),
    kind=text(),
    subject=fields.Dict(keys=fields.String(), required=True),
    look=yes_no(),
    says=text(),
    explained=many(fields.String()),
    since=at(),
    until=at(),
    numbers=fields.Dict(keys=fields.String(), required=True),
    evidence=many(fields.Dict(keys=fields.String())),
    looked=many(_LOOKED),
)
Findings = told(
    "Findings",
    "What looks like gaming in a span. `explained`: how many more have a plain explanation.",
    since=at(),
    until=at(),
    street=maybe(),
    findings=many(_FINDING),
    explained=whole(),
    policy=text(),
    thresholds=fields.Dict(keys=fields.String(), required=True),
)
Looked = told("Looked", "All that was noted about a finding.", finding=text(), looked=many(_LOOKED))
Looks = told(
    "Looks",
    "Every look at a finding, with what it was then.",
    finding=text(),
    looks=many(
        told(
            "LookThen",
            "A look.",
            at=at(),
            by=text(),
            note=text(),
            street=maybe(),
            finding=fields.Dict(keys=fields.String(), required=True),
        )
    ),
)

OPERATIONS: Final[Operations] = {
    ("GET", "/cases/<string:case>/whistle"): Operation("whistles", {200: Whistle}, refuses=(404,)),
    ("GET", "/whistles/unclaimed"): Operation("whistles", {200: Unclaimed}, query=whistles.UnclaimedQuery),
    ("GET", "/gaming"): Operation("gaming", {200: Findings}, query=gaming.GamingQuery),
    ("POST", "/gaming/looks"): Operation("gaming", {201: Looked}, body=gaming.LookBody, refuses=(404,)),
    ("GET", "/gaming/looks/<string(length=20):finding>"): Operation("gaming", {200: Looks}, refuses=(404,)),
}
