"""The envelope: CloudEvents 1.0 in JSON structured mode, written and read strictly.

Reading trusts nothing but the body: no AMQP header is looked at, and whatever is wrong is one `BadEvent`
with a reason of its own and the fields at fault.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import orjson

from . import names
from .check import FieldProblem, problems
from .ids import new_id
from .registry import EVENTS, INBOUND_EVENTS, OUTCOME, EventType
from .times import iso, parse

TRACEPARENT: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_ATTRIBUTE_LIMIT: Final = 256


class BadEvent(ValueError):
    """A message that will never be good. `reason` is one of the class constants of this module."""

    reason = "bad_event"

    def __init__(self, message: str, found: Iterable[FieldProblem] = ()) -> None:
        self.problems = list(found)
        detail = "; ".join(f"{p.field}: {p.problem}" for p in self.problems[:5])
        super().__init__(f"{message}: {detail}" if detail else message)


class TooLarge(BadEvent):
    """More than 64 KiB."""

    reason = "too_large"


class BadContentType(BadEvent):
    """Not application/cloudevents+json in UTF-8."""

    reason = "bad_content_type"


class BadJson(BadEvent):
    """Not JSON, not an object, or text that no database can hold (U+0000)."""

    reason = "bad_json"


class BadAttribute(BadEvent):
    """A context attribute is missing or malformed."""

    reason = "bad_attribute"


class UnknownType(BadEvent):
    """A type that this version doesn't know, or that doesn't belong on this exchange."""

    reason = "unknown_type"


class WrongSender(BadEvent):
    """The source may not send this type, or isn't who the broker says it is."""

    reason = "wrong_sender"


class BadData(BadEvent):
    """The data breaks the type's schema."""

    reason = "bad_data"


@dataclass(slots=True, frozen=True)
class Event:
    """An event, checked. `data` is parsed JSON that keeps the type's schema; times in it are text."""

    id: str
    source: str
    name: str
    time: datetime
    data: dict[str, Any]
    subject: str = ""
    sequence: int = 0
    street: str = ""
    lane: names.Lane = "live"
    traceparent: str = ""
    causationid: str = ""

    @property
    def routing_key(self) -> str:
        """Its routing key on the topic exchange."""
        return names.routing_key(self.name, self.lane)


def make(
    name: str,
    source: str,
    data: dict[str, Any],
    *,
    at: datetime,
    subject: str = "",
    sequence: int = 0,
    street: str = "",
    lane: names.Lane = "live",
    traceparent: str = "",
    cause: Event | None = None,
) -> Event:
    """A new event; trace, lane and cause are taken over from the event that led to it."""
    if cause is not None:
        traceparent = traceparent or cause.traceparent
        if cause.lane == "bulk":
            lane = "bulk"
    return Event(
        new_id(),
        source,
        name,
        at,
        data,
        subject,
        sequence,
        street,
        lane,
        traceparent,
        cause.id if cause is not None else "",
    )


def encode(event: Event) -> bytes:
    """The event as a structured-mode body. BadData or TooLarge when it breaks its own contract."""
    kind = _kind(event.name)
    found = problems(kind.schema, event.data)
    if found:
        raise BadData(f"{event.name} breaks its schema", found)
    body: dict[str, Any] = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": names.event_type(event.name),
        "time": iso(event.time),
        "datacontenttype": "application/json",
    }
    if event.subject:
        body["subject"] = event.subject
    if event.sequence:
        body["sequence"] = event.sequence
    if event.street:
        body["street"] = event.street
    if event.lane != "live":
        body["lane"] = event.lane
    if event.traceparent:
        body["traceparent"] = event.traceparent
    if event.causationid:
        body["causationid"] = event.causationid
    body["data"] = event.data
    raw = orjson.dumps(body)
    if len(raw) > names.MAX_EVENT_BYTES:
        raise TooLarge(f"{event.name} has {len(raw)} bytes, at most {names.MAX_EVENT_BYTES} are allowed")
    return raw


def _kind(name: str) -> EventType:
    kind = EVENTS.get(name) or INBOUND_EVENTS.get(name)
    if kind is None:
        if name == OUTCOME.name:
            return OUTCOME
        raise UnknownType(f"there is no event {name!r}")
    return kind


