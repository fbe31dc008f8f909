"""Rates of a month out of years of cases: `python -m bench.sla_rates`.

Fills a database of its own with closed cases, a year each tenth of them, each with two clocks, and some that run; then
asks for the figures of the newest month, of one in the middle and of everything, and prints how many cases each read
and how long that took. Options: --cases 1000000, --all (asks for everything too).
"""

from __future__ import annotations

import argparse
import resource
import time
from datetime import UTC, datetime, timedelta

from sqlalchemy import NullPool, create_engine, text

from bench.measure import yardstick
from jiayuan.chassis.database import driver_url
from jiayuan.chassis.testing.databases import Databases, Opened
from jiayuan.local.servers import provide
from jiayuan.sla import reporting, store
from jiayuan.sla.rates import Period

END = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 3650
OPEN = 2000

_TIME = "to_char(({}) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
_CASES = f"""
INSERT INTO case_seen (case_id, sequence, state, street, lane, traceparent, pauses, extensions, facts, seen_at,
                       measured, begun_at, over_at)
SELECT 'case-' || lpad(n::text, 8, '0'), 7, CASE WHEN n <= :open THEN 'assigned' ELSE 'closed' END,
       '3509210' || lpad((n % 15)::text, 2, '0'), 'live', '', '[]', '[]',
       '{{"colour": "yellow", "category": "0102", "level": "grid", "case": "problem"}}', at + interval '2 days',
       json_build_object('received', {_TIME.format("at")}, 'channel', 'hotline', 'community', '350921001002',
           'legs', json_build_array(json_build_array('leg-1', 'handle', 'grid', 'grid', 'done', {_TIME.format("at")},
               {_TIME.format("at + interval '5 minutes'")}, {_TIME.format("at + interval '10 minutes'")},
               {_TIME.format("at + interval '1 day'")}, NULL)),
           'closed', CASE WHEN n > :open THEN {_TIME.format("at + interval '2 days'")} END, 'confirmed', 'satisfied',
           'solved', n % 7 > 0),
       at, CASE WHEN n > :open THEN at + interval '5 days' END
FROM (SELECT n, CAST(:end AS timestamptz) - n * make_interval(secs => :step) AS at
      FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS n) AS made
"""
_CLOCKS = """
INSERT INTO clock (id, case_id, leg_id, kind, round, street, started_at, limit_seconds, due_at, paused, state,
                   sequence, case_sequence, met_at, stopped_at, policy)
SELECT gen_random_uuid(), case_id, k.leg, k.kind, 0, street, begun_at, k.seconds,
       begun_at + k.seconds * interval '1 second', false, 'met', 2, 7, begun_at, begun_at, '2026.1'
FROM case_seen, (VALUES ('leg-1', 'response', 900), ('', 'citizen', 432000)) AS k(leg, kind, seconds)
WHERE case_id BETWEEN 'case-' || lpad(CAST(:first AS bigint)::text, 8, '0')
                  AND 'case-' || lpad(CAST(:last AS bigint)::text, 8, '0')
"""


def main() -> int:
    """Fills, asks, prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--all", action="store_true")
    chosen = parser.parse_args()
    print(f"a fixed Python loop takes {yardstick():.0f} ms here, now", flush=True)
    with provide() as servers:
        databases = Databases(servers.database_url)
        try:
            opened = Opened("sla", databases.fresh("sla"))
            inside = driver_url(servers.database_url).set(database=opened.engine.url.database)
            admin = create_engine(inside, poolclass=NullPool, isolation_level="AUTOCOMMIT")
            step, size = DAYS * 86400 / chosen.cases, 50_000
            with admin.connect() as conn:
                for first in range(1, chosen.cases + 1, size):
                    part = {"first": first, "last": min(first + size - 1, chosen.cases)}
                    conn.execute(text(_CASES), {**part, "open": OPEN, "end": END, "step": step})
                    conn.execute(text(_CLOCKS), part)
                conn.execute(text("VACUUM ANALYZE"))
            month = timedelta(days=30)
            asked = {"the newest month": Period(END - month, END)}
            asked["a month of five years ago"] = Period(END - 61 * month, END - 60 * month)
            if chosen.all:
                asked["everything"] = Period(END - timedelta(days=DAYS), END)
            for name, period in asked.items():
                with opened(now=END) as work:
                    query = reporting.query(
                        work, "street", period.since.isoformat(), period.until.isoformat()
                    )
                    started = time.perf_counter()
                    read = sum(1 for _ in store.measured_cases(work, None, query.period))
                    looked = time.perf_counter() - started
                    started = time.perf_counter()
                    found = reporting.document(work, query)
                    took = time.perf_counter() - started
                print(
                    f"{name}: {read:,} of {chosen.cases:,} cases read in {looked:.1f} s, figures in {took:.1f} s "
                    f"({found['total']['registered']['count']:,} registered); "
                    f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB",
                    flush=True,
                )
            opened.close()
            admin.dispose()
        finally:
            databases.drop()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
