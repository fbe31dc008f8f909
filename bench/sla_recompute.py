"""Open clocks computed again after a calendar edit, and what an event costs: `python -m bench.sla_recompute`.

One process, one connection, on a database of its own that is dropped at the end. Options: --clocks 100000 (open clocks
in working time; as many more in natural time are looked at as well), --events 2000 (case events a round, in batches
of 200), --rounds 5.
"""

from __future__ import annotations

import argparse
import importlib.util
import resource
import statistics
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson

from bench.measure import yardstick
from jiayuan.chassis.bulk import dumps
from jiayuan.chassis.testing.databases import Databases, Opened
from jiayuan.local.servers import provide
from jiayuan.sla import books, calendar, days, handlers, policy, store
from jiayuan.sla.calendar import Day

NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
RULE = {"id": "work", "when": {"clock": ["finish"]}, "then": {"calendar": "county", "limit": "20wd"}}


def lives() -> ModuleType:
    """The cases of the service's own tests."""
    path = Path(__file__).parent.parent / "services/sla/tests/conftest.py"
    spec = importlib.util.spec_from_file_location("sla_lives", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def resident() -> float:
    """The most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def version(document: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The columns that every version has."""
    who = {"digest": "-", "imported_by": "bench"}
    return {"document": orjson.Fragment(dumps(document)), **who, **more}


def recompute(opened: Opened, clocks: int) -> None:
    """Arms, edits a day, computes again."""
    at = NOW.isoformat()
    with opened(now=NOW) as work:
        document = {**policy.document(), "version": "bench", "rules": [RULE]}
        store.add_policy(work, version(document, version="bench", effective_from=at, imported_at=at))
    made = lives()
    began = time.perf_counter()
    with opened(now=NOW) as work:
        books.refresh(work)
    for first in range(0, clocks, 1000):
        cases = [
            made.CaseLife(f"case-{n:07}", response=None) for n in range(first, min(first + 1000, clocks))
        ]
        with opened(now=NOW) as work:
            handlers.case_changed(work, [case.assign(0) for case in cases])
    print(f"armed {2 * clocks} clocks, {2 * clocks / (time.perf_counter() - began):,.0f} a second")
    county = calendar.bundled("county")
    document = days.edited(
        county, calendar.bundled_documents()["county"], date(2026, 3, 10), Day("holiday", "x")
    )
    with opened(now=NOW + timedelta(hours=1)) as work:
        later = work.now.isoformat()
        row = version(document, name="county", known_until="2026-12-31", imported_at=later, note="")
        store.add_calendar(work, row)
        store.ask_recomputation(work, "calendar county@1", work.now, "bench")
    began, used = time.perf_counter(), time.process_time()
    more = True
    while more:
        with opened() as work:
            more = handlers.recompute(work)
    took, used = time.perf_counter() - began, time.process_time() - used
    with opened() as work:
        (job,) = store.recomputations(work)
    print(
        f"recomputed: {job.looked_at} open clocks looked at, {job.moved} moved, in {took:.1f} s "
        f"({took / job.moved * 1e6:.0f} µs a clock that moves, {used:.1f} s of CPU here), {resident():.0f} MB"
    )


def events(opened: Opened, count: int, rounds: int) -> None:
    """What opened, assigned, answered and resolved cost, in natural time by the policy of the release."""
    made = lives()
    costs = []
    for turn in range(rounds):
        told = []
        for n in range(count // 4):
            case = made.CaseLife(f"r{turn}-{n}")
            for move, second in (("open", 0), ("assign", 0), ("answer", 60), ("resolve", 500)):
                told.append(
                    (
                        n // 50,
                        ("open", "assign", "answer", "resolve").index(move),
                        getattr(case, move)(second),
                    )
                )
        told.sort(key=lambda t: t[:2])
        used, began = time.process_time(), time.perf_counter()
        for first in range(0, len(told), 200):
            with opened(now=NOW + timedelta(seconds=500)) as work:
                handlers.case_changed(work, [event for _, _, event in told[first : first + 200]])
        costs.append(
            ((time.process_time() - used) / len(told) * 1e6, (time.perf_counter() - began) / len(told) * 1e6)
        )
    here = statistics.median(c for c, _ in costs)
    whole = statistics.median(w for _, w in costs)
    print(
        f"an event: {here:.0f} µs of CPU here, {whole:.0f} µs with the database (median of {rounds} rounds)"
    )


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--clocks", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    print(f"yardstick {yardstick():.0f} ms")
    with provide() as servers:
        databases = Databases(servers.database_url)
        try:
            opened = Opened("sla", databases.fresh("sla"))
            events(opened, given.events, given.rounds)
            opened.close()
            opened = Opened("sla", databases.fresh("sla"))
            recompute(opened, given.clocks)
            opened.close()
        finally:
            databases.drop()


if __name__ == "__main__":
    main()
