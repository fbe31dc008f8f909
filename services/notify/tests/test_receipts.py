"""What follows from receipts doesn't depend on their order or on how often they come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jiayuan.chassis.testing.models import examples
from jiayuan.notify.providers.base import Receipt
from jiayuan.notify.receipts import End, Matched, Standing, key, merge, usable

pytestmark = pytest.mark.unit

AT = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
A, B = "00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"


def matched(
    kind: str, request: str = A, seconds: int | None = 0, code: str = "X", channel: str = "sms"
) -> Matched:
    """A receipt of one of our requests."""
    at = None if seconds is None else AT + timedelta(seconds=seconds)
    return Matched(Receipt(kind, request, None, at, code), request, channel)  # type: ignore[arg-type]


RECEIPTS = st.lists(
    st.builds(
        matched,
        st.sampled_from(["delivered", "undelivered"]),
        st.sampled_from([A, B]),
        st.one_of(st.none(), st.integers(0, 5)),
        st.sampled_from(["X", "Y"]),
        st.sampled_from(["sms", "mini_program"]),
    ),
    min_size=1,
    max_size=6,
)
STATES = ["submitted", "accepted", "unknown", "queued", "deferred", "delivered", "undelivered", "expired"]


def after(standing: Standing, groups: list[list[Matched]]) -> Standing:
    """How it stands after some callbacks."""
    for group in groups:
        end = merge(standing, group)
        if end is not None:
            standing = Standing(end.state, standing.request_id, standing.channel)
    return standing


@settings(max_examples=examples(150), deadline=None)
@given(st.sampled_from(STATES), RECEIPTS, st.randoms())
def test_order_repetition_and_grouping_change_nothing(
    state: str, receipts: list[Matched], random: object
) -> None:
    standing = Standing(state, A)
    at_once = after(standing, [receipts])
    again = [*receipts, *receipts]
    random.shuffle(again)  # type: ignore[attr-defined]
    one_by_one = after(standing, [[r] for r in again])
    assert one_by_one == after(standing, [again])
    assert one_by_one.state == at_once.state


@settings(max_examples=examples(150), deadline=None)
@given(st.sampled_from(STATES), RECEIPTS)
def test_a_delivery_is_final(state: str, receipts: list[Matched]) -> None:
    end = after(Standing(state, A), [receipts])
    assert merge(Standing("delivered", A), receipts) is None
    if any(r.receipt.kind == "delivered" and r.channel == "sms" for r in receipts):
        assert end.state == "delivered"


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_first_failure_says_why(order: tuple[int, ...]) -> None:
    all_ = [
        matched("undelivered", seconds=s, code=c) for s, c in ((3, "LATE"), (1, "FIRST"), (None, "NEVER"))
    ]
    assert merge(Standing("accepted", A), [all_[i] for i in order]) == End("undelivered", "FIRST")


def test_a_failure_of_an_earlier_request_changes_nothing() -> None:
    assert merge(Standing("accepted", B), [matched("undelivered", A)]) is None
    assert merge(Standing("accepted", B), [matched("delivered", A)]) == End("delivered", "X")


def test_a_delivery_ends_what_was_about_to_be_sent_again() -> None:
    assert merge(Standing("queued", A), [matched("delivered")]) == End("delivered", "X")
    assert merge(Standing("queued", A), [matched("undelivered")]) is None


def test_a_channel_that_was_left_ends_nothing() -> None:
    for state in STATES:
        assert merge(Standing(state, A, "sms"), [matched("delivered", channel="mini_program")]) is None


def test_the_same_receipt_has_the_same_key() -> None:
    one = matched("delivered").receipt
    assert key("a", one) == key("a", matched("delivered").receipt)
    others = [matched("undelivered"), matched("delivered", B), matched("delivered", seconds=1)]
    keys = {key("a", one), key("b", one), *(key("a", o.receipt) for o in others)}
    assert len(keys) == 5


def test_only_ids_that_we_could_have_issued_are_looked_for() -> None:
    assert usable(Receipt("delivered", "'; DROP TABLE notice; --")) is None
    kept = usable(Receipt("delivered", "order-7", "ref-1"))
    assert kept == Receipt("delivered", None, "ref-1")
    assert usable(Receipt("delivered", A.upper())) == Receipt("delivered", A)
