"""The case and its legs: which moves there are, what each does, and why one isn't allowed. Pure.

Times in these values are RFC 3339 text as in the events, so that a case goes to and from its document without
any parsing. Every function that moves a case returns the steps it took (`Moves`): each is a whole new case with
the change that led there and the event that tells of it. No step means that the move had been done already.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal

from jiayuan.contracts.ids import new_id
from jiayuan.contracts.times import iso, parse

AssigneeType = Literal["person", "unit", "desk"]

# A leg is live while its assignee owes something; done counts for the result; the others led nowhere.
LIVE: Final = ("offered", "accepted", "answered")
MAIN: Final = ("handle", "lead")
OVER: Final = ("closed", "voided", "merged")
DESK_STEP: Final = 3
# Every event of a case holds all of its reports, and an event has at most 64 KiB.
MOST_REPORTS: Final = 200
_URGENT_FIRST: Final = ("red", "orange", "yellow", "blue", "green")
_ADVANCE: Final = {"offered": 0, "accepted": 1, "answered": 2, "done": 2}
_STATES: Final = ("assigned", "accepted", "answered")


class NotAllowed(Exception):
    """A move that the state forbids: which moves are allowed instead, and why this one isn't."""

    def __init__(self, move: str, why: str, allowed: Sequence[str] = ()) -> None:
        self.move, self.why, self.allowed = move, why, tuple(allowed)
        super().__init__(f"{move} is not allowed: {why}")


@dataclass(frozen=True, slots=True)
class Assignee:
    """Who holds a leg: a person of a grid, a unit, or a street's desk."""

    type: AssigneeType
    id: str


@dataclass(frozen=True, slots=True)
class Rung:
    """A step of the ladder above a grid worker: 1 leader, 2 chief, 3 the street's desk."""

    step: int
    level: str
    assignee: Assignee


@dataclass(frozen=True, slots=True)
class Leg:
    """One assignment. Limits are seconds, None means no clock; times are RFC 3339 text."""

    id: str
    kind: str
    level: str
    step: int
    assignee: Assignee
    state: str
    response_limit: int | None
    finish_limit: int | None
    offered_at: str
    accepted_at: str | None = None
    answered_at: str | None = None
    done_at: str | None = None
    ended_at: str | None = None
    reason: str | None = None

    @property
    def live(self) -> bool:
        """Whether its assignee still owes something."""
        return self.state in LIVE


@dataclass(frozen=True, slots=True)
class Rating:
    """What the reporter said of the result; `satisfaction` is 1 to 5 or unknown."""

    solved: bool
    satisfaction: int | None
    at: str
    by: str


@dataclass(frozen=True, slots=True)
class Case:
    """A case as of `sequence`. `reopened` and `rating` (kept until it counts) aren't part of its events."""

    id: str
    number: str
    sequence: int
    state: str
    kind: str
    title: str
    category: Mapping[str, Any]
    livelihood: bool
    colour: str
    level: str
    street: str
    community: str | None
    grid: str | None
    decision: Mapping[str, Any]
    reports: tuple[Mapping[str, Any], ...]
    first_received_at: str
    opened_at: str
    legs: tuple[Leg, ...] = ()
    whistle: Mapping[str, Any] | None = None
    citizen_limit: int | None = None
    confirmation_limit: int | None = None
    resolved_at: str | None = None
    closed_at: str | None = None
    confirmed: str | None = None
    satisfaction: int | None = None
    reopened: int = 0
    rating: Rating | None = None

    def leg(self, leg_id: str) -> Leg | None:
        """The leg of that id."""
        return next((leg for leg in self.legs if leg.id == leg_id), None)

    @property
    def live_legs(self) -> tuple[Leg, ...]:
        """The legs whose assignees still owe something."""
        return tuple(leg for leg in self.legs if leg.state in LIVE)


@dataclass(frozen=True, slots=True)
class Change:
    """What was done, by whom, when, and the event that says so. `evidence` (links) stays with the step; `reports`
    came into the case or went out of it."""

    event: str
    action: str
    actor: str
    at: str
    leg: str | None = None
    reason: str | None = None
    evidence: tuple[str, ...] = ()
    reports: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Moved:
    """A case after one step, and the change that led there."""

    case: Case
    change: Change


Moves = tuple[Moved, ...]


