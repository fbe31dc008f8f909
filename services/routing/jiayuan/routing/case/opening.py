"""The first two steps of a case."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .model import (
    Case,
    Change,
    Leg,
    Moved,
    evolve,
)


def opened(case: Case, actor: str) -> Moved:
    """Sequence 1: the case exists, nobody has been given it."""
    return Moved(case, Change("case.opened", "open", actor, case.opened_at, None, case.decision["reason"]))


def assign_first(
    case: Case, legs: tuple[Leg, ...], actor: str, whistle: Mapping[str, Any] | None = None
) -> Moved:
    """Sequence 2: offered to a person or a desk, or units whistled."""
    event, action = ("case.whistled", "whistle") if whistle is not None else ("case.assigned", "assign")
    change = Change(event, action, actor, legs[0].offered_at, legs[0].id, case.decision["reason"])
    return Moved(
        evolve(case, sequence=case.sequence + 1, state="assigned", legs=legs, whistle=whistle), change
    )
