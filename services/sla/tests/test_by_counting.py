"""The calculator against counting: every minute of days on which clocks are changed, in odd zones, with pauses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jiayuan.sla import calendar
from jiayuan.sla.time import due, elapsed, timeline

pytestmark = pytest.mark.unit

STEP = timedelta(minutes=1)
DAYS = 9
# A day on which something happens to the clock, or a zone whose offset is no whole hour.
WHERE = (
    ("Europe/Berlin", "2026-03-29"),
    ("Europe/Berlin", "2026-10-25"),
    ("Australia/Lord_Howe", "2026-04-05"),  # half an hour
    ("Australia/Lord_Howe", "2026-10-04"),
    ("America/Havana", "2026-03-08"),  # at midnight: the day begins at one
    ("America/Havana", "2026-11-01"),
    ("Asia/Beirut", "2026-03-29"),
    ("America/St_Johns", "2026-11-01"),
    ("Pacific/Apia", "2011-12-30"),  # a day that never was
    ("Asia/Kolkata", "2026-03-02"),
    ("Asia/Kathmandu", "2026-03-02"),
    ("Asia/Shanghai", "2026-03-02"),
)
SEGMENTS = (
    ["22:00-06:00"],
    ["09:00-12:00", "13:30-18:00"],
    ["00:00-24:00"],
    ["02:30-05:00"],
    ["01:30-02:30"],
    ["02:00-03:00"],
    ["00:00-02:15", "23:00-24:00"],
    ["08:07-11:59", "12:01-16:13", "16:13-17:00"],
    ["23:30-00:30"],
)
Day = tuple[str, int]


class Counted:
    """Whether each minute of some days is working time, by nothing but the clock on the wall."""

    def __init__(
        self, zone: str, anchor: str, week: int, work_all_days: bool, special: Sequence[Day]
    ) -> None:
        middle = date.fromisoformat(anchor)
        self.days = {(middle + timedelta(days=n)).isoformat(): kind for kind, n in special}
        self.segments, self.all = SEGMENTS[week], work_all_days
        document = {
            "calendar": "counted",
            "zone": zone,
            "week": {"mon-sun" if work_all_days else "mon-fri": self.segments},
            "days": {day: {kind: "x"} for day, kind in self.days.items()},
        }
        self.calendar = calendar.read(document)
        self.begin = datetime(middle.year, middle.month, middle.day, tzinfo=UTC) - timedelta(days=2)
        walls = _walls(zone, self.begin)
        self.works = [False] * (DAYS * 1440)
        for n in range(-3, DAYS + 2):
            for first, last in self._of(middle + timedelta(days=n)):
                for i in range(_first(walls, first), _first(walls, last)):
                    if 1440 <= i < 1440 + len(self.works):
                        self.works[i - 1440] = True

    def _of(self, day: date) -> list[tuple[datetime, datetime]]:
        kind = self.days.get(day.isoformat())
        if kind == "holiday" or (kind is None and not self.all and day.weekday() > 4):
            return []
        out = []
        for text in self.segments:
            a, b = (int(t[:2]) * 60 + int(t[3:]) for t in text.split("-"))
            midnight = datetime(day.year, day.month, day.day)
            b += 1440 if b <= a else 0
            out.append((midnight + a * STEP, midnight + b * STEP))
        return out

    def at(self, minute: int) -> datetime:
        return self.begin + minute * STEP


@cache
def _walls(zone: str, begin: datetime) -> list[datetime]:
    """What the clock on the wall says each minute, from a day before `begin` to a day after the days."""
    at = ZoneInfo(zone)
    return [(begin + (n - 1440) * STEP).astimezone(at).replace(tzinfo=None) for n in range((DAYS + 2) * 1440)]


def _first(walls: list[datetime], wall: datetime) -> int:
    """The first minute of that wall-clock time; where the clock leapt over it, the first one after the leap."""
    low = next((i for i, found in enumerate(walls) if found == wall), None)
    if low is not None:
        return low
    return next((i for i, found in enumerate(walls) if found > wall), len(walls))


@st.composite
def counted(draw: Any) -> Counted:
    zone, anchor = draw(st.sampled_from(WHERE))
    special = draw(
        st.lists(st.tuples(st.sampled_from(("holiday", "workday")), st.integers(-2, 6)), max_size=3)
    )
    return Counted(zone, anchor, draw(st.integers(0, len(SEGMENTS) - 1)), draw(st.booleans()), special)


@given(
    said=counted(),
    start=st.integers(0, 3 * 1440),
    limit=st.integers(1, 1200),
    spans=st.lists(st.tuples(st.integers(-600, 3000), st.integers(-5, 2000)), max_size=3),
    end=st.integers(0, 4 * 1440),
)
@settings(deadline=None, max_examples=60)
def test_due_and_elapsed_are_what_counting_gives(
    said: Counted, start: int, limit: int, spans: list[tuple[int, int]], end: int
) -> None:
    stands = [False] * len(said.works)
    for a, length in spans:
        for i in range(max(0, start + a), min(len(stands), start + a + length)):
            stands[i] = True
    counts = [w and not p for w, p in zip(said.works, stands, strict=True)]
    pauses = [(said.at(start + a), said.at(start + a + length)) for a, length in spans]
    zone, begin = said.calendar.zone, said.at(start)
    worked = sum(counts[start : start + end])
    assert elapsed(begin.astimezone(zone), said.at(start + end), said.calendar, pauses) == worked * STEP
    pieces = timeline(begin, said.at(start + end), said.calendar, pauses)
    assert sum(((p.end - p.start) for p in pieces if p.counted), timedelta()) == worked * STEP
    assert all(a.end == b.start for a, b in pairwise(pieces))

    left, at = limit, start
    while left and at < len(counts):
        left -= counts[at]
        at += 1
    # A pause that begins in that very moment moves it to its end, where it holds any working time.
    stop = at
    while stop < len(stands) and stands[stop]:
        stop += 1
    if left or stop == len(stands):
        return  # beyond the days that were counted
    if any(said.works[at:stop]):
        at = stop
    found = due(begin.astimezone(zone), limit * 60, said.calendar, pauses)
    assert found == said.at(at)


def sh(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Asia/Shanghai"))


COUNTY = calendar.bundled("county")
US = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("start", "limit", "end"),
    [
        # The end of a segment is still in time, and the limit doesn't reach into the next one.
        ("2026-03-02 11:45", timedelta(minutes=15), "2026-03-02 12:00"),
        ("2026-03-02 11:45", timedelta(minutes=15) + US, "2026-03-02 13:30:00.000001"),
        ("2026-03-02 11:59:59.999999", US, "2026-03-02 12:00"),
        ("2026-03-02 12:00", US, "2026-03-02 13:30:00.000001"),  # begun at the end of one
        ("2026-03-02 18:00", timedelta(hours=3), "2026-03-03 12:00"),
        ("2026-03-06 18:00", timedelta(hours=7.5), "2026-03-09 18:00"),
        # Begun in a holiday, at its very end, and on the make-up Saturday that follows.
        ("2026-02-17 03:00", timedelta(minutes=1), "2026-02-24 09:01"),
        ("2026-02-23 23:59:59.999999", timedelta(seconds=1), "2026-02-24 09:00:01"),
        ("2026-02-28 18:00", timedelta(seconds=0.5), "2026-03-02 09:00:00.500000"),
        # Past the last day whose holidays are known, by the weekly pattern; the new year of 2027 is a Friday.
        ("2026-12-31 17:59", timedelta(minutes=2), "2027-01-01 09:01"),
        ("2026-03-02 09:00", timedelta(0), "2026-03-02 09:00"),
        ("2026-03-01 09:00", timedelta(0), "2026-03-01 09:00"),  # nothing is used up at once, on a Sunday too
    ],
)
def test_ends_of_segments_holidays_and_the_last_known_day(start: str, limit: timedelta, end: str) -> None:
    found = due(sh(start), limit, COUNTY)
    assert found is not None
    assert found == sh(end)
    assert elapsed(sh(start), found, COUNTY) == limit
    if limit:
        assert elapsed(sh(start), found - US, COUNTY) == limit - US


@pytest.mark.parametrize(
    ("pause", "end"),
    [
        (
            ("2026-03-02 18:00", "2026-03-02 20:00"),
            "2026-03-02 18:00",
        ),  # an evening: no working time is in it
        (("2026-03-02 18:00", "2026-03-03 09:00"), "2026-03-02 18:00"),
        (("2026-03-02 18:00", "2026-03-03 09:01"), "2026-03-03 09:01"),  # a minute of it is
        (("2026-03-02 18:00:01", "2026-03-03 12:00"), "2026-03-02 18:00"),  # after it was used up
        (("2026-03-02 17:59:59.999999", "2026-03-03 08:00"), "2026-03-03 09:00:00.000001"),
        (("2026-03-01 00:00", "2026-03-02 17:00"), "2026-03-02 18:00"),  # before it began
        (("2026-03-01 00:00", "2026-03-02 17:30"), "2026-03-03 09:30"),
    ],
)
def test_pauses_at_the_edge_of_working_time(pause: tuple[str, str], end: str) -> None:
    spans = [(sh(pause[0]), sh(pause[1]))]
    assert due(sh("2026-03-02 17:00"), 3600, COUNTY, spans) == sh(end)
    assert due(sh("2026-03-02 17:00"), 3600, COUNTY, spans * 3) == sh(end)


def test_limits_that_are_none_or_reach_too_far() -> None:
    start = sh("2026-03-02 09:00")
    for limit in (-1, -0.000001, timedelta(microseconds=-1)):
        with pytest.raises(ValueError, match="0 or more is allowed"):
            due(start, limit, COUNTY)
    late = due(start, timedelta(hours=7.5) * 250 * 25, COUNTY)
    assert late is not None
    assert elapsed(start, late, COUNTY) == timedelta(hours=7.5) * 250 * 25
    for calendar_, limit in ((COUNTY, timedelta(days=365 * 110)), (None, timedelta(days=366 * 9000))):
        with pytest.raises(OverflowError):
            due(start, limit, calendar_)
    with pytest.raises(ValueError, match="has no zone"):
        due(start, 60, COUNTY, [(datetime(2026, 3, 2, 10), None)])


def test_the_answer_is_in_the_zone_of_the_start_in_both_of_two_hours() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    first = datetime(2026, 10, 25, 1, 30, tzinfo=berlin)
    assert [(d.hour, d.minute, d.fold) for h in (1, 2, 3) if (d := due(first, h * 3600))] == [
        (2, 30, 0),
        (2, 30, 1),
        (3, 30, 0),
    ]
    second = datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=berlin)
    assert elapsed(first, second) == timedelta(hours=2)
    assert due(second, 0) == second
