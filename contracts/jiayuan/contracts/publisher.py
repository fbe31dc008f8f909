"""The publisher for outside systems: reports, handlings and warnings into Jiayuan, and what became of them.

    with Publisher("amqps://partner:secret@broker.example/jiayuan", partner="partner") as p:
        receipt = p.report_submitted({"external_id": "A-17", "text": "路灯坏了"})
        for outcome in p.outcomes(timeout=30):
            print(outcome.message, outcome.outcome)

A `Receipt` means that the broker has the message on disk. It is sent again, with the same event id, until it
has or until the attempts are used up, so it may arrive twice: the receiver takes the second for the first.
Needs pika, and no framework. A Publisher may be shared between threads; it has a thread of its own, which
keeps the connection alive, and must be made after a fork.

    python -m jiayuan.contracts.publisher FILE.jsonl --type report.submitted [--uri …] [--partner …] [--lane bulk]
"""

from __future__ import annotations

import argparse
import itertools
import logging
import os
import queue
import random
import ssl
import sys
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import Any, BinaryIO, Final, Self
from urllib.parse import urlsplit

import orjson
import pika
import pika.exceptions
from pika.channel import Channel
from pika.spec import Basic, BasicProperties

from . import envelope, names
from .check import FieldProblem
from .ids import new_id
from .registry import INBOUND_EVENTS
from .times import parse

__all__ = [
    "Draft",
    "Forbidden",
    "Invalid",
    "Outcome",
    "PublishError",
    "Publisher",
    "Receipt",
    "Rejected",
    "Unreachable",
    "Unroutable",
]

logger = logging.getLogger(__name__)

IN_FLIGHT: Final = 1000
PREFETCH: Final = 50
GOODBYE_SECONDS: Final = 3.0
ACCESS_REFUSED: Final = 403
NOT_FOUND: Final = 404
PRECONDITION_FAILED: Final = 406
NOT_ALLOWED: Final = 530


class PublishError(Exception):
    """A message was not taken. `event_id` is the id that it had; sending it again with that id is harmless."""

    def __init__(self, text: str, event_id: str = "") -> None:
        super().__init__(text)
        self.event_id = event_id


class Invalid(PublishError):
    """It breaks the contract, and was not sent. `problems` names the fields. Correct it."""

    def __init__(self, text: str, event_id: str = "", problems: Iterable[FieldProblem] = ()) -> None:
        super().__init__(text, event_id)
        self.problems = list(problems)


class Forbidden(PublishError):
    """The broker refuses the login, or the login may not send this type. Ask the operator."""


class Rejected(PublishError):
    """The broker did not take it: the queue is full. Send it again later, with the same id."""


class Unroutable(PublishError):
    """No queue takes it: Jiayuan isn't set up on this virtual host. Ask the operator."""


class Unreachable(PublishError):
    """No confirmation after all attempts. It may have arrived or not: send it again, with the same id."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The broker has the message, on disk and in a queue. `attempts` counts from 1."""

    id: str
    name: str
    lane: names.Lane
    attempts: int


@dataclass(frozen=True, slots=True)
class Draft:
    """A message to send. Give `id` to send again what was sent before."""

    name: str
    data: Mapping[str, Any]
    id: str | None = None
    lane: names.Lane = "live"
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the message with the event id `message`: accepted, duplicate or rejected.

    `current`: of a handling, where the case stands now: case, number, sequence, state, leg, leg_state, allowed.
    """

    message: str | None
    type: str | None
    outcome: str
    result: str | None
    problems: tuple[FieldProblem, ...]
    at: datetime
    current: Mapping[str, Any] | None = None


class _Lost(Exception):
    """There is no connection; the text says why."""


@dataclass(slots=True)
class _Letter:
    """A message on its way; `verdict` is what came of it, None as long as it isn't known."""

    id: str
    name: str
    lane: names.Lane
    body: bytes
    attempts: int = 0
    returned: str = ""
    verdict: Receipt | PublishError | None = None

    @property
    def key(self) -> str:
        return names.routing_key(self.name, self.lane)


@dataclass(slots=True)
class _Batch:
    """Letters that are in flight together. `refused` is the code and text with which the broker closed."""

    letters: list[_Letter]
    done: threading.Event = field(default_factory=threading.Event)
    refused: tuple[int, str] | None = None


