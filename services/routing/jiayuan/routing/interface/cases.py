"""`/cases`, `/legs`, `/approvals`, `/reads` and contacts: what is read."""

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
    maybe_whole,
    part,
    text,
    told,
    whole,
    yes_no,
)
from jiayuan.contracts.schemas import case as contract
from jiayuan.contracts.schemas.common import Category

from ..api import cases, reads
from . import answers

Item = told(
    "CaseItem",
    "A case in a list.",
    case=part(answers.ListedCase),
    sequence=whole(),
    reports=whole(),
    urged=whole(),
    supervised=yes_no(),
    paused=yes_no(),
    waiting=many(fields.String()),
    legs=many(answers.ListedLeg),
)
# `GET /cases?report=` answers as `GET /cases/<case>` does: either has its own members.
Cases = told(
    "CasesPage",
    "A page of cases: `next` is the cursor of the next one. With `report`, the one case, as CaseWithSteps.",
    cases=fields.List(fields.Nested(Item)),
    next=fields.String(allow_none=True),
    sequence=fields.Integer(),
    case=fields.Nested(contract.Case),
    assignees=fields.Dict(keys=fields.String(), values=fields.String()),
    moves=fields.Dict(keys=fields.String(), values=fields.List(fields.String())),
    case_moves=fields.List(fields.String()),
    steps=fields.List(fields.Nested(answers.Step)),
)
CaseOfLeg = told(
    "CaseOfLeg",
    "What a leg is about.",
    id=text(),
    number=text(),
    state=text(),
    title=text(),
    kind=text(),
    category=part(Category),
    colour=text(),
    street=text(),
    community=maybe(),
    grid=maybe(),
)
Legs = told(
    "LegsPage",
    "Legs, the oldest first.",
    legs=many(
        told(
            "LegOfCase",
            "A leg and its case.",
            leg=part(contract.Leg),
            sequence=whole(),
            case=part(CaseOfLeg),
        )
    ),
)
Approvals = told(
    "ApprovalsPage",
    "What waits for a decision, the longest waiting first.",
    approvals=many(
        told(
            "WaitingApproval",
            "Something that was asked for.",
            id=text(),
            kind=text(),
            leg=maybe(),
            of=text(),
            asked_by=text(),
            asked_at=at(),
            due_at=maybe_at(),
            overdue=yes_no(),
            reason=maybe(),
            seconds=maybe_whole(),
            until=maybe(),
            sequence=whole(),
            case=part(answers.ListedCase),
            legs=many(answers.ListedLeg),
        )
    ),
    next=maybe(),
)
Reads = told(
    "ReadsPage",
    "Readings of personal data, the newest first; `next` is `before` of the next page.",
    reads=many(
        told(
            "Reading",
            "One reading.",
            id=whole(),
            at=at(),
            who=text(),
            roles=many(fields.String()),
            via=text(),
            operator=fields.String(),
            what=text(),
            case=maybe(),
            subject=text(),
            fields=many(fields.String()),
            why=text(),
        )
    ),
    next=maybe_whole(),
)
Contact = told(
    "StaffContact",
    "Somebody's contact.",
    id=text(),
    contact=fields.Dict(keys=fields.String(), values=fields.Raw(), required=True),
)

OPERATIONS: Final[Operations] = {
    ("GET", "/cases/<string:case>"): Operation(
        "cases", {200: answers.Shown}, query=cases.Why, refuses=(404,)
    ),
    ("GET", "/cases"): Operation("cases", {200: Cases}, query=cases.CasesQuery, refuses=(404,)),
    ("GET", "/legs"): Operation("cases", {200: Legs}, query=cases.LegsQuery),
    ("GET", "/approvals"): Operation("cases", {200: Approvals}, query=cases.ApprovalsQuery),
    ("GET", "/reads"): Operation("privacy", {200: Reads}, query=reads.ReadsQuery),
    ("POST", "/directory/contacts/<string:id>/reading"): Operation(
        "privacy", {200: Contact}, body=reads.ContactNeed, refuses=(404,)
    ),
}
