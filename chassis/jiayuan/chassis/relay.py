"""From the outbox to the broker: at once after the commit, and by the sweeper for what was left behind."""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any

import eventlet
import psycopg2
from eventlet.event import Event as Signal
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from . import bulk, metrics
from .broker import Publisher, Sent
from .errors import is_transient
from .transaction import Prepared, Transaction
from .work import Outgoing, packed, unpacked

log = logging.getLogger("jiayuan.relay")

_BURST = 1000
_FLUSH_ROWS = 100
_FLUSH_SECONDS = 0.25

_DELETE = Prepared("DELETE FROM outbox WHERE id = ANY(CAST($1 AS uuid[]))", "text[]")
# Never by `id > cursor`: a transaction that commits late would be skipped.
_CLAIM = Prepared(
    "SELECT id::text, events, created_at, attempts FROM outbox WHERE not_before <= clock_timestamp() "
    "ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED",
    "int",
)
_LATER = "clock_timestamp() + make_interval(secs => least($2, power(2, least({}, 10))))"
_PUT_OFF = Prepared(
    "UPDATE outbox AS o SET attempts = o.attempts + 1, last_error = r.why, "
    f"not_before = {_LATER.format('o.attempts')} "
    "FROM json_to_recordset(CAST($1 AS json)) AS r(id uuid, why text) WHERE o.id = r.id",
    "text",
    "double precision",
)
_SPLIT = Prepared(
    "INSERT INTO outbox (id, size, events, created_at, attempts, last_error, not_before) "
    f"SELECT id, 1, events, created_at, attempts + 1, why, {_LATER.format('attempts')} FROM json_to_recordset("
    "CAST($1 AS json)) AS r(id uuid, events text, created_at timestamptz, attempts int, why text)",
    "text",
    "double precision",
)
_AGE = text(
    "SELECT coalesce(sum(size), 0), coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0) FROM outbox"
)


class Relay:
    """Publishes what was just committed, many in flight, and deletes what is confirmed, in bunches.

    It holds at most `most` events: what it can't take, or fails to publish, is in the outbox for the sweeper.
    """

    def __init__(self, service: str, engine: Engine, publisher: Publisher, most: int) -> None:
        self.service, self.engine, self.publisher, self.most = service, engine, publisher, most
        self._waiting: deque[Outgoing] = deque()
        self._in_flight = 0
        self._unconfirmed: Counter[str] = Counter()  # events by their row
        self._confirmed: list[str] = []  # rows
        self._flushed_at = time.monotonic()
        self._signal = Signal()
        self._room = Signal()
        self._stopping = False

    def put(self, rows: Sequence[Outgoing]) -> None:
        """Takes committed events; never waits, never raises."""
        if len(self._waiting) + self._in_flight + len(rows) > self.most:
            return  # safe in the outbox
        self._waiting.extend(rows)
        self._unconfirmed.update(o.row for o in rows)
        if not self._signal.ready():
            self._signal.send()

    def wait_for_room(self, timeout: float = 5.0) -> None:
        """Blocks a consumer while the broker is slower than it is; after `timeout` the sweeper has to help."""
        until = time.monotonic() + timeout
        while len(self._waiting) + self._in_flight > self.most // 2 and time.monotonic() < until:
            with eventlet.Timeout(max(0.01, until - time.monotonic()), False):
                self._room.wait()

    def run(self) -> None:
        """The relay's greenlet, until `stop`."""
        idle_since = time.monotonic()
        while not (self._stopping and not self._waiting):
            if not self._waiting:
                with eventlet.Timeout(_FLUSH_SECONDS if self._confirmed else 1.0, False):
                    self._signal.wait()
            if self._signal.ready():
                self._signal = Signal()
            rows = [self._waiting.popleft() for _ in range(min(_BURST, len(self._waiting)))]
            if rows:
                self._in_flight = len(rows)
                sent = self.publisher.send(rows)
                self._in_flight = 0
                self._settle(rows, sent)
                self._account(sent)
                if sent.lost:
                    self._waiting.clear()  # the sweeper has them
                    self._unconfirmed.clear()
                    eventlet.sleep(0.2)
                room, self._room = self._room, Signal()
                room.send()
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since > 2:
                self.publisher.idle()
                idle_since = time.monotonic()
            self._flush(force=self._stopping)

    def stop(self) -> None:
        """Asks `run` to publish what it holds and to end."""
        self._stopping = True
        if not self._signal.ready():
            self._signal.send()

    def _settle(self, rows: Sequence[Outgoing], sent: Sent) -> None:
        """Notes which rows of the outbox are done with. One of which an event wasn't taken is left to the sweeper."""
        for o in rows:
            if o.id in sent.failed:
                self._unconfirmed.pop(o.row, None)
            elif o.row in self._unconfirmed:
                self._unconfirmed[o.row] -= 1
                if not self._unconfirmed[o.row]:
                    del self._unconfirmed[o.row]
                    self._confirmed.append(o.row)

    def _account(self, sent: Sent) -> None:
        metrics.PUBLISHED.labels(self.service).inc(len(sent.confirmed))
        for why in sent.failed.values():
            metrics.PUBLISH_FAILED.labels(self.service, why.partition(":")[0][:60]).inc()
        if sent.failed:
            log.warning(
                "events were not taken by the broker; they stay in the outbox",
                extra={"count": len(sent.failed), "why": next(iter(sent.failed.values()))},
            )

    def _flush(self, *, force: bool) -> None:
        old = time.monotonic() - self._flushed_at > _FLUSH_SECONDS
        if not self._confirmed or not (force or old or len(self._confirmed) >= _FLUSH_ROWS):
            return
        ids, self._confirmed = self._confirmed, []
        try:
            with Transaction(self.engine) as transaction:
                transaction.later(_DELETE, ids)
        except (SQLAlchemyError, psycopg2.Error) as error:
            # They will be published once more by the sweeper, and every inbox knows them.
            log.warning("confirmed events could not be deleted", extra={"why": type(error).__name__})
        self._flushed_at = time.monotonic()


