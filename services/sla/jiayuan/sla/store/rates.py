"""What the rates are made of: cases as they are measured, each with its clocks, a page at a time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final, NamedTuple

from jiayuan.chassis.work import Work

from .. import rates
from ..clock import Clock
from ..rates import Case, Deadline
from .clocks import _COLUMNS, _FIELDS, _clock

PAGE: Final = 200
"""Cases or clocks that are worked on at once: some hundredths of a second, in which the process does nothing else."""


class Kept(NamedTuple):
    """A case, and its clocks."""

    case: Case
    deadlines: list[Deadline]


def measured_cases(work: Work, street: str | None, page: int = PAGE) -> Iterator[Kept]:
    """All cases, of one street only when given, in the order of their ids. Nothing is locked."""
    after = ""
    while True:
        rows = work.execute(
            "SELECT case_id, street, state, facts, pauses, extensions, measured FROM case_seen "
            "WHERE case_id > :after AND measured IS NOT NULL "
            "AND (CAST(:street AS text) IS NULL OR street = :street) ORDER BY case_id LIMIT :page",
            after=after,
            street=street,
            page=page,
        )
        found = {row[0]: Kept(rates.case_of(*row), []) for row in rows}
        if not found:
            return
        clocks: Any = work.execute(
            "SELECT case_id, leg_id, kind, due_at, state, paused, stopped_at FROM clock "
            "WHERE case_id = ANY(:cases) AND kind = ANY(:kinds) ORDER BY due_at, id",
            cases=list(found),
            kinds=list(rates.CLOCKS),
        )
        for row in clocks:
            found[row[0]].deadlines.append(Deadline(*row[1:]))
        yield from found.values()
        if len(rows) < page:
            return
        after = rows[-1][0]


def unmeasured(work: Work, street: str | None) -> int:
    """Cases of which no event has come since rates are kept: they are in no figure."""
    return int(
        work.execute(
            "SELECT count(*) FROM case_seen WHERE measured IS NULL AND sequence > 0 AND facts ? 'category' "
            "AND (CAST(:street AS text) IS NULL OR street = :street)",
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
