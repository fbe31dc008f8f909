"""What messages cost, and budgets. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final, Literal

from .templates import ZONE, segments

LEVELS: Final = (80, 100)
"""Per cent of a budget at which somebody is told."""
Period = Literal["day", "month"]


@dataclass(frozen=True, slots=True)
class Charge:
    """Of one message: its parts, and yuan; None where the provider's price isn't configured."""

    segments: int
    cost: Decimal | None


def charge(text: str, price: Decimal | None) -> Charge:
    """What a text costs at `price` yuan a part. An empty text (no short message) is one part."""
    parts = segments(text)
    return Charge(parts, None if price is None else price * parts)


def day_of(at: datetime) -> date:
    """The day of a time in the county's zone, whose midnight vendors count by."""
    return at.astimezone(ZONE).date()


def first_of(period: Period, day: date) -> date:
    """The first day of the period that a day is in."""
    return day if period == "day" else day.replace(day=1)


def name_of(period: Period, day: date) -> str:
    """How people call the period that a day is in: 2026-03-05 or 2026-03."""
    return day.isoformat() if period == "day" else day.isoformat()[:7]


def reached(spent: Decimal, budget: Decimal) -> Iterator[int]:
    """The levels that are reached; none without a budget."""
    return (level for level in LEVELS if budget > 0 and spent * 100 >= budget * level)
