"""Rows of the outbox on a real PostgreSQL: what was decided goes out whole, and what the broker did not take stays."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, NullPool, create_engine, text

from jiayuan.chassis.broker import Publisher, Sent
from jiayuan.chassis.clock import SetClock
from jiayuan.chassis.database import driver_url
from jiayuan.chassis.relay import Relay, Sweeper
from jiayuan.chassis.testing.databases import Databases
from jiayuan.chassis.transaction import Transaction
from jiayuan.chassis.work import Outgoing, Work, unpacked
from jiayuan.contracts.times import iso

pytestmark = pytest.mark.store

WHY = "refused by a full queue (nack)"


@pytest.fixture
def engine(databases: Databases) -> Iterator[Engine]:
    """A service's database."""
    url = databases.admin(databases.fresh("sla"))
    yield create_engine(driver_url(url), poolclass=NullPool)
    databases.forget(url)


class FakePublisher(Publisher):
    """Takes what it is told to take."""

    def __init__(self, takes: Callable[[Outgoing], bool], lost: bool = False) -> None:
        self.takes, self.lost = takes, lost
        self.seen: list[Outgoing] = []

    def send(self, rows: Sequence[Outgoing]) -> Sent:
        """A confirm for each that it takes."""
        self.seen += rows
        taken = [o.id for o in rows if self.takes(o)]
        return Sent(taken, {o.id: WHY for o in rows if o.id not in taken}, self.lost)

    def idle(self) -> None:
        """There is no connection."""


def decide(engine: Engine, events: int, reason: str = "") -> list[Outgoing]:
    """A transaction that decides so many events."""
    clock = SetClock(datetime(2026, 3, 2, tzinfo=UTC))
    with Transaction(engine) as transaction:
        work = Work(transaction, "routing", clock, grace=-1.0)
        for n in range(events):
            data = {"id": str(n), "at": iso(work.now), "lifted_by": "值班员\"'\\", "reason": reason or None}
            work.emit("emergency.lifted", data, subject=str(n))
        return work.flush()


def kept(engine: Engine) -> list[Any]:
    """The rows of the outbox."""
    with engine.connect() as conn:
        sql = "SELECT id::text, size, events, created_at, attempts, last_error FROM outbox ORDER BY id"
        return list(conn.execute(text(sql)))


def test_the_events_of_a_transaction_share_a_row_and_come_out_as_they_were(engine: Engine) -> None:
    decided = decide(engine, 40)
    ((row, size, events, *_),) = kept(engine)
    assert size == 40
    assert {o.row for o in decided} == {row}
    assert unpacked(row, events) == decided
    with engine.connect() as conn:
        shown = conn.execute(text("SELECT id::text, exchange, routing_key, body::text FROM outbox_event"))
        assert [(s[0], s[1], s[2], s[3].encode()) for s in shown] == [
            (o.id, o.exchange, o.routing_key, o.body) for o in decided
        ]


def test_what_is_large_is_spread_over_rows(engine: Engine) -> None:
    decided = decide(engine, 60, reason="字" * 500)
    parts = [unpacked(row[0], row[2]) for row in kept(engine)]
    assert len(parts) > 2
    # Rows of one millisecond have their ids in any order; within each its events stay in theirs.
    assert [o for part in sorted(parts, key=lambda part: decided.index(part[0])) for o in part] == decided


def test_only_what_the_broker_did_not_take_stays_and_each_by_itself(engine: Engine) -> None:
    decided = decide(engine, 5)
    ((*_, created, _, _),) = kept(engine)
    bad = {decided[1].id, decided[3].id}
    assert Sweeper("routing", engine, FakePublisher(lambda o: o.id not in bad), -1.0).sweep() == 3
    rows = kept(engine)
    assert {(r[0], r[1], r[3], r[4], r[5]) for r in rows} == {(id_, 1, created, 1, WHY) for id_ in bad}
    publisher = FakePublisher(lambda _: True)
    assert Sweeper("routing", engine, publisher, -1.0).sweep() == 2
    assert {o.id: o.body for o in publisher.seen} == {decided[n].id: decided[n].body for n in (1, 3)}
    assert not kept(engine)


def test_a_row_of_which_nothing_was_taken_stays_as_it_is(engine: Engine) -> None:
    decide(engine, 5)
    ((row, _, events, *_),) = kept(engine)
    assert Sweeper("routing", engine, FakePublisher(lambda _: False, lost=True), 60.0).sweep() == 0
    ((again, size, same, _, attempts, why),) = kept(engine)
    assert (again, size, same, attempts, why) == (row, 5, events, 1, WHY)


def test_the_relay_deletes_a_row_when_all_of_it_is_confirmed(engine: Engine) -> None:
    whole, broken = decide(engine, 4), decide(engine, 4)
    relay = Relay("routing", engine, FakePublisher(lambda o: o.id != broken[2].id), 100)
    relay.put([*whole, *broken])
    relay.stop()
    thread = threading.Thread(target=relay.run)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    # The sweeper sends all of the other row again, and every receiver knows what it has.
    assert [row[:2] for row in kept(engine)] == [(broken[0].row, 4)]
