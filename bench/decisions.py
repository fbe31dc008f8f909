"""What deciding costs: `decide()` itself, a report's decision kept in the database, and history decided again.

    DATABASE_URL=… .venv/bin/python -m bench.decisions [--history 1000000] [--rounds 60]

Prints the microseconds of a decision that is new and of one that was made before, those of analysing the bundled table,
what `report_received` takes a report with and without the rows of `decision` (client's CPU, and in all), and how long
`jiayuan routing simulate` takes over so many stored decisions, with the most memory it held: the same command over none
of them says what of that is the command itself. The database is dropped at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from timeit import repeat
from typing import Any

import yaml
from sqlalchemy import NullPool, create_engine, text

from jiayuan.chassis.database import driver_url
from jiayuan.chassis.testing.databases import Databases, Opened
from jiayuan.contracts import envelope, ids
from jiayuan.contracts.times import iso
from jiayuan.routing import catalogue, directory, handlers, policy, store
from jiayuan.routing.imports import import_directory
from jiayuan.routing.policy import Matter
from jiayuan.routing.seed import seed

BATCH = 50
CODES = ("0102", "0101", "1502", "0301", "0801", "1106", "0105", "0404")
_COMMAND = """
import sys, time
from jiayuan.routing.cli import routing
began = time.perf_counter()
try:
    routing(sys.argv[1:])
finally:
    status = open("/proc/self/status").read()
    peak = int(status.split("VmHWM:")[1].split()[0]) // 1024
    print(f"{time.perf_counter() - began:.1f} s, at most {peak} MB", file=sys.stderr)
"""


def places() -> dict[str, Any]:
    """A directory with all streets and units, and a few people."""
    return seed(directory.bundled("places"), directory.bundled("units")["units"], 60, 200)


def deciding() -> None:
    """The table alone."""
    table = policy.bundled()
    matter = Matter("0101", "problem", 2, 2, (), "350921001", "350921001001")
    table.decide(matter)
    rest = Matter("1599", "problem", 2, 2, (), "350921001", "350921001001")

    def again() -> None:
        table.decide(Matter("0101", "problem", 2, 2, (), "350921001", "350921001001"))

    def new() -> None:
        table._known.clear()
        table.decide(rest)

    warm, cold = (
        min(repeat(again, number=20_000, repeat=7)) / 20_000,
        min(repeat(new, number=2_000, repeat=7)) / 2_000,
    )
    domain = policy.domain_of(directory.read(places()), catalogue.load(""))
    analysed = min(repeat(lambda: policy.analyse(table, domain), number=1, repeat=9))
    print(f"decide: {warm * 1e6:.2f} µs when it was decided before, {cold * 1e6:.1f} µs when it wasn't")
    print(f"analyse {len(table.rules)} rules: {analysed * 1e3:.1f} ms")


def reports(n: int, at: Any) -> list[Any]:
    """Events of new reports."""
    out = []
    for i in range(n):
        report = {
            "id": ids.new_id(),
            "tracking_code": "JY-1",
            "kind": "problem",
            "channel": "mini_program",
            "title": "楼道堆物",
            "text": "楼道里堆了东西",
            "category": {"code": CODES[i % len(CODES)], "name": "x", "confidence": 0.8, "method": "keywords"},
            "livelihood": True,
            "importance": 2,
            "urgency": 2,
            "place": {"street": "350921001", "community": "350921001001"},
            "received_at": iso(at),
        }
        out.append(envelope.make("report.received", "/jiayuan/intake", {"report": report}, at=at))
    return out


def keeping(opened: Opened, rounds: int) -> None:
    """A report with and without its decision's row."""
    real = store.insert_decisions
    took: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    for n in range(rounds + 4):
        for kept in (True, False) if n % 2 else (False, True):
            store.insert_decisions = real if kept else (lambda _work, _rows: None)
            with opened() as work:
                events = reports(BATCH, work.now)
            cpu, wall = time.process_time(), time.perf_counter()
            with opened() as work:
                handlers.report_received(work, events)
            if n >= 4:
                took[kept].append((time.process_time() - cpu, time.perf_counter() - wall))
    store.insert_decisions = real
    for kept in (False, True):
        cpu, wall = (statistics.median(t[i] for t in took[kept]) / BATCH * 1e6 for i in (0, 1))
        words = "with its decision" if kept else "without"
        print(
            f"a report {words}: {cpu:.0f} µs of the client's CPU, {wall:.0f} µs in all (batches of {BATCH})"
        )


def simulating(databases: Databases, opened: Opened, url: str, history: int) -> None:
    """History decided again."""
    admin = create_engine(driver_url(databases.admin(url)), poolclass=NullPool)
    with admin.begin() as conn:
        conn.execute(
            text(
                'INSERT INTO "case" (id, number, sequence, state, kind, category, livelihood, colour, level, street, '
                "opened_at, state_doc) SELECT lpad(to_hex(g), 32, '0')::uuid, 'n' || g, 2, 'assigned', 'problem', "
                "'0102', true, 'yellow', 'department', '350921001', timestamptz '2026-01-01Z' + g * interval '1 s', "
                "'{}' FROM generate_series(1, :n) g"
            ),
            {"n": history},
        )
        conn.execute(
            text(
                "INSERT INTO decision (case_id, sequence, at, cause, by, policy, rule, category, kind, importance, "
                "urgency, signs, street, confidence, level, lead, assistants, colour, response_limit, finish_limit) "
                "SELECT lpad(to_hex(g), 32, '0')::uuid, 2, timestamptz '2026-01-01Z' + g * interval '1 s', 'received', "
                "'routing', '2026.1', 'street-lamps', (ARRAY['0101','0102','0103','0301','0404','0801','1106','1502'])"
                "[1 + g % 8], (ARRAY['problem','information','consultation','dispute'])[1 + (g / 8) % 4], 1 + g % 3, "
                "1 + (g / 3) % 3, '', '35092100' || (1 + g % 3), round((0.2 + (g % 80) / 100.0)::numeric, 2), "
                "'department', 'U49', '', 'yellow', 86400, 259200 FROM generate_series(1, :n) g"
            ),
            {"n": history},
        )
    document = policy.bundled_document() | {"version": "another"}
    env = {
        **os.environ,
        "JIAYUAN_DATABASE_URL": opened.settings.database_url,
        "JIAYUAN_SEAL_KEYS": opened.settings.seal_keys,
    }
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "another.yaml"
        file.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
        for since in ("2999-01-01", "2026-01-01"):
            words = ("simulate", "--policy", str(file), "--since", since, "--json")
            done = subprocess.run(
                [sys.executable, "-c", _COMMAND, *words], env=env, capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise SystemExit(done.stderr)
            print(f"simulate over {json.loads(done.stdout)['decisions']:,} decisions: {done.stderr.strip()}")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--history", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=60)
    options = parser.parse_args()
    deciding()
    databases = Databases(os.environ["DATABASE_URL"])
    url = databases.fresh("routing")
    opened = Opened("routing", url)
    try:
        with opened() as work:
            import_directory(work, opened.runtime.sealer, places(), "bench")
        keeping(opened, options.rounds)
        simulating(databases, opened, url, options.history)
    finally:
        opened.close()
        databases.drop()


if __name__ == "__main__":
    main()
