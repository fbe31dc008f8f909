"""Kill things at random under load, then reconcile: `make chaos` (long), or the short form in the tests.

A feeder sends reports at a steady rate by HTTP and over the bus and asks again until each is acknowledged;
assignees act; deadlines pass on a fast clock. Meanwhile services, broker and database are killed with SIGKILL and
started again. At the end everything is drained and the books of the five services are compared.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import re
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import requests

from jiayuan.contracts.ids import new_id
from jiayuan.contracts.names import LANES, SERVICES, dead_queue, queue
from jiayuan.contracts.publisher import Publisher, PublishError

from . import reconcile
from .cluster import Cluster, Process
from .replay import Account, Receipt
from .servers import Servers, provide

PARTNER: Final = "hotline-12345"
DEMO: Final = Path(__file__).parent / "data" / "demo_reports.jsonl"
# Not asked of a run that is stopped in the middle of its cases.
NOT_AT_REST: Final = ("every case came to its end",)


@dataclass
class Result:
    """What a campaign found."""

    kills: Counter[str] = field(default_factory=Counter)
    attempts: int = 0
    acknowledged: int = 0
    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    retried: int = 0
    repeated: int = 0
    swept: int = 0
    unexpected: list[str] = field(default_factory=list)
    cases: int = 0
    steps: int = 0
    notices: int = 0

    @property
    def good(self) -> bool:
        """Nothing lost, nothing twice, nothing unexpected."""
        return not (self.lost or self.duplicated or self.unexpected)

    def lines(self) -> list[str]:
        """The report."""
        out = [
            f"killed        {sum(self.kills.values())}: "
            + ", ".join(f"{k} {n}" for k, n in self.kills.most_common()),
            f"attempts      {self.attempts} (reports sent, resends included)",
            f"acknowledged  {self.acknowledged} reports → {self.cases} cases, "
            f"{self.steps} steps, {self.notices} notices",
            f"lost          {len(self.lost)}",
            f"duplicated    {len(self.duplicated)}",
            f"recovered     {self.retried} reports acknowledged at a later attempt, {self.repeated} messages met again "
            f"and done once, {self.swept} events published by a sweeper",
            f"unexpected    {len(self.unexpected)}",
        ]
        for name in ("lost", "duplicated", "unexpected"):
            out += [f"  {name}: {line}" for line in getattr(self, name)[:20]]
        return out


class Feeder:
    """Sends reports at a rate, by HTTP and over the bus in turn, each again and again until it is acknowledged."""

    def __init__(self, cluster: Cluster, rate: float) -> None:
        self.cluster, self.rate = cluster, rate
        self.sent: dict[str, str] = {}
        self.acknowledged: dict[str, str] = {}
        self.attempts = self.retried = 0
        self.unexpected: list[str] = []
        self._texts = [json.loads(line) for line in DEMO.read_text(encoding="utf-8").splitlines()]
        self._numbers = itertools.count()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(way,)) for way in (self._http, self._bus)]

    def start(self) -> None:
        """Begins."""
        for thread in self._threads:
            thread.start()

    def stop(self, timeout: float = 120.0) -> None:
        """Sends nothing new, and waits until what was sent is acknowledged."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout)
        self.unexpected += ["a feeder did not end"] * sum(t.is_alive() for t in self._threads)

    def _run(self, way: Callable[[str, dict[str, Any]], str]) -> None:
        following = time.monotonic()
        while not self._stop.is_set():
            number = next(self._numbers)
            line = self._texts[number % len(self._texts)]
            document = {"kind": line["kind"], "text": f"{line['text']}（{number}）"}
            for key in ("title", "place_text"):
                if line.get(key):
                    document[key] = line[key]
            key = f"chaos-{number}"
            with self._lock:
                self.sent[key] = way.__name__
            report = self._until_acknowledged(way, key, document)
            with self._lock:
                self.acknowledged[key] = report
            following = max(following + 2 / self.rate, time.monotonic() - 2.0)
            self._stop.wait(max(0.0, following - time.monotonic()))

    def _until_acknowledged(
        self, way: Callable[[str, dict[str, Any]], str], key: str, document: dict[str, Any]
    ) -> str:
        for attempt in itertools.count(1):
            with self._lock:
                self.attempts += 1
                self.retried += attempt == 2
            try:
                return way(key, document)
            except (requests.RequestException, PublishError, _NotNow):
                time.sleep(min(2.0, 0.1 * attempt))
        raise AssertionError("unreachable")

    def _http(self, key: str, document: dict[str, Any]) -> str:
        body = {
            "channel": "mini_program",
            **document,
            "contact": {"phone": f"1390000{int(key.rpartition('-')[2]) % 10000:04d}"},
        }
        if "place_text" in body:
            body["place"] = {"text": body.pop("place_text")}
        address = self.cluster.processes["intake"][0].address
        response = requests.post(
            f"{address}/reports", json=body, headers={"Idempotency-Key": key}, timeout=10
        )
        if response.status_code in (200, 201):
            return str(response.json()["id"])
        if response.status_code != 503:
            with self._lock:
                self.unexpected.append(f"POST /reports: {response.status_code} {response.text[:200]}")
        raise _NotNow

    def _bus(self, key: str, document: dict[str, Any]) -> str:
        assert self.cluster.broker is not None
        data = {"external_id": key, **document}
        if "place_text" in data:
            data["place"] = {"text": data.pop("place_text")}
        with Publisher(self.cluster.broker.uri(PARTNER), partner=PARTNER) as publisher:
            publisher.send("report.submitted", data, id=f"{key}-{self.cluster.run}")
        return ""


