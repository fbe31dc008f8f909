"""From the outbox to the broker: at once after the commit, and by the sweeper for what was left behind."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence

import eventlet
import psycopg2
from eventlet.event import Event as Signal
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from jiayuan.contracts import names

from . import bulk, metrics
from .broker import Publisher, Sent
from .errors import is_transient
from .transaction import Prepared, Transaction
from .work import Outgoing

log = logging.getLogger("jiayuan.relay")

_BURST = 1000
_FLUSH_ROWS = 500
_FLUSH_SECONDS = 0.25

_DELETE = Prepared("DELETE FROM outbox WHERE id = ANY(CAST($1 AS uuid[]))", "text[]")
# Never by `id > cursor`: a transaction that commits late would be skipped.
_CLAIM = Prepared(
    "SELECT id::text, exchange, routing_key, body::text FROM outbox WHERE not_before <= clock_timestamp() "
    "ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED",
    "int",
)
_PUT_OFF = Prepared(
    "UPDATE outbox AS o SET attempts = o.attempts + 1, last_error = r.why, "
    "not_before = clock_timestamp() + make_interval(secs => least($2, power(2, least(o.attempts, 10)))) "
    "FROM json_to_recordset(CAST($1 AS json)) AS r(id uuid, why text) WHERE o.id = r.id",
    "text",
    "double precision",
)
_AGE = text(
    "SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0) FROM outbox"
)


class Relay:
    """Publishes what was just committed, many in flight, and deletes what is confirmed, in bunches.

    It holds at most `most` events: what it can't take, or fails to publish, is in the outbox for the sweeper.
    """

    def __init__(self, service: str, engine: Engine, publisher: Publisher, most: int) -> None:
        self.service, self.engine, self.publisher, self.most = service, engine, publisher, most
        self._waiting: deque[Outgoing] = deque()
        self._in_flight = 0
        self._confirmed: list[str] = []
        self._flushed_at = time.monotonic()
        self._signal = Signal()
        self._room = Signal()
        self._stopping = False

    def put(self, rows: Sequence[Outgoing]) -> None:
        """Takes committed events; never waits, never raises."""
        if len(self._waiting) + self._in_flight + len(rows) > self.most:
            return  # safe in the outbox
        self._waiting.extend(rows)
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
                self._confirmed += sent.confirmed
                self._account(sent)
                if sent.lost:
                    self._waiting.clear()  # the sweeper has them
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

    def sweep(self, limit: int = 500, stop: Callable[[], bool] = lambda: False) -> int:
        """Publishes all that is due; returns how many were confirmed. Rows are locked while in flight."""
        total = 0
        while not stop():
            with Transaction(self.engine) as transaction:
                claimed = transaction.run(_CLAIM, limit)
                if not claimed:
                    self.publisher.idle()
                    break
                rows = [
                    Outgoing(i, exchange, key, _mandatory(exchange, key), body.encode())
                    for i, exchange, key, body in claimed
                ]
                sent = self.publisher.send(rows)
                if sent.confirmed:
                    transaction.later(_DELETE, sent.confirmed)
                if sent.failed:
                    put_off = [{"id": i, "why": why} for i, why in sent.failed.items()]
                    transaction.later(_PUT_OFF, bulk.dumps(put_off), self.most_wait)
            total += len(sent.confirmed)
            metrics.SWEPT.labels(self.service).inc(len(sent.confirmed))
            if sent.lost or len(claimed) < limit:
                break
        return total

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


def _mandatory(exchange: str, key: str) -> bool:
    return exchange == names.EVENTS_EXCHANGE and bool(names.subscribers(key.removesuffix(names.BULK_SUFFIX)))
