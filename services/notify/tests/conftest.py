"""Events, a wall clock that stands still, and a provider on loopback that misbehaves as told."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from jiayuan.contracts import envelope
from jiayuan.contracts.check import problems
from jiayuan.contracts.envelope import Event
from jiayuan.contracts.ids import new_id
from jiayuan.contracts.registry import EVENTS
from jiayuan.contracts.times import iso, parse
from jiayuan.notify import wall as walls

sys.path.insert(0, str(Path(__file__).parent))

import rigs
from fakes import FakeAliyun, FakeTencent, FakeWebhook, FakeWechat

AT = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
STREET = "350921001"


class Events:
    """Makes events as the other services send them; each is checked against its schema."""

    at = AT
    street = STREET

    def _make(
        self, name: str, source: str, data: dict[str, Any], sequence: int = 0, at: datetime = AT
    ) -> Event:
        assert problems(EVENTS[name].schema, data) == []
        return envelope.make(name, f"/jiayuan/{source}", data, at=at, sequence=sequence, street=STREET)

    def report(
        self,
        id_: str | None = None,
        *,
        reporter: str | None = "citizen-1",
        contact: str | None = None,
        signs: tuple[tuple[str, str | None], ...] = (),
        code: str = "JY-7K3M9Q",
        at: datetime = AT,
    ) -> Event:
        """report.received."""
        report = {
            "id": id_ or new_id(),
            "tracking_code": code,
            "kind": "problem",
            "channel": "mini_program",
            "title": "路灯不亮",
            "text": "西关社区门口的路灯坏了好几天。",
            "category": {"code": "0102", "name": "路灯照明"},
            "livelihood": True,
            "importance": 2,
            "urgency": 2,
            "place": {"street": STREET},
            "signs": [{"code": sign, "call": call} for sign, call in signs],
            "reporter": reporter,
            "contact": contact,
            "received_at": iso(at),
        }
        return self._make("report.received", "intake", {"report": report}, 1, at)

    def called(self, people: list[str], id_: str = "e1") -> Event:
        """emergency.called: people are called in, and have an hour."""
        by = iso(AT + timedelta(hours=1))
        data = {
            "id": id_,
            "mode": "storm-red",
            "street": STREET,
            "people": people,
            "at": iso(AT),
            "report_by": by,
        }
        return self._make("emergency.called", "routing", data, 1)

    def erased(self, reporter: str = "citizen-1") -> Event:
        """person.erased."""
        return self._make("person.erased", "intake", {"reporter": reporter, "at": iso(self.at)})

    def leg(self, type_: str = "person", id_: str = "worker-1", **given: Any) -> dict[str, Any]:
        """A leg, offered at AT to a grid worker unless told otherwise."""
        return {
            "id": new_id(),
            "kind": "handle",
            "level": "grid",
            "step": 0,
            "assignee": {"type": type_, "id": id_},
            "state": "offered",
            "response_limit": 900,
            "finish_limit": 432000,
            "offered_at": iso(AT),
        } | given

    def case(
        self,
        name: str,
        sequence: int = 2,
        *,
        id_: str = "case-1",
        legs: list[dict[str, Any]] | None = None,
        reporters: tuple[tuple[str, str | None], ...] = (("report-1", "citizen-1"),),
        action: str = "assign",
        change: dict[str, Any] | None = None,
        **given: Any,
    ) -> Event:
        """Any case.* event."""
        case = {
            "id": id_,
            "number": "XP-2026-000871",
            "state": "assigned",
            "kind": "problem",
            "title": "路灯不亮",
            "category": {"code": "0102", "name": "路灯照明"},
            "livelihood": True,
            "colour": "yellow",
            "level": "grid",
            "street": STREET,
            "decision": {"policy": "2026.1", "rule": "lamp", "reason": "网格员先到现场核实。"},
            "reports": [
                {"id": r, "reporter": who, "channel": "mini_program", "received_at": iso(AT)}
                for r, who in reporters
            ],
            "legs": legs or [],
            "first_received_at": iso(AT),
            "opened_at": iso(AT),
        } | given
        changed = {"action": action, "actor": "system", "at": iso(AT)} | (change or {})
        return self._make(name, "routing", {"case": case, "change": changed}, sequence)

    def clock(self, name: str, kind: str = "response", **given: Any) -> Event:
        """clock.warned or clock.breached."""
        clock = {
            "id": new_id(),
            "kind": kind,
            "state": name.partition(".")[2],
            "case": "case-1",
            "case_sequence": 2,
            "leg": "leg-1" if kind in ("response", "finish") else None,
            "assignee": {"type": "person", "id": "worker-1"} if kind in ("response", "finish") else None,
            "street": STREET,
            "limit": 900,
            "started_at": iso(AT),
            "due_at": iso(AT + timedelta(minutes=15)),
            "percent": 80,
            "at": iso(AT + timedelta(minutes=12)),
        } | given
        return self._make(name, "sla", {"clock": clock}, 2)

    def ladder(self, *to: tuple[str, str], **given: Any) -> Event:
        """ladder.reached: a step tells these (type, id)."""
        said = {
            "clock": "clock-1",
            "kind": "finish",
            "case": "case-1",
            "number": "XP-2026-000001",
            "street": STREET,
            "due_at": iso(AT),
            "whom": "grid_chief",
            "step": 2,
            "to": [{"type": type_, "id": id_} for type_, id_ in to],
            "at": iso(AT + timedelta(minutes=30)),
        } | given
        return self._make("ladder.reached", "routing", said, 2)

    def directory(self, *items: dict[str, Any], version: int = 1) -> Event:
        """directory.changed."""
        full = [{"type": "person", "street": STREET, "active": True} | item for item in items]
        return self._make("directory.changed", "routing", {"version": version, "items": full}, version)


@pytest.fixture
def events() -> Events:
    """Makes events."""
    return Events()


@dataclass
class Wall:
    """The wall clock of handlers and sender; it stands until it is moved."""

    time: datetime = field(default_factory=lambda: datetime(2026, 3, 2, 1, 0, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.time

    def pass_(self, **span: float) -> None:
        """Let time pass."""
        self.time += timedelta(**span)


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Wall:
    """The wall clock, in the test's hand."""
    made = Wall()
    monkeypatch.setattr(walls, "now", made)
    return made


