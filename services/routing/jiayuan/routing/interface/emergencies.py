"""`/emergencies`: modes that are on for an area and a time."""

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
    part,
    text,
    told,
    whole,
)

from ..api import emergencies

_HISTORY = told(
    "EmergencyStep",
    "Who declared it, moved its end (`extend`) or lifted it.",
    action=text(),
    by=text(),
    at=at(),
    reason=text(),
    ends_at=at(),
)
_EMERGENCY: dict[str, fields.Field] = {
    "id": text(),
    "sequence": whole(),
    "mode": text(),
    "name": text(),
    "rank": whole(),
    "policy": text(),
    "area": many(fields.String()),
    "reason": text(),
    "starts_at": at(),
    "ends_at": at(),
    "declared_at": at(),
    "declared_by": text(),
    "begun_at": maybe_at(),
    "lifted_at": maybe_at(),
    "lifted_by": maybe(),
    "history": many(_HISTORY),
}
Emergency = told("Emergency", "A mode that is, was or will be on. It ends by itself.", **_EMERGENCY)
Progress = told(
    "EmergencyWithProgress",
    "An emergency, how many people it called in and how many open cases are under it. `being_brought_in_line`: streets "
    "whose cases are still being looked at, after it began or ended.",
    **_EMERGENCY,
    called=whole(),
    cases=part(told("CasesUnder", "Open cases.", under=whole(), paused=whole())),
    being_brought_in_line=many(fields.String()),
)
Listed = told("Emergencies", "Emergencies, the newest first, at most 100.", emergencies=many(Emergency))
Modes = told(
    "EmergencyModes",
    "The modes that can be declared now, as they stand in the policy.",
    policy=text(),
    modes=many(fields.Dict(keys=fields.String())),
)

OPERATIONS: Final[Operations] = {
    ("POST", "/emergencies"): Operation(
        "emergencies",
        {
            201: Emergency,
            200: Emergency,
        },
        body=emergencies.EmergencyDeclareBody,
        described="200: the same mode is declared already for the same area and an overlapping time.",
    ),
    ("GET", "/emergencies"): Operation("emergencies", {200: Listed}, query=emergencies.EmergencyQuery),
    ("GET", "/emergencies/modes"): Operation("emergencies", {200: Modes}),
    ("GET", "/emergencies/<string:emergency>"): Operation("emergencies", {200: Progress}, refuses=(404,)),
    ("POST", "/emergencies/<string:emergency>/lift"): Operation(
        "emergencies", {200: Emergency}, body=emergencies.EmergencyLiftBody, refuses=(404,)
    ),
    ("POST", "/emergencies/<string:emergency>/extend"): Operation(
        "emergencies", {200: Emergency}, body=emergencies.EmergencyExtendBody, refuses=(404, 409)
    ),
}