# -- documents ---------------------------------------------------------------------------------------


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
    for name in ("accepted_at", "answered_at", "done_at", "ended_at", "reason"):
        value = getattr(leg, name)
        if value is not None:
            out[name] = value
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
        "pauses": [],
        "extensions": [],
        "citizen_limit": case.citizen_limit,
        "confirmation_limit": case.confirmation_limit,
        "first_received_at": case.first_received_at,
        "opened_at": case.opened_at,
    }
    for name in ("resolved_at", "closed_at", "confirmed", "satisfaction"):
        value = getattr(case, name)
        if value is not None:
            out[name] = value
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


_LEG_FIELDS: Final = tuple(f for f in Leg.__dataclass_fields__ if f != "assignee")
_DOCUMENT_FIELDS: Final = tuple(
    f for f in Case.__dataclass_fields__ if f not in ("sequence", "legs", "reports", "reopened", "rating")
)


def from_document(
    doc: Mapping[str, Any], sequence: int, reopened: int = 0, rating: Mapping[str, Any] | None = None
) -> Case:
    """The case again from its document and what the store keeps beside it."""
    legs = tuple(
        Leg(
            assignee=Assignee(leg["assignee"]["type"], leg["assignee"]["id"]),
            **{f: leg.get(f) for f in _LEG_FIELDS},
        )
        for leg in doc["legs"]
    )
    return Case(
        sequence=sequence,
        legs=legs,
        reports=tuple(doc["reports"]),
        reopened=reopened,
        rating=Rating(**rating) if rating else None,
        **{f: doc.get(f) for f in _DOCUMENT_FIELDS},  # type: ignore[arg-type]
    )


# -- small parts -------------------------------------------------------------------------------------


def new_leg(
    kind: str,
    level: str,
    step: int,
    assignee: Assignee,
    offered_at: str,
    response_limit: int | None,
    finish_limit: int | None,
    reason: str | None = None,
) -> Leg:
    """A leg that is offered now."""
    return Leg(
        new_id(),
        kind,
        level,
        step,
        assignee,
        "offered",
        response_limit,
        finish_limit,
        offered_at,
        reason=reason,
    )


def desk_of(street: str) -> Assignee:
    """The desk of a street (or of the county, by its virtual street code)."""
    return Assignee("desk", f"desk-{street}")


def standing(legs: Iterable[Leg]) -> str:
    """The state that the legs give an unresolved case: as far as the furthest of those who handle it."""
    furthest = max(
        (_ADVANCE[leg.state] for leg in legs if leg.kind in MAIN and leg.state in _ADVANCE), default=-1
    )
    return _STATES[furthest] if furthest >= 0 else "open"


def is_resolved(legs: Sequence[Leg]) -> bool:
    """Whether every leg that matters is done: somebody handled it, and nobody who was called still owes."""
    owed = any(leg.live for leg in legs if leg.kind != "supervise")
    return not owed and any(leg.state == "done" for leg in legs if leg.kind in MAIN)


def _level(legs: Sequence[Leg], before: str) -> str:
    """Where it is handled now: the latest live leg of those who handle it."""
    return next((leg.level for leg in reversed(legs) if leg.kind in MAIN and leg.live), before)


def _with_leg(case: Case, leg: Leg, *added: Leg) -> tuple[Leg, ...]:
    return (*(leg if old.id == leg.id else old for old in case.legs), *added)


def _step(case: Case, change: Change, legs: tuple[Leg, ...] | None = None, **fields: Any) -> Moved:
    """The next sequence of the case; while it is unresolved, state and level follow from the legs."""
    if legs is not None:
        fields["legs"] = legs
        if "state" not in fields:
            fields["state"] = standing(legs)
            fields["level"] = _level(legs, case.level)
    return Moved(replace(case, sequence=case.sequence + 1, **fields), change)


def _release(legs: Iterable[Leg], at: str, reason: str) -> tuple[Leg, ...]:
    """Nobody owes anything any more."""
    return tuple(
        replace(leg, state="released", ended_at=at, reason=leg.reason or reason) if leg.live else leg
        for leg in legs
    )


def moves_of(leg: Leg) -> tuple[str, ...]:
    """The moves that the assignee of a leg has now."""
    moves: tuple[str, ...] = {
        "offered": ("accept", "return"),
        "accepted": ("answer", "return", "resolve"),
        "answered": ("return", "resolve"),
    }.get(leg.state, ())
    if leg.assignee.type == "desk" or leg.kind == "supervise":
        moves = tuple(m for m in moves if m != "return")
    return moves


