"""Jiayuan's whole path against its peers' empty hops, in one run on the same servers: `make bench`.

Report in (report.submitted of an outside system, over the broker) to notices recorded, the case routed, its clocks
armed and the livelihood entry posted: five services, one process each, quorum queues, confirms, fsync on. PostgreSQL
has the settings that we ship (bench.shipped), for the peers as well.
Options: --rounds 3, --n 10000 (reports at full speed), --rate 50 --secs 20 (paced), --no-peers, --backlog 100000
(queued while routing is down), --idle (memory and start-up).
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, text

from bench.measure import Row, cpu, machine, percentile, rss_mb, yardstick
from bench.shipped import as_shipped
from jiayuan.chassis import wire
from jiayuan.chassis.broker import connect
from jiayuan.chassis.database import driver_url
from jiayuan.contracts import envelope, names
from jiayuan.intake import report
from jiayuan.local.cluster import Cluster
from jiayuan.local.servers import Servers, provide

HERE = Path(__file__).parent
PEERS = ("nameko", "celery", "faststream", "dramatiq")
PARTNER = "hotline-12345"
WINDOW = 3000
_PLACES = re.compile("[\u4e00-\u9fff]{2,4}(?:社区|村|佳苑|家园|花园|小区|新村)(?:[0-9]+(?:幢|栋|号楼))?")
DEMO = HERE.parent / "deploy/local/jiayuan/local/data/demo_reports.jsonl"

DRAINED = {
    "intake": "SELECT count(*) FROM report",
    "routing": "SELECT count(*) FROM case_report WHERE case_id IS NOT NULL",
    "sla": "SELECT count(*) FROM case_seen WHERE sequence >= 2",
    "notify": "SELECT count(DISTINCT case_id) FROM notice WHERE role = 'assignee'",
}
# Cheap enough to ask often, whatever the tables' size: how many reports routing has taken.
PROGRESS = "SELECT coalesce(pg_sequence_last_value('case_number'), 0)"


class Feed:
    """Publishes reports as an outside system does, with many confirms in flight."""

    def __init__(self, uri: str) -> None:
        self.texts = [json.loads(line) for line in DEMO.read_text(encoding="utf-8").splitlines()]
        self.letters = sorted({c for t in self.texts for c in t["text"] if "\u4e00" <= c <= "\u9fff"})
        self.connection = connect(uri)
        self.channel = self.connection.channel()
        self.channel.confirm_select()
        self.unconfirmed: dict[int, None] = {}  # in the order of sending
        self.sent = self.made = 0
        self.bodies: deque[bytes] = deque()
        self.channel.events["basic_ack"].add(self._ack)

    def _ack(self, tag: int, multiple: bool) -> None:
        if not multiple:
            self.unconfirmed.pop(tag, None)
            return
        for t in list(itertools.takewhile(lambda t: t <= tag, self.unconfirmed)):
            del self.unconfirmed[t]

    def prepare(self, count: int) -> None:
        """Makes the messages beforehand, so that making them costs nothing while it is measured."""
        for number in range(self.made, self.made + count):
            line = self.texts[number % len(self.texts)]
            data = {
                "external_id": f"bench-{number}",
                "kind": line["kind"],
                "text": self._text(line["text"], number),
                "contact": {"phone": f"1390000{number % 10000:04d}"},
            }
            if line.get("title"):
                data["title"] = line["title"]
            if line.get("place_text"):
                data["place"] = {"text": line["place_text"]}
            event = envelope.make(
                "report.submitted", names.partner_source(PARTNER), data, at=datetime.now(UTC)
            )
            self.bodies.append(envelope.encode(event))
        self.made += count

    def _text(self, text: str, number: int) -> str:
        """As long as a real text, with its place and the words that give its category, in words of its own otherwise.

        Each report is so a matter of its own, as most are: repeated texts would all be joined to the first.
        """
        draw = random.Random(number)
        parts = ["".join(draw.choice(self.letters) for _ in range(6)) for _ in range(len(text) // 6)]
        for word in {m[0] for m in _PLACES.finditer(text)} | self._keywords(text):
            parts.insert(draw.randrange(len(parts) + 1), word)
        return "，".join(parts)

    @staticmethod
    @cache
    def _keywords(text: str) -> frozenset[str]:
        rules = report.rules()
        return frozenset(word for word, _ in rules.catalogue.classify("", text).why)

    def send(self, count: int = 1) -> None:
        """Publishes; `flush` waits for the confirms."""
        if len(self.bodies) < count:
            self.prepare(count - len(self.bodies))
        bodies = [self.bodies.popleft() for _ in range(count)]
        self.unconfirmed.update(dict.fromkeys(range(self.sent + 1, self.sent + count + 1)))
        self.sent += count
        wire.publish(
            self.channel,
            (
                wire.Publishing(
                    names.INBOUND_EXCHANGE,
                    "report.submitted",
                    True,
                    body,
                    names.CONTENT_TYPE,
                    user_id=PARTNER,
                )
                for body in bodies
            ),
        )

    def flush(self) -> None:
        """Waits until the broker has them."""
        while self.unconfirmed:
            self.connection.drain_events(timeout=60)

    def close(self) -> None:
        """Closes the connection."""
        self.connection.release()


class Path5:
    """The five services on servers, and what is in their databases."""

    def __init__(self, servers: Servers, folder: Path, **settings: str) -> None:
        self.servers = servers
        self.cluster = Cluster(servers, folder, settings={"JIAYUAN_LOG_LEVEL": "WARNING", **settings})
        self.cluster.prepare()
        self.engines: dict[str, Engine] = {
            s: create_engine(driver_url(url), pool_size=1, isolation_level="AUTOCOMMIT")
            for s, url in self.cluster.database_urls.items()
        }

    def seed(self) -> None:
        """The directory at its real scale."""
        path = self.cluster.folder / "directory.json"
        for arguments in (("seed", "--out", str(path)), ("import", str(path))):
            done = self.cluster.command("routing", "routing", "directory", *arguments)
            if done.returncode:
                raise SystemExit(f"the directory could not be made: {done.stderr[-800:]}")
        self.wait(
            lambda: self.one("notify", "SELECT count(*) FROM recipient") >= 3500, "the directory is known"
        )

    def one(self, service: str, sql: str) -> int:
        """A number out of a service's database."""
        with self.engines[service].connect() as conn:
            return int(conn.execute(text(sql)).scalar_one())

    def done(self, service: str = "notify") -> int:
        """How many reports a service is through with."""
        return self.one(service, DRAINED[service])

    def wait(
        self, condition: Callable[[], bool], what: str, limit: float = 300.0, every: float = 0.1
    ) -> None:
        """Waits, or ends the benchmark with words."""
        until = time.monotonic() + limit
        while not condition():
            if time.monotonic() > until:
                raise SystemExit(f"not within {limit:g} s: {what}; {self.state()}")
            time.sleep(every)

    def through(self, reports: int) -> bool:
        """Every report is in a case (equal ones share one), and every case has its clocks and notices."""
        if self.done("intake") < reports or self.done("routing") < reports:
            return False
        cases = self.one("routing", 'SELECT count(*) FROM "case" WHERE sequence >= 2')
        return self.done("sla") >= cases and self.done("notify") >= cases

    def all_through(self, reports: int) -> bool:
        """As `through`, every livelihood matter has its entry, and nothing is under way."""
        return (
            self.through(reports)
            and self.one("ledger", "SELECT count(*) FROM entry")
            == self.one("routing", 'SELECT count(*) FROM "case" WHERE livelihood')
            and all(self.one(s, "SELECT count(*) FROM outbox") == 0 for s in self.engines)
        )

    def state(self) -> str:
        """Where everything stands, for a message."""
        counts = {s: self.done(s) for s in DRAINED}
        letters = {s: self.one(s, "SELECT count(*) FROM dead_letter") for s in self.engines}
        return f"through: {counts}, dead letters: {letters}"

    def groups(self) -> dict[str, list[int]]:
        """Whose CPU is whose."""
        return {
            **self.cluster.pids(),
            "broker": self.servers.broker_pids(),
            "database": self.servers.database_pids(),
        }

    def close(self) -> None:
        """Stops and deletes everything."""
        for engine in self.engines.values():
            engine.dispose()
        self.cluster.stop()
        self.cluster.drop()


