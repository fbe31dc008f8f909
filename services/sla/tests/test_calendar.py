"""Working time: calendars of several segments, nights, daylight saving, make-up workdays; and what always holds."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jiayuan.sla import calendar
from jiayuan.sla.calendar import Calendar, CalendarError
from jiayuan.sla.time import Pause, due, elapsed, timeline

pytestmark = pytest.mark.unit

SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
COUNTY = calendar.bundled("county")


def made(zone: str = "Asia/Shanghai", days: dict[str, Any] | None = None, **week: list[str]) -> Calendar:
    return calendar.read(
        {
            "calendar": "test",
            "zone": zone,
            "week": {k.replace("_", "-"): v for k, v in week.items()},
            "days": days or {},
        }
    )


NIGHTS = made(mon_fri=["22:00-06:00"])
ALWAYS = made(mon_sun=["00:00-24:00"])
BERLIN_NIGHTS = made("Europe/Berlin", mon_sun=["22:00-06:00"])
BERLIN_ALWAYS = made("Europe/Berlin", mon_sun=["00:00-24:00"])
BERLIN_LEAP = made("Europe/Berlin", mon_sun=["02:30-05:00"])


def sh(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def de(text: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold)


# -- tables ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "minutes", "end"),
    [
        ("2026-02-13 17:50", 15, "2026-02-14 09:05"),  # a make-up Saturday before the Spring Festival
        ("2026-02-13 17:45", 15, "2026-02-13 18:00"),  # used up with the day, not with the next morning
        ("2026-02-13 11:50", 20, "2026-02-13 13:40"),  # over lunch
        ("2026-02-13 12:30", 20, "2026-02-13 13:50"),  # begun at lunch
        ("2026-02-13 07:00", 450, "2026-02-13 18:00"),  # before opening: a whole day
        ("2026-02-13 09:00", 451, "2026-02-14 09:01"),
        ("2026-02-14 17:59", 2, "2026-02-24 09:01"),  # over the whole Spring Festival
        ("2026-02-17 10:00", 1, "2026-02-24 09:01"),  # begun inside of it
        ("2026-02-27 17:59", 2, "2026-02-28 09:01"),  # the make-up Saturday after it
        ("2026-02-28 17:59", 2, "2026-03-02 09:01"),  # its Sunday is a Sunday
        ("2026-01-04 09:00", 60, "2026-01-04 10:00"),  # a make-up Sunday
        ("2026-03-06 17:59", 2, "2026-03-09 09:01"),  # an ordinary weekend
        ("2025-12-31 17:59", 2, "2026-01-04 09:01"),  # over the turn of the year
        ("2026-03-02 09:00", 5 * 450, "2026-03-06 18:00"),  # five working days
    ],
)
def test_the_countys_calendar(start: str, minutes: int, end: str) -> None:
    at = due(sh(start), minutes * 60, COUNTY)
    assert at == sh(end)
    assert at.isoformat() == sh(end).isoformat()
    assert elapsed(sh(start), sh(end), COUNTY) == minutes * MINUTE


@pytest.mark.parametrize(
    ("start", "minutes", "end"),
    [
        ("2026-03-02 23:00", 60, "2026-03-03 00:00"),
        ("2026-03-02 23:00", 120, "2026-03-03 01:00"),
        ("2026-03-03 05:30", 60, "2026-03-03 22:30"),
        ("2026-03-06 23:00", 7 * 60, "2026-03-07 06:00"),  # Friday's night ends on Saturday
        ("2026-03-06 23:00", 7 * 60 + 1, "2026-03-09 22:01"),  # and the next one begins on Monday
        ("2026-03-02 03:00", 60, "2026-03-02 23:00"),  # Monday at three is Sunday's night: none
    ],
)
def test_nights_over_midnight(start: str, minutes: int, end: str) -> None:
    assert due(sh(start), minutes * 60, NIGHTS) == sh(end)
    assert elapsed(sh(start), sh(end), NIGHTS) == minutes * MINUTE


def test_a_holiday_takes_the_night_that_begins_on_it_and_no_other() -> None:
    shifts = made(days={"2026-03-04": {"holiday": "停工"}}, mon_fri=["22:00-06:00"])
    assert due(sh("2026-03-04 05:00"), 3600, shifts) == sh("2026-03-04 06:00")
    assert due(sh("2026-03-04 05:00"), 3601, shifts) == sh("2026-03-05 22:00") + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("start", "hours", "end", "fold"),
    [
        ("2026-03-28 22:00", 7, "2026-03-29 06:00", 0),  # the night loses an hour
        ("2026-10-24 22:00", 9, "2026-10-25 06:00", 0),  # the night wins one
        ("2026-10-24 22:00", 4.5, "2026-10-25 02:30", 0),  # half past two comes first so
        ("2026-10-24 22:00", 5.5, "2026-10-25 02:30", 1),  # and then so
        ("2026-03-28 22:00", 4, "2026-03-29 03:00", 0),
    ],
)
def test_daylight_saving_in_berlin(start: str, hours: float, end: str, fold: int) -> None:
    at = due(de(start), hours * 3600, BERLIN_NIGHTS)
    assert at is not None
    assert at.astimezone(UTC) == de(end, fold).astimezone(UTC)
    assert (at.fold, at.isoformat()) == (fold, de(end, fold).isoformat())
    assert elapsed(de(start), de(end, fold), BERLIN_NIGHTS) == hours * HOUR


def test_a_day_around_the_clock_has_23_24_or_25_hours() -> None:
    for day, hours in (("2026-03-29", 23), ("2026-06-01", 24), ("2026-10-25", 25)):
        start = de(f"{day} 00:00")
        end = datetime.combine(start.date() + timedelta(days=1), start.time(), BERLIN)
        assert elapsed(start, end, BERLIN_ALWAYS) == hours * HOUR
        assert due(start, hours * 3600, BERLIN_ALWAYS) == end


def test_hours_that_begin_in_the_leap_begin_after_it() -> None:
    assert elapsed(de("2026-03-29 00:00"), de("2026-03-29 12:00"), BERLIN_LEAP) == 2 * HOUR
    assert due(de("2026-03-29 00:00"), 60, BERLIN_LEAP) == de("2026-03-29 03:01")
    assert elapsed(de("2026-10-25 00:00"), de("2026-10-25 12:00"), BERLIN_LEAP) == 3.5 * HOUR
    assert elapsed(de("2026-06-01 00:00"), de("2026-06-01 12:00"), BERLIN_LEAP) == 2.5 * HOUR
    gone = made("Europe/Berlin", mon_sun=["02:00-02:45"])
    assert elapsed(de("2026-03-29 00:00"), de("2026-03-30 00:00"), gone) == timedelta(0)


def test_natural_time_counts_moments_in_whatever_zone() -> None:
    assert due(de("2026-03-29 01:30"), 3600) == de("2026-03-29 03:30")
    assert elapsed(de("2026-10-25 00:00"), de("2026-10-25 06:00")) == 7 * HOUR
    assert elapsed(de("2026-10-25 02:30"), de("2026-10-25 02:30", 1)) == HOUR
    pause = (de("2026-10-25 02:30"), de("2026-10-25 02:30", 1))
    assert due(de("2026-10-25 02:00"), 3600, pauses=[pause]) == de("2026-10-25 03:00")


@pytest.mark.parametrize(
    ("limit", "pauses", "end"),
    [
        (395, [], "2026-02-13 17:05"),
        (395, [("2026-02-13 17:00", "2026-02-13 17:30")], "2026-02-13 17:35"),
        (395, [("2026-02-13 12:00", "2026-02-13 13:30")], "2026-02-13 17:05"),  # at lunch: nothing
        (395, [("2026-02-13 11:00", "2026-02-13 14:00")], "2026-02-14 09:35"),  # half an hour of it is lunch
        (395, [("16:00", "17:00"), ("16:30", "17:00")], "2026-02-14 09:05"),  # overlapping: once
        (395, [("2026-02-13 18:00", "2026-02-14 09:00")], "2026-02-13 17:05"),  # too late to matter
        (
            395,
            [("2026-02-13 17:05", "2026-02-14 10:00")],
            "2026-02-14 10:00",
        ),  # as it is used up: time stands
        (420, [("2026-02-01 00:00", "2026-02-28 10:00")], "2026-03-02 09:30"),  # over the Spring Festival
    ],
)
def test_pauses_count_inside_working_time_and_once(
    limit: int, pauses: list[tuple[str, str]], end: str
) -> None:
    spans = [tuple(sh(t if "-" in t else f"2026-02-13 {t}") for t in pause) for pause in pauses]
    assert due(sh("2026-02-13 08:00"), limit * 60, COUNTY, spans) == sh(end)  # type: ignore[arg-type]


def test_nobody_knows_the_end_in_a_pause_that_lasts() -> None:
    start = sh("2026-02-13 17:00")
    assert due(start, 1800, COUNTY, [(sh("2026-02-13 17:10"), None)]) is None
    assert due(start, 1800, COUNTY, [(sh("2026-02-13 17:30"), None)]) is None
    assert due(start, 1800, COUNTY, [(sh("2026-02-13 17:31"), None)]) == sh("2026-02-13 17:30")
    # The limit was used up with the day; a pause in the evening comes after it.
    assert due(start, 3600, COUNTY, [(sh("2026-02-13 19:00"), None)]) == sh("2026-02-13 18:00")
    assert elapsed(start, sh("2026-02-14 12:00"), COUNTY, [(sh("2026-02-13 17:10"), None)]) == 10 * MINUTE


def test_no_limit_and_a_limit_of_nothing() -> None:
    assert due(sh("2026-02-13 17:00"), None, COUNTY) is None
    assert due(sh("2026-02-13 19:00"), 0, COUNTY) == sh("2026-02-13 19:00")
    assert due(sh("2026-02-13 19:00"), 0) == sh("2026-02-13 19:00")
    with pytest.raises(ValueError, match="0 or more"):
        due(sh("2026-02-13 19:00"), -1, COUNTY)


def test_times_without_a_zone_are_refused() -> None:
    naive = datetime(2026, 3, 2)
    for call in (
        lambda: due(naive, 1),
        lambda: due(naive, 1, COUNTY),
        lambda: elapsed(naive, sh("2026-03-02")),
        lambda: due(sh("2026-03-02"), 1, pauses=[(naive, None)]),
    ):
        with pytest.raises(ValueError, match="zone"):
            call()


def test_seasons_have_other_hours() -> None:
    summer = calendar.read(
        {
            "calendar": "fujian",
            "zone": "Asia/Shanghai",
            "week": {"mon-fri": ["08:00-12:00", "14:30-17:30"]},
            "seasons": [
                {"from": "06-01", "until": "09-30", "week": {"mon-fri": ["08:00-12:00", "15:00-18:00"]}},
                {"from": "12-30", "until": "01-02", "week": {"mon-fri": ["10:00-12:00"]}},
            ],
        }
    )
    assert due(sh("2026-05-29 14:00"), 3600, summer) == sh("2026-05-29 15:30")
    assert due(sh("2026-06-01 14:00"), 3600, summer) == sh("2026-06-01 16:00")
    assert due(sh("2026-09-30 17:59"), 120, summer) == sh("2026-10-01 08:01")
    assert due(sh("2027-01-01 08:00"), 3600, summer) == sh("2027-01-01 11:00")


def test_a_makeup_day_has_the_hours_that_the_calendar_says() -> None:
    said = {"2026-02-14": {"workday": "春节调休"}, "2026-02-15": {"hours": ["10:00-11:00"], "name": "值班"}}
    document = {
        "calendar": "c",
        "zone": "Asia/Shanghai",
        "week": {"mon": ["09:00-17:00"], "fri": ["09:00-12:00"]},
    }
    assert calendar.read({**document, "days": said}).hours(date(2026, 2, 14)) == ((540, 1020),)
    short = calendar.read({**document, "days": said, "makeup": ["09:00-12:00"]})
    assert short.hours(date(2026, 2, 14)) == ((540, 720),)
    assert short.hours(date(2026, 2, 15)) == ((600, 660),)


def test_a_timeline_says_why_time_does_not_count() -> None:
    start, end = sh("2026-02-13 17:50"), sh("2026-02-24 09:10")
    pause = (sh("2026-02-14 10:00"), sh("2026-02-14 12:30"))
    found = timeline(start, end, COUNTY, [pause])
    assert [(s.start, s.end, s.why) for s in found] == [
        (sh(a), sh(b), why)
        for a, b, why in (
            ("2026-02-13 17:50", "2026-02-13 18:00", ""),
            ("2026-02-13 18:00", "2026-02-14 09:00", "outside hours"),
            ("2026-02-14 09:00", "2026-02-14 10:00", ""),
            ("2026-02-14 10:00", "2026-02-14 12:00", "paused"),
            ("2026-02-14 12:00", "2026-02-14 13:30", "outside hours"),
            ("2026-02-14 13:30", "2026-02-14 18:00", ""),
            ("2026-02-14 18:00", "2026-02-15 00:00", "outside hours"),
            ("2026-02-15 00:00", "2026-02-24 00:00", "holiday 春节"),
            ("2026-02-24 00:00", "2026-02-24 09:00", "outside hours"),
            ("2026-02-24 09:00", "2026-02-24 09:10", ""),
        )
    ]
    weekend = timeline(sh("2026-03-06 18:00"), sh("2026-03-09 09:00"), COUNTY)
    assert [s.why for s in weekend] == ["outside hours", "rest day", "outside hours"]
    assert [s.why for s in timeline(start, end, None, [pause])] == ["", "paused", ""]


# -- what comes with the release ---------------------------------------------------------------------


def test_the_state_councils_days() -> None:
    years = calendar.holidays()["cn"]
    kinds = {year: [d.kind for d in days.values()] for year, days in years.items()}
    assert {year: (k.count("holiday"), k.count("workday")) for year, k in kinds.items()} == {
        2024: (28, 8),
        2025: (28, 5),
        2026: (33, 6),
    }
    assert years[2025][date(2025, 10, 6)].name == "国庆节、中秋节"
    assert COUNTY.known_until == date(2026, 12, 31)
    assert {d for d, day in years[2026].items() if day.kind == "workday"} == {
        date(2026, 1, 4),
        date(2026, 2, 14),
        date(2026, 2, 28),
        date(2026, 5, 9),
        date(2026, 9, 20),
        date(2026, 10, 10),
    }
    # Days worked in 2026 by the notice: 261 weekdays less 19 that are off, and 6 that are made up for.
    worked = [d for n in range(365) if COUNTY.hours(d := date(2026, 1, 1) + timedelta(days=n))]
    weekdays_off = [d for d, day in years[2026].items() if day.kind == "holiday" and d.weekday() < 5]
    assert len(worked) == 261 - len(weekdays_off) + 6


# -- wrong data --------------------------------------------------------------------------------------

GOOD: dict[str, Any] = {"calendar": "c", "zone": "Asia/Shanghai", "week": {"mon-fri": ["09:00-17:00"]}}


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"calendar": None}, "calendar"),
        ({"calendar": "Büro"}, "calendar"),
        ({"zone": "Mars/Olympus"}, "zone"),
        ({"zone": "../etc/passwd"}, "zone"),
        ({"week": None}, "week"),
        ({"week": {"mon": []}}, "week"),
        ({"week": {"monday": ["09:00-17:00"]}}, "week.monday"),
        ({"week": {"mon-fri": ["09:00-17:00"], "tue": []}}, "week.tue"),
        ({"week": {"mon": ["9-17"]}}, "week.mon"),
        ({"week": {"mon": ["09:00-25:00"]}}, "week.mon"),
        ({"week": {"mon": "09:00-17:00"}}, "week.mon"),
        ({"week": {"mon": ["09:00-12:00", "11:00-17:00"]}}, "week.mon"),
        ({"week": {"mon": ["13:00-17:00", "09:00-12:00"]}}, "week.mon"),
        ({"week": {"mon": ["22:00-06:00"], "tue": ["05:00-12:00"]}}, "week.mon"),
        ({"days": {"2026-02-30": {"holiday": "x"}}}, "days.2026-02-30"),
        ({"days": {"2026-02-03": {"closed": "x"}}}, "days.2026-02-03"),
        ({"days": {"2026-02-03": {"hours": ["x"]}}}, "days.2026-02-03.hours"),
        ({"days": {"2026-02-03": {"holiday": "x", "workday": "y"}}}, "days.2026-02-03"),
        ({"days": ["2026-02-03"]}, "days"),
        ({"holidays": "atlantis"}, "holidays"),
        ({"known_until": "soon"}, "known_until"),
        ({"makeup": ["x"]}, "makeup"),
        ({"seasons": [{"from": "13-01", "until": "09-30", "week": GOOD["week"]}]}, "seasons[0].from"),
        ({"seasons": [{"from": "06-01", "week": GOOD["week"]}]}, "seasons[0]"),
        ({"hours": 8}, "hours"),
    ],
)
def test_wrong_data_says_where(change: dict[str, Any], where: str) -> None:
    calendar.read(GOOD)
    with pytest.raises(CalendarError) as refusal:
        calendar.read({**GOOD, **change})
    assert where in [p.field for p in refusal.value.problems]
    assert all(p.problem and p.allowed for p in refusal.value.problems)


def test_everything_wrong_is_said_at_once() -> None:
    with pytest.raises(CalendarError) as refusal:
        calendar.read({"calendar": "", "zone": "", "week": {}, "days": {"x": 1}})
    assert {p.field for p in refusal.value.problems} == {"calendar", "zone", "week", "days.x"}


def test_absurd_limits_and_dates_end_in_an_error_and_cost_nobody_else_anything() -> None:
    with pytest.raises(OverflowError):
        due(sh("2026-03-02 09:00"), 2**62 / 1e6, COUNTY)
    with pytest.raises(OverflowError):
        elapsed(sh("0100-03-02 09:00"), sh("2026-03-02 09:00"), COUNTY)
    far = [(sh("2026-03-03 09:00"), sh("9000-01-01 09:00"))]
    with pytest.raises(OverflowError):
        due(sh("2026-03-02 09:00"), 86400, COUNTY, far)
    assert due(sh("1900-01-01 09:00"), 60, COUNTY) is not None
    assert due(sh("2999-01-01 09:00"), 60, COUNTY) is not None
    assert due(sh("2026-02-13 17:50"), 900, COUNTY) == sh("2026-02-14 09:05")


# -- what always holds -------------------------------------------------------------------------------

ZONES = ("Asia/Shanghai", "UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe")


@st.composite
def weeks(draw: st.DrawFn) -> dict[str, list[str]]:
    """Up to three segments a day on a grid of quarters, none with an end between 1:00 and 4:00, some nights."""
    grid = [m for m in range(0, 1441, 15) if not 60 < m < 240]
    week = {}
    for name in calendar.WEEKDAYS:
        cuts = sorted(draw(st.lists(st.sampled_from(grid), max_size=6, unique=True)))
        pairs = list(zip(cuts[::2], cuts[1::2], strict=False))
        segments = [f"{a // 60:02}:{a % 60:02}-{b // 60:02}:{b % 60:02}" for a, b in pairs]
        if draw(st.booleans()) and (not pairs or (pairs[-1][1] <= 1320 and pairs[0][0] >= 300)):
            segments.append("23:00-00:30")
        week[name] = segments
    if not any(week.values()):
        week["wed"] = ["09:00-12:00", "13:30-18:00"]
    return week


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    special = {
        "holiday": {"holiday": "假"},
        "workday": {"workday": "班"},
        "hours": {"hours": ["10:00-11:15", "20:00-22:30"]},
    }
    days = draw(
        st.dictionaries(
            st.integers(0, 30), st.sampled_from(sorted(special)).map(lambda k: special[k]), max_size=5
        )
    )
    first = draw(st.sampled_from([date(2026, 3, 20), date(2026, 10, 15), date(2025, 12, 20)]))
    document = {
        "calendar": "any",
        "zone": draw(st.sampled_from(ZONES)),
        "week": draw(weeks()),
        "days": {first + timedelta(days=n): day for n, day in days.items()},
    }
    try:
        return calendar.read(document)
    except CalendarError:  # a night that reaches into the next day's first segment
        document["week"] = {"mon-sun": ["00:15-05:00", "22:00-23:30"]}
        return calendar.read(document)


moments = st.integers(0, 40 * 86400).map(lambda s: datetime(2026, 3, 10, tzinfo=UTC) + timedelta(seconds=s))
closed = st.tuples(moments, st.integers(0, 5 * 86400)).map(lambda p: (p[0], p[0] + timedelta(seconds=p[1])))
pause_lists = st.lists(closed, max_size=5)
limits = st.integers(0, 40 * 3600)


def by_minutes(cal: Calendar, start: datetime, end: datetime) -> timedelta:
    """Working time by looking at each minute's wall clock: slow, and obviously right."""
    count, at = 0, start
    while at < end:
        local = at.astimezone(cal.zone)
        day, minute = local.date(), local.hour * 60 + local.minute
        count += any(a <= minute < b for a, b in cal.hours(day)) or any(
            a <= minute + 1440 < b for a, b in cal.hours(day - timedelta(days=1))
        )
        at += MINUTE
    return count * MINUTE


