"""The envelope: CloudEvents 1.0 in JSON structured mode, written and read strictly.

Reading trusts nothing but the body: no AMQP header is looked at, and whatever is wrong is one `BadEvent`
with a reason of its own and the fields at fault.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
import orjson

from . import names
from .check import FieldProblem, problems
from .ids import new_id
from .registry import EVENTS, INBOUND_EVENTS, OUTCOME, EventType
from .times import AWARE, EARLIEST, LATEST, iso, parse

TRACEPARENT: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
ATTRIBUTE_LIMIT: Final = 256
SEQUENCE_LIMIT: Final = 2**53 - 1
# A backslash before the escape is itself escaped or not: an odd number of them makes it U+0000.
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_JSON: Final = re.compile(r"application/(?:json|[a-z0-9.+-]+\+json)[ \t]*(?:;|\Z)", re.IGNORECASE)
# Objects that orjson would write but a reader could not tell from text are errors, not a convenience.
_PLAIN: Final = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS


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
    """The event as a structured-mode body. A subclass of BadEvent when no reader would take it."""
    kind = _kind(event.name)
    document: dict[str, Any] = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": names.event_type(event.name),
        "datacontenttype": "application/json",
    }
    try:
        document["time"] = iso(event.time)
    except (ValueError, OverflowError) as error:
        raise BadAttribute("a context attribute is malformed", [FieldProblem("time", str(error))]) from None
    if event.subject:
        document["subject"] = event.subject
    if event.sequence:
        document["sequence"] = event.sequence
    if event.street:
        document["street"] = event.street
    if event.lane != "live":
        document["lane"] = event.lane
    if event.traceparent:
        document["traceparent"] = event.traceparent
    if event.causationid:
        document["causationid"] = event.causationid
    document["data"] = event.data
    _attributes(document)
    sender = event.source.removeprefix("/partners/") if kind.owner == "partner" else None
    _check_sender(event, kind, sender, kind.owner == "partner")
    found = problems(kind.schema, event.data)
    if found:
        raise BadData(f"{event.name} breaks its schema", found)
    try:
        raw = orjson.dumps(document, option=_PLAIN)
    except TypeError as error:
        raise BadData(f"{event.name} is not JSON", [FieldProblem("data", str(error), "JSON")]) from None
    if len(raw) > names.MAX_EVENT_BYTES:
        raise TooLarge(f"{event.name} has {len(raw)} bytes, at most {names.MAX_EVENT_BYTES} are allowed")
    _refuse_nul(raw)
    return raw


def _kind(name: str) -> EventType:
    kind = EVENTS.get(name) or INBOUND_EVENTS.get(name)
    if kind is None:
        if name == OUTCOME.name:
            return OUTCOME
        raise UnknownType(f"there is no event {name!r:.80}")
    return kind


def decode(
    body: bytes | memoryview | str,
    content_type: str | None,
    *,
    exchange: str = names.EVENTS_EXCHANGE,
    user_id: str | None = None,
) -> Event:
    """Reads a body strictly.

    `exchange` says by which rules: on jiayuan.inbound the type must be one that outside systems send,
    `user_id` (the AMQP property, which the broker checks against the login) must be the source's partner,
    and no key may come twice; elsewhere the source must be the type's owner. Raises a subclass of BadEvent.
    """
    raw = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else bytes(body)
    if len(raw) > names.MAX_EVENT_BYTES:
        raise TooLarge(f"{len(raw)} bytes, at most {names.MAX_EVENT_BYTES} are allowed")
    _check_content_type(content_type)
    inbound = exchange == names.INBOUND_EXCHANGE
    event = _attributes(_parsed(raw, twice=not inbound))
    known = INBOUND_EVENTS if inbound else EVENTS
    kind = known.get(event.name)
    if kind is None and event.name == OUTCOME.name and exchange == names.OUTCOMES_EXCHANGE:
        kind = OUTCOME
    if kind is None:
        raise UnknownType(
            f"unknown type on {exchange}",
            [
                FieldProblem(
                    "type",
                    f"is {_shown(names.event_type(event.name))}",
                    ", ".join(names.event_type(n) for n in known),
                )
            ],
        )
    _check_sender(event, kind, user_id if inbound else None, inbound)
    found = problems(kind.schema, event.data)
    if found:
        raise BadData(f"{event.name} breaks its schema", found)
    return event


def _parsed(raw: bytes, *, twice: bool) -> dict[str, Any]:
    """The JSON object in `raw`. Unless `twice`, a key that comes twice in an object is an error."""
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadJson(f"the body is not JSON in UTF-8: {error}") from None
    if not isinstance(document, dict):
        raise BadJson(f"the body must be a JSON object, not {type(document).__name__}")
    _refuse_nul(raw)
    if not twice:
        try:
            json.loads(raw, object_pairs_hook=_no_key_twice)
        except RecursionError:
            raise BadJson("the body is nested too deeply") from None
    return document


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        keys = [k for k, _ in pairs]
        double = next(k for k in keys if keys.count(k) > 1)
        raise BadJson("a key comes twice", [FieldProblem(double[:200], "comes twice in one object", "once")])
    return out


def _refuse_nul(raw: bytes) -> None:
    if b"\\u0000" in raw and _NUL.search(raw) is not None:
        raise BadJson("the body holds U+0000, which cannot be stored")


def _check_content_type(content_type: str | None) -> None:
    if content_type == names.CONTENT_TYPE:
        return
    media, _, parameters = content_type.partition(";") if isinstance(content_type, str) else ("", "", "")
    if media.strip().lower() != names.CONTENT_TYPE:
        problem = f"is {_shown(content_type)}" if content_type else "is missing"
        raise BadContentType(
            "wrong content type", [FieldProblem("content_type", problem, names.CONTENT_TYPE)]
        )
    for parameter in filter(None, (p.strip() for p in parameters.split(";"))):
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "charset" and value.strip().strip('"').lower() not in ("utf-8", "utf8"):
            raise BadContentType(
                "wrong character set",
                [FieldProblem("content_type", f"is {_shown(content_type)}", "charset=utf-8")],
            )


def _shown(value: Any) -> str:
    """A value for an error message: short, and never the repr of something nested, which may be endless."""
    if value is None or isinstance(value, bool | int | float):
        return f"{value!r:.80}"
    return f"{value[:80]!r}" if isinstance(value, str) else f"a {type(value).__name__}"


_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=ATTRIBUTE_LIMIT)]


class _Attributes(msgspec.Struct, gc=False):
    """What is looked at in C. It may refuse more than `_slowly`, but take nothing that that refuses."""

    specversion: Literal["1.0"]
    id: _Text
    source: _Text
    type: _Text
    time: AWARE
    data: Any
    subject: _Text | None = None
    sequence: Annotated[int, msgspec.Meta(ge=0, le=SEQUENCE_LIMIT)] | None = None
    street: _Text | None = None
    lane: Literal["live", "bulk"] | None = None
    traceparent: Any = None
    causationid: _Text | None = None
    datacontenttype: Literal["application/json"] | None = None
    data_base64: msgspec.UnsetType = msgspec.UNSET


def _attributes(document: dict[str, Any]) -> Event:
    """The context attributes of a document, checked. An attribute that is null is absent."""
    try:
        a = msgspec.convert(document, _Attributes)
    except msgspec.ValidationError:
        return _slowly(document)
    subject, street, causation = a.subject or "", a.street or "", a.causationid or ""
    name = names.event_name(a.type)
    plain = (a.id + a.source + a.type + subject + street + causation).isprintable()
    if name is None or not plain or type(a.data) is not dict or not EARLIEST <= a.time <= LATEST:
        return _slowly(document)
    return Event(
        a.id,
        a.source,
        name,
        a.time,
        a.data,
        subject,
        a.sequence or 0,
        street,
        a.lane or "live",
        _trace(a.traceparent),
        causation,
    )


def _trace(value: Any) -> str:
    """W3C Trace Context: a malformed header is ignored, the message isn't."""
    return value if isinstance(value, str) and TRACEPARENT.fullmatch(value) is not None else ""


