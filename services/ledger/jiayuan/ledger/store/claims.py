"""Claims. Who claims, grants or releases holds the unit's lock first and the problem's row second: never a circle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from jiayuan.chassis.work import Work
from jiayuan.contracts.times import iso

from ..lists.claim import Claim
from .tables import claim

_CLAIM: Final = (
    "SELECT id, problem_id, unit, person, due_at, state, place, slot, milestones, claimed_at, claimed_by, done_at,"
    " reason, history FROM claim"
)


def claim_of(work: Work, id_: str) -> Claim | None:
    """A claim. Read it again after its locks are taken."""
    row = work.execute(f"{_CLAIM} WHERE id = CAST(:id AS uuid)", id=id_).first()
    return _claim(row) if row else None


def list_of_claim(work: Work, id_: str) -> str:
    """The service list that a claim is of."""
    return str(work.execute("SELECT list_id FROM claim WHERE id = CAST(:id AS uuid)", id=id_).scalar_one())


def claims_of(work: Work, list_id: str) -> list[Claim]:
    """The claims of a service list, in the order they came."""
    rows = work.execute(f"{_CLAIM} WHERE list_id = CAST(:id AS uuid) ORDER BY claimed_at, id", id=list_id)
    return [_claim(r) for r in rows]


def claims_of_problem(work: Work, problem: str) -> list[Claim]:
    """The claims of a problem, in the order they came."""
    rows = work.execute(f"{_CLAIM} WHERE problem_id = CAST(:id AS uuid) ORDER BY claimed_at, id", id=problem)
    return [_claim(r) for r in rows]


def lock_unit(work: Work, quarter: str, unit: str) -> None:
    """Nobody else claims for the unit in this quarter until the transaction ends."""
    work.execute("SELECT pg_advisory_xact_lock(hashtextextended(:key, 7))", key=f"claim {quarter} {unit}")


def slots_of(work: Work, quarter: str, unit: str) -> list[int]:
    """Which of its three the unit has used in the quarter, in all streets. The unit is locked."""
    return work.execute(
        "SELECT slot FROM claim WHERE quarter = :quarter AND unit = :unit AND slot IS NOT NULL",
        quarter=quarter,
        unit=unit,
    ).scalars()


def busy_units(work: Work, quarter: str, units: Sequence[str]) -> set[str]:
    """Which of the units have a claim in the quarter, in any street."""
    return set(
        work.execute(
            "SELECT DISTINCT unit FROM claim WHERE quarter = :quarter AND slot IS NOT NULL AND unit = ANY(:units)",
            quarter=quarter,
            units=list(units),
        ).scalars()
    )


def add_claim(work: Work, list_id: str, quarter: str, made: Claim) -> None:
    """Keeps a claim."""
    work.insert(claim, [{**_row(made), "list_id": list_id, "quarter": quarter}])


def change_claim(work: Work, made: Claim) -> None:
    """Writes a claim whose problem is locked."""
    work.update(claim, [_row(made)])


def _claim(row: Any) -> Claim:
    return Claim(
        id=str(row.id),
        problem=str(row.problem_id),
        unit=row.unit,
        person=row.person,
        due_at=row.due_at,
        state=row.state,
        place=row.place,
        slot=row.slot,
        milestones=row.milestones,
        claimed_at=row.claimed_at,
        claimed_by=row.claimed_by,
        done_at=row.done_at,
        reason=row.reason,
        history=row.history,
    )


def _row(made: Claim) -> dict[str, Any]:
    return {
        "id": made.id,
        "problem_id": made.problem,
        "unit": made.unit,
        "person": made.person,
        "due_at": iso(made.due_at),
        "state": made.state,
        "place": made.place,
        "slot": made.slot,
        "milestones": made.milestones,
        "claimed_at": iso(made.claimed_at),
        "claimed_by": made.claimed_by,
        "done_at": iso(made.done_at) if made.done_at else None,
        "reason": made.reason,
        "history": made.history,
    }
