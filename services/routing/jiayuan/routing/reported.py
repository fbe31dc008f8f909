"""What departments' own systems report (`handling.reported`): the moves of a unit on its leg, as everybody else's.

Each message is answered with its outcome, and with where the case stands now, so that a system that was too late
needn't ask. A message is refused by itself; those beside it in the batch are taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.work import Work
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.envelope import Event
from jiayuan.contracts.times import parse

from . import acting, store
from . import book as books
from . import case as cases
from .acting import Act
from .book import Book
from .case import Case
from .moving import Moving

_SAID: Final = ("note", "evidence", "place", "people", "seconds", "until", "misdirected")


def handling_reported(work: Work, events: Sequence[Event]) -> None:
    """A unit's own system acts on its leg; refused with reasons when it may not."""
    book = books.of(work)
    found = store.find_ids(work, {e.data["case"] for e in events})
    moving = Moving(work, sorted(set(found.values())))
    known = store.known_handlings(work, [e.data["external_id"] for e in events])
    taken = []
    for event in events:
        key, data = (event.source, event.data["external_id"]), event.data
        case_id = found.get(data["case"], "")
        problems = rights(book, data["unit"], event.source)
        if key in known and not problems:
            work.duplicate(event, known[key], _current(moving, case_id, data["unit"], book))
            continue
        problems = problems or _act(book, moving, moving.cases.get(case_id), event)
        if problems:
            mine = rights(book, data["unit"], event.source) == []
            now = _current(moving, case_id, data["unit"], book) if mine else None
            work.refuse(event, problems, now)
            continue
        known[key] = case_id
        taken.append({"source": key[0], "external_id": key[1], "case_id": case_id})
        work.accepted(event, case_id, _current(moving, case_id, data["unit"], book))
    moving.save()
    store.remember_handlings(work, taken)


def rights(book: Book, code: str, source: str) -> list[FieldProblem]:
    """Whether a sender may act for a unit: what is wrong, nothing when it may."""
    unit = book.directory.unit(code)
    if unit is None:
        return [FieldProblem("data.unit", f"there is no unit {code}", "the code of a member unit")]
    if unit.system != "bus":
        return [FieldProblem("data.unit", f"{code} acts on the pages and the API, not over the bus")]
    if unit.partner and source != f"/partners/{unit.partner}":
        return [FieldProblem("source", f"{source} may not act for {code}", f"/partners/{unit.partner}")]
    return []


def _act(book: Book, moving: Moving, case: Case | None, event: Event) -> list[FieldProblem]:
    data = event.data
    if case is None:
        return [FieldProblem("data.case", f"there is no case {data['case']}", "the id or number of a case")]
    what = Act(
        case.number,
        data["action"],
        data.get("leg"),
        words=_words(data),
        sequence=data.get("sequence"),
        at=parse(data["at"]),
    )
    try:
        acting.take(moving, book, acting.unit_actor(data["unit"]), what, case.id, cause=event)
    except Problem as problem:
        return _as_fields(problem, case, data)
    return []


def _words(data: Mapping[str, Any]) -> dict[str, Any]:
    """What is said with the move, by the move's own names: a department has one place for its reasons."""
    words = {name: data[name] for name in _SAID if data.get(name) not in (None, [], "")}
    if "note" in words and _has_reason(data["action"]):
        words["reason"] = words.pop("note")
    return words


def _has_reason(action: str) -> bool:
    schema = acting.WORDS[action]
    return "reason" in schema().fields and "note" not in schema().fields


def _as_fields(problem: Problem, case: Case, data: Mapping[str, Any]) -> list[FieldProblem]:
    """What HTTP answers with a status, as fields of the message."""
    if problem.problems:
        note = _has_reason(data["action"])
        return [
            FieldProblem(f"data.{'note' if note and p.field == 'reason' else p.field}", p.problem, p.allowed)
            for p in problem.problems
        ]
    if problem.status == 404:
        if data.get("leg"):
            return [FieldProblem("data.leg", f"case {case.number} has no leg {data['leg'][:64]}")]
        return [FieldProblem("data.unit", f"{data['unit']} has no leg in case {case.number}")]
    extra, seen = problem.extra, data.get("sequence")
    stands = f"the leg is {extra['leg_state']}, the case {extra['state']}"
    allowed = ", ".join(extra["allowed"]) or f"nothing: {stands}"
    moved_on = f"the case has moved on: you saw {seen}, it is at {case.sequence}"
    out = [] if problem.detail == moved_on else [FieldProblem("data.action", problem.detail, allowed)]
    if seen is not None and seen != case.sequence:
        out.append(FieldProblem("data.sequence", f"{moved_on}; {stands}", str(case.sequence)))
    return out


def _current(moving: Moving, case_id: str, unit: str, book: Book) -> dict[str, Any] | None:
    """Where a case stands, for a unit that has a leg in it."""
    case = moving.cases.get(case_id)
    actor = acting.unit_actor(unit)
    mine = [leg for leg in case.legs if cases.holds(actor, leg)] if case is not None else []
    if case is None or not mine:
        return None
    leg = next((one for one in reversed(mine) if one.live), mine[-1])
    now = moving.work.now
    return {
        "case": case.id,
        "number": case.number,
        "sequence": case.sequence,
        "state": case.state,
        "leg": leg.id,
        "leg_state": leg.state,
        "allowed": list(cases.allowed(case, leg, actor, now, book.policy(now).terms)),
    }