def decode(
    body: bytes | memoryview | str,
    content_type: str | None,
    *,
    exchange: str = names.EVENTS_EXCHANGE,
    user_id: str | None = None,
) -> Event:
    """Reads a body strictly.

    `exchange` says by which rules: on jiayuan.inbound the type must be one that outside systems send and
    `user_id` (the AMQP property, which the broker checks against the login) must be the source's partner;
    elsewhere the source must be the type's owner. Raises a subclass of BadEvent.
    """
    raw = body.encode() if isinstance(body, str) else bytes(body)
    if len(raw) > names.MAX_EVENT_BYTES:
        raise TooLarge(f"{len(raw)} bytes, at most {names.MAX_EVENT_BYTES} are allowed")
    _check_content_type(content_type)
    if b"\\u0000" in raw:
        raise BadJson("the body holds U+0000, which cannot be stored")
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadJson(f"the body is not JSON in UTF-8: {error}") from None
    if not isinstance(document, dict):
        raise BadJson(f"the body must be a JSON object, not {type(document).__name__}")

    event = _attributes(document)
    inbound = exchange == names.INBOUND_EXCHANGE
    known = INBOUND_EVENTS if inbound else EVENTS
    kind = known.get(event.name)
    if kind is None and event.name == OUTCOME.name and exchange == names.OUTCOMES_EXCHANGE:
        kind = OUTCOME
    if kind is None:
        allowed = ", ".join(names.event_type(n) for n in known)
        raise UnknownType(
            f"unknown type on {exchange}", [FieldProblem("type", f"unknown: {document['type']}", allowed)]
        )
    _check_sender(event, kind, user_id if inbound else None, inbound)
    found = problems(kind.schema, event.data)
    if found:
        raise BadData(f"{event.name} breaks its schema", found)
    return event


def _check_content_type(content_type: str | None) -> None:
    media, _, parameters = (content_type or "").partition(";")
    if media.strip().lower() != names.CONTENT_TYPE:
        raise BadContentType(
            "wrong content type",
            [FieldProblem("content_type", f"is {content_type!r}", names.CONTENT_TYPE)],
        )
    for parameter in filter(None, (p.strip() for p in parameters.split(";"))):
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "charset" and value.strip().strip('"').lower() not in ("utf-8", "utf8"):
            raise BadContentType(
                "wrong character set", [FieldProblem("content_type", f"is {content_type!r}", "charset=utf-8")]
            )


def _attributes(document: dict[str, Any]) -> Event:
    found: list[FieldProblem] = []

    def attribute(key: str, *, required: bool) -> str:
        value = document.get(key)
        if value is None and not required:
            return ""
        if not isinstance(value, str) or not 0 < len(value) <= _ATTRIBUTE_LIMIT:
            problem = "is missing" if value is None else f"is {value!r:.80}"
            found.append(FieldProblem(key, problem, f"text of 1 to {_ATTRIBUTE_LIMIT} characters"))
            return ""
        return value

    if document.get("specversion") != "1.0":
        found.append(FieldProblem("specversion", f"is {document.get('specversion')!r:.40}", "1.0"))
    id_ = attribute("id", required=True)
    source = attribute("source", required=True)
    type_ = attribute("type", required=True)
    time = attribute("time", required=True)
    subject = attribute("subject", required=False)
    street = attribute("street", required=False)
    causation = attribute("causationid", required=False)
    traceparent = attribute("traceparent", required=False)
    at = None
    if time:
        try:
            at = parse(time)
        except ValueError as error:
            found.append(FieldProblem("time", str(error), "RFC 3339 date-time with an offset"))
    sequence = document.get("sequence", 0)
    if type(sequence) is not int or not 0 <= sequence < 2**62:
        found.append(FieldProblem("sequence", f"is {sequence!r:.40}", "a whole number"))
    lane = document.get("lane", "live")
    if lane not in names.LANES:
        found.append(FieldProblem("lane", f"is {lane!r:.40}", "live or bulk"))
    if "data_base64" in document or not isinstance(document.get("data"), dict):
        found.append(FieldProblem("data", "is missing or not a JSON object", "a JSON object"))
    if traceparent and TRACEPARENT.fullmatch(traceparent) is None:
        traceparent = ""  # W3C Trace Context: a malformed header is ignored, the message isn't
    if found:
        raise BadAttribute("a context attribute is missing or malformed", found)
    name = names.event_name(type_)
    if name is None:
        raise UnknownType(
            "unknown type",
            [FieldProblem("type", f"is {type_!r}", f"{names.TYPE_PREFIX}<name>{names.TYPE_SUFFIX}")],
        )
    assert at is not None
    return Event(
        id_, source, name, at, document["data"], subject, sequence, street, lane, traceparent, causation
    )


def _check_sender(event: Event, kind: EventType, user_id: str | None, inbound: bool) -> None:
    if inbound:
        if not user_id:
            raise WrongSender(
                "the sender is not proven",
                [FieldProblem("user_id", "the AMQP property is missing", "the partner's broker user")],
            )
        expected = names.partner_source(user_id)
        if event.source != expected:
            raise WrongSender("wrong sender", [FieldProblem("source", f"is {event.source!r}", expected)])
        return
    owners = [names.source(owner) for owner in kind.owner.split("|")]
    if event.source not in owners:
        raise WrongSender(
            f"{event.name} is not for {event.source} to send",
            [FieldProblem("source", f"is {event.source!r}", " or ".join(owners))],
        )


def bulk(event: Event) -> Event:
    """The same event for the bulk lane."""
    return replace(event, lane="bulk")