class FakeProvider:
    """A provider over HTTP that does what `script` says, call by call, and then what `otherwise` says.

    It counts every message that it would have put on the air in `aired`, by request id. With `strict` it has no
    idempotency: a second POST of the same request id airs a second time.

    Words of the script: ok, refuse, throttle, down (500, nothing taken), down_taken (500 after taking it), garbage,
    no_id, cut, hang (never takes it), hang_taken (takes it, answers never), late (takes it when `release` is set,
    long after the client has gone), wrong_secret.
    """

    def __init__(self) -> None:
        self.script: list[str] = []
        self.otherwise = "ok"
        self.query_script: list[str] = []
        self.strict = True
        self.aired: dict[str, int] = {}
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.most_at_once = 0
        self.release = threading.Event()
        self.late_done = threading.Event()
        self._now = 0
        self._lock = threading.Lock()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                fake.post(self)

            def do_GET(self) -> None:
                fake.get(self)

            def log_message(self, format: str, *args: Any) -> None:
                """Tests say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/messages"

    def close(self) -> None:
        """Let go of whoever hangs, and stop."""
        self.release.set()
        self._server.shutdown()
        self._server.server_close()

    def air(self, request_id: str) -> None:
        """Take a message."""
        with self._lock:
            if self.strict or request_id not in self.aired:
                self.aired[request_id] = self.aired.get(request_id, 0) + 1

    def post(self, http: BaseHTTPRequestHandler) -> None:
        """A send."""
        body = json.loads(http.rfile.read(int(http.headers["Content-Length"])))
        with self._lock:
            self.bodies.append(body)
            self.headers.append(dict(http.headers.items()))
            word = self.script.pop(0) if self.script else self.otherwise
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        try:
            self._act(http, word, body["request_id"])
        finally:
            with self._lock:
                self._now -= 1

    def _act(self, http: BaseHTTPRequestHandler, word: str, request_id: str) -> None:
        if word in ("ok", "down_taken", "no_id", "garbage_taken", "hang_taken"):
            self.air(request_id)
        match word:
            case "ok":
                self.answer(http, 202, {"id": f"p-{request_id}"})
            case "refuse":
                self.answer(http, 400, {"error": "13905930000 is not a number that we send to"})
            case "wrong_secret":
                self.answer(http, 401, {"error": "who are you?"})
            case "throttle":
                self.answer(http, 429, {"error": "slow down"}, {"Retry-After": "7"})
            case "down" | "down_taken":
                self.answer(http, 500, {"error": "sorry"})
            case "no_id":
                self.answer(http, 200, {"status": "OK"})
            case "garbage" | "garbage_taken":
                self.answer(http, 200, b"<html>\xff\xfe")
            case "cut":
                http.close_connection = True
                http.connection.close()
            case "late":
                self.release.wait(30)
                self.air(request_id)
                self.late_done.set()
                http.close_connection = True
            case _:
                self.release.wait(30)
                http.close_connection = True

    def get(self, http: BaseHTTPRequestHandler) -> None:
        """A query."""
        request_id = http.path.rpartition("/")[2]
        word = self.query_script.pop(0) if self.query_script else "ok"
        if word == "down":
            self.answer(http, 503, {"error": "sorry"})
        elif word == "undelivered":
            self.answer(http, 200, {"id": "p", "state": "undelivered", "error": "no such number"})
        elif request_id in self.aired:
            self.answer(http, 200, {"id": f"p-{request_id}", "state": "accepted"})
        else:
            self.answer(http, 404, {"error": "unknown"})

    def answer(
        self,
        http: BaseHTTPRequestHandler,
        status: int,
        document: dict[str, Any] | bytes,
        headers: dict[str, str] | None = None,
    ) -> None:
        """Answer; a client that has gone is none of our business."""
        raw = document if isinstance(document, bytes) else json.dumps(document).encode()
        try:
            http.send_response(status)
            for name, value in (headers or {}).items():
                http.send_header(name, value)
            http.send_header("Content-Length", str(len(raw)))
            http.end_headers()
            http.wfile.write(raw)
        except OSError:
            http.close_connection = True


@pytest.fixture
def rig(work_for: Any, events: Events, wall: Wall) -> rigs.Rig:
    """A fresh database and a wall clock in the test's hand."""
    del wall
    return rigs.Rig(work_for("notify"), events)


@pytest.fixture
def fake() -> Iterator[FakeProvider]:
    """A provider on loopback."""
    made = FakeProvider()
    yield made
    made.close()


@pytest.fixture
def aliyun() -> Iterator[FakeAliyun]:
    """Aliyun on loopback."""
    made = FakeAliyun()
    yield made
    made.close()


@pytest.fixture
def tencent() -> Iterator[FakeTencent]:
    """Tencent Cloud on loopback."""
    made = FakeTencent()
    yield made
    made.close()


@pytest.fixture
def wechat() -> Iterator[FakeWechat]:
    """WeChat on loopback."""
    made = FakeWechat()
    yield made
    made.close()


@pytest.fixture
def receiver() -> Iterator[FakeWebhook]:
    """A receiver of webhooks on loopback."""
    made = FakeWebhook()
    yield made
    made.close()


__all__ = ["AT", "Events", "FakeProvider", "Wall", "parse"]
