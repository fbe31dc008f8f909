"""Workers' turns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from jiayuan.chassis import bulk
from jiayuan.chassis.transaction import Prepared
from jiayuan.chassis.work import Work

from .rows import rows_of
from .tables import (
    turn,
)


def turns(work: Work) -> dict[str, int]:
    """When every worker last had a turn, in microseconds since 1970."""
    rows = rows_of(work, "SELECT person, CAST(extract(epoch FROM last_given) * 1000000 AS bigint) FROM turn")
    return {row[0]: row[1] for row in rows}


def loads(work: Work) -> dict[str, int]:
    """How many cases every worker has on the hands; who has none is left out.

    A look into the index for each, since the planner would read a million legs to count the few that are open.
    """
    work.execute("SET LOCAL jit = off")  # compiling takes longer than counting
    rows = rows_of(
        work,
        "SELECT t.person, l.n FROM turn t CROSS JOIN LATERAL (SELECT count(*) AS n FROM leg WHERE assignee = t.person "
        "AND state IN ('offered', 'accepted', 'answered')) l WHERE l.n > 0",
    )
    return {row[0]: row[1] for row in rows}


def turn_counts(work: Work, people: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Of workers: microseconds of the last turn by anybody's clock, and how many turns so far."""
    rows = rows_of(
        work,
        "SELECT person, CAST(extract(epoch FROM last_given) * 1000000 AS bigint), given FROM turn "
        "WHERE person = ANY(:people)",
        people=list(people),
    )
    return {row[0]: (row[1], row[2]) for row in rows}


_GIVE_TURNS: Final = Prepared(
    "WITH r AS (SELECT person, to_timestamp(micros / 1000000.0) AS last_given, given "
    "FROM json_to_recordset(CAST($1 AS json)) AS x(person text, micros bigint, given bigint)), "
    "free AS (SELECT t.person FROM turn t JOIN r USING (person) FOR UPDATE OF t SKIP LOCKED) "
    "UPDATE turn t SET last_given = greatest(t.last_given, r.last_given), given = t.given + r.given "
    "FROM r JOIN free USING (person) WHERE t.person = r.person",
    "text",
)


def give_turns(work: Work, given: Sequence[tuple[str, int, int]]) -> None:
    """Notes the turns of a batch: person, last time (microseconds since 1970), how many.

    A row that another replica is writing at the moment is left to it: it writes about the same time, and waiting
    for it would make every batch queue behind the others.
    """
    rows = [{"person": person, "micros": micros, "given": count} for person, micros, count in sorted(given)]
    if rows:
        work.later(_GIVE_TURNS, bulk.dumps(rows))


def add_turns(work: Work, people: Sequence[str]) -> None:
    """Rows for workers who never had a turn, so that giving one only ever updates."""
    rows = [{"person": p, "last_given": "1970-01-01T00:00:00Z", "given": 0} for p in people]
    work.insert(turn, rows, conflict="ON CONFLICT DO NOTHING")
