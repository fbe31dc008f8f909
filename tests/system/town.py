"""A town for tests: the five services as processes, whoever writes to them, and a listener on the bus."""

from __future__ import annotations

import itertools
import json
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pika
import psycopg2
import requests

from jiayuan.chassis.testing.processes import until
from jiayuan.contracts import names
from jiayuan.contracts.publisher import Publisher
from jiayuan.local import reconcile
from jiayuan.local.chaos import NOT_AT_REST, depths
from jiayuan.local.cluster import Cluster
from jiayuan.local.replay import Account, Receipt
from jiayuan.local.servers import Servers

T = TypeVar("T")

HOTLINE = "hotline-12345"
DEPARTMENTS = "department-systems"


def at_once(times: int, action: Callable[[int], T]) -> list[T]:
    """Runs an action in as many threads, all let go at the same moment."""
    gate = threading.Barrier(times)

    def run(number: int) -> T:
        gate.wait()
        return action(number)

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(run, range(times)))


# -- people ------------------------------------------------------------------------------------------

_NAMES = itertools.count()
_SURNAMES, _GIVEN = "欧阳司徒上官诸葛", "镜澜筱翊珩骁璟霁"


@dataclass(frozen=True)
class Citizen:
    """An invented person; what is here must be found in clear nowhere."""

    name: str
    phone: str
    identity: str

    @property
    def contact(self) -> dict[str, str]:
        """As a report holds it."""
        return {"name": self.name, "phone": self.phone}


