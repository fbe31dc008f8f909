"""The entrypoint of a lane: gathers messages, hands them to the service's method, acks what it has done.

A reader greenlet keeps draining the connection (and answering heartbeats) while a second one works, so a
handler or a database that takes its time costs no connection. Nothing of a message but its body, content
type, exchange, key and user id is looked at: no `nameko.*` header is ever parsed.
"""

from __future__ import annotations

import contextlib
import logging
import random
import time
from collections import deque
from typing import Any

import eventlet
from eventlet.event import Event as Signal
from eventlet.semaphore import Semaphore
from nameko.extensions import Entrypoint

from jiayuan.contracts import names

from . import metrics, wire
from .broker import LOST, connect, where
from .delivery import Message
from .errors import Transient

log = logging.getLogger("jiayuan.subscribe")

# What a transaction costs besides its messages is paid once a batch, so under load a batch waits for company: a
# millisecond for each message of the one before, `linger_ms` at most. An idle lane waits for a breath: what was decided
# together (case.opened and case.assigned) arrives within it.
_A_MESSAGE = 0.001


class Subscribe(Entrypoint):
    """Calls the decorated method with a list of `Message`; it must have settled them all when it returns.

    It may raise `Transient`: then the lane stops taking messages and tries the same ones again, for as long
    as it takes, with pauses of up to 5 seconds.
    """

    role: str

    def __init__(
        self, lane: names.Lane | None, *, role: str = "serve", queue: str = "", **kwargs: Any
    ) -> None:
        self.lane = lane
        self.role = role
        self._queue_kind = queue
        self.consuming = False
        self._stopping = self._closing = False
        self._reader: Any = None
        self._buffer: deque[wire.Delivery] = deque()
        self._arrived = Signal()
        self._done = Signal()
        self._generation = 0
        self._write = Semaphore(1)
        self._connection: Any = None
        self._channel: Any = None
        super().__init__(expected_exceptions=(Transient,), **kwargs)

    # -- nameko's hooks ------------------------------------------------------------------------------

    def setup(self) -> None:
        """Reads its settings; called once before anything starts."""
        self.settings = self.container.config["settings"]
        service = self.container.service_name
        self.queue = (
            names.dead_queue(service)
            if self._queue_kind == "dead"
            else names.queue(service, self.lane or "live")
        )
        self.label = self.lane or self._queue_kind
        self._tag = f"{service}.{self.label}"

    def start(self) -> None:
        """Starts reading; returns at once."""
        self._reader = self.container.spawn_managed_thread(self._read, identifier=f"{self.queue} reader")
        self.container.spawn_managed_thread(self._work, identifier=f"{self.queue} worker")

    def stop(self) -> None:
        """Takes no more messages, finishes those it holds, and returns when that is done."""
        self._stopping = True
        try:
            with self._write:
                if self._channel is not None:
                    self._channel.basic_cancel(self._tag, nowait=True)
        except LOST as error:
            log.debug("cancelling on a lost connection: %s", error)
        self._wake()
        with eventlet.Timeout(self.settings.stop_timeout, False):
            self._done.wait()
        self._closing = True
        with eventlet.Timeout(2.0, False):
            self._reader.wait()

    def kill(self) -> None:
        """Drops everything; the broker delivers it again."""
        self._stopping = self._closing = True

    # -- reading ---------------------------------------------------------------------------------------

    def _read(self) -> None:
        pause = 0.2
        while not (self._closing or self._stopping):
            try:
                self._connect()
                pause = 0.2
                # Only this greenlet reads from the connection, and only it closes it.
                beat = 0.0
                while not self._closing:
                    with contextlib.suppress(TimeoutError):
                        self._connection.drain_events(timeout=0.5)
                        if not self._stopping:
                            self._keep(wire.deliveries(self._connection, self._channel))
                    if (now := time.monotonic()) - beat > 1.0:
                        beat = now
                        with self._write:
                            self._connection.heartbeat_check()
            except LOST as error:
                self._lost()
                if self._stopping:
                    return
                log.warning(
                    "connection to the broker lost; trying again",
                    extra={
                        "queue": self.queue,
                        "broker": where(self.settings.amqp_uri),
                        "why": str(error)[:200],
                    },
                )
                eventlet.sleep(pause * random.uniform(0.7, 1.3))
                pause = min(5.0, pause * 2)
        self._disconnect()

    def _connect(self) -> None:
        connection = connect(self.settings.amqp_uri, self.settings.heartbeat)
        channel = connection.channel()
        channel.basic_qos(0, 2 * self.settings.batch_size, False)
        self._buffer.clear()
        self._generation += 1
        self._connection, self._channel = connection, channel
        generation = self._generation
        channel.basic_consume(
            self.queue,
            consumer_tag=self._tag,
            callback=lambda message: self._arrive(generation, message),
            on_cancel=self._cancelled,
        )
        self.consuming = True
        log.info("consuming", extra={"queue": self.queue})

    def _cancelled(self, consumer_tag: str) -> None:
        raise ConnectionResetError(f"the broker cancelled {consumer_tag}")  # the queue is gone or moved

    def _arrive(self, generation: int, message: Any) -> None:
        if generation == self._generation:
            self._keep([_delivery(message)])

    def _keep(self, deliveries: list[wire.Delivery]) -> None:
        if deliveries:
            self._buffer.extend(deliveries)
            self._wake()

    def _wake(self) -> None:
        if not self._arrived.ready():
            self._arrived.send()

    def _lost(self) -> None:
        self.consuming = False
        self._buffer.clear()
        self._generation += 1
        self._disconnect()

    def _disconnect(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        self.consuming = False
        if connection is not None:
            try:
                connection.release()
            except LOST as error:
                log.debug("closing a lost connection: %s", error)

    # -- working ---------------------------------------------------------------------------------------

    def _work(self) -> None:
        size, linger, last = self.settings.batch_size, self.settings.linger_ms / 1000, 0
        while True:
            if not self._buffer:
                if self._stopping:
                    break
                idle_since = time.monotonic()
                self._arrived.wait()
                self._arrived = Signal()
                if time.monotonic() - idle_since > linger:
                    last = 0  # whatever was before, nothing is to be expected now
                continue
            if len(self._buffer) < size and not self._stopping:
                eventlet.sleep(min(linger, max(1, last) * _A_MESSAGE))
            generation = self._generation
            taken = [self._buffer.popleft() for _ in range(min(size, len(self._buffer)))]
            if not taken:
                continue
            last = len(taken)
            started = time.monotonic()
            if self._settle([_message(m) for m in taken]) and generation == self._generation:
                self._ack(taken[-1].tag)
            metrics.BATCH_SECONDS.labels(self.container.service_name, self.label).observe(
                time.monotonic() - started
            )
        self._done.send()

    def _settle(self, batch: list[Message]) -> bool:
        """Runs the method until it has settled the batch; False when the process stops before."""
        pause = 0.1
        waiting = metrics.WAITING.labels(self.container.service_name, self.label)
        while True:
            outcome: Signal = Signal()
            self.container.spawn_worker(
                self,
                (batch,),
                {},
                handle_result=lambda _ctx, _result, exc, o=outcome: (o.send(exc), (None, None))[1],
            )
            failure = outcome.wait()
            if failure is None:
                waiting.set(0)
                return True
            if isinstance(failure[1], Transient):
                log.warning(
                    "waiting; no message fails", extra={"queue": self.queue, "why": str(failure[1])[:300]}
                )
            else:
                # `take` settles everything else by itself: this is a fault of the process, not of a message.
                log.error(
                    "the batch could not be settled",
                    extra={"queue": self.queue, "why": str(failure[1])[:300]},
                )
            waiting.set(1)
            if self._stopping:
                return False
            eventlet.sleep(pause * random.uniform(0.7, 1.3))
            pause = min(5.0, pause * 2)

    def _ack(self, tag: int) -> None:
        try:
            with self._write:
                self._channel.basic_ack(tag, multiple=True)
        except (*LOST, AttributeError) as error:
            # Committed but not acked: it comes again and the inbox knows it.
            log.info("ack lost", extra={"queue": self.queue, "why": type(error).__name__})


def _delivery(m: Any) -> wire.Delivery:
    body = m.body
    info, properties = m.delivery_info, m.properties
    return wire.Delivery(
        info["delivery_tag"],
        body.encode() if isinstance(body, str) else bytes(body),
        properties.get("content_type"),
        properties.get("user_id"),
        info["exchange"],
        info["routing_key"],
    )


def _message(d: wire.Delivery) -> Message:
    return Message(d.body, d.content_type, d.exchange, d.routing_key, d.user_id)


subscribe = Subscribe.decorator
