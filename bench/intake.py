"""Intake alone: reports by HTTP and by file, against a bare handler in the same run: `make bench-intake`.

One process of intake, its broker and its database, fsync on; what it announces waits in the queues of services that
don't run. The bare handler (bench/bare.py) has the same web stack and writes a row and an outbox row. In each round
both take the same bodies over the same number of connections, one after the other, so that the ratio is of one minute.

Options: --rounds 3, --n 4000 (reports at full speed), --connections 16, --rate 50 --secs 20 (paced), --file 20000
(lines of the file), --grow 0 (reports put into the table by file before the last measurement, to show what rows cost).
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.engine import make_url

from bench import bare
from bench.measure import cpu, machine, percentile, rss_mb, whole_answer, yardstick
from jiayuan.chassis.database import driver_url
from jiayuan.chassis.testing.processes import free_port
from jiayuan.local.cluster import Cluster
from jiayuan.local.servers import Servers, provide

HERE = Path(__file__).parent
DEMO = HERE.parent / "deploy/local/jiayuan/local/data/demo_reports.jsonl"


# -- what is sent ------------------------------------------------------------------------------------


class Bodies:
    """Reports as a mini-program sends them, no two alike: a tenth of the people write again and again."""

    def __init__(self) -> None:
        self.texts = [json.loads(line) for line in DEMO.read_text(encoding="utf-8").splitlines()]
        self.made = 0

    def document(self) -> dict[str, Any]:
        """The next one."""
        number, self.made = self.made, self.made + 1
        line = self.texts[number % len(self.texts)]
        phone = number % 1000 if number % 10 == 0 else number
        out = {
            "text": f"{line['text']}（{number}）",
            "contact": {"name": "例某", "phone": f"139{phone:08d}"},
        }
        if line.get("title"):
            out["title"] = line["title"]
        if line.get("place_text"):
            out["place"] = {"text": line["place_text"]}
        return out

    def requests(self, count: int, path: str) -> deque[bytes]:
        """Whole HTTP requests, made beforehand: the client's work must not be measured."""
        out: deque[bytes] = deque()
        for _ in range(count):
            body = json.dumps(self.document(), ensure_ascii=False).encode()
            head = (
                f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
                f"Idempotency-Key: bench-{self.made}\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            out.append(head.encode() + body)
        return out


# -- the client --------------------------------------------------------------------------------------


@dataclass
class Connection:
    """A connection that is kept, with what it waits for."""

    sock: socket.socket
    due: float = 0.0
    got: bytes = b""


@dataclass
class Client:
    """Sends prepared requests over kept connections, one at a time on each; counts every answer that isn't 201."""

    port: int
    connections: int
    latencies: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def run(self, requests: deque[bytes], rate: float = 0.0) -> float:
        """Seconds until all are answered. `rate`: a second at most, by a timetable that no slow answer shifts: the
        latency then counts from the time at which a request was due."""
        idle = deque(
            Connection(socket.create_connection(("127.0.0.1", self.port))) for _ in range(self.connections)
        )
        self.latencies.clear()
        selector = selectors.DefaultSelector()
        for connection in idle:
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(connection.sock, selectors.EVENT_READ, connection)
        total, sent, started = len(requests), 0, time.perf_counter()
        while len(self.latencies) < total:
            now = time.perf_counter()
            while requests and idle and (not rate or now >= started + sent / rate):
                connection = idle.popleft()
                connection.due = started + sent / rate if rate else time.perf_counter()
                connection.sock.sendall(requests.popleft())
                sent += 1
            wait = None if not rate or not requests else max(0.0, started + sent / rate - time.perf_counter())
            for key, _ in selector.select(wait if idle or not requests else None):
                if self._answered(key.data):
                    idle.append(key.data)
        took = time.perf_counter() - started
        selector.close()
        for connection in idle:
            connection.sock.close()
        if self.faults:
            raise SystemExit(f"{len(self.faults)} requests were not taken, the first: {self.faults[0]}")
        return took

    def _answered(self, connection: Connection) -> bool:
        data = connection.sock.recv(65536)
        if not data:
            raise SystemExit("the service closed a connection")
        connection.got += data
        if not whole_answer(connection.got):
            return False
        if not connection.got.startswith(b"HTTP/1.1 201"):
            self.faults.append(connection.got[:400].decode(errors="replace"))
        self.latencies.append(1e3 * (time.perf_counter() - connection.due))
        connection.got = b""
        return True


# -- the contestants ---------------------------------------------------------------------------------


class Stage:
    """One process that takes reports, with a broker's virtual host and a database of its own."""

    def __init__(self, servers: Servers, folder: Path, path: str) -> None:
        self.servers, self.path = servers, path
        folder.mkdir(parents=True)
        settings = {"JIAYUAN_LOG_LEVEL": "WARNING"}
        self.cluster = Cluster(servers, folder, services=("intake",), settings=settings)
        self.cluster.prepare()
        self.engine = create_engine(
            driver_url(self.cluster.database_urls["intake"]), poolclass=NullPool, isolation_level="AUTOCOMMIT"
        )
        self.popen: subprocess.Popen[bytes] | None = None
        self.port = 0

    def start(self) -> None:
        """Starts intake, or in its place the bare handler."""
        if self.path != "/bare":
            self.port = self.cluster.start("intake").port
            return
        url = make_url(self.cluster.database_urls["intake"])
        admin = create_engine(
            driver_url(
                make_url(self.servers.database_url)
                .set(database=url.database)
                .render_as_string(hide_password=False)
            ),
            poolclass=NullPool,
        )
        with admin.begin() as conn:
            bare.create(conn, str(url.username))
        self.port = free_port()
        env = {**self.cluster.environment("intake"), "JIAYUAN_HTTP_PORT": str(self.port)}
        self.popen = subprocess.Popen([sys.executable, "-m", "bench.bare"], env=env, cwd=HERE.parent)
        until = time.monotonic() + 60
        while self.popen.poll() is None and time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.1)
        raise SystemExit("the bare handler does not start")

    def groups(self) -> dict[str, list[int]]:
        """Whose CPU is whose."""
        own = [self.popen.pid] if self.popen is not None else self.cluster.pids()["intake"]
        found = {
            "intake" if self.path != "/bare" else "bare": own,
            "database": self.servers.database_pids(),
            "broker": self.servers.broker_pids(),
        }
        # Of servers that were given, on another machine perhaps, the processes aren't known.
        return {name: pids for name, pids in found.items() if pids}

    def count(self, table: str) -> int:
        """Rows of a table."""
        with self.engine.connect() as conn:
            return int(conn.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())

    def settle(self) -> None:
        """Waits until everything that was announced is with the broker."""
        until = time.monotonic() + 300
        while self.path != "/bare" and self.count("outbox"):
            if time.monotonic() > until:
                raise SystemExit("the outbox is not empty after 300 s")
            time.sleep(0.05)

    def close(self) -> None:
        """Ends the process and deletes everything."""
        if self.popen is not None:
            self.popen.terminate()
            self.popen.wait(30)
        self.engine.dispose()
        self.cluster.stop()
        self.cluster.drop()


