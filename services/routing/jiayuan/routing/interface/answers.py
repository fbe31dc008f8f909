"""Answers that several operations give."""

from __future__ import annotations

from marshmallow import fields

from jiayuan.chassis.operation import (
    at,
    many,
    maybe,
    maybe_at,
    one_of,
    part,
    problem,
    text,
    told,
    whole,
    yes_no,
)
from jiayuan.contracts.schemas import case as contract
from jiayuan.contracts.schemas.common import ASSIGNEE_TYPES, CASE_STATES, LEG_KINDS, LEG_STATES, Category

Step = told(
    "CaseStep",
    "One step of a case. Of what others wrote on their legs there is no reason and no evidence; a reporter is a "
    "pseudonym, or just `reporter`.",
    sequence=whole(),
    action=text(),
    actor=text(),
    at=at(),
    leg=maybe(),
    reason=maybe(),
    evidence=many(fields.String()),
)
_VIEW = {
    "sequence": whole(),
    "case": part(contract.Case),
    "assignees": fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        required=True,
        metadata={"description": "Names of the legs' assignees by their ids."},
    ),
    "moves": fields.Dict(
        keys=fields.String(),
        values=fields.List(fields.String()),
        required=True,
        metadata={"description": "The moves that the caller has, by the ids of their legs."},
    ),
    "case_moves": fields.List(
        fields.String(), metadata={"description": "The moves that the caller has on the case as a whole."}
    ),
}
View = told("CaseView", "A case as the caller may see it.", **_VIEW)
Shown = told("CaseWithSteps", "A case as the caller may see it, with its steps.", **_VIEW, steps=many(Step))

Problem = problem(
    "A move that the state forbids, or that comes too late, tells how the case stands, as GET /cases/<case> would, and "
    "which moves there are instead.",
    state=fields.String(),
    sequence=fields.Integer(),
    leg_state=fields.String(allow_none=True),
    allowed=fields.List(fields.String(), metadata={"description": "The moves that the caller has."}),
    case=fields.Nested(contract.Case),
    assignees=fields.Dict(keys=fields.String(), values=fields.String()),
    moves=fields.Dict(keys=fields.String(), values=fields.List(fields.String())),
    case_moves=fields.List(fields.String()),
)

Holder = told("LegHolder", "Who holds a leg.", type=one_of(*ASSIGNEE_TYPES), id=text())
ListedLeg = told(
    "ListedLeg",
    "A leg in a list.",
    id=text(),
    kind=one_of(*LEG_KINDS),
    assignee=part(Holder),
    name=text(),
    state=one_of(*LEG_STATES),
    offered_at=at(),
)
ListedCase = told(
    "ListedCase",
    "A case in a list: what it is and where it stands; nothing that leads to a person.",
    id=text(),
    number=text(),
    state=one_of(*CASE_STATES),
    title=text(),
    kind=text(),
    category=part(Category),
    livelihood=yes_no(),
    colour=text(),
    level=text(),
    street=text(),
    community=maybe(),
    grid=maybe(),
    first_received_at=at(),
    opened_at=at(),
    resolved_at=maybe_at(),
    closed_at=maybe_at(),
    emergency=maybe(),
)
