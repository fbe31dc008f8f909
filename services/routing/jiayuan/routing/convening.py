"""What a joint meeting 聯席會議 decided about cases (`meeting.held`): units are called, as its convener would.

The minutes are signed by the desk's recorder and by the convener; so the move is one that either of them may make. A
case that nobody takes gets the units that the meeting names, which can't refuse; any other is whistled for. A decision
is carried out once, however often it is told, and what becomes of it is told in `decision.answered`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.redact import mask
from jiayuan.chassis.work import Work
from jiayuan.contracts.envelope import Event
from jiayuan.contracts.times import iso

from . import acting, store
from . import book as books
from .acting import Act
from .book import Book
from .case import Actor
from .case import whistle as whistles
from .moving import Moving
from .policy import GROUNDS

_SIGNED: Final = ("convener", "desk")


def meeting_held(work: Work, events: Sequence[Event]) -> None:
    """Carries out the whistles that meetings decided, each once, and tells what became of them."""
    told = {r["id"]: (event, r) for event in events for r in event.data["resolutions"] if _whistles(r)}
    fresh = store.meetings.take(
        work, [(id_, event.data["id"], r["case"]) for id_, (event, r) in told.items()]
    )
    if not fresh:
        return
    book = books.of(work)
    ids = store.find_ids(work, {told[d][1]["case"] for d in fresh})
    moving = Moving(work, sorted(set(ids.values())))
    answers = []
    for decision in (d for d in told if d in fresh):
        event, resolution = told[decision]
        why = _carry_out(book, moving, ids.get(resolution["case"]), event, resolution)
        answers.append((decision, "done" if why is None else "refused", why))
        data = {"meeting": event.data["id"], "decision": decision, "street": event.data["street"]}
        data |= {"case": resolution["case"], "outcome": answers[-1][1], "at": iso(work.now)}
        work.emit(
            "decision.answered",
            data if why is None else {**data, "reason": why},
            subject=decision,
            sequence=1,
            street=event.data["street"],
            cause=event,
        )
    moving.save()
    store.meetings.answer(work, answers)


def concerns(event: Event) -> bool:
    """Whether a meeting decided to whistle."""
    return any(_whistles(r) for r in event.data.get("resolutions") or ())


def _whistles(resolution: Mapping[str, Any]) -> bool:
    return bool(resolution["becomes"] == "whistle" and resolution.get("case") and resolution.get("unit"))


def _carry_out(
    book: Book, moving: Moving, case_id: str | None, event: Event, resolution: Mapping[str, Any]
) -> str | None:
    """Calls the units; why not, when it can't be."""
    data = event.data
    case = moving.cases.get(case_id or "")
    if case is None:
        return f"there is no case {resolution['case']}"
    said = (
        data["decisions"][resolution["number"] - 1] if resolution["number"] <= len(data["decisions"]) else ""
    )
    reason = f"联席会议第{resolution['number']}项决定：{said}"[:500]
    assistants = list(resolution.get("assistants") or ())
    if whistles.unclaimed(case) is not None:
        words = {
            "meeting": data["id"],
            "unit": resolution["unit"],
            "assistants": assistants,
            "reason": reason,
        }
        what = Act(case.number, "meeting", words=words)
    else:
        words = {"ground": GROUNDS[0], "lead": resolution["unit"], "assistants": assistants, "reason": reason}
        what = Act(case.number, "whistle", words=words)
    actor = Actor(data.get("convener") or data["id"], _SIGNED, street=data["street"])
    try:
        acting.take(moving, book, actor, what, case.id, cause=event)
    except Problem as problem:
        return mask(_why(problem))[:500]
    return None


def _why(problem: Problem) -> str:
    fields = "; ".join(
        f"{p.field} {p.problem}" + (f" ({p.allowed})" if p.allowed else "") for p in problem.problems
    )
    return ": ".join(filter(None, (problem.title, problem.detail, fields)))
