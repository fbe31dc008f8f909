"""States: what an answer does to a notice."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jiayuan.contracts.schemas.common import NOTICE_STATES
from jiayuan.notify.states import DONE, FAILED, KINDS, NEVER_HAD_IT, Kind, Outcome, Pace, after_call, event_of

pytestmark = pytest.mark.unit
PACE = Pace(first=2, most=600, settle=5)


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        ("accepted", "accepted"),
        ("delivered", "delivered"),
        ("refused", "undelivered"),
        ("limited", "deferred"),
        ("throttled", "deferred"),
        ("misconfigured", "deferred"),
        ("out_of_money", "deferred"),
        ("content_refused", "undelivered"),
        ("no_consent", "undelivered"),
        ("unknown", "unknown"),
        ("not_found", "queued"),
    ],
)
def test_every_answer_leads_to_one_state(kind: Kind, state: str) -> None:
    then = after_call(Outcome(kind), 1, PACE, 0.5)
    assert then.state == state
    assert state in NOTICE_STATES
    assert (then.due_in is None) == (state in DONE)


def test_no_answer_is_forgotten_by_the_table_above() -> None:
    marks = test_every_answer_leads_to_one_state.pytestmark  # type: ignore[attr-defined]
    (table,) = [m.args[1] for m in marks if m.name == "parametrize"]
    assert {kind for kind, _ in table} == set(KINDS)


def test_only_what_a_provider_never_had_may_go_elsewhere() -> None:
    elsewhere = {k for k in KINDS if after_call(Outcome(k), 1, PACE, 0.5).elsewhere}
    assert elsewhere == {"throttled", "misconfigured", "out_of_money"}
    assert elsewhere <= NEVER_HAD_IT


def test_back_off_doubles_to_a_most_and_is_spread() -> None:
    assert PACE.back_off(1, 1.0) == timedelta(seconds=2)
    assert PACE.back_off(4, 1.0) == timedelta(seconds=16)
    assert PACE.back_off(4, 0.0) == timedelta(seconds=8)
    assert PACE.back_off(400, 1.0) == timedelta(seconds=600)


def test_a_provider_that_says_when_is_obeyed() -> None:
    then = after_call(Outcome("throttled", after=90), 1, PACE, 1.0)
    assert then.due_in == timedelta(seconds=90)


def test_a_limit_is_waited_for_and_a_little_longer_so_that_not_all_come_at_once() -> None:
    assert after_call(Outcome("limited", after=90), 1, PACE, 0.0).due_in == timedelta(seconds=90)
    assert after_call(Outcome("limited", after=90), 1, PACE, 1.0).due_in == timedelta(seconds=99)
    assert after_call(Outcome("limited"), 7, PACE, 0.0).due_in == timedelta(seconds=PACE.limited)


def test_an_unknown_is_left_to_settle_before_anybody_asks() -> None:
    due = after_call(Outcome("unknown"), 1, PACE, 0.0).due_in
    assert due == timedelta(seconds=5)


def test_what_the_others_hear() -> None:
    assert event_of("accepted", told=False) == "notice.sent"
    assert event_of("delivered", told=False) == "notice.sent"
    assert event_of("delivered", told=True) == "notice.delivered"
    assert event_of("accepted", told=True) is None
    assert all(event_of(state, told=False) == "notice.failed" for state in FAILED)
    assert all(event_of(s, told=False) is None for s in ("queued", "deferred", "unknown", "submitted"))
