"""SQL of what joint meetings decided about cases: each decision once, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence

from jiayuan.chassis.work import Work
from jiayuan.contracts.times import iso

from .tables import meeting_decision


def take(work: Work, decisions: Sequence[tuple[str, str, str]]) -> set[str]:
    """Takes decisions (id, meeting, case as it is named): those that nobody had taken before."""
    at = iso(work.now)
    # In the order of their ids, so that two replicas that are told the same don't wait for each other in a circle.
    rows = [{"id": d, "meeting": m, "case": c, "at": at} for d, m, c in sorted(decisions)]
    found = work.insert(meeting_decision, rows, conflict="ON CONFLICT (id) DO NOTHING", returning="id")
    return {r[0] for r in found}


def answer(work: Work, answers: Sequence[tuple[str, str, str | None]]) -> None:
    """Keeps what became of decisions that this transaction has taken."""
    work.update(meeting_decision, [{"id": d, "outcome": o, "reason": why} for d, o, why in answers])
