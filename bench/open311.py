"""What Open311's lists cost with 1,000,000 requests, and by which index each is found, on real PostgreSQL.

    DATABASE_URL=… .venv/bin/python -m bench.open311 [--rows 1000000] [--rounds 7]

Makes a database of its own with intake's tables, fills it with invented requests of the last 90 days (one in twenty
still open, half of all about five services, one in five thousand about a rare one) and asks the interface for them,
without a socket: the median and the longest of the rounds, and what PostgreSQL's plan says of how the page was found.
The database is dropped.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import NullPool, create_engine
from sqlalchemy import text as sql

from jiayuan.chassis.database import driver_url
from jiayuan.chassis.testing import pages
from jiayuan.chassis.testing.databases import Databases, Opened
from jiayuan.intake import keys
from jiayuan.intake.channels.open311 import places
from jiayuan.intake.store import open311 as listed

NOW = datetime(2026, 3, 2, tzinfo=UTC)
FILL = """
INSERT INTO report (id, tracking_code, kind, channel, title, text, original, category, category_name,
  category_confidence, category_method, livelihood, importance, urgency, street, community, place_evidence,
  place_confidence, signs, received_at, lane)
SELECT id, 'XP' || lpad(n::text, 10, '0'), 'problem', 'open311', '路灯不亮', '听雨街的路灯不亮了，晚上看不见路',
  '-', category, '路灯照明', 0.9, 'given', true, 2, 2, street, street || '001', '', 0.9, '[]', at, 'live'
FROM (
  SELECT n, lpad(to_hex(n), 32, '0')::uuid AS id,
    CAST(:now AS timestamptz) - n * (interval '89 days' / :rows) AS at,
    (CAST(:codes AS text[]))[
      CASE WHEN n % 5000 = 0 THEN 1 WHEN n % 2 = 0 THEN 2 + n / 2 % 5 ELSE 7 + n / 2 % :others END
    ] AS category,
    CASE WHEN n % 50 = 0 THEN NULL ELSE '35092100' || (1 + n % 3) END AS street
  FROM generate_series(1, :rows) AS n
) AS r
"""
LIST = """
INSERT INTO open311_request (report, channel, jurisdiction, key, category, street, requested_at, updated_at, closed)
SELECT id, channel, 'xiapu.gov.cn', 'k', category, street, received_at, received_at + interval '1 day',
  get_byte(uuid_send(id), 15) % 20 > 0 FROM report
"""
ASKED = {
    "the newest 1000": "",
    "the newest 50": "page_size=50",
    "one service": "service_code={hot}&page_size=50",
    "a rare service": "service_code={rare}&page_size=50",
    "open ones": "status=open&page_size=50",
    "closed ones": "status=closed&page_size=50",
    "open ones of a rare service": "status=open&service_code={rare}&page_size=50",
    "a street's": "jurisdiction_id=songgang.xiapu.gov.cn&page_size=50",
    "a day, two months ago": "start_date=2026-01-01&end_date=2026-01-01&page_size=50",
    "changed since yesterday": "updated_after=2026-03-01T00:00:00Z&page_size=50",
    "page 2": "page=2&page_size=50",
    "page 10,000": "page=10000&page_size=50",
    "after the 500,000th": "after={after}&page_size=50",
    "100 by id": "service_request_id={ids}",
}


class _Explained:
    """A unit of work whose statements are explained instead of answered."""

    def __init__(self, work: Any) -> None:
        self.work = work

    def execute(self, statement: str, **parameters: Any) -> Any:
        return self.work.execute("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) " + statement, **parameters)


def main() -> None:
    """Fills, asks, prints."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--rounds", type=int, default=7)
    chosen = options.parse_args()
    databases = Databases(os.environ["DATABASE_URL"])
    try:
        opened = Opened("intake", databases.fresh("intake"))
        _fill(databases.admin(opened.url), chosen.rows)
        keys.use(opened.settings)
        opened.clock.time = NOW
        _measure(opened, chosen.rows, chosen.rounds)
        opened.close()
    finally:
        databases.drop()


def _fill(url: str, rows: int) -> None:
    engine = create_engine(driver_url(url), poolclass=NullPool)
    began = time.monotonic()
    with engine.begin() as conn:
        codes = list(places.load().services)
        conn.execute(sql(FILL), {"rows": rows, "now": NOW, "codes": codes, "others": len(codes) - 6})
        conn.execute(sql(LIST))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(sql("VACUUM ANALYZE report"))
        conn.execute(sql("VACUUM ANALYZE open311_request"))
    engine.dispose()
    print(f"{rows:,} requests, filled in {time.monotonic() - began:.0f} s")


def _measure(opened: Opened, rows: int, rounds: int) -> None:
    client = pages.client(opened)
    known = {"after": _id(rows // 2), "ids": ",".join(_id(n * (rows // 100)) for n in range(1, 101))}
    known["rare"], known["hot"] = list(places.load().services)[:2]
    for name, asked in ASKED.items():
        took, found = [], 0
        for _ in range(rounds):
            began = time.perf_counter()
            answer = client.get(f"/open311/v2/requests.json?{asked.format(**known)}")
            took.append(1000 * (time.perf_counter() - began))
            assert answer.status_code == 200, answer.data
            found = len(answer.get_json())
        print(
            f"{name:28} {found:5} shown  median {statistics.median(took):7.1f} ms  longest {max(took):7.1f} ms"
        )
    place = places.load().jurisdictions["xiapu.gov.cn"]
    mine = listed.Mine(place.channels, place.streets, place.id)
    day = NOW - timedelta(days=60)
    for name, given in (
        ("the newest", {}),
        ("one service", {"services": [known["hot"]]}),
        ("a rare service", {"services": [known["rare"]]}),
        ("open", {"closed": False}),
        ("a day", {"start": day, "end": day + timedelta(days=1)}),
        ("after", {"after": known["after"]}),
        ("changed", {"updated_after": NOW - timedelta(days=1), "by_update": True}),
    ):
        with opened() as work:
            plan = [str(r[0]) for r in listed.page(_Explained(work), mine, limit=50, **given)]  # type: ignore[arg-type]
        scans = [line.strip() for line in plan if "Scan" in line or "Execution" in line]
        print(f"-- {name}\n   " + "\n   ".join(scans))


def _id(number: int) -> str:
    plain = f"{number:032x}"
    return f"{plain[:8]}-{plain[8:12]}-{plain[12:16]}-{plain[16:20]}-{plain[20:]}"


if __name__ == "__main__":
    main()
