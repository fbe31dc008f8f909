"""Clocks: which ones a case should have, and what becomes of one when the case or the time moves on.

Pure functions over the whole case as an event holds it (times are RFC 3339 text in it), importable without
a server:

    clocks_of(case, policy) -> list[Wanted]             what the case says, by the times of its own
    steps(case, sequence, kept, now, policy) -> [Step]  what that means for the clocks that we keep
    fire(clock, now, warn_percent) -> Step | None       what the passing of time means for one

The outcome of a clock depends on the case alone, never on the order or the delay in which news arrived: one
that was stopped in time is met although the deadline has passed meanwhile, one that was stopped late is
breached although nobody had noticed yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, Literal, NamedTuple

from jiayuan.contracts.ids import new_id
from jiayuan.contracts.times import iso, parse

from .light import percent
from .policy import Policy
from .time import Extension, Pause, advance, elapsed, extended, merged

State = Literal["armed", "warned", "breached", "met", "cancelled"]
Outcome = Literal["running", "met", "breached", "cancelled"]

Key = tuple[str, str, int]
"""What names a clock within its case: leg ("" for the case), kind, round."""

WARNED = "clock.warned"
BREACHED = "clock.breached"
MET = "clock.met"

# The smallest step of a stored time: one such past the deadline is late, the deadline itself isn't.
_LATE = timedelta(microseconds=1)
_ENDED_LEG = frozenset(("returned", "refused", "reassigned", "released"))
_VOID_CASE = frozenset(("voided", "merged"))


class Wanted(NamedTuple):
    """A clock as the case says it should be. `leg_id` is "" for a clock of the whole case.

    `round` tells repeated clocks of one kind apart (0 where there is only one). `stopped_at` is when the
    thing was done or its leg ended. `due_at` is the deadline; while `paused`, the one there would be if the
    pause ended where it began. `warn_at` is None while a pause stands before it.
    """

    kind: str
    leg_id: str
    round: int
    street: str
    assignee_type: str | None
    assignee_id: str | None
    started_at: datetime
    limit_seconds: int
    due_at: datetime
    warn_at: datetime | None
    paused: bool
    outcome: Outcome
    stopped_at: datetime | None

    @property
    def key(self) -> Key:
        """What names the clock within its case."""
        return self.leg_id, self.kind, self.round


@dataclass(slots=True)
class Clock:
    """A clock as it is kept; the fields are the columns of the table `clock`, in their order.

    `sequence` is its own version. `next_at` is when there will be something to say, None when never.
    `warned_at` and `breached_at` are when that was said and stay, also when it was taken back.
    """

    id: str
    case_id: str
    leg_id: str
    kind: str
    round: int
    street: str
    assignee_type: str | None
    assignee_id: str | None
    started_at: datetime
    limit_seconds: int
    due_at: datetime
    warn_at: datetime | None
    next_at: datetime | None
    paused: bool
    state: State
    sequence: int
    case_sequence: int
    warned_at: datetime | None
    breached_at: datetime | None
    met_at: datetime | None
    stopped_at: datetime | None
    policy: str

    @property
    def key(self) -> Key:
        """What names the clock within its case."""
        return self.leg_id, self.kind, self.round


class Step(NamedTuple):
    """A clock's next version, and the event that tells of it: its name or "", its percent, its time."""

    clock: Clock
    says: str = ""
    percent: int = 0
    at: datetime | None = None


# -- what the case says ------------------------------------------------------------------------------


class _Stop(NamedTuple):
    """When the thing was done, and whether and when the matter ended without that."""

    done_at: datetime | None
    ended: bool = False
    ended_at: datetime | None = None


class _History(NamedTuple):
    """What moves the deadlines of one case."""

    street: str
    pauses: list[Pause]
    extensions: dict[str, list[Extension]]
    policy: Policy


