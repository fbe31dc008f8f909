"""What somebody asks for and somebody else grants: a return, more time, a pause, voiding.

Asked for, it stands in the case's `approvals` and changes nothing else: the leg and its clocks go on. Granted, the
thing happens, in the step that grants it. What is moot (the leg has ended, the case is over) is decided by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from jiayuan.contracts.ids import new_id
from jiayuan.contracts.times import iso, parse

from . import pausing
from .handling import return_
from .machine import ROUTING, require
from .model import OVER, Case, Change, Moves, NotAllowed
from .steps import desk_of, next_step, owned, release_all
from .terms import SILENCE_GRANTS

# Every event holds them: of those that are decided the newest.
MOST: Final = 30
MOVES: Final = {
    "return": "return",
    "extend": "extension",
    "pause": "pause",
    "void": "void",
}
# What is decided otherwise, and never by silence: a refusal on the convener's leg, a wish to whistle by `answer_wish`.
OWN_WAYS: Final = ("refusal", "whistle")


def approver_of(kind: str, case: Case, leg_id: str | None) -> str:
    """Whose it is to decide: voiding is the county's, the rest the desk's of the street, and for the desk's own leg the
    county's."""
    county = desk_of(case.street[:6] + "000").id
    if kind == "void":
        return county
    leg = case.leg(leg_id) if leg_id else None
    own = leg is not None and leg.assignee.type == "desk"
    return county if own else desk_of(case.street).id


def ask(
    case: Case,
    kind: str,
    actor: str,
    at: datetime,
    reason: str,
    limit: int,
    *,
    leg: str | None = None,
    of: str | None = None,
    seconds: int | None = None,
    until: datetime | None = None,
    misdirected: bool | None = None,
) -> Moves:
    """Somebody asks; `limit`: seconds until it is decided by itself. Asked already: nothing."""
    for old in case.approvals:
        if old["kind"] == kind and old.get("leg") == leg and not old.get("decided_at"):
            return ()
    when = iso(at)
    entry: dict[str, Any] = {"id": new_id(), "kind": kind}
    if leg is not None:
        entry["leg"] = leg
    entry |= {"asked_by": actor, "asked_at": when, "reason": reason}
    entry |= {"of": of or approver_of(kind, case, leg), "limit": limit}
    if seconds is not None:
        entry["seconds"] = seconds
    if until is not None:
        entry["until"] = iso(until)
    if misdirected is not None:
        entry["misdirected"] = misdirected
    change = Change("case.changed", "ask", actor, when, leg, reason)
    return (next_step(case, change, approvals=newest((*case.approvals, entry))),)


def newest(approvals: tuple[Mapping[str, Any], ...]) -> tuple[Mapping[str, Any], ...]:
    """No more than an event has room for: those that are decided go first, the oldest before the others."""
    surplus = len(approvals) - MOST
    if surplus <= 0:
        return approvals
    old = [a["id"] for a in approvals if a.get("decided_at")][:surplus]
    return tuple(a for a in approvals if a["id"] not in old)


def find(case: Case, approval: str) -> Mapping[str, Any] | None:
    """The approval of that id."""
    return next((a for a in case.approvals if a["id"] == approval), None)


def decide(
    case: Case,
    approval: str,
    granted: bool,
    actor: str,
    at: datetime,
    note: str | None = None,
    *,
    response_limit: int | None = None,
    misdirected: bool | None = None,
) -> Moves:
    """Granted, the thing happens in this step; else the leg goes on as it was. Decided already the same way: nothing.

    `response_limit`: the desk's, should it get the case. `misdirected`: whether the rule had sent the returned leg to
    the wrong place, as whoever decides sees it (else as whoever asked says).
    """
    found = find(case, approval)
    if found is None:
        raise NotAllowed("decide", f"the case has no approval {approval}")
    if found.get("decided_at"):
        if found.get("granted") == granted and found.get("decided_by") == actor:
            return ()
        word = "granted" if found.get("granted") else "refused"
        raise NotAllowed("decide", f"it was {word} already, by {found.get('decided_by')}")
    if found["kind"] in OWN_WAYS:
        how = "on the convener's leg" if found["kind"] == "refusal" else "as a wish to whistle"
        raise NotAllowed("decide", f"a {found['kind']} is decided {how}", ("convene",))
    require("decide", case)
    when = iso(at)
    decided = {**found, "decided_at": when, "decided_by": actor, "granted": granted}
    if note:
        decided["note"] = note
    case = replace(case, approvals=tuple(decided if a["id"] == approval else a for a in case.approvals))
    if not granted:
        change = Change("case.changed", "decide", actor, when, found.get("leg"), note)
        return (next_step(case, change),)
    wrong = misdirected if misdirected is not None else found.get("misdirected")
    return _GRANTED[found["kind"]](case, found, actor, at, response_limit, wrong)