_WHY: Final = {
    "offered": "the leg has not been accepted yet",
    "accepted": "the leg is accepted already",
    "answered": "the leg is answered already",
    "done": "the leg is done",
    "returned": "the leg was returned",
    "refused": "the leg was refused",
    "reassigned": "the leg was passed on to somebody else",
    "released": "the leg was released: nothing is owed on it any more",
}


def _owned(case: Case, leg_id: str, move: str) -> Leg:
    leg = case.leg(leg_id)
    if leg is None:
        raise NotAllowed(move, f"the case has no leg {leg_id}")
    return leg


def _allow(case: Case, leg: Leg, move: str) -> None:
    allowed = moves_of(leg) if case.state not in (*OVER, "resolved") else ()
    if move not in allowed:
        why = _WHY[leg.state] if leg.state not in LIVE or not allowed else _why_not(leg, move)
        if case.state in OVER and leg.live:
            why = f"the case is {case.state}"
        raise NotAllowed(move, why, allowed)


def _why_not(leg: Leg, move: str) -> str:
    if move == "return" and leg.kind == "supervise":
        return "a supervisor has nothing to return: resolve it, or assign the case to somebody"
    if move == "return" and leg.assignee.type == "desk":
        return "the desk is the last to turn to: assign the case to a person or a unit"
    return _WHY[leg.state]


def with_evidence(moves: Moves, evidence: Sequence[str]) -> Moves:
    """The same steps, the first with the assignee's evidence."""
    if not moves or not evidence:
        return moves
    first = moves[0]
    return (replace(first, change=replace(first.change, evidence=tuple(evidence))), *moves[1:])


# -- opening -----------------------------------------------------------------------------------------


def opened(case: Case, actor: str) -> Moved:
    """Sequence 1: the case exists, nobody has been given it."""
    return Moved(case, Change("case.opened", "open", actor, case.opened_at, None, case.decision["reason"]))


def assign_first(
    case: Case, legs: tuple[Leg, ...], actor: str, whistle: Mapping[str, Any] | None = None
) -> Moved:
    """Sequence 2: offered to a person or a desk, or units whistled."""
    event, action = ("case.whistled", "whistle") if whistle is not None else ("case.assigned", "assign")
    change = Change(event, action, actor, legs[0].offered_at, legs[0].id, case.decision["reason"])
    return Moved(
        replace(case, sequence=case.sequence + 1, state="assigned", legs=legs, whistle=whistle), change
    )


# -- what an assignee does ---------------------------------------------------------------------------


def accept(case: Case, leg_id: str, actor: str, at: datetime, note: str | None = None) -> Moves:
    """offered → accepted (簽收, for a unit 報到)."""
    leg = _owned(case, leg_id, "accept")
    if leg.accepted_at is not None and leg.state in ("accepted", "answered", "done"):
        return ()
    _allow(case, leg, "accept")
    when = iso(at)
    moved = replace(leg, state="accepted", accepted_at=when)
    return (
        _step(case, Change("case.accepted", "accept", actor, when, leg.id, note), _with_leg(case, moved)),
    )


def answer(case: Case, leg_id: str, actor: str, at: datetime, note: str | None = None) -> Moves:
    """accepted → answered (應答)."""
    leg = _owned(case, leg_id, "answer")
    if leg.state in ("answered", "done"):
        return ()
    _allow(case, leg, "answer")
    when = iso(at)
    moved = replace(leg, state="answered", answered_at=when)
    return (
        _step(case, Change("case.answered", "answer", actor, when, leg.id, note), _with_leg(case, moved)),
    )


def resolve(
    case: Case,
    leg_id: str,
    actor: str,
    at: datetime,
    note: str | None = None,
    response_limit: int | None = None,
) -> Moves:
    """accepted or answered → done (辦結). The case is resolved with the last leg that matters; a rating that came
    before counts then (`response_limit`: the desk's, should it be opened again). Before the last leg, the event
    is case.answered with the action `resolve`."""
    leg = _owned(case, leg_id, "resolve")
    if leg.state == "done":
        return ()
    _allow(case, leg, "resolve")
    when = iso(at)
    done = replace(leg, state="done", answered_at=leg.answered_at or when, done_at=when)
    change = Change("", "resolve", actor, when, leg.id, note)
    return _settle(case, _with_leg(case, done), "case.answered", change, response_limit)


