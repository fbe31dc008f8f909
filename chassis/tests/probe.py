"""A small service for the tests of delivery, run as a process of its own: it counts what it handles.

It takes routing's place on the bus. What it does with an event is told by the event's title:
`raise` raises, `sleep:<s>` takes its time, `exit` ends the process before the commit.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

if __name__ == "__main__":
    from jiayuan.chassis import patch  # noqa: F401

import time

from sqlalchemy import Column, Integer, MetaData, Table, Text, text

from jiayuan.chassis import host, migrations, tables
from jiayuan.chassis.service import Delivery, Service
from jiayuan.chassis.work import Work, on
from jiayuan.contracts.envelope import Event
from jiayuan.contracts.times import iso

metadata = MetaData()
tables.add(metadata)
effect = Table(
    "effect",
    metadata,
    Column("report", Text, primary_key=True),
    Column("times", Integer, nullable=False),
    Column("lane", Text, nullable=False),
)


def received(work: Work, events: Sequence[Event]) -> None:
    """One row a report, counting how often it was handled, and one event for each."""
    for event in events:
        title = event.data["report"]["title"]
        if title == "raise":
            raise RuntimeError("the handler was told to raise")
        if title.startswith("sleep:"):
            time.sleep(float(title.partition(":")[2]))
        if title == "exit":
            os._exit(9)
    work.insert(
        effect,
        [{"report": e.data["report"]["id"], "times": 1, "lane": e.lane} for e in events],
        conflict="ON CONFLICT (report) DO UPDATE SET times = effect.times + 1",
    )
    for event in events:
        work.emit(
            "emergency.lifted" if event.data["report"]["title"] != "directory" else "directory.changed",
            {"id": event.data["report"]["id"], "at": iso(work.now), "lifted_by": "probe"}
            if event.data["report"]["title"] != "directory"
            else {"version": 1, "items": []},
            subject=event.data["report"]["id"],
            cause=event,
        )


REVISION = "probe"


class Probe(Service):
    """The service."""

    name = "routing"
    delivery = Delivery(metadata, [on("report.received", received)])


def create(admin_engine_connection: object, role: str) -> None:
    """Makes the probe's tables beside a marker of the migration that the real service needs."""
    from sqlalchemy import Connection

    conn = admin_engine_connection
    assert isinstance(conn, Connection)
    metadata.create_all(conn)
    conn.execute(text("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)"))
    conn.execute(text("INSERT INTO alembic_version VALUES (:v)"), {"v": REVISION})
    migrations.grant(conn, metadata, role)


if __name__ == "__main__":
    # The probe has no migrations; the tests import this module too, and theirs must stay as they are.
    migrations.head = lambda _service: REVISION  # type: ignore[assignment]
    crash = os.environ.get("PROBE_CRASH", "")
    if crash == "after-commit":
        # Ends the process between the commit and the ack.
        from jiayuan.chassis.subscribe import Subscribe

        Subscribe._ack = lambda _self, _tag: os._exit(9)  # type: ignore[method-assign]
    elif crash == "after-publish":
        # Ends the process when the broker has confirmed and the outbox row is still there.
        from jiayuan.chassis.relay import Relay

        def die(self: Relay, **_: bool) -> None:
            if self._confirmed:
                os._exit(9)

        Relay._flush = die  # type: ignore[method-assign]
    roles = frozenset(os.environ.get("PROBE_ROLES", "serve,bulk,relay").split(","))
    sys.exit(host.run_class(Probe, roles))
