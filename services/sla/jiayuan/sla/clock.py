"""Clocks: which ones a case should have, and what becomes of one when the case or the time moves on.

Pure functions over the whole case as an event holds it (times are RFC 3339 text in it), importable without
a server:

    clocks_of(case, rules) -> list[Wanted]                       what the case says, by the times of its own
    steps(case, sequence, kept, now, rules, changed) -> [Step]   what that means for the clocks that we keep
    again(kept, history) -> [Step]                               what a newer policy or calendar means for them
    fire(clock, now, rules) -> Step | None                       what the passing of time means for one

The outcome of a clock depends on the case alone, never on the order or the delay in which news arrived: one
that was stopped in time is met although the deadline has passed meanwhile, one that was stopped late is
breached although nobody had noticed yet.

What changes the terms of a clock (the case's limits, its colour, a policy, a calendar) holds from when it was
done: a deadline that had passed before stays passed, under the terms that it had.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, Final, Literal, NamedTuple

from jiayuan.contracts.ids import new_id
from jiayuan.contracts.times import iso, parse

from . import points as points_
from .light import percent
from .points import Said
from .policy import NONE_OF_THEM, Facts, Rules, Terms
from .time import Extension, Pause, advance, elapsed, extended, merged

State = Literal["armed", "warned", "breached", "met", "cancelled"]
Outcome = Literal["running", "met", "breached", "cancelled"]

Key = tuple[str, str, int]
"""What names a clock within its case: leg ("" for the case), kind, round."""

WARNED = "clock.warned"
BREACHED = "clock.breached"
MET = "clock.met"
CORRECTED = "clock.corrected"
ESCALATED = "clock.escalated"

# The smallest step of a stored time: one such past the deadline is late, the deadline itself isn't.
_LATE = timedelta(microseconds=1)
_ENDED_LEG = frozenset(("returned", "refused", "reassigned", "released"))
_VOID_CASE = frozenset(("voided", "merged"))
_RUNNING = frozenset(("armed", "warned"))
# On these kinds the row's `leg_id` is the id of what was promised, not of a leg.
ABOUT: Final = frozenset(("approval", "claim", "notice"))


class Wanted(NamedTuple):
    """A clock as the case says it should be. `leg_id` is "" for a clock of the whole case.

    `round` tells repeated clocks of one kind apart (0 where there is only one). `stopped_at` is when the
    thing was done or its leg ended. `due_at` is the deadline; while `paused`, the one there would be if the
    pause ended where it began. `warn_at` is None while a pause stands before it. `given` is the limit as the
    case says it; `closed` are spans of its own in which it stood still, since what it is on was done then.
    `fixed`: the deadline is a moment that somebody named.
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
    terms: Terms
    given: int
    pauses: Sequence[Pause] = ()
    closed: Sequence[Pause] = ()
    fixed: bool = False

    @property
    def key(self) -> Key:
        """What names the clock within its case."""
        return self.leg_id, self.kind, self.round

    @property
    def owed(self) -> int | datetime:
        """The limit as the case says it, or the moment that somebody named."""
        return self.due_at if self.fixed else self.given