def jiayuan(servers: Servers, folder: Path, n: int, rate: float, secs: float) -> Row:
    """One run: warm-up, full speed, paced."""
    path = Path5(servers, folder)
    try:
        path.cluster.start_all()
        path.seed()
        assert path.cluster.broker is not None
        feed = Feed(path.cluster.broker.uri(PARTNER))
        feed.send(300)
        feed.flush()
        path.wait(lambda: path.all_through(300), "warm-up")

        feed.prepare(n)
        groups, base = path.groups(), feed.sent
        before, busy, started = cpu(groups), machine(), time.monotonic()
        own = sum(os.times()[:2])
        while feed.sent - base < n:
            room = WINDOW - (feed.sent - path.one("routing", PROGRESS))
            if room < 500:
                time.sleep(0.05)
                continue
            feed.send(min(room, n - (feed.sent - base)))
            feed.flush()
        path.wait(lambda: path.one("routing", PROGRESS) >= feed.sent, "routing has taken all", every=0.05)
        path.wait(lambda: path.through(feed.sent), "all clocks armed, all notices recorded", every=0.05)
        took = time.monotonic() - started
        path.wait(lambda: path.all_through(feed.sent), "everything drained")
        after = cpu(groups)
        detail = {f"cpu_{k}": round(1e3 * (after[k] - before[k]) / n, 3) for k in groups}
        cpu_ms = sum(detail.values())
        detail["cpu_feeder"] = round(1e3 * (sum(os.times()[:2]) - own) / n, 3)
        detail["busy"] = round((machine() - busy) / (time.monotonic() - started) / (os.cpu_count() or 1), 2)
        detail |= {f"mb_{s}": round(rss_mb(pids[0])) for s, pids in path.cluster.pids().items()}

        p_before = cpu(groups)
        latencies = paced(path, feed, rate, secs)
        p_after = cpu(groups)
        spent = sum(p_after[k] - p_before[k] for k in groups)
        detail["paced_cpu"] = round(1e3 * spent / (rate * secs), 2)
        path.wait(lambda: path.all_through(feed.sent), "everything drained again")
        complete = all(path.one(s, "SELECT count(*) FROM dead_letter") == 0 for s in path.engines)
        feed.close()
        return Row(
            "jiayuan (whole path)",
            n / took,
            cpu_ms,
            percentile(latencies, 0.5),
            percentile(latencies, 0.99),
            detail,
            complete,
        )
    finally:
        path.close()


