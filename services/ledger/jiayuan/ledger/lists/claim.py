"""Claims 认领: units take problems of a street's service list, one to three each per quarter. Pure.

A problem takes so many units (one, unless the desk says more). A unit that wants one that is full is kept as a wish:
it shows that the problem is over-claimed, costs the unit none of its three, and can be granted by the desk when a place
is free or another one is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.times import iso, parse

MOST: Final = 3
MOST_MILESTONES: Final = 12
STATES: Final = ("claimed", "done", "wanted", "released")
STATE_NAMES: Final[Mapping[str, str]] = {
    "claimed": "已认领",
    "done": "已完成",
    "wanted": "待定（认领单位已满）",
    "released": "已退出",
}
HOLDING: Final = ("claimed", "done")  # these take a place of the problem and one of the unit's three


@dataclass(slots=True)
class Claim:
    """A unit's claim of a problem. `milestones`: `{name, due_at, done_at}` by their times, RFC 3339 text.

    `history`: who did what and when. `place`: which of the problem's places it has, `slot`: which of the unit's three;
    both None for a mere wish.
    """

    id: str
    problem: str
    unit: str
    person: str
    due_at: datetime
    state: str
    place: int | None
    slot: int | None
    milestones: list[dict[str, Any]]
    claimed_at: datetime
    claimed_by: str
    done_at: datetime | None = None
    reason: str | None = None
    history: list[dict[str, str]] = field(default_factory=list)


def free(taken: Iterable[int | None], most: int) -> int | None:
    """The lowest number from 1 to `most` that isn't taken; None when all are."""
    used = set(taken)
    return next((n for n in range(1, most + 1) if n not in used), None)


def full(unit: str, quarter: str) -> FieldProblem:
    """What a unit is told that has its three."""
    return FieldProblem(
        "unit", f"{unit} has claimed {MOST} problems in {quarter} already", f"one to {MOST} a quarter"
    )


def milestones_of(
    given: Sequence[Mapping[str, Any]], due_at: datetime, now: datetime
) -> tuple[list[dict[str, Any]], list[FieldProblem]]:
    """Milestones in the order of their times, and what is wrong with them: after the claim, not after its limit, names
    of their own, at most 12."""
    problems: list[FieldProblem] = []
    found: list[dict[str, Any]] = []
    names: set[str] = set()
    if len(given) > MOST_MILESTONES:
        problems.append(FieldProblem("milestones", f"are {len(given)}", f"at most {MOST_MILESTONES}"))
    for i, m in enumerate(given):
        at = parse(m["due_at"])
        if not now < at <= due_at:
            allowed = f"after now and until the claim's limit {iso(due_at)}"
            problems.append(FieldProblem(f"milestones.{i}.due_at", f"is {m['due_at']}", allowed))
        if m["name"] in names:
            problems.append(FieldProblem(f"milestones.{i}.name", f"is there twice: {m['name']}", "each once"))
        names.add(m["name"])
        found.append({"name": m["name"], "due_at": iso(at), "done_at": None})
    found.sort(key=lambda m: m["due_at"])
    return found, problems


def standing(done_at: datetime | None, due_at: datetime, now: datetime) -> str:
    """How a promise stands: done, done_late, open or late. Exactly on the limit is in time."""
    if done_at is not None:
        return "done" if done_at <= due_at else "done_late"
    return "open" if now <= due_at else "late"


STANDING_NAMES: Final[Mapping[str, str]] = {
    "done": "按期完成",
    "done_late": "逾期完成",
    "open": "进行中",
    "late": "已逾期",
}


@dataclass(frozen=True, slots=True)
class Tally:
    """What a meeting wants to know of a service list, by ids of problems and codes of units."""

    unclaimed: tuple[str, ...]
    over_claimed: tuple[str, ...]
    idle: tuple[str, ...]


def tally(
    problems: Sequence[tuple[str, int]], claims: Sequence[Claim], units: Sequence[str], busy: Iterable[str]
) -> Tally:
    """Problems (id, how many units it takes) nobody claimed, those wanted by more units than they take, and member
    units without a claim; `busy` have one in the quarter, whatever the street."""
    held: dict[str, int] = {}
    wanted: dict[str, int] = {}
    working = set(busy)
    for claim in claims:
        if claim.state in HOLDING:
            held[claim.problem] = held.get(claim.problem, 0) + 1
            working.add(claim.unit)
        elif claim.state == "wanted":
            wanted[claim.problem] = wanted.get(claim.problem, 0) + 1
    return Tally(
        tuple(p for p, _ in problems if p not in held),
        tuple(p for p, takes in problems if held.get(p, 0) + wanted.get(p, 0) > takes),
        tuple(u for u in units if u not in working),
    )
