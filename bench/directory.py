"""The directory at its full scale: how long it takes to import, to read into a process, to ask; how much it holds.

`python -m bench.directory` on the servers that the environment names (DATABASE_URL), in a database of its own.
"""

from __future__ import annotations

import gc
import os
import time
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from jiayuan.chassis.testing.databases import Databases, Opened
from jiayuan.routing import book, changes
from jiayuan.routing.directory import bundled, read
from jiayuan.routing.seed import More, seed
from jiayuan.routing.store import directory as rows

AT = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


def timed(words: str, run: Callable[[], Any], times: int = 1) -> Any:
    """Runs it and says the best time of some."""
    best, out = float("inf"), None
    for _ in range(times):
        begin = time.perf_counter()
        out = run()
        best = min(best, time.perf_counter() - begin)
    print(f"{words:60} {best * 1000:9.1f} ms")
    return out


def asked(words: str, run: Callable[[int], Any], times: int) -> None:
    """Says how long one question takes."""
    begin = time.perf_counter()
    for i in range(times):
        run(i)
    print(f"{words:60} {(time.perf_counter() - begin) / times * 1e6:9.2f} µs")


def main() -> None:
    """Everything, in a database of its own."""
    more = More(4000, 2000, 194, ("2026-01-01", "2028-12-31"))
    units = bundled("units")["units"]
    document = timed("made up", lambda: seed(bundled("places"), units, 874, 3500, 1, more))
    timed("checked", lambda: read(document), 3)
    databases = Databases(os.environ["DATABASE_URL"])
    opened = Opened("routing", databases.fresh("routing"))
    try:
        sealer = opened.runtime.sealer

        def take(day: int, given: dict[str, Any]) -> Any:
            with opened(AT + timedelta(days=day)) as work:
                return changes.change(work, sealer, given, "bench")

        timed("imported into an empty database", lambda: take(0, document))
        timed("imported again, nothing changed", lambda: take(1, document))
        one = {**document, "people": [{**document["people"][-1], "name": "例新"}, *document["people"][:-1]]}
        timed("imported again, one name changed", lambda: take(2, one))
        at = AT + timedelta(days=3)

        def load() -> Any:
            with opened(at) as work:
                return rows.read_directory(work)

        known = timed("read into a process", load, 3)
        del known
        gc.collect()
        tracemalloc.start()
        known = load()
        gc.collect()
        print(f"{'held in memory for it':60} {tracemalloc.get_traced_memory()[0] / 1e6:9.1f} MB")
        tracemalloc.stop()
        with opened(at) as work:
            book.of(work)
        people = [p.id for p in known.people.values() if p.role == "worker"]
        places = [p.code for p in known.places.values() if p.kind in ("community", "village")]
        asked("on_duty, first time", lambda i: known.on_duty(people[i], at), len(people))
        asked("on_duty, again", lambda i: known.on_duty(people[i % len(people)], at), 200_000)
        asked(
            "people_on_duty of a community, first time",
            lambda i: known.people_on_duty(places[i], "worker", at),
            len(places),
        )
        asked(
            "people_on_duty of a community, again",
            lambda i: known.people_on_duty(places[i % len(places)], "worker", at),
            200_000,
        )
        street = known.streets()[0].code
        hours = [at + timedelta(hours=h) for h in range(24)]
        asked(
            "people_on_duty of a street, at another shift each time",
            lambda i: known.people_on_duty(street, "worker", hours[i]),
            24,
        )
    finally:
        opened.close()
        databases.drop()


if __name__ == "__main__":
    main()
