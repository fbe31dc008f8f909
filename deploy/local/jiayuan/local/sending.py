"""Notices through counting providers: at a steady rate while notify is killed again and again, and in a storm.

Reports reach notify over the bus, as from intake; two carriers (`carrier`) take its messages and count. What was fed
and what was aired is compared at the end: nothing lost, nothing twice.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import requests
from sqlalchemy import Engine, create_engine, text

from jiayuan.chassis import wire
from jiayuan.chassis.broker import connect
from jiayuan.chassis.database import driver_url
from jiayuan.chassis.seal import Sealer
from jiayuan.chassis.testing.processes import free_port
from jiayuan.contracts import envelope, names
from jiayuan.contracts.ids import new_id
from jiayuan.contracts.times import iso

from .cluster import Cluster
from .servers import Servers

FAULTS: Final[Mapping[str, float]] = {
    "lost": 0.01,
    "lost_late": 0.01,
    "cut": 0.005,
    "cut_late": 0.005,
    "hang": 0.001,
    "hang_late": 0.001,
    "throttle": 0.01,
    "garbage": 0.005,
}
STREET: Final = "350921001"
IN_TIME: Final = 10.0
"""Seconds within which a notice is to be with a provider."""


@dataclass
class Result:
    """What a campaign found. `shares`: how many a provider aired."""

    kills: int = 0
    fed: int = 0
    attempts: int = 0
    acknowledged: int = 0
    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    recovered: int = 0
    unexpected: list[str] = field(default_factory=list)
    in_time: float = 0.0
    slowest: float = 0.0
    shares: dict[str, int] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Nothing lost, nothing twice, nothing unexpected, and at least 95 % in time."""
        return not (self.lost or self.duplicated or self.unexpected) and self.in_time >= 0.95

    def lines(self) -> list[str]:
        """The report."""
        out = [
            f"killed        {self.kills} times",
            f"fed           {self.fed} notices",
            f"attempts      {self.attempts} (calls at the providers)",
            f"acknowledged  {self.acknowledged} notices on the air: "
            + ", ".join(f"{n} by {name}" for name, n in sorted(self.shares.items())),
            f"lost          {len(self.lost)}",
            f"duplicated    {len(self.duplicated)}",
            f"recovered     {self.recovered} whose answer was lost and that the provider was asked about",
            f"unexpected    {len(self.unexpected)}",
            f"in time       {self.in_time:.2%} within {IN_TIME:g} s, the slowest after {self.slowest:.1f} s",
        ]
        for name in ("lost", "duplicated", "unexpected"):
            out += [f"  {name}: {line}" for line in getattr(self, name)[:20]]
        return out


class Providers:
    """Carriers as processes, and the file that makes notify use them."""

    def __init__(self, folder: Path, count: int = 2, *, concurrency: int = 8, latency: float = 0.02) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.addresses: dict[str, str] = {}
        self._processes: list[subprocess.Popen[bytes]] = []
        entries = []
        for number in range(count):
            name, port = f"carrier{number + 1}", free_port()
            command = [sys.executable, "-m", "jiayuan.local.carrier", str(port), str(number)]
            self._processes.append(subprocess.Popen(command, stdin=subprocess.DEVNULL))
            self.addresses[name] = f"http://127.0.0.1:{port}"
            entries.append(
                {
                    "name": name,
                    "kind": "http",
                    "address": f"{self.addresses[name]}/messages",
                    "concurrency": concurrency,
                    "connect_timeout": 0.5,
                    "read_timeout": 1.0,
                }
            )
        self.file = folder / "providers.yaml"
        self.file.write_text(json.dumps({"providers": entries}), encoding="utf-8")
        for name in self.addresses:
            _within(20, partial(self.stats, name), f"{name} answers")
            self.mode(name, latency=latency)

    def stats(self, name: str) -> dict[str, Any]:
        """What a carrier has counted; empty while it doesn't answer."""
        with suppress(requests.ConnectionError):
            found: dict[str, Any] = requests.get(f"{self.addresses[name]}/stats", timeout=20).json()
            return found
        return {}

    def mode(self, name: str, **mode: Any) -> None:
        """How a carrier behaves from here on."""
        requests.post(f"{self.addresses[name]}/mode", json=mode, timeout=20).raise_for_status()

    def aired(self) -> dict[str, list[float]]:
        """When each code went on the air, at any carrier."""
        out: dict[str, list[float]] = {}
        for name in self.addresses:
            for code, times in self.stats(name)["aired"].items():
                out.setdefault(code, []).extend(times)
        return out

    def pids(self) -> list[int]:
        """Their processes."""
        return [p.pid for p in self._processes]

    def close(self) -> None:
        """Ends them."""
        for process in self._processes:
            process.kill()
            process.wait(10)