class _NotNow(Exception):
    """Told to come back."""


class Actors:
    """Assignees: a part of the legs is accepted, answered and resolved, the rest rises."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self.cluster = cluster
        self.done: Counter[str] = Counter()
        self.unexpected: list[str] = []
        self._seen: set[str] = set()
        self._seed = seed
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def stop(self) -> None:
        """Ends after the move that is being made."""
        self._stop.set()
        self._thread.join(60)

    def _run(self) -> None:
        while not self._stop.wait(0.5):
            try:
                page = self._ask(
                    "GET", "/legs?of=county&state=offered&limit=200", self.cluster.token("c", "county")
                )
            except requests.RequestException:
                continue
            for row in page.get("legs", ()):
                leg = row["leg"]
                if leg["id"] in self._seen or self._stop.is_set():
                    continue
                self._seen.add(leg["id"])
                if random.Random(f"{self._seed}{leg['id']}").random() < 0.5:
                    for action in ("accept", "answer", "resolve"):
                        self._move(row["case"]["id"], leg, action)

    def _move(self, case: str, leg: dict[str, Any], action: str) -> None:
        who = leg["assignee"]
        token = {
            "person": lambda: self.cluster.token(who["id"], "grid_worker"),
            "unit": lambda: self.cluster.token("clerk", "unit_clerk", unit=who["id"]),
            "desk": lambda: self.cluster.token(
                "desk", "desk", "county", street=who["id"].removeprefix("desk-")
            ),
        }[who["type"]]()
        for _ in range(60):
            try:
                self._ask("POST", f"/cases/{case}/legs/{leg['id']}/{action}", token, {"note": "混沌演练"})
                self.done[action] += 1
                return
            except requests.RequestException:
                if self._stop.wait(0.5):
                    return

    def _ask(self, method: str, path: str, token: str, body: Any = None) -> Any:
        address = self.cluster.processes["routing"][0].address
        response = requests.request(
            method, address + path, json=body, headers={"Authorization": f"Bearer {token}"}, timeout=10
        )
        if response.status_code == 503:
            raise requests.ConnectionError("503")
        if response.status_code >= 400 and response.status_code != 409:
            self.unexpected.append(f"{method} {path}: {response.status_code} {response.text[:200]}")
        return response.json()


class Killer:
    """Chooses what dies, kills it, and starts it again."""

    def __init__(self, cluster: Cluster, servers: Servers, seed: int, say: Callable[[str], None]) -> None:
        self.cluster, self.servers, self.say = cluster, servers, say
        self.dice = random.Random(seed)
        self.kills: Counter[str] = Counter()
        self.unexpected: list[str] = []

    def victims(self, kills: int) -> list[str]:
        """What dies in which order: everything at least once, services more often."""
        must = [*SERVICES, "broker", "database"]
        more = self.dice.choices(must, weights=[3] * len(SERVICES) + [2, 2], k=max(0, kills - len(must)))
        order = must[:kills] + more
        self.dice.shuffle(order)
        return order

    def kill(self, victim: str) -> None:
        """One death and one return."""
        self.kills[victim] += 1
        self.say(f"SIGKILL {victim}")
        if victim == "broker":
            self.servers.kill_broker()
            time.sleep(self.dice.uniform(0.2, 1.5))
            self.servers.start_broker()
        elif victim == "database":
            self.servers.kill_database()
            time.sleep(self.dice.uniform(0.2, 1.5))
            self.servers.start_database()
        else:
            process: Process = self.dice.choice(self.cluster.processes[victim])
            process.kill()
            time.sleep(self.dice.uniform(0.2, 1.5))
            process.spawn()

    def check_alive(self) -> None:
        """Whoever is dead now did not die by our hand."""
        for ps in self.cluster.processes.values():
            for p in ps:
                if not p.alive:
                    self.unexpected.append(f"{p.service} ended by itself: {p.tail(4)}")
                    p.spawn()


def depths(cluster: Cluster) -> dict[str, int]:
    """Messages ready in each queue, exactly."""
    import pika

    assert cluster.broker is not None
    connection = pika.BlockingConnection(pika.URLParameters(cluster.broker.uri("admin")))
    channel = connection.channel()
    names = [queue(s, lane) for s in SERVICES for lane in LANES] + [dead_queue(s) for s in SERVICES]
    found = {n: int(channel.queue_declare(n, passive=True).method.message_count) for n in names}
    connection.close()
    return found


def account(feeder: Feeder, books: reconcile.Books) -> tuple[Account, list[str]]:
    """What was sent, with the reports it became; and what was acknowledged and isn't there."""
    by_key = {r["external_id"]: r["id"] for r in books.reports if r["external_id"]}
    here = {r["id"] for r in books.reports}
    sent, lost = Account(), []
    for key, way in feeder.sent.items():
        sent.sent["mini_program" if way == "_http" else "government_system"] += 1
        if key not in feeder.acknowledged:
            lost.append(f"{key} was never acknowledged")
            continue
        report = feeder.acknowledged[key] or by_key.get(key, "")
        if report not in here:
            lost.append(f"{key} was acknowledged and is not in intake")
        sent.receipts[key] = Receipt(report or new_id())
    return sent, lost


