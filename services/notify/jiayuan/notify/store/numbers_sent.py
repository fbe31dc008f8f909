"""What numbers got lately from a provider that limits it; numbers are keyed digests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from jiayuan.chassis.work import Work

from ..limits import Sent
from .tables import number_sent

_HOLD: Final = """
INSERT INTO number_sent (provider, number, sent, until)
SELECT :provider, number, '[]', :wall FROM unnest(CAST(:numbers AS text[])) AS number ORDER BY number
ON CONFLICT (provider, number) DO UPDATE SET number = excluded.number
RETURNING number, sent
"""


def hold(work: Work, provider: str, numbers: Sequence[str], wall: datetime) -> dict[str, list[Sent]]:
    """What each of the numbers got, their rows locked until the commit: nobody else sends them anything meanwhile."""
    found = work.execute(_HOLD, provider=provider, numbers=sorted(set(numbers)), wall=wall)
    return {row.number: [Sent(*one) for one in row.sent] for row in found}


def keep(work: Work, provider: str, sent: Mapping[str, tuple[Sequence[Sent], datetime]]) -> None:
    """Write what numbers got, each with the time from which on it limits nothing; their rows are held."""
    rows: list[dict[str, Any]] = [
        {"provider": provider, "number": number, "sent": _rows(got), "until": until}
        for number, (got, until) in sorted(sent.items())
    ]
    work.update(number_sent, rows, key=("provider", "number"))


def take_back(work: Work, provider: str, sent: Mapping[str, Sequence[Sent]]) -> None:
    """Messages that numbers did not get after all."""
    held = hold(work, provider, list(sent), work.now)
    rows = []
    for number, gone in sorted(sent.items()):
        left = list(held[number])
        for one in gone:
            if one in left:
                left.remove(one)
        rows.append({"provider": provider, "number": number, "sent": _rows(left)})
    work.update(number_sent, rows, key=("provider", "number"))


def forget(work: Work, wall: datetime) -> None:
    """Drop numbers that nothing limits any more."""
    work.execute(
        "DELETE FROM number_sent WHERE (provider, number) IN (SELECT provider, number FROM number_sent "
        "WHERE until < :wall ORDER BY until LIMIT 5000 FOR UPDATE SKIP LOCKED)",
        wall=wall,
    )


def _rows(sent: Sequence[Sent]) -> list[list[Any]]:
    return [[one.at, one.template, one.content] for one in sent]