# When the two things a report waits for were committed, as the database itself has noted: a row's xmin is the
# transaction that wrote it last, and nothing touches these rows again during the run.
COMMITTED = {
    "notify": "SELECT case_id, extract(epoch FROM pg_xact_commit_timestamp(xmin)) FROM notice "
    "WHERE role = 'assignee'",
    "sla": "SELECT case_id, extract(epoch FROM max(pg_xact_commit_timestamp(xmin))) FROM clock "
    "WHERE leg_id <> '' GROUP BY case_id",
}


def paced(path: Path5, feed: Feed, rate: float, secs: float) -> list[float]:
    """Milliseconds from publishing a report to the commit of its assignee's notice and of its clocks.

    Nobody looks meanwhile: an observer that asks the databases all the time would be most of their load.
    """
    if _rows(path, "notify", "SHOW track_commit_timestamp") != [("on",)]:
        raise SystemExit("the paced run needs a PostgreSQL with track_commit_timestamp=on")
    count, first = int(rate * secs), feed.sent
    sent_at: dict[str, float] = {}
    started = time.time()
    for i in range(count):
        time.sleep(max(0.0, started + i / rate - time.time()))
        sent_at[f"bench-{feed.sent}"] = time.time()
        feed.send()
        feed.flush()
    path.wait(lambda: path.all_through(first + count), "the paced reports are through", every=0.5)
    committed = {service: dict(_rows(path, service, sql)) for service, sql in COMMITTED.items()}
    reports = dict(_rows(path, "intake", "SELECT id::text, external_id FROM report"))
    cases = _rows(path, "routing", "SELECT case_id::text, report_id FROM case_report")
    out = []
    for case, report_id in cases:
        began = sent_at.get(reports[report_id])
        if began is not None:
            out.append(1e3 * (max(float(when[case]) for when in committed.values()) - began))
    if len(out) != count:
        raise SystemExit(f"{count} paced reports, {len(out)} seen")
    return out


