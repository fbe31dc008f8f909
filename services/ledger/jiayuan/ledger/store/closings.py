"""Closings: who proposed, approved and refused what, and which years are closed."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from jiayuan.chassis.transaction import Prepared
from jiayuan.chassis.work import Work

from ..closing import Act, Period
from .tables import closing

# Any one number that nothing else in this database locks.
_BOOKS: Final = 0x4A59424F4F4B
# Held to the transaction's end. What is closed must be read by a statement after it: with its own snapshot.
_HOLD: Final = Prepared(f"SELECT pg_advisory_xact_lock_shared({_BOOKS})")
_HOLD_ALONE: Final = Prepared(f"SELECT pg_advisory_xact_lock({_BOOKS})")
_CLOSED: Final = Prepared(
    "SELECT period FROM (SELECT DISTINCT ON (period) period, act FROM closing "
    "WHERE act IN ('closed', 'reopened') ORDER BY period, number DESC) AS last WHERE act = 'closed'"
)


class Closing(NamedTuple):
    """An act as it was kept; `figures` as they stood then. `salt`: of the reason's digest in the leaf; old acts have
    none."""

    id: str
    period: str
    number: int
    act: str
    actor: str
    at: Any
    reason: str
    figures: dict[str, Any]
    digest: str
    salt: bytes | None


def hold(work: Work) -> frozenset[int]:
    """The years that are closed. None is closed or reopened before this transaction ends.

    Ask before locking entries: whoever closes takes this lock first, and then entries.
    """
    work.later(_HOLD)
    return _years(work)


def hold_alone(work: Work) -> frozenset[int]:
    """The same for whoever closes: waits for everybody who posts in years that are over, and keeps them out."""
    work.later(_HOLD_ALONE)
    return _years(work)


def closed_periods(work: Work) -> frozenset[str]:
    """Which years and quarters are closed now."""
    return frozenset(work.run(_CLOSED).scalars())


def _years(work: Work) -> frozenset[int]:
    return frozenset(int(period) for period in closed_periods(work) if "Q" not in period)


def is_closed(work: Work, period: Period) -> bool:
    """Whether a period is closed; nobody closes or reopens it before this transaction ends."""
    work.later(_HOLD)
    return str(period) in closed_periods(work)


def _closing(row: Any) -> Closing:
    found = Closing(*row)
    return found if found.salt is None else found._replace(salt=bytes(found.salt))


def acts_of(work: Work, period: Period) -> list[Closing]:
    """Everything that was done about a period, in order."""
    rows = work.execute(
        "SELECT id, period, number, act, actor, at, reason, figures, digest, salt FROM closing "
        "WHERE period = :period ORDER BY number",
        period=str(period),
    )
    return [_closing(row) for row in rows]


def as_acts(found: list[Closing]) -> list[Act]:
    """What the rules look at."""
    return [Act(c.number, c.act, c.actor) for c in found]


def all_acts(work: Work) -> list[Closing]:
    """Everything that was ever done, the newest period first."""
    rows = work.execute(
        "SELECT id, period, number, act, actor, at, reason, figures, digest, salt FROM closing "
        "ORDER BY period DESC, number"
    )
    return [_closing(row) for row in rows]


def years_with_entries(work: Work) -> list[int]:
    """The years that have entries, in order."""
    return work.execute(
        "WITH RECURSIVE y AS (SELECT min(year) AS year FROM entry UNION ALL "
        "SELECT (SELECT min(year) FROM entry WHERE year > y.year) FROM y WHERE y.year IS NOT NULL) "
        "SELECT year FROM y WHERE year IS NOT NULL ORDER BY year"
    ).scalars()


def has_street(work: Work, street: str) -> bool:
    """Whether any entry is of a street."""
    return bool(
        work.execute("SELECT EXISTS (SELECT FROM entry WHERE street = :s) AS found", s=street).scalar()
    )


def streets(work: Work) -> list[str]:
    """The streets that have entries, in order."""
    return work.execute("SELECT DISTINCT street FROM entry ORDER BY 1").scalars()


def insert_closing(work: Work, row: Closing) -> None:
    """Appends an act. One with its number exists already: an error, the caller holds the books alone."""
    work.insert(closing, [row._asdict()])
