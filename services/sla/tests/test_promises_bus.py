"""Promises outside of cases through the broker: the ledger and notify say them, a process of sla keeps their clocks."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from jiayuan.chassis import wire
from jiayuan.chassis.broker import connect
from jiayuan.chassis.database import driver_url
from jiayuan.chassis.testing import processes
from jiayuan.chassis.testing.brokers import Broker
from jiayuan.contracts import envelope, names
from jiayuan.contracts.times import iso

pytestmark = pytest.mark.bus
STREET = "350921001"


def test_lists_claims_and_notices_of_their_owners_arm_and_stop_clocks(
    broker: Broker, database: Callable[[str], str], tmp_path: Path
) -> None:
    url, now = database("sla"), datetime.now(UTC)
    at, later = iso(now), iso(now + timedelta(days=3))
    to = {"recipient": "U02", "recipient_type": "unit", "matter": "m-1", "street": STREET, "at": at}
    step = {"name": "勘查", "due_at": later}
    line = {"line": "l-1", "unit": "U02", "quarter": "2026Q3", "street": STREET, "at": at}
    said = {
        "ledger": [
            (
                "list.published",
                {"id": "q-1", "kind": "service", "quarter": "2026Q3", "street": STREET, "lines": 1, "at": at},
            ),
            ("service.claimed", {**line, "claim": "c-1", "due_at": later, "milestones": [step]}),
        ],
        "notify": [
            ("notice.asked", {"notice": "n-1", "template": "whistled", **to}),
            ("notice.read", {"notice": "n-1", **to}),
        ],
    }
    settings = processes.settings("sla", broker, url)
    with processes.running("sla", settings, tmp_path / "sla.log"):
        for service, events in said.items():
            connection = connect(broker.uri(service), heartbeat=0)
            made = [
                envelope.make(
                    name, names.source(service), data, at=now, subject="s", sequence=n, street=STREET
                )
                for n, (name, data) in enumerate(events, 1)
            ]
            wire.publish(
                connection.channel(),
                [
                    wire.Publishing(
                        names.EVENTS_EXCHANGE, e.routing_key, True, envelope.encode(e), names.CONTENT_TYPE
                    )
                    for e in made
                ],
            )
            connection.release()
        engine, wanted = (
            create_engine(driver_url(url)),
            {
                ("q-1", "met"),
                ("c-1", "armed"),
                ("c-1:1", "armed"),
                ("n-1", "met"),
            },
        )
        end, found = time.monotonic() + 30, set()
        while found != wanted:
            with engine.connect() as conn:
                found = {(r[0], r[1]) for r in conn.execute(text("SELECT leg_id, state FROM clock"))}
            assert time.monotonic() < end, found
            time.sleep(0.05)
        engine.dispose()