@dataclass(slots=True)
class Clock:
    """A clock as it is kept; the fields are the columns of the table `clock`, in their order.

    `sequence` is its own version. `next_at` is when there will be something to say, None when never.
    `warned_at` and `breached_at` are when that was said and stay, also when it was taken back. The last ones
    are empty on an ordinary clock: in natural time, by no rule, with one warning and no extension.
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
    rule: str = ""
    calendar: str = ""
    given_seconds: int | None = None
    points: Said | None = None
    closed: list[list[str]] | None = None
    fixed: bool = False

    @property
    def key(self) -> Key:
        """What names the clock within its case."""
        return self.leg_id, self.kind, self.round

    @property
    def given(self) -> int:
        """The limit as the case said it."""
        return self.limit_seconds if self.given_seconds is None else self.given_seconds

    @property
    def owed(self) -> int | datetime:
        """The limit as the case said it, or the moment that somebody named."""
        return self.due_at if self.fixed else self.given

    @property
    def stored(self) -> tuple[str, str, str, str | None]:
        """What the rules know its terms by."""
        return self.kind, self.policy, self.rule, None if self.fixed else self.calendar

    @property
    def ordinary(self) -> bool:
        """Whether nothing but the first columns says something."""
        return not (
            self.rule or self.calendar or self.given_seconds or self.points or self.closed or self.fixed
        )


class Step(NamedTuple):
    """A clock's next version, and the event that tells of it: its name or "", its percent, its time.

    `more` are optional fields of the event: the point, the ladder's step, what is corrected.
    """

    clock: Clock
    says: str = ""
    percent: int = 0
    at: datetime | None = None
    more: Mapping[str, Any] | None = None


# -- what the case says ------------------------------------------------------------------------------


class _Stop(NamedTuple):
    """When the thing was done, and whether and when the matter ended without that."""

    done_at: datetime | None
    ended: bool = False
    ended_at: datetime | None = None


# What a clock is on: the leg's or the promise's id ("" for the case), whose it is (type, id), and a leg's kind and
# level. A bare tuple: there is one a clock on the main path.
_On = tuple[str, str | None, str | None, str, str]
_THE_CASE: Final[_On] = ("", None, None, "", "")


@dataclass(slots=True)
class History:
    """What moves the deadlines of one case. `pauses` as `merged` gives them; `changed` is when it was last changed."""

    street: str
    pauses: Sequence[Pause]
    extensions: Mapping[str, Sequence[Extension]]
    rules: Rules
    facts: Mapping[str, Any] | None = None
    kept: Mapping[Key, Clock] | None = None
    now: datetime | None = None
    changed: datetime | None = None

    def terms(self, kind: str, on: _On, start: datetime, stop: _Stop) -> Terms:
        """What holds for a clock by the policy, as of when it was stopped, or now."""
        rules = self.rules
        stopped = None
        if stop.done_at is not None or stop.ended:
            stopped = stop.done_at if stop.done_at is not None else stop.ended_at
        facts = self.facts_of(on) if rules.ruled else None
        return rules.terms(kind, facts, start, stopped or self.now or start)

    def facts_of(self, on: _On) -> Facts | None:
        """What rules look at; None when there is nothing to look at."""
        case = self.facts
        if case is None:
            return None
        return Facts(
            case.get("colour") or "",
            case.get("category") or "",
            on[4] or case.get("level") or "",
            case.get("case") or "",
            self.street,
            bool(case.get("emergency")),
            on[3],
            on[1] or "",
        )


def case_of(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The case in the data of an event; one that was voided or merged ended when that was done."""
    case: Mapping[str, Any] = data["case"]
    if case["state"] in _VOID_CASE and not case.get("closed_at"):
        return {**case, "closed_at": data["change"]["at"]}
    return case


def facts_of(case: Mapping[str, Any]) -> dict[str, Any]:
    """What a policy's rules look at, as it is kept beside the clocks: of the case, and of each leg that is open."""
    out: dict[str, Any] = {
        "colour": case["colour"],
        "category": case["category"]["code"],
        "level": case["level"],
        "case": case["kind"],
    }
    if case.get("emergency"):
        out["emergency"] = True
    legs = {
        leg["id"]: (leg["kind"], leg["level"])
        for leg in case["legs"]
        if not leg.get("ended_at") and leg["state"] not in _ENDED_LEG
    }
    if legs:
        out["legs"] = legs
    return out


def spans(pauses: Iterable[Mapping[str, Any]] | None) -> list[Pause]:
    """Pauses as an event or a row has them, sorted and without overlap."""
    if not pauses:
        return []
    return merged((parse(s["start"]), parse(s["end"]) if s.get("end") else None) for s in pauses)


def pauses_of(case: Mapping[str, Any]) -> list[Pause]:
    """The pauses of a case, sorted and without overlap."""
    return spans(case.get("pauses"))


def extensions_of(granted: Iterable[Mapping[str, Any]] | None) -> dict[str, list[Extension]]:
    """Extensions as an event or a row has them, by leg."""
    out: dict[str, list[Extension]] = {}
    for e in granted or ():
        out.setdefault(e["leg"], []).append((parse(e["at"]), e["seconds"]))
    return out