class Stage:
    """Notify with a virtual host and a database of its own, carriers, and a feed of reports."""

    def __init__(self, servers: Servers, folder: Path, providers: Providers, **settings: str) -> None:
        self.servers, self.providers = servers, providers
        settings = {
            "JIAYUAN_LOG_LEVEL": "WARNING",
            "JIAYUAN_NOTIFY_PROVIDERS": str(providers.file.absolute()),
            "JIAYUAN_NOTIFY_STUCK_SECONDS": "10",
            **settings,
        }
        self.cluster = Cluster(servers, folder, services=("notify",), settings=settings)
        self.cluster.prepare()
        assert self.cluster.broker is not None
        self.engine: Engine = create_engine(
            driver_url(self.cluster.database_urls["notify"]), pool_size=1, isolation_level="AUTOCOMMIT"
        )
        self.sealer = Sealer(self.cluster.seal_keys)
        self._connection = connect(self.cluster.broker.uri("intake"), heartbeat=0)
        self._channel = self._connection.channel()
        self._channel.confirm_select()
        self._channel.events["basic_ack"].add(self._ack)
        self._sent, self._unconfirmed = 0, set[int]()
        self.fed: dict[str, float] = {}

    def feed(self, count: int = 1, *, urgent: bool = False) -> list[str]:
        """Reports that make a notice each, with their confirms; their tracking codes."""
        events = {}
        for _ in range(count):
            number = len(self.fed)
            code, person = f"JY-{number:06d}", f"citizen-{number}"
            phone = f"1390000{number % 10000:04d}"
            report = {
                "id": new_id(),
                "tracking_code": code,
                "kind": "problem",
                "channel": "mini_program",
                "title": "路灯不亮",
                "text": "门口的路灯坏了好几天。",
                "category": {"code": "0102", "name": "路灯照明"},
                "livelihood": True,
                "importance": 2,
                "urgency": 2,
                "place": {"street": STREET},
                "signs": [{"code": "fire", "call": "119"}] if urgent else [],
                "reporter": person,
                "contact": self.sealer.seal({"phone": phone}, person),
                "received_at": iso(datetime.now(UTC)),
            }
            events[code] = envelope.make(
                "report.received",
                "/jiayuan/intake",
                {"report": report},
                at=datetime.now(UTC),
                sequence=1,
                street=STREET,
            )
            self.fed[code] = time.time()
        wire.publish(
            self._channel,
            (
                wire.Publishing(
                    names.EVENTS_EXCHANGE, "report.received", False, envelope.encode(e), names.CONTENT_TYPE
                )
                for e in events.values()
            ),
        )
        self._unconfirmed.update(range(self._sent + 1, self._sent + len(events) + 1))
        self._sent += len(events)
        while self._unconfirmed:
            self._connection.drain_events(timeout=60)
        return list(events)

    def _ack(self, tag: int, multiple: bool) -> None:
        self._unconfirmed -= {t for t in self._unconfirmed if t == tag or (multiple and t < tag)}

    def one(self, sql: str) -> int:
        """A number out of notify's database."""
        with self.engine.connect() as conn:
            return int(conn.execute(text(sql)).scalar_one())

    def backends(self) -> list[int]:
        """The database's processes that serve notify: all that can be seen of a server which was given."""
        with self.engine.connect() as conn:
            sql = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            return list(conn.execute(text(sql)).scalars())

    def states(self) -> dict[str, int]:
        """How many notices are in which state."""
        with self.engine.connect() as conn:
            rows = conn.execute(text("SELECT state, count(*) FROM sending GROUP BY 1")).all()
        return {str(state): int(n) for state, n in rows}

    def settled(self) -> bool:
        """Whether every notice fed has come to its end."""
        return self.states() == {"accepted": len(self.fed)}

    def close(self) -> None:
        """Stops and deletes everything."""
        self._connection.release()
        self.engine.dispose()
        self.cluster.stop()
        self.cluster.drop()

    def result(self, kills: int) -> Result:
        """Compares what was fed with what was aired."""
        found = Result(kills=kills, fed=len(self.fed))
        stats = {name: self.providers.stats(name) for name in self.providers.addresses}
        found.attempts = sum(s["posts"] for s in stats.values())
        found.shares = {name: len(s["aired"]) for name, s in stats.items()}
        aired = self.providers.aired()
        found.acknowledged = len(aired)
        found.lost = sorted(self.fed.keys() - aired.keys())
        found.duplicated = sorted(code for code, times in aired.items() if len(times) > 1)
        found.unexpected += [
            f"aired, but never fed: {code}" for code in sorted(aired.keys() - self.fed.keys())
        ]
        found.unexpected += [f"{n} notices are {s}" for s, n in self.states().items() if s != "accepted"]
        found.recovered = self.one(
            "SELECT count(DISTINCT notice_id) FROM attempt WHERE kind = 'query' AND outcome <> 'unknown'"
        )
        waits = sorted(min(times) - self.fed[code] for code, times in aired.items() if code in self.fed)
        if waits:
            found.in_time = sum(w <= IN_TIME for w in waits) / len(self.fed)
            found.slowest = waits[-1]
        return found