def _slowly(document: dict[str, Any]) -> Event:
    """As `_attributes`, saying all that is wrong."""
    found: list[FieldProblem] = []

    def attribute(key: str, *, required: bool) -> str:
        value = document.get(key)
        if value is None and not required:
            return ""
        if isinstance(value, str) and 0 < len(value) <= ATTRIBUTE_LIMIT and _CONTROL.search(value) is None:
            return value
        problem = "is missing" if value is None else f"is {_shown(value)}"
        found.append(
            FieldProblem(key, problem, f"text of 1 to {ATTRIBUTE_LIMIT} characters, no control characters")
        )
        return ""

    if document.get("specversion") != "1.0":
        found.append(FieldProblem("specversion", f"is {_shown(document.get('specversion'))}", "1.0"))
    id_ = attribute("id", required=True)
    source = attribute("source", required=True)
    type_ = attribute("type", required=True)
    time = attribute("time", required=True)
    subject = attribute("subject", required=False)
    street = attribute("street", required=False)
    causation = attribute("causationid", required=False)
    traceparent = _trace(document.get("traceparent"))
    at = _time(time, found) if time else EARLIEST
    sequence = document.get("sequence")
    if sequence is None:
        sequence = 0
    elif type(sequence) is not int or not 0 <= sequence <= SEQUENCE_LIMIT:
        found.append(
            FieldProblem("sequence", f"is {_shown(sequence)}", f"a whole number from 0 to {SEQUENCE_LIMIT}")
        )
    lane: Any = document.get("lane")
    if lane is None:
        lane = "live"
    elif lane not in names.LANES:
        found.append(FieldProblem("lane", f"is {_shown(lane)}", "live or bulk"))
    media = document.get("datacontenttype")
    if media is not None and not (isinstance(media, str) and _JSON.match(media)):
        found.append(FieldProblem("datacontenttype", f"is {_shown(media)}", "application/json"))
    if "data_base64" in document:
        found.append(FieldProblem("data_base64", "is not taken", "data"))
    elif not isinstance(document.get("data"), dict):
        found.append(FieldProblem("data", "is missing or not a JSON object", "a JSON object"))
    if found:
        raise BadAttribute("a context attribute is missing or malformed", found)
    name = names.event_name(type_)
    if name is None:
        form = f"{names.TYPE_PREFIX}<name>{names.TYPE_SUFFIX}"
        raise UnknownType("unknown type", [FieldProblem("type", f"is {_shown(type_)}", form)])
    return Event(
        id_, source, name, at, document["data"], subject, sequence, street, lane, traceparent, causation
    )


def _time(text: str, found: list[FieldProblem]) -> datetime:
    try:
        at = parse(text)
    except ValueError as error:
        found.append(FieldProblem("time", str(error), "RFC 3339 date-time with an offset"))
        return EARLIEST
    if not EARLIEST <= at <= LATEST:
        found.append(FieldProblem("time", f"is {_shown(text)}", "a year from 1900 to 2999"))
    return at


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
