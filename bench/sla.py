"""Clocks at scale, beside what else tells deadlines: `make bench-sla`.

One process of sla with its own virtual host and database; broker, database and this program are on the same two
cores. PostgreSQL has the settings that we ship (bench.shipped), fsync on; the peers use the same one. What sla tells
the other services is thrown away from their queues.

- Arming and calling off: case events in batches of the service's own size go through its handler here, two at a
  time, on its real database and beside its running process, without a broker; making the events isn't counted.
  `over the bus` is the same by the broker and the process.
- Firing: so many warnings fall due within one second, and 12 s later as many breaches. The lag is from the moment that
  a clock is due to the commit that tells it, as the database has noted it.
- A tick with nothing due: what it costs in the database (CPU of its backend, pages) and here, at every size.
- The peers arm, cancel and fire empty tasks (one committed row each), as bench/peers/README.md says; ratios are to
  jiayuan with as many pending and as many due, in the same run.

Options: --sizes 10000,100000,1000000 (open clocks), --due 10000, --recompute 100000 (0: not), --bus 6000 (cases),
--peer-n 10000 (pending), --peer-due 5000, --no-peers, --replicas 1, --json FILE.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Engine, NullPool, create_engine, text

from bench import sla_recompute
from bench.measure import cpu, machine, percentile, rss_mb, yardstick
from bench.pipeline import peers_python
from bench.shipped import as_shipped
from jiayuan.chassis import wire
from jiayuan.chassis.broker import connect
from jiayuan.chassis.config import Settings
from jiayuan.chassis.database import driver_url
from jiayuan.chassis.testing.databases import Databases, Opened
from jiayuan.contracts import envelope, names
from jiayuan.contracts.envelope import Event
from jiayuan.local.cluster import Cluster
from jiayuan.local.servers import Servers, provide
from jiayuan.sla import handlers
from jiayuan.sla.store import clocks as sql

HERE = Path(__file__).parent
PEERS = ("apscheduler", "celery", "procrastinate")
BATCH = Settings.batch_size
A_CASE = 3
"""Clocks of a case that was assigned: response, finish, citizen."""
OTHERS = [names.queue(s, lane) for s in names.SERVICES if s != "sla" for lane in names.LANES]
BURST = 60
"""Limit of the clocks that fire, s: the warnings come 12 s before the breaches."""
LEAD = 6.0
TICKS = 300
HANDS = 2
"""Batches that are handled at the same time, as two processes would."""


class Rate(NamedTuple):
    """How many clocks, how many a second, and µs of CPU a clock here and in the database's backends."""

    clocks: int
    per_s: float
    here: float
    there: float

    def __str__(self) -> str:
        return f"{self.clocks:,} clocks, {self.per_s:,.0f}/s, {self.here:.0f} + {self.there:.0f} µs of CPU a clock"