@contextmanager
def staged(servers: Servers, folder: Path, path: str) -> Iterator[Stage]:
    """A stage, started."""
    stage = Stage(servers, folder, path)
    try:
        stage.start()
        yield stage
    finally:
        stage.close()


@dataclass(frozen=True)
class Result:
    """One measurement. CPU in milliseconds a report, by process; latencies in milliseconds."""

    rate: float
    cpu: dict[str, float]
    busy: float
    p50: float = 0.0
    p99: float = 0.0

    @property
    def total(self) -> float:
        """CPU of all processes."""
        return sum(self.cpu.values())

    def __str__(self) -> str:
        each = ", ".join(f"{k} {v:.2f}" for k, v in self.cpu.items())
        late = f", p50 {self.p50:.1f} ms, p99 {self.p99:.1f} ms" if self.p99 else ""
        return (
            f"{self.rate:7.0f} reports/s{late}, CPU {self.total:.2f} ms a report ({each}), "
            f"machine {self.busy:.0%} busy"
        )


def measured(
    stage: Stage, count: int, run: Callable[[], float], extra: dict[str, list[int]] | None = None
) -> Result:
    """Runs something that takes `count` reports in and gives its seconds; CPU counts until everything has settled."""
    groups = stage.groups() | (extra or {})
    before, busy, started = cpu(groups), machine(), time.monotonic()
    took = run()
    stage.settle()
    after, wall = cpu(groups), time.monotonic() - started
    return Result(
        count / took,
        {k: 1e3 * (after[k] - before[k]) / count for k in groups},
        (machine() - busy) / wall / (os.cpu_count() or 1),
    )


def by_http(stage: Stage, bodies: Bodies, count: int, connections: int, rate: float = 0.0) -> Result:
    """At full speed over so many connections, or paced."""
    client = Client(stage.port, connections)
    requests = bodies.requests(count, stage.path)
    result = measured(stage, count, lambda: client.run(requests, rate))
    late = client.latencies
    return Result(result.rate, result.cpu, result.busy, percentile(late, 0.5), percentile(late, 0.99))


