"""Days out of CSV, ICS and the package; how far calendars are known."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from jiayuan.sla import calendar, days, horizon, policy
from jiayuan.sla.calendar import Day

pytestmark = pytest.mark.unit

COUNTY = calendar.bundled("county")
DOCUMENT = calendar.bundled_documents()["county"]

CSV = """日期,类型,名称
2027-01-01,休,元旦
2027/1/2,休,元旦

2027年1月3日,休,元旦
2027-02-06,班,春节调休
2027-05-04,09:00-12:00,半天
"""
ICS = """BEGIN:VCALENDAR
VERSION:2.0
BEGIN:VEVENT
DTSTART;VALUE=DATE:20270205
DTEND;VALUE=DATE:20270212
SUMMARY:春节（休）
END:VEVENT
BEGIN:VEVENT
DTSTART;VALUE=DATE:20270206
SUMMARY:七夕
END:VEVENT
BEGIN:VEVENT
DTSTART;VALUE=DATE:20270220
SUMMARY:春节
 （班）
END:VEVENT
BEGIN:VEVENT
DTSTART;VALUE=DATE:20271001
DTEND;VALUE=DATE:20271004
SUMMARY:Holiday
X-APPLE-SPECIAL-DAY:WORK-HOLIDAY
END:VEVENT
END:VCALENDAR
"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_sheet(encoding: str) -> None:
    found = days.from_csv(CSV.encode(encoding))
    assert found.days == {
        date(2027, 1, 1): Day("holiday", "元旦"),
        date(2027, 1, 2): Day("holiday", "元旦"),
        date(2027, 1, 3): Day("holiday", "元旦"),
        date(2027, 2, 6): Day("workday", "春节调休"),
        date(2027, 5, 4): Day("hours", "半天", ((540, 720),)),
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("2027-01-01,休\n", "columns date and kind"),
        ("date,kind\n", "has no day"),
        ("date,kind\n2027-02-30,休\n", "line 2: '2027-02-30' is no date"),
        ("date,kind\n2027-01-01,maybe\n", "line 2: 'maybe' is no kind of day"),
        ("date,kind\n2027-01-01,12:00-09:30 09:00-10:00\n", "line 2"),
        ("date,kind\n2027-01-01,休\n2027-01-01,班\n", "2027-01-01 is holiday before and workday now"),
        ("\udcff", "neither UTF-8"),
    ],
)
def test_a_sheet_that_is_wrong_says_where(text: str, says: str) -> None:
    with pytest.raises(days.DaysError, match=says):
        days.from_csv(text.encode("utf-8", "surrogateescape"))


def test_an_icalendar_file() -> None:
    found = days.from_ics(ICS.encode())
    assert [d for d, w in found.days.items() if w.kind == "holiday"] == [
        *(date(2027, 2, n) for n in range(5, 12)),
        *(date(2027, 10, n) for n in range(1, 4)),
    ]
    assert found.days[date(2027, 2, 20)] == Day("workday", "春节")
    assert found.remarks == ["2027-02-06 七夕: neither 休 nor 班, passed over"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("hello", "no iCalendar"),
        ("BEGIN:VCALENDAR\nEND:VCALENDAR", "no day that says"),
        (ICS.replace("SUMMARY:春节（休）", "SUMMARY:春节（休）\nRRULE:FREQ=YEARLY"), "repeats itself"),
        (ICS.replace("DTEND;VALUE=DATE:20270212", "DTEND;VALUE=DATE:20280212"), "lasts from"),
        (ICS.replace("DTSTART;VALUE=DATE:20270220", "DTSTAMP:20270220T000000Z"), "no DTSTART"),
    ],
)
def test_an_icalendar_file_that_is_wrong(text: str, says: str) -> None:
    with pytest.raises(days.DaysError, match=says):
        days.from_ics(text.encode())


def test_the_package_says_what_the_release_says() -> None:
    for year in (2024, 2025, 2026):
        found = days.from_package(year).days
        assert {d: w.kind for d, w in found.items()} == {
            d: w.kind for d, w in calendar.holidays()["cn"][year].items()
        }
    with pytest.raises(days.DaysError, match="1999 yet"):
        days.from_package(1999)


