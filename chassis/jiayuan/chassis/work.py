"""The unit of work: one transaction with its reading, its writing and the events that come of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

import orjson
import psycopg2
from sqlalchemy import Engine, Table
from sqlalchemy.exc import OperationalError

from jiayuan.contracts import envelope, names
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.envelope import Event
from jiayuan.contracts.ids import new_id
from jiayuan.contracts.registry import OUTCOME
from jiayuan.contracts.times import iso

from . import bulk, database, migrations
from .clock import Clock
from .config import Settings
from .errors import EXIT_UNREACHABLE, StartError
from .transaction import Prepared, Result, Transaction


class BusinessClock(Protocol):
    """What tells the business time."""

    def now(self) -> datetime:
        """The business time, aware."""
        ...


@dataclass(slots=True, frozen=True)
class Outgoing:
    """An event on its way to the broker; `row` is in the outbox until the broker has confirmed all that it holds."""

    id: str
    exchange: str
    routing_key: str
    mandatory: bool
    body: bytes
    row: str = ""


@dataclass(slots=True, frozen=True)
class Handler:
    """What a service does with the events that match `pattern`, a batch at a time.

    `repeatable`: an event may come again, also in the same batch, without the inbox knowing it: what it does has a key
    of its own (a report has one case), or of each subject the newest sequence is kept and what is older ignored.
    """

    pattern: str
    run: Callable[[Work, Sequence[Event]], None]
    wants: Callable[[Event], bool] | None = None
    repeatable: bool = False


def on(
    pattern: str,
    run: Callable[[Work, Sequence[Event]], None],
    *,
    wants: Callable[[Event], bool] | None = None,
    repeatable: bool = False,
) -> Handler:
    """A handler of events; those that `wants` refuses are acked without touching the database."""
    return Handler(pattern, run, wants, repeatable)


def together(*lists: Sequence[Handler]) -> list[Handler]:
    """Handlers of several modules as one list: those of one pattern run in their order, each with what it wants."""
    by_pattern: dict[str, list[Handler]] = {}
    for handler in (h for handlers in lists for h in handlers):
        by_pattern.setdefault(handler.pattern, []).append(handler)
    return [h[0] if len(h) == 1 else _in_turn(pattern, h) for pattern, h in by_pattern.items()]


def _in_turn(pattern: str, handlers: Sequence[Handler]) -> Handler:
    def run(work: Work, events: Sequence[Event]) -> None:
        for handler in handlers:
            wanted = [e for e in events if handler.wants is None or handler.wants(e)]
            if wanted:
                handler.run(work, wanted)

    repeatable = all(h.repeatable for h in handlers)
    if any(h.wants is None for h in handlers):
        return Handler(pattern, run, repeatable=repeatable)
    return Handler(pattern, run, lambda event: any(h.wants and h.wants(event) for h in handlers), repeatable)


# The events of a transaction share rows: a row and an index entry each cost more than the events in them. Half a page
# when it is compressed, so that no row is spread over several.
_ROW_BYTES = 40_000
_OUTBOX = Prepared(
    "INSERT INTO outbox (id, size, events, not_before) "
    "SELECT id, size, events, clock_timestamp() + make_interval(secs => $4) "
    "FROM unnest(CAST($1 AS uuid[]), CAST($2 AS int[]), CAST($3 AS text[])) AS r(id, size, events)",
    "text[]",
    "int[]",
    "text[]",
    "double precision",
)


class Work:
    """One open transaction. Made by `Delivery`; handlers use it and never commit."""

    def __init__(
        self,
        transaction: Transaction,
        service: str,
        clock: BusinessClock,
        *,
        lane: names.Lane = "live",
        grace: float = 3.0,
    ) -> None:
        self.transaction = transaction
        self.now = clock.now()
        self.lane: names.Lane = lane
        self.emitted: list[Event] = []
        self.refused: list[tuple[Event, list[FieldProblem]]] = []
        self._service, self._source = service, names.source(service)
        self._grace = grace
        self._outgoing: list[Outgoing] = []
        self._row, self._row_left = "", 0

    # -- the database ------------------------------------------------------------------------------

    @property
    def engine(self) -> Engine:
        """Whose database it is."""
        return self.transaction.engine

    def execute(self, sql: str, **parameters: Any) -> Result:
        """Runs one statement with `:name` parameters, at once."""
        return self.transaction.execute(sql, parameters)

    def run(self, statement: Prepared, *values: Any) -> Result:
        """Runs a prepared statement, at once: for what is asked with every batch."""
        return self.transaction.run(statement, *values)

    def later(self, statement: Prepared, *values: Any) -> None:
        """Runs a prepared statement whose result nobody needs, at the latest with the commit."""
        self.transaction.later(statement, *values)

    def insert(self, table: Table, rows: bulk.Rows, *, conflict: str = "", returning: str = "") -> Result:
        """`bulk.insert` in this transaction."""
        return bulk.insert(self.transaction, table, rows, conflict=conflict, returning=returning)

    def update(
        self,
        table: Table,
        rows: bulk.Rows,
        *,
        key: Sequence[str] = ("id",),
        where: str = "",
        returning: str = "",
    ) -> Result:
        """`bulk.update` in this transaction."""
        return bulk.update(self.transaction, table, rows, key=key, where=where, returning=returning)

    # -- the bus -----------------------------------------------------------------------------------

    def emit(
        self,
        name: str,
        data: dict[str, Any],
        *,
        subject: str,
        sequence: int = 0,
        street: str | None = "",
        cause: Event | None = None,
        at: datetime | None = None,
        traceparent: str = "",
        causationid: str = "",
    ) -> Event:
        """Decides an event: it is published after the commit, and not at all without it.

        What led to it is `cause`, or `causationid` where only the id of that event is known any more.
        """
        event = envelope.make(
            name,
            self._source,
            data,
            at=at or self.now,
            subject=subject,
            sequence=sequence,
            street=street or "",
            lane=self.lane,
            traceparent=traceparent,
            cause=cause,
        )
        if causationid and cause is None:
            event = replace(event, causationid=causationid)
        self._send(event, names.EVENTS_EXCHANGE, event.routing_key)
        self.emitted.append(event)
        return event

    def accepted(
        self, event: Event, result: str | None = None, current: Mapping[str, Any] | None = None
    ) -> None:
        """Tells the outside system that its message was taken; `result` is what was made of it, `current` where the
        thing it was about stands now."""
        self._outcome(event, "accepted", result, (), current)

    def duplicate(
        self, event: Event, result: str | None = None, current: Mapping[str, Any] | None = None
    ) -> None:
        """Tells the outside system that its message was known already."""
        self._outcome(event, "duplicate", result, (), current)

    def refuse(
        self, event: Event, problems: Iterable[FieldProblem], current: Mapping[str, Any] | None = None
    ) -> None:
        """Refuses one event for good: it becomes a dead letter, and an outside system is told why."""
        found = list(problems)
        self.refused.append((event, found))
        self.rejected(event, found, current)

    def rejected(
        self, event: Event, problems: Iterable[FieldProblem], current: Mapping[str, Any] | None = None
    ) -> None:
        """Tells the outside system that its message was rejected, and why."""
        self._outcome(event, "rejected", None, problems, current)

    def _outcome(
        self,
        event: Event,
        outcome: str,
        result: str | None,
        problems: Iterable[FieldProblem],
        current: Mapping[str, Any] | None = None,
    ) -> None:
        partner = event.source.removeprefix("/partners/")
        if partner == event.source:
            return  # from one of our own services: there is nobody to tell
        type_ = names.event_type(event.name)
        self.outcome(partner, event.id, type_, outcome, result, problems, event, current)

    def outcome(
        self,
        partner: str,
        message: str,
        type_: str,
        outcome: str,
        result: str | None = None,
        problems: Iterable[FieldProblem] = (),
        cause: Event | None = None,
        current: Mapping[str, Any] | None = None,
    ) -> None:
        """Sends an outcome to a partner's queue; the dead-letter path uses it when there is no event."""
        data: dict[str, Any] = {
            "message": message[:256],
            "type": type_[:256],
            "outcome": outcome,
            "result": result,
            "problems": [
                {"field": p.field[:200], "problem": p.problem[:500], "allowed": p.allowed[:500]}
                for p in list(problems)[:50]
            ],
            "at": iso(self.now),
        }
        if current is not None:
            data["current"] = dict(current)
        event = envelope.make(
            OUTCOME.name, self._source, data, at=self.now, subject=message[:256], cause=cause
        )
        # A partner that has left has no queue; that mustn't hold up anything, and the row tells anyway.
        self._send(event, names.OUTCOMES_EXCHANGE, partner)

    def _send(self, event: Event, exchange: str, key: str) -> None:
        body = envelope.encode(event)
        if self._row_left < len(body):
            self._row, self._row_left = new_id(), max(_ROW_BYTES, len(body))
        self._row_left -= len(body)
        self._outgoing.append(Outgoing(event.id, exchange, key, _mandatory(exchange, key), body, self._row))

    def flush(self) -> list[Outgoing]:
        """Writes what was decided to the outbox, together with the commit."""
        outgoing, self._outgoing = self._outgoing, []
        self._row_left = 0
        if outgoing:
            self.later(_OUTBOX, *packed(outgoing), self._grace)
        return outgoing