def campaign(
    servers: Servers,
    folder: Path,
    *,
    seconds: float = 300.0,
    rate: float = 50.0,
    kills: int = 20,
    replicas: int = 2,
    seed: int = 1,
    faults: Mapping[str, float] = FAULTS,
    settle: float = 180.0,
) -> Result:
    """Feed notices at a rate, kill a process of notify with SIGKILL again and again, then reconcile."""
    providers = Providers(folder)
    try:
        for name in providers.addresses:
            providers.mode(name, faults=dict(faults))
        stage = Stage(servers, folder / "notify", providers)
        try:
            for _ in range(replicas):
                stage.cluster.start("notify", wait=False)
            for process in stage.cluster.processes["notify"]:
                process.wait_ready()
            killer = _Killer(stage.cluster, kills, seconds, seed)
            killer.start()
            _feed_at(stage, rate, seconds)
            killer.join(60)
            _within(settle, stage.settled, "every notice has come to its end", fail=False)
            return stage.result(killer.done)
        finally:
            stage.close()
    finally:
        providers.close()


def _feed_at(stage: Stage, rate: float, seconds: float) -> None:
    started, sent = time.monotonic(), 0
    while (spent := time.monotonic() - started) < seconds:
        due = int(spent * rate) - sent
        if due > 0:
            stage.feed(due)
            sent += due
        time.sleep(0.02)


class _Killer(threading.Thread):
    """Kills a process and starts another in its place, at random moments of its turn."""

    def __init__(self, cluster: Cluster, kills: int, seconds: float, seed: int) -> None:
        super().__init__(daemon=True)
        self.cluster, self.kills, self.every = cluster, kills, seconds / max(kills, 1)
        self.done = 0
        self._random = random.Random(seed)

    def run(self) -> None:
        """Until all kills are done."""
        for _ in range(self.kills):
            wait = self._random.uniform(0.2, 0.8) * self.every
            time.sleep(wait)
            living = [p for p in self.cluster.processes["notify"] if p.alive]
            victim = self._random.choice(living)
            victim.kill()
            self.done += 1
            self.cluster.start("notify", wait=False)
            time.sleep(self.every - wait)


