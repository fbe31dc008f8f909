"""Connections to the broker: publishing with many confirms in flight, and the check of its topology."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import amqp
import kombu
import kombu.exceptions

from jiayuan.contracts import names, topology

from . import wire
from .errors import EXIT_TOPOLOGY, EXIT_UNREACHABLE, StartError
from .work import Outgoing

log = logging.getLogger("jiayuan.broker")

# What py-amqp and kombu raise when the connection or the channel is gone.
LOST = (amqp.AMQPError, kombu.exceptions.KombuError, OSError, EOFError)


def connect(uri: str, heartbeat: int = 20, timeout: float = 5.0) -> Any:
    """An open connection; raises one of LOST."""
    connection = kombu.Connection(uri, heartbeat=heartbeat, connect_timeout=timeout)
    connection.connect()
    sock = connection.connection.transport.sock
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    wire.read_ahead(connection)
    return connection


def where(uri: str) -> str:
    """Host, port and virtual host of an address, without the password."""
    u = urlsplit(uri)
    return f"{u.hostname}:{u.port or 5672}{u.path or '/'}"


@dataclass(slots=True)
class Sent:
    """What became of a burst: ids confirmed, and why the others weren't."""

    confirmed: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    lost: bool = False


class Publisher:
    """Publishes bursts: all in flight, one wait for their confirms. One greenlet at a time."""

    def __init__(self, uri: str, *, heartbeat: int = 20, timeout: float = 15.0) -> None:
        self.uri, self.heartbeat, self.timeout = uri, heartbeat, timeout
        self._connection: Any = None
        self._channel: Any = None
        self._tag = 0
        self._pending: dict[int, str] = {}
        self._sent = Sent()

    def send(self, rows: Sequence[Outgoing]) -> Sent:
        """Publishes rows and waits for the broker's word on each. Never raises for the broker's sake."""
        self._sent = sent = Sent()
        try:
            self._open()
            for row in rows:
                self._tag += 1
                self._pending[self._tag] = row.id
            wire.publish(
                self._channel,
                (
                    wire.Publishing(
                        r.exchange, r.routing_key, r.mandatory, r.body, names.CONTENT_TYPE, message_id=r.id
                    )
                    for r in rows
                ),
            )
            until = time.monotonic() + self.timeout
            while self._pending:
                left = until - time.monotonic()
                if left <= 0:
                    raise TimeoutError("the broker did not confirm in time")
                self._connection.drain_events(timeout=left)
        except (amqp.AccessRefused, amqp.NotFound) as refusal:
            # One row the broker won't have closes the channel for all: find out which, one at a time.
            self.close()
            waiting = [r for r in rows if r.id not in sent.failed and r.id not in set(sent.confirmed)]
            if len(waiting) == 1:
                sent.failed[waiting[0].id] = f"refused by the broker: {refusal}"[:500]
            else:
                for row in waiting:
                    single = self.send([row])
                    sent.confirmed += single.confirmed
                    sent.failed |= single.failed
                    sent.lost = sent.lost or single.lost
            self._sent = sent
        except LOST as error:
            self.close()
            sent.lost = True
            done = set(sent.confirmed)
            for row in rows:
                if row.id not in done and row.id not in sent.failed:
                    sent.failed[row.id] = f"connection lost: {type(error).__name__}"
        return sent

    def idle(self) -> None:
        """Keeps an idle connection alive; call it every few seconds."""
        if self._connection is None:
            return
        try:
            self._connection.heartbeat_check()
            self._connection.drain_events(timeout=0.001)
        except TimeoutError:
            pass
        except LOST:
            self.close()

    def close(self) -> None:
        """Closes the connection; what was in flight is unknown and stays in the outbox."""
        connection, self._connection, self._channel = self._connection, None, None
        self._pending = {}
        if connection is not None:
            try:
                connection.release()
            except LOST as error:
                log.debug("closing a lost connection: %s", error)

    def _open(self) -> None:
        if self._connection is not None and self._connection.connected:
            return
        self._connection = connect(self.uri, self.heartbeat)
        self._channel = self._connection.channel()
        self._channel.confirm_select()
        self._tag, self._pending = 0, {}
        self._channel.events["basic_ack"].add(self._on_ack)
        self._channel.events["basic_nack"].add(self._on_nack)
        self._channel.events["basic_return"].add(self._on_return)

    def _settle(self, tag: int, multiple: bool) -> list[str]:
        if not multiple:
            one = self._pending.pop(tag, None)
            return [one] if one is not None else []
        tags = [t for t in self._pending if t <= tag]
        return [self._pending.pop(t) for t in tags]

    def _on_ack(self, tag: int, multiple: bool) -> None:
        # A returned message is acked as well, after its return: it stays a failure.
        self._sent.confirmed += [i for i in self._settle(tag, multiple) if i not in self._sent.failed]

    def _on_nack(self, tag: int, multiple: bool) -> None:
        for id_ in self._settle(tag, multiple):
            self._sent.failed[id_] = "refused by a full queue (nack)"

    def _on_return(self, error: Exception, exchange: str, key: str, message: Any) -> None:
        id_ = message.properties.get("message_id", "")
        self._sent.failed[id_] = f"nobody is bound to {key} on {exchange}: {error}"[:500]


def check_topology(uri: str, service: str, timeout: float) -> None:
    """Compares the broker with what this build was made for; waits up to `timeout` seconds for the broker.

    StartError 4 when exchanges or queues are missing or differ, 6 when the broker can't be reached.
    """
    until = time.monotonic() + timeout
    while True:
        try:
            connection = connect(uri)
            break
        except amqp.AccessRefused as error:
            raise StartError(
                EXIT_UNREACHABLE, f"the broker at {where(uri)} refuses the login of {service}: {error}"
            ) from None
        except amqp.NotAllowed as error:
            raise StartError(
                EXIT_TOPOLOGY, f"the broker has no virtual host for {service} at {where(uri)}: {error}"
            ) from None
        except LOST as error:
            if time.monotonic() > until:
                raise StartError(
                    EXIT_UNREACHABLE,
                    f"no broker answers at {where(uri)} after {timeout:g} s: {type(error).__name__}",
                ) from None
            time.sleep(0.5)
    try:
        _passive(connection, service)
    finally:
        connection.release()


def _passive(connection: Any, service: str) -> None:
    advice = "import deploy/rabbitmq/definitions.json (jiayuan broker import)"
    exchanges = [names.EVENTS_EXCHANGE, names.INBOUND_EXCHANGE, names.OUTCOMES_EXCHANGE, names.DEAD_EXCHANGE]
    wanted = [("exchange", e) for e in exchanges]
    wanted += [("queue", names.queue(service, lane)) for lane in names.LANES]
    wanted += [("queue", names.dead_queue(service)), ("mark", topology.mark())]
    for kind, name in wanted:
        channel = connection.channel()
        try:
            if kind == "queue":
                channel.queue_declare(name, passive=True)
            else:
                channel.exchange_declare(name, "topic", passive=True, auto_delete=False)
            channel.close()
        except amqp.NotFound:
            if kind == "mark":
                raise StartError(
                    EXIT_TOPOLOGY,
                    f"the broker's topology is not the one that this build of {service} needs "
                    f"({topology.digest()}): {advice}",
                ) from None
            raise StartError(EXIT_TOPOLOGY, f"the broker has no {kind} {name}: {advice}") from None
        except amqp.AMQPError as error:
            raise StartError(
                EXIT_TOPOLOGY, f"the broker's {kind} {name} is not as {service} needs it: {error}; {advice}"
            ) from None