class _Link:
    """One connection in a thread of its own. Its methods without underscore may be called from any thread."""

    def __init__(self, parameters: pika.ConnectionParameters, login: str) -> None:
        self._login = login
        self._opened: Future[None] = Future()
        self._guard = threading.Lock()
        self._ended = False
        self.reason = "the connection was closed"
        self._batch: _Batch | None = None
        self._channel: Channel | None = None
        self._tags = itertools.count(1)
        self._in_flight: dict[int, _Letter] = {}
        self._by_id: dict[str, list[_Letter]] = {}
        self._consumers: set[_Consumer] = set()
        self._connection = pika.SelectConnection(
            parameters,
            on_open_callback=lambda _: self._opened.set_result(None),
            on_open_error_callback=self._not_opened,
            on_close_callback=self._closed,
        )
        self._thread = threading.Thread(target=self._run, name="jiayuan-publisher", daemon=True)
        self._thread.start()

    # --- from any thread

    def wait_open(self, timeout: float) -> None:
        """Raises _Lost, or Forbidden when the broker refuses the login."""
        try:
            self._opened.result(timeout)
        except FutureTimeout:
            self.close()
            raise _Lost(f"the broker did not answer in {timeout:g} s") from None

    def deliver(self, batch: _Batch) -> None:
        """Publish a batch; its `done` is set when all are confirmed or no more will be. One at a time."""
        if not self.call(lambda: self._start(batch)):
            batch.done.set()

    def call(self, action: Callable[[], object]) -> bool:
        """Run `action` in the connection's thread; False when that has ended."""
        with self._guard:
            if self._ended:
                return False
            self._connection.ioloop.add_callback_threadsafe(action)
            return True

    @property
    def alive(self) -> bool:
        """Whether the connection is open, as far as is known."""
        return not self._ended and self._connection.is_open

    def close(self) -> None:
        """Close and wait for the thread to end; without a goodbye when the broker doesn't answer."""
        self.call(self._stop)
        self._thread.join(GOODBYE_SECONDS)
        self.call(self._connection.ioloop.stop)
        self._thread.join()

    # --- in the connection's thread

    def _run(self) -> None:
        try:
            self._connection.ioloop.start()
        finally:
            with self._guard:
                self._ended = True
                self._connection.ioloop.close()
            if not self._opened.done():
                self._opened.set_exception(_Lost(self.reason))
            if self._batch is not None:
                self._batch.done.set()
            for consumer in self._consumers:
                consumer.arrived.put(None)

    def _stop(self) -> None:
        if self._connection.is_open:
            self._connection.close()
        else:
            self._connection.ioloop.stop()

    def _not_opened(self, _connection: Any, error: BaseException | str) -> None:
        text = repr(error)
        if f"({ACCESS_REFUSED}" in text or f"({NOT_ALLOWED}" in text:
            refusal = f"the broker refuses the login of {self._login}, or its virtual host"
            self._opened.set_exception(Forbidden(refusal))
        else:
            self.reason = f"no connection to the broker ({_kind(error)})"
        self._connection.ioloop.stop()

    def _closed(self, _connection: Any, error: BaseException) -> None:
        self.reason = f"the connection to the broker was lost ({_kind(error)})"
        self._connection.ioloop.stop()

    def _start(self, batch: _Batch) -> None:
        self._batch = batch
        if not self._connection.is_open:
            batch.done.set()
        elif self._channel is None:
            self._connection.channel(on_open_callback=self._channel_opened)
        else:
            self._publish()

    def _channel_opened(self, channel: Channel) -> None:
        self._channel = channel
        self._tags = itertools.count(1)
        self._in_flight = {}
        channel.add_on_close_callback(self._channel_closed)
        channel.add_on_return_callback(self._returned)
        channel.confirm_delivery(self._confirmed, callback=lambda _: self._publish())

    def _publish(self) -> None:
        assert self._channel is not None
        assert self._batch is not None
        self._by_id = {}
        for letter in self._batch.letters:
            self._in_flight[next(self._tags)] = letter
            self._by_id.setdefault(letter.id, []).append(letter)
            letter.returned = ""
            properties = BasicProperties(
                content_type=names.CONTENT_TYPE,
                delivery_mode=2,
                message_id=letter.id,
                user_id=self._login,
                type=names.event_type(letter.name),
            )
            self._channel.basic_publish(
                names.INBOUND_EXCHANGE, letter.key, letter.body, properties, mandatory=True
            )

    def _returned(self, _: Channel, method: Basic.Return, properties: BasicProperties, _body: bytes) -> None:
        # The broker returns a message before it confirms it.
        for letter in self._by_id.get(str(properties.message_id), ()):
            letter.returned = str(method.reply_text)

    def _confirmed(self, frame: Any) -> None:
        method = frame.method
        upto = int(method.delivery_tag)
        tags = [t for t in self._in_flight if t <= upto] if method.multiple else [upto]
        for letter in [self._in_flight.pop(tag) for tag in tags]:
            if isinstance(method, Basic.Nack):
                letter.verdict = Rejected("the queue is full: send it again later", letter.id)
            elif letter.returned:
                text = f"no queue takes {letter.key} ({letter.returned})"
                letter.verdict = Unroutable(text, letter.id)
            else:
                letter.verdict = Receipt(letter.id, letter.name, letter.lane, letter.attempts)
        if not self._in_flight and self._batch is not None:
            self._batch.done.set()

    def _channel_closed(self, _: Channel, error: BaseException) -> None:
        self._channel = None
        self._in_flight = {}
        if self._batch is not None:
            if isinstance(error, pika.exceptions.ChannelClosedByBroker):
                self._batch.refused = (error.reply_code, error.reply_text)
            self._batch.done.set()

    def consume(self, queue_name: str) -> _Consumer:
        """Start to read a queue. May be called from any thread."""
        consumer = _Consumer(self, queue_name)

        def start() -> None:
            self._consumers.add(consumer)
            if self._connection.is_open:
                self._connection.channel(on_open_callback=consumer.channel_opened)

        if not self.call(start):
            consumer.arrived.put(None)
        return consumer

    def forget(self, consumer: _Consumer) -> None:
        """The consumer's channel is closed. Called in the connection's thread."""
        self._consumers.discard(consumer)


