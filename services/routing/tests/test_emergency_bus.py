"""A bureau's warning over a real broker: accepted, duplicate, rejected, forbidden; and what the service does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jiayuan.chassis.testing import processes
from jiayuan.chassis.testing.brokers import Broker
from jiayuan.chassis.testing.databases import Opened
from jiayuan.chassis.testing.processes import until
from jiayuan.contracts import envelope
from jiayuan.contracts.ids import new_id
from jiayuan.contracts.publisher import Forbidden, Publisher
from jiayuan.contracts.times import iso
from jiayuan.routing import handlers
from jiayuan.routing.imports import import_directory

pytestmark = pytest.mark.bus

BUREAU = "weather-bureau"
STREET = "350921001"


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
    settings = processes.settings("routing", broker, url)
    try:
        with processes.running("routing", settings, tmp_path / "routing.log"):
            yield Running(opened)
    finally:
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
        until(
            lambda: running.rows(
                "SELECT 1 FROM \"case\" WHERE state_doc->'pauses'->0->>'start' IS NOT NULL "
                "AND state_doc->>'emergency' IS NOT NULL"
            ),
            "the minor matter is paused",
        )
        assert send(end).outcome == "accepted"
        until(
            lambda: running.rows("SELECT 1 FROM \"case\" WHERE state_doc->'pauses'->0->>'end' IS NOT NULL"),
            "the minor matter goes on",
        )
        # The bureau warns, and does nothing else.
        with pytest.raises(Forbidden):
            bureau.report_submitted({"external_id": "1", "text": "路灯坏了"})
    with Publisher(broker.uri("hotline-12345"), attempts=1) as other, pytest.raises(Forbidden):
        other.alert_raised({**warning, "external_id": "TF-10"})