def citizen() -> Citizen:
    """Somebody new."""
    n = next(_NAMES)
    name = _SURNAMES[n % 4 * 2 :][:2] + _GIVEN[n // 4 % 8] + _GIVEN[n // 32 % 8]
    return Citizen(
        name, f"1386{7_190_000 + n * 7}", f"352225199{n % 10}0{n % 9 + 1}1{n % 9 + 1}{4180 + n % 1000}"
    )


# -- the bus -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Heard:
    """An event as it went over the bus."""

    exchange: str
    key: str
    body: bytes
    document: dict[str, Any]

    @property
    def name(self) -> str:
        """`case.opened` and the like."""
        return names.event_name(self.document["type"]) or ""

    @property
    def case(self) -> str:
        """The id of the case it is about, as far as it names one."""
        data = self.document["data"]
        of = data.get("case") or data.get("clock") or data.get("entry") or data.get("notice") or {}
        if isinstance(of, str):  # notice.asked and notice.read name a case or a notice by its id alone
            return str(data.get("case") or "")
        return str(of.get("case") or of.get("matter") or (of.get("id", "") if "legs" in of else ""))


class Listener:
    """Hears everything that is published in a virtual host, from the moment it is made."""

    def __init__(self, uri: str) -> None:
        self.heard: list[Heard] = []
        self._stop = threading.Event()
        self._connection = pika.BlockingConnection(pika.URLParameters(uri))
        channel = self._connection.channel()
        own = channel.queue_declare("", exclusive=True, arguments={"x-queue-type": "classic"}).method.queue
        for exchange in (names.EVENTS_EXCHANGE, names.INBOUND_EXCHANGE, names.OUTCOMES_EXCHANGE):
            channel.queue_bind(own, exchange, "#")
        channel.basic_consume(own, self._take, auto_ack=True)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._connection.process_data_events(time_limit=0.2)  # type: ignore[arg-type]
        self._connection.close()

    def _take(self, _channel: Any, method: Any, _properties: Any, body: bytes) -> None:
        self.heard.append(Heard(method.exchange, method.routing_key, body, json.loads(body)))

    def events(self, *wanted: str, case: str = "") -> list[Heard]:
        """The services' events so far, perhaps only those of some names or of a case."""
        return [
            h
            for h in list(self.heard)
            if h.exchange == names.EVENTS_EXCHANGE
            and (not wanted or h.name in wanted)
            and (not case or h.case == case)
        ]

    def close(self) -> None:
        """Ends."""
        self._stop.set()
        self._thread.join(10)


# -- the town ----------------------------------------------------------------------------------------


@dataclass
class Town:
    """A cluster with a directory. `account` is what was sent and acknowledged; `people` whom it was about."""

    servers: Servers
    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    account: Account = field(default_factory=Account)
    people: list[Citizen] = field(default_factory=list)

    def open(self) -> Town:
        """Brings everything up: small, but with every street, community and unit."""
        self.cluster = Cluster(self.servers, self.folder, settings=self.settings)
        self.cluster.prepare()
        assert self.cluster.broker is not None
        self.broker = self.cluster.broker
        self.listener = Listener(self.broker.uri("admin"))
        started = [self.cluster.start(s, wait=False) for s in self.cluster.services]
        file = self.folder / "directory.json"
        for arguments in (
            ("seed", "--grids", "120", "--workers", "600", "--out", str(file)),
            ("import", str(file), "--who", "test"),
        ):
            self.command("routing", "routing", "directory", *arguments)
        for process in started:
            process.wait_ready()
        self.directory: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        everybody = sum(
            len(self.directory.get(k) or ())
            for k in ("people", "units", "cadres", "volunteers", "mediators", "committee")
        )
        known = "SELECT count(*) AS n FROM recipient WHERE type IN ('person', 'unit')"
        until(lambda: self.rows("notify", known)[0]["n"] >= everybody, "notify knows the directory")
        return self

    def close(self) -> None:
        """Ends it and leaves nothing."""
        if hasattr(self, "listener"):
            self.listener.close()
        self.cluster.kill()
        self.cluster.drop()

    def somebody(self) -> Citizen:
        """Somebody new, to be looked for in clear at the end."""
        self.people.append(citizen())
        return self.people[-1]

    # -- asking

    def call(
        self, service: str, method: str, path: str, body: Any = None, *, token: str = "", **headers: str
    ) -> requests.Response:
        """One request, answered whatever it is."""
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return requests.request(
            method, self.cluster.address(service) + path, json=body, headers=headers, timeout=60
        )

    def county(self) -> str:
        """The token of somebody who sees everything."""
        return self.cluster.token("county", "county")

    def rows(self, service: str, sql: str) -> list[dict[str, Any]]:
        """What a service's database answers."""
        return reconcile.rows(self.cluster.database_urls[service], sql)

    def command(self, service: str, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Runs `jiayuan …` with a service's settings."""
        done = self.cluster.command(service, *arguments)
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    # -- sending

    def noted(self, channel: str, key: str, report: str, tracking_code: str = "") -> None:
        """Somebody was told that his report is in."""
        if key not in self.account.receipts:
            self.account.sent[channel] += 1
            self.account.receipts[key] = Receipt(report, tracking_code)

    def report(self, text: str, **more: Any) -> dict[str, Any]:
        """Sends a report by HTTP and gives the receipt. `headers`: those of the request."""
        headers = more.pop("headers", {})
        body = {"channel": "mini_program", "text": text, **more}
        response = self.call("intake", "POST", "/reports", body, **headers)
        assert response.status_code == 201, response.text
        receipt: dict[str, Any] = response.json()
        self.noted(body["channel"], receipt["id"], receipt["id"], receipt["tracking_code"])
        return receipt

    @contextmanager
    def partner(self, name: str) -> Iterator[Publisher]:
        """The publisher of an outside system."""
        with Publisher(self.broker.uri(name), partner=name, attempts=5) as publisher:
            yield publisher

    def move(
        self, case: Mapping[str, Any], leg: Mapping[str, Any], action: str, note: str = "已到现场处理"
    ) -> dict[str, Any]:
        """The assignee of a leg does something by HTTP; the answer."""
        path = f"/cases/{case['id']}/legs/{leg['id']}/{action}"
        token = self.token_of(leg["assignee"])
        response = self.call("routing", "POST", path, {"note": note}, token=token)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def token_of(self, assignee: Mapping[str, str]) -> str:
        """The token of whoever holds a leg."""
        if assignee["type"] == "person":
            return self.cluster.token(assignee["id"], "grid_worker")
        if assignee["type"] == "unit":
            return self.cluster.token("clerk", "unit_clerk", unit=assignee["id"])
        return self.cluster.token("desk", "desk", street=assignee["id"].removeprefix("desk-"))

    # -- seeing

    def case_of(self, report: str, at_least: int = 2) -> dict[str, Any]:
        """The case of a report, once it has come to a sequence (2: somebody has been given it)."""

        def look() -> dict[str, Any] | None:
            response = self.call("routing", "GET", f"/cases?report={report}", token=self.county())
            if response.status_code == 404:
                return None
            response.raise_for_status()
            answer: dict[str, Any] = response.json()
            return answer["case"] if answer["sequence"] >= at_least else None

        found = until(look, f"report {report} has a case at {at_least}")
        assert found is not None
        return found

    def notices(self, **of: str) -> list[dict[str, Any]]:
        """The notices on a case or a report."""
        ((what, id_),) = of.items()
        found: list[dict[str, Any]] = self.cluster.get("notify", f"/notices?{what}={id_}")["notices"]
        return found

    def settled(self, timeout: float = 60.0) -> reconcile.Books:
        """The books of the five services, once they agree with each other and with what was acknowledged."""
        wrong: list[reconcile.Check] = []

        def look() -> reconcile.Books | None:
            left = depths(self.cluster)
            if any(left.values()) or any(self._outbox(s) for s in self.cluster.services):
                return None
            books = reconcile.read(self.cluster.database_urls, left)
            checks = reconcile.checks(self.account, books)
            wrong[:] = [c for c in checks if not c.good and c.name not in NOT_AT_REST]
            return None if wrong else books

        def words() -> str:
            lines = [f"{c.name}: {'; '.join(c.wrong)}" for c in wrong]
            return "\n".join(["the five services agree", *lines, f"queues {depths(self.cluster)}"])

        books = until(look, words, timeout)
        assert books is not None
        return books

    def _outbox(self, service: str) -> int:
        return int(self.rows(service, "SELECT count(*) AS n FROM outbox")[0]["n"])


def exactly_one_of_everything(books: reconcile.Books, reports: Iterable[str]) -> None:
    """Each report is there once and has one case, one citizen's clock, one response and one finish clock a leg,
    one ledger entry if it is a livelihood matter, and one notice to each person about each matter and step."""
    for report in reports:
        assert [r["id"] for r in books.reports].count(report) == 1
        (tied,) = [r["case"] for r in books.case_reports if r["report"] == report]
        (case,) = [c for c in books.cases if any(r["id"] == report for r in c["doc"]["reports"])]
        assert case["id"] == tied
        clocks = [(c["kind"], c["leg"]) for c in books.clocks if c["case"] == tied]
        legs = case["doc"]["legs"]
        assert legs
        assert clocks.count(("citizen", "")) == 1
        for leg in legs:
            assert clocks.count(("response", leg["id"])) == (leg["response_limit"] is not None)
            assert clocks.count(("finish", leg["id"])) == (leg["finish_limit"] is not None)
        entries = [e for e in books.entries if e["case"] == tied]
        assert len(entries) == (1 if case["livelihood"] else 0)
        told = [
            (n["type"], n["recipient"], n["matter"], n["step"])
            for n in books.notices
            if n["matter"] in (report, tied)
        ]
        assert len(told) == len(set(told))
        assert sum(step == "received" for *_, step in told) == 1
        for leg in legs:
            offered = (leg["assignee"]["type"], leg["assignee"]["id"], tied, f"offered:{leg['id']}")
            assert told.count(offered) == 1
        acted = [(s["case"], s["sequence"]) for s in books.steps if s["case"] == tied]
        assert len(acted) == len(set(acted)) == case["sequence"]


def everything_kept(url: str) -> Iterator[tuple[str, str]]:
    """Every row of every table of a database as text: (table, row). Bytes are shown as text where they are some."""
    conn = psycopg2.connect(url)
    try:
        with conn.cursor() as cursor:
            cursor.execute(
                "SELECT table_name, column_name, data_type FROM information_schema.columns "
                "WHERE table_schema = 'public' ORDER BY table_name, ordinal_position"
            )
            tables: dict[str, list[str]] = {}
            for table, column, kind in cursor.fetchall():
                shown = f"encode(\"{column}\", 'escape')" if kind == "bytea" else f'"{column}"::text'
                tables.setdefault(table, []).append(shown)
            for table, columns in tables.items():
                cursor.execute(f"SELECT concat_ws(' ', {', '.join(columns)}) FROM \"{table}\"")
                for (row,) in cursor:
                    yield table, row
    finally:
        conn.close()
