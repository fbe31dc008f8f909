"""The strict reader: each fault its own error, with the field, what was wrong and what is allowed."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jiayuan.contracts import envelope, names
from jiayuan.contracts.envelope import (
    BadAttribute,
    BadContentType,
    BadData,
    BadEvent,
    BadJson,
    Event,
    TooLarge,
    UnknownType,
    WrongSender,
    decode,
    encode,
    make,
)
from jiayuan.contracts.ids import new_id

from .examples import examples

pytestmark = pytest.mark.unit
CT = names.CONTENT_TYPE
NOW = datetime(2026, 8, 19, 8, tzinfo=UTC)
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def withdrawn(**changes: Any) -> dict[str, Any]:
    """A small event; a change to None takes the attribute out."""
    document = {
        "specversion": "1.0",
        "id": "e-1",
        "source": "/jiayuan/intake",
        "type": "cn.jiayuan.report.withdrawn.v1",
        "time": "2026-08-19T08:00:00Z",
        "data": {"report": "r-1", "at": "2026-08-19T08:00:00Z"},
    } | changes
    return {k: v for k, v in document.items() if v is not None}


def submitted(**changes: Any) -> dict[str, Any]:
    return (
        withdrawn(
            source="/partners/hotline-12345",
            type="cn.jiayuan.report.submitted.v1",
            data={"external_id": "1", "text": "路灯不亮"},
        )
        | changes
    )


def raw(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()


def refused(body: Any, expected: type[BadEvent], *, content_type: Any = CT, **options: Any) -> BadEvent:
    """The error of a body, which must be of exactly this class and have a reason and a text."""
    with pytest.raises(BadEvent) as caught:
        decode(body if isinstance(body, bytes | str) else raw(body), content_type, **options)
    assert type(caught.value) is expected
    assert caught.value.reason == expected.reason != "bad_event"
    assert len(str(caught.value)) > 10
    for p in caught.value.problems:
        assert p.field in str(caught.value)
    return caught.value


def inbound(document: Any, expected: type[BadEvent], user: str | None = "hotline-12345") -> BadEvent:
    return refused(document, expected, exchange=names.INBOUND_EXCHANGE, user_id=user)


def only(error: BadEvent) -> tuple[str, str, str]:
    (p,) = error.problems
    return p.field, p.problem, p.allowed


def test_good() -> None:
    event = decode(raw(withdrawn()), CT)
    assert (event.id, event.name, event.lane, event.sequence) == ("e-1", "report.withdrawn", "live", 0)
    assert event.routing_key == "report.withdrawn"
    assert decode(memoryview(raw(withdrawn())), CT) == event
    assert decode(raw(withdrawn()).decode(), CT) == event


# --- attributes


@pytest.mark.parametrize("key", ["id", "source", "type", "time"])
@pytest.mark.parametrize("value", [None, "", 7, True, [], {}, "x" * 257, "a\nb", "a\x7f", "a\x85"])
def test_a_required_attribute_is_missing_or_odd(key: str, value: Any) -> None:
    error = refused(withdrawn(**{key: value}), BadAttribute)
    field, problem, allowed = only(error)
    assert field == key
    assert problem == "is missing" if value is None else problem.startswith("is ")
    assert allowed == "text of 1 to 256 characters, no control characters"


@pytest.mark.parametrize("key", ["subject", "street", "causationid"])
@pytest.mark.parametrize("value", ["", 7, [], "x" * 257, "a\nb"])
def test_an_optional_attribute_is_odd(key: str, value: Any) -> None:
    assert only(refused(withdrawn(**{key: value}), BadAttribute))[0] == key


@pytest.mark.parametrize("key", ["subject", "street", "causationid", "sequence", "lane", "traceparent"])
def test_an_optional_attribute_that_is_null_is_absent(key: str) -> None:
    assert decode(raw(withdrawn() | {key: None}), CT) == decode(raw(withdrawn()), CT)


@pytest.mark.parametrize(
    "time",
    [
        "2026-08-19T08:00:00",
        "2026-08-19",
        "2026-02-30T08:00:00Z",
        "2026-08-19T25:00:00Z",
        "gestern",
        "1766000000",
    ],
)
def test_bad_time(time: str) -> None:
    field, problem, allowed = only(refused(withdrawn(time=time), BadAttribute))
    assert (field, allowed) == ("time", "RFC 3339 date-time with an offset")
    assert time in problem


@pytest.mark.parametrize(
    "time", ["0001-01-01T00:00:00+14:00", "1899-12-31T23:59:59Z", "9999-12-31T23:59:59-12:00"]
)
def test_a_time_that_cannot_be_shifted_or_stored(time: str) -> None:
    assert only(refused(withdrawn(time=time), BadAttribute)) == (
        "time",
        f"is {time!r}",
        "a year from 1900 to 2999",
    )


def test_all_that_is_wrong_is_said_at_once() -> None:
    error = refused(withdrawn(id=None, time="x", specversion="0.3", lane="fast", sequence=-1), BadAttribute)
    assert [p.field for p in error.problems] == ["specversion", "id", "time", "sequence", "lane"]


@pytest.mark.parametrize("version", [None, "0.3", 1.0, "1"])
def test_specversion(version: Any) -> None:
    assert only(refused(withdrawn(specversion=version), BadAttribute))[::2] == ("specversion", "1.0")


@pytest.mark.parametrize("sequence", [-1, 1.5, 1.0, "1", True, 2**53, []])
def test_sequence(sequence: Any) -> None:
    assert only(refused(withdrawn(sequence=sequence), BadAttribute))[0] == "sequence"
    assert decode(raw(withdrawn(sequence=2**53 - 1)), CT).sequence == 2**53 - 1


@pytest.mark.parametrize("lane", ["fast", "", "LIVE", 1, ["live"], {}])
def test_lane(lane: Any) -> None:
    assert only(refused(withdrawn(lane=lane), BadAttribute))[::2] == ("lane", "live or bulk")


def test_bulk_lane_has_its_own_key() -> None:
    event = decode(raw(withdrawn(lane="bulk")), CT)
    assert event.routing_key == "report.withdrawn.bulk"
    assert envelope.bulk(decode(raw(withdrawn()), CT)) == event


@pytest.mark.parametrize(
    "trace",
    [
        "00-" + "0" * 32 + "-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-" + "0" * 16 + "-01",
        TRACE.upper(),
        TRACE + "-extra",
        TRACE + "\n",
        "01" + TRACE[2:],
        "x" * 5000,
        "",
        "a\r\nSet-Cookie: x",
        7,
        [[]],
    ],
)
def test_a_hostile_traceparent_is_ignored_and_the_message_is_not(trace: Any) -> None:
    assert decode(raw(withdrawn(traceparent=trace)), CT).traceparent == ""
    assert decode(raw(withdrawn(traceparent=TRACE)), CT).traceparent == TRACE


@pytest.mark.parametrize("data", [None, [], "{}", 1, True])
def test_data_must_be_an_object(data: Any) -> None:
    assert only(refused(withdrawn(data=data), BadAttribute)) == (
        "data",
        "is missing or not a JSON object",
        "a JSON object",
    )


def test_data_base64_is_not_taken() -> None:
    assert only(refused(withdrawn(data_base64="e30="), BadAttribute)) == (
        "data_base64",
        "is not taken",
        "data",
    )


@pytest.mark.parametrize("media", ["text/xml", "application/xml", "application/jsonx", "", 1])
def test_datacontenttype(media: Any) -> None:
    assert only(refused(withdrawn(datacontenttype=media), BadAttribute))[0] == "datacontenttype"


@pytest.mark.parametrize(
    "media", ["application/json", "application/json; charset=utf-8", "application/vnd.x+json"]
)
def test_json_by_other_names(media: str) -> None:
    assert decode(raw(withdrawn(datacontenttype=media)), CT)


# --- type and sender


@pytest.mark.parametrize(
    "type_",
    ["cn.jiayuan.report.withdrawn.v2", "cn.jiayuan.report.gone.v1", "report.withdrawn", "org.example.x"],
)
def test_unknown_type(type_: str) -> None:
    field, problem, allowed = only(refused(withdrawn(type=type_), UnknownType))
    assert (field, problem) == ("type", f"is {type_!r}")
    assert "cn.jiayuan." in allowed


def test_a_type_of_another_exchange_is_unknown_on_this_one() -> None:
    error = refused(submitted(), UnknownType)
    assert "jiayuan.events" in str(error)
    allowed = only(inbound(withdrawn(), UnknownType))[2]
    assert "cn.jiayuan.report.submitted.v1" in allowed
    assert "report.withdrawn" not in allowed
    outcome = next(e for e in examples() if e.kind.name == "inbound.outcome").document
    assert refused(outcome, UnknownType)
    assert decode(raw(outcome), CT, exchange=names.OUTCOMES_EXCHANGE)


def test_a_service_sends_only_what_is_its_own() -> None:
    error = refused(withdrawn(source="/jiayuan/notify"), WrongSender)
    assert only(error) == ("source", "is '/jiayuan/notify'", "/jiayuan/intake")
    refused(withdrawn(source="/partners/hotline-12345"), WrongSender)


def test_a_partner_is_who_the_broker_says() -> None:
    error = inbound(submitted(), WrongSender, user="city-management")
    assert only(error) == ("source", "is '/partners/hotline-12345'", "/partners/city-management")
    inbound(submitted(source="/jiayuan/intake"), WrongSender)
    assert decode(raw(submitted()), CT, exchange=names.INBOUND_EXCHANGE, user_id="hotline-12345")


@pytest.mark.parametrize("user", [None, ""])
def test_a_partner_that_is_not_proven(user: str | None) -> None:
    error = inbound(submitted(), WrongSender, user=user)
    assert only(error) == ("user_id", "the AMQP property is missing", "the partner's broker user")


def test_user_id_means_nothing_on_other_exchanges() -> None:
    assert decode(raw(withdrawn()), CT, user_id="anybody")


# --- size and content type


def sized(size: int) -> bytes:
    """A good body of exactly so many bytes."""
    empty = raw(withdrawn(filler=""))
    return raw(withdrawn(filler="x" * (size - len(empty))))


def test_64_kib_and_not_a_byte_more() -> None:
    assert len(sized(65536)) == 65536
    assert decode(sized(65536), CT)
    assert "65537 bytes, at most 65536" in str(refused(sized(65537), TooLarge))
    refused(b"x" * 10_000_000, TooLarge)


@pytest.mark.parametrize(
    "content_type",
    [
        CT,
        f"{CT}; charset=utf-8",
        f"{CT};charset=UTF-8",
        f'{CT}; charset="utf-8"',
        f" {CT.upper()} ; x=y;",
        f"{CT};charset=utf8",
    ],
)
def test_content_types_that_are_fine(content_type: str) -> None:
    assert decode(raw(withdrawn()), content_type)


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "application/json",
        "text/plain",
        "application/cloudevents",
        f"{CT}-batch",
        "application/x-python-serialize",
    ],
)
def test_other_content_types(content_type: str | None) -> None:
    field, problem, allowed = only(refused(withdrawn(), BadContentType, content_type=content_type))
    assert (field, allowed) == ("content_type", CT)
    assert problem == (f"is {content_type!r}" if content_type else "is missing")


def test_a_content_type_that_is_not_text() -> None:
    refused(withdrawn(), BadContentType, content_type=b"application/cloudevents+json")


@pytest.mark.parametrize("charset", ["gbk", "GB18030", "latin-1", "utf-16", ""])
def test_other_character_sets(charset: str) -> None:
    error = refused(withdrawn(), BadContentType, content_type=f"{CT}; charset={charset}")
    assert only(error)[::2] == ("content_type", "charset=utf-8")


# --- JSON


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{'id': 1}",
        b'{"id": NaN}',
        b'{"id": Infinity}',
        b'{"id": -Infinity}',
        b'{"id": 1e400}',
        b'{"id": ' + b"9" * 5000 + b"}",
        b'{"id": 01}',
        b'{"id": 1,}',
        b'{"id": "\xff"}',
        b'{"id": "\xed\xa0\x80"}',
        b'{"id": "\\ud800"}',
        b'{"id": "\\udc00\\ud800"}',
        b'{"id": "a\x00b"}',
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        b"{} {}",
        b"[" * 60_000,
        b'{"a":' * 10_000,
    ],
    ids=lambda b: repr(b[:18]),
)
def test_not_json(body: bytes) -> None:
    refused(body, BadJson)
    inbound(body, BadJson)


@pytest.mark.parametrize("body", [b"[]", b"1", b'"text"', b"null", b"true"])
def test_json_but_not_an_object(body: bytes) -> None:
    assert "must be a JSON object" in str(refused(body, BadJson))


def test_text_with_a_lone_surrogate() -> None:
    refused('{"id": "\ud800"}', BadJson)


@pytest.mark.parametrize("depth", [900, 1020])
@pytest.mark.parametrize(
    "key", ["id", "time", "specversion", "sequence", "lane", "traceparent", "data", "extra"]
)
def test_deep_nesting_where_it_hurts(key: str, depth: int) -> None:
    """The repr of such a value, for an error message, would end in a RecursionError."""
    nested = raw(withdrawn()).replace(b'"e-1"', b"0")
    body = nested[:-1] + b', "' + key.encode() + b'": ' + b"[" * depth + b"]" * depth + b"}"
    with pytest.raises(BadEvent):
        decode(body, CT)
    with pytest.raises(BadEvent):
        decode(body, CT, exchange=names.INBOUND_EXCHANGE, user_id="x")


def test_too_deep_for_the_second_look_at_inbound() -> None:
    body = raw(submitted())[:-1] + b', "extra": ' + b"[" * 1020 + b"]" * 1020 + b"}"
    assert "nested too deeply" in str(inbound(body, BadJson))


@pytest.mark.parametrize("text", [r"\u0000", r"a\u0000b", r"\\\u0000", r"\\\\\u0000", r"\n\u0000"])
def test_u0000(text: str) -> None:
    body = raw(withdrawn()).replace(b'"r-1"', f'"{text}"'.encode())
    assert "\x00" in json.loads(body)["data"]["report"]
    assert "U+0000" in str(refused(body, BadJson))


@pytest.mark.parametrize(
    "text", [r"\\u0000", r"C:\\u0000", r"\\\\u0000", r"\"\\u0000", "u0000", r"\u00000"[:-1] + "1"]
)
def test_what_only_looks_like_u0000(text: str) -> None:
    body = raw(withdrawn()).replace(b'"r-1"', f'"{text}"'.encode())
    value = json.loads(body)["data"]["report"]
    if "\x00" in value:
        refused(body, BadJson)
    else:
        event = decode(body, CT)
        assert event.data["report"] == value
        assert decode(encode(event), CT) == event


def test_u0000_in_a_field_that_nobody_knows() -> None:
    refused(withdrawn(extra={"a\x00": ["\x00"]}), BadJson)


def test_a_key_that_comes_twice_from_outside() -> None:
    twice = raw(submitted())[:-1] + b', "id": "e-2"}'
    assert only(inbound(twice, BadJson)) == ("id", "comes twice in one object", "once")
    inner = raw(submitted()).replace(b'"external_id"', b'"text": "a", "external_id"')
    assert only(inbound(inner, BadJson))[0] == "text"


# --- data


def test_bad_data_names_every_field() -> None:
    error = inbound(submitted(data={"external_id": "", "txt": "路灯"}), BadData)
    found = {p.field: (p.problem, p.allowed) for p in error.problems}
    assert found["data.text"] == ("Missing data for required field.", "text; 1 to 8000 characters")
    assert found["data.txt"] == ("Unknown field.", "")
    assert found["data.external_id"][1] == "text; 1 to 128 characters"
    assert str(error).startswith("report.submitted breaks its schema: data.")


def test_each_error_has_its_own_reason() -> None:
    kinds = (TooLarge, BadContentType, BadJson, BadAttribute, UnknownType, WrongSender, BadData)
    assert len({k.reason for k in kinds}) == len(kinds)


def test_no_text_of_a_person_in_the_error() -> None:
    secret = "某某某的电话 000-1111-2222"
    error = inbound(submitted(data={"external_id": "1", "text": "", "contact": {"phone": secret}}), BadData)
    assert "1111" not in str(error) + repr(error.problems)


# --- writing


def test_what_is_made_can_be_read() -> None:
    cause = decode(raw(withdrawn(lane="bulk", traceparent=TRACE)), CT)
    event = make(
        "report.withdrawn",
        "/jiayuan/intake",
        {"report": "r-1", "at": "2026-08-19T08:00:00Z"},
        at=NOW,
        subject="r-1",
        sequence=2,
        street="350921001",
        cause=cause,
    )
    assert (event.lane, event.traceparent, event.causationid) == ("bulk", TRACE, "e-1")
    assert decode(encode(event), CT) == event


GOOD = Event(
    "e-1", "/jiayuan/intake", "report.withdrawn", NOW, {"report": "r-1", "at": "2026-08-19T08:00:00Z"}
)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"id": ""}, BadAttribute),
        ({"id": "x" * 257}, BadAttribute),
        ({"time": datetime(2026, 8, 19)}, BadAttribute),
        ({"time": datetime(1, 1, 1, tzinfo=UTC)}, BadAttribute),
        ({"sequence": -1}, BadAttribute),
        ({"sequence": 2**53}, BadAttribute),
        ({"lane": "fast"}, BadAttribute),
        ({"subject": "a\nb"}, BadAttribute),
        ({"street": 3}, BadAttribute),
        ({"name": "report.gone"}, UnknownType),
        ({"source": "/jiayuan/sla"}, WrongSender),
        ({"source": "/partners/hotline-12345"}, WrongSender),
        ({"data": {}}, BadData),
        ({"data": {"report": "r-1", "at": NOW}}, BadData),
        ({"data": {"report": UUID(int=1), "at": "2026-08-19T08:00:00Z"}}, BadData),
        ({"data": {"report": "\ud800", "at": "2026-08-19T08:00:00Z"}}, BadData),
        ({"data": GOOD.data | {"extra": {1, 2}}}, BadData),
        ({"data": GOOD.data | {"extra": NOW}}, BadData),
        ({"data": GOOD.data | {"extra": 2**70}}, BadData),
        ({"data": GOOD.data | {1: "x"}}, BadData),
        ({"data": GOOD.data | {"report": "a\x00"}}, BadJson),
        ({"data": GOOD.data | {"extra": "x" * 65536}}, TooLarge),
    ],
    ids=str,
)
def test_writing_refuses_what_no_reader_would_take(changes: dict[str, Any], expected: type[BadEvent]) -> None:
    assert decode(encode(GOOD), CT) == GOOD
    with pytest.raises(BadEvent) as error:
        encode(replace(GOOD, **changes))
    assert type(error.value) is expected


def test_writing_refuses_what_is_no_number() -> None:
    example = next(e for e in examples() if str(e) == "report.received/001-street-lamp").document
    example["data"]["report"]["category"]["confidence"] = math.nan
    event = replace(GOOD, name="report.received", data=example["data"])
    with pytest.raises(BadData):
        encode(event)


def test_a_partners_event_is_written_with_its_name() -> None:
    event = Event("e-1", "/partners/x", "report.submitted", NOW, {"external_id": "1", "text": "路灯"})
    assert decode(encode(event), CT, exchange=names.INBOUND_EXCHANGE, user_id="x") == event
    with pytest.raises(WrongSender):
        encode(replace(event, source="/jiayuan/intake"))


# --- anything at all


FUZZ = settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.too_slow])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
KEYS = [
    *withdrawn(),
    "subject",
    "sequence",
    "lane",
    "street",
    "traceparent",
    "datacontenttype",
    "data_base64",
]


def either(body: Any, content_type: Any, **options: Any) -> None:
    """BadEvent or Event, and nothing else."""
    try:
        event = decode(body, content_type, **options)
    except BadEvent:
        return
    assert isinstance(event, Event)


@FUZZ
@given(st.binary(max_size=400), st.none() | st.text(max_size=60), st.none() | st.text(max_size=20))
def test_any_bytes(body: bytes, content_type: str | None, user: str | None) -> None:
    either(body, content_type, user_id=user)
    either(body, CT, exchange=names.INBOUND_EXCHANGE, user_id=user)


@FUZZ
@given(st.text(max_size=200))
def test_any_text(body: str) -> None:
    either(body, CT)


@FUZZ
@given(st.sampled_from(KEYS), JSON, st.booleans())
def test_any_value_of_any_attribute(key: str, value: Any, outside: bool) -> None:
    document = submitted() if outside else withdrawn()
    body = json.dumps(document | {key: value}).encode()
    either(
        body,
        CT,
        exchange=names.INBOUND_EXCHANGE if outside else names.EVENTS_EXCHANGE,
        user_id="hotline-12345",
    )


@FUZZ
@given(st.lists(st.tuples(st.sampled_from(KEYS), JSON | st.text(max_size=3)), min_size=1, max_size=2))
def test_the_quick_look_at_attributes_is_as_strict(changes: list[tuple[str, Any]]) -> None:
    document = withdrawn() | dict(changes)
    try:
        quick = envelope._attributes(document)
    except BadEvent as error:
        with pytest.raises(type(error)):
            envelope._slowly(document)
    else:
        assert quick == envelope._slowly(document)


@FUZZ
@given(st.sampled_from(examples()), st.integers(0, 3000), st.binary(min_size=0, max_size=3))
def test_any_byte_of_a_good_event(example: Any, place: int, put: bytes) -> None:
    body = example.path.read_bytes()
    place %= len(body)
    either(body[:place] + put + body[place + 1 :], CT)
    either(
        body[:place] + put + body[place + 1 :], CT, exchange=names.INBOUND_EXCHANGE, user_id="hotline-12345"
    )


# --- ids


def test_ids_are_uuids_of_version_7_that_grow() -> None:
    ids = [new_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    for text in ids:
        value = UUID(text)
        assert (value.version, value.variant, str(value)) == (7, "specified in RFC 4122", text)
    millis = [UUID(text).int >> 80 for text in ids]
    assert millis == sorted(millis)
