"""Dead letters: rows that an operator lists, shows, replays and discards, each with who and why."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import Connection, Engine, Row, text

from jiayuan.contracts import names
from jiayuan.contracts.envelope import Event
from jiayuan.contracts.registry import EVENTS
from jiayuan.contracts.times import iso

from . import metrics
from .bulk import dumps
from .delivery import Dead, Deliveries, Message
from .redact import mask
from .seal import Sealer, SealError
from .work import Work

log = logging.getLogger("jiayuan.dead_letters")

DEAD, ASKED, REPLAYED, DISCARDED = "dead", "replay", "replayed", "discarded"

_COLUMNS = (
    "id::text AS id, at, state, reason, error, problems, trace, exchange, routing_key, content_type, user_id, "
    "event_id, event_name, source, subject, body, sealed, history"
)


def listing(
    engine: Engine, *, state: str | None = DEAD, reason: str | None = None, limit: int = 100
) -> Sequence[Row[Any]]:
    """The newest dead letters, of one state and reason or of all."""
    with engine.connect() as conn:
        return conn.execute(
            text(
                f"SELECT {_COLUMNS} FROM dead_letter WHERE (:state IS NULL OR state = :state) "
                "AND (:reason IS NULL OR reason = :reason) ORDER BY at DESC LIMIT :n"
            ),
            {"state": state, "reason": reason, "n": limit},
        ).all()


def show(engine: Engine, id_: str) -> Row[Any] | None:
    """One dead letter; `id_` may be the beginning of its id."""
    with engine.connect() as conn:
        rows = conn.execute(
            text(f"SELECT {_COLUMNS} FROM dead_letter WHERE id::text LIKE :p ORDER BY at LIMIT 2"),
            {"p": id_.replace("%", "").replace("_", "") + "%"},
        ).all()
    if len(rows) > 1:
        raise ValueError(f"{id_} is the beginning of more than one id")
    return rows[0] if rows else None


def body(row: Row[Any], sealer: Callable[[], Sealer] | None) -> bytes:
    """The message as it came; SealError when it is sealed and the keys are not at hand."""
    if not row.sealed:
        return bytes(row.body)
    if sealer is None:
        raise SealError("the message is sealed: give JIAYUAN_SEAL_KEYS")
    return sealer().open_bytes(bytes(row.body), row.id)


def body_text(row: Row[Any], sealer: Callable[[], Sealer] | None = None, *, masked: bool = True) -> str:
    """The message as text for people; numbers of persons masked unless asked otherwise."""
    raw = body(row, sealer)
    try:
        shown = orjson.dumps(orjson.loads(raw), option=orjson.OPT_INDENT_2).decode()
    except orjson.JSONDecodeError:
        shown = raw.decode("utf-8", "backslashreplace")
    return mask(shown) if masked else shown


def decide(engine: Engine, ids: Sequence[str], state: str, who: str, why: str) -> int:
    """Asks for a replay (`replay`) or discards (`discarded`); how many rows changed.

    Only what is dead can be decided about; a second decision changes nothing.
    """
    if not who.strip() or not why.strip():
        raise ValueError("a decision needs who and why")
    note = {"at": iso(datetime.now(UTC)), "who": who, "action": state, "why": why}
    with engine.begin() as conn:
        return conn.execute(
            text(
                "UPDATE dead_letter SET state = :state, history = history || CAST(:note AS jsonb) "
                "WHERE id = ANY(CAST(:ids AS uuid[])) AND state = 'dead'"
            ),
            {"state": state, "note": dumps([note]), "ids": list(ids)},
        ).rowcount


def note_reading(engine: Engine, id_: str, who: str) -> None:
    """Keeps with the letter that somebody saw it unmasked."""
    note = {"at": iso(datetime.now(UTC)), "who": who or "unknown", "action": "read", "why": "unmasked"}
    with engine.begin() as conn:
        conn.execute(
            text(
                "UPDATE dead_letter SET history = history || CAST(:note AS jsonb) WHERE id = CAST(:id AS uuid)"
            ),
            {"note": dumps([note]), "id": id_},
        )


def replay_asked(deliveries: Deliveries, limit: int = 50) -> int:
    """Replays what operators asked for, through the same path as a message from the broker.

    One transaction a letter: claim, handle, mark. If it fails again, the letter is dead again with the new
    reason in its history, and nothing else has happened.
    """
    done = 0
    for _ in range(limit):
        with deliveries.engine.begin() as conn:
            row = conn.execute(
                text(
                    f"SELECT {_COLUMNS} FROM dead_letter WHERE state = 'replay' "
                    "ORDER BY at LIMIT 1 FOR UPDATE SKIP LOCKED"
                )
            ).first()
            if row is None:
                return done
            message = Message(
                body(row, deliveries.sealer), row.content_type, row.exchange, row.routing_key, row.user_id
            )
            again = _taken_back(conn, deliveries.take([message]))
            _mark(conn, row.id, DEAD if again else REPLAYED, again or "handled")
            done += 1
    return done


def forget_people(work: Work, events: Sequence[Event]) -> None:
    """`person.erased`: takes their sealed contacts out of the letters kept of `report.received`.

    The letter stays and can be replayed: the matter is not erased with the person.
    """
    for event in events:
        reporter = event.data["reporter"]
        rows = work.execute(
            "SELECT id::text AS id, body FROM dead_letter WHERE NOT sealed AND routing_key LIKE 'report.received%' "
            "AND position(convert_to(:reporter, 'UTF8') IN body) > 0 FOR UPDATE",
            reporter=reporter,
        )
        note = {"at": iso(datetime.now(UTC)), "who": "person.erased", "action": "contact removed", "why": ""}
        for row in rows.all():
            work.execute(
                "UPDATE dead_letter SET body = :body, history = history || CAST(:note AS jsonb) "
                "WHERE id = CAST(:id AS uuid)",
                body=_without_contact(bytes(row.body), reporter),
                note=dumps([note]),
                id=row.id,
            )


def _without_contact(raw: bytes, reporter: str) -> bytes:
    """A `report.received` without the reporter's contact; what can't be read any more is dropped altogether."""
    try:
        document = orjson.loads(raw)
        report = document["data"]["report"]
        if report["reporter"] == reporter:
            report["contact"] = None
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return b""
    return orjson.dumps(document)


def measure(engine: Engine, service: str) -> None:
    """Sets the gauge of letters that nobody has decided about."""
    with engine.connect() as conn:
        waiting = conn.execute(text("SELECT count(*) FROM dead_letter WHERE state = 'dead'")).scalar_one()
    metrics.DEAD_LETTERS_WAITING.labels(service).set(waiting)


def _taken_back(conn: Connection, buried: Sequence[str]) -> str:
    """If the replay buried the message anew, takes that letter back and gives its error."""
    if not buried:
        return ""
    made = conn.execute(
        text("DELETE FROM dead_letter WHERE id = ANY(CAST(:ids AS uuid[])) RETURNING reason, error"),
        {"ids": list(buried)},
    ).first()
    return f"{made.reason}: {made.error}"[:1000] if made else ""


def _mark(conn: Connection, id_: str, state: str, result: str) -> None:
    note = {"at": iso(datetime.now(UTC)), "who": "replay", "action": state, "why": result}
    conn.execute(
        text(
            "UPDATE dead_letter SET state = :state, history = history || CAST(:note AS jsonb) "
            "WHERE id = CAST(:id AS uuid)"
        ),
        {"state": state, "note": dumps([note]), "id": id_},
    )
    log.info("dead letter replayed", extra={"letter": id_, "state": state, "result": result[:200]})


def from_broker(deliveries: Deliveries, messages: Sequence[Message]) -> None:
    """Keeps what the broker dead-lettered after its delivery limit: processes died on it again and again."""
    deliveries.bury(
        [
            Dead(
                _before_death(m),
                "delivery_limit",
                "processes ended while they held this message, more often than allowed",
            )
            for m in messages
        ]
    )


def _before_death(message: Message) -> Message:
    """The message with the exchange and key that it first came by; the dead-letter exchange's stand there now.

    The type tells them (a header that does could be the sender's). What can't be read is taken for a stranger's,
    and so kept sealed.
    """
    try:
        document = orjson.loads(message.body)
    except orjson.JSONDecodeError:
        document = None
    type_ = document.get("type") if isinstance(document, dict) else None
    name = names.event_name(type_) if isinstance(type_, str) else None
    if name in EVENTS and not message.user_id:
        return replace(message, exchange=names.EVENTS_EXCHANGE, routing_key=name)
    return replace(message, exchange=names.INBOUND_EXCHANGE, routing_key=name or message.routing_key)
