"""Whatever is sent to a channel gets an answer that says what became of it: taken, or which field is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jiayuan.chassis.testing.databases import Opened
from jiayuan.intake import api, public, schemas
from jiayuan.intake.channels import field, hotline

pytestmark = pytest.mark.store

LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=30),
    st.sampled_from(
        ["2026-03-02T09:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "路灯坏了", "1"]
    ),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
PLACE = st.dictionaries(st.sampled_from(["code", "text", "lat", "long", "crs", "x"]), LEAVES, max_size=4)


def _bodies(schema: Any, **known: Any) -> Any:
    """Objects with the schema's fields, each right now and then, and a field that isn't there."""
    names = [*sorted(schema().fields), "unknown"]
    right = {"text": st.text(min_size=1, max_size=60), "place": PLACE, **known}
    fields = {name: st.one_of(VALUES, right[name]) if name in right else VALUES for name in names}
    return st.fixed_dictionaries({}, optional=fields) | VALUES


TIMES = st.datetimes().map(lambda t: t.isoformat() + "Z")
ITEM = _bodies(schemas.FieldReport, id=st.text("abc", min_size=1, max_size=3), device_at=TIMES)
CALLS = [
    (api.submit, _bodies(schemas.NewReport), {}),
    (
        hotline.submit,
        _bodies(schemas.HotlineReport, work_order=st.text("123", min_size=1)),
        {"roles": ("agent",)},
    ),
    (
        field.submit,
        _bodies(schemas.Walk, sent_at=TIMES, reports=st.lists(ITEM, min_size=1, max_size=4)),
        {"roles": ("rider",)},
    ),
]


@pytest.mark.parametrize(("handler", "bodies", "who"), CALLS, ids=["reports", "hotline", "field"])
def test_any_body_is_taken_or_refused_with_its_field(
    intake: Opened, send: Any, handler: Any, bodies: Any, who: Any
) -> None:
    @settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(bodies)
    def every(body: Any) -> None:
        answer = send(handler, json=body, **who)
        assert answer.status_code in (200, 201, 400, 403, 409, 422), answer.get_data(as_text=True)
        document = answer.get_json()
        if answer.status_code >= 400:
            assert answer.content_type == "application/problem+json"
            assert document.get("errors") or document.get("detail")
        for result in document.get("reports", ()):
            assert (result["outcome"] == "refused") == bool(result["problems"])

    every()
    assert intake.published is not None


@settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(st.sampled_from(["limit", "cursor", "street", "category", "x"]), st.text(max_size=12)))
def test_any_query_of_the_public_view_is_answered(send: Any, query: dict[str, str]) -> None:
    answer = send(lambda d, c: public.page(d, c, public.Pages()), method="GET", query=query)
    unusable = any("\0" in value for value in query.values())
    assert answer.status_code in ((400,) if unusable else (200, 404, 422)), answer.get_data(as_text=True)


@pytest.mark.parametrize(
    "when",
    [
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59-14:00",
        "1969-12-31T23:59:59Z",
        "2026-03-02T09:00:60Z",
    ],
)
@pytest.mark.parametrize("name", ["occurred_at", "device_at"])
def test_a_time_at_the_edge_of_all_times_is_taken_or_refused(send: Any, name: str, when: str) -> None:
    for handler, body, who in (
        (api.submit, {"text": "路灯坏了", name: when}, {}),
        (hotline.submit, {"work_order": "1", "text": "路灯坏了", name: when}, {"roles": ("agent",)}),
    ):
        answer = send(handler, json=body, **who)
        assert answer.status_code in (201, 422), answer.get_data(as_text=True)
    item = {"id": "1", "device_at": "2026-03-02T09:00:00Z", "text": "路灯坏了", name: when}
    for sent_at in ("2026-03-02T09:00:00Z", "1900-01-01T00:00:00Z", "2999-12-31T23:59:59Z"):
        answer = send(field.submit, json={"sent_at": sent_at, "reports": [item]}, roles=("rider",))
        assert answer.status_code == 200, answer.get_data(as_text=True)
