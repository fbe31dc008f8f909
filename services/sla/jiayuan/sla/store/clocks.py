"""Clocks, and the newest version of each case that was seen."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, Final, NamedTuple

from jiayuan.chassis import bulk
from jiayuan.chassis.transaction import Prepared
from jiayuan.chassis.work import Work
from jiayuan.contracts.names import Lane

from ..clock import Clock
from .tables import case_seen, clock

_FIELDS = tuple(f.name for f in fields(Clock))
# Most clocks are ordinary, and nothing is written of what they don't have.
_UNUSUAL = ("rule", "calendar", "given_seconds", "points", "closed", "fixed")
_ORDINARY = tuple(f for f in _FIELDS if f not in _UNUSUAL)
# Nor of what has not happened to one that has just begun, nor what follows from the rest of it (the deadline, when it
# speaks next) or is the same for all of them: half of what an insert costs is reading its rows.
_BEGUN = (
    "id",
    "case_id",
    "leg_id",
    "kind",
    "round",
    "street",
    "assignee_type",
    "assignee_id",
    "started_at",
    "limit_seconds",
    "warn_at",
    "case_sequence",
)
_BEGIN = Prepared(
    f"INSERT INTO clock ({', '.join(_BEGUN)}, due_at, next_at, paused, state, sequence, policy) "
    f"SELECT {', '.join(_BEGUN)}, started_at + limit_seconds * interval '1 second', warn_at, false, 'armed', 1, $2 "
    "FROM json_to_recordset(CAST($1 AS json)) AS r(id uuid, case_id text, leg_id text, kind text, round bigint, "
    "street text, assignee_type text, assignee_id text, started_at timestamptz, limit_seconds bigint, "
    "warn_at timestamptz, case_sequence bigint)",
    "text",
    "text",
)
_begun, _values, _all_values = attrgetter(*_BEGUN), attrgetter(*_ORDINARY), attrgetter(*_FIELDS)
# A clock's identity never changes; what an update writes is the rest and the key.
_IDENTITY = ("case_id", "leg_id", "kind", "round")
_CHANGING = tuple(f for f in _ORDINARY if f not in _IDENTITY)
_ALL_CHANGING = tuple(f for f in _FIELDS if f not in _IDENTITY)
# What a newer policy or calendar can change of a clock that runs.
_MOVING = (
    "id",
    "limit_seconds",
    "due_at",
    "warn_at",
    "next_at",
    "paused",
    "state",
    "sequence",
    "policy",
    *_UNUSUAL,
)
_moving = attrgetter(*_MOVING)
# What an ordinary clock changes when it speaks.
_SPEAKING = ("id", "next_at", "state", "sequence", "case_sequence", "warned_at", "breached_at")
_speaking = attrgetter(*_SPEAKING)
_changing, _all_changing = attrgetter(*_CHANGING), attrgetter(*_ALL_CHANGING)
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
    """A clock to be shown, and the pauses and extensions of its case as they are stored."""

    clock: Clock
    pauses: list[dict[str, Any]]
    extensions: list[dict[str, Any]]


class Seen(NamedTuple):
    """What is kept of a case: what moves its deadlines, and what the policy's rules look at."""

    case_id: str
    sequence: int
    state: str
    street: str
    pauses: list[dict[str, Any]]
    extensions: list[dict[str, Any]]
    facts: dict[str, Any] | None


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
    ordinary, unusual = [], []
    begun: dict[str, list[dict[str, Any]]] = {}
    for c in clocks:
        if not c.ordinary:
            unusual.append(dict(zip(_FIELDS, _all_values(c), strict=True)))
        elif _has_just_begun(c):
            begun.setdefault(c.policy, []).append(dict(zip(_BEGUN, _begun(c), strict=True)))
        else:
            ordinary.append(dict(zip(_ORDINARY, _values(c), strict=True)))
    for policy, rows in begun.items():
        work.later(_BEGIN, bulk.dumps(rows), policy)
    for rows in (ordinary, unusual):
        work.insert(clock, rows)


def _has_just_begun(c: Clock) -> bool:
    """Whether `_BEGIN` stores all of an ordinary clock that is new."""
    return (
        c.state == "armed"
        and not c.paused
        and c.stopped_at is None
        and c.next_at == c.warn_at
        and c.due_at - c.started_at == timedelta(seconds=c.limit_seconds)
    )


def change(work: Work, clocks: Sequence[Clock]) -> None:
    """Stores new versions of clocks that are locked."""
    ordinary = [dict(zip(_CHANGING, _changing(c), strict=True)) for c in clocks if c.ordinary]
    work.update(clock, ordinary)
    if len(ordinary) < len(clocks):
        rest = [dict(zip(_ALL_CHANGING, _all_changing(c), strict=True)) for c in clocks if not c.ordinary]
        work.update(clock, rest)