def history_of(
    case: Mapping[str, Any],
    rules: Rules,
    kept: Mapping[Key, Clock] | None = None,
    now: datetime | None = None,
    changed: datetime | None = None,
) -> History:
    """What moves the deadlines of a case, out of an event."""
    return History(
        case["street"],
        pauses_of(case),
        extensions_of(case.get("extensions")),
        rules,
        facts_of(case) if rules.ruled else None,
        kept,
        now,
        changed,
    )


def clocks_of(case: Mapping[str, Any], rules: Rules, history: History | None = None) -> list[Wanted]:
    """Every clock that the case has or had, with its outcome. A limit of None or 0 means no clock.

    A leg owes a response and its finish from when it was offered, a whistled unit's also its report-in (報到);
    the case owes an answer to the citizen from its first receipt; a resolved case waits for the citizen's
    confirmation, and for somebody to call him back; what was asked for waits to be decided. OverflowError for
    absurd limits.
    """
    history = history or history_of(case, rules)
    out: list[Wanted | None] = []
    over = _case_end(case)
    for leg in case["legs"]:
        out.extend(_of_leg(leg, over, history))
    limit = case.get("citizen_limit")
    if limit:
        start = parse(case["first_received_at"])
        out.append(_wanted("citizen", _THE_CASE, 0, start, limit, _answer(case), history))
    if case["state"] in ("resolved", "closed") and case.get("resolved_at"):
        out.extend(_of_resolution(case, history))
    for approval in case.get("approvals") or ():
        if approval.get("limit"):
            out.append(_approval(approval, over, history))
    return [w for w in out if w is not None]


def _time(where: Mapping[str, Any], name: str) -> datetime | None:
    text = where.get(name)
    return parse(text) if text else None


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


def _of_leg(leg: Mapping[str, Any], over: _Stop, history: History) -> Iterator[Wanted | None]:
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
    assignee = leg["assignee"]
    on = (leg["id"], assignee["type"], assignee["id"], leg["kind"], leg["level"])
    if response:
        yield _wanted("response", on, 0, start, response, _Stop(answered, ended, ended_at), history)
    if finish:
        yield _wanted("finish", on, 0, start, finish, _Stop(done, ended, ended_at), history)
    if report_in:
        # Whoever has come, answered or finished has reported in, whatever was said first.
        times = (_time(leg, "accepted_at"), _time(leg, "arrived_at"), answered)
        reported = min((t for t in times if t is not None), default=None)
        yield _wanted("report_in", on, 0, start, report_in, _Stop(reported, ended, ended_at), history)


def _of_resolution(case: Mapping[str, Any], history: History) -> Iterator[Wanted | None]:
    start = parse(case["resolved_at"])
    closed_at = _time(case, "closed_at") if case["state"] == "closed" else None
    # Each resolution waits anew; its time is the one thing of it that every later event still knows.
    round_ = int(start.timestamp() * 1000)
    if case.get("confirmation_limit"):
        limit = case["confirmation_limit"]
        yield _wanted("confirmation", _THE_CASE, round_, start, limit, _Stop(closed_at), history)
    if case.get("callback_limit"):
        yield _wanted(
            "callback", _THE_CASE, round_, start, case["callback_limit"], _called(case, start), history
        )


def _called(case: Mapping[str, Any], start: datetime) -> _Stop:
    """Whoever looks at the result calls; a reporter who has rated it needs no call, one who withdrew neither."""
    looked = _time(case.get("inspection") or {}, "at")
    rated = case.get("confirmed") in ("satisfied", "unsatisfied")
    times = (
        looked if looked is not None and looked >= start else None,
        _time(case, "closed_at") if rated else None,
    )
    done = min((t for t in times if t is not None), default=None)
    withdrawn = case.get("confirmed") == "withdrawn"
    return _Stop(done, withdrawn, _time(case, "closed_at") if withdrawn else None)


