"""A ledger's process on a real broker: a limit that never passed is taken back, whatever it hears first."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jiayuan.chassis.broker import Publisher
from jiayuan.chassis.testing import fuzz
from jiayuan.chassis.testing.brokers import Broker
from jiayuan.chassis.testing.databases import TOKEN_SECRET, Opened
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
    settings = {
        "JIAYUAN_AMQP_URI": broker.uri("ledger"),
        "JIAYUAN_DATABASE_URL": url,
        "JIAYUAN_TOKEN_SECRET": TOKEN_SECRET,
        "JIAYUAN_LEDGER_SIGNING_KEY": Signer.new("jiayuan.example/ledger").text(),
    }

    def posted() -> list[tuple[int, str, int | None]]:
        with opened() as work:
            return [
                tuple(r) for r in work.execute("SELECT number, kind, corrects FROM posting ORDER BY number")
            ]

    def waiting() -> list[str]:
        with opened() as work:
            return work.execute("SELECT event_name FROM waiting_breach ORDER BY 1").scalars()

    try:
        with fuzz.running("ledger", settings, tmp_path / "ledger.log"):
            _say(broker, "sla", [story.correct(breach)])
            _until(lambda: waiting() == ["clock.corrected"], "the correction waits")
            _say(broker, "sla", [breach])
            _until(lambda: waiting() == ["clock.breached", "clock.corrected"], "both wait")
            _say(broker, "routing", [assigned])
            _until(lambda: waiting() == [], "nothing waits")
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


def _until(condition: Callable[[], bool], what: str, timeout: float = 60.0) -> None:
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f"not within {timeout:g} s: {what}"
        time.sleep(0.05)