class _Consumer:
    """A channel on which a queue is read. `arrived` gets a delivery, or None when it is over."""

    def __init__(self, link: _Link, queue_name: str) -> None:
        self._link = link
        self._queue = queue_name
        self._channel: Channel | None = None
        self.arrived: queue.Queue[tuple[int, str | None, bytes] | None] = queue.Queue()
        self.refused: tuple[int, str] | None = None

    def channel_opened(self, channel: Channel) -> None:
        """Called in the connection's thread."""
        self._channel = channel
        channel.add_on_close_callback(self._closed)
        channel.add_on_cancel_callback(lambda _: channel.close())
        channel.basic_qos(prefetch_count=PREFETCH)
        channel.basic_consume(self._queue, on_message_callback=self._arrive)

    def _arrive(self, _: Channel, method: Basic.Deliver, properties: BasicProperties, body: bytes) -> None:
        self.arrived.put((int(method.delivery_tag or 0), properties.content_type, body))

    def _closed(self, _: Channel, error: BaseException) -> None:
        self._link.forget(self)
        if isinstance(error, pika.exceptions.ChannelClosedByBroker):
            self.refused = (error.reply_code, error.reply_text)
        self.arrived.put(None)

    def settle(self, tag: int, *, taken: bool) -> None:
        """Acknowledge a delivery, or throw it away when it isn't `taken`."""
        self._link.call(partial(self._settle, tag, taken))

    def _settle(self, tag: int, taken: bool) -> None:
        if self._channel is not None and self._channel.is_open:
            if taken:
                self._channel.basic_ack(tag)
            else:
                self._channel.basic_reject(tag, requeue=False)

    def close(self) -> None:
        """Stop reading; what was not settled goes back to the queue."""
        self._link.call(lambda: self._channel is not None and self._channel.is_open and self._channel.close())


def _kind(error: BaseException | str) -> str:
    """The innermost cause of pika's nested errors, in a few words."""
    while isinstance(error, BaseException):
        nested = [getattr(error, "exception", None), *getattr(error, "exceptions", ()), *error.args]
        inner = next((e for e in reversed(nested) if isinstance(e, BaseException)), None)
        if inner is None:
            break
        error = inner
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__ if isinstance(error, BaseException) else error[:80]