def _approval(approval: Mapping[str, Any], over: _Stop, history: History) -> Wanted | None:
    of = approval["of"]
    on = (approval["id"], "desk" if of.startswith("desk-") else "person", of, "", "")
    stop = _Stop(_time(approval, "decided_at"), over.ended, over.ended_at)
    return _wanted("approval", on, 0, parse(approval["asked_at"]), approval["limit"], stop, history)


def promised(
    kind: str,
    about: str,
    assignee: tuple[str, str] | None,
    start: datetime,
    limit: int | datetime,
    stop: tuple[datetime | None, datetime | None],
    history: History,
) -> Wanted | None:
    """The clock of a promise that is in no case: `about` is its id.

    `limit`: seconds from `start`, 0 for none, or the last moment, which nothing moves but whoever named it; one that
    isn't a second after the start can't be kept by anybody, and is no clock. `stop`: when it was kept, and since when
    it isn't owed any more.
    """
    type_, id_ = assignee or (None, None)
    on = (about, type_, id_, "", "")
    done_at, ended_at = stop
    stopped = _Stop(done_at, ended_at is not None, ended_at)
    return _wanted(kind, on, 0, start, limit, stopped, history) if limit else None


def _wanted(
    kind: str,
    on: _On,
    round_: int,
    start: datetime,
    given: int | datetime,
    stop: _Stop,
    history: History,
) -> Wanted | None:
    rules, leg_id = history.rules, on[0]
    same = rules.same_for_all
    terms = same[kind] if same is not None else history.terms(kind, on, start, stop)
    if isinstance(given, datetime):
        terms = terms.fixed()
    own: list[Pause] = []
    old = history.kept.get((leg_id, kind, round_)) if history.kept else None
    if old is not None:
        if not _same_terms(old, terms, given):
            terms, given = _held(old, terms, given, stop, history)
        if old.closed or (kind == "finish" and old.stopped_at and stop.done_at is None and not stop.ended):
            own = _closed(old, stop, history)
    if isinstance(given, datetime):
        return _at_moment(kind, on, round_, start, given, stop, terms, history)
    limit = terms.given(given) if terms.rule else given
    if not limit:
        return None
    calendar = terms.calendar
    pauses: Sequence[Pause] = history.pauses if terms.pauses else ()
    if own:
        pauses = merged([*pauses, *own])
    if terms.extensions and history.extensions:
        limit = extended(start, limit, pauses, history.extensions.get(leg_id, ()), calendar)
    run = timedelta(seconds=limit)
    due: datetime | None
    warn: datetime | None = None
    if pauses or calendar is not None:
        due = advance(start, run, pauses, calendar)
        if terms.warn_percent:
            warn = advance(start, run * terms.warn_percent / 100, pauses, calendar)
    else:  # nearly always, and a call less
        due = start + run
        if terms.warn_percent:
            warn = start + run * terms.warn_percent / 100
    outcome, stopped_at = _outcome(stop, due)
    return Wanted(
        kind,
        leg_id,
        round_,
        history.street,
        on[1],
        on[2],
        start,
        limit,
        due or _projected(start, run, pauses, calendar),
        warn,
        due is None,
        outcome,
        stopped_at,
        terms,
        given,
        pauses,
        own,
    )


def _at_moment(
    kind: str,
    on: _On,
    round_: int,
    start: datetime,
    due: datetime,
    stop: _Stop,
    terms: Terms,
    history: History,
) -> Wanted | None:
    """A clock whose deadline is a moment that somebody named: natural time up to it, whatever else happens."""
    limit = (due - start) // timedelta(seconds=1)
    if limit < 1:
        return None
    warn = start + (due - start) * terms.warn_percent / 100 if terms.warn_percent else None
    outcome, stopped_at = _outcome(stop, due)
    return Wanted(
        kind,
        on[0],
        round_,
        history.street,
        on[1],
        on[2],
        start,
        limit,
        due,
        warn,
        False,
        outcome,
        stopped_at,
        terms,
        limit,
        fixed=True,
    )


def _same_terms(old: Clock, terms: Terms, owed: int | datetime) -> bool:
    if old.policy != terms.version:
        return False
    if terms.plain and not (old.rule or old.calendar or old.given_seconds):
        return old.limit_seconds == owed
    return (
        (old.rule == terms.rule or (old.rule == NONE_OF_THEM and not terms.rule))
        and old.calendar == terms.mark
        and old.owed == owed
    )


