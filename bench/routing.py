"""Whole lives of cases in routing, with 10,000 to 1,000,000 cases in its database: `make bench-routing`.

A life is: a report comes over the broker, its case is opened and assigned, the assignee accepts, answers and resolves
by HTTP, somebody else inspects, and a third person closes. One process of routing, its broker and its database on the
same two cores, fsync on, quorum queues, confirms. Every size has a database of its own and stays there, and the rounds
go from one to the next, so that the ratio between them is of the same minutes. What routing tells the other services
is thrown away from their queues.

The cases that are there already are copies of lives that this very service has led, each with its own ids, steps, legs
and decisions, nineteen of twenty of them closed.

Options: --sizes 10000,100000,1000000 --rounds 3 --n 600 (lives a round) --window 24 (at a time) --secs 30 (paced, at
half the rate of the rounds) --burst 35 --burst-secs 60 (at the largest size, from 1 a second and back), --json FILE.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import selectors
import socket
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, NullPool, create_engine, text

from bench.measure import cpu, machine, percentile, whole_answer, yardstick
from jiayuan.chassis import wire
from jiayuan.chassis.broker import connect
from jiayuan.chassis.database import driver_url
from jiayuan.contracts import envelope, names
from jiayuan.contracts.ids import new_id
from jiayuan.contracts.times import iso
from jiayuan.local.cluster import Cluster
from jiayuan.local.servers import Servers, provide
from jiayuan.routing.store import metadata

TEMPLATES = 400
OTHERS = [names.queue(s, lane) for s in names.SERVICES if s != "routing" for lane in names.LANES]
LISTENER = "bench.listener"
# What comes in: mostly matters of the grid, some for a unit, a few for several.
MATTERS = (
    ("0102", "路灯照明", (), 6),
    ("0101", "道路破损", (), 6),
    ("0301", "垃圾清运", (), 6),
    ("0204", "违法建设", (), 3),
    ("0302", "噪音扰民", ("gas",), 1),
)


# -- the stage ---------------------------------------------------------------------------------------


class Stage:
    """Routing with a virtual host and a database of its own, and somebody who plays everybody else."""

    def __init__(self, servers: Servers, folder: Path, connections: int) -> None:
        self.servers = servers
        self.cluster = Cluster(
            servers, folder, services=("routing",), settings={"JIAYUAN_LOG_LEVEL": "WARNING"}
        )
        self.cluster.prepare()
        assert self.cluster.broker is not None  # prepared
        self.broker = self.cluster.broker
        url = self.cluster.database_urls["routing"]
        self.engine: Engine = create_engine(driver_url(url), poolclass=NullPool, isolation_level="AUTOCOMMIT")
        self._listen()
        self.port = self.cluster.start("routing").port
        self._directory()
        self.people = Everybody(self, connections)

    def _listen(self) -> None:
        connection = connect(self.broker.uri("admin"))
        channel = connection.channel()
        channel.queue_declare(LISTENER, durable=True, auto_delete=False)
        for key in ("case.assigned", "case.whistled"):
            channel.queue_bind(LISTENER, names.EVENTS_EXCHANGE, key)
        connection.release()

    def _directory(self) -> None:
        path = self.cluster.folder / "directory.json"
        for arguments in (("seed", "--out", str(path)), ("import", str(path))):
            done = self.cluster.command("routing", "routing", "directory", *arguments)
            if done.returncode:
                raise SystemExit(f"the directory could not be made: {done.stderr[-800:]}")

    def admin(self) -> Engine:
        """The database as its owner, for what the service's own role may not do."""
        name = create_engine(driver_url(self.cluster.database_urls["routing"])).url.database
        url = create_engine(driver_url(self.servers.database_url)).url.set(database=name)
        return create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")

    def count(self) -> int:
        """Cases in the database."""
        with self.engine.connect() as conn:
            return int(conn.execute(text('SELECT count(*) FROM "case"')).scalar_one())

    def fill(self, size: int) -> float:
        """Grows to that many cases by copying what is there; seconds it took."""
        started = time.monotonic()
        admin = self.admin()
        with admin.connect() as conn:
            there = self.count()
            if there < size:
                conn.execute(
                    text(
                        "CREATE TEMP TABLE copies AS SELECT t.id AS old, t.number AS old_number, "
                        "gen_random_uuid() AS new, 'B-' || row_number() OVER () AS number, row_number() OVER () AS n "
                        'FROM "case" t CROSS JOIN generate_series(1, :times) LIMIT :wanted'
                    ),
                    {"times": -(-size // there), "wanted": size - there},
                )
                conn.execute(text("ANALYZE copies"))
                for table in metadata.sorted_tables:
                    sql = _copy(table)
                    if sql:
                        conn.execute(text(sql))
            conn.execute(text("VACUUM ANALYZE"))
            conn.execute(text("CHECKPOINT"))
        admin.dispose()
        return time.monotonic() - started

    def groups(self) -> dict[str, list[int]]:
        """Whose CPU is whose."""
        found = {
            "routing": self.cluster.pids()["routing"],
            "broker": self.servers.broker_pids(),
            "database": self.servers.database_pids(),
        }
        return {name: pids for name, pids in found.items() if pids}

    def close(self) -> None:
        """Ends the process and deletes everything."""
        self.people.close()
        self.engine.dispose()
        self.cluster.stop()
        self.cluster.drop()


def _copy(table: Any) -> str:
    """The statement that copies a table's rows for every copied case; "" for a table that has none of a case."""
    columns = {c.name: c for c in table.columns}
    own = table.name == "case"
    if not own and "case_id" not in columns:
        return ""
    values = {}
    for name, column in columns.items():
        if column.identity is not None:
            continue
        values[name] = f't."{name}"'
        if name == "number" and own:
            values[name] = "c.number"
        elif name == "state_doc":
            doc = "replace(t.state_doc::text, c.old::text, c.new::text)"
            values[name] = f"replace({doc}, c.old_number, c.number)::json"
        elif name.endswith("_at") or name == "at":
            values[name] = f"""t."{name}" - c.n * interval '30 seconds'"""
        elif name == "report_id" and column.primary_key:
            values[name] = "gen_random_uuid()::text"
        elif name == "id" and column.primary_key and not own:
            values[name] = "gen_random_uuid()"
    values["id" if own else "case_id"] = "c.new"
    into = ", ".join(f'"{n}"' for n in values)
    key = "id" if own else "case_id"
    return (
        f'INSERT INTO "{table.name}" ({into}) SELECT {", ".join(values.values())} '
        f'FROM copies c JOIN "{table.name}" t ON t."{key}" = c.old ON CONFLICT DO NOTHING'
    )


# -- the people --------------------------------------------------------------------------------------


@dataclass
class Life:
    """One case, from its report to its end; `todo` are the requests that are still to be made."""

    due: float
    todo: deque[bytes] = field(default_factory=deque)
    wanted_at: float = 0.0


@dataclass
class Connection:
    """A kept HTTP connection, with the life it serves."""

    sock: socket.socket
    life: Life | None = None
    got: bytes = b""


@dataclass
class Played:
    """What became of lives: how many, in how many seconds, how long each took, how long each action took (ms)."""

    done: int = 0
    seconds: float = 0.0
    lives: list[float] = field(default_factory=list)
    actions: list[float] = field(default_factory=list)
    finished: list[float] = field(default_factory=list)


class Everybody:
    """Intake, the assignees, the inspector and the one who closes: one loop over a broker and some HTTP connections."""

    def __init__(self, stage: Stage, connections: int) -> None:
        self.stage = stage
        self.dice = random.Random(4)
        self.reports: dict[str, Life] = {}
        self.tokens: dict[tuple[str, ...], str] = {}
        with stage.engine.connect() as conn:
            rows = conn.execute(
                text("SELECT code, community, street FROM grid WHERE kind = 'building' ORDER BY code")
            )
            self.grids = [tuple(r) for r in rows]
        self.matters = [m for m in MATTERS for _ in range(m[3])]
        broker = stage.broker
        self.sender = connect(broker.uri("intake"), heartbeat=0)
        self.channel = self.sender.channel()
        self.listening = connect(broker.uri("admin"), heartbeat=0)
        self.listener = self.listening.channel()
        self.cleaning = connect(broker.uri("admin"), heartbeat=0)
        self.cleaner = self.cleaning.channel()
        self.listener.basic_consume(LISTENER, no_ack=True, callback=self._hear)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listening.connection.transport.sock, selectors.EVENT_READ, "broker")
        self.connections = connections
        self.idle: deque[Connection] = deque()
        self.waiting: deque[Life] = deque()
        self.purged = time.monotonic()

    def close(self) -> None:
        """Closes all connections."""
        self.selector.close()
        self.sender.release()
        self.listening.release()
        self.cleaning.release()

    def _come(self) -> None:
        for _ in range(self.connections):
            connection = Connection(socket.create_connection(("127.0.0.1", self.stage.port)))
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.selector.register(connection.sock, selectors.EVENT_READ, connection)
            self.idle.append(connection)

    def _go(self) -> None:
        while self.idle:
            connection = self.idle.popleft()
            self.selector.unregister(connection.sock)
            connection.sock.close()

    # -- reports

    def report(self, due: float) -> None:
        """Publishes a report."""
        id_, at = new_id(), datetime.now(UTC)
        grid, community, street = self.dice.choice(self.grids)
        code, name, signs, _ = self.dice.choice(self.matters)
        place = {"street": street, "community": community, "grid": grid, "confidence": 0.95}
        data = {
            "report": {
                "id": id_,
                "tracking_code": f"JY-{at:%Y%m%d}-{self.dice.randrange(36**6):06X}"[:18],
                "kind": "problem",
                "channel": "mini_program",
                "title": name,
                "text": f"{name}，请派人看看。" * 3,
                "category": {"code": code, "name": name, "confidence": 0.95, "method": "keywords"},
                "livelihood": True,
                "importance": 2,
                "urgency": 2,
                "place": place | {"evidence": "小区"},
                "signs": [{"code": s, "call": "119"} for s in signs],
                "reporter": new_id(),
                "received_at": iso(at),
            }
        }
        event = envelope.make(
            "report.received", names.source("intake"), data, at=at, subject=id_, sequence=1, street=street
        )
        self.reports[id_] = Life(due)
        wire.publish(
            self.channel,
            [
                wire.Publishing(
                    names.EVENTS_EXCHANGE,
                    "report.received",
                    True,
                    envelope.encode(event),
                    names.CONTENT_TYPE,
                    message_id=id_,
                )
            ],
        )

    def _hear(self, message: Any) -> None:
        self._assigned(json.loads(message.body))

    def _assigned(self, event: dict[str, Any]) -> None:
        case = event["data"]["case"]
        life = next((self.reports.pop(r["id"]) for r in case["reports"] if r["id"] in self.reports), None)
        if life is None:
            return
        for leg in case["legs"]:
            for action in ("accept", "answer", "resolve"):
                life.todo.append(
                    self._request(
                        f"/cases/{case['id']}/legs/{leg['id']}/{action}",
                        self._assignee(leg["assignee"], case["street"]),
                    )
                )
        inspector = self._token("inspector-1", ("inspector",), case["street"])
        life.todo.append(self._request(f"/cases/{case['id']}/inspect", inspector, {"passed": True}))
        county = self._token("county-9", ("county",), "")
        life.todo.append(
            self._request(
                f"/cases/{case['id']}/close",
                county,
                {"confirmed": "satisfied", "reason": "核查通过，群众满意"},
            )
        )
        self._want(life)

    def _want(self, life: Life) -> None:
        life.wanted_at = time.perf_counter()
        self.waiting.append(life)

    def _assignee(self, who: dict[str, str], street: str) -> str:
        if who["type"] == "unit":
            return self._token(f"clerk-{who['id']}", ("unit_clerk",), "", who["id"])
        if who["type"] == "desk":
            own = who["id"].removeprefix("desk-")
            if own.endswith("000"):
                return self._token("county-1", ("county",), "")
            return self._token(f"desk-{own}-1", ("desk",), own)
        return self._token(who["id"], ("grid_worker",), street)

    def _token(self, subject: str, roles: tuple[str, ...], street: str, unit: str = "") -> str:
        key = (subject, *roles, street, unit)
        if key not in self.tokens:
            self.tokens[key] = self.stage.cluster.token(subject, *roles, street=street, unit=unit)
        return self.tokens[key]

    def _request(self, path: str, token: str, body: dict[str, Any] | None = None) -> bytes:
        raw = json.dumps(body or {}).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(raw)}\r\n\r\n"
        )
        return head.encode() + raw

    # -- the loop

    def play(self, times: Iterator[float] | None, count: int, window: int = 0) -> Played:
        """Leads `count` lives: each begun at its time (seconds from now), or `window` at a time."""
        out, started = Played(), time.perf_counter()
        begun = 0
        self._come()
        timetable = list(itertools.islice(times, count)) if times is not None else []
        while out.done < count:
            now = time.perf_counter()
            while begun < count:
                if timetable:
                    if now < started + timetable[begun]:
                        break
                    self.report(started + timetable[begun])
                elif begun - out.done < window:
                    self.report(time.perf_counter())
                else:
                    break
                begun += 1
            while self.waiting and self.idle:
                self._send(self.idle.popleft(), self.waiting.popleft())
            wait = 1.0
            if timetable and begun < count:
                wait = max(0.0, min(1.0, started + timetable[begun] - time.perf_counter()))
            for key, _ in self.selector.select(wait):
                if key.data == "broker":
                    self._drain()
                else:
                    self._answered(key.data, out, started)
            if time.perf_counter() - started > 900:
                raise SystemExit(f"{count - out.done} of {count} lives have not come to their end in 900 s")
            self._keep_clean()
        out.seconds = time.perf_counter() - started
        self._go()
        return out

    def _drain(self) -> None:
        try:
            self.listening.drain_events(timeout=0.05)
        except TimeoutError:
            return
        for delivery in wire.deliveries(self.listening, self.listener):
            self._assigned(json.loads(delivery.body))

    def _send(self, connection: Connection, life: Life) -> None:
        connection.life, connection.got = life, b""
        connection.sock.sendall(life.todo.popleft())

    def _answered(self, connection: Connection, out: Played, started: float) -> None:
        data = connection.sock.recv(262144)
        if not data:
            raise SystemExit("the service closed a connection")
        connection.got += data
        if not whole_answer(connection.got):
            return
        if not connection.got.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"refused: {connection.got[:1200].decode(errors='replace')}")
        life, now = connection.life, time.perf_counter()
        assert life is not None
        out.actions.append(1e3 * (now - life.wanted_at))
        connection.life = None
        self.idle.append(connection)
        if life.todo:
            self._want(life)
            return
        out.done += 1
        out.lives.append(1e3 * (now - life.due))
        out.finished.append(now - started)

    def _keep_clean(self) -> None:
        if time.monotonic() - self.purged < 3:
            return
        self.purged = time.monotonic()
        for queue in OTHERS:
            self.cleaner.queue_purge(queue)