class Publisher:
    """Sends to jiayuan.inbound and reads the outcomes of what was sent.

    `uri` is amqp(s)://login:password@host[:port]/vhost; `partner`, if given, must be the login. A message is
    tried `attempts` times; between two tries there is a pause of `pause` seconds that doubles up to
    `longest_pause`, of which a random half is left out. `timeout` is in seconds, for the connection
    and for the confirmations of a batch. Nothing is connected before the first use.
    Raises Invalid for a URI that isn't one.
    """

    def __init__(
        self,
        uri: str,
        *,
        partner: str | None = None,
        attempts: int = 10,
        pause: float = 0.5,
        longest_pause: float = 30.0,
        timeout: float = 30.0,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._parameters = _parameters(uri, timeout, ssl_context)
        self.partner = str(self._parameters.credentials.username)
        if partner is not None and partner != self.partner:
            raise Invalid(f"the partner is {partner}, but the login in the URI is {self.partner}")
        self._attempts, self._pause, self._longest, self._timeout = attempts, pause, longest_pause, timeout
        self._link: _Link | None = None
        self._linking = threading.Lock()
        self._sending = threading.Lock()
        self._closed = threading.Event()

    def __repr__(self) -> str:
        p = self._parameters
        return f"<Publisher {self.partner} at {p.host}:{p.port}/{p.virtual_host.lstrip('/')}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection. What is being sent meanwhile ends as Unreachable, and so does any later use."""
        self._closed.set()
        with self._linking:
            if self._link is not None:
                self._link.close()
            self._link = None

    # --- sending

    def report_submitted(self, data: Mapping[str, Any], **options: Any) -> Receipt:
        """Hand over a report. `options` as for `send`."""
        return self.send("report.submitted", data, **options)

    def handling_reported(self, data: Mapping[str, Any], **options: Any) -> Receipt:
        """Say what a department did about its leg of a case. `options` as for `send`."""
        return self.send("handling.reported", data, **options)

    def alert_raised(self, data: Mapping[str, Any], **options: Any) -> Receipt:
        """Raise a warning. `options` as for `send`."""
        return self.send("alert.raised", data, **options)

    def send(
        self,
        name: str,
        data: Mapping[str, Any],
        *,
        id: str | None = None,
        lane: names.Lane = "live",
        traceparent: str | None = None,
    ) -> Receipt:
        """Check, send, and wait until the broker has it.

        Raises Invalid (not sent), Forbidden, Unroutable, Rejected, or Unreachable after all attempts.
        """
        letter = self._letter(Draft(name, data, id, lane, traceparent))
        self._deliver([letter])
        if isinstance(letter.verdict, Receipt):
            return letter.verdict
        assert letter.verdict is not None
        raise letter.verdict

    def send_many(
        self, drafts: Iterable[Draft | tuple[str, Mapping[str, Any]]]
    ) -> list[Receipt | PublishError]:
        """Send many, up to 1000 in flight at once. Returns in the order of `drafts` a Receipt or what went wrong.

        Nothing is raised for a message; after one was Unreachable the rest is not tried.
        """
        return list(self.each(drafts))

    def each(
        self, drafts: Iterable[Draft | tuple[str, Mapping[str, Any]]]
    ) -> Iterator[Receipt | PublishError]:
        """As send_many, for more than fits in memory: reads and yields by the thousand."""
        rest = iter(drafts)
        down = False
        while chunk := list(itertools.islice(rest, IN_FLIGHT)):
            tried = [self._try_letter(d if isinstance(d, Draft) else Draft(*d)) for d in chunk]
            letters = [x for x in tried if isinstance(x, _Letter)]
            if down:
                for letter in letters:
                    letter.verdict = Unreachable("not tried: the broker could not be reached", letter.id)
            else:
                self._deliver(letters)
            for x in tried:
                verdict = x.verdict if isinstance(x, _Letter) else x
                assert verdict is not None
                down = down or isinstance(verdict, Unreachable)
                yield verdict

    def _try_letter(self, draft: Draft) -> _Letter | Invalid:
        try:
            return self._letter(draft)
        except Invalid as error:
            return error

    def _letter(self, draft: Draft) -> _Letter:
        event_id = draft.id or new_id()
        if not isinstance(draft.data, Mapping):
            raise Invalid("the data must be an object", event_id, [FieldProblem("data", "is not an object")])
        if draft.name not in INBOUND_EVENTS:
            known = ", ".join(INBOUND_EVENTS)
            problem = FieldProblem("name", f"is {draft.name!r:.80}", known)
            raise Invalid(f"there is no {draft.name!r:.80}, only {known}", event_id, [problem])
        event = envelope.Event(
            event_id,
            names.partner_source(self.partner),
            draft.name,
            datetime.now(UTC),
            dict(draft.data),
            lane=draft.lane,
            traceparent=draft.traceparent or "",
        )
        try:
            return _Letter(event_id, draft.name, draft.lane, envelope.encode(event))
        except envelope.BadEvent as error:
            raise Invalid(str(error), event_id, error.problems) from None

    def _deliver(self, letters: list[_Letter]) -> None:
        """Give every letter its verdict."""
        trouble = ""
        with self._sending:
            pending = [x for x in letters if x.verdict is None]
            for attempt in range(1, self._attempts + 1):
                if not pending:
                    return
                if attempt > 1:
                    self._rest(attempt - 1)
                try:
                    trouble = self._hand_over(self._connected(), pending, attempt) or trouble
                except _Lost as error:
                    trouble = str(error)
                    logger.warning("attempt %d of %d: %s", attempt, self._attempts, error)
                except Forbidden as error:
                    for letter in pending:
                        letter.verdict = Forbidden(str(error), letter.id)
                pending = [x for x in pending if x.verdict is None]
            for letter in pending:
                text = f"not confirmed after {self._attempts} attempts: {trouble}"
                letter.verdict = Unreachable(text, letter.id)

    def _hand_over(self, link: _Link, pending: list[_Letter], attempt: int) -> str:
        """One try; what is not known after it has no verdict. Returns what went wrong, or ""."""
        groups = [pending]
        while groups:
            group = groups.pop()
            for letter in group:
                letter.attempts = attempt
            batch = _Batch(group)
            link.deliver(batch)
            if not batch.done.wait(self._timeout):
                link.close()
                return f"no confirmation in {self._timeout:g} s"
            left = [x for x in group if x.verdict is None]
            if not left:
                continue
            if batch.refused is None:
                return link.reason
            code, text = batch.refused
            if code not in (ACCESS_REFUSED, NOT_FOUND, PRECONDITION_FAILED):
                return text
            # The broker closes the channel and doesn't say over which message: the routing key decides.
            keys = {x.key for x in left}
            if len(keys) > 1:
                groups += [[x for x in left if x.key == key] for key in keys]
                continue
            for letter in left:
                kind = Unroutable if code == NOT_FOUND else Forbidden
                letter.verdict = kind(
                    f"the broker refuses {letter.key} from {self.partner}: {text}", letter.id
                )
        return ""

    def _connected(self) -> _Link:
        """The connection, opened when there is none. Raises _Lost or Forbidden."""
        with self._linking:
            if self._closed.is_set():
                raise _Lost("the publisher was closed")
            if self._link is None or not self._link.alive:
                if self._link is not None:
                    self._link.close()
                self._link = _Link(self._parameters, self.partner)
                self._link.wait_open(self._timeout)
            return self._link

    def _rest(self, nth: int) -> None:
        """The pause after the nth try: half of it fixed, half by chance, so that senders don't come back at once."""
        longest = min(self._longest, self._pause * 2 ** (nth - 1))
        self._closed.wait(longest * random.uniform(0.5, 1))

    # --- outcomes

    def outcomes(self, timeout: float | None = None) -> Generator[Outcome, None, None]:
        """What became of this partner's messages, as it comes; ends after `timeout` seconds without one.

        An outcome is acknowledged when the next one is asked for, or the end is reached; those that were
        not come again. Raises Forbidden, or Unreachable after all attempts.
        """
        failed = 0
        while True:
            if failed:
                self._rest(failed)
            try:
                consumer = self._connected().consume(names.outcomes_queue(self.partner))
            except _Lost as error:
                failed += 1
                if failed >= self._attempts:
                    raise Unreachable(f"no connection after {failed} attempts: {error}") from None
                continue
            try:
                while True:
                    arrived = consumer.arrived.get(timeout=timeout)
                    if arrived is None:
                        break
                    failed = 0
                    tag, content_type, body = arrived
                    outcome = _outcome(body, content_type)
                    if outcome is not None:
                        yield outcome
                    consumer.settle(tag, taken=outcome is not None)
            except queue.Empty:
                return
            finally:
                consumer.close()
            failed += 1
            if consumer.refused is not None:
                raise Forbidden(f"the broker refuses the outcomes of {self.partner}: {consumer.refused[1]}")


def _outcome(body: bytes, content_type: str | None) -> Outcome | None:
    try:
        event = envelope.decode(body, content_type, exchange=names.OUTCOMES_EXCHANGE)
    except envelope.BadEvent as error:
        logger.error("an outcome that can't be read is thrown away: %s", error)
        return None
    data = event.data
    found = tuple(
        FieldProblem(p["field"], p["problem"], p.get("allowed") or "") for p in data.get("problems", ())
    )
    return Outcome(
        data.get("message"),
        data.get("type"),
        data["outcome"],
        data.get("result"),
        found,
        parse(data["at"]),
        data.get("current"),
    )


def _parameters(uri: str, timeout: float, ssl_context: ssl.SSLContext | None) -> pika.ConnectionParameters:
    form = (
        "the broker's URI must be amqp(s)://login:password@host[:port]/vhost, with special characters as %XX"
    )
    try:
        parts = urlsplit(uri)
        if parts.scheme not in ("amqp", "amqps") or not parts.hostname or not parts.username:
            raise Invalid(form)
        parameters = pika.URLParameters(uri)
    except (ValueError, TypeError, AttributeError):
        raise Invalid(form) from None  # what they say may hold a piece of the password
    if parts.scheme == "amqps":
        parameters.ssl_options = pika.SSLOptions(ssl_context or ssl.create_default_context(), parameters.host)
    parameters.socket_timeout = parameters.stack_timeout = timeout
    parameters.blocked_connection_timeout = timeout
    if parameters.heartbeat is None:
        parameters.heartbeat = 30
    parameters.client_properties = {"product": "jiayuan.contracts.publisher"}
    return parameters


# --- the command line


def _drafts(
    lines: Iterable[bytes], name: str, lane: names.Lane, bad: dict[int, str], numbers: list[int]
) -> Iterator[Draft]:
    """The drafts of a file; what isn't one is noted in `bad`, the numbers of the others in `numbers`."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            data = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            bad[number] = f"not JSON: {error}"
            continue
        if not isinstance(data, dict):
            bad[number] = "not a JSON object"
            continue
        numbers.append(number)
        yield Draft(name, data, lane=lane)


def _send_file(publisher: Publisher, source: BinaryIO, name: str, lane: names.Lane) -> Counter[str]:
    counts: Counter[str] = Counter()
    bad: dict[int, str] = {}
    numbers: list[int] = []
    for nth, verdict in enumerate(publisher.each(_drafts(source, name, lane, bad, numbers))):
        counts["sent" if isinstance(verdict, Receipt) else type(verdict).__name__.lower()] += 1
        if isinstance(verdict, PublishError):
            sys.stderr.write(f"line {numbers[nth]}: {type(verdict).__name__}: {verdict}\n")
    for number, text in bad.items():
        counts["invalid"] += 1
        sys.stderr.write(f"line {number}: Invalid: {text}\n")
    return counts


def main(arguments: list[str] | None = None) -> int:
    """The command: sends every line of a JSONL file. Exit code 0 when the broker took all, else 1."""
    parser = argparse.ArgumentParser(
        prog="python -m jiayuan.contracts.publisher", description="Send every line of a JSONL file."
    )
    parser.add_argument("file", help="JSON lines, each the data of one message; - is standard input")
    parser.add_argument("--type", required=True, choices=sorted(INBOUND_EVENTS), help="what the lines are")
    parser.add_argument("--uri", help="amqps://login:password@host/vhost; better in JIAYUAN_PARTNER_URI")
    parser.add_argument("--partner", help="must be the login in the URI")
    parser.add_argument("--lane", choices=names.LANES, default="live", help="bulk for old or many reports")
    parser.add_argument("--attempts", type=int, default=10, help="tries of each message")
    chosen = parser.parse_args(arguments)
    uri = chosen.uri or os.environ.get("JIAYUAN_PARTNER_URI")
    if not uri:
        parser.error("give --uri or set JIAYUAN_PARTNER_URI")
    logging.getLogger("pika").setLevel(logging.CRITICAL)  # what it says, we say shorter
    try:
        with (
            sys.stdin.buffer if chosen.file == "-" else open(chosen.file, "rb") as source,
            Publisher(uri, partner=chosen.partner, attempts=chosen.attempts) as publisher,
        ):
            counts = _send_file(publisher, source, chosen.type, chosen.lane)
    except (PublishError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(
        ", ".join(f"{n} {word}" for word, n in sorted(counts.items(), reverse=True)) or "nothing to send"
    )
    sys.stdout.write("\n")
    return 0 if set(counts) <= {"sent"} else 1


if __name__ == "__main__":
    sys.exit(main())
