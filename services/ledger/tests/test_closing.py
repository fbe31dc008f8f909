"""Closing, pure: periods, who may do what when, and that two persons are needed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from jiayuan.ledger import closing
from jiayuan.ledger.closing import Act, NotNow, Period, decide, period_of, propose

pytestmark = pytest.mark.unit

YEAR = Period(2026)
LATER = datetime(2027, 1, 5, tzinfo=UTC)
PROPOSED = [Act(1, "closing_proposed", "county-1")]
CLOSED = [*PROPOSED, Act(2, "closed", "auditor-1")]


@pytest.mark.parametrize(
    ("text", "starts_at", "ends_at"),
    [
        ("2026", datetime(2025, 12, 31, 16), datetime(2026, 12, 31, 16)),
        ("2026Q1", datetime(2025, 12, 31, 16), datetime(2026, 3, 31, 16)),
        ("2026Q3", datetime(2026, 6, 30, 16), datetime(2026, 9, 30, 16)),
        ("2026Q4", datetime(2026, 9, 30, 16), datetime(2026, 12, 31, 16)),
    ],
)
def test_a_period_is_of_chinese_time(text: str, starts_at: datetime, ends_at: datetime) -> None:
    period = period_of(text)
    assert str(period) == text
    assert (period.starts_at, period.ends_at) == (starts_at.replace(tzinfo=UTC), ends_at.replace(tzinfo=UTC))


@pytest.mark.parametrize("text", ["26", "2026Q5", "2026q1", "1999", "2026 ", "2026Q1\n", "２０２６"])
def test_anything_else_is_no_period(text: str) -> None:
    with pytest.raises(ValueError, match="is no period"):
        period_of(text)


def test_a_period_is_closed_after_its_end_and_in_order() -> None:
    assert propose(YEAR, [], LATER, reopening=False) == "closing_proposed"
    for acts, now, more, word in (
        ([], YEAR.ends_at, {}, "can be closed from 2027-01-01 01:00 on"),
        ([], LATER, {"open_before": [2025]}, "2025 is not closed"),
        (PROPOSED, LATER, {}, "waits for an answer"),
        (CLOSED, LATER, {}, "closed already"),
    ):
        with pytest.raises(NotNow, match=word):
            propose(YEAR, acts, now, reopening=False, **more)
    assert propose(YEAR, [], YEAR.ends_at + closing.GRACE, reopening=False)


def test_only_the_latest_closed_year_is_reopened() -> None:
    assert propose(YEAR, CLOSED, LATER, reopening=True) == "reopening_proposed"
    with pytest.raises(NotNow, match="is not closed"):
        propose(YEAR, [], LATER, reopening=True)
    with pytest.raises(NotNow, match="2027 is closed: reopen that first"):
        propose(YEAR, CLOSED, LATER + timedelta(days=400), reopening=True, closed_after=[2027])


def test_whoever_proposes_does_not_approve_and_may_take_it_back() -> None:
    assert decide(YEAR, PROPOSED, "auditor-1", approved=True) == "closed"
    assert decide(YEAR, PROPOSED, "county-1", approved=False) == "closing_refused"
    with pytest.raises(NotNow, match="somebody else has to") as raised:
        decide(YEAR, PROPOSED, "county-1", approved=True)
    assert raised.value.who
    for acts in ([], CLOSED):
        with pytest.raises(NotNow, match="nothing is proposed"):
            decide(YEAR, acts, "auditor-1", approved=True)


def test_what_was_done_stays_and_says_what_holds() -> None:
    acts = list(CLOSED)
    assert closing.is_closed(acts)
    acts.append(Act(3, propose(YEAR, acts, LATER, reopening=True), "county-1"))
    assert closing.is_closed(acts)
    acts.append(Act(4, decide(YEAR, acts, "auditor-1", approved=False), "auditor-1"))
    assert acts[-1].act == "reopening_refused"
    assert closing.is_closed(acts)
    acts.append(Act(5, propose(YEAR, acts, LATER, reopening=True), "county-1"))
    acts.append(Act(6, decide(YEAR, acts, "auditor-1", approved=True), "auditor-1"))
    assert not closing.is_closed(acts)
    assert propose(YEAR, acts, LATER, reopening=False) == "closing_proposed"
