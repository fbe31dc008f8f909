"""The mini-program: signing in, reporting, what somebody has reported, and booking a service."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from jiayuan.chassis import tokens
from jiayuan.chassis.errors import Problem
from jiayuan.chassis.work import Work
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.times import iso, parse

from ... import api, attachments, booking, coordinates, people, store, taking, text
from ... import keys as process_keys
from ...booking import Point, Slot
from ...handlers import ACCEPTED, Receipt, receive
from ...people import Contact
from ...report import Submission
from ...store import bookings
from ...store import people as persons
from . import schemas, wechat

CHANNEL: Final = "mini_program"
_OPENID: Final = "openid"
_PAGE: Final = 20
_WEEK: Final = 7
_OFFERED: Final = 5  # free slots that a refusal names


# -- signing in ----------------------------------------------------------------------------------------


@lru_cache(maxsize=4)
def _wechat(appid: str, secret: str, base: str, timeout: float) -> wechat.Wechat:
    return wechat.Wechat(appid, secret, base, timeout)


def sign_in(delivery: Any, call: Any) -> api.Answer:
    """`POST /mini-program/sessions` {code}: 201 with a token of ours that holds for a while.

    The openid is not told and not stored: it becomes a pseudonym, and goes with the token, sealed, so that a report
    can be answered in the mini-program.
    """
    document = call.json_body(schemas.SignIn)
    settings = delivery.settings
    if not settings.wechat_appid or not settings.wechat_secret:
        raise wechat.not_set_up()
    client = _wechat(
        settings.wechat_appid, settings.wechat_secret, settings.wechat_base, settings.wechat_timeout
    )
    openid = client.openid(document["code"])
    keys = process_keys.current()
    person = people.handle_of(Contact(openid=openid), keys.secret)
    assert person is not None
    token = tokens.issue(
        settings.token_secret,
        person,
        ("citizen",),
        sealed=keys.sealer.seal({_OPENID: openid}, person),
        hours=settings.citizen_hours,
        issuer=settings.token_issuer,
    )
    until = datetime.now(UTC) + timedelta(hours=settings.citizen_hours)
    return 201, {"token": token, "token_type": "Bearer", "expires_at": iso(until)}


def _contact(call: Any, said: dict[str, Any] | None) -> Contact:
    """Who is signed in, with the name and number given."""
    who, said = call.need("citizen"), said or {}
    openid = ""
    if who.sealed:
        openid = process_keys.current().sealer.open(who.sealed, who.subject)[_OPENID]
    return Contact(text.one_line(said.get("name") or ""), said.get("phone") or "", openid)


# -- reports -------------------------------------------------------------------------------------------


def submit(delivery: Any, call: Any) -> api.Answer:
    """`POST /mini-program/reports`: 201 with the new report."""
    document = call.json_body(schemas.CitizenReport)
    where = document.get("place") or {}
    photos, voice = document.get("photos") or [], document.get("voice")
    submission = _submission(
        call,
        document,
        kind=document.get("kind") or "",
        title=document.get("title") or "",
        text=document["text"],
        category=document.get("category") or "",
        place_code=where.get("code") or "",
        place_text=where.get("text") or "",
        lat=where.get("lat"),
        long=where.get("long"),
        crs=where.get("crs") or coordinates.GCJ02,
        attachments=tuple(dict.fromkeys([*photos, *([voice] if voice else ())])),
        occurred_at=_time(document.get("occurred_at")),
        device_at=_time(document.get("device_at")),
    )

    def answer(receipt: Receipt) -> dict[str, Any]:
        return api.receipt_document(_accepted(receipt, len(photos)))

    return taking.take(delivery, call, f"report:{call.who.subject}", document, submission, answer)


def _submission(call: Any, document: dict[str, Any], **what: Any) -> Submission:
    return Submission(
        channel=CHANNEL,
        contact=_contact(call, document.get("contact")),
        person=call.who.subject,
        consent=document.get("consent") or "",
        dialogue=True,
        traceparent=call.traceparent,
        **what,
    )


def _time(said: str | None) -> datetime | None:
    # In UTC: PostgreSQL doesn't know every offset that RFC 3339 allows.
    return parse(said).astimezone(UTC) if said else None


def _taken(work: Work, submission: Submission) -> Receipt:
    (receipt,) = receive(work, [submission])
    return _accepted(receipt)


def _accepted(receipt: Receipt, photos: int = 0) -> Receipt:
    if receipt.outcome != ACCEPTED:
        raise api.refusal([_named(p, photos) for p in receipt.problems])
    return receipt


def _named(problem: FieldProblem, photos: int) -> FieldProblem:
    """A problem of an attachment by the name that the mini-program gave it."""
    head, _, at = problem.field.partition(".")
    if head != "attachments":
        return problem
    field = "photos" if not at else f"photos.{at}" if int(at) < photos else "voice"
    return FieldProblem(field, problem.problem, problem.allowed)


def mine(delivery: Any, call: Any) -> dict[str, Any]:
    """`GET /mini-program/reports`: what the citizen has reported, the newest first, with the tracking codes."""
    query = call.query(schemas.ReportsPage)
    before, most = query.get("before"), query.get("limit") or _PAGE
    with delivery.work() as work:
        rows = store.list_of(work, _pseudonym(work, call), before, most + 1)
        cases = store.progress_of(work, [str(row.id) for row in rows])
    found = [api.brief(row, cases.get(str(row.id))) for row in rows]
    return _page(found, "reports", most, lambda last: str(last["id"]))


def _page(
    found: list[dict[str, Any]], name: str, most: int, mark: Callable[[dict[str, Any]], str]
) -> dict[str, Any]:
    shown = found[:most]
    return {name: shown, "next": mark(shown[-1]) if len(found) > most else None}


def _pseudonym(work: Work, call: Any) -> str:
    """By what name the citizen's reports are kept; "" while there are none."""
    return persons.person_of_handle(work, call.need("citizen").subject) or ""


