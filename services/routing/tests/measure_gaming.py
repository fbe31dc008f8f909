"""How long detections take at many cases: `python services/routing/tests/measure_gaming.py [CASES]`.

Needs PostgreSQL as the tests do (DATABASE_URL of the test servers). Makes a database of its own, a year of cases with
seven steps each and a photo each, prints a line a detection, and drops it again.
"""

from __future__ import annotations

import os
import sys
import time
from datetime import UTC, datetime, timedelta

from sqlalchemy import NullPool, create_engine

from jiayuan.chassis.database import driver_url
from jiayuan.chassis.testing.databases import Databases, Opened
from jiayuan.routing import detecting, gaming, policy
from jiayuan.routing.store.gaming import Span

END = datetime(2026, 12, 31, tzinfo=UTC)
_DOC = (
    """'{"id":"' || md5('c' || n)::uuid || '","number":"N' || n || '","legs":[{"id":"' || md5('l' || n)::uuid || '","""
    """"kind":"lead","assignee":{"type":"unit","id":"U' || mod(n, 60) || '"},"state":"done","finish_limit":86400,"""
    """"offered_at":"2026-01-01T00:00:00.000000Z"}],"pauses":[],"extensions":[],"pad":"' || repeat('x', 1500) || '"}'"""
)


def fill(url: str, cases: int) -> None:
    """A year of cases, evenly; legs of 60 units with 4 clerks each; every hundredth photo is one of a case before."""
    engine = create_engine(driver_url(url), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    at = f"timestamptz '2026-01-01Z' + n * interval '{365 * 86400 / cases} seconds'"
    one = f"FROM generate_series(1, {cases}) n"
    with engine.connect() as conn:
        conn.exec_driver_sql(
            'INSERT INTO "case" (id, number, sequence, state, kind, category, livelihood, colour, level, street, '
            "community, opened_at, state_doc) SELECT md5('c' || n)::uuid, 'N' || n, 7, 'closed', 'problem', "
            "'010' || mod(n, 9), false, 'blue', 'department', '3509210' || lpad((mod(n, 15))::text, 2, '0'), "
            f"'c' || mod(n, 300), {at}, CAST({_DOC} AS json) {one}"
        )
        conn.exec_driver_sql(
            "INSERT INTO leg (id, case_id, kind, level, step, assignee_type, assignee, state, offered_at) SELECT "
            "md5('l' || n)::uuid, md5('c' || n)::uuid, 'lead', 'department', 0, 'unit', 'U' || mod(n, 60), 'done', "
            f"{at} {one}"
        )
        conn.exec_driver_sql(
            "INSERT INTO case_step (case_id, sequence, action, actor, at, leg, evidence) SELECT "
            "md5('c' || n)::uuid, k, (ARRAY['open','whistle','accept','answer','resolve','confirm',"
            "CASE WHEN mod(n, 50) = 0 THEN 'reopen' ELSE 'note' END])[k], "
            "CASE WHEN k < 3 THEN 'routing' ELSE 'clerk-' || mod(n, 240) END, "
            f"{at} + k * interval '5 minutes', md5('l' || n)::uuid, CASE k WHEN 5 THEN json_build_array("
            "md5('p' || CASE mod(n, 100) WHEN 0 THEN n - 7 ELSE n END) || md5('q' || "
            "CASE mod(n, 100) WHEN 0 THEN n - 7 ELSE n END)) END "
            f"{one}, generate_series(1, 7) k ORDER BY n, k"
        )
        conn.exec_driver_sql("VACUUM ANALYZE")
    engine.dispose()


def main(cases: int) -> None:
    """Fills, measures, prints."""
    of = policy.bundled().gaming
    assert of is not None
    databases = Databases(os.environ["DATABASE_URL"])
    url = databases.fresh("routing")
    try:
        fill(databases.admin(url), cases)
        opened = Opened("routing", url)
        for days in (30, 92):
            span = Span(END - timedelta(days=days), END)
            for kind in gaming.KINDS:
                with opened() as work:
                    begun = time.perf_counter()
                    found = detecting.find(work, of, span, [kind], patience=0)
                    took = time.perf_counter() - begun
                print(f"{cases} cases, {days} days, {kind}: {took:.2f} s, {len(found)} findings", flush=True)  # noqa: T201
        opened.close()
    finally:
        databases.drop()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
