"""The fast check and marshmallow say the same of everything; so does the JSON Schema as far as it can."""

from __future__ import annotations

import copy
import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marshmallow import EXCLUDE, Schema, fields, validate

from jiayuan.contracts import check, envelope
from jiayuan.contracts.generate import everything
from jiayuan.contracts.registry import EVENTS, EventType
from jiayuan.contracts.schemas.case import CaseChanged
from jiayuan.contracts.schemas.common import Demand, a_code, a_number, a_text
from jiayuan.contracts.schemas.inbound import AlertRaised, HandlingReported, ReportSubmitted
from jiayuan.contracts.times import iso, parse

from .examples import Example, examples, read
from .test_golden import SCHEMAS

pytestmark = pytest.mark.unit
QUICK = settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.too_slow])

# What a wrong sender may put into any field.
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.sampled_from([0, 1, -1, 2**31 - 1, 2**31, 2**63, 2**64, 1.0, 0.5, -0.0, 1e300, 101, 1001]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(
        ["", " ", "x", "1", "true", "null", "x" * 129, "字" * 201, "字" * 8001, "a\n", "a b", "Ａ1", "１"]
    ),
    st.sampled_from(["2026Q1", "2026Q5", "２０２６Q1", "2026Q1\n", "open", "OPEN", "grid", "+86 000-0000\n"]),
    st.sampled_from(
        [
            "2026-08-19T08:00:00",
            "2026-08-19T08:00:00Z",
            "2026-08-19t08:00:00z",
            "2026-08-19 08:00:00+08:00",
            "2026-08-19T08:00:00+0800",
            "2026-08-19T08:00:00+08",
            "2026-08-19T08:00Z",
            "2026-08-19",
            "20260819T080000Z",
            "2026-W34-3T08:00:00Z",
            "2026-02-30T08:00:00Z",
            "2026-08-19T24:00:00Z",
            "2026-08-19T08:00:60Z",
            "2026-08-19T08:00:00.Z",
            "2026-08-19T08:00:00,5Z",
            "2026-08-19T08:00:00.123456789Z",
            "0001-01-01T00:00:00+23:59",
            "9999-12-31T23:59:59-23:59",
            "0000-01-01T00:00:00Z",
            "1899-12-31T23:59:59Z",
            "3000-01-01T00:00:00Z",
            1766000000,
        ]
    ),
    st.text(max_size=70),
    st.lists(st.one_of(st.none(), st.text(max_size=3), st.integers()), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=3),
)