@given(
    calendars(),
    st.sampled_from(["2026-03-27", "2026-10-23", "2025-12-30"]),
    st.integers(0, 1440),
    st.integers(0, 5000),
)
@settings(max_examples=40, deadline=None)
def test_elapsed_is_what_counting_minutes_gives(cal: Calendar, day: str, a: int, minutes: int) -> None:
    start = datetime.fromisoformat(day).replace(tzinfo=UTC) + a * MINUTE
    end = start + minutes * MINUTE
    assert elapsed(start, end, cal) == by_minutes(cal, start, end)


@given(calendars(), moments, limits, pause_lists)
@settings(deadline=None)
def test_at_the_due_time_exactly_the_limit_has_elapsed(
    cal: Calendar, start: datetime, limit: int, pauses: list[Pause]
) -> None:
    at = due(start, limit, cal, pauses)
    assert at is not None
    assert elapsed(start, at, cal, pauses) == timedelta(seconds=limit)
    if limit and not pauses:  # and not a microsecond before
        assert elapsed(start, at - timedelta(microseconds=1), cal) < timedelta(seconds=limit)


@given(calendars(), moments, limits, limits, pause_lists)
@settings(deadline=None)
def test_two_limits_one_after_the_other(
    cal: Calendar, start: datetime, one: int, other: int, pauses: list[Pause]
) -> None:
    first = due(start, one, cal, pauses)
    assert first is not None
    assert due(start, one + other, cal, pauses) == due(first, other, cal, pauses)