def release(
    case: Case, leg_id: str, actor: str, at: datetime, reason: str, response_limit: int | None = None
) -> Moves:
    """The desk lets an assistant off, so that it doesn't hold up the case for ever."""
    leg = _owned(case, leg_id, "release")
    if leg.state == "released":
        return ()
    if leg.kind != "assist":
        raise NotAllowed(
            "release", "only an assistant can be released; give the case to somebody else instead"
        )
    if not leg.live or case.state in (*OVER, "resolved"):
        raise NotAllowed("release", _WHY[leg.state])
    when = iso(at)
    let_off = replace(leg, state="released", ended_at=when, reason=reason)
    change = Change("", "release", actor, when, leg.id, reason)
    return _settle(case, _with_leg(case, let_off), "case.assigned", change, response_limit)


def _settle(
    case: Case, legs: tuple[Leg, ...], event: str, change: Change, response_limit: int | None = None
) -> Moves:
    """After a leg has ended: resolved if it was the last that matters."""
    if not is_resolved(legs):
        return (_step(case, replace(change, event=event), legs),)
    legs = _release(legs, change.at, "the case is resolved")
    resolved = _step(
        case, replace(change, event="case.resolved"), legs, state="resolved", resolved_at=change.at
    )
    rating = resolved.case.rating
    return (resolved, *(_count(resolved.case, rating, response_limit) if rating is not None else ()))


def return_(
    case: Case, leg_id: str, actor: str, at: datetime, reason: str, response_limit: int | None = None
) -> Moves:
    """Any live leg → returned (退單), with a reason; the street's desk gets the case as a leg of its own.

    The desk's leg keeps the finish limit of the returned one. A desk that holds the case already gets no second.
    """
    leg = _owned(case, leg_id, "return")
    if leg.state == "returned":
        return ()
    _allow(case, leg, "return")
    when = iso(at)
    returned = replace(leg, state="returned", ended_at=when, reason=reason)
    added = () if _desk_handles(case) else (_for_desk(case, when, response_limit, leg.finish_limit, reason),)
    change = Change("case.returned", "return", actor, when, leg.id, reason)
    return (_step(case, change, _with_leg(case, returned, *added)),)


def _desk_handles(case: Case) -> bool:
    return any(leg.live and leg.kind == "handle" and leg.assignee.type == "desk" for leg in case.legs)


def _for_desk(
    case: Case, when: str, response_limit: int | None, finish_limit: int | None, reason: str | None
) -> Leg:
    return new_leg(
        "handle", "street", DESK_STEP, desk_of(case.street), when, response_limit, finish_limit, reason
    )


# -- what the clock does -----------------------------------------------------------------------------


def raise_step(
    case: Case,
    leg_id: str,
    ladder: Sequence[Rung],
    actor: str,
    at: datetime,
    response_limits: Mapping[str, int | None],
) -> Moves:
    """The leg was not answered in time: it goes one rung up. Whoever has accepted it keeps it, and so does a unit:
    then the street's desk looks over it.

    `ladder` are the rungs above the leg's person, lowest first, the desk last; `response_limits` by level.
    Nothing happens when the leg was answered in the meantime, or at the desk, above which there is nobody.
    """
    leg = case.leg(leg_id)
    if (
        leg is None
        or leg.state not in ("offered", "accepted")
        or case.state in OVER
        or leg.assignee.type == "desk"
    ):
        return ()
    if leg.assignee.type == "unit" or leg.state == "accepted":
        return supervise(case, leg_id, actor, at, response_limits.get("street"))
    rung = next((r for r in ladder if r.step > leg.step and r.assignee != leg.assignee), None)
    if rung is None:
        rung = Rung(DESK_STEP, "street", desk_of(case.street))
    when, reason = iso(at), "到时未签收，上升一级"
    old = replace(leg, state="reassigned", ended_at=when, reason=reason)
    new = new_leg(
        "handle",
        rung.level,
        rung.step,
        rung.assignee,
        when,
        response_limits.get(rung.level),
        leg.finish_limit,
        reason,
    )
    return (
        _step(case, Change("case.assigned", "raise", actor, when, new.id, reason), _with_leg(case, old, new)),
    )


