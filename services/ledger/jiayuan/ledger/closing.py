"""Closing 結賬 of a year or a quarter: proposed by one role, approved by another, never by the same person. Pure.

Every act stays: a period's acts in order say whether it is closed, whether something is proposed, and who did what.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from .entry import SHANGHAI

PROPOSES: Final = "county"
APPROVES: Final = "auditor"

ACTS: Final = (
    "closing_proposed",
    "closed",
    "closing_refused",
    "reopening_proposed",
    "reopened",
    "reopening_refused",
)
# Transactions that began before the period's end are over by then.
GRACE: Final = timedelta(hours=1)
_FORM: Final = re.compile(r"(2[0-9]{3})(?:Q([1-4]))?")


class NotNow(Exception):
    """The period doesn't allow the act as it is. `who`: the person may not, whatever the period is at."""

    def __init__(self, why: str, *, who: bool = False) -> None:
        self.who = who
        super().__init__(why)


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """A year, or a quarter (1 to 4) of it, by Chinese time."""

    year: int
    quarter: int = 0

    def __str__(self) -> str:
        return f"{self.year}Q{self.quarter}" if self.quarter else f"{self.year}"

    @property
    def words(self) -> str:
        """As people write it."""
        return f"{self.year}年" + (f"第{'一二三四'[self.quarter - 1]}季度" if self.quarter else "")

    @property
    def starts_at(self) -> datetime:
        """Its first moment, UTC."""
        return datetime(self.year, max(self.quarter * 3 - 2, 1), 1, tzinfo=SHANGHAI).astimezone(UTC)

    @property
    def ends_at(self) -> datetime:
        """The first moment after it, UTC."""
        month = self.quarter * 3 + 1
        if self.quarter in (0, 4):
            return datetime(self.year + 1, 1, 1, tzinfo=SHANGHAI).astimezone(UTC)
        return datetime(self.year, month, 1, tzinfo=SHANGHAI).astimezone(UTC)


def period_of(text: str) -> Period:
    """`2026` or `2026Q3`. ValueError for anything else."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r:.20} is no period: a year, 2026, or a quarter, 2026Q3")
    return Period(int(found[1]), int(found[2] or 0))


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody did about a period; `number` counts the acts of the period from 1."""

    number: int
    act: str
    actor: str


def is_closed(acts: Sequence[Act]) -> bool:
    """Whether the period is closed after these acts."""
    done = [a.act for a in acts if a.act in ("closed", "reopened")]
    return bool(done) and done[-1] == "closed"


def pending(acts: Sequence[Act]) -> Act | None:
    """The proposal that nobody has answered yet."""
    return acts[-1] if acts and acts[-1].act.endswith("_proposed") else None


def propose(
    period: Period,
    acts: Sequence[Act],
    now: datetime,
    *,
    reopening: bool,
    open_before: Iterable[int] = (),
    closed_after: Iterable[int] = (),
) -> str:
    """The act of proposing. NotNow.

    `open_before`: earlier years that have entries and are not closed; `closed_after`: later years that are closed.
    """
    if pending(acts) is not None:
        raise NotNow(f"{period} waits for an answer to what was proposed before")
    if reopening:
        if not is_closed(acts):
            raise NotNow(f"{period} is not closed")
        later = sorted(closed_after)
        if later:
            raise NotNow(f"{later[-1]} is closed: reopen that first")
        return "reopening_proposed"
    if is_closed(acts):
        raise NotNow(f"{period} is closed already")
    if now < period.ends_at + GRACE:
        raise NotNow(
            f"{period} can be closed from {(period.ends_at + GRACE).astimezone(SHANGHAI):%Y-%m-%d %H:%M} on"
        )
    earlier = sorted(open_before)
    if earlier:
        raise NotNow(f"{earlier[0]} is not closed: close that first")
    return "closing_proposed"


def decide(period: Period, acts: Sequence[Act], who: str, *, approved: bool) -> str:
    """The act of answering a proposal. NotNow. Whoever proposed may take it back, and may not approve it."""
    asked = pending(acts)
    if asked is None:
        raise NotNow(f"nothing is proposed for {period}")
    if approved and asked.actor == who:
        raise NotNow("whoever proposed it cannot approve it: somebody else has to", who=True)
    closing = asked.act == "closing_proposed"
    if approved:
        return "closed" if closing else "reopened"
    return "closing_refused" if closing else "reopening_refused"


def digest_of(figures: Mapping[str, Any]) -> str:
    """The digest by which an approver says which figures were looked at: SHA-256 of the JSON, keys sorted."""
    text = json.dumps(figures, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