def _rows(path: Path5, service: str, sql: str, **parameters: str) -> list[Any]:
    with path.engines[service].connect() as conn:
        return [tuple(r) for r in conn.execute(text(sql), parameters)]


def backlog(servers: Servers, folder: Path, count: int) -> None:
    """Reports queued while routing is down: it catches up at full speed with flat memory."""
    path = Path5(servers, folder)
    try:
        path.cluster.start_all()
        path.seed()
        assert path.cluster.broker is not None
        path.cluster.processes["routing"][0].kill()
        feed = Feed(path.cluster.broker.uri(PARTNER))
        started = time.monotonic()
        while feed.sent < count:
            feed.send(min(500, count - feed.sent))
            feed.flush()
        path.wait(lambda: path.done("intake") >= count, "intake took them", 600)
        print(
            f"  {count} reports taken while routing was down: {count / (time.monotonic() - started):.0f}/s",
            flush=True,
        )
        routing = path.cluster.start("routing")
        assert routing.popen is not None
        started, peak, low = time.monotonic(), 0.0, rss_mb(routing.popen.pid)
        rates: list[float] = []
        done, at = path.done("routing"), time.monotonic()
        while done < count:
            time.sleep(1)
            peak = max(peak, rss_mb(routing.popen.pid))
            now = path.done("routing")
            rates.append((now - done) / (time.monotonic() - at))
            done, at = now, time.monotonic()
        took = time.monotonic() - started
        path.wait(lambda: path.all_through(count), "everything caught up", 600)
        print(
            f"  routing caught up at {count / took:.0f}/s, all five at {count / (time.monotonic() - started):.0f}/s"
        )
        print(f"  routing's memory: {low:.0f} MB at the start, {peak:.0f} MB at most", flush=True)
        tenth = max(1, len(rates) // 5)
        print(
            f"  first fifth {statistics.mean(rates[:tenth]):.0f}/s, last fifth {statistics.mean(rates[-tenth:]):.0f}/s"
        )
        feed.close()
    finally:
        path.close()


def idle(servers: Servers, folder: Path) -> None:
    """Seconds until each service is ready, started alone, and its memory at rest."""
    path = Path5(servers, folder)
    try:
        print("  service   ready after   memory")
        for service in path.cluster.services:
            started = time.monotonic()
            process = path.cluster.start(service)
            assert process.popen is not None
            print(
                f"  {service:9} {time.monotonic() - started:9.1f} s {rss_mb(process.popen.pid):7.0f} MB",
                flush=True,
            )
    finally:
        path.close()


def peer(python: Path, name: str, servers: Servers, n: int, rate: float, secs: float) -> Row:
    """One run of a peer in its own environment, on the same servers."""
    env = {**os.environ, "AMQP_URI": servers.amqp_uri, "PG_DSN": servers.database_url}
    env.pop("PYTHONPATH", None)
    command = [
        str(python),
        "-W",
        "ignore",
        f"pipeline_{name}.py",
        "--n",
        str(n),
        "--rate",
        str(rate),
        "--secs",
        str(secs),
    ]
    done = subprocess.run(
        command, cwd=HERE / "peers", env=env, capture_output=True, text=True, timeout=400, check=False
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        raise SystemExit(f"peer {name} failed:\n{done.stdout[-1000:]}\n{done.stderr[-2000:]}")
    row = json.loads(lines[-1])
    return Row(
        name,
        row["reports_per_s"],
        row["cpu_ms_total"],
        row["paced_p50_ms"],
        row["paced_p99_ms"],
        {f"cpu_{k}": v for k, v in row["cpu_ms_per_report"].items()},
        row["complete"],
    )


def peers_python() -> Path:
    """The peers' own virtual environment, made from pinned requirements when missing."""
    folder = HERE.parent / ".local" / "peers-venv"
    python = folder / "bin" / "python"
    stamp, wanted = folder / "installed", (HERE / "peers" / "requirements.txt").read_text()
    if not stamp.exists() or stamp.read_text() != wanted:
        print("making the peers' environment …", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run(
            [
                str(python),
                "-m",
                "pip",
                "install",
                "-q",
                "--require-hashes",
                "-r",
                str(HERE / "peers" / "requirements.txt"),
            ],
            check=True,
        )
        stamp.write_text(wanted)
    return python


def show(rows: dict[str, list[Row]]) -> None:
    """The table of medians and the ratios."""
    print(f"\n{'':22} {'reports/s':>10} {'CPU ms':>7} {'p50 ms':>7} {'p99 ms':>7}  complete")
    medians = {}
    for name, runs in rows.items():
        m = [
            statistics.median(getattr(r, k) for r in runs)
            for k in ("reports_per_s", "cpu_ms", "p50_ms", "p99_ms")
        ]
        medians[name] = m
        whole = "yes" if all(r.complete for r in runs) else "NO"
        print(f"{name:22} {m[0]:10.0f} {m[1]:7.2f} {m[2]:7.1f} {m[3]:7.1f}  {whole}")
    ours = "jiayuan (whole path)"
    peers = {k: v for k, v in medians.items() if k != ours}
    print("\nCPU ms a report by process: ", end="")
    keys = [k for k in rows[ours][0].detail if k.startswith("cpu_")]
    print(", ".join(f"{k[4:]} {statistics.median(r.detail[k] for r in rows[ours]):.2f}" for k in keys))
    memory = [k for k in rows[ours][0].detail if k.startswith("mb_")]
    print("memory after the run, MB: " + ", ".join(f"{k[3:]} {rows[ours][-1].detail[k]:.0f}" for k in memory))
    print(
        f"CPU ms a report at the paced rate: {statistics.median(r.detail['paced_cpu'] for r in rows[ours]):.1f}"
    )
    if peers:
        for name, m in peers.items():
            pairs = [a.reports_per_s / b.reports_per_s for a, b in zip(rows[ours], rows[name], strict=False)]
            each = ", ".join(f"{p:.2f}" for p in pairs)
            print(f"jiayuan ÷ {name}: {medians[ours][0] / m[0]:.2f} (round by round: {each})")
        best = max(peers, key=lambda k: peers[k][0])
        print(
            f"\nagainst the best peer ({best}): {medians[ours][0] / peers[best][0]:.2f} × its reports per second"
        )


def main() -> int:
    """Runs what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--n", type=int, default=10000)
    parser.add_argument("--peer-n", type=int, default=1500)
    parser.add_argument("--rate", type=float, default=50)
    parser.add_argument("--secs", type=float, default=20)
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--backlog", type=int, default=100000)
    parser.add_argument("--no-backlog", action="store_true")
    parser.add_argument("--no-idle", action="store_true")
    a = parser.parse_args()
    python = None if a.no_peers else peers_python()
    rows: dict[str, list[Row]] = {}
    with provide() as servers, tempfile.TemporaryDirectory(prefix="jiayuan-bench-") as folder:
        print(as_shipped(servers), flush=True)
        for i in range(a.rounds):
            print(f"round {i + 1}: a fixed Python loop takes {yardstick():.0f} ms here, now", flush=True)
            ours = jiayuan(servers, Path(folder) / f"round-{i}", a.n, a.rate, a.secs)
            print(f"round {i + 1}: {ours}", flush=True)
            rows.setdefault(ours.name, []).append(ours)
            for name in PEERS if python else ():
                row = peer(python, name, servers, a.peer_n, a.rate, a.secs)  # type: ignore[arg-type]
                print(f"round {i + 1}: {row}", flush=True)
                rows.setdefault(name, []).append(row)
        if not a.no_idle:
            print("\nstarting, one at a time:")
            idle(servers, Path(folder) / "idle")
        if not a.no_backlog:
            print(f"\nbacklog of {a.backlog}:")
            backlog(servers, Path(folder) / "backlog", a.backlog)
        if rows:
            show(rows)
    return 0 if all(r.complete for runs in rows.values() for r in runs) else 1


if __name__ == "__main__":
    sys.exit(main())