def supervise(case: Case, leg_id: str | None, actor: str, at: datetime, response_limit: int | None) -> Moves:
    """A limit has passed: the street's desk looks over the case, once; whoever holds it goes on."""
    leg = case.leg(leg_id) if leg_id else None
    if case.state in (*OVER, "resolved") or (leg_id and (leg is None or not leg.live)):
        return ()
    if any(o.kind == "supervise" and o.state != "released" for o in case.legs) or _desk_handles(case):
        return ()
    when, reason = iso(at), "超过时限，街道督办"
    desk = new_leg("supervise", "street", DESK_STEP, desk_of(case.street), when, response_limit, None, reason)
    return (_step(case, Change("case.assigned", "raise", actor, when, desk.id, reason), (*case.legs, desk)),)


def lapse(case: Case, started_at: str, actor: str, at: datetime) -> Moves:
    """The reporter said nothing in time: closed as lapsed. A clock of an earlier resolution means nothing."""
    if case.state != "resolved" or case.resolved_at is None or parse(started_at) < parse(case.resolved_at):
        return ()
    return (_close(case, "lapse", "lapsed", actor, iso(at), "到时未评价，视为确认"),)


# -- what the desk does ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Offer:
    """A leg to be: to whom, at which level, with which response limit (seconds)."""

    assignee: Assignee
    level: str
    step: int
    response_limit: int | None


def assign(
    case: Case,
    to: Offer,
    assistants: Sequence[Offer],
    actor: str,
    at: datetime,
    reason: str,
    *,
    leg_id: str | None = None,
    ground: str | None = None,
) -> Moves:
    """The desk gives the case to a person, or whistles a unit and its assistants.

    It takes the place of the leg named, or of the desk's own, or of the only one that handles the case.
    """
    if case.state in (*OVER, "resolved"):
        raise NotAllowed("assign", f"the case is {case.state}")
    old = _replaceable(case, leg_id)
    if old is not None and old.assignee == to.assignee and not assistants:
        return ()
    when = iso(at)
    ended = tuple(
        replace(leg, state="reassigned", ended_at=when, reason=reason) if old and leg.id == old.id else leg
        for leg in case.legs
    )
    finish = old.finish_limit if old is not None else None
    if to.assignee.type != "unit":
        kind = "handle"
    else:
        kind = "assist" if any(leg.live and leg.kind == "lead" for leg in ended) else "lead"
    main = new_leg(kind, to.level, to.step, to.assignee, when, to.response_limit, finish, reason)
    called = {leg.assignee.id for leg in ended if leg.live} | {to.assignee.id}
    more = tuple(
        new_leg("assist", o.level, o.step, o.assignee, when, o.response_limit, finish, reason)
        for o in assistants
        if o.assignee.id not in called
    )
    legs = (*ended, main, *more)
    if to.assignee.type != "unit":
        change = Change("case.assigned", "assign", actor, when, main.id, reason)
        return (_step(case, change, legs),)
    whistle = _whistle(legs, ground or (case.whistle or {}).get("ground") or "public_matter")
    return (
        _step(case, Change("case.whistled", "whistle", actor, when, main.id, reason), legs, whistle=whistle),
    )


def _replaceable(case: Case, leg_id: str | None) -> Leg | None:
    if leg_id is not None:
        leg = _owned(case, leg_id, "assign")
        if not leg.live or leg.kind == "supervise":
            why = _WHY[leg.state] if not leg.live else "a supervising leg is the desk's own"
            raise NotAllowed("assign", why)
        return leg
    main = [leg for leg in case.legs if leg.live and leg.kind in MAIN]
    desks = [leg for leg in main if leg.assignee.type == "desk"]
    if desks:
        return desks[0]
    if len(main) > 1:
        raise NotAllowed("assign", "several handle the case: name the leg that is to be replaced")
    return main[0] if main else None


def _whistle(legs: Sequence[Leg], ground: str) -> dict[str, Any]:
    lead = next(leg.assignee.id for leg in reversed(legs) if leg.kind == "lead" and leg.live)
    assistants = [
        leg.assignee.id for leg in legs if leg.kind == "assist" and (leg.live or leg.state == "done")
    ]
    return {"ground": ground, "lead": lead, "assistants": assistants[:20]}


# -- what the reporter does --------------------------------------------------------------------------


def rate(
    case: Case,
    solved: bool,
    satisfaction: int | None,
    reporter: str,
    at: datetime,
    response_limit: int | None = None,
) -> tuple[Case, Moves]:
    """The reporter's answer: the case as it is afterwards, and the steps (none when it is only kept, or too late)."""
    rating = Rating(solved, satisfaction, iso(at), reporter)
    if case.state in OVER:
        return case, ()
    if case.state != "resolved":
        return replace(case, rating=rating), ()
    moves = _count(case, rating, response_limit)
    return moves[-1].case, moves


