"""A ledger's process on a real broker: a limit that never passed is taken back, whatever it hears first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jiayuan.chassis.broker import Publisher
from jiayuan.chassis.testing import processes
from jiayuan.chassis.testing.brokers import Broker
from jiayuan.chassis.testing.databases import Opened
from jiayuan.chassis.testing.processes import until
from jiayuan.chassis.work import Outgoing
from jiayuan.contracts import names
from jiayuan.contracts.envelope import Event, encode
from jiayuan.ledger.checkpoint import Signer

pytestmark = pytest.mark.bus


def test_a_correction_before_its_breach_before_its_case_is_posted_after_both(
    broker: Broker, database: Callable[[str], str], stories: Any, tmp_path: Path
) -> None:
    url = database("ledger")
    opened = Opened("ledger", url)
    story = stories.Story(opened_at=datetime.now(UTC) - timedelta(days=3))
    story.step("case.opened")
    assigned = story.assign("U02")
    breach = story.breach(kind="finish")
    key = Signer.new("jiayuan.example/ledger").text()
    settings = processes.settings("ledger", broker, url, JIAYUAN_LEDGER_SIGNING_KEY=key)

    def posted() -> list[tuple[int, str, int | None]]:
        with opened() as work:
            return [
                tuple(r) for r in work.execute("SELECT number, kind, corrects FROM posting ORDER BY number")
            ]

    def waiting() -> list[str]:
        with opened() as work:
            return work.execute("SELECT event_name FROM waiting_breach ORDER BY 1").scalars()

    try:
        with processes.running("ledger", settings, tmp_path / "ledger.log"):
            _say(broker, "sla", [story.correct(breach)])
            until(lambda: waiting() == ["clock.corrected"], "the correction waits")
            _say(broker, "sla", [breach])
            until(lambda: waiting() == ["clock.breached", "clock.corrected"], "both wait")
            _say(broker, "routing", [assigned])
            until(lambda: waiting() == [], "nothing waits")
            assert posted() == [
                (1, "opening", None),
                (2, "hand_over", None),
                (3, "progress", None),
                (4, "reversal", 3),
            ]
    finally:
        opened.close()


def _say(broker: Broker, service: str, events: Sequence[Event]) -> None:
    rows = [Outgoing(e.id, names.EVENTS_EXCHANGE, e.routing_key, True, encode(e)) for e in events]
    publisher = Publisher(broker.uri(service))
    try:
        sent = publisher.send(rows)
        assert sorted(sent.confirmed) == sorted(r.id for r in rows), sent.failed
    finally:
        publisher.close()