def spoke(work: Work, clocks: Sequence[Clock]) -> None:
    """Stores what became of locked clocks by the passing of time alone."""
    work.update(clock, [dict(zip(_SPEAKING, _speaking(c), strict=True)) for c in clocks if c.points is None])
    change(work, [c for c in clocks if c.points is not None])


def move(work: Work, clocks: Sequence[Clock]) -> None:
    """Stores what a newer policy or calendar made of running clocks that are locked."""
    work.update(clock, [dict(zip(_MOVING, _moving(c), strict=True)) for c in clocks])


SKEW_MOST: Final = 5.0
"""Seconds that the clocks of this machine and of the database may differ before this replica doesn't speak any more."""

# A machine whose clock has jumped would tell deadlines that are none. The question is asked once, not once a row.
_DUE = Prepared(
    f"SELECT {_COLUMNS}, s.sequence, s.lane, s.traceparent "
    "FROM clock c JOIN case_seen s ON s.case_id = c.case_id "
    "WHERE c.next_at <= $1 "
    f"AND (SELECT abs(extract(epoch FROM clock_timestamp()) - $3) <= {SKEW_MOST}) "
    "ORDER BY c.next_at LIMIT $2 FOR UPDATE OF c SKIP LOCKED",
    "timestamptz",
    "int",
    "double precision",
)


def due(work: Work, most: int) -> list[Due]:
    """Locks clocks that have something to say now, the longest due first, leaving out what others hold.

    None while the clock of this machine and that of the database differ: better late than wrong.
    """
    return [Due(_clock(row), *row[-3:]) for row in work.run(_DUE, work.now, most, time.time())]


def skew(work: Work) -> float:
    """Seconds by which the clock of this machine is ahead of the database's."""
    there = work.execute("SELECT extract(epoch FROM clock_timestamp())::float8").scalar_one()
    return time.time() - float(there)


_READ = f"SELECT {_COLUMNS}, s.pauses, s.extensions FROM clock c JOIN case_seen s ON s.case_id = c.case_id "


def of_case(work: Work, case: str, street: str | None) -> list[Read]:
    """The clocks of a case in the order in which they started; of one street only, when given."""
    sql = _READ + (
        "WHERE c.case_id = :case AND (CAST(:street AS text) IS NULL OR c.street = :street) "
        "ORDER BY c.started_at, c.id"
    )
    return [Read(_clock(row), row[-2], row[-1]) for row in _rows(work, sql, case=case, street=street)]


def next_due(work: Work, street: str, after: datetime, most: int) -> list[Read]:
    """The running clocks of a street that go red next, from `after` on."""
    sql = _READ + (
        "WHERE c.street = :street AND c.state IN ('armed', 'warned') AND NOT c.paused AND c.due_at >= :after "
        "ORDER BY c.due_at, c.id LIMIT :most"
    )
    return [
        Read(_clock(row), row[-2], row[-1]) for row in _rows(work, sql, street=street, after=after, most=most)
    ]


def seen(work: Work, cases: Sequence[str]) -> dict[str, Seen]:
    """What is kept of some cases."""
    found = _rows(
        work,
        "SELECT case_id, sequence, state, street, pauses, extensions, facts FROM case_seen "
        "WHERE case_id = ANY(:cases)",
        cases=list(cases),
    )
    return {row[0]: Seen(*row) for row in found}


def beyond(work: Work, name: str, after: datetime, most: int) -> tuple[int, list[Clock]]:
    """How many running clocks of a calendar are due after a moment, and the first of them."""
    where = "c.calendar LIKE :mark AND c.state IN ('armed', 'warned') AND c.due_at >= :after"
    mark = name.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%") + "@%"
    count = work.execute(f"SELECT count(*) FROM clock c WHERE {where}", mark=mark, after=after).scalar()
    rows = _rows(
        work,
        f"SELECT {_COLUMNS} FROM clock c WHERE {where} ORDER BY c.due_at, c.id LIMIT :most",
        mark=mark,
        after=after,
        most=most,
    )
    return int(count or 0), [_clock(row) for row in rows]


def longest(work: Work) -> dict[str, int]:
    """Of each calendar by its name, the longest limit in seconds among the running clocks."""
    rows = _rows(
        work,
        "SELECT split_part(calendar, '@', 1), max(limit_seconds) FROM clock "
        "WHERE calendar <> '' AND state IN ('armed', 'warned') GROUP BY 1",
    )
    return {row[0]: int(row[1]) for row in rows}