def _metric(process: Process, name: str) -> int:
    try:
        page = requests.get(f"{process.address}/metrics", timeout=5).text
    except requests.RequestException:
        return 0
    return int(sum(float(v) for v in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", page, re.M)))


def campaign(
    servers: Servers,
    folder: Path,
    *,
    kills: int,
    rate: float,
    speed: float = 60.0,
    seed: int = 1,
    pause: tuple[float, float] = (1.5, 4.0),
    say: Callable[[str], None] = print,
) -> Result:
    """One campaign on servers that may be killed."""
    settings = {
        "JIAYUAN_CLOCK_SPEED": str(speed),
        "JIAYUAN_CLOCK_EPOCH": str(time.time()),
        "JIAYUAN_LOG_LEVEL": "WARNING",
        "JIAYUAN_OUTBOX_RETRY_MOST": "3",
        "JIAYUAN_NOTIFY_STUCK_SECONDS": "3",
    }
    cluster = Cluster(servers, folder, settings=settings)
    cluster.prepare()
    try:
        cluster.start_all()
        for service in ("routing", "sla", "notify"):
            cluster.start(service)
        directory = str(folder / "directory.json")
        for arguments in (
            ("seed", "--grids", "120", "--workers", "600", "--out", directory),
            ("import", directory),
        ):
            done = cluster.command("routing", "routing", "directory", *arguments)
            if done.returncode:
                raise RuntimeError(f"the directory could not be made: {done.stderr[-500:]}")
        feeder, actors = Feeder(cluster, rate), Actors(cluster, seed)
        killer = Killer(cluster, servers, seed, say)
        feeder.start()
        actors.start()
        for victim in killer.victims(kills):
            time.sleep(killer.dice.uniform(*pause))
            killer.check_alive()
            killer.kill(victim)
        time.sleep(pause[1])
        say("no more kills; draining")
        feeder.stop()
        actors.stop()
        killer.check_alive()
        for ps in cluster.processes.values():
            for p in ps:
                p.wait_ready(90)
        result, lost = _settle(cluster, feeder, say)
        result.kills = killer.kills
        result.attempts, result.retried = feeder.attempts, feeder.retried
        result.acknowledged = len(feeder.acknowledged)
        result.lost = lost + result.lost
        result.unexpected += killer.unexpected + feeder.unexpected + actors.unexpected
        everything = [p for ps in cluster.processes.values() for p in ps]
        result.repeated = sum(_metric(p, "jiayuan_duplicates_total") for p in everything)
        result.swept = sum(_metric(p, "jiayuan_outbox_swept_total") for p in everything)
        return result
    finally:
        cluster.kill()
        cluster.drop()


def _settle(cluster: Cluster, feeder: Feeder, say: Callable[[str], None]) -> tuple[Result, list[str]]:
    """Drains and compares, again and again for a while: deadlines go on passing while five databases are read."""
    until = time.monotonic() + 150
    while True:
        books = reconcile.read(cluster.database_urls, depths(cluster))
        sent, lost = account(feeder, books)
        wrong = [c for c in reconcile.checks(sent, books) if not c.good and c.name not in NOT_AT_REST]
        if (not wrong and not lost) or time.monotonic() > until:
            break
        time.sleep(1.5)
    result = Result(cases=len(books.cases), steps=len(books.steps), notices=len(books.notices))
    for check in wrong:
        lines = [f"{check.name}: {w}" for w in check.wrong]
        if check.name == "duplicates":
            result.duplicated += lines
        elif check.name == "dead letters":
            result.unexpected += lines
        else:
            result.lost += lines
    for line in lost:
        say(line)
    return result, lost


def main(arguments: list[str] | None = None) -> int:
    """Runs one campaign; exit code 1 when anything was lost, done twice, or unexpected."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--long", action="store_true", help="at least 24 kills instead of 7")
    parser.add_argument("--kills", type=int)
    parser.add_argument("--rate", type=float, default=20.0, help="reports a second")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    a = parser.parse_args(arguments)
    kills = a.kills or (24 if a.long else 7)
    folder = Path(tempfile.mkdtemp(prefix="jiayuan-chaos-"))
    print(f"chaos: {kills} kills, {a.rate:g} reports a second, seed {a.seed}, logs in {folder}", flush=True)
    with provide() as servers:
        result = campaign(
            servers,
            folder,
            kills=kills,
            rate=a.rate,
            seed=a.seed,
            say=lambda line: print(f"  {line}", flush=True),
        )
    print("\n".join(result.lines()), flush=True)
    if result.good:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if result.good else 1


if __name__ == "__main__":
    sys.exit(main())
