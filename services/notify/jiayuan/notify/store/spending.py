"""What was spent, by provider and day, and which budgets somebody was told about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from jiayuan.chassis.work import Work

from ..spending import Charge
from .tables import spending

KIND: Final = "budget"

_ADD: Final = (
    "ON CONFLICT (provider, day) DO UPDATE SET messages = spending.messages + excluded.messages, "
    "segments = spending.segments + excluded.segments, cost = spending.cost + excluded.cost"
)

# Each once, also when somebody has cleared it; the row of the alarm is what remembers.
_TELL: Final = """
INSERT INTO alarm (kind, subject, reason, raised_at, last_at, times)
SELECT :kind, :subject, :reason, :wall, :wall, 1
WHERE NOT EXISTS (SELECT FROM alarm WHERE kind = :kind AND subject = :subject)
ON CONFLICT (kind, subject) WHERE cleared_at IS NULL DO NOTHING RETURNING id
"""


def add(work: Work, provider: str, day: date, charges: Sequence[Charge]) -> None:
    """Count what some messages cost."""
    if not charges:
        return
    cost = sum((c.cost for c in charges if c.cost is not None), Decimal(0))
    row = {"provider": provider, "day": day.isoformat(), "messages": len(charges)}
    work.insert(
        spending,
        [row | {"segments": sum(c.segments for c in charges), "cost": str(cost)}],
        conflict=_ADD,
    )


def spent(work: Work, since: date, until: date) -> dict[str, tuple[int, int, Decimal]]:
    """Messages, segments and yuan by provider, from a day to another, both counted."""
    found = work.execute(
        "SELECT provider, sum(messages) AS messages, sum(segments) AS segments, sum(cost) AS cost FROM spending "
        "WHERE day BETWEEN :since AND :until GROUP BY provider ORDER BY provider",
        since=since,
        until=until,
    )
    return {row.provider: (int(row.messages), int(row.segments), Decimal(row.cost)) for row in found}


def tell(work: Work, subject: str, reason: str, wall: datetime) -> bool:
    """Raise the alarm of a budget, once; False when it was raised before."""
    return bool(work.execute(_TELL, kind=KIND, subject=subject, reason=reason, wall=wall).first())


def over(work: Work, current: Sequence[str], wall: datetime) -> None:
    """Clear alarms of periods that are over."""
    work.execute(
        "UPDATE alarm SET cleared_at = :wall, cleared_by = 'time' WHERE kind = :kind AND cleared_at IS NULL "
        "AND NOT subject = ANY(CAST(:current AS text[]))",
        wall=wall,
        kind=KIND,
        current=list(current),
    )