@dataclass
class Storm:
    """What a storm found: seconds until each urgent notice was on the air, what a process that was
    asked to stop left without an answer, and MB of notify before and at most."""

    queued: int
    left: int
    waits: list[float]
    missing: int
    unanswered: int
    mb_before: float
    mb_most: float
    aired_a_second: float

    @property
    def good(self) -> bool:
        """All urgent ones within 10 s, every call answered, and memory that doesn't grow with the queue."""
        return (
            not (self.missing or self.unanswered)
            and max(self.waits) <= IN_TIME
            and self.mb_most < self.mb_before + 60
        )

    def lines(self) -> list[str]:
        """The report."""
        return [
            f"queued        {self.queued:,}, {self.left:,} left at the end, {self.aired_a_second:,.0f}/s aired",
            f"urgent        {len(self.waits)} on the air, the slowest after {max(self.waits, default=0):.1f} s, "
            f"{self.missing} not at all; {self.unanswered} left without an answer by a process asked to stop",
            f"memory        {self.mb_before:.0f} MB before, {self.mb_most:.0f} MB at most",
        ]


def storm(servers: Servers, folder: Path, *, queued: int = 200_000, seconds: float = 60.0) -> Storm:
    """Queue notices without urgency, then feed an urgent one each second and see when it is on the air."""
    providers = Providers(folder)
    try:
        # A thousand people get hundreds each, of which the day's cap would hold back nearly all.
        stage = Stage(servers, folder / "notify", providers, JIAYUAN_NOTIFY_COURTESY="off")
        try:
            process = stage.cluster.start("notify")
            assert process.popen is not None
            pid = process.popen.pid
            stage.feed(20)
            _within(30, stage.settled, "notify sends")
            before = _resident(pid)
            _queue(stage, queued)
            most = before
            urgent: list[str] = []
            started, first = time.monotonic(), len(providers.aired())
            while (spent := time.monotonic() - started) < seconds:
                if len(urgent) <= spent:
                    urgent += stage.feed(1, urgent=True)
                most = max(most, _resident(pid))
                time.sleep(0.1)
            _within(20, lambda: providers.aired().keys() >= set(urgent), "urgent ones are out", fail=False)
            aired = providers.aired()
            spent = time.monotonic() - started
            process.terminate()
            return Storm(
                queued,
                stage.one("SELECT count(*) FROM sending WHERE state = 'queued'"),
                [aired[code][0] - stage.fed[code] for code in urgent if code in aired],
                sum(code not in aired for code in urgent),
                stage.one("SELECT count(*) FROM sending WHERE state IN ('submitted', 'unknown')"),
                before,
                most,
                (len(aired) - first) / spent,
            )
        finally:
            stage.close()
    finally:
        providers.close()


def _queue(stage: Stage, count: int) -> None:
    """Notices as they would be after an hour without sending, of a thousand people."""
    people = [f"storm-{n}" for n in range(1000)]
    contacts = [stage.sealer.seal({"phone": f"1390000{n:04d}"}, p) for n, p in enumerate(people)]
    with stage.engine.connect() as conn:
        conn.execute(
            text(
                "INSERT INTO recipient (type, ref, role, street, grid, contact, active, version) "
                "SELECT 'citizen', ref, 'citizen', '', '', contact, true, 1 "
                "FROM unnest(CAST(:refs AS text[]), CAST(:contacts AS text[])) AS r(ref, contact)"
            ),
            {"refs": people, "contacts": contacts},
        )
        conn.execute(
            text(
                "INSERT INTO notice (id, recipient_type, recipient, role, matter, step, template, template_version, "
                "rule, street, parameters, at, event_id, traceparent) "
                "SELECT gen_random_uuid(), 'citizen', 'storm-' || n % 1000, 'citizen', 'm' || n, 'received', "
                "'received', 1, 'citizen-received', :street, "
                "jsonb_build_object('tracking_code', 'JY-S' || n), now(), 'e' || n, '' "
                "FROM generate_series(1, :count) AS n"
            ),
            {"count": count, "street": STREET},
        )
        conn.execute(
            text(
                "INSERT INTO sending (notice_id, state, state_at, priority, due_at) "
                "SELECT id, 'queued', now(), 1, now() FROM notice WHERE event_id LIKE 'e%' AND recipient LIKE 'storm-%'"
            )
        )


def _resident(pid: int) -> float:
    """Resident memory of a process in MB."""
    status = Path("/proc", str(pid), "status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS:"))


def _within(seconds: float, condition: Any, what: str, *, fail: bool = True) -> bool:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            if fail:
                raise TimeoutError(f"not within {seconds:g} s: {what}")
            return False
        time.sleep(0.1)
    return True