def _return(
    case: Case,
    found: Mapping[str, Any],
    actor: str,
    at: datetime,
    response_limit: int | None,
    misdirected: bool | None,
) -> Moves:
    return return_(case, found["leg"], actor, at, found["reason"], response_limit, misdirected)


def _extension(case: Case, found: Mapping[str, Any], actor: str, at: datetime, *_: object) -> Moves:
    leg = owned(case, found["leg"], "extend")
    require("extend", case, leg)
    if any(e["leg"] == leg.id for e in case.extensions):
        raise NotAllowed("extend", "the leg was extended before: once a leg")
    when = iso(at)
    more = {
        "leg": leg.id,
        "seconds": found["seconds"],
        "reason": found["reason"],
        "approver": actor,
        "at": when,
    }
    change = Change("case.extended", "extend", actor, when, leg.id, found["reason"])
    return (next_step(case, change, extensions=(*case.extensions, more)),)


def _pause(case: Case, found: Mapping[str, Any], actor: str, at: datetime, *_: object) -> Moves:
    until = parse(found["until"]) if found.get("until") else None
    if until is not None and until <= at:  # it took longer to decide than the pause was to last
        change = Change("case.changed", "decide", actor, iso(at), found.get("leg"), "挂账期已过")
        return (next_step(case, change),)
    moves = pausing.pause(case, found["reason"], actor, at, until=until, leg=found.get("leg"))
    if moves:
        return moves
    change = Change("case.changed", "decide", actor, iso(at), found.get("leg"), "已在挂账")
    return (next_step(case, change),)


def _void(case: Case, found: Mapping[str, Any], actor: str, at: datetime, *_: object) -> Moves:
    when = iso(at)
    legs = release_all(case.legs, when, "the case is voided")
    change = Change("case.voided", "void", actor, when, None, found["reason"])
    return (next_step(case, change, legs, state="voided", closed_at=when),)


_GRANTED: Final[Mapping[str, Callable[..., Moves]]] = {
    "return": _return,
    "extension": _extension,
    "pause": _pause,
    "void": _void,
}


def next_due(case: Case, at: datetime) -> datetime | None:
    """When somebody has to look at the case again: an approval's time is up, or a dated pause is over."""
    if case.state in OVER:
        return None
    times = [
        parse(a["asked_at"]) + timedelta(seconds=a["limit"])
        for a in case.approvals
        if not a.get("decided_at") and a.get("limit") and a["kind"] not in OWN_WAYS
    ]
    ends = (parse(span["end"]) for span in case.pauses if span.get("end"))
    return min((*times, *(end for end in ends if end > at)), default=None)


def overdue(case: Case, at: datetime, response_limit: int | None = None) -> Moves:
    """Approvals that nobody decided in time: a return is granted, everything else is not."""
    out: Moves = ()
    for approval in case.approvals:
        now = find(case, approval["id"])
        if now is None or now.get("decided_at") or not now.get("limit") or now["kind"] in OWN_WAYS:
            continue
        if parse(now["asked_at"]) + timedelta(seconds=now["limit"]) > at:
            continue
        granted = now["kind"] in SILENCE_GRANTS
        note = "逾期未批，视为同意" if granted else "逾期未批，视为不同意"
        id_, by = now["id"], ROUTING.subject
        try:
            steps = decide(case, id_, granted, by, at, note, response_limit=response_limit)
        except NotAllowed:  # what was asked for can't be done any more
            steps = decide(case, id_, False, by, at, "逾期未批，且已不能办理")
        out += steps
        case = out[-1].case
    return out