class Sweeper:
    """Publishes what the relays left: after a crash, a refusal, a broker that was away. Any replica may."""

    def __init__(self, service: str, engine: Engine, publisher: Publisher, most_wait: float = 60.0) -> None:
        self.service, self.engine, self.publisher, self.most_wait = service, engine, publisher, most_wait

    def sweep(self, limit: int = 200, stop: Callable[[], bool] = lambda: False) -> int:
        """Publishes all that is due, `limit` rows at a time; returns how many events were confirmed. Rows are locked
        while in flight."""
        total = 0
        while not stop():
            with Transaction(self.engine) as transaction:
                claimed = transaction.run(_CLAIM, limit)
                if not claimed:
                    self.publisher.idle()
                    break
                rows = [(row, unpacked(row.id, row.events)) for row in claimed]
                sent = self.publisher.send([o for _, events in rows for o in events])
                self._settle(transaction, rows, sent)
            total += len(sent.confirmed)
            metrics.SWEPT.labels(self.service).inc(len(sent.confirmed))
            if sent.lost or len(claimed) < limit:
                break
        return total

    def _settle(
        self, transaction: Transaction, rows: Sequence[tuple[Any, Sequence[Outgoing]]], sent: Sent
    ) -> None:
        done, put_off, split = [], [], []
        for row, events in rows:
            failed = [o for o in events if o.id in sent.failed]
            if len(failed) == len(events):
                put_off.append({"id": row.id, "why": sent.failed[failed[0].id]})
                continue
            done.append(row.id)
            # Those that the broker didn't take stay, each by itself: their neighbours aren't sent again with them.
            for o in failed:
                _, _, (alone,) = packed([o])
                kept = {"created_at": row.created_at, "attempts": row.attempts, "why": sent.failed[o.id]}
                split.append({"id": o.id, "events": alone} | kept)
        if done:
            transaction.later(_DELETE, done)
        if put_off:
            transaction.later(_PUT_OFF, bulk.dumps(put_off), self.most_wait)
        if split:
            transaction.later(_SPLIT, bulk.dumps(split), self.most_wait)

    def measure(self) -> None:
        """Sets the gauges of the outbox."""
        try:
            with self.engine.connect() as conn:
                rows, age = conn.execute(_AGE).one()
        except SQLAlchemyError as error:
            if not is_transient(error):
                raise
            return
        metrics.OUTBOX_ROWS.labels(self.service).set(rows)
        metrics.OUTBOX_AGE.labels(self.service).set(float(age))