# -- service points ------------------------------------------------------------------------------------


def points(delivery: Any, call: Any) -> dict[str, Any]:
    """`GET /mini-program/service-points`: those near the citizen, the nearest first; all by code without a place."""
    query = call.query(schemas.Near)
    crs = query.get("crs") or coordinates.GCJ02
    with delivery.work() as work:
        found = bookings.points(work)
    service = query.get("service")
    found = [p for p in found if not service or service in p.services]
    most = query.get("limit") or _PAGE
    if not query.get("near"):
        return {"crs": crs, "service_points": [_point(p, crs, None) for p in found[:most]]}
    lat, long = map(float, query["near"].split(","))
    near = booking.nearest(found, *coordinates.to_wgs84(lat, long, crs))
    return {"crs": crs, "service_points": [_point(p, crs, far) for p, far in near[:most]]}


def _point(point: Point, crs: str, far: int | None) -> dict[str, Any]:
    lat, long = coordinates.from_wgs84(point.lat, point.long, crs)
    return booking.document(point, lat=round(lat, 6), long=round(long, 6), distance=far)


def slots(delivery: Any, call: Any, code: str) -> dict[str, Any]:
    """`GET /mini-program/service-points/<code>/slots`: when the point can be booked, and how many seats are free."""
    query = call.query(schemas.Days)
    with delivery.work() as work:
        first = _day(query.get("day")) or work.now.astimezone(booking.ZONE).date()
        point = _existing(work, code)
        found = _slots(work, delivery.settings, point, first, query.get("days") or _WEEK)
    return {"service_point": point.code, "slots": [_slot(s) for s in found]}


def _day(said: str | None) -> date | None:
    if not said:
        return None
    try:
        found = date.fromisoformat(said)
        if not 1900 <= found.year <= 2999:
            raise ValueError(said)
        return found
    except ValueError:
        raise Problem(
            422,
            "The query breaks the schema",
            problems=[FieldProblem("day", "is no day of the calendar", "YYYY-MM-DD, years 1900 to 2999")],
        ) from None


