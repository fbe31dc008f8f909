"""What people and other systems do to a case: one way in for HTTP, the command line and the bus.

    act(work, book, actor, Act("350921001-260302-000001", "extend", words={"seconds": 86400, "reason": "等配件"}))

Whoever comes is an `Actor`; `machine.TABLE` says whether the move is his in this state, and every way gets the same
errors: a `Problem` (RFC 9457) of status

- 404: no such case, leg or approval;
- 422: the words break the move's schema (`WORDS[move]`), or name somebody that there isn't: each field in `problems`;
- 403: the actor has no right to the move, or has done another part of the work (`allowed`: the moves he has);
- 409: the state forbids it, or somebody was faster (`sequence`): with `state`, `sequence`, `leg_state`, `allowed`.

What was done before is no error and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from marshmallow import ValidationError, fields, validate

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.redact import mask
from jiayuan.chassis.tokens import Principal
from jiayuan.chassis.work import Work
from jiayuan.contracts.check import FieldProblem, explain
from jiayuan.contracts.envelope import Event
from jiayuan.contracts.schemas.common import (
    COLOURS,
    Demand,
    a_list,
    a_number,
    a_text,
    a_word,
    a_yes_no,
    an_id,
    said,
)
from jiayuan.contracts.times import iso, parse

from . import book as books
from . import case as cases
from . import colouring, handing, helping, store, whistling
from .book import Book
from .case import Actor, Assignee, Case, Leg, Moves, NotAllowed, Offer, Situation, Terms, offering
from .case.machine import TABLE, has_right, permit
from .moving import Moving
from .policy import GROUNDS

# -- what is said with a move ------------------------------------------------------------------------


def _says_something(text: str) -> None:
    if not text.strip():
        raise ValidationError("Holds nothing that can be read.")


def _reason(required: bool = True) -> fields.String:
    found = a_text(500, required=required, least=1 if required else 0)
    if required:
        found.validators.append(_says_something)
    return said(found, "Why; numbers in it are masked.")


class NoteWords(Demand):
    """accept, answer, resolve."""

    note = said(a_text(1000), "What the reporter reads of it; numbers in it are masked.")
    evidence = said(
        a_list(a_text(300, required=True), 20), "Links to photos and papers; they stay with the step."
    )


class ReturnWords(Demand):
    """return, refuse."""

    note = said(a_text(1000, required=True, least=1), "Why it is returned or refused.")
    evidence = a_list(a_text(300, required=True), 20)
    misdirected = said(
        a_yes_no(required=False), "return: the rule had sent it to the wrong place; the desk judges it."
    )


class ExtendWords(Demand):
    """extend."""

    seconds = said(a_number(60, required=True), "How much more time, in seconds.")
    reason = _reason()
    evidence = a_list(a_text(300, required=True), 20)


class PauseWords(Demand):
    """pause."""

    until = said(fields.AwareDateTime(required=True), "Until when, RFC 3339.")
    reason = _reason()
    evidence = a_list(a_text(300, required=True), 20)


class ReasonWords(Demand):
    """release, supervise, reopen, void."""

    reason = _reason()


class MaybeReasonWords(Demand):
    """resume, urge, unsupervise."""

    reason = _reason(required=False)


class RecolourWords(Demand):
    """recolour."""

    colour = a_word(COLOURS)
    reason = _reason()


class InspectWords(Demand):
    """inspect."""

    passed = said(a_yes_no(), "Whether the result stands; if not, it is done again.")
    note = said(a_text(500), "What was seen; needed when it didn't pass.")
    solved = said(
        a_yes_no(required=False), "Whether the matter is solved, as it was seen; absent where nobody can say."
    )
    evidence = a_list(a_text(300, required=True), 20)


class CloseWords(Demand):
    """close."""

    confirmed = said(
        a_word(("satisfied", "unsatisfied", "lapsed")),
        "What the reporter said when called back; lapsed: couldn't be reached or has no way to be.",
    )
    satisfaction = said(a_number(1, 5), "1 to 5, where the reporter said one.")
    solved = said(
        a_yes_no(required=False), "Whether it is solved, says the reporter; absent where nobody knows."
    )
    reason = _reason()


class DecideWords(Demand):
    """decide."""

    granted = a_yes_no()
    note = said(a_text(500), "Why; needed when it isn't granted.")
    misdirected = said(a_yes_no(required=False), "return: whether the rule had sent it to the wrong place.")


class To(Demand):
    """A person of a grid or a unit."""

    type = fields.String(required=True, validate=validate.OneOf(("person", "unit")))
    id = an_id()


class AssignWords(Demand):
    """Who gets the case, with which assistants; `leg`: the leg that is replaced (by default the desk's own)."""

    assignee = fields.Nested(To, required=True)
    assistants = a_list(an_id(), 20)
    ground = fields.String(allow_none=True, validate=validate.OneOf(GROUNDS))
    leg = an_id(required=False)
    reason = _reason()
    misdirected = said(
        a_yes_no(required=False), "Whether the leg that was returned last had been sent to the wrong place."
    )


WORDS: Final[Mapping[str, type[Demand]]] = {
    "accept": NoteWords,
    "answer": NoteWords,
    "resolve": NoteWords,
    "return": ReturnWords,
    "extend": ExtendWords,
    "pause": PauseWords,
    "release": ReasonWords,
    "assign": AssignWords,
    "resume": MaybeReasonWords,
    "urge": MaybeReasonWords,
    "supervise": ReasonWords,
    "unsupervise": MaybeReasonWords,
    "recolour": RecolourWords,
    "inspect": InspectWords,
    "close": CloseWords,
    "reopen": ReasonWords,
    "void": ReasonWords,
    "decide": DecideWords,
    **whistling.WORDS,
}


# -- who acts, and what ------------------------------------------------------------------------------


def actor_of(who: Principal, book: Book) -> Actor:
    """Whoever a token names; heads of grids get their community from the directory."""
    person = book.directory.person(who.subject)
    return Actor(who.subject, who.roles, who.unit, who.street, person.community if person else "")


def no_case(name: str) -> Problem:
    """The refusal where a case is named that there isn't."""
    return Problem(404, "No such case", f"there is no case {name[:64]}")


def unit_actor(unit: str) -> Actor:
    """A unit's own system, as the bus lets it in."""
    return Actor(unit, ("unit_clerk",), unit)


@dataclass(frozen=True, slots=True)
class Act:
    """A move of a case (id or number): of a leg, or, for `decide`, of an approval.

    Without `leg`, a move on a leg is of the one that the actor holds: the live one, else the latest. `words` as
    `WORDS[move]`. `sequence`: the version of the case that was looked at, to refuse an old view. `at`: when it was
    done, where somebody else's clock says so; it is taken as not before the leg's last step and not in the future.
    """

    case: str
    move: str
    leg: str | None = None
    approval: str | None = None
    words: Mapping[str, Any] = field(default_factory=dict)
    sequence: int | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it: the case as it is now, and the steps (none when it had been done before)."""

    case: Case
    moves: Moves
    leg: str | None = None


@dataclass(frozen=True, slots=True)
class Doing:
    """An act on its locked case, after the machine has said yes."""

    case: Case
    leg: Leg | None
    actor: Actor
    at: datetime
    words: Mapping[str, Any]
    book: Book
    terms: Terms
    work: Work
    approval: str | None = None

    @property
    def by(self) -> str:
        return self.actor.subject

    @property
    def leg_id(self) -> str:
        assert self.leg is not None
        return self.leg.id

    def text(self, name: str) -> str | None:
        value = self.words.get(name)
        return mask(value)[:500] if value else None

    @property
    def reason(self) -> str:
        return self.text("reason") or ""

    @property
    def desk_limit(self) -> int:
        return self.book.policy(self.at).response("street")


def act(
    work: Work,
    book: Book,
    actor: Actor,
    what: Act,
    *,
    cause: Event | None = None,
    traceparent: str = "",
) -> Done:
    """One move by one actor, stored and told; Problem when it can't be (see the top of this module)."""
    moving = Moving(work, store.find_ids(work, [what.case]).values())
    done = take(moving, book, actor, what, cause=cause, traceparent=traceparent)
    moving.save()
    return _afterwards(done, moving)


def _afterwards(done: Done, moving: Moving) -> Done:
    """The same with the case as it was stored: an emergency that holds may have added a step."""
    return replace(done, case=moving.cases[done.case.id])


def act_on_all(
    work: Work, book: Book, actor: Actor, acts: Sequence[Act], *, traceparent: str = ""
) -> list[Done | Problem]:
    """Many moves by one actor in a handful of statements, each for itself: what can't be done is answered by its
    Problem and leaves the others alone."""
    found = store.find_ids(work, {a.case for a in acts})
    moving = Moving(work, sorted(set(found.values())))
    out: list[Done | Problem] = []
    for what in acts:
        try:
            out.append(take(moving, book, actor, what, found.get(what.case), traceparent=traceparent))
        except Problem as problem:
            out.append(problem)
    moving.save()
    return [_afterwards(done, moving) if isinstance(done, Done) else done for done in out]


def take(
    moving: Moving,
    book: Book,
    actor: Actor,
    what: Act,
    case_id: str | None = None,
    *,
    cause: Event | None = None,
    traceparent: str = "",
) -> Done:
    """As `act`, on cases that are locked; the caller saves. `case_id`: of the case, where several are locked."""
    case = moving.cases.get(case_id or "") if case_id or len(moving.cases) != 1 else None
    if case is None and len(moving.cases) == 1 and case_id is None:
        case = next(iter(moving.cases.values()))
    if case is None:
        raise no_case(what.case)
    if what.move not in WORDS:
        allowed = ", ".join(WORDS)
        raise Problem(422, "No such move", problems=[FieldProblem("move", f"is {what.move[:40]!r}", allowed)])
    _check_words(what)
    now = moving.work.now
    leg = _leg(case, actor, what)
    at = _when(leg, what.at, now) if what.at is not None else now
    terms = book.policy(now).terms
    approval = cases.approvals.find(case, what.approval or "")
    if what.move == "decide" and approval is None:
        raise Problem(
            404, "No such approval", f"case {case.number} has no approval {(what.approval or '')[:64]}"
        )
    on_leg = leg if TABLE[what.move].on == "leg" else None
    situation = Situation(case, on_leg, actor, at, terms, approval)
    try:
        moves = _repeated(what.move, situation, what.words)
        if moves is None:
            permit(what.move, situation)
            doing = Doing(case, leg, actor, at, what.words, book, terms, moving.work, what.approval)
            moves = _MOVES[what.move](doing)
    except NotAllowed as error:
        raise problem_of(error, case, leg) from None
    if moves and what.sequence is not None and what.sequence != case.sequence:
        raise _stale(case, leg, actor, now, terms, what.sequence)
    if moves:
        if what.move != "arrive":  # which keeps its own with the step that it belongs to
            moves = cases.with_evidence(moves, what.words.get("evidence") or ())
        moving.take(moves[-1].case, moves, cause, traceparent)
        case = moves[-1].case
    return Done(case, moves, leg.id if leg is not None else None)


def _check_words(what: Act) -> None:
    found = explain(WORDS[what.move], what.words)
    if found:
        problems = [FieldProblem(p.field.removeprefix("data."), p.problem, p.allowed) for p in found]
        raise Problem(422, "The words break the schema", problems=problems)
    needed = {"inspect": ("passed", "note"), "decide": ("granted", "note")}.get(what.move)
    if needed and not what.words[needed[0]] and not what.words.get(needed[1]):
        problem = FieldProblem(needed[1], "is missing", "why not")
        raise Problem(422, "A reason is needed", problems=[problem])


def _leg(case: Case, actor: Actor, what: Act) -> Leg | None:
    rule = TABLE[what.move]
    if rule.on != "leg":
        return None
    if what.leg is not None:
        leg = case.leg(what.leg)
        if leg is None:
            raise Problem(404, "No such leg", f"case {case.number} has no leg {what.leg[:64]}")
        return leg
    mine = [leg for leg in case.legs if cases.holds(actor, leg)]
    leg = next((one for one in reversed(mine) if one.live), mine[-1] if mine else None)
    if leg is None:
        raise Problem(404, "No such leg", f"you have no leg in case {case.number}")
    return leg


def _when(leg: Leg | None, said_at: datetime, now: datetime) -> datetime:
    last = (leg.answered_at or leg.accepted_at or leg.offered_at) if leg is not None else None
    return min(max(said_at, parse(last)) if last else said_at, now)


# What was done already, by the state of the leg: repeating it is no error.
_DONE_BEFORE: Final[Mapping[str, frozenset[str]]] = {
    "accept": frozenset(("accepted", "answered", "done")),
    "answer": frozenset(("answered", "done")),
    "resolve": frozenset(("done",)),
    "return": frozenset(("returned", "refused")),
    "refuse": frozenset(("refused",)),
    "release": frozenset(("released",)),
}
_ASKS: Final = {
    "return": "return",
    "extend": "extension",
    "pause": "pause",
    "void": "void",
}


def _repeated(move: str, s: Situation, words: Mapping[str, Any]) -> Moves | None:
    """No steps when the actor has the right to the move and it has been done before, or asked for; else None."""
    rule = TABLE[move]
    if not has_right(rule, s):
        return None
    case, leg, approval = s.case, s.leg, s.approval
    if leg is not None:
        if leg.state in _DONE_BEFORE.get(move, ()) and (move != "accept" or leg.accepted_at):
            return ()
        if move == "arrive" and leg.arrived_at is not None:
            return ()
    if _had(move, s, words) or whistling.had(move, s, words):
        return ()
    kind = _ASKS.get(move)
    if kind is not None:
        asked = cases.machine.pending(case, kind, leg.id if leg is not None else None)
        if asked is not None and asked["asked_by"] == s.actor.subject:
            return ()
    if move == "decide" and approval is not None and approval.get("decided_at"):
        same = approval["granted"] == words["granted"] and approval["decided_by"] == s.actor.subject
        return () if same else None
    if move == "recolour" and case.colour == words["colour"] and case.state in rule.states:
        return ()
    return None


def _had(move: str, s: Situation, words: Mapping[str, Any]) -> bool:
    case, me = s.case, s.actor.subject
    if move == "close":
        return case.state == "closed" and case.confirmed == words["confirmed"]
    if move == "void":
        return case.state == "voided"
    if move == "supervise":
        return any(o["by"] == me and not o.get("ended_at") for o in case.supervised)
    if move == "inspect" and case.inspection is not None:
        passed: bool = words["passed"] and cases.machine.inspected(case)
        return passed and case.inspection["by"] == me
    return False


def problem_of(error: NotAllowed, case: Case, leg: Leg | None) -> Problem:
    """What HTTP and the others say of a move that isn't allowed."""
    status = 409 if error.ground == "state" else 403
    title = "Not allowed in this state" if status == 409 else "Not allowed"
    return Problem(status, title, str(error), **_now(case, leg, error.allowed))


def _now(case: Case, leg: Leg | None, allowed: Sequence[str]) -> dict[str, Any]:
    return {
        "state": case.state,
        "sequence": case.sequence,
        "leg_state": leg.state if leg is not None else None,
        "allowed": list(allowed),
    }


def _stale(case: Case, leg: Leg | None, actor: Actor, at: datetime, terms: Terms, seen: int) -> Problem:
    why = f"the case has moved on: you saw {seen}, it is at {case.sequence}"
    allowed = cases.allowed(case, leg, actor, at, terms)
    return Problem(409, "Not allowed in this state", why, **_now(case, leg, allowed))


# -- the moves ---------------------------------------------------------------------------------------


def _accept(d: Doing) -> Moves:
    return cases.accept(d.case, d.leg_id, d.by, d.at, d.text("note"))


def _answer(d: Doing) -> Moves:
    return cases.answer(d.case, d.leg_id, d.by, d.at, d.text("note"))


def _resolve(d: Doing) -> Moves:
    return cases.resolve(d.case, d.leg_id, d.by, d.at, d.text("note"), d.desk_limit)


def _return(d: Doing) -> Moves:
    assert d.leg is not None
    if offering.is_offer(d.case, d.leg):
        return helping.given_up(d.work, d.book, d.case, d.leg_id, d.by, d.text("note") or "")
    wrong = d.words.get("misdirected")
    if d.leg.state in d.terms.approve_returns:
        return _ask(d, "return", d.text("note") or "", misdirected=wrong)
    return cases.return_(d.case, d.leg_id, d.by, d.at, d.text("note") or "", d.desk_limit, wrong)


def _ask(d: Doing, kind: str, reason: str, **more: Any) -> Moves:
    leg = d.leg.id if d.leg is not None else None
    limit = d.terms.approval_limits[kind]
    return cases.ask(d.case, kind, d.by, d.at, reason, limit, leg=leg, **more)


def _extend(d: Doing) -> Moves:
    seconds = d.words["seconds"]
    if seconds > d.terms.most_extension:
        raise _wrong("seconds", f"is {seconds}", f"60 to {d.terms.most_extension}")
    return _ask(d, "extension", d.reason, seconds=seconds)


def _pause(d: Doing) -> Moves:
    until = parse(d.words["until"])
    latest = d.at + timedelta(seconds=d.terms.most_pause)
    if not d.at < until <= latest:
        raise _wrong("until", f"is {iso(until)}", f"after {iso(d.at)}, until {iso(latest)}")
    return _ask(d, "pause", d.reason, until=until)


def _wrong(field_: str, problem: str, allowed: str) -> Problem:
    return Problem(422, "The words can't be used", problems=[FieldProblem(field_, problem, allowed)])


def _release(d: Doing) -> Moves:
    return cases.release(d.case, d.leg_id, d.by, d.at, d.reason, d.desk_limit)


def _assign(d: Doing) -> Moves:
    to, problems = d.words["assignee"], list[FieldProblem]()
    ground = d.words.get("ground")
    main = offer(d.book, to["type"], to["id"], "assignee.id", d.at, problems, ground)
    others = [
        offer(d.book, "unit", u, "assistants", d.at, problems, ground)
        for u in dict.fromkeys(d.words.get("assistants") or ())
    ]
    if others and to["type"] != "unit":
        problems.append(FieldProblem("assistants", "a person has no assistants", "a unit as the assignee"))
    if problems or main is None:
        raise Problem(422, "The assignment is wrong", problems=problems)
    return cases.assign(
        d.case,
        main,
        [o for o in others if o is not None],
        d.by,
        d.at,
        d.reason,
        leg_id=d.words.get("leg"),
        ground=ground,
        misdirected=d.words.get("misdirected"),
    )


def offer(
    book: Book,
    type_: str,
    id_: str,
    field_: str,
    at: datetime,
    problems: list[FieldProblem],
    ground: str | None = None,
) -> Offer | None:
    """A leg to be, for a person or a unit of the directory; None and a problem when there is none such."""
    policy = book.policy(at)
    if type_ == "unit":
        if book.directory.unit(id_) is None:
            problems.append(FieldProblem(field_, f"there is no unit {id_}", "the code of a member unit"))
            return None
        response = policy.response("department")
        report_in = policy.whistle.report_in(ground or "public_matter", response)
        return Offer(Assignee("unit", id_), "department", 0, response, report_in)
    person = book.directory.person(id_)
    if person is None:
        problems.append(FieldProblem(field_, f"there is no person {id_}", "the id of a person of a grid"))
        return None
    if not book.staff.on_duty(id_, at):
        other = handing.somebody(book.staff, id_, at)
        who = f"{other}, who stands in" if other else "somebody who is on duty"
        problems.append(FieldProblem(field_, f"{id_} is off duty", who))
        return None
    step = {"leader": 1, "chief": 2}.get(person.role, 0)
    level = "community" if person.role == "chief" else "grid"
    return Offer(Assignee("person", id_), level, step, policy.response(level))


def _resume(d: Doing) -> Moves:
    return cases.resume(d.case, d.by, d.at, d.text("reason"))


def _urge(d: Doing) -> Moves:
    return cases.urge(d.case, d.by, d.at, d.text("reason"))


def _supervise(d: Doing) -> Moves:
    return cases.put_under_supervision(d.case, d.by, d.at, d.reason)


def _unsupervise(d: Doing) -> Moves:
    return cases.end_supervision(d.case, d.by, d.at, d.text("reason"), "county" in d.actor.roles)


def _recolour(d: Doing) -> Moves:
    colour = d.words["colour"]
    finish = colouring.finish_limit(d.work, d.book.policy(d.at), d.case, colour)
    return cases.recolour(d.case, colour, d.by, d.at, d.reason, finish)


def _inspect(d: Doing) -> Moves:
    directory = d.book.directory
    gone = frozenset(
        leg.assignee.id
        for leg in d.case.legs
        if (leg.assignee.type == "person" and directory.person(leg.assignee.id) is None)
        or (leg.assignee.type == "unit" and directory.unit(leg.assignee.id) is None)
    )
    passed, note = d.words["passed"], d.text("note")
    solved = d.words.get("solved")
    return cases.inspect(
        d.case, passed, d.by, d.at, note, solved=solved, gone=gone, response_limit=d.desk_limit
    )


def _close(d: Doing) -> Moves:
    words = d.words
    return cases.close(
        d.case, words["confirmed"], d.by, d.at, d.reason, words.get("satisfaction"), words.get("solved")
    )


def _reopen(d: Doing) -> Moves:
    return (cases.reopen(d.case, d.by, iso(d.at), d.reason, d.desk_limit),)


def _void(d: Doing) -> Moves:
    return _ask(d, "void", d.reason)


def _decide(d: Doing) -> Moves:
    found = cases.approvals.find(d.case, d.approval or "")
    if found is not None and found["kind"] == "whistle":
        return whistling.answer_wish(d, found)
    return cases.decide(
        d.case,
        d.approval or "",
        d.words["granted"],
        d.by,
        d.at,
        d.text("note"),
        response_limit=d.desk_limit,
        misdirected=d.words.get("misdirected"),
    )


_MOVES: Final[Mapping[str, Callable[[Doing], Moves]]] = {
    "accept": _accept,
    "answer": _answer,
    "resolve": _resolve,
    "return": _return,
    "extend": _extend,
    "pause": _pause,
    "release": _release,
    "assign": _assign,
    "resume": _resume,
    "urge": _urge,
    "supervise": _supervise,
    "unsupervise": _unsupervise,
    "recolour": _recolour,
    "inspect": _inspect,
    "close": _close,
    "reopen": _reopen,
    "void": _void,
    "decide": _decide,
    **whistling.MOVES,
}


# -- many at once, and what is due -------------------------------------------------------------------


def pause_all(
    work: Work,
    ids: Iterable[str],
    reason: str,
    approver: str,
    *,
    emergency: str | None = None,
    until: datetime | None = None,
    cause: Event | None = None,
) -> list[str]:
    """Pauses many cases in one go, by somebody who needs no approval (an emergency mode); returns those that were.

    Left alone: what is settled, paused by that mode already, or has no room for another pause.
    """
    moving, out = Moving(work, sorted(set(ids))), []
    for case in list(moving.cases.values()):
        try:
            moves = cases.pause(case, reason, approver, work.now, until=until, emergency=emergency)
        except NotAllowed:
            continue
        if moves:
            moving.take(moves[-1].case, moves, cause)
            out.append(case.id)
    moving.save()
    return out


def resume_all(
    work: Work,
    ids: Iterable[str],
    actor: str,
    reason: str | None,
    *,
    emergency: str | None = None,
    cause: Event | None = None,
) -> list[str]:
    """Ends the pauses of many cases in one go (only those of an emergency mode, where one is named)."""
    moving, out = Moving(work, sorted(set(ids))), []
    for case in list(moving.cases.values()):
        try:
            moves = cases.resume(case, actor, work.now, reason, emergency=emergency)
        except NotAllowed:
            continue
        if moves:
            moving.take(moves[-1].case, moves, cause)
            out.append(case.id)
    moving.save()
    return out


def due(work: Work, limit: int = 200) -> bool:
    """Approvals that nobody decided in time, and dated pauses that are over; True when there may be more.

    Any replica: a case is looked at again under its lock, and what another one has told is told no more.
    """
    ids = store.due_cases(work, limit)
    if not ids:
        return False
    book = books.of(work)
    response = book.policy(work.now).response("street")
    moving = Moving(work, ids)
    since = store.still_due(work, ids)
    rest = []
    for id_, due_at in sorted(since.items()):
        case = moving.cases[id_]
        moves = cases.overdue(case, work.now, response)
        case = moves[-1].case if moves else case
        # The newest end that this look is for: what ended before it has been told.
        if any(due_at <= parse(span["end"]) <= work.now for span in case.pauses if span.get("end")):
            moves += cases.ran_out(case, cases.ROUTING.subject, work.now)
        if moves:
            moving.take(moves[-1].case, moves)
        else:
            rest.append(case)
    moving.save()
    store.keep_due(work, rest)
    return len(ids) == limit