class Stage:
    """The sla service with a virtual host and a database of its own, and its handlers here on the same database."""

    def __init__(self, servers: Servers, folder: Path, replicas: int) -> None:
        self.cluster = Cluster(servers, folder, services=("sla",), settings={"JIAYUAN_LOG_LEVEL": "WARNING"})
        self.cluster.prepare()
        assert self.cluster.broker is not None
        self.broker = self.cluster.broker
        self.url = self.cluster.database_urls["sla"]
        self.opened = Opened("sla", self.url)
        self.engine: Engine = create_engine(
            driver_url(self.url), poolclass=NullPool, isolation_level="AUTOCOMMIT"
        )
        inside = create_engine(driver_url(servers.database_url)).url.set(database=self.engine.url.database)
        self.admin: Engine = create_engine(inside, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        self.life = sla_recompute.lives().CaseLife
        self.begun: list[datetime] = []
        """When each batch of cases began."""
        self.cases = self.bursts = self.carried = 0
        for _ in range(replicas):
            self.cluster.start("sla")
        self.memory = Memory(self.cluster.pids()["sla"])
        self.idle_mb = self.memory.now()

    def close(self) -> None:
        """Ends the processes and deletes everything."""
        self.memory.stop()
        self.opened.close()
        self.engine.dispose()
        self.admin.dispose()
        self.cluster.stop()
        self.cluster.drop()

    def rows(self, statement: str, **parameters: Any) -> list[Any]:
        """The rows of a query."""
        with self.engine.connect() as conn:
            return [tuple(r) for r in conn.execute(text(statement), parameters)]

    def one(self, statement: str, **parameters: Any) -> int:
        """The number that a query gives."""
        return int(self.rows(statement, **parameters)[0][0])

    def wait(self, condition: Callable[[], bool], what: str, limit: float = 180.0) -> None:
        """Waits, or ends the benchmark with words."""
        until = time.monotonic() + limit
        while not condition():
            if time.monotonic() > until:
                raise SystemExit(f"not within {limit:g} s: {what}")
            time.sleep(0.2)

    def clean(self) -> None:
        """Throws away what the other services would have got."""
        connection = connect(self.broker.uri("admin"), heartbeat=0)
        channel = connection.channel()
        for queue in OTHERS:
            channel.queue_purge(queue)
        connection.release()

    # -- cases

    def case(self, number: int, begins: datetime) -> Any:
        """The case of a number, with limits from hours to months."""
        dice = random.Random(number)
        limits = {
            "response": dice.randrange(7200, 86400),
            "finish": dice.randrange(86400, 15 * 86400),
            "citizen": dice.randrange(5 * 86400, 60 * 86400),
        }
        street = f"35092{dice.randrange(40):04}"
        made = self.life(f"case-{number:08}", begins=begins, **limits)
        made.case["street"] = street
        return made

    def handle(self, events: list[Event]) -> float:
        """One batch through the handler; seconds."""
        now, started = datetime.now(UTC), time.perf_counter()
        with self.opened(now=now) as work:
            handlers.case_changed(work, events)
        return time.perf_counter() - started

    def batches(self, cases: int) -> Iterator[list[Event]]:
        """Events that assign new cases, a batch at a time."""
        end = self.cases + cases
        while self.cases < end:
            count, begins = min(BATCH, end - self.cases), datetime.now(UTC)
            self.begun += [begins] * count
            yield [self.case(n, begins).assign(0) for n in range(self.cases, self.cases + count)]
            self.cases += count

    def handle_all(self, batches: Iterator[list[Event]], clocks: int) -> Rate:
        """All batches through the handler, two at a time; making their events isn't counted."""
        wall, here, there, before = 0.0, 0.0, 0.0, self.backends()
        with ThreadPoolExecutor(HANDS) as hands:
            while some := list(itertools.islice(batches, 25)):
                used, started = time.process_time(), time.perf_counter()
                list(hands.map(self.handle, some))
                wall += time.perf_counter() - started
                here += time.process_time() - used
                after = self.backends()
                there += sum(spent - before.get(pid, 0.0) for pid, spent in after.items())
                before = after
        return Rate(clocks, clocks / wall, 1e6 * here / clocks, 1e6 * there / clocks)

    def backends(self) -> dict[str, float]:
        """The server's processes for this database, and the CPU seconds of each."""
        found = self.rows("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
        return cpu({str(pid): [pid] for (pid,) in found})

    def arm(self, clocks: int) -> Rate:
        """Adds clocks."""
        cases = -(-clocks // A_CASE)
        return self.handle_all(self.batches(cases), cases * A_CASE)

    def carry(self, cases: int) -> float:
        """New cases over the broker and the process; clocks a second."""
        before = self.one("SELECT count(*) FROM clock")
        bodies = [envelope.encode(e) for batch in self.batches(cases) for e in batch]
        connection = connect(self.broker.uri("routing"), heartbeat=0)
        channel = connection.channel()
        started = time.perf_counter()
        wire.publish(
            channel,
            (
                wire.Publishing(names.EVENTS_EXCHANGE, "case.assigned", True, body, names.CONTENT_TYPE)
                for body in bodies
            ),
        )
        self.wait(
            lambda: self.one("SELECT count(*) FROM clock") >= before + cases * A_CASE, "clocks over the bus"
        )
        connection.release()
        return cases * A_CASE / (time.perf_counter() - started)

    def void_half(self) -> Rate:
        """Voids every other case, which calls its clocks off."""
        half = range(0, self.cases, 2)

        def batches() -> Iterator[list[Event]]:
            for first in range(0, len(half), BATCH):
                events = []
                for number in half[first : first + BATCH]:
                    case = self.case(number, self.begun[number])
                    case.assign(0)
                    second = (datetime.now(UTC) - self.begun[number]).total_seconds()
                    events.append(case.tell("case.voided", second, state="voided"))
                yield events

        found = self.handle_all(batches(), len(half) * A_CASE)
        off = self.one("SELECT count(*) FROM clock WHERE state = 'cancelled'")
        if off != found.clocks:
            raise SystemExit(f"{found.clocks} clocks were to be called off, {off} are")
        return found

    # -- firing

    def burst(self, count: int) -> dict[str, dict[str, float]]:
        """So many warnings within one second, then as many breaches: lags in ms, and how many a second."""
        self.bursts += 1
        name = f"burst-{self.bursts}"
        first = datetime.now(UTC) + timedelta(seconds=LEAD * max(1.0, count / 10_000))
        for low in range(0, count, 1000):
            events = []
            for n in range(low, min(low + 1000, count)):
                begins = first + timedelta(seconds=n / count - 0.8 * BURST)
                case = self.life(f"{name}-{n}", begins=begins, response=BURST, finish=None, citizen=None)
                case.case["street"] = name
                events.append(case.assign(0))
            self.handle(events)
        if datetime.now(UTC) > first:
            raise SystemExit("arming the burst took longer than there was time for")
        out = {}
        for what, column, state, after in (
            ("warnings", "warn_at", "warned", 0.0),
            ("breaches", "due_at", "breached", 0.2 * BURST),
        ):
            time.sleep(max(0.0, first.timestamp() + after + 1.0 - time.time()))
            # Only what still has to be told is asked about, by an index: watching costs next to nothing.
            end = first + timedelta(seconds=after + 1.1)
            self.wait(
                lambda end=end: not self.one("SELECT count(*) FROM clock WHERE next_at < :end", end=end),  # type: ignore[misc]
                f"all {what} told",
            )
            self.wait(lambda: not self.one("SELECT count(*) FROM outbox"), "all published")
            drained = time.time()
            found = self.rows(
                f"SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin)), extract(epoch FROM {column}) "
                "FROM clock WHERE street = :name AND state = :state",
                name=name,
                state=state,
            )
            if len(found) != count:
                raise SystemExit(f"{count} {what} were due, {len(found)} told")
            lags = [1e3 * float(told - due) for told, due in found]
            start = min(float(due) for _, due in found)
            took = max(float(told) for told, _ in found) - start
            out[what] = {
                "p50_ms": percentile(lags, 0.5),
                "p99_ms": percentile(lags, 0.99),
                "max_ms": max(lags),
                "per_s": count / took,
                "published_after_s": drained - start,
            }
        self.clean()
        return out

    # -- nothing due

    def tick(self) -> dict[str, float]:
        """What a tick costs that finds nothing due: µs of CPU in the database and here, pages that it looks at."""
        with self.opened(now=datetime.now(UTC)) as work:
            handlers.speak(work)
            backend = int(work.execute("SELECT pg_backend_pid()").scalar_one())
            group = {"backend": [backend]}
            before, here = cpu(group), time.process_time()
            for _ in range(TICKS):
                assert not sql.due(work, handlers.CLAIM)
            here, there = time.process_time() - here, cpu(group)["backend"] - before["backend"]
            work.execute(f"PREPARE looking (timestamptz, int, double precision) AS {_DUE_SQL}")
            plan = work.execute(
                "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE looking (:now, :most, :at)",
                now=work.now,
                most=handlers.CLAIM,
                at=time.time(),
            ).scalar()[0]
            work.execute("DEALLOCATE looking")
        return {
            "database_us": 1e6 * there / TICKS,
            "here_us": 1e6 * here / TICKS,
            "pages": plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"],
        }


# The statement behind the PREPARE.
_DUE_SQL = sql._DUE.prepare.partition(" AS ")[2]


class Memory(threading.Thread):
    """The most memory that each of some processes has at any half second, MB."""

    def __init__(self, pids: list[int]) -> None:
        super().__init__(daemon=True)
        self.pids, self.most, self._end = pids, 0.0, threading.Event()
        self.start()

    def now(self) -> float:
        """The largest of them now."""
        return max(rss_mb(pid) for pid in self.pids)

    def run(self) -> None:
        """Looks twice a second."""
        while not self._end.wait(0.5):
            self.most = max(self.most, self.now())

    def stop(self) -> None:
        """Ends."""
        self._end.set()
        self.join()


# -- the run -----------------------------------------------------------------------------------------


def said(found: dict[str, dict[str, float]]) -> str:
    """A burst in words."""
    return "; ".join(
        f"{what} p50 {f['p50_ms']:.0f}, p99 {f['p99_ms']:.0f}, max {f['max_ms']:.0f} ms, {f['per_s']:,.0f}/s, "
        f"all with the broker {f['published_after_s']:.1f} s after the first was due"
        for what, f in found.items()
    )


def ours(stage: Stage, sizes: list[int], due: int, bus: int) -> dict[str, Any]:
    """Grows to each size; what was found."""
    out: dict[str, Any] = {"ticks": {}, "arm": {}, "bursts": {}, "mb": {0: stage.idle_mb}}
    for size in sizes:
        busy, started = machine(), time.monotonic()
        rate = stage.arm(size - A_CASE * stage.cases)
        load = (machine() - busy) / (time.monotonic() - started) / (os.cpu_count() or 1)
        out["arm"][size] = rate._asdict()
        with stage.admin.connect() as conn:
            conn.execute(text("VACUUM ANALYZE clock"))
            conn.execute(text("CHECKPOINT"))
        out["ticks"][size] = tick = stage.tick()
        out["mb"][size] = stage.memory.now()
        print(
            f"{size:>9,} open clocks: armed {rate} (machine {load:.0%} busy); a tick with nothing due: "
            f"{tick['database_us']:.0f} µs in the database, {tick['here_us']:.0f} µs here, "
            f"{tick['pages']:.0f} pages; process {out['mb'][size]:.0f} MB",
            flush=True,
        )
    size = sizes[-1]
    out["bursts"][due] = burst = stage.burst(due)
    print(f"{due:,} due in one second beside {size:,}: {said(burst)}", flush=True)
    after = stage.tick()
    print(f"a tick right after: {after['database_us']:.0f} µs in the database, {after['pages']:.0f} pages")
    if bus:
        out["bus"] = stage.carry(bus)
        print(f"over the bus: {bus * A_CASE:,} clocks, {out['bus']:,.0f}/s", flush=True)
    cancel = stage.void_half()
    out["cancel"] = cancel._asdict()
    after = stage.tick()
    out["mb"]["most"] = stage.memory.most
    print(
        f"half called off: {cancel}; a tick after that "
        f"{after['database_us']:.0f} µs, {after['pages']:.0f} pages; "
        f"process {stage.idle_mb:.0f} MB at the start, {stage.memory.now():.0f} now, {stage.memory.most:.0f} at most",
        flush=True,
    )
    return out


def peer(python: Path, name: str, servers: Servers, pending: int, due: int) -> dict[str, Any]:
    """One run of a peer in its own environment, on the same servers."""
    env = {
        **os.environ,
        "AMQP_URI": servers.amqp_uri,
        "PG_DSN": servers.database_url,
        # What makes each of them fast; with its defaults Celery takes in some ten timers a second.
        "PEERS_PREFETCH": "0",
        "PEERS_POLL": "0.5",
    }
    env.pop("PYTHONPATH", None)
    command = [str(python), "-W", "ignore", f"timers_{name}.py", "--pending", str(pending)]
    command += ["--due", str(due), "--bursts", "1", "--skip", "paced,kill"]
    done = subprocess.run(
        command, cwd=HERE / "peers", env=env, capture_output=True, text=True, timeout=500, check=False
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        raise SystemExit(f"peer {name} failed:\n{done.stdout[-1000:]}\n{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def compare(stage: Stage, python: Path, servers: Servers, pending: int, due: int) -> dict[str, Any]:
    """Everybody with as many pending and due, and the ratios."""
    arm = stage.arm(pending).per_s
    burst = stage.burst(due)["breaches"]
    cancel = stage.void_half().per_s
    print(
        f"\n{'':24} {'arm/s':>9} {'bulk/s':>9} {'cancel/s':>9} {'fired':>7} {'fired/s':>8} {'lag p50':>9} {'p99 ms':>9}"
    )

    def line(name: str, *values: Any) -> None:
        widths = (9, 9, 9, 7, 8, 9, 9)
        print(
            f"{name:24} " + " ".join(f"{v:>{w},.0f}" for v, w in zip(values, widths, strict=True)), flush=True
        )

    line("jiayuan", arm, arm, cancel, due, burst["per_s"], burst["p50_ms"], burst["p99_ms"])
    rows: dict[str, Any] = {"jiayuan": {"arm": arm, "cancel": cancel, **burst}}
    for name in PEERS:
        rows[name] = row = peer(python, name, servers, pending, due)
        b = row["burst"]
        line(
            row["name"],
            row["arm_per_s"],
            row["bulk_arm_per_s"],
            row.get("cancel_per_s", 0),
            b["fired"],
            b.get("drain_per_s", 0),
            b.get("p50_ms", 0),
            b.get("p99_ms", 0),
        )
    for name in PEERS:
        row, b = rows[name], rows[name]["burst"]
        best = max(row["arm_per_s"], row["bulk_arm_per_s"])
        print(
            f"jiayuan ÷ {name}: arm {arm / row['arm_per_s']:.1f} (its own way), {arm / best:.1f} (its fastest loader), "
            f"cancel {cancel / row['cancel_per_s']:.1f}, fired a second {burst['per_s'] / b['drain_per_s']:.1f}; "
            f"lag p99 {b['p99_ms'] / burst['p99_ms']:.1f} times jiayuan's"
        )
    return rows


def main() -> int:
    """Runs what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default="10000,100000,1000000")
    parser.add_argument("--due", type=int, default=10_000)
    parser.add_argument("--bus", type=int, default=6000)
    parser.add_argument("--recompute", type=int, default=100_000)
    parser.add_argument("--peer-n", type=int, default=10_000)
    parser.add_argument("--peer-due", type=int, default=5000)
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--replicas", type=int, default=1)
    parser.add_argument("--json", type=Path)
    a = parser.parse_args()
    python = None if a.no_peers else peers_python()
    out: dict[str, Any] = {"yardstick_ms": yardstick()}
    print(f"a fixed Python loop takes {out['yardstick_ms']:.0f} ms here, now", flush=True)
    with provide() as servers, tempfile.TemporaryDirectory(prefix="jiayuan-bench-") as folder:
        out["database"] = as_shipped(servers)
        print(out["database"], flush=True)
        stage = Stage(servers, Path(folder) / "scale", a.replicas)
        try:
            out["jiayuan"] = ours(stage, [int(s) for s in a.sizes.split(",")], a.due, a.bus)
        finally:
            stage.close()
        if a.recompute:
            recompute(servers, a.recompute)
        if python is not None:
            stage = Stage(servers, Path(folder) / "beside", a.replicas)
            try:
                out["peers"] = compare(stage, python, servers, a.peer_n, a.peer_due)
            finally:
                stage.close()
    if a.json:
        a.json.write_text(json.dumps(out, indent=1, ensure_ascii=False))
    return 0


def recompute(servers: Servers, clocks: int) -> None:
    """As `python -m bench.sla_recompute`, without its other half."""
    databases = Databases(servers.database_url)
    try:
        opened = Opened("sla", databases.fresh("sla"))
        sla_recompute.recompute(opened, clocks)
        opened.close()
    finally:
        databases.drop()


if __name__ == "__main__":
    raise SystemExit(main())
