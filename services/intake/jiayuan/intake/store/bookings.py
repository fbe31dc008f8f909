"""Service points and who has booked them when."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row

from jiayuan.chassis.work import Work
from jiayuan.contracts.times import iso

from ..booking import Point
from .tables import booking

_POINT: Final = (
    "SELECT code, name, kind, lat, long, services, hours, capacity, address, street, community, open_from, "
    "open_until FROM service_point"
)


def points(work: Work) -> list[Point]:
    """All service points, by code."""
    return [_point(row) for row in work.execute(_POINT + " ORDER BY code")]


def point(work: Work, code: str) -> Point | None:
    """A service point."""
    row = work.execute(_POINT + " WHERE code = :code", code=code).first()
    return _point(row) if row is not None else None


def _point(row: Row[Any]) -> Point:
    return Point(
        code=row.code,
        name=row.name,
        kind=row.kind,
        lat=row.lat,
        long=row.long,
        services=tuple(row.services),
        hours=row.hours,
        capacity=row.capacity,
        address=row.address,
        street=row.street or "",
        community=row.community or "",
        open_from=row.open_from,
        open_until=row.open_until,
    )


def taken(work: Work, code: str, since: datetime, until: datetime) -> dict[datetime, int]:
    """How many seats of a point's slots are booked, by the slot's start."""
    rows = work.execute(
        "SELECT starts_at, count(*) AS n FROM booking WHERE service_point = :code AND state = 'booked' "
        "AND starts_at >= :since AND starts_at < :until GROUP BY starts_at",
        code=code,
        since=since,
        until=until,
    )
    return {row.starts_at: row.n for row in rows}


def in_line(work: Work, *what: str) -> None:
    """Waits until nobody else's transaction holds any of these words: whoever books the same comes one by one."""
    for word in sorted(what):
        work.execute("SELECT pg_advisory_xact_lock(hashtextextended(:word, 7205))", word=word)


def free_seat(work: Work, code: str, starts_at: datetime, capacity: int) -> int | None:
    """The lowest seat of a slot that nobody has; None when it is full. Stand `in_line` for the slot first."""
    seat = work.execute(
        "SELECT min(s.seat) FROM generate_series(0, CAST(:capacity AS int) - 1) AS s(seat) "
        "WHERE NOT EXISTS (SELECT 1 FROM booking b WHERE b.service_point = :code AND b.starts_at = :at "
        "AND b.state = 'booked' AND b.seat = s.seat)",
        capacity=capacity,
        code=code,
        at=starts_at,
    ).scalar_one()
    return None if seat is None else int(seat)


def book(work: Work, row: Mapping[str, Any]) -> None:
    """Writes a booking; that no seat is given away twice, the database itself sees to."""
    work.insert(booking, [{k: iso(v) if isinstance(v, datetime) else v for k, v in row.items()}])


_MINE: Final = (
    "SELECT b.report, b.service_point, b.service, b.starts_at, b.ends_at, b.state, b.booked_at, b.cancelled_at, "
    "b.point_name, b.moved_to, r.tracking_code, r.reporter, r.version, r.street "
    "FROM booking b JOIN report r ON r.id = b.report "
)


def mine(work: Work, reporter: str, before: datetime | None, most: int) -> list[Row[Any]]:
    """A person's bookings, the latest first."""
    return list(
        work.execute(
            _MINE
            + "WHERE r.reporter = :reporter AND (CAST(:before AS timestamptz) IS NULL OR b.starts_at < :before) "
            "ORDER BY b.starts_at DESC, b.report DESC LIMIT :most",
            reporter=reporter,
            before=before,
            most=most,
        )
    )


def one(work: Work, report: str, reporter: str) -> Row[Any] | None:
    """A person's booking, held until the end of the transaction."""
    return work.execute(
        _MINE + "WHERE b.report = :report AND r.reporter = :reporter FOR UPDATE",
        report=report,
        reporter=reporter,
    ).first()


def open_of(work: Work, reporter: str, now: datetime) -> list[Row[Any]]:
    """What a person has booked and not yet used: report, starts_at, ends_at. Stand `in_line` for the person first."""
    return list(
        work.execute(
            "SELECT b.report, b.starts_at, b.ends_at FROM booking b JOIN report r ON r.id = b.report "
            "WHERE r.reporter = :reporter AND b.state = 'booked' AND b.ends_at > :now",
            reporter=reporter,
            now=now,
        )
    )


def free(work: Work, report: str, at: datetime, moved_to: str | None = None) -> bool:
    """Gives the seat of a booking back; False when there was none to give back."""
    return (
        work.execute(
            "UPDATE booking SET state = 'cancelled', cancelled_at = :at, moved_to = CAST(:moved_to AS uuid) "
            "WHERE report = :report AND state = 'booked'",
            report=report,
            at=at,
            moved_to=moved_to,
        ).rowcount
        > 0
    )