def _held(
    old: Clock, terms: Terms, owed: int | datetime, stop: _Stop, history: History
) -> tuple[Terms, int | datetime]:
    """The terms of a clock whose terms changed: still the old ones when it was over or late before that."""
    if old.stopped_at is None or not (stop.done_at is not None or stop.ended):
        times = []
        if old.policy != terms.version:
            times.append(terms.since)
        if old.calendar != terms.mark and terms.calendar is not None:
            times.append(terms.calendar.since or terms.since)
        same_version = old.policy == terms.version
        if history.changed is not None and (old.owed != owed or (same_version and old.rule != terms.rule)):
            times.append(history.changed)
        when = max(times, default=history.now)
        passed = (old.state == "breached" or not old.paused) and when is not None and old.due_at < when
        if not passed:
            return terms, owed
    # What is not known any more can't be asked; then today's terms are the best there is.
    before = history.rules.stored(*old.stored)
    return before or terms, old.owed if before is not None else owed


def _closed(old: Clock, stop: _Stop, history: History) -> list[Pause]:
    """The spans in which what the clock is on was done, before it was opened again."""
    out: list[Pause] = [(parse(a), parse(b)) for a, b in old.closed or ()]
    again_at = history.changed or history.now
    runs = stop.done_at is None and not stop.ended
    if old.stopped_at is not None and runs and again_at is not None:
        out.append((old.stopped_at, again_at))
    return out


def _projected(start: datetime, run: timedelta, pauses: Sequence[Pause], calendar: Any) -> datetime:
    """The deadline if the pause that still lasts ended where it began."""
    at = advance(start, run, [p for p in pauses if p[1] is not None], calendar)
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
    case: Mapping[str, Any],
    case_sequence: int,
    kept: Mapping[Key, Clock],
    now: datetime,
    rules: Rules,
    changed: datetime | None = None,
) -> list[Step]:
    """What a newer version of a case means for its clocks; `kept` are all that there are of the case.

    `changed` is when the case was changed to this version, by its own time.
    """
    history = history_of(case, rules, kept, now, changed)
    out: list[Step] = []
    gone = dict(kept)
    for wanted in clocks_of(case, rules, history):
        old = gone.pop(wanted.key, None)
        if old is None:
            out.append(arm(wanted, new_id(), case["id"], case_sequence, now))
            continue
        step = follow(old, wanted, case_sequence, now)
        if step is not None:
            out.append(step)
    dropped = (drop(old, case_sequence) for old in gone.values())
    return [*out, *(step for step in dropped if step is not None)]


def again(kept: Mapping[Key, Clock], history: History, now: datetime) -> list[Step]:
    """What a newer policy or calendar means for the clocks of a case that still run; `history` as it is stored."""
    out: list[Step] = []
    legs = (history.facts or {}).get("legs") or {}
    for key, old in kept.items():
        if old.state not in _RUNNING:
            continue
        leg, level = legs.get(old.leg_id, ("", ""))
        on = (old.leg_id, old.assignee_type, old.assignee_id, leg, level)
        wanted = _wanted(old.kind, on, key[2], old.started_at, old.owed, _Stop(None), history)
        sequence = old.case_sequence
        step = drop(old, sequence) if wanted is None else follow(old, wanted, sequence, now)
        if step is not None:
            out.append(step)
    return out


def under(old: Clock, leg: tuple[str, str], ended: bool, history: History) -> Wanted | None:
    """The clock as it would be by the rules of `history` alone, over whatever it was; None where there would be none.

    `leg` is its leg's kind and level; `ended`: what stopped it was the leg's end, not that the thing was done. It was
    stopped when it was. Nothing is held of the terms that it had.
    """
    on = (old.leg_id, old.assignee_type, old.assignee_id, *leg)
    stop = _Stop(None)
    if old.state == "cancelled" or ended:
        stop = _Stop(None, True, old.stopped_at)
    elif old.stopped_at is not None:
        stop = _Stop(old.stopped_at)
    if old.closed:
        pauses = merged([*history.pauses, *((parse(a), parse(b)) for a, b in old.closed)])
        history = replace(history, pauses=pauses)
    return _wanted(old.kind, on, old.round, old.started_at, old.owed, stop, history)


