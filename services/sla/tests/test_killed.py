"""Two real processes that are killed again and again while clocks fire: every warning and breach is told once."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy import Engine, create_engine, text

from jiayuan.chassis.broker import connect
from jiayuan.chassis.database import driver_url
from jiayuan.chassis.testing.databases import Opened
from jiayuan.chassis.testing.processes import until
from jiayuan.contracts import envelope, names
from jiayuan.local.cluster import Cluster, Process
from jiayuan.local.servers import Servers
from jiayuan.sla import handlers

pytestmark = [pytest.mark.bus]

LISTENER = "test.listener"
KILLS = 10
CLOCKS = 700
"""Due at one moment: more than one batch, so that both processes have something to do."""
LIMIT = 40
"""Seconds; the warning comes 8 s before the breach, which is longer than a process takes to come back."""


class Told(NamedTuple):
    """A clock event that the listener got."""

    id: str
    name: str
    clock: str
    sequence: int


class Ears:
    """Everything that is published about clocks, with what came more than once."""

    def __init__(self, uri: str) -> None:
        self.connection = connect(uri, heartbeat=0)
        channel = self.connection.channel()
        channel.queue_declare(LISTENER, durable=True, auto_delete=False)
        channel.queue_bind(LISTENER, names.EVENTS_EXCHANGE, "clock.*")
        self.channel = channel
        self.told: list[Told] = []

    def empty(self) -> None:
        """Takes what is in the queue."""
        while (message := self.channel.basic_get(LISTENER, no_ack=True)) is not None:
            event = envelope.decode(bytes(message.body), names.CONTENT_TYPE)
            self.told.append(Told(event.id, event.name, event.subject, event.sequence))


@pytest.fixture
def cluster(servers: Servers, tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(servers, tmp_path, services=("sla",), settings={"JIAYUAN_LOG_LEVEL": "WARNING"})
    made.prepare()
    try:
        yield made
    finally:
        made.kill()
        made.drop()


def ready(cluster: Cluster) -> list[Process]:
    return [p for p in cluster.processes["sla"] if p.alive and p.ready()]


def test_killed_again_and_again_every_warning_and_breach_is_told_once(
    cluster: Cluster, life: Callable[..., Any]
) -> None:
    dice = random.Random(5)
    assert cluster.broker is not None
    ears = Ears(cluster.broker.uri("admin"))
    url = cluster.database_urls["sla"]
    engine = create_engine(driver_url(url), pool_size=1, isolation_level="AUTOCOMMIT")
    opened = Opened("sla", url)
    for _ in range(2):
        cluster.start("sla", wait=False)
    midway = 0
    for round_ in range(KILLS):
        victim = dice.choice(until(lambda: ready(cluster), "a process that is ready"))
        moment = _arm(opened, life, round_)
        if round_ % 2:
            # Between the commit and the broker: what was decided is in the outbox alone.
            until(lambda: _one(engine, "SELECT count(*) FROM outbox"), "something decided")
        else:
            # Anywhere in the batch.
            time.sleep(max(0.0, moment - time.time()) + dice.uniform(0.0, 0.15))
        victim.kill()
        midway += bool(_one(engine, "SELECT count(*) FROM outbox") or _one(engine, _SILENT))
        victim.spawn()
    until(lambda: not _one(engine, "SELECT count(*) FROM clock WHERE state <> 'breached'"), "all breached")
    until(lambda: not _one(engine, "SELECT count(*) FROM outbox"), "all published")
    ears.empty()
    opened.close()
    _reconcile(engine, ears.told, midway)
    ears.connection.release()
    engine.dispose()


# Due and not told yet.
_SILENT = "SELECT count(*) FROM clock WHERE next_at <= clock_timestamp()"


def _arm(opened: Opened, life: Callable[..., Any], round_: int) -> float:
    """Clocks whose warnings come in 0.3 s, all at once; when that is."""
    now = datetime.now(UTC)
    moment = now + timedelta(seconds=0.3)
    start = moment - timedelta(seconds=LIMIT * 0.8)
    events = []
    for number in range(CLOCKS):
        case = life(f"case-{round_}-{number}", response=LIMIT, finish=None, citizen=None, begins=start)
        events.append(case.assign(0))
    with opened(now=now) as work:
        handlers.case_changed(work, events)
    return moment.timestamp()


def _one(engine: Engine, sql: str) -> int:
    with engine.connect() as conn:
        return int(conn.execute(text(sql)).scalar_one())


def _reconcile(engine: Engine, told: list[Told], midway: int) -> None:
    with engine.connect() as conn:
        rows = conn.execute(text("SELECT id::text, sequence, warned_at IS NOT NULL FROM clock")).all()
    assert len(rows) == KILLS * CLOCKS
    heard: dict[tuple[str, str], set[Told]] = defaultdict(set)
    for event in told:
        heard[event.clock, event.name].add(event)
    # A warning that would come after its breach is not told; the clock's own version says how much it has told.
    owed = {(id_, "clock.breached") for id_, _, _ in rows} | {
        (id_, "clock.warned") for id_, _, warned in rows if warned
    }
    assert all(sequence == 2 + warned for _, sequence, warned in rows)
    lost = owed - heard.keys()
    unowed = heard.keys() - owed
    twice = {key: events for key, events in heard.items() if len({e.id for e in events}) > 1}
    again = len(told) - len({e.id for e in told})
    warned = sum(w for _, _, w in rows)
    print(  # noqa: T201  the tally, for whoever runs it with -s
        f"{KILLS} SIGKILLs, {midway} of them with something due or unpublished: {len(rows)} clocks, "
        f"{warned} warnings and {len(rows)} breaches owed, {len(heard)} told; lost {len(lost)}, duplicated "
        f"{len(twice)}, not owed {len(unowed)}; {len(rows) - warned} warnings overtaken by their breach, "
        f"{again} messages came again with the id that they had"
    )
    assert not lost
    assert not twice
    assert not unowed
    assert midway
