"""Who may see and do what, and what they are answered."""

from __future__ import annotations

from typing import Any, Final

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.tokens import Principal
from jiayuan.chassis.web import Call

from .. import case as cases
from ..book import Book
from ..case import Case, Leg

STAFF: Final = (
    "grid_worker",
    "grid_leader",
    "grid_chief",
    "desk",
    "unit_clerk",
    "county",
    "operator",
    "service",
)
SEE_ALL: Final = ("county", "operator", "service")


def is_desk(who: Principal, book: Book, street: str) -> bool:
    """Whether the caller sits at the desk of a street; the county's people sit at the county's."""
    if "county" in who.roles and street == book.directory.county_street:
        return True
    return "desk" in who.roles and who.street == street


def holds(who: Principal, book: Book, leg: Leg) -> bool:
    """Whether the caller is a leg's assignee."""
    if leg.assignee.type == "person":
        return leg.assignee.id == who.subject and any(r.startswith("grid_") for r in who.roles)
    if leg.assignee.type == "unit":
        return "unit_clerk" in who.roles and leg.assignee.id == who.unit
    return is_desk(who, book, leg.assignee.id.removeprefix("desk-"))


def may_see(who: Principal, book: Book, case: Case) -> bool:
    """Everybody with a leg; a street's desk its street; leaders and chiefs their community; the county all."""
    if set(who.roles) & set(SEE_ALL) or is_desk(who, book, case.street):
        return True
    if any(holds(who, book, leg) for leg in case.legs):
        return True
    person = book.directory.person(who.subject)
    heads = {"grid_leader", "grid_chief"} & set(who.roles)
    return bool(heads) and person is not None and person.community == case.community


def caller(call: Call) -> Principal:
    assert call.who is not None  # the entrypoint names roles
    return call.who


def view(case: Case, who: Principal, book: Book) -> dict[str, Any]:
    """The case as the caller gets it, with the moves that the caller has on each of their legs."""
    mine = {leg.id: list(moves_of(case, leg)) for leg in case.legs if leg.live and holds(who, book, leg)}
    return {
        "sequence": case.sequence,
        "case": cases.document(case),
        "assignees": {leg.assignee.id: book.directory.label(leg.assignee) for leg in case.legs},
        "moves": mine,
    }


def moves_of(case: Case, leg: Leg) -> tuple[str, ...]:
    return cases.moves_of(leg) if case.state not in (*cases.OVER, "resolved") else ()


def conflict(case: Case, leg: Leg | None, why: str, allowed: tuple[str, ...]) -> Problem:
    return Problem(
        409,
        "Not allowed in this state",
        why,
        state=case.state,
        sequence=case.sequence,
        leg_state=leg.state if leg is not None else None,
        allowed=list(allowed),
    )
