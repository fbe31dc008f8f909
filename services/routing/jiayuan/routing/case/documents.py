"""The case as it is in its events, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .model import (
    Assignee,
    Case,
    Change,
    Leg,
    Rating,
    made,
)

_LEG_OPTIONAL: Final = (
    "accepted_at",
    "answered_at",
    "done_at",
    "ended_at",
    "reason",
    "report_in_limit",
    "arrived_at",
    "misdirected",
)
# Left out while they are empty or nought.
_OPTIONAL: Final = (
    "reopened",
    "inspection",
    "reworked",
    "callback_limit",
    "emergency",
    "merged_into",
    "mediation",
    "point",
)
_LISTS: Final = ("approvals", "urged", "supervised", "offered_to")


def leg_document(leg: Leg) -> dict[str, Any]:
    """The leg as it is in an event; times that haven't come are left out."""
    out: dict[str, Any] = {
        "id": leg.id,
        "kind": leg.kind,
        "level": leg.level,
        "step": leg.step,
        "assignee": {"type": leg.assignee.type, "id": leg.assignee.id},
        "state": leg.state,
        "response_limit": leg.response_limit,
        "finish_limit": leg.finish_limit,
        "offered_at": leg.offered_at,
    }
    for name in _LEG_OPTIONAL:
        value = getattr(leg, name)
        if value is not None:
            out[name] = value
    if leg.hands:
        out["hands"] = list(leg.hands)
    return out


def document(case: Case) -> dict[str, Any]:
    """The case as it is in its events (`case` of contracts' CaseChanged)."""
    out: dict[str, Any] = {
        "id": case.id,
        "number": case.number,
        "state": case.state,
        "kind": case.kind,
        "title": case.title,
        "category": case.category,
        "livelihood": case.livelihood,
        "colour": case.colour,
        "level": case.level,
        "street": case.street,
        "community": case.community,
        "grid": case.grid,
        "decision": case.decision,
        "reports": list(case.reports),
        "legs": [leg_document(leg) for leg in case.legs],
        "whistle": case.whistle,
        "pauses": list(case.pauses),
        "extensions": list(case.extensions),
        "citizen_limit": case.citizen_limit,
        "confirmation_limit": case.confirmation_limit,
        "first_received_at": case.first_received_at,
        "opened_at": case.opened_at,
    }
    for name in ("resolved_at", "closed_at", "confirmed", "satisfaction", "solved"):
        value = getattr(case, name)
        if value is not None:
            out[name] = value
    for name in _OPTIONAL:
        value = getattr(case, name)
        if value:
            out[name] = value
    for name in _LISTS:
        value = getattr(case, name)
        if value:
            out[name] = list(value)
    return out


def change_document(change: Change) -> dict[str, Any]:
    """The change as it is in an event."""
    out: dict[str, Any] = {"action": change.action, "actor": change.actor, "at": change.at}
    if change.leg is not None:
        out["leg"] = change.leg
    if change.reason is not None:
        out["reason"] = change.reason[:500]
    if change.reports:
        out["reports"] = list(change.reports)
    return out


_LEG_FIELDS: Final = tuple(f for f in Leg.__dataclass_fields__ if f not in ("assignee", "hands"))
_TUPLES: Final = ("legs", "reports", "pauses", "extensions", *_LISTS)
_DOCUMENT_FIELDS: Final = tuple(
    f for f in Case.__dataclass_fields__ if f not in (*_TUPLES, "sequence", "reopened", "rating", "reworked")
)


def from_document(
    doc: Mapping[str, Any], sequence: int, reopened: int = 0, rating: Mapping[str, Any] | None = None
) -> Case:
    """The case again from its document and what the store keeps beside it."""
    legs = tuple(
        Leg(
            assignee=Assignee(leg["assignee"]["type"], leg["assignee"]["id"]),
            hands=tuple(leg.get("hands") or ()),
            **{f: leg.get(f) for f in _LEG_FIELDS},
        )
        for leg in doc["legs"]
    )
    fields: dict[str, Any] = {f: doc.get(f) for f in _DOCUMENT_FIELDS}
    for name in _LISTS:
        fields[name] = tuple(doc[name]) if name in doc else ()
    fields["sequence"], fields["legs"], fields["reports"] = sequence, legs, tuple(doc["reports"])
    fields["pauses"], fields["extensions"] = tuple(doc["pauses"]), tuple(doc["extensions"])
    fields["reworked"], fields["reopened"] = doc.get("reworked") or 0, reopened
    fields["rating"] = Rating(**rating) if rating else None
    return made(fields)
