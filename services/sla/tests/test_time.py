"""Natural time with pauses: examples and properties."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jiayuan.sla.light import light, light_at, percent
from jiayuan.sla.time import advance, deadline, elapsed, extended, merged

pytestmark = pytest.mark.unit

START = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


moments = st.integers(-5000, 20000).map(at)
closed = st.tuples(moments, st.integers(0, 5000)).map(lambda p: (p[0], p[0] + p[1] * SECOND))
spans = st.lists(st.one_of(closed, closed, closed, st.tuples(moments, st.none())), max_size=6)
closed_spans = st.lists(closed, max_size=6)
limits = st.integers(1, 10000)
more_time = st.lists(st.tuples(moments, st.integers(1, 4000)), max_size=4)


def test_the_deadline_is_the_start_and_the_limit() -> None:
    assert deadline(START, 900) == at(900)


@pytest.mark.parametrize(
    ("pauses", "due"),
    [
        ([(100, 200)], 1000),  # inside
        ([(-100, 100)], 1000),  # only from the start on
        ([(-200, -100)], 900),  # before
        ([(100, 300), (200, 400)], 1200),  # overlapping counts once
        ([(200, 400), (100, 300)], 1200),  # in any order
        ([(900, 950)], 950),  # exactly when the limit is used up: no time passes inside a pause
        ([(901, 950)], 900),  # too late to matter
        ([(100, 100)], 900),  # nothing
        ([(800, 1000), (1050, 1060)], 1110),  # the first one lets the second one count
    ],
)
def test_pauses(pauses: list[tuple[int, int]], due: int) -> None:
    assert deadline(START, 900, [(at(a), at(b)) for a, b in pauses]) == at(due)


def test_nobody_knows_the_deadline_while_it_stands_still() -> None:
    assert deadline(START, 900, [(at(100), None)]) is None
    assert deadline(START, 900, [(at(900), None)]) is None
    assert deadline(START, 900, [(at(901), None)]) == at(900)


@pytest.mark.parametrize(
    ("extensions", "due"),
    [
        ([(900, 60)], 960),  # granted on the last moment
        ([(901, 60)], 900),  # granted too late
        ([(901, 60), (100, 10)], 970),  # an earlier one made it timely
        ([(100, 60), (100, 60)], 1020),
    ],
)
def test_extensions_count_when_they_were_granted_in_time(extensions: list[tuple[int, int]], due: int) -> None:
    assert deadline(START, 900, (), [(at(a), s) for a, s in extensions]) == at(due)


@given(limits, closed_spans)
def test_at_the_deadline_exactly_the_limit_has_elapsed(
    limit: int, pauses: list[tuple[datetime, datetime]]
) -> None:
    due = deadline(START, limit, pauses)
    assert due is not None
    assert elapsed(START, due, pauses=pauses) == limit * SECOND
    assert elapsed(START, due + timedelta(microseconds=1), pauses=pauses) > limit * SECOND


@given(limits, limits, closed_spans)
def test_two_limits_one_after_the_other(
    one: int, other: int, pauses: list[tuple[datetime, datetime]]
) -> None:
    first = deadline(START, one, pauses)
    assert first is not None
    assert deadline(START, one + other, pauses) == deadline(first, other, pauses)


@given(limits, spans, st.one_of(closed, st.tuples(moments, st.none())), more_time)
def test_one_more_pause_never_makes_it_earlier(
    limit: int,
    pauses: list[tuple[datetime, datetime | None]],
    extra: tuple[datetime, datetime | None],
    extensions: list[tuple[datetime, int]],
) -> None:
    before = deadline(START, limit, pauses, extensions)
    after = deadline(START, limit, [*pauses, extra], extensions)
    assert after is None or (before is not None and after >= before)


@given(limits, spans, more_time, st.randoms())
def test_the_order_of_pauses_and_extensions_does_not_matter(
    limit: int,
    pauses: list[tuple[datetime, datetime | None]],
    extensions: list[tuple[datetime, int]],
    random: Random,
) -> None:
    due = deadline(START, limit, pauses, extensions)
    pauses, extensions = [*pauses, *pauses[:1]], list(extensions)
    random.shuffle(pauses)
    random.shuffle(extensions)
    assert deadline(START, limit, pauses, extensions) == due


@given(limits, more_time)
def test_an_extension_never_makes_it_earlier(limit: int, extensions: list[tuple[datetime, int]]) -> None:
    assert extended(START, limit, (), extensions) >= limit


@given(spans)
def test_merged_pauses_are_apart(pauses: list[tuple[datetime, datetime | None]]) -> None:
    out = merged(pauses)
    for (_, end), (start, _) in pairwise(out):
        assert end is not None
        assert end < start


@given(limits, closed_spans, st.integers(0, 30000))
def test_the_light_agrees_with_the_deadline(
    limit: int, pauses: list[tuple[datetime, datetime]], second: int
) -> None:
    due = deadline(START, limit, pauses)
    warn = advance(START, limit * SECOND * 80 / 100, merged(pauses))
    assert due is not None
    assert warn is not None
    shown = light_at(START, limit, at(second), pauses)
    assert (shown == "red") == (at(second) > due)
    assert (shown == "green") == (elapsed(START, at(second), pauses=pauses) * 100 < limit * 80 * SECOND)


def test_the_light() -> None:
    assert [light(s * SECOND, 100) for s in (0, 79, 80, 100, 101)] == [
        "green",
        "green",
        "yellow",
        "yellow",
        "red",
    ]
    assert light(100 * SECOND + timedelta(microseconds=1), 100) == "red"


def test_percent_is_cut_off() -> None:
    assert [percent(s * SECOND, 300) for s in (0, 299, 300, 301, 10**9)] == [0, 99, 100, 100, 1000]


def test_summer_time_changes_nothing() -> None:
    berlin = datetime.fromisoformat("2026-03-29T01:30:00+01:00")
    assert deadline(berlin, 3600) == datetime.fromisoformat("2026-03-29T03:30:00+02:00")