def by_file(stage: Stage, bodies: Bodies, count: int) -> Result:
    """`jiayuan import` of a file of JSON lines, its start-up included; intake publishes meanwhile."""
    file = stage.cluster.folder / f"lines-{bodies.made}.jsonl"
    with file.open("w", encoding="utf-8") as out:
        for _ in range(count):
            document = bodies.document()
            flat = {"text": document["text"], "phone": document["contact"]["phone"], "id": f"F{bodies.made}"}
            flat |= {"title": document["title"]} if "title" in document else {}
            flat |= {"address": document["place"]["text"]} if "place" in document else {}
            out.write(json.dumps(flat, ensure_ascii=False) + "\n")
    spent = 0.0

    def run() -> float:
        nonlocal spent
        started, own = time.perf_counter(), sum(os.times()[2:4])
        done = stage.cluster.command("intake", "import", str(file), timeout=3600)
        if done.returncode:
            raise SystemExit(f"the import failed: {done.stdout[-800:]}{done.stderr[-800:]}")
        spent = sum(os.times()[2:4]) - own
        return time.perf_counter() - started

    result = measured(stage, count, run)
    return Result(result.rate, {"import": 1e3 * spent / count, **result.cpu}, result.busy)


# -- the run -----------------------------------------------------------------------------------------


def main() -> int:
    """Runs what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--n", type=int, default=4000)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--rate", type=float, default=50)
    parser.add_argument("--secs", type=float, default=20)
    parser.add_argument("--file", type=int, default=20000)
    parser.add_argument("--grow", type=int, default=0)
    a = parser.parse_args()
    ours: list[Result] = []
    theirs: list[Result] = []
    with provide() as servers, tempfile.TemporaryDirectory(prefix="jiayuan-bench-") as folder:
        bodies = Bodies()
        with (
            staged(servers, Path(folder) / "bare", "/bare") as bare_stage,
            staged(servers, Path(folder) / "intake", "/reports") as intake,
        ):
            for stage in (bare_stage, intake):
                by_http(stage, bodies, 300, a.connections)  # warm-up
            for number in range(1, a.rounds + 1):
                print(f"round {number}: a fixed Python loop takes {yardstick():.0f} ms here, now", flush=True)
                for stage, results in ((bare_stage, theirs), (intake, ours)):
                    results.append(by_http(stage, bodies, a.n, a.connections))
                    print(f"  {'bare' if stage is bare_stage else 'HTTP':6} {results[-1]}", flush=True)
            print(f"paced, {a.rate:g} a second:", flush=True)
            paced = int(a.rate * a.secs)
            for name, stage in (("bare", bare_stage), ("HTTP", intake)):
                print(f"  {name:6} {by_http(stage, bodies, paced, a.connections, a.rate)}", flush=True)
            print(f"a file of {a.file} lines:", flush=True)
            print(f"  file   {by_file(intake, bodies, a.file)}", flush=True)
            if a.grow:
                rows = intake.count("report")
                print(f"putting {a.grow} more reports into the table …", flush=True)
                by_file(intake, bodies, a.grow)
                again = [by_http(s, bodies, a.n, a.connections) for s in (bare_stage, intake)]
                print(f"  bare   {again[0]}\n  HTTP   {again[1]}")
                print(
                    f"  with {rows + a.grow} reports in the table instead of {300 + a.n}: CPU × "
                    f"{again[1].total / ours[0].total:.2f}, beside bare's × {again[0].total / theirs[0].total:.2f}"
                )
            print(f"memory of intake after the run: {rss_mb(intake.cluster.pids()['intake'][0]):.0f} MB")
    rates = [o.rate / t.rate for o, t in zip(ours, theirs, strict=True)]
    costs = [o.total / t.total for o, t in zip(ours, theirs, strict=True)]
    own = [o.cpu["intake"] / t.cpu["bare"] for o, t in zip(ours, theirs, strict=True)]
    print(
        f"\nHTTP: {statistics.median(o.rate for o in ours):.0f} reports/s, "
        f"{statistics.median(o.total for o in ours):.2f} ms of CPU a report; "
        f"the bare handler {statistics.median(t.rate for t in theirs):.0f}/s, "
        f"{statistics.median(t.total for t in theirs):.2f} ms"
    )
    for words, ratios in (
        ("reports per second", rates),
        ("CPU of all processes", costs),
        ("CPU of the service", own),
    ):
        each = ", ".join(f"{r:.2f}" for r in ratios)
        print(f"intake ÷ bare, {words}: {statistics.median(ratios):.2f} (round by round: {each})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
