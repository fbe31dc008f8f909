"""Slots of service points, and that no seat is given away twice."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg2 import IntegrityError
from sqlalchemy import text as sql

from jiayuan.chassis.testing.databases import Opened
from jiayuan.contracts.ids import new_id
from jiayuan.intake import booking, handlers
from jiayuan.intake.booking import ZONE, Point
from jiayuan.intake.report import Submission
from jiayuan.intake.store import bookings

MONDAY = date(2026, 3, 2)
HOURS = {"mon": ["14:30-17:30", "08:00-12:00"], "tue": ["09:00-09:45"], "sun": []}


def point(**more: Any) -> Point:
    known: dict[str, Any] = {
        "code": "sp1",
        "name": "龙津近邻中心",
        "kind": "neighbour_centre",
        "lat": 26.88,
        "long": 120.0,
        "services": ("理发", "家电维修"),
        "hours": HOURS,
        "capacity": 2,
    }
    return Point(**(known | more))


def local(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZONE).astimezone(UTC)


def offered(now: datetime, first: date = MONDAY, days: int = 7, **more: Any) -> list[booking.Slot]:
    return booking.slots(point(**more), {}, now, first, days, ahead=14, minutes=30)


@pytest.mark.unit
def test_slots_are_those_of_the_local_day() -> None:
    found = offered(local(MONDAY, 0))
    assert len(found) == 8 + 6 + 1  # what doesn't fit in before closing is no slot
    assert found[0].starts_at == local(MONDAY, 8)
    assert [s.starts_at for s in found] == sorted(s.starts_at for s in found)
    assert all(s.ends_at - s.starts_at == timedelta(minutes=30) for s in found)
    assert found[-1].starts_at == local(MONDAY + timedelta(days=1), 9)


@pytest.mark.unit
def test_what_has_begun_or_is_too_far_away_is_no_slot() -> None:
    assert offered(local(MONDAY, 8))[0].starts_at == local(MONDAY, 8, 30)
    now = local(MONDAY, 18)
    assert offered(now, days=1) == []
    far = offered(now, MONDAY, 60)
    assert max(s.starts_at.astimezone(ZONE).date() for s in far) <= MONDAY + timedelta(days=14)
    assert offered(now, MONDAY - timedelta(days=7), 7) == []


@pytest.mark.unit
def test_a_point_is_open_from_and_until_its_days() -> None:
    now = local(MONDAY, 0)
    assert offered(now, days=1, open_from=MONDAY + timedelta(days=1)) == []
    assert offered(now, days=1, open_until=MONDAY - timedelta(days=1)) == []
    assert len(offered(now, days=1, open_from=MONDAY, open_until=MONDAY)) == 14


@pytest.mark.unit
def test_hours_that_are_none_open_nothing() -> None:
    assert (
        offered(local(MONDAY, 0), hours={"mon": ["", "8-12", "12:00-08:00", "25:00-26:00", "08:00-24:30"]})
        == []
    )
    assert len(offered(local(MONDAY, 0), days=1, hours={"mon": ["23:00-24:00"]})) == 2


@pytest.mark.unit
def test_free_is_what_is_not_taken_and_never_less_than_none() -> None:
    taken = {local(MONDAY, 8): 1, local(MONDAY, 8, 30): 5}
    found = booking.slots(point(), taken, local(MONDAY, 0), MONDAY, 1, 14, 30)
    assert [s.free for s in found[:3]] == [1, 0, 2]


@pytest.mark.unit
@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 1439), st.integers(0, 1439)), max_size=4),
    st.integers(5, 120),
    st.integers(0, 1440),
)
def test_every_slot_lies_within_the_hours_and_can_be_booked(
    spans: list[tuple[int, int]], minutes: int, at: int
) -> None:
    hours = {"mon": [f"{a // 60:02}:{a % 60:02}-{b // 60:02}:{b % 60:02}" for a, b in spans]}
    here = point(hours=hours)
    now = local(MONDAY, 0) + timedelta(minutes=at)
    found = booking.slots(here, {}, now, MONDAY, 1, 14, minutes)
    assert all(a.ends_at <= b.starts_at for a, b in itertools.pairwise(found))
    for slot in found:
        begins = (slot.starts_at - local(MONDAY, 0)).total_seconds() / 60
        assert any(a <= begins and begins + minutes <= b for a, b in spans)
        assert booking.end_of(here, slot.starts_at, now, 14, minutes) == slot.ends_at
        assert booking.end_of(here, slot.starts_at + timedelta(seconds=1), now, 14, minutes) is None


@pytest.mark.unit
def test_the_nearest_first() -> None:
    here, there, same = point(code="a"), point(code="b", lat=26.9), point(code="c")
    assert [(p.code, far) for p, far in booking.nearest([there, same, here], 26.88, 120.0)] == [
        ("a", 0),
        ("c", 0),
        ("b", 2224),
    ]


@pytest.mark.unit
def test_times_are_said_as_people_say_them() -> None:
    assert booking.said(datetime(2026, 3, 2, 1, 30, tzinfo=UTC)) == "3月2日（周一）9:30"
    assert booking.text_of(point(), "理发", local(MONDAY, 14), "")[0] == "预约理发：龙津近邻中心"


# -- the store -----------------------------------------------------------------------------------------


def seed(intake: Opened, capacity: int = 3) -> Point:
    with intake() as work:
        work.execute(
            "INSERT INTO service_point (code, name, kind, lat, long, services, hours, capacity, updated_at) VALUES "
            "('sp1', '龙津近邻中心', 'neighbour_centre', 26.88, 120.0, '[\"理发\"]', "
            '\'{"mon": ["08:00-12:00"]}\', :capacity, now())',
            capacity=capacity,
        )
        found = bookings.point(work, "sp1")
    assert found is not None
    return found


def take(intake: Opened, at: Point, start: datetime, person: str) -> int | None:
    """One transaction that books as the adapter does; the seat, None when the slot is full."""
    with intake() as work:
        bookings.in_line(work, f"1 {at.code} {start}")
        seat = bookings.free_seat(work, at.code, start, at.capacity)
        if seat is None:
            return None
        (receipt,) = handlers.receive(
            work, [Submission("mini_program", text="预约理发", kind="appointment", person=person)]
        )
        bookings.book(work, row(receipt.report, start, seat))
        return seat


def row(report: str, start: datetime, seat: int) -> dict[str, Any]:
    return {
        "report": report,
        "service_point": "sp1",
        "point_name": "龙津近邻中心",
        "service": "理发",
        "starts_at": start,
        "ends_at": start + timedelta(minutes=30),
        "seat": seat,
        "state": "booked",
        "booked_at": start,
    }


@pytest.mark.store
def test_many_at_a_time_get_every_seat_once_and_no_more(intake: Opened) -> None:
    """40 transactions at once for 2 slots of 7 seats: 14 are booked, each seat once, and 26 hear that it is full."""
    here = seed(intake, capacity=7)
    starts = [local(MONDAY, 9), local(MONDAY, 9, 30)]
    results: list[tuple[datetime, int | None]] = []
    failures: list[BaseException] = []
    gate = threading.Barrier(8)

    def run(worker: int) -> None:
        try:
            gate.wait(30)
            for turn in range(5):
                start = starts[(worker + turn) % 2]
                results.append((start, take(intake, here, start, f"p{worker}{turn}")))
        except BaseException as error:  # noqa: BLE001  told by the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert len(results) == 40
    given_ = Counter(r for r in results if r[1] is not None)
    assert given_ == Counter({(start, seat): 1 for start in starts for seat in range(7)})
    with intake.engine.connect() as conn:
        stored = conn.execute(sql("SELECT starts_at, seat FROM booking WHERE state = 'booked'")).all()
        reports = conn.execute(sql("SELECT count(*) FROM report")).scalar_one()
    assert sorted(stored) == sorted(given_)
    assert reports == 14  # whoever got no seat left no report behind either


@pytest.mark.store
def test_the_database_itself_gives_no_seat_twice(intake: Opened) -> None:
    """Also to code that stands in no line."""
    seed(intake)
    start = local(MONDAY, 9)
    with intake() as work:
        receipts = handlers.receive(work, [Submission("mini_program", text=f"预约理发{n}") for n in range(3)])
        ids = [r.report for r in receipts]
        bookings.book(work, row(ids[0], start, 0))
    with pytest.raises(IntegrityError, match="booking_seat"), intake() as work:
        bookings.book(work, row(ids[1], start, 0))
    with intake() as work:
        assert bookings.free(work, ids[0], start)
        assert not bookings.free(work, ids[0], start)
        bookings.book(work, row(ids[1], start, 0))
        assert bookings.taken(work, "sp1", start, start + timedelta(hours=1)) == {start: 1}
    with pytest.raises(IntegrityError, match="booking_report_fkey"), intake() as work:
        bookings.book(work, row(new_id(), start, 1))
