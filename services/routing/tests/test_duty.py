"""Who is on duty: segments, midnight, rosters of places, leave, stand-ins, and the same by a plain reference."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jiayuan.chassis.hours import days_of, days_text, hours_of, text_of, week_of
from jiayuan.routing.directory import Directory, Grid, Leave, Person, Place, Shift
from jiayuan.routing.directory.duty import ZONE

pytestmark = pytest.mark.unit

COUNTY = Place("350921", "例县", "county", "")
PLACES = {
    "350921": COUNTY,
    "350921001": Place("350921001", "例街道", "street", "350921"),
    "350921001001": Place("350921001001", "例社区", "community", "350921001"),
}
COMPOUND = "350921001001-G01"
GRIDS = {
    COMPOUND: Grid(COMPOUND, "小区", "compound", "350921001001", "350921001001", "350921001"),
    f"{COMPOUND}-B01": Grid(f"{COMPOUND}-B01", "1号楼", "building", COMPOUND, "350921001001", "350921001"),
}
NOON = datetime(2026, 12, 2, 12, 0, tzinfo=ZONE)  # a Wednesday
ALL = tuple(range(7))


def person(id_: str, role: str = "worker", grid: str = COMPOUND, **more: Any) -> Person:
    return Person(id_, f"例{id_}", role, grid, "350921001001", "350921001", **more)


def directory(*people: Person, shifts: Any = (), leaves: Any = ()) -> Directory:
    return Directory(
        1, COUNTY, PLACES, GRIDS, {p.id: p for p in people}, {}, shifts=tuple(shifts), leaves=tuple(leaves)
    )


def shift(who: str, *spans: tuple[float, float], days: Any = ALL, **more: Any) -> Shift:
    first, last = more.pop("first", date(2026, 12, 1)), more.pop("last", date(2026, 12, 31))
    return Shift(who, first, last, tuple(days), tuple((int(b * 60), int(e * 60)) for b, e in spans), **more)


def at(day: int, hour: float) -> datetime:
    return datetime(2026, 12, day, tzinfo=ZONE) + timedelta(hours=hour)


def test_without_a_roster_always() -> None:
    known = directory(person("a"), person("gone", active=False))
    assert known.on_duty("a", NOON)
    assert not known.on_duty("gone", NOON)
    assert not known.on_duty("nobody", NOON)
    assert known.people_on_duty(COMPOUND, "worker", NOON) == ("a",)
    assert known.duty_changes(COMPOUND, "worker", NOON) is None


@pytest.mark.parametrize(
    ("day", "hour", "on"),
    [
        (2, 7.99, False),
        (2, 8, True),  # the beginning counts
        (2, 11.99, True),
        (2, 12, False),  # the end doesn't
        (2, 15, True),
        (2, 22, True),  # the night's
        (3, 5.99, True),
        (3, 6, False),
        (5, 9, False),  # a Saturday: not among the days
        (5, 5, True),  # Friday's night goes on into it
        (7, 3, False),  # but Sunday has no night
        (1, 3, True),  # the day before the roster begins isn't covered: always
        (1, 9, True),
    ],
)
def test_several_segments_and_over_midnight(day: int, hour: float, on: bool) -> None:
    known = directory(
        person("a"),
        shifts=[shift("a", (8, 12), (14.5, 18), (22, 30), days=range(5), first=date(2026, 12, 2))],
    )
    assert known.on_duty("a", at(day, hour)) is on


def test_the_last_night_of_a_roster_goes_on_into_a_day_that_it_does_not_cover() -> None:
    known = directory(person("a", week=week_of(hours_of("每天 09:00-17:00"))), shifts=[shift("a", (22, 30))])
    night = datetime(2027, 1, 1, 3, tzinfo=ZONE)
    assert known.on_duty("a", night)
    assert not known.on_duty("a", night + timedelta(hours=4))  # then the own hours hold
    assert known.on_duty("a", night + timedelta(hours=7))


def test_the_nearest_roster_counts() -> None:
    people = [person("a"), person("b", grid=f"{COMPOUND}-B01"), person("c"), person("lead", "leader")]
    known = directory(
        *people,
        shifts=[
            shift("350921001", (8, 18), role="worker"),
            shift(f"{COMPOUND}-B01", (6, 8), role="worker"),
            shift("c", (20, 22)),
        ],
    )
    for hour, there in ((7, ("b",)), (9, ("a",)), (21, ("c",))):
        assert known.people_on_duty("350921001001", "worker", at(2, hour)) == there
    assert known.on_duty("lead", at(2, 3))  # a roster of workers says nothing of leaders


def test_an_emergency_has_rosters_of_its_own() -> None:
    known = directory(
        person("a"), person("b"), shifts=[shift("a", (8, 18)), shift("a", (18, 32), mode="emergency")]
    )
    assert not known.on_duty("a", at(2, 20))
    assert known.on_duty("a", at(2, 20), "emergency")
    assert not known.on_duty("a", at(2, 10), "emergency")
    assert known.on_duty("b", at(2, 10), "emergency")
    assert known.people_on_duty(COMPOUND, "worker", at(2, 10), "emergency") == ("b",)
    assert known.people_on_duty(COMPOUND, "worker", at(2, 10)) == ("a", "b")


def test_leave_and_stand_in() -> None:
    leaves = [Leave("a", at(2, 0), at(4, 0), "b"), Leave("b", at(3, 0), at(3, 12), "c")]
    known = directory(
        person("a"),
        person("b", grid="elsewhere"),
        person("c", grid="elsewhere"),
        shifts=[shift("a", (8, 18)), shift("b", (0, 1)), shift("c", (0, 1))],
        leaves=leaves,
    )
    assert known.stand_in("a", at(1, 9)) is None
    assert known.people_on_duty(COMPOUND, "worker", at(1, 9)) == ("a",)
    assert not known.on_duty("a", at(2, 9))
    assert known.on_leave("a", at(2, 9))
    assert known.stand_in("a", at(2, 9)) == "b"
    assert known.on_duty("b", at(2, 9))  # has taken over the shift
    assert known.people_on_duty(COMPOUND, "worker", at(2, 9)) == ("b",)
    assert known.people_on_duty(COMPOUND, "worker", at(2, 19)) == ()
    assert known.stand_in("a", at(3, 9)) == "c"  # b is away himself
    assert known.people_on_duty(COMPOUND, "worker", at(3, 9)) == ("c",)
    assert known.people_on_duty(COMPOUND, "worker", at(3, 13)) == ("b",)
    assert known.people_on_duty(COMPOUND, "worker", at(4, 9)) == ("a",)


def test_stand_ins_who_stand_in_for_each_other_are_nobody() -> None:
    leaves = [Leave("a", at(2, 0), at(4, 0), "b"), Leave("b", at(2, 0), at(4, 0), "a")]
    known = directory(person("a"), person("b"), leaves=leaves)
    assert known.stand_in("a", NOON) is None
    assert known.people_on_duty(COMPOUND, "worker", NOON) == ()


def test_a_stand_in_who_has_left_or_is_unknown_is_nobody() -> None:
    leaves = [Leave("a", at(2, 0), at(4, 0), "gone"), Leave("b", at(2, 0), at(4, 0), "who")]
    known = directory(person("a"), person("b"), person("gone", active=False), leaves=leaves)
    assert known.stand_in("a", NOON) is None
    assert known.stand_in("b", NOON) is None


def test_while_nothing_changes_it_is_the_same_tuple() -> None:
    known = directory(person("a"), person("b"), shifts=[shift("a", (8, 18)), shift("b", (9, 17))])
    first = known.people_on_duty(COMPOUND, "worker", at(2, 9))
    assert known.people_on_duty(COMPOUND, "worker", at(2, 16.9)) is first
    assert known.duty_changes(COMPOUND, "worker", at(2, 10)) == at(2, 17)
    assert known.people_on_duty(COMPOUND, "worker", at(2, 17)) == ("a",)
    assert known.people_on_duty(COMPOUND, "worker", at(2, 9)) == first  # also backwards


# -- against a plain reference -----------------------------------------------------------------------


@st.composite
def rosters(draw: Any) -> tuple[list[Shift], list[Leave]]:
    shifts = []
    for _ in range(draw(st.integers(0, 5))):
        who = draw(st.sampled_from(["a", "b", "c", COMPOUND, "350921001"]))
        begin = draw(st.integers(0, 23))
        span = (begin, begin + draw(st.integers(1, 20)))
        days = draw(st.sets(st.integers(0, 6), min_size=1))
        first = draw(st.integers(1, 6))
        dates = {"first": date(2026, 12, first), "last": date(2026, 12, first + draw(st.integers(0, 4)))}
        role = "" if len(who) == 1 else "worker"
        shifts.append(shift(who, span, days=sorted(days), role=role, **dates))
    leaves = []
    for _ in range(draw(st.integers(0, 4))):
        who = draw(st.sampled_from("abc"))
        begin = draw(st.integers(0, 120))
        other = draw(st.sampled_from(["", *[p for p in "abc" if p != who]]))
        leaves.append(Leave(who, at(1, begin), at(1, begin + draw(st.integers(1, 60))), other))
    return shifts, leaves


def plainly(shifts: list[Shift], leaves: list[Leave], who: str, when: datetime) -> bool:
    """On duty, said without any index or cache."""

    def covering(key: str) -> list[Shift]:
        return [s for s in shifts if s.who == key]

    def rostered(p: str) -> bool:
        today = when.date()
        for key in (p, COMPOUND, "350921001001", "350921001", "350921"):
            there = covered = False
            for s in covering(key):
                covered = covered or s.first <= today <= s.last
                for ago in (0, 1):
                    day = today - timedelta(days=ago)
                    if s.first <= day <= s.last and day.weekday() in s.days:
                        midnight = datetime(day.year, day.month, day.day, tzinfo=ZONE)
                        for b, e in s.spans:
                            there = there or midnight + timedelta(minutes=b) <= when < midnight + timedelta(
                                minutes=e
                            )
            if there or covered:
                return there
        return True

    def away(p: str) -> bool:
        return any(x.person == p and x.start <= when < x.end for x in leaves)

    def works(p: str, depth: int) -> bool:
        if rostered(p):
            return True
        return depth < 8 and any(
            x.stand_in == p and x.start <= when < x.end and works(x.person, depth + 1) for x in leaves
        )

    return not away(who) and works(who, 0)


@settings(max_examples=300, deadline=None)
@given(rosters(), st.lists(st.integers(0, 8 * 24 * 4), min_size=1, max_size=12))
def test_as_a_plain_reference_says_in_whatever_order_it_is_asked(
    made: tuple[list[Shift], list[Leave]], quarters: list[int]
) -> None:
    shifts, leaves = made
    known = directory(*map(person, "abc"), shifts=shifts, leaves=leaves)
    for quarter in quarters:
        when = at(1, quarter / 4)
        for who in "abc":
            assert known.on_duty(who, when) == plainly(shifts, leaves, who, when)
        there = known.people_on_duty("350921001", "worker", when)
        assert all(known.on_duty(p, when) for p in there)
        until = known.duty_changes("350921001", "worker", when)
        if until is not None:
            assert until > when
            fresh = directory(*map(person, "abc"), shifts=shifts, leaves=leaves)
            last = max(when, until - timedelta(seconds=1))
            assert fresh.people_on_duty("350921001", "worker", last) == there


# -- hours as people write them ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "day", "spans"),
    [
        ("周一至周五 08:00-12:00、14:30-17:30；周六 9:00-12:00", "fri", ["08:00-12:00", "14:30-17:30"]),
        ("周一至周五 08:00-12:00、14:30-17:30；周六 9:00-12:00", "sat", ["09:00-12:00"]),
        ("每天 22:00-06:00", "sun", ["22:00-06:00"]),
        ("工作日 8：00—18：00", "mon", ["08:00-18:00"]),
        ("周末全天", "sun", ["00:00-24:00"]),
        ("08:00-20:00", "wed", ["08:00-20:00"]),
        ("星期六、星期日 8:00至20:00", "sun", ["08:00-20:00"]),
        ("周五至周一 8:00到9:00", "sun", ["08:00-09:00"]),
    ],
)
def test_hours_as_people_write_them(written: str, day: str, spans: list[str]) -> None:
    found = hours_of(written, overnight=True)
    assert found[day] == spans
    assert hours_of(text_of(found), overnight=True) == found
    assert hours_of(found, overnight=True) == found


@pytest.mark.parametrize("written", ["周一", "22:00-06:00", "25:00-26:00", "", "8点", "周一 08:00-08:00"])
def test_hours_that_are_none(written: str) -> None:
    with pytest.raises(ValueError, match=r"names|has"):
        hours_of(written)


@given(st.sets(st.integers(0, 6), min_size=1))
def test_weekdays_are_read_back(days: set[int]) -> None:
    assert days_of(days_text(sorted(days))) == sorted(days)
