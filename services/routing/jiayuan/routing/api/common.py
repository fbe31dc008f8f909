"""Who may see and do what, and what they are answered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.tokens import Principal
from jiayuan.chassis.web import Call
from jiayuan.chassis.work import Work

from .. import case as cases
from .. import store, visibility
from ..acting import actor_of, no_case
from ..book import Book
from ..case import Case, Leg, machine
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
    """Whether the caller sits at the desk of a street, or is of the county, which may do all that a desk may."""
    return "county" in who.roles or machine.sits(actor_of(who, book), cases.desk_of(street).id)


def need_desk(who: Principal, book: Book, case: Case) -> None:
    """Problem 403 unless the caller sits at the case's desk."""
    if not is_desk(who, book, case.street):
        raise Problem(403, "Not allowed", f"this is for the desk of {case.street} and the county")


def holds(who: Principal, book: Book, leg: Leg) -> bool:
    """Whether the caller is a leg's assignee."""
    return machine.holds(actor_of(who, book), leg)


def handles(who: Principal, book: Book, case: Case) -> bool:
    """Whether the caller holds a leg that is under way, or sits at the case's desk."""
    return is_desk(who, book, case.street) or any(leg.live and holds(who, book, leg) for leg in case.legs)


def mediates(who: Principal, book: Book, case: Case) -> bool:
    """Whether the dispute is the caller's to settle, by themselves or in a team."""
    return visibility.mediates(actor_of(who, book), case, _team(book, case))


def sight(who: Principal, book: Book, case: Case) -> Sight | None:
    """What the caller may see of a case; None when they have no part in it."""
    return visibility.sight(actor_of(who, book), case, _team(book, case))


def _team(book: Book, case: Case) -> Sequence[str]:
    team = book.directory.team((case.mediation or {}).get("team") or "")
    return team.members if team is not None else ()


def may_see(who: Principal, book: Book, case: Case) -> bool:
    """Whether the caller has any part in a case; `visibility` says what of it they see."""
    return sight(who, book, case) is not None


def sight_of(who: Principal, book: Book, case: Case) -> Sight:
    """What the caller may see of a case; Problem 403 when it isn't theirs."""
    seen = sight(who, book, case)
    if seen is None:
        raise Problem(403, "Not allowed", "you have no part in this case")
    return seen


def find(work: Work, name: str) -> Case:
    """A case by id or number, as it is now; Problem 404 when there is none."""
    case = store.read_case(work, name)
    if case is None:
        raise no_case(name)
    return case


def find_seen(work: Work, who: Principal, book: Book, name: str) -> tuple[Case, Sight]:
    """A case by id or number and what the caller may see of it; Problem 404, or 403 when it isn't theirs."""
    case = find(work, name)
    return case, sight_of(who, book, case)


def caller(call: Call) -> Principal:
    """Who is asking; the entrypoint names roles."""
    assert call.who is not None
    return call.who


def view(
    case: Case, who: Principal, book: Book, seen: Sight | None = None, *, at: datetime | None = None
) -> dict[str, Any]:
    """The case as the caller gets it, with the moves that the caller has on each of their legs: all that there are
    `at` a time, and those of the case; without a time the ordinary ones."""
    seen = seen or sight_of(who, book, case)
    doc = visibility.document(cases.document(case), seen)
    shown = {leg["id"] for leg in doc["legs"]}
    out: dict[str, Any] = {
        "sequence": case.sequence,
        "case": doc,
        "assignees": {
            leg.assignee.id: book.directory.label(leg.assignee) for leg in case.legs if leg.id in shown
        },
    }
    mine = [leg for leg in case.legs if leg.live and leg.id in seen.own]
    if at is None:
        going = case.state not in (*cases.OVER, "resolved")
        return out | {"moves": {leg.id: list(cases.moves_of(leg)) if going else [] for leg in mine}}
    actor, terms = actor_of(who, book), book.policy(at).terms
    return out | {
        "moves": {leg.id: list(cases.allowed(case, leg, actor, at, terms)) for leg in mine},
        "case_moves": list(cases.allowed(case, None, actor, at, terms)),
    }


def etag(case: Case) -> str:
    """The version of a case as an entity tag: it can be sent back as If-Match with a move."""
    return f'"{case.sequence}"'


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
