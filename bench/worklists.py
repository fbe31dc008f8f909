"""Worklists of routing in a table of a million cases: how long a page takes, the first one and one further down.

`python -m bench.worklists [--cases 1000000] [--open 50000] [--times 200]` on the servers that the environment names
(DATABASE_URL), in a database of its own that is dropped at the end. Cases are spread over 14 streets and 900 workers;
a case's document is as long as a real one of two legs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import NullPool, create_engine, text

from jiayuan.chassis.database import driver_url
from jiayuan.chassis.testing.databases import Databases, Opened
from jiayuan.routing import store
from jiayuan.routing.store.worklists import Wanted

FAR = datetime(2100, 1, 1, tzinfo=UTC)
_STREET = "'3509210' || lpad((n % 14)::text, 2, '0')"
_CASES = f"""
INSERT INTO "case" (id, number, sequence, state, kind, category, livelihood, colour, level, street, community,
    opened_at, closed_at, state_doc)
SELECT ('00000000-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'n' || n, 5,
    CASE WHEN n % :every = 0 THEN (ARRAY['assigned', 'accepted', 'answered', 'resolved'])[1 + n / :every % 4]
    ELSE 'closed' END, 'problem', '1502', true, (ARRAY['red', 'orange', 'yellow', 'blue', 'green'])[1 + n / :every % 5],
    'grid', {_STREET}, {_STREET} || lpad((n % 9)::text, 3, '0'),
    now() - n * interval '30 seconds', CASE WHEN n % :every > 0 THEN now() - n * interval '25 seconds' END,
    json_build_object('id', n, 'legs', '[]'::json, 'reports', '[]'::json, 'title', md5(n::text), 'more',
    repeat(md5(n::text), 30)) FROM generate_series(CAST(:first AS int), CAST(:last AS int)) n"""
_LEGS = """
INSERT INTO leg (id, case_id, kind, level, step, assignee_type, assignee, state, offered_at)
SELECT ('00000000-0000-4000-9000-' || lpad(to_hex(n), 12, '0'))::uuid,
    ('00000000-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'handle', 'grid', 0, 'person',
    CASE WHEN n % 10 = 0 THEN 'U' || n % 65 ELSE 'p' || n % 900 END,
    CASE WHEN n % :every > 0 THEN 'done' WHEN n / :every % 4 = 0 THEN 'offered' ELSE 'accepted' END,
    now() - n * interval '30 seconds' FROM generate_series(CAST(:first AS int), CAST(:last AS int)) n"""


def fill(opened: Opened, admin_url: str, count: int, every: int) -> None:
    """`count` cases, one of `every` open."""
    engine = create_engine(driver_url(admin_url), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as conn:
        for first in range(1, count + 1, 100_000):
            span = {"first": first, "last": min(first + 99_999, count), "every": every}
            conn.execute(text(_CASES), span)
            conn.execute(text(_LEGS), span)
        conn.execute(
            text(
                "INSERT INTO approval (id, case_id, street, kind, of, asked_by, asked_at, due_at, decided_at) "
                "SELECT id::text, id, street, 'pause', 'desk-' || street, 'p1', opened_at, opened_at, "
                "CASE WHEN random() < 0.9 THEN opened_at END FROM \"case\" WHERE state = 'accepted'"
            )
        )
        for table in ('"case"', "leg", "approval"):
            conn.execute(text(f"VACUUM ANALYZE {table}"))
        size = conn.execute(text("SELECT pg_size_pretty(pg_database_size(current_database()))")).scalar_one()
    engine.dispose()
    print(f"{count} cases, {count // every} of them open, {size}; service {opened.service}")


def timed(words: str, ask: Callable[[], Any], times: int) -> None:
    """Says median and 95th percentile."""
    took = []
    for _ in range(times):
        begin = time.perf_counter()
        ask()
        took.append((time.perf_counter() - begin) * 1000)
    took.sort()
    print(f"{words:58} median {statistics.median(took):7.2f} ms   p95 {took[int(len(took) * 0.95)]:7.2f} ms")


def main() -> None:
    """Fills, measures, drops."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--open", type=int, default=50_000)
    parser.add_argument("--times", type=int, default=200)
    given = parser.parse_args()
    databases = Databases(os.environ["DATABASE_URL"])
    opened = Opened("routing", databases.fresh("routing"))
    try:
        fill(opened, databases.admin(opened.url), given.cases, given.cases // given.open)
        measure(opened, given.times)
    finally:
        opened.close()
        databases.drop()


def measure(opened: Opened, times: int) -> None:
    """A page of 50 of each list, the first and one that begins in the middle."""
    lists = {
        "the county's open cases": Wanted(),
        "the county's red ones": Wanted(colours=["red"]),
        "a street's open cases": Wanted(street="350921004"),
        "a street's red ones that are accepted": Wanted(
            street="350921004", colours=["red"], states=["accepted"]
        ),
        "a community's": Wanted(street="350921004", community="350921004003"),
        "a street's, none of which is wanted": Wanted(street="350921004", kind="praise"),
        "the county's, none of which is wanted": Wanted(kind="praise"),
        "the county's red and orange ones in two states": Wanted(
            colours=["red", "orange"], states=["accepted", "answered"]
        ),
        "the county's closed cases": Wanted(over=True),
        "the county's closed cases, none of which is wanted": Wanted(over=True, kind="praise"),
        "a street's closed cases": Wanted(over=True, street="350921004"),
        "a worker's": Wanted(assignee="p7"),
        "a unit's": Wanted(assignee="U10"),
        "those with an overdue approval": Wanted(overdue=FAR),
    }
    with opened() as work:
        for words, wanted in lists.items():
            first = store.cases_page(work, wanted, None, 1000)
            middle = (first[len(first) // 2].key, first[len(first) // 2].row) if first else None
            timed(words, lambda w=wanted: store.cases_page(work, w, None, 50), times)
            if middle:
                timed(
                    f"{words}, further down",
                    lambda w=wanted, m=middle: store.cases_page(work, w, m, 50),
                    times,
                )
        timed("everybody's legs", lambda: store.open_legs(work, None, ("offered", "accepted"), 50), times)
        timed("a worker's legs", lambda: store.open_legs(work, "p7", ("offered", "accepted"), 50), times)
        timed("what waits in a street", lambda: store.approvals_page(work, street="350921004"), times)
        timed("what waits in the county", lambda: store.approvals_page(work), times)


if __name__ == "__main__":
    main()
