"""What happens to a batch of messages: decode, inbox, handlers, outbox, commit. No broker in here.

The host (subscribe.py) gathers messages and acks them once `take` has returned; whatever `take` could not
handle has become a dead letter by then, in the same database. `Transient` means that nothing was done.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Engine, MetaData

from jiayuan.contracts import names
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.envelope import BadEvent, Event, decode
from jiayuan.contracts.ids import new_id

from . import bulk, metrics, trace
from .errors import Refused, Transient, is_transient
from .seal import Sealer
from .transaction import Prepared, Transaction
from .work import BusinessClock, Handler, Outgoing, Work

log = logging.getLogger("jiayuan.delivery")

_INBOX = Prepared(
    "INSERT INTO inbox (source, id) SELECT source, id FROM json_to_recordset(CAST($1 AS json)) "
    "AS r(source text, id text) ORDER BY source, id ON CONFLICT DO NOTHING RETURNING source, id",
    "text",
)

_FORGET = Prepared(
    "DELETE FROM inbox AS i USING json_to_recordset(CAST($1 AS json)) AS r(source text, id text) "
    "WHERE i.source = r.source AND i.id = r.id",
    "text",
)


@dataclass(slots=True, frozen=True)
class Message:
    """A message as the broker gave it. Headers are not kept: nothing here trusts one."""

    body: bytes
    content_type: str | None
    exchange: str
    routing_key: str
    user_id: str | None = None


@dataclass(slots=True, frozen=True)
class Dead:
    """A message that can't be handled, and why."""

    message: Message
    reason: str
    error: str
    problems: Sequence[FieldProblem] = ()
    trace: str = ""
    event: Event | None = None


@dataclass(slots=True, frozen=True)
class Arrived:
    """A message and the event in it."""

    message: Message
    event: Event


