"""The yardstick of `make bench-intake`: intake's own web stack with a handler that only writes a row and an outbox row.

It runs in intake's place, on a database of its own. What it writes to the outbox is published by nobody.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    from jiayuan.chassis import patch  # noqa: F401

from datetime import timedelta
from typing import Any

import orjson
from sqlalchemy import Column, Connection, MetaData, Table, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from jiayuan.chassis import host, migrations, tables
from jiayuan.chassis.service import Delivery, Service, http
from jiayuan.contracts.ids import new_id
from jiayuan.contracts.names import EVENTS_EXCHANGE
from jiayuan.contracts.times import iso
from jiayuan.intake.keys import IntakeSettings

metadata = MetaData()
tables.add(metadata)
bare = Table("bare", metadata, Column("id", Uuid, primary_key=True), Column("body", JSONB, nullable=False))


class Bare(Service):
    """The service."""

    name = "intake"
    settings_class = IntakeSettings
    delivery = Delivery(metadata, [])

    @http("POST", "/bare")
    def take(self, call: Any) -> Any:
        """Writes the body and an outbox row in one transaction."""
        body, id_ = orjson.loads(call.get_data()), new_id()
        with self.delivery.work() as work:
            work.insert(bare, [{"id": id_, "body": body}])
            event = {
                "id": id_,
                "size": 1,
                "events": orjson.dumps([[id_, EVENTS_EXCHANGE, "bench.bare", body]]).decode(),
                "not_before": iso(work.now + timedelta(days=3650)),
            }
            work.insert(metadata.tables["outbox"], [event])
        return 201, {"id": id_}


def create(conn: Connection, role: str) -> None:
    """Makes its table in a database that is migrated for intake."""
    bare.create(conn)
    migrations.grant(conn, metadata, role)


if __name__ == "__main__":
    sys.exit(host.run_class(Bare, frozenset({"serve"})))