def test_a_new_year_is_added_and_known() -> None:
    found = days.from_csv(CSV.encode())
    document = days.merged(COUNTY, DOCUMENT, found)
    read = calendar.read(document)
    assert read.known_until == date(2027, 12, 31)
    assert read.days[date(2027, 2, 6)].kind == "workday"
    assert {d: w for d, w in read.days.items() if d.year < 2027} == COUNTY.days
    assert document["sources"] == {
        "2024": "release, cn",
        "2025": "release, cn",
        "2026": "release, cn",
        "2027": "CSV",
    }
    assert days.strange(COUNTY, found) == [
        "2027 has 3 holidays only: the State Council announces 11 and more"
    ]
    # Imported again with less in it: the year is replaced, others aren't.
    again = days.merged(read, document, days.from_csv(b"date,kind,name\n2027-01-01,off,x\n"))
    assert [d for d in calendar.read(again).days if d.year == 2027] == [date(2027, 1, 1)]


def test_a_year_after_a_gap_is_not_known_yet() -> None:
    found = days.from_csv(b"date,kind,name\n2028-01-01,off,x\n")
    assert calendar.read(days.merged(COUNTY, DOCUMENT, found)).known_until == date(2026, 12, 31)
    with pytest.raises(days.DaysError, match="no day of 2027"):
        found.of([2027])


def test_one_day_is_put_right_and_back() -> None:
    document = days.edited(COUNTY, DOCUMENT, date(2026, 7, 10), Day("holiday", "台风"))
    read = calendar.read(document)
    assert (read.hours(date(2026, 7, 10)), read.hours(date(2026, 7, 9))) == ((), COUNTY.week[3])
    back = calendar.read(days.edited(read, document, date(2026, 7, 10), None))
    assert back.days == COUNTY.days
    night = days.hours("22:00-06:00", "夜班")
    nightly = days.edited(COUNTY, DOCUMENT, date(2026, 7, 10), night)
    assert calendar.read(nightly).hours(date(2026, 7, 10)) == night.hours
    with pytest.raises(days.DaysError):
        days.hours("whenever", "")


# -- how far it is known -----------------------------------------------------------------------------


def ruled(**then: Any) -> policy.Policy:
    rule = {"id": "w", "when": {"clock": ["finish"]}, "then": {"calendar": "county", **then}}
    return policy.read({**policy.document(), "version": "x", "rules": [rule]})


def test_a_policy_without_a_calendar_reaches_nowhere() -> None:
    assert horizon.reaches([policy.current()], {}) == []


def test_the_first_clock_that_reaches_beyond_is_known_to_the_second() -> None:
    (reach,) = horizon.reaches([ruled(limit="10wd")], {})
    assert (reach.kind, reach.rule, reach.seconds) == ("finish", "w", 270000)
    # Ten working days before the end of 2026: from the 18th on at 09:00.
    assert reach.since == datetime(2026, 12, 17, 18, 0, tzinfo=COUNTY.zone)
    assert not reach.short(datetime(2026, 9, 1, tzinfo=UTC))
    assert reach.short(datetime(2026, 9, 20, tzinfo=UTC))
    assert "known until 2026-12-31; from 2026-12-17 on a new finish clock" in reach.sentence(
        datetime(2026, 9, 20, tzinfo=UTC)
    )
    assert "; since 2026-12-17 a new" in reach.sentence(datetime(2026, 12, 20, tzinfo=UTC))


def test_where_the_limit_comes_with_the_case_the_longest_open_one_counts() -> None:
    (reach,) = horizon.reaches([ruled()], {"county": 20 * 27000})
    assert reach.seconds == 540000


# -- rules that never matter -------------------------------------------------------------------------


def test_a_rule_that_another_takes_everything_from_is_named() -> None:
    rules = [
        {"id": "a", "when": {"clock": ["finish"], "category": ["02"]}, "then": {"limit": "1h"}},
        {
            "id": "b",
            "when": {"clock": ["finish"], "category": ["0203"], "colour": ["red"]},
            "then": {"limit": "2h"},
        },
        {"id": "c", "when": {"clock": ["finish"], "category": ["03"]}, "then": {"limit": "2h"}},
        {"id": "d", "when": {"category": ["02"]}, "then": {"limit": "2h"}},
    ]
    found = policy.read({**policy.document(), "version": "x", "rules": rules})
    assert policy.covered(found) == [("a", "b")]