def _count(case: Case, rating: Rating, response_limit: int | None) -> Moves:
    """A rating of a resolved case: closed, or once open again at the desk."""
    satisfied = rating.satisfaction is None or rating.satisfaction >= 3
    at = max(rating.at, case.resolved_at or rating.at, key=parse)
    case = replace(case, rating=None, satisfaction=rating.satisfaction)
    if rating.solved or case.reopened:
        word = "satisfied" if rating.solved and satisfied else "unsatisfied"
        return (_close(case, "confirm", word, rating.by, at, None),)
    return (reopen(case, rating.by, at, "群众反映未解决，退回街道重办", response_limit),)


def reopen(case: Case, actor: str, at: str, reason: str, response_limit: int | None = None) -> Moved:
    """A resolved case is open again: the street's desk gets it, with the finish limit of the first who handled it."""
    if case.state != "resolved":
        raise NotAllowed("reopen", f"the case is {case.state}, only a resolved one can be opened again")
    finish = next((leg.finish_limit for leg in case.legs if leg.kind in MAIN), None)
    desk = _for_desk(case, at, response_limit, finish, reason)
    change = Change("case.reopened", "reopen", actor, at, desk.id, reason)
    return _step(
        case,
        change,
        (*case.legs, desk),
        state="assigned",
        level="street",
        resolved_at=None,
        reopened=case.reopened + 1,
    )


# -- several reports, one matter ---------------------------------------------------------------------


def takes_more(case: Case, count: int = 1) -> bool:
    """Whether reports can still come into a case: it is being handled, and not full."""
    return case.state not in (*OVER, "resolved") and len(case.reports) + count <= MOST_REPORTS


def merge(case: Case, reports: Sequence[Mapping[str, Any]], actor: str, at: str, reason: str) -> Moves:
    """Reports come into a case (並案); those that are in it already are left out. Clocks and legs stay as they are."""
    known = {r["id"] for r in case.reports}
    new = tuple(r for r in reports if r["id"] not in known)
    if not new:
        return ()
    change = Change("case.merged", "merge", actor, at, None, reason, reports=tuple(r["id"] for r in new))
    return (_step(case, change, reports=(*case.reports, *new)),)


def merge_away(case: Case, into: Case, actor: str, at: str) -> Moves:
    """The case goes up in another one: nobody owes anything on it any more."""
    legs = _release(case.legs, at, "the case is merged into another")
    change = Change("case.merged", "merge", actor, at, None, f"并入{into.number}")
    return (_step(case, change, legs, state="merged", closed_at=at),)


def keeps(case: Case, other: Case) -> bool:
    """Whether of two cases of one matter `case` goes on: the more urgent one does, so that danger stays danger."""
    return _URGENT_FIRST.index(case.colour) <= _URGENT_FIRST.index(other.colour)


def separate(case: Case, report: str, actor: str, at: str, reason: str) -> Moves:
    """A report goes out of a case of several; a case that is over keeps what it was."""
    rest = tuple(r for r in case.reports if r["id"] != report)
    if case.state in OVER or not rest or len(rest) == len(case.reports):
        return ()
    change = Change("case.separated", "separate", actor, at, None, reason, reports=(report,))
    return (_step(case, change, reports=rest),)


def withdraw(case: Case, reporter: str, at: datetime, reason: str | None = None) -> Moves:
    """The reporter took it back: closed, and nobody owes anything."""
    if case.state in OVER:
        return ()
    return (_close(case, "withdraw", "withdrawn", reporter, iso(at), reason),)


def close(case: Case, confirmed: str, actor: str, at: datetime, reason: str | None = None) -> Moves:
    """A resolved case is closed with the word given."""
    if case.state == "closed":
        return ()
    if case.state != "resolved":
        raise NotAllowed("close", f"the case is {case.state}, only a resolved one can be closed")
    return (_close(case, "close", confirmed, actor, iso(at), reason),)


def _close(case: Case, action: str, confirmed: str, actor: str, at: str, reason: str | None) -> Moved:
    legs = _release(case.legs, at, "the case is closed")
    change = Change("case.closed", action, actor, at, None, reason)
    return _step(case, change, legs, state="closed", closed_at=at, confirmed=confirmed)