def arm(wanted: Wanted, id_: str, case_id: str, case_sequence: int, now: datetime) -> Step:
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
        wanted.terms.version,
    )
    return _moved(blank, wanted, _settled(blank, wanted, now), case_sequence, now)


def follow(old: Clock, wanted: Wanted, case_sequence: int, now: datetime) -> Step | None:
    """The next version of a clock of which a newer case says `wanted`; None when nothing changes.

    A breach stays, unless the case shows that it was wrong: stopped in time after all, or given more time before
    the deadline (`clock.corrected`, with the state that is right).
    """
    state = _settled(old, wanted, now)
    if not wanted.terms.warn_percent and wanted.outcome == "running":
        # Its warnings are points, of which `warn_at` is only the next.
        same = state == old.state and points_.planned(old, wanted, state, now) == old.points
        same = same and _FACTS(old) == _FACTS(wanted._replace(warn_at=old.warn_at))
    else:
        same = state == old.state and _FACTS(old) == _FACTS(wanted)
    if same and (wanted.outcome != "running" or _same_terms(old, wanted.terms, wanted.owed)):
        return None
    return _moved(old, wanted, state, case_sequence, now)


def drop(old: Clock, case_sequence: int) -> Step | None:
    """The next version of a clock of which the case says nothing any more; None when it was over."""
    if old.state not in _RUNNING:
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
    if not wanted.terms.warn_percent:
        return "warned" if points_.warned(old, wanted, now) else "armed"
    if old.warned_at is None or wanted.warn_at is None:
        return "armed"
    # What has moved ahead is to be warned of again; what hasn't isn't, even if the clock on the wall went back.
    unmoved = old.state == "warned" and wanted.warn_at == old.warn_at
    return "warned" if unmoved or wanted.warn_at <= now else "armed"


def _moved(old: Clock, wanted: Wanted, state: State, case_sequence: int, now: datetime) -> Step:
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
        wanted.terms.version,
    )
    terms = wanted.terms
    usual = terms.plain and wanted.given == wanted.limit_seconds and not wanted.closed and not wanted.fixed
    if not usual or not old.ordinary:
        _unusual(new, old, wanted, now)
    if state == old.state:
        if state == "met":
            new.met_at = wanted.stopped_at  # news of an earlier time of the same thing
        return Step(new)
    if state == "breached":
        new.breached_at = now
        return Step(new, BREACHED, 100, now, points_.at_limit(terms))
    if state == "met" or (old.state == "breached" and state == "cancelled"):
        # A breach that never was is corrected with the state that is right.
        if state == "met":
            new.met_at = wanted.stopped_at
        corrects = _corrects(old, terms) if old.state == "breached" else None
        return Step(new, CORRECTED if corrects else MET, _used(wanted), wanted.stopped_at, corrects)
    if old.state == "breached":
        used = percent(elapsed(wanted.started_at, now, terms.calendar, wanted.pauses), wanted.limit_seconds)
        return Step(new, CORRECTED, used, now, _corrects(old, terms))
    return Step(new)


def _unusual(new: Clock, old: Clock, wanted: Wanted, now: datetime) -> None:
    """Fills what an ordinary clock leaves empty."""
    terms = wanted.terms
    new.rule = terms.rule
    new.calendar = terms.mark
    new.fixed = wanted.fixed
    new.given_seconds = wanted.given if wanted.given != wanted.limit_seconds else None
    if wanted.closed:
        new.closed = [[iso(a), iso(b)] for a, b in wanted.closed if b is not None]
    if not terms.warn_percent and wanted.outcome == "running":
        new.points = points_.planned(old, wanted, new.state, now)
        new.next_at = points_.next_at(new)
        new.warn_at = points_.next_warning(new)
    if new.ordinary and not old.ordinary:
        new.rule = NONE_OF_THEM  # so that the columns are written that say nothing any more