def case_of(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The case in the data of an event; one that was voided or merged ended when that was done."""
    case: Mapping[str, Any] = data["case"]
    if case["state"] in _VOID_CASE and not case.get("closed_at"):
        return {**case, "closed_at": data["change"]["at"]}
    return case


def pauses_of(case: Mapping[str, Any]) -> list[Pause]:
    """The pauses of a case, sorted and without overlap."""
    spans = case.get("pauses")
    if not spans:
        return []
    return merged((parse(s["start"]), parse(s["end"]) if s.get("end") else None) for s in spans)


def clocks_of(case: Mapping[str, Any], policy: Policy) -> list[Wanted]:
    """Every clock that the case has or had, with its outcome. A limit of None or 0 means no clock.

    A leg owes a response and its finish from when it was offered, a whistled unit's also its report-in (報到);
    the case owes an answer to the citizen from its first receipt; a resolved case waits for the citizen's
    confirmation. OverflowError for absurd limits.
    """
    history = _History(case["street"], pauses_of(case), _extensions(case), policy)
    out: list[Wanted] = []
    over = _case_end(case)
    for leg in case["legs"]:
        out.extend(_of_leg(leg, over, history))
    limit = case.get("citizen_limit")
    if limit:
        out.append(
            _wanted("citizen", None, 0, parse(case["first_received_at"]), limit, _answer(case), history)
        )
    limit = case.get("confirmation_limit")
    if limit and case["state"] in ("resolved", "closed") and case.get("resolved_at"):
        start = parse(case["resolved_at"])
        closed = _Stop(_time(case, "closed_at") if case["state"] == "closed" else None)
        # Each resolution waits anew; its time is the one thing of it that every later event still knows.
        out.append(
            _wanted("confirmation", None, int(start.timestamp() * 1000), start, limit, closed, history)
        )
    return out


def _time(where: Mapping[str, Any], field: str) -> datetime | None:
    text = where.get(field)
    return parse(text) if text else None


def _extensions(case: Mapping[str, Any]) -> dict[str, list[Extension]]:
    out: dict[str, list[Extension]] = {}
    for e in case.get("extensions") or ():
        out.setdefault(e["leg"], []).append((parse(e["at"]), e["seconds"]))
    return out


def _case_end(case: Mapping[str, Any]) -> _Stop:
    """Nobody owes anything on a leg once the case is resolved or over."""
    state = case["state"]
    if state in _VOID_CASE:
        return _Stop(None, True, _time(case, "closed_at"))
    if state in ("resolved", "closed"):
        return _Stop(None, True, _time(case, "resolved_at") or _time(case, "closed_at"))
    return _Stop(None)


def _answer(case: Mapping[str, Any]) -> _Stop:
    """When the citizen had the answer; a report that was taken back or opened in error needs none."""
    over = _case_end(case)
    withdrawn = case.get("confirmed") == "withdrawn" and not case.get("resolved_at")
    if not over.ended or withdrawn or case["state"] in _VOID_CASE:
        return over
    return _Stop(over.ended_at)


def _of_leg(leg: Mapping[str, Any], over: _Stop, history: _History) -> Iterator[Wanted]:
    response, finish, report_in = (
        leg.get("response_limit"),
        leg.get("finish_limit"),
        leg.get("report_in_limit"),
    )
    if not response and not finish and not report_in:
        return
    start = parse(leg["offered_at"])
    answered, done = _time(leg, "answered_at"), _time(leg, "done_at")
    if answered is None or (done is not None and done < answered):
        answered = done
    ended_at = _time(leg, "ended_at")
    if ended_at is None and leg["state"] not in _ENDED_LEG:
        _, ended, ended_at = over
    else:
        ended = True
    if response:
        yield _wanted("response", leg, 0, start, response, _Stop(answered, ended, ended_at), history)
    if finish:
        yield _wanted("finish", leg, 0, start, finish, _Stop(done, ended, ended_at), history)
    if report_in:
        # Whoever has come, answered or finished has reported in, whatever was said first.
        times = (_time(leg, "accepted_at"), _time(leg, "arrived_at"), answered)
        reported = min((t for t in times if t is not None), default=None)
        yield _wanted("report_in", leg, 0, start, report_in, _Stop(reported, ended, ended_at), history)


def _wanted(
    kind: str,
    leg: Mapping[str, Any] | None,
    round_: int,
    start: datetime,
    limit: int,
    stop: _Stop,
    history: _History,
) -> Wanted:
    policy = history.policy
    pauses: Sequence[Pause] = history.pauses if kind in policy.pausing else ()
    leg_id, assignee_type, assignee_id = "", None, None
    if leg is not None:
        leg_id, assignee_type, assignee_id = leg["id"], leg["assignee"]["type"], leg["assignee"]["id"]
        if history.extensions and kind in policy.extending:
            limit = extended(start, limit, pauses, history.extensions.get(leg_id, ()))
    run = timedelta(seconds=limit)
    due = advance(start, run, pauses)
    warn = advance(start, run * policy.warn_percent / 100, pauses)
    outcome, stopped_at = _outcome(stop, due)
    return Wanted(
        kind,
        leg_id,
        round_,
        history.street,
        assignee_type,
        assignee_id,
        start,
        limit,
        due or _projected(start, run, pauses),
        warn,
        due is None,
        outcome,
        stopped_at,
    )


def _projected(start: datetime, run: timedelta, pauses: Sequence[Pause]) -> datetime:
    """The deadline if the pause that still lasts ended where it began."""
    at = advance(start, run, [p for p in pauses if p[1] is not None])
    assert at is not None
    return at


def _outcome(stop: _Stop, due: datetime | None) -> tuple[Outcome, datetime | None]:
    """By the times of the case's own; exactly on the limit is in time. `due` None: nothing is late yet."""
    done_at, ended, ended_at = stop
    if done_at is not None and (ended_at is None or done_at <= ended_at):
        return ("met" if due is None or done_at <= due else "breached"), done_at
    if not ended:
        return "running", None
    late = ended_at is not None and due is not None and ended_at > due
    return ("breached" if late else "cancelled"), ended_at


# -- what becomes of a clock -------------------------------------------------------------------------

_FACTS = attrgetter(
    "street",
    "assignee_type",
    "assignee_id",
    "started_at",
    "limit_seconds",
    "due_at",
    "warn_at",
    "paused",
    "stopped_at",
)


def steps(
    case: Mapping[str, Any], case_sequence: int, kept: Mapping[Key, Clock], now: datetime, policy: Policy
) -> list[Step]:
    """What a newer version of a case means for its clocks; `kept` are all that there are of the case."""
    pauses = pauses_of(case)
    out: list[Step] = []
    gone = dict(kept)
    for wanted in clocks_of(case, policy):
        old = gone.pop(wanted.key, None)
        counted = pauses if wanted.kind in policy.pausing else ()
        if old is None:
            out.append(arm(wanted, new_id(), case["id"], case_sequence, now, policy.version, counted))
            continue
        step = follow(old, wanted, case_sequence, now, policy.version, counted)
        if step is not None:
            out.append(step)
    dropped = (drop(old, case_sequence) for old in gone.values())
    return [*out, *(step for step in dropped if step is not None)]


def arm(
    wanted: Wanted,
    id_: str,
    case_id: str,
    case_sequence: int,
    now: datetime,
    policy: str,
    pauses: Sequence[Pause],
) -> Step:
    """A new clock, which may be over already when the news of it is late."""
    blank = Clock(
        id_,
        case_id,
        wanted.leg_id,
        wanted.kind,
        wanted.round,
        wanted.street,
        wanted.assignee_type,
        wanted.assignee_id,
        wanted.started_at,
        wanted.limit_seconds,
        wanted.due_at,
        wanted.warn_at,
        None,
        wanted.paused,
        "armed",
        0,
        case_sequence,
        None,
        None,
        None,
        wanted.stopped_at,
        policy,
    )
    return _moved(blank, wanted, _settled(blank, wanted, now), case_sequence, now, policy, pauses)


def follow(
    old: Clock, wanted: Wanted, case_sequence: int, now: datetime, policy: str, pauses: Sequence[Pause] = ()
) -> Step | None:
    """The next version of a clock of which a newer case says `wanted`; None when nothing changes.

    A breach stays, unless the case shows that it was wrong: stopped in time after all (`clock.met`, with a
    higher sequence, corrects it), or given more time before the deadline.
    """
    state = _settled(old, wanted, now)
    same = state == old.state and _FACTS(old) == _FACTS(wanted)
    if same and (wanted.outcome != "running" or old.policy == policy):
        return None
    return _moved(old, wanted, state, case_sequence, now, policy, pauses)


def drop(old: Clock, case_sequence: int) -> Step | None:
    """The next version of a clock of which the case says nothing any more; None when it was over."""
    if old.state not in ("armed", "warned"):
        return None
    return Step(
        replace(old, state="cancelled", next_at=None, sequence=old.sequence + 1, case_sequence=case_sequence)
    )


def _settled(old: Clock, wanted: Wanted, now: datetime) -> State:
    if wanted.outcome == "cancelled":
        # With no time of its end nobody can say that the breach was wrong.
        return "breached" if old.state == "breached" and wanted.stopped_at is None else "cancelled"
    if wanted.outcome != "running":
        return wanted.outcome
    if old.state == "breached":
        later = wanted.due_at > old.due_at or (wanted.paused and not old.paused)
        if not later or (not wanted.paused and wanted.due_at < now):
            return "breached"
    said = old.warned_at is not None and wanted.warn_at is not None and wanted.warn_at <= now
    return "warned" if said else "armed"


def _moved(
    old: Clock,
    wanted: Wanted,
    state: State,
    case_sequence: int,
    now: datetime,
    policy: str,
    pauses: Sequence[Pause],
) -> Step:
    new = Clock(
        old.id,
        old.case_id,
        old.leg_id,
        old.kind,
        old.round,
        wanted.street,
        wanted.assignee_type,
        wanted.assignee_id,
        wanted.started_at,
        wanted.limit_seconds,
        wanted.due_at,
        wanted.warn_at,
        _next(state, wanted.warn_at, wanted.due_at, wanted.paused),
        wanted.paused,
        state,
        old.sequence + 1,
        case_sequence,
        old.warned_at,
        old.breached_at,
        old.met_at,
        wanted.stopped_at,
        policy if wanted.outcome == "running" else old.policy,
    )
    if state == old.state:
        return Step(new)
    if state == "breached":
        new.breached_at = now
        return Step(new, BREACHED, 100, now)
    if state == "met" or (old.state == "breached" and state == "cancelled"):
        # A breach that never was is corrected in the same way, with the state that is right.
        if state == "met":
            new.met_at = wanted.stopped_at
        return Step(new, MET, _used(wanted, pauses), wanted.stopped_at)
    return Step(new)


def _used(wanted: Wanted, pauses: Sequence[Pause]) -> int:
    assert wanted.stopped_at is not None
    return percent(elapsed(wanted.started_at, wanted.stopped_at, pauses=pauses), wanted.limit_seconds)


def _next(state: State, warn_at: datetime | None, due_at: datetime, paused: bool) -> datetime | None:
    if state == "armed":
        return warn_at
    return due_at + _LATE if state == "warned" and not paused else None


def fire(clock: Clock, now: datetime, warn_percent: int) -> Step | None:
    """The next version of a clock whose `next_at` has come; None when there is nothing to say.

    A warning that would come after the deadline is dropped: then only the breach is told.
    """
    if clock.state not in ("armed", "warned") or clock.next_at is None or clock.next_at > now:
        return None
    if not clock.paused and clock.due_at < now:
        late = replace(clock, state="breached", next_at=None, breached_at=now, sequence=clock.sequence + 1)
        return Step(late, BREACHED, 100, now)
    if clock.state == "warned":
        return None
    near = replace(clock, state="warned", warned_at=now, sequence=clock.sequence + 1)
    near.next_at = _next("warned", clock.warn_at, clock.due_at, clock.paused)
    return Step(near, WARNED, warn_percent, now)


def spoken(step: Step) -> dict[str, Any]:
    """The data of the clock.* event of a step."""
    c = step.clock
    assignee = {"type": c.assignee_type, "id": c.assignee_id} if c.assignee_id is not None else None
    assert step.at is not None
    return {
        "clock": {
            "id": c.id,
            "kind": c.kind,
            "state": c.state,
            "case": c.case_id,
            "case_sequence": c.case_sequence,
            "leg": c.leg_id or None,
            "assignee": assignee,
            "street": c.street,
            "limit": c.limit_seconds,
            "started_at": iso(c.started_at),
            "due_at": iso(c.due_at),
            "percent": step.percent,
            "at": iso(step.at),
            "policy": c.policy,
        }
    }