def packed(outgoing: Iterable[Outgoing]) -> tuple[list[str], list[int], list[str]]:
    """Rows of the outbox: their ids, how many events each holds, and those as `unpacked` reads them."""
    rows: dict[str, list[list[Any]]] = {}
    for o in outgoing:
        rows.setdefault(o.row, []).append([o.id, o.exchange, o.routing_key, orjson.Fragment(o.body)])
    return list(rows), [len(r) for r in rows.values()], [orjson.dumps(r).decode() for r in rows.values()]


def unpacked(row: str, events: str) -> list[Outgoing]:
    """The events of a row of the outbox, byte by byte as they were decided."""
    return [
        Outgoing(id_, exchange, key, _mandatory(exchange, key), orjson.dumps(body), row)
        for id_, exchange, key, body in orjson.loads(events)
    ]


def _mandatory(exchange: str, key: str) -> bool:
    # Mandatory exactly where the contract names a listener: there, "nobody is bound" is a fault.
    return exchange == names.EVENTS_EXCHANGE and bool(names.subscribers(key.removesuffix(names.BULK_SUFFIX)))


@contextmanager
def reading(settings: Settings) -> Iterator[Work]:
    """For commands that only look: a transaction that is never committed; no broker is needed.

    StartError when the database doesn't answer or is not at this build's migration.
    """
    engine = database.create(settings)
    try:
        with engine.connect() as conn:
            migrations.check(conn, settings.service)
        transaction = Transaction(engine)
        try:
            yield Work(transaction, settings.service, Clock(settings.clock_speed, settings.clock_epoch))
        finally:
            transaction.rollback()
    except (OperationalError, psycopg2.OperationalError, psycopg2.InterfaceError) as error:
        # The pool's word for it, and the transaction's own two.
        where = f"{engine.url.host}:{engine.url.port}/{engine.url.database}"
        why = " ".join(str(getattr(error, "orig", error)).split())
        raise StartError(
            EXIT_UNREACHABLE, f"the database of {settings.service} at {where} does not answer: {why}"
        ) from None
    finally:
        engine.dispose()
