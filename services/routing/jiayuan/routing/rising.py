"""Who is told by a step of the ladder of clocks (`do: notify`): by the directory, which only this service has.

sla says which role it rises to (`clock.breached`, `clock.escalated`), or that a breach which it had told never was
(`clock.corrected`); `ladder.reached` names the people, and notify tells them. Nothing of the case changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jiayuan.chassis.work import Work, on
from jiayuan.contracts.envelope import Event

from . import book as books
from . import handing, store
from .book import Book
from .case import Assignee, Case


def ladder_reached(work: Work, events: Sequence[Event]) -> None:
    """Names whom a step tells, or whom it had told: a person off duty by who stands in, or the next above."""
    book = books.of(work)
    cases = store.read_cases(work, {e.data["clock"]["case"] for e in events})
    for event in events:
        clock = event.data["clock"]
        case = cases.get(clock["case"])
        for whom in _whom(event):
            step = clock.get("ladder") or {}
            said = {
                "clock": clock["id"],
                "kind": clock["kind"],
                "case": clock["case"],
                "number": case.number if case is not None else None,
                "street": clock["street"],
                "due_at": clock["due_at"],
                "whom": whom,
                "to": [{"type": a.type, "id": a.id} for a in holders(book, case, clock, whom, work)],
                "at": clock["at"],
            }
            if event.name == "clock.corrected":
                said["withdrawn"] = True
            else:
                said |= {name: step[name] for name in ("step", "again") if name in step}
            work.emit(
                "ladder.reached",
                said,
                subject=clock["id"],
                sequence=event.sequence,
                street=clock["street"],
                cause=event,
            )


def _whom(event: Event) -> Sequence[str]:
    clock = event.data["clock"]
    if event.name == "clock.corrected":
        return clock.get("told") or ()
    step = clock.get("ladder") or {}
    return (step["whom"],) if step.get("do") == "notify" else ()


def holders(
    book: Book, case: Case | None, clock: dict[str, Any], whom: str, work: Work
) -> Sequence[Assignee]:
    """Whoever has a role for a clock now; nobody where there is nobody."""
    directory, street = book.directory, clock["street"]
    named = clock.get("assignee")
    assignee = Assignee(named["type"], named["id"]) if named else None
    if whom == "assignee":
        found = assignee
    elif whom == "unit_clerk":
        found = assignee if assignee is not None and assignee.type == "unit" else None
    elif whom == "convener":
        found = directory.convener(street)
    elif whom == "desk":
        found = directory.desk(street)
    elif whom == "county":
        found = directory.desk(directory.county_street)
    else:
        return _above(book, case, assignee, whom, work)
    return (found,) if found is not None else ()


def _above(
    book: Book, case: Case | None, assignee: Assignee | None, whom: str, work: Work
) -> Sequence[Assignee]:
    directory = book.directory
    person = assignee.id if assignee is not None and assignee.type == "person" else None
    if person is None and case is not None:
        # A unit's clock, or the citizen's: whoever answers for the place of the case.
        person = next(iter(directory.workers(case.grid or case.community or "")), None)
    if person is None:
        return ()
    ladder = handing.ladder(directory, case, person) if case is not None else directory.ladder(person)
    rungs = handing.rungs(handing.from_step(ladder, whom, directory), book.staff, work.now, frozenset())
    return tuple(r.assignee for r in rungs[:1])


def _tells(event: Event) -> bool:
    return bool(_whom(event))


HANDLERS = [
    on(name, ladder_reached, wants=_tells)
    for name in ("clock.breached", "clock.escalated", "clock.corrected")
]
