"""A dispute before a mediator: sessions, an outcome, and whether what was agreed was done.

Of the parties nobody is named: how many came, and pseudonyms. Minutes and the agreement are files that stay where
they were made; the case has their SHA-256.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from jiayuan.contracts.times import iso

from .desk import assign
from .handling import resolve
from .model import OVER, Assignee, Case, Change, Leg, Moves, NotAllowed, Offer
from .steps import next_step

OUTCOMES: Final = ("agreed", "partly", "failed", "adjourned")
# What the parties are advised, or whom the case goes to, when they don't agree.
NEXT: Final = ("justice_office", "arbitration", "administrative", "court", "police", "none")
NEXT_NAMES: Final = {
    "justice_office": "司法所",
    "arbitration": "仲裁",
    "administrative": "行政裁决",
    "court": "法院诉讼",
    "police": "公安机关",
    "none": "无",
}
OUTCOME_NAMES: Final = {
    "agreed": "达成协议",
    "partly": "部分达成协议",
    "failed": "调解不成",
    "adjourned": "择期再调",
}
MOST_SESSIONS: Final = 50


def mediation_leg(case: Case) -> Leg | None:
    """The leg of whoever mediates now."""
    live = [leg for leg in case.live_legs if leg.kind == "handle" and leg.assignee.type != "unit"]
    return live[-1] if live else None


def _open(case: Case, move: str) -> Mapping[str, Any]:
    if case.state in (*OVER, "resolved"):
        raise NotAllowed(move, f"the case is {case.state}")
    if case.kind != "dispute" and not case.mediation:
        raise NotAllowed(move, "the case is no dispute")
    return case.mediation or {"sessions": []}


def _accepted(case: Case, leg_id: str, move: str) -> Leg:
    leg = case.leg(leg_id)
    if leg is None or not leg.live:
        raise NotAllowed(move, "whoever mediates has no leg that is live")
    if leg.state == "offered":
        raise NotAllowed(move, "the leg has not been accepted yet", ("accept", "return"))
    return leg


def session(
    case: Case,
    leg_id: str,
    actor: str,
    at: datetime,
    number: int,
    when: str,
    place: str | None,
    note: str | None,
) -> Moves:
    """A session is fixed, or one that was fixed has been held: number from 1 on, `when` RFC 3339 text."""
    mediation = _open(case, "session")
    _accepted(case, leg_id, "session")
    sessions = list(mediation.get("sessions") or ())
    if number > MOST_SESSIONS:
        raise NotAllowed("session", f"a dispute has at most {MOST_SESSIONS} sessions")
    entry = {"at": when, "place": place, "by": actor, "note": note}
    entry = {k: v for k, v in entry.items() if v is not None}
    if number <= len(sessions):
        sessions[number - 1] = entry
    else:
        sessions.append(entry)
    change = Change("case.changed", "session", actor, iso(at), leg_id, note)
    return (next_step(case, change, mediation={**mediation, "sessions": sessions}),)


def conclude(
    case: Case,
    leg_id: str,
    actor: str,
    at: datetime,
    outcome: str,
    reason: str,
    *,
    agreement: str | None = None,
    unit: Offer | None = None,
    response_limit: int | None = None,
) -> Moves:
    """What came of it. Agreed, wholly or partly: the leg is done. Failed: it goes to a unit, or the parties were
    advised and the leg is done. Adjourned: the leg goes on."""
    mediation = _open(case, "outcome")
    leg = _accepted(case, leg_id, "outcome")
    when = iso(at)
    told = {**mediation, "outcome": outcome, "at": when}
    if agreement is not None:
        told["agreement"] = agreement
    change = Change("case.changed", "outcome", actor, when, leg.id, reason)
    first = next_step(case, change, mediation=told)
    if outcome == "adjourned":
        return (first,)
    if unit is not None:
        return (first, *assign(first.case, unit, (), actor, at, reason, leg_id=leg.id))
    return (first, *resolve(first.case, leg.id, actor, at, reason, response_limit))


def followed_up(case: Case, actor: str, at: datetime, reason: str) -> Moves:
    """Somebody looked whether what was agreed was done; a case that is over only has it noted elsewhere."""
    if case.state in OVER:
        return ()
    return (next_step(case, Change("case.changed", "follow_up", actor, iso(at), None, reason)),)


def with_mediation(case: Case, team: str | None, mediator: str | None) -> Case:
    """The dispute is with a mediator or a team."""
    told: dict[str, Any] = {"sessions": []}
    if team is not None:
        told["team"] = team
    if mediator is not None:
        told["mediator"] = mediator
    return replace(case, mediation=told)


def to_unit(code: str, response_limit: int | None) -> Offer:
    """An offer to a unit that takes a dispute over."""
    return Offer(Assignee("unit", code), "department", 0, response_limit)
