"""Who may see and do what, and what they are answered."""

from __future__ import annotations

from typing import Any, Final

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.tokens import Principal
from jiayuan.chassis.web import Call

from .. import case as cases
from .. import visibility
from ..book import Book
from ..case import Case, Leg
from ..visibility import Sight

STAFF: Final = (
    "grid_worker",
    "grid_leader",
    "grid_chief",
    "desk",
    "unit_clerk",
    "county",
    "operator",
    "service",
    "convener",
    "inspector",
    "mediator",
    "volunteer",
    "cadre",
)
SEE_ALL: Final = ("county", "operator", "service")
# What is somebody's own, or a person's, is in no cache.
PRIVATE: Final = {"Cache-Control": "no-store"}


def is_desk(who: Principal, book: Book, street: str) -> bool:
    """Whether the caller sits at the desk of a street; the county's people sit at the county's."""
    return visibility.is_desk(who, book.directory, street)


def holds(who: Principal, book: Book, leg: Leg) -> bool:
    """Whether the caller is a leg's assignee."""
    return visibility.holds(who, book.directory, leg)


def may_see(who: Principal, book: Book, case: Case) -> bool:
    """Whether the caller has any part in a case; `visibility` says what of it they see."""
    return visibility.sight(who, book.directory, case) is not None


def sight_of(who: Principal, book: Book, case: Case) -> Sight:
    """What the caller may see of a case; Problem 403 when it isn't theirs."""
    seen = visibility.sight(who, book.directory, case)
    if seen is None:
        raise Problem(403, "Not allowed", "you have no part in this case")
    return seen


def caller(call: Call) -> Principal:
    """Who is asking; the entrypoint names roles."""
    assert call.who is not None
    return call.who


def view(case: Case, who: Principal, book: Book, seen: Sight | None = None) -> dict[str, Any]:
    """The case as the caller gets it, with the moves that the caller has on each of their legs."""
    seen = seen or sight_of(who, book, case)
    mine = {leg.id: list(moves_of(case, leg)) for leg in case.legs if leg.live and leg.id in seen.own}
    doc = visibility.document(cases.document(case), seen)
    shown = {leg["id"] for leg in doc["legs"]}
    return {
        "sequence": case.sequence,
        "case": doc,
        "assignees": {
            leg.assignee.id: book.directory.label(leg.assignee) for leg in case.legs if leg.id in shown
        },
        "moves": mine,
    }


def etag(case: Case) -> str:
    """The version of a case as an entity tag: it can be sent back as If-Match with a move."""
    return f'"{case.sequence}"'


def moves_of(case: Case, leg: Leg) -> tuple[str, ...]:
    """The moves that the assignee of a leg has in the case as it is."""
    return cases.moves_of(leg) if case.state not in (*cases.OVER, "resolved") else ()


def conflict(case: Case, leg: Leg | None, why: str, allowed: tuple[str, ...]) -> Problem:
    """The refusal of a move that the state forbids."""
    return Problem(
        409,
        "Not allowed in this state",
        why,
        state=case.state,
        sequence=case.sequence,
        leg_state=leg.state if leg is not None else None,
        allowed=list(allowed),
    )
