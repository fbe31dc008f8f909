"""A bureau's warning over a real broker: accepted, duplicate, rejected, forbidden; and what the service does."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jiayuan.chassis.testing.brokers import Broker
from jiayuan.chassis.testing.databases import SEAL_KEYS, TOKEN_SECRET, Opened
from jiayuan.contracts import envelope
from jiayuan.contracts.ids import new_id
from jiayuan.contracts.publisher import Forbidden, Publisher
from jiayuan.contracts.times import iso
from jiayuan.routing import handlers
from jiayuan.routing.imports import import_directory

pytestmark = pytest.mark.bus

BUREAU = "weather-bureau"
STREET = "350921001"


def _until(condition: Callable[[], Any], what: str, timeout: float = 60.0) -> Any:
    end = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < end, f"not within {timeout:g} s: {what}"
        time.sleep(0.05)
    return value


@dataclass
class Running:
    """Routing as a process, and its database."""

    opened: Opened

    def rows(self, sql: str) -> list[Any]:
        with self.opened(datetime.now(UTC)) as work:
            return list(work.execute(sql))


@pytest.fixture
def running(
    broker: Broker, database: Callable[[str], str], document: dict[str, Any], tmp_path: Path
) -> Iterator[Running]:
    url = database("routing")
    opened = Opened("routing", url)
    with opened(datetime.now(UTC)) as work:
        import_directory(work, opened.runtime.sealer, document, "test")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("JIAYUAN_")},
        "JIAYUAN_AMQP_URI": broker.uri("routing"),
        "JIAYUAN_DATABASE_URL": url,
        "JIAYUAN_SEAL_KEYS": SEAL_KEYS,
        "JIAYUAN_TOKEN_SECRET": TOKEN_SECRET,
        "JIAYUAN_HTTP_PORT": str(port),
    }
    log = tmp_path / "routing.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "jiayuan.chassis.cli", "run", "routing"],
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
        )

    def ready() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    try:
        _until(lambda: process.poll() is not None or ready(), "routing is ready")
        assert process.poll() is None, log.read_text()
        yield Running(opened)
    finally:
        process.terminate()
        process.wait(30)
        opened.close()


def _open_a_minor_case(running: Running) -> None:
    report = {
        "id": new_id(),
        "tracking_code": "JY-1",
        "kind": "wish",
        "channel": "mini_program",
        "title": "微心愿",
        "text": "想要一盏台灯",
        "category": {"code": "1503", "name": "微心愿"},
        "livelihood": False,
        "importance": 1,
        "urgency": 1,
        "place": {"street": STREET},
        "reporter": "c1",
        "received_at": iso(datetime.now(UTC)),
    }
    event = envelope.make("report.received", "/jiayuan/intake", {"report": report}, at=datetime.now(UTC))
    with running.opened(datetime.now(UTC)) as work:
        handlers.report_received(work, [event])


def test_a_bureaus_warning_is_answered_turns_the_mode_on_and_its_end_turns_it_off(
    running: Running, broker: Broker
) -> None:
    _open_a_minor_case(running)
    now = datetime.now(UTC)
    warning = {
        "external_id": "TF-1",
        "event": "台风",
        "severity": "red",
        "area": [STREET],
        "starts_at": iso(now),
        "ends_at": iso(now + timedelta(hours=5)),
    }
    end = {**warning, "external_id": "TF-2", "action": "cancel", "refers_to": "TF-1", "area": []}
    with Publisher(broker.uri(BUREAU), attempts=3) as bureau:

        def send(data: dict[str, Any]) -> Any:
            receipt = bureau.alert_raised(data)
            # What was not acknowledged comes again, before what is new.
            return next(o for o in bureau.outcomes(timeout=30) if o.message == receipt.id)

        first = send(warning)
        assert (first.outcome, bool(first.result)) == ("accepted", True)
        again = send(warning)
        assert (again.outcome, again.result) == ("duplicate", first.result)
        wrong = send({**warning, "external_id": "TF-9", "area": ["350921999"]})
        assert (wrong.outcome, [p.field for p in wrong.problems]) == ("rejected", ["data.area[0]"])
        _until(
            lambda: running.rows(
                "SELECT 1 FROM \"case\" WHERE state_doc->'pauses'->0->>'start' IS NOT NULL "
                "AND state_doc->>'emergency' IS NOT NULL"
            ),
            "the minor matter is paused",
        )
        assert send(end).outcome == "accepted"
        _until(
            lambda: running.rows("SELECT 1 FROM \"case\" WHERE state_doc->'pauses'->0->>'end' IS NOT NULL"),
            "the minor matter goes on",
        )
        # The bureau warns, and does nothing else.
        with pytest.raises(Forbidden):
            bureau.report_submitted({"external_id": "1", "text": "路灯坏了"})
    with Publisher(broker.uri("hotline-12345"), attempts=1) as other, pytest.raises(Forbidden):
        other.alert_raised({**warning, "external_id": "TF-10"})