def _slots(work: Work, settings: Any, point: Point, first: date, days: int) -> list[Slot]:
    since = datetime.combine(first, datetime.min.time(), booking.ZONE)
    taken = bookings.taken(work, point.code, since, since + timedelta(days=days))
    return booking.slots(point, taken, work.now, first, days, settings.booking_days, settings.booking_minutes)


def _slot(slot: Slot) -> dict[str, Any]:
    return {"starts_at": iso(slot.starts_at), "ends_at": iso(slot.ends_at), "free": slot.free}


def _existing(work: Work, code: str) -> Point:
    found = bookings.point(work, code) if "\0" not in code else None
    if found is None:
        raise Problem(404, "No such service point", "there is no service point with this code")
    return found


# -- bookings ------------------------------------------------------------------------------------------


def book(delivery: Any, call: Any) -> api.Answer:
    """`POST /mini-program/bookings`: 201 with the booking, which is a report of kind appointment."""
    document = call.json_body(schemas.NewBooking)
    starts_at = parse(document["starts_at"]).astimezone(UTC)

    def run(work: Work) -> dict[str, Any]:
        point = _existing(work, document["service_point"])
        return _book(work, delivery.settings, call, document, point, starts_at)

    return api.once(delivery, call, f"booking:{call.who.subject}", document, run)


def _book(
    work: Work,
    settings: Any,
    call: Any,
    document: dict[str, Any],
    point: Point,
    starts_at: datetime,
    instead_of: str = "",
) -> dict[str, Any]:
    """Takes a seat and makes the report; `instead_of`: the booking whose place it takes."""
    service = document["service"]
    if service not in point.services:
        raise _conflict(
            "Not offered there", "service", "is not offered at this service point", "、".join(point.services)
        )
    now = work.now
    ahead, minutes = settings.booking_days, settings.booking_minutes
    ends_at = booking.end_of(point, starts_at, now, ahead, minutes)
    if ends_at is None:
        raise _no_slot(work, settings, point, "is not the start of a slot that can be booked")
    # First the person, then the slot: everybody stands in line in the same order.
    bookings.in_line(work, f"0 {call.who.subject}")
    held = [b for b in bookings.open_of(work, _pseudonym(work, call), now) if str(b.report) != instead_of]
    if any(b.starts_at < ends_at and starts_at < b.ends_at for b in held):
        raise _conflict(
            "Booked already", "starts_at", "overlaps with another appointment of yours", "another time"
        )
    if len(held) >= settings.booking_most:
        raise Problem(
            409,
            "Too many appointments",
            f"you hold {len(held)}, at most {settings.booking_most} at a time; cancel one first",
        )
    bookings.in_line(work, f"1 {point.code} {iso(starts_at)}")
    seat = bookings.free_seat(work, point.code, starts_at, point.capacity)
    if seat is None:
        raise _no_slot(work, settings, point, "is fully booked")
    title, words = booking.text_of(point, service, starts_at, document.get("text") or "")
    facts = {"service_point": point.code, "service": service, "starts_at": iso(starts_at)}
    receipt = _taken(
        work,
        _submission(
            call,
            document,
            kind="appointment",
            title=title,
            text=words,
            place_code=point.community or point.street,
            lat=point.lat,
            long=point.long,
            facts=facts,
        ),
    )
    row = {
        "report": receipt.report,
        "service_point": point.code,
        "point_name": point.name,
        "service": service,
        "starts_at": starts_at,
        "ends_at": ends_at,
        "seat": seat,
        "state": "booked",
        "booked_at": now,
    }
    bookings.book(work, row)
    return _booked(row, receipt.tracking_code)


def _booked(row: dict[str, Any], code: str) -> dict[str, Any]:
    gone, moved = row.get("cancelled_at"), row.get("moved_to")
    return {
        "report": str(row["report"]),
        "tracking_code": code,
        "service_point": row["service_point"],
        "name": row["point_name"],
        "service": row["service"],
        "starts_at": iso(row["starts_at"]),
        "ends_at": iso(row["ends_at"]),
        "state": row["state"],
        "booked_at": iso(row["booked_at"]),
        "cancelled_at": iso(gone) if gone else None,
        "moved_to": str(moved) if moved else None,
    }