# -- the run -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Result:
    """A round: lives a second, CPU (ms a life) by process and of this player, p95 of an action (ms)."""

    rate: float
    cpu: dict[str, float]
    people: float
    p95: float
    busy: float

    @property
    def total(self) -> float:
        """CPU without the player's."""
        return sum(self.cpu.values())

    def __str__(self) -> str:
        each = ", ".join(f"{k} {v:.1f}" for k, v in self.cpu.items())
        return (
            f"{self.rate:6.1f} lives/s, CPU {self.total:.1f} ms a life ({each}; the player {self.people:.1f}), "
            f"p95 of an action {self.p95:.0f} ms, machine {self.busy:.0%} busy"
        )


def measured(stage: Stage, count: int, window: int) -> Result:
    """One round at full speed."""
    groups = stage.groups()
    before, busy, own, started = cpu(groups), machine(), sum(os.times()[:2]), time.monotonic()
    played = stage.people.play(None, count, window)
    wall = time.monotonic() - started
    after = cpu(groups)
    each = {k: 1e3 * (after[k] - before[k]) / count for k in groups}
    return Result(
        count / played.seconds,
        each,
        1e3 * (sum(os.times()[:2]) - own) / count,
        percentile(played.actions, 0.95),
        (machine() - busy) / wall / (os.cpu_count() or 1),
    )


