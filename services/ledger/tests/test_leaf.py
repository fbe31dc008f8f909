"""Leaves as bytes: the fast writer gives what RFC 8785 says, and what is free text isn't in them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jiayuan.chassis.testing.models import examples
from jiayuan.ledger.leaf import date_form, encode, posting_leaf, text_digest, time_form
from jiayuan.ledger.store.leaves import COLUMNS
from jiayuan.ledger.store.tables import posting
from jiayuan.ledger.verify import Invalid, canonical

pytestmark = pytest.mark.unit

_NAMES = st.text(st.characters(codec="ascii"), max_size=6)
_DOCUMENTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_NAMES, inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(_NAMES, _DOCUMENTS, max_size=5))
@settings(max_examples=examples(200), deadline=None)
@example({"a": 3600.0, "b": [1e22, -0.0, 1e-7], "c": 2**53 - 1})
@example({"a": "\x7f\x1f\u2028\b\f", "\x01": 0})
@example({"at": "2026-03-02T01:00:00.120000Z", "n": '":12.5'})
def test_the_fast_writer_writes_rfc_8785(document: dict[str, Any]) -> None:
    assert encode(document) == canonical(document)


@pytest.mark.parametrize("value", [2**53 + 1, datetime(2026, 1, 1, tzinfo=UTC), float("nan"), b"x"])
def test_what_is_no_json_is_no_leaf(value: Any) -> None:
    with pytest.raises(Invalid):
        encode({"a": value})


def test_a_time_is_written_one_way_whatever_its_zone() -> None:
    same = {
        time_form("2026-03-02T09:00:00+08:00"),
        time_form("2026-03-02T01:00:00.000000Z"),
        time_form(datetime(2026, 3, 2, 1, tzinfo=UTC)),
    }
    assert same == {"2026-03-02T01:00:00.000000Z"}
    assert date_form("2026-03-02") == date_form(datetime(2026, 3, 2, tzinfo=UTC).date()) == "2026-03-02"


def test_a_leaf_holds_every_column_that_is_not_null() -> None:
    row: dict[str, Any] = dict.fromkeys(COLUMNS) | {"kind": "opening", "at": "2026-03-02T09:00:00+08:00"}
    assert json.loads(posting_leaf(row, COLUMNS)) == {
        "leaf": "posting/1",
        "kind": "opening",
        "at": "2026-03-02T01:00:00.000000Z",
    }


def test_columns_that_are_added_leave_older_leaves_as_they_are() -> None:
    """A column of its first migration may be NOT NULL; what came later is null in older rows, or it changes them."""
    first = {
        "entry_id",
        "number",
        "kind",
        "opening",
        "entered",
        "written_off",
        "at",
        "posted_at",
        "note",
        "facts",
        "cause",
    }
    assert {c.name for c in posting.columns if not c.nullable} == first
    assert [c.name for c in posting.columns if c.server_default is not None or c.default is not None] == []


def test_the_same_words_have_another_digest_with_another_salt() -> None:
    words = {"reason": "又坏了"}
    one, two = text_digest(b"a" * 16, words, "sha256"), text_digest(b"b" * 16, words, "sha256")
    assert one != two
    assert text_digest(b"a" * 16, words, "sm3").startswith("sm3:")