def paths(node: Any, prefix: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a document."""
    found = [prefix] if prefix else []
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, inner in items:
        found += paths(inner, (*prefix, key))
    return found


@st.composite
def spoilt(draw: st.DrawFn, of: list[Example]) -> tuple[Example, Any]:
    """A golden example's data with one to three things dropped, replaced, added or repeated."""
    example = draw(st.sampled_from(of))
    data = copy.deepcopy(example.document["data"])
    for _ in range(draw(st.integers(1, 3))):
        places = paths(data)
        if not places:
            break
        *above, last = draw(st.sampled_from(places))
        node = data
        for key in above:
            node = node[key]
        deed = draw(st.sampled_from(["drop", "replace", "replace", "replace", "add", "many"]))
        if deed == "drop":
            del node[last]
        elif deed == "replace":
            node[last] = draw(ODD)
        elif deed == "add" and isinstance(node, dict):
            node[draw(st.sampled_from(["extra", "id", "Id", "at", "reason", "note", "legs"]))] = draw(ODD)
        elif isinstance(node[last], list):
            node[last] = node[last] * draw(st.sampled_from([2, 21, 51, 201]))
    return example, data


def fast(schema: type[Schema], data: Any) -> bool:
    try:
        msgspec.convert(data, check.struct(schema))
    except msgspec.ValidationError:
        return False
    return True


FACTS = [e for e in examples() if e.kind.name in EVENTS]


@QUICK
@given(spoilt(FACTS))
def test_both_say_the_same_of_facts(case: tuple[Example, Any]) -> None:
    example, data = case
    assert not check.thorough(example.kind.schema)
    assert fast(example.kind.schema, data) == (check.explain(example.kind.schema, data) == [])


@QUICK
@given(spoilt(examples()))
def test_what_marshmallow_takes_the_fast_form_takes(case: tuple[Example, Any]) -> None:
    """The other way round, demands have rules over several fields, for which marshmallow is always asked."""
    example, data = case
    if check.explain(example.kind.schema, data) == []:
        assert fast(example.kind.schema, data)


@QUICK
@given(spoilt(examples()))
def test_what_the_reader_takes_the_json_schema_takes(case: tuple[Example, Any]) -> None:
    example, data = case
    document = example.document | {"data": data}
    try:
        read(document, example.kind)
    except envelope.BadEvent as error:
        if SCHEMAS[example.kind.name].is_valid(document):
            _only_the_reader_can_tell(error)
    else:
        assert SCHEMAS[example.kind.name].is_valid(document)


def _only_the_reader_can_tell(error: envelope.BadEvent) -> None:
    """JSON Schema takes 1.0 for a whole number, has no calendar, and doesn't see U+0000 or a line's end after `$`."""
    if isinstance(error, envelope.BadJson):
        return
    for p in error.problems:
        calendar = "RFC 3339" in p.problem
        whole = p.allowed.startswith("whole number") and p.problem == "Not a valid integer."
        line_end = "of the form" in p.allowed
        assert calendar or whole or line_end, p


@pytest.mark.parametrize("kind", everything(), ids=lambda e: e.name)
def test_every_schema_has_a_fast_form(kind: EventType) -> None:
    assert issubclass(check.struct(kind.schema), msgspec.Struct)


@pytest.mark.parametrize("kind", everything(), ids=lambda e: e.name)
def test_facts_are_open_and_demands_closed(kind: EventType) -> None:
    found = check.problems(kind.schema, {**_example_of(kind).document["data"], "new": 1})
    assert [p.field for p in found] == (["data.new"] if kind.owner == "partner" else [])


def _example_of(kind: EventType) -> Example:
    return next(e for e in examples() if e.kind is kind)


def test_demands_are_always_looked_at_by_marshmallow() -> None:
    for schema in (ReportSubmitted, HandlingReported, AlertRaised):
        assert check.thorough(schema)


def test_half_a_coordinate() -> None:
    report: dict[str, Any] = {"external_id": "1", "text": "路灯不亮", "place": {"lat": 26.8}}
    (p,) = check.problems(ReportSubmitted, report)
    assert (p.field, p.problem, p.allowed) == (
        "data.place.long",
        "lat and long go together",
        "number; -180 to 180",
    )
    assert check.problems(ReportSubmitted, report | {"place": {"lat": 26.8, "long": 120}}) == []


def test_the_words_name_field_fault_and_allowed() -> None:
    data = _example_of(EVENTS["case.opened"]).document["data"]
    data["case"]["state"] = "opened"
    data["case"]["legs"] = [{"kind": "handle"}]
    data["case"]["citizen_limit"] = "15 d"
    found = {p.field: p for p in check.problems(CaseChanged, data)}
    assert found["data.case.state"].allowed.startswith("text; one of open, assigned")
    assert found["data.case.legs.0.assignee"].problem == "Missing data for required field."
    assert found["data.case.citizen_limit"].allowed == "whole number; 0 to 2147483647"


def test_not_an_object() -> None:
    assert check.problems(ReportSubmitted, [1]) == [
        check.FieldProblem("data", "must be a JSON object", "object")
    ]


def test_spelled_problems_fit_the_outcome() -> None:
    hostile = [check.FieldProblem("x" * 60_000, "y" * 600, "z" * 600) for _ in range(60)]
    data = {"outcome": "rejected", "at": "2026-08-19T08:00:00Z", "problems": check.spelled(hostile)}
    event = envelope.make("inbound.outcome", "/jiayuan/intake", data, at=datetime(2026, 8, 19, tzinfo=UTC))
    assert len(envelope.encode(event)) < 65536


def test_a_fast_form_that_is_stricter_still_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    class Odd(Schema):
        class Meta:
            unknown = EXCLUDE

        number = a_number()

    monkeypatch.setattr(check, "explain", lambda *_: [])
    (p,) = check.problems(Odd, {"number": "3"})
    assert "Expected `int" in p.problem


def test_what_has_no_fast_form_is_an_error_when_it_is_made() -> None:
    class Url(Schema):
        url = fields.String(validate=validate.URL())

    class Mail(Schema):
        mail = fields.Raw()

    for schema in (Url, Mail):
        with pytest.raises(TypeError, match="no fast form"):
            check.struct(schema)


def test_exact_lengths_have_a_fast_form() -> None:
    class Exact(Schema):
        code = fields.String(validate=validate.Length(equal=3))

    for text in ("ab", "abc", "abcd"):
        assert fast(Exact, {"code": text}) == (check.explain(Exact, {"code": text}) == []) == (text == "abc")


def test_nested_demands_are_thorough_too() -> None:
    class Inner(Demand):
        code = a_code()

    class Outer(Schema):
        inner = fields.List(fields.Nested(Inner))
        text = a_text(3)

    assert check.thorough(Outer)


# --- times


ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@QUICK
@given(st.datetimes(timezones=ZONES, min_value=datetime(1900, 1, 2), max_value=datetime(2999, 12, 30)))
def test_times_come_back(at: datetime) -> None:
    assert parse(iso(at)) == at
    # One width for all, so that they are in order as texts as well.
    assert iso(at) == at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


@pytest.mark.parametrize("microsecond", [0, 1, 10, 500_000, 999_999])
def test_times_have_six_digits_always(microsecond: int) -> None:
    text = iso(datetime(2026, 3, 2, 1, 0, 0, microsecond, tzinfo=UTC))
    assert text == f"2026-03-02T01:00:00.{microsecond:06}Z"


def test_times_without_a_zone_are_errors() -> None:
    with pytest.raises(ValueError, match="without a zone"):
        iso(datetime(2026, 8, 19))
    for text in ("2026-08-19T08:00:00", "yesterday", "", "2026-08-19"):
        with pytest.raises(ValueError, match="not an RFC 3339"):
            parse(text)


def test_a_number_that_is_none_does_not_pass() -> None:
    data = _example_of(EVENTS["report.received"]).document["data"]
    data["report"]["category"]["confidence"] = math.nan
    assert check.problems(EVENTS["report.received"].schema, data)