def templates(stage: Stage) -> None:
    """Lives that the service itself leads, one in twenty of them not to its end: what the others are copied from."""
    stage.people.play(None, TEMPLATES * 19 // 20, 24)
    for _ in range(TEMPLATES // 20):
        stage.people.report(0.0)
    until = time.monotonic() + 60
    while stage.count() < TEMPLATES:
        if time.monotonic() > until:
            raise SystemExit(f"only {stage.count()} of {TEMPLATES} cases were opened in 60 s")
        time.sleep(0.1)
    stage.people.reports.clear()
    stage.people._drain()
    stage.people.waiting.clear()


def main() -> int:
    """Runs what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default="10000,100000,1000000")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--n", type=int, default=600)
    parser.add_argument("--window", type=int, default=24)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--secs", type=float, default=30)
    parser.add_argument("--burst", type=float, default=35)
    parser.add_argument("--burst-secs", type=float, default=60)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    sizes = [int(s) for s in options.sizes.split(",")]
    results: dict[int, list[Result]] = {size: [] for size in sizes}
    with provide() as servers, tempfile.TemporaryDirectory(prefix="jiayuan-bench-") as folder:
        stages: dict[int, Stage] = {}
        try:
            for size in sizes:
                stage = stages[size] = Stage(servers, Path(folder) / str(size), options.connections)
                templates(stage)
                took = stage.fill(size)
                print(f"{size:>9,} cases: filled in {took:.0f} s", flush=True)
            for number in range(options.rounds):
                print(f"round {number + 1}, yardstick {yardstick():.0f} ms", flush=True)
                for size, stage in stages.items():
                    measured(stage, options.n // 6, options.window)  # the caches are warm again
                    found = measured(stage, options.n, options.window)
                    results[size].append(found)
                    print(f"  {size:>9,} cases: {found}", flush=True)
            rates = {s: statistics.median(r.rate for r in found) for s, found in results.items()}
            costs = {s: statistics.median(r.total for r in found) for s, found in results.items()}
            small, large = sizes[0], sizes[-1]
            print(
                f"median: {rates[large]:.1f} lives/s at {large:,} is {rates[large] / rates[small]:.2f} of "
                f"{rates[small]:.1f} at {small:,}; CPU a life {costs[large] / costs[small]:.2f} of it"
            )
            pace = rates[large] / 2
            count = int(pace * options.secs)
            for size in (small, large):
                played = stages[size].people.play((i / pace for i in itertools.count()), count)
                p50, p95, p99 = (percentile(played.actions, q) for q in (0.5, 0.95, 0.99))
                print(
                    f"paced at {pace:.1f} lives/s with {size:,} cases: "
                    f"an action p50 {p50:.1f}, p95 {p95:.1f}, p99 {p99:.1f} ms"
                )
            print(burst(stages[large].people, options.burst, options.burst_secs))
        finally:
            for stage in stages.values():
                stage.close()
    if options.json:
        options.json.write_text(
            json.dumps({str(s): [r.__dict__ for r in found] for s, found in results.items()}, indent=1)
        )
    return 0


def burst(people: Everybody, rate: float, seconds: float, calm: float = 20.0) -> str:
    """1 life a second, then `rate`, then 1 again: how many came to their end, and when the backlog was gone."""
    times = list(itertools.takewhile(lambda t: t < calm, itertools.count(0.0, 1.0)))
    times += [calm + i / rate for i in range(int(rate * seconds))]
    times += [calm + seconds + i for i in range(int(calm))]
    played = people.play(iter(times), len(times))
    end = calm + seconds
    begun = sum(t < end for t in times)
    late = max((f for f in sorted(played.finished)[:begun]), default=0.0) - end
    return (
        f"burst from 1 to {rate:g} lives/s for {seconds:g} s and back: {played.done} of {len(times)} succeeded, "
        f"the backlog was gone {max(0.0, late):.1f} s after it; a life took p50 {percentile(played.lives, 0.5):.0f}, "
        f"p99 {percentile(played.lives, 0.99):.0f} ms, an action p95 {percentile(played.actions, 0.95):.0f} ms"
    )


if __name__ == "__main__":
    raise SystemExit(main())
