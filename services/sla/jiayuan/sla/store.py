"""The tables of the sla service, and all SQL on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from jiayuan.chassis import tables
from jiayuan.chassis.transaction import Prepared
from jiayuan.chassis.work import Work
from jiayuan.contracts.names import Lane

from .clock import Clock

metadata = MetaData()
tables.add(metadata)

clock = Table(
    "clock",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("case_id", Text, nullable=False),
    Column("leg_id", Text, nullable=False, comment="empty for a clock of the whole case"),
    Column("kind", Text, nullable=False),
    Column("round", BigInteger, nullable=False, comment="tells repeated clocks of one kind apart"),
    Column("street", Text, nullable=False),
    Column("assignee_type", Text),
    Column("assignee_id", Text),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("limit_seconds", BigInteger, nullable=False, comment="with the extensions granted in time"),
    Column("due_at", DateTime(timezone=True), nullable=False, comment="the last moment that is in time"),
    Column("warn_at", DateTime(timezone=True)),
    Column("next_at", DateTime(timezone=True), comment="when there is something to say; null when never"),
    Column("paused", Boolean, nullable=False),
    Column("state", Text, nullable=False),
    Column("sequence", Integer, nullable=False, comment="the clock's own version"),
    Column("case_sequence", BigInteger, nullable=False, comment="the case's version that it follows"),
    Column("warned_at", DateTime(timezone=True)),
    Column("breached_at", DateTime(timezone=True)),
    Column("met_at", DateTime(timezone=True)),
    Column("stopped_at", DateTime(timezone=True), comment="when the thing was done or its leg ended"),
    Column("policy", Text, nullable=False),
    UniqueConstraint("case_id", "leg_id", "kind", "round", name="clock_case_leg_kind_round"),
    # Small whatever the table's size: only what still has something to say is in it.
    Index("clock_next_at", "next_at", postgresql_where=text("next_at IS NOT NULL")),
    Index("clock_street_due_at", "street", "due_at", postgresql_where=text("state IN ('armed', 'warned')")),
    comment="Deadlines of legs and cases",
    info={"grants": "SELECT, INSERT, UPDATE"},
)

case_seen = Table(
    "case_seen",
    metadata,
    Column("case_id", Text, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("street", Text, nullable=False),
    Column("lane", Text, nullable=False, comment="in which its clocks speak"),
    Column("traceparent", Text, nullable=False, comment="of the newest event"),
    Column("pauses", JSONB, nullable=False),
    Column("extensions", JSONB, nullable=False),
    Column("seen_at", DateTime(timezone=True), nullable=False),
    comment="The newest version of each case that was seen, and what moves its deadlines",
    info={"grants": "SELECT, INSERT, UPDATE"},
)

_FIELDS = tuple(f.name for f in fields(Clock))
_values = attrgetter(*_FIELDS)
# A clock's identity never changes; what an update writes is the rest and the key.
_CHANGING = ("id", *(f for f in _FIELDS if f not in ("id", "case_id", "leg_id", "kind", "round")))
_changing = attrgetter(*_CHANGING)
_COLUMNS = ", ".join(f"c.{f}" if f != "id" else "c.id::text" for f in _FIELDS)

_NEWER = (
    "ON CONFLICT (case_id) DO UPDATE SET "
    + ", ".join(f"{c.name} = excluded.{c.name}" for c in case_seen.columns if c.name != "case_id")
    + " WHERE excluded.sequence > case_seen.sequence"
)


class Due(NamedTuple):
    """A clock that has something to say, and what is known of its case."""

    clock: Clock
    case_sequence: int
    lane: Lane
    traceparent: str


class Read(NamedTuple):
    """A clock to be shown, and the pauses of its case as they are stored."""

    clock: Clock
    pauses: list[dict[str, Any]]


def see(work: Work, rows: Sequence[dict[str, Any]]) -> dict[str, bool]:
    """Notes the newest version of cases; the cases for which it was news, and whether each is seen the first time.

    Their rows stay locked until the commit: nobody else changes the clocks of these cases meanwhile.
    """
    # xmax is 0 in a row that was inserted, and our own lock in one that was updated.
    news = work.insert(case_seen, rows, conflict=_NEWER, returning="case_id, case_seen.xmax = 0")
    return {r[0]: r[1] for r in news}


def _rows(work: Work, sql: str, **parameters: Any) -> Sequence[Any]:
    return work.execute(sql, **parameters)


def _clock(row: Any) -> Clock:
    return Clock(*row[: len(_FIELDS)])


_OF_CASES = Prepared(
    f"SELECT {_COLUMNS} FROM clock c WHERE c.case_id = ANY($1) ORDER BY c.id FOR UPDATE", "text[]"
)


def clocks_of_cases(work: Work, cases: Sequence[str]) -> list[Clock]:
    """All clocks of some cases, locked."""
    return [Clock(*row) for row in work.run(_OF_CASES, list(cases))] if cases else []


def add(work: Work, clocks: Sequence[Clock]) -> None:
    """Stores new clocks."""
    work.insert(clock, [dict(zip(_FIELDS, _values(c), strict=True)) for c in clocks])


def change(work: Work, clocks: Sequence[Clock]) -> None:
    """Stores new versions of clocks that are locked."""
    work.update(clock, [dict(zip(_CHANGING, _changing(c), strict=True)) for c in clocks])


_DUE = Prepared(
    f"SELECT {_COLUMNS}, s.sequence, s.lane, s.traceparent "
    "FROM clock c JOIN case_seen s ON s.case_id = c.case_id "
    "WHERE c.next_at <= $1 ORDER BY c.next_at LIMIT $2 FOR UPDATE OF c SKIP LOCKED",
    "timestamptz",
    "int",
)


def due(work: Work, most: int) -> list[Due]:
    """Locks clocks that have something to say now, the longest due first, leaving out what others hold."""
    return [Due(_clock(row), *row[-3:]) for row in work.run(_DUE, work.now, most)]


_READ = f"SELECT {_COLUMNS}, s.pauses FROM clock c JOIN case_seen s ON s.case_id = c.case_id "


def of_case(work: Work, case: str, street: str | None) -> list[Read]:
    """The clocks of a case in the order in which they started; of one street only, when given."""
    sql = _READ + (
        "WHERE c.case_id = :case AND (CAST(:street AS text) IS NULL OR c.street = :street) "
        "ORDER BY c.started_at, c.id"
    )
    return [Read(_clock(row), row[-1]) for row in _rows(work, sql, case=case, street=street)]


def next_due(work: Work, street: str, after: datetime, most: int) -> list[Read]:
    """The running clocks of a street that go red next, from `after` on."""
    sql = _READ + (
        "WHERE c.street = :street AND c.state IN ('armed', 'warned') AND NOT c.paused AND c.due_at >= :after "
        "ORDER BY c.due_at, c.id LIMIT :most"
    )
    return [Read(_clock(row), row[-1]) for row in _rows(work, sql, street=street, after=after, most=most)]