def _corrects(old: Clock, terms: Terms) -> dict[str, Any]:
    """`terms` as they are now: a late event that undoes a breach leaves the ladder what it was."""
    out: dict[str, Any] = {"correction": True, "corrected_policy": old.policy}
    if old.breached_at is not None:
        out["breached_at"] = iso(old.breached_at)
    if (terms.version, terms.rule) == (old.policy, old.rule) and (told := points_.told_whom(old, terms)):
        out["told"] = told
    return out


def _used(wanted: Wanted) -> int:
    assert wanted.stopped_at is not None
    used = elapsed(wanted.started_at, wanted.stopped_at, wanted.terms.calendar, wanted.pauses)
    return percent(used, wanted.limit_seconds)


def _next(state: State, warn_at: datetime | None, due_at: datetime, paused: bool) -> datetime | None:
    if state == "armed":
        return warn_at
    return due_at + _LATE if state == "warned" and not paused else None


_EVERY = attrgetter(*(f.name for f in fields(Clock)))


def _next_version(clock: Clock) -> Clock:
    new = Clock(*_EVERY(clock))  # `replace` takes ten times as long, with as many fields
    new.sequence += 1
    return new


def fire(clock: Clock, now: datetime, rules: Rules) -> Step | None:
    """The next version of a clock whose `next_at` has come; None when there is nothing to say.

    A warning that would come after the deadline is dropped: then only the breach is told.
    """
    if clock.next_at is None or clock.next_at > now:
        return None
    terms = rules.stored(*clock.stored)
    if clock.points is not None:
        return _fire_point(clock, now, terms)
    if clock.state not in _RUNNING:
        return None
    if not clock.paused and clock.due_at < now:
        late = _next_version(clock)
        late.state, late.next_at, late.breached_at = "breached", None, now
        return Step(late, BREACHED, 100, now)
    if clock.state == "warned":
        return None
    near = _next_version(clock)
    near.state, near.warned_at = "warned", now
    near.next_at = _next("warned", clock.warn_at, clock.due_at, clock.paused)
    return Step(near, WARNED, terms.warn_percent if terms is not None else 80, now)


def _fire_point(clock: Clock, now: datetime, terms: Terms | None) -> Step | None:
    assert clock.points is not None
    new = replace(clock, sequence=clock.sequence + 1)
    if clock.state in _RUNNING and not clock.paused and clock.due_at < now:
        new.state, new.breached_at = "breached", now
        new.points = points_.past_limit(clock.points, clock.due_at)
        new.next_at = points_.next_at(new)
        return Step(new, BREACHED, 100, now, points_.at_limit(terms))
    found, new.points = points_.take(clock.points, now, terms)
    if found is None:
        new.next_at = points_.next_at(new)
        return Step(new)
    if clock.state in _RUNNING:
        new.state, new.warned_at = "warned", now
    new.next_at = points_.next_at(new)
    new.warn_at = points_.next_warning(new)
    used = points_.percent_of(found, clock.limit_seconds)
    says = WARNED if clock.state in _RUNNING else ESCALATED
    return Step(new, says, used, now, points_.told(found, terms))


def spoken(step: Step) -> dict[str, Any]:
    """The data of the clock.* event of a step."""
    c = step.clock
    assignee = {"type": c.assignee_type, "id": c.assignee_id} if c.assignee_id is not None else None
    assert step.at is not None
    about = c.kind in ABOUT
    said = {
        "id": c.id,
        "kind": c.kind,
        "state": c.state,
        "case": c.case_id,
        "case_sequence": c.case_sequence,
        "leg": (c.leg_id or None) if not about else None,
        "assignee": assignee,
        "street": c.street,
        "limit": c.limit_seconds,
        "started_at": iso(c.started_at),
        "due_at": iso(c.due_at),
        "percent": step.percent,
        "at": iso(step.at),
        "policy": c.policy,
    }
    if about:
        said["about"] = c.leg_id
    if c.calendar:
        said["calendar"] = c.calendar
    if c.rule and c.rule != NONE_OF_THEM:
        said["rule"] = c.rule
    if step.more:
        said.update(step.more)
    return {"clock": said}