@given(calendars(), moments, limits, pause_lists, closed)
@settings(deadline=None)
def test_a_pause_never_moves_a_due_time_earlier(
    cal: Calendar, start: datetime, limit: int, pauses: list[Pause], extra: Pause
) -> None:
    before, after = due(start, limit, cal, pauses), due(start, limit, cal, [*pauses, extra])
    assert before is not None
    assert after is not None
    assert after >= before
    open_end = due(start, limit, cal, [*pauses, (extra[0], None)])
    assert open_end is None or open_end >= before


@given(calendars(), moments, limits, pause_lists, st.randoms())
@settings(deadline=None)
def test_the_order_of_pauses_does_not_matter(
    cal: Calendar, start: datetime, limit: int, pauses: list[Pause], random: Random
) -> None:
    shuffled = [*pauses, *pauses[:1]]
    random.shuffle(shuffled)
    assert due(start, limit, cal, shuffled) == due(start, limit, cal, pauses)


@given(st.sampled_from(ZONES), moments, limits, pause_lists)
@settings(deadline=None)
def test_around_the_clock_is_natural_time(
    zone: str, start: datetime, limit: int, pauses: list[Pause]
) -> None:
    always = made(zone, mon_sun=["00:00-24:00"])
    assert due(start, limit, always, pauses) == due(start, limit, None, pauses)
    if zone in ("Asia/Shanghai", "UTC", "Asia/Kathmandu"):  # no daylight saving: wall time
        wall = start.astimezone(ZoneInfo(zone)).replace(tzinfo=None) + timedelta(seconds=limit)
        assert due(start, limit, always) == wall.replace(tzinfo=ZoneInfo(zone))


@given(calendars(), moments, st.integers(0, 20 * 86400), pause_lists)
@settings(deadline=None)
def test_a_timeline_has_no_gap_and_adds_up(
    cal: Calendar, start: datetime, seconds: int, pauses: list[Pause]
) -> None:
    end = start + timedelta(seconds=seconds)
    spans = timeline(start, end, cal, pauses)
    assert sum((s.end - s.start for s in spans if s.counted), timedelta(0)) == elapsed(
        start, end, cal, pauses
    )
    assert [s.start for s in spans[1:]] == [s.end for s in spans[:-1]]
    assert not spans or (spans[0].start, spans[-1].end) == (start, end)


@given(calendars(), moments, limits)
@settings(deadline=None)
def test_a_due_time_does_not_depend_on_what_was_asked_before(
    cal: Calendar, start: datetime, limit: int
) -> None:
    fresh = Calendar(cal.name, 1, cal.zone, cal.week, cal.makeup, cal.seasons, cal.days, cal.known_until)
    due(start + timedelta(days=800), 10**6, cal)
    due(start - timedelta(days=1200), 10, cal)
    assert due(start, limit, cal) == due(start, limit, fresh)