class Deliveries:
    """Takes batches for one service. `publish` gets what was committed, at once."""

    def __init__(
        self,
        service: str,
        engine: Engine,
        clock: BusinessClock,
        metadata: MetaData,
        handlers: Sequence[Handler],
        publish: Callable[[list[Outgoing]], None],
        *,
        grace: float = 3.0,
        sealer: Callable[[], Sealer] | None = None,
    ) -> None:
        self.sealer = sealer
        self.service, self.engine, self.clock, self.metadata = service, engine, clock, metadata
        self.handlers = list(handlers)
        self.publish = publish
        self.grace = grace
        self._by_name: dict[str, int | None] = {}

    # -- transactions ------------------------------------------------------------------------------

    @contextmanager
    def work(self, lane: names.Lane = "live") -> Iterator[Work]:
        """A transaction: commits at the end of the block and then publishes what was decided in it.

        A failure of the infrastructure leaves as `Transient`; then nothing has happened.
        """
        outgoing: list[Outgoing] = []
        try:
            with Transaction(self.engine) as transaction:
                work = Work(transaction, self.service, self.clock, lane=lane, grace=self.grace)
                yield work
                if work.refused:
                    self._bury(work, [_refusal(e, p) for e, p in work.refused])
                outgoing = work.flush()
        except Exception as error:
            if is_transient(error) and not isinstance(error, Transient):
                raise Transient(f"{type(error).__name__}: {error}".strip()) from error
            raise
        if outgoing:
            self.publish(outgoing)

    # -- batches -----------------------------------------------------------------------------------

    def take(self, messages: Sequence[Message], lane: names.Lane = "live") -> list[str]:
        """Handles a batch once and for all; the ids of the dead letters that came of it.

        Raises only `Transient`; then nothing of the rest was done.
        """
        arrived, dead = [], []
        buried: list[str] = []
        for message in messages:
            try:
                event = decode(
                    message.body, message.content_type, exchange=message.exchange, user_id=message.user_id
                )
            except BadEvent as error:
                dead.append(Dead(message, error.reason, str(error), error.problems))
                continue
            metrics.observe_lag(self.service, event)
            if self._wanted(event):
                arrived.append(Arrived(message, event))
        metrics.BATCH_SIZE.labels(self.service).observe(len(messages))
        if dead:
            with self.work(lane) as work:
                buried += self._bury(work, dead)
                for d in dead:
                    self._reject(work, d)
        if arrived:
            buried += self._take(arrived, lane)
        return buried

    def _take(self, arrived: Sequence[Arrived], lane: names.Lane) -> list[str]:
        # What a handler of one event logs says whose it is; a batch has no one trace.
        context = trace.current.set(_context(arrived[0].event) if len(arrived) == 1 else None)
        try:
            with self.work(lane) as work:
                return self._handle(work, arrived)
        except Transient:
            raise
        except Exception as error:  # noqa: BLE001  whatever a handler raises costs only the message at fault
            if len(arrived) > 1:
                # Halves instead of one by one: the same end, and one bad message of 200 costs 16 transactions.
                middle = len(arrived) // 2
                return self._take(arrived[:middle], lane) + self._take(arrived[middle:], lane)
            return self._give_up(arrived[0], error, lane)
        finally:
            trace.current.reset(context)

    def _give_up(self, arrived: Arrived, error: Exception, lane: names.Lane) -> list[str]:
        found = error.problems if isinstance(error, Refused | BadEvent) else []
        reason = error.reason if isinstance(error, Refused | BadEvent) else "handler_raised"
        lines = "".join(traceback.format_exception(error)[-8:])
        dead = Dead(
            arrived.message,
            reason,
            f"{type(error).__name__}: {error}"[:2000],
            found,
            lines[-8000:],
            arrived.event,
        )
        log.error(
            "message dead-lettered",
            extra={"reason": reason, "error": dead.error},
        )
        with self.work(lane) as work:
            buried = self._bury(work, [dead])
            problems = found or [FieldProblem("data", "could not be handled; the operators have been told")]
            work.rejected(arrived.event, problems)
        return buried

    def _handle(self, work: Work, arrived: Sequence[Arrived]) -> list[str]:
        indexes = [self._index_of(a.event.name) for a in arrived]
        once = [a.event for a, i in zip(arrived, indexes, strict=True) if not self.handlers[i].repeatable]
        new: set[tuple[str, ...]] = set()
        if once:
            rows = [{"source": e.source, "id": e.id} for e in once]
            new = {tuple(r) for r in work.run(_INBOX, bulk.dumps(rows))}
        groups: dict[int, list[Event]] = {}
        for a, index in zip(arrived, indexes, strict=True):
            key = (a.event.source, a.event.id)
            if key in new or self.handlers[index].repeatable:
                new.discard(key)  # a second copy in the same batch is a repetition
                groups.setdefault(index, []).append(a.event)
            else:
                metrics.DUPLICATES.labels(self.service).inc()
                work.duplicate(a.event)
        for index in sorted(groups):
            self.handlers[index].run(work, groups[index])
        if not work.refused:
            return []
        by_id = {a.event.id: a.message for a in arrived}
        refusals = [_refusal(e, p, by_id.get(e.id)) for e, p in work.refused]
        # Not taken: a replay, or the sender's second try, must not meet its own shadow.
        keys = [{"source": e.source, "id": e.id} for e, _ in work.refused]
        work.later(_FORGET, bulk.dumps(keys))
        work.refused.clear()
        return self._bury(work, refusals)

    def _handler_of(self, name: str) -> int | None:
        if name not in self._by_name:
            self._by_name[name] = next(
                (i for i, h in enumerate(self.handlers) if names.matches(h.pattern, name)), None
            )
        return self._by_name[name]

    def _index_of(self, name: str) -> int:
        index = self._handler_of(name)
        assert index is not None, name  # what nobody handles was left out before
        return index

    def _wanted(self, event: Event) -> bool:
        index = self._handler_of(event.name)
        if index is None:
            return False  # bound by an older or newer topology than this build's: nothing here is interested
        wants = self.handlers[index].wants
        return wants is None or wants(event)

    # -- dead letters ------------------------------------------------------------------------------

    def bury(self, dead: Sequence[Dead]) -> None:
        """Keeps messages that can't be handled as rows."""
        with self.work() as work:
            self._bury(work, dead)

    def _bury(self, work: Work, dead: Sequence[Dead]) -> list[str]:
        ids = [new_id() for _ in dead]
        bodies = [self._body(d.message, id_) for d, id_ in zip(dead, ids, strict=True)]
        rows = [
            {
                "id": id_,
                "reason": d.reason,
                "error": _clean(d.error),
                "problems": [
                    {"field": p.field, "problem": p.problem, "allowed": p.allowed} for p in d.problems
                ],
                "trace": _clean(d.trace),
                "exchange": d.message.exchange,
                "routing_key": d.message.routing_key,
                "content_type": d.message.content_type,
                "user_id": d.message.user_id,
                "event_id": d.event.id if d.event else None,
                "event_name": d.event.name if d.event else None,
                "source": d.event.source if d.event else None,
                "subject": d.event.subject if d.event else None,
                "body": body,
                "sealed": sealed,
            }
            for d, id_, (body, sealed) in zip(dead, ids, bodies, strict=True)
        ]
        work.insert(self.metadata.tables["dead_letter"], rows)
        for d in dead:
            metrics.DEAD_LETTERS.labels(self.service, d.reason).inc()
            log.warning(
                "dead letter kept",
                extra={"reason": d.reason, "routing_key": d.message.routing_key, **_context(d.event)},
            )
        return ids

    def _body(self, message: Message, id_: str) -> tuple[bytes, bool]:
        """The body as it is kept: what outside systems send may name people, so that is sealed."""
        if message.exchange != names.INBOUND_EXCHANGE or self.sealer is None:
            return message.body, False
        return self.sealer().seal_bytes(message.body, id_), True

    def _reject(self, work: Work, dead: Dead) -> None:
        """Tells an outside system what was wrong with a message that could not even be read."""
        if dead.message.exchange != names.INBOUND_EXCHANGE or not dead.message.user_id:
            return
        known = _salvage(dead.message.body)
        problems = dead.problems or [FieldProblem("message", dead.error)]
        work.outcome(
            dead.message.user_id, known.get("id", "?"), known.get("type", "?"), "rejected", None, problems
        )


def _context(event: Event | None) -> dict[str, str]:
    """What a log line says of the event that it is about."""
    if event is None:
        return {}
    kind = event.name.partition(".")[0]
    found = {"event": event.name, "event_id": event.id, "trace": trace.trace_id(event.traceparent)}
    return {**found, kind if kind in ("case", "report") else "subject": event.subject}


def _refusal(event: Event, problems: Sequence[FieldProblem], message: Message | None = None) -> Dead:
    if message is None:
        message = Message(b"", None, "", event.routing_key)
    said = "; ".join(f"{p.field}: {p.problem}" for p in problems)
    return Dead(message, Refused.reason, said, problems, "", event)


def _clean(value: str) -> str:
    return value.replace("\x00", "\\0").encode("utf-8", "replace").decode()


def _salvage(body: bytes) -> dict[str, str]:
    """The id and type of a message that breaks the rules, as far as they can be read."""
    try:
        document: Any = orjson.loads(body[: names.MAX_EVENT_BYTES * 2])
    except orjson.JSONDecodeError:
        return {}
    if not isinstance(document, dict):
        return {}
    # Control characters would make the outcome itself unwritable, and the message a poison.
    return {k: _printable(v) for k in ("id", "type") if isinstance(v := document.get(k), str) and v}


def _printable(value: str) -> str:
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in value)