def _no_slot(work: Work, settings: Any, point: Point, problem: str) -> Problem:
    today = work.now.astimezone(booking.ZONE).date()
    found = [s for s in _slots(work, settings, point, today, settings.booking_days + 1) if s.free][:_OFFERED]
    allowed = "、".join(booking.said(s.starts_at) for s in found) or "no slot is free"
    refusal = _conflict("Not free", "starts_at", problem, allowed)
    refusal.extra["free"] = [_slot(s) for s in found]
    return refusal


def _conflict(title: str, field: str, problem: str, allowed: str) -> Problem:
    # Not 422: it is well-formed, only not possible as things stand now.
    return Problem(409, title, problems=[FieldProblem(field, problem, allowed)])


def booked(delivery: Any, call: Any) -> dict[str, Any]:
    """`GET /mini-program/bookings`: the citizen's appointments, the latest first."""
    query = call.query(schemas.BookingsPage)
    most, before = query.get("limit") or _PAGE, _time(query.get("before"))
    with delivery.work() as work:
        rows = bookings.mine(work, _pseudonym(work, call), before, most + 1)
    found = [_booked(row._asdict(), row.tracking_code) for row in rows]
    return _page(found, "bookings", most, lambda last: last["starts_at"])


def cancel(delivery: Any, call: Any, report_id: str) -> api.Answer:
    """`POST /mini-program/bookings/<report>/cancellation` {reason?}: 201; the seat is free again.

    Cancelled before, the same answer and nothing happens.
    """
    document = call.json_body(schemas.Cancel)

    def run(work: Work) -> dict[str, Any]:
        row = _own(work, call, report_id)
        if row.state != "booked":
            return _booked(row._asdict(), row.tracking_code)
        _not_past(row, work.now)
        _withdrawn(work, call, report_id, document.get("reason") or "")
        return _booked({**row._asdict(), "state": "cancelled", "cancelled_at": work.now}, row.tracking_code)

    return api.once(delivery, call, f"cancel:{call.who.subject}:{report_id}", document, run)


def move(delivery: Any, call: Any, report_id: str) -> api.Answer:
    """`POST /mini-program/bookings/<report>/move` {starts_at}: 201 with the new booking; the old seat is free again.

    All or nothing: when the new slot can't be had, the old one is kept.
    """
    document = call.json_body(schemas.Move)
    starts_at = parse(document["starts_at"]).astimezone(UTC)

    def run(work: Work) -> dict[str, Any]:
        row = _own(work, call, report_id)
        if row.state != "booked":
            raise Problem(409, "The appointment is cancelled", "book a new one")
        _not_past(row, work.now)
        point = _existing(work, row.service_point)
        again = {"service": row.service}
        made = _book(work, delivery.settings, call, again, point, starts_at, instead_of=report_id)
        _withdrawn(work, call, report_id, f"改期至{booking.said(starts_at)}", made["report"])
        return made

    return api.once(delivery, call, f"move:{call.who.subject}:{report_id}", document, run)


def _own(work: Work, call: Any, report_id: str) -> Any:
    row = None
    if attachments.is_id(report_id):
        # The person before the row: the same order in which a booking takes them.
        bookings.in_line(work, f"0 {call.who.subject}")
        row = bookings.one(work, report_id, _pseudonym(work, call))
    if row is None:
        raise Problem(404, "No such appointment", "you have no appointment with this id")
    return row


def _not_past(row: Any, now: datetime) -> None:
    if row.starts_at <= now:
        raise Problem(409, "The appointment has begun", "it can be changed only before its time")


def _withdrawn(work: Work, call: Any, report_id: str, reason: str, moved_to: str | None = None) -> None:
    """Withdraws the report that the booking is, which frees the seat."""
    bookings.free(work, report_id, work.now, moved_to)
    row = store.one(work, report_id, lock=True)
    assert row is not None
    api.withdrawn(work, call, row, reason)
