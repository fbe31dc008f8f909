"""What the rates are made of: cases as they are measured, each with its clocks, a page at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, Final, NamedTuple

from jiayuan.chassis.work import Work

from .. import rates
from ..clock import Clock
from ..rates import Case, Deadline, Period
from .clocks import _COLUMNS, _FIELDS, _clock
from .tables import case_seen

PAGE: Final = 200
"""Cases or clocks that are worked on at once: some hundredths of a second, in which the process does nothing else."""


class Kept(NamedTuple):
    """A case, and its clocks."""

    case: Case
    deadlines: list[Deadline]


# By the index `case_seen_over`: first what isn't over, then what was over at `since` or later. What began at `until` or
# later is passed over within the index.
_PAGE_OF = (
    "SELECT case_id, street, state, facts, pauses, extensions, measured, over_at FROM case_seen WHERE {} "
    "AND begun_at < :until AND measured IS NOT NULL AND (CAST(:street AS text) IS NULL OR street = :street) "
    "ORDER BY {} LIMIT :page"
)
_RUNNING: Final = _PAGE_OF.format("over_at IS NULL AND case_id > :after", "case_id")
_OVER: Final = _PAGE_OF.format("over_at >= :since AND (over_at, case_id) > (:at, :after)", "over_at, case_id")
_EVER: Final = datetime(1, 1, 2, tzinfo=UTC)
_ALWAYS: Final = Period(_EVER, datetime(9999, 12, 30, tzinfo=UTC))


def measured_cases(
    work: Work, street: str | None, period: Period = _ALWAYS, page: int = PAGE
) -> Iterator[Kept]:
    """All cases that can be in a figure of the period, of one street only when given. Nothing is locked."""
    since, until = period
    for sql in (_RUNNING, _OVER):
        at, after = _EVER, ""
        while True:
            rows = work.execute(sql, since=since, until=until, at=at, after=after, street=street, page=page)
            yield from _with_clocks(work, rows)
            if len(rows) < page:
                break
            at, after = rows[-1].over_at, rows[-1].case_id


def _with_clocks(work: Work, rows: Sequence[Any]) -> Iterator[Kept]:
    found = {row[0]: Kept(rates.case_of(*row[:7]), []) for row in rows}
    if found:
        clocks: Any = work.execute(
            "SELECT case_id, leg_id, kind, due_at, state, paused, stopped_at, round FROM clock "
            "WHERE case_id = ANY(:cases) ORDER BY due_at, id",
            cases=list(found),
        )
        for row in clocks:
            found[row[0]].deadlines.append(Deadline(*row[1:]))
    yield from found.values()


def over(work: Work, rows: Sequence[dict[str, Any]]) -> None:
    """Notes since when cases are in no figure any more (`case_id`, `over_at`); their rows are locked."""
    work.update(case_seen, rows, key=("case_id",))


def over_later(work: Work, clocks: Sequence[Clock]) -> None:
    """Of cases that are over: no deadline that has moved comes after that."""
    rows = {c.case_id: c.due_at for c in sorted(clocks, key=attrgetter("due_at"))}
    work.update(
        case_seen,
        [{"case_id": id_, "over_at": at} for id_, at in sorted(rows.items())],
        key=("case_id",),
        where="t.over_at < r.over_at",
    )


def unmeasured(work: Work, street: str | None) -> int:
    """Cases of which no event has come since rates are kept: they are in no figure."""
    return int(
        work.execute(
            "SELECT count(*) FROM case_seen WHERE over_at IS NULL AND begun_at IS NULL "
            "AND sequence > 0 AND facts ? 'category' AND (CAST(:street AS text) IS NULL OR street = :street)",
            street=street,
        ).scalar_one()
    )


class Past(NamedTuple):
    """A clock, and what is kept of its case. `legs` as `rates.measured` has them."""

    clock: Clock
    street: str
    pauses: list[dict[str, Any]]
    extensions: list[dict[str, Any]]
    facts: dict[str, Any] | None
    legs: list[list[Any]]


def past_clocks(work: Work, since: datetime, page: int = PAGE) -> Iterator[Past]:
    """Every clock that began at `since` or later, in the order of the ids of the clocks. Nothing is locked."""
    after = None
    while True:
        rows: Any = work.execute(
            f"SELECT {_COLUMNS}, s.street, s.pauses, s.extensions, s.facts, "
            "CASE WHEN c.leg_id <> '' THEN s.measured -> 'legs' END "
            "FROM clock c JOIN case_seen s ON s.case_id = c.case_id "
            "WHERE c.started_at >= :since AND (CAST(:after AS uuid) IS NULL OR c.id > CAST(:after AS uuid)) "
            "ORDER BY c.id LIMIT :page",
            since=since,
            after=after,
            page=page,
        )
        for row in rows:
            street, pauses, extensions, facts, legs = row[len(_FIELDS) :]
            yield Past(_clock(row), street, pauses, extensions, facts, legs or [])
        if len(rows) < page:
            return
        after = rows[-1][0]
