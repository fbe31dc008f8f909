"""`/mini-program`."""

from __future__ import annotations

from typing import Any, Final

from jiayuan.chassis.operation import (
    Operation,
    Operations,
    at,
    many,
    maybe,
    maybe_at,
    maybe_whole,
    one_of,
    part,
    real,
    text,
    told,
    whole,
)
from jiayuan.contracts.schemas.common import KINDS

from ..channels.mini_program import schemas
from ..coordinates import SYSTEMS
from . import answers

Session = told(
    "Session",
    "A token of ours, for `Authorization: Bearer`.",
    token=text(),
    token_type=one_of("Bearer"),
    expires_at=at(),
)
MyCategory = told("MyCategory", "What about.", code=text(), name=text())
MyReport = told(
    "MyReport",
    "A line of the list of what one has reported.",
    id=text(),
    tracking_code=text(),
    kind=one_of(*KINDS),
    title=text(),
    category=part(MyCategory),
    received_at=at(),
    status=text(),
    words=text(),
    expected_at=maybe_at(),
    updated_at=maybe_at(),
)
MyReports = told("MyReports", "A page, the newest first.", reports=many(MyReport), next=maybe())
Hours = told(
    "Hours",
    "When it is open, local time: 08:00-12:00.",
    **{day: many(text()) for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")},
)
ServicePoint = told(
    "ServicePoint",
    "Where people are served near their homes. `distance` in metres, null when nobody said where he is.",
    code=text(),
    name=text(),
    kind=text(),
    address=text(),
    services=many(text()),
    hours=part(Hours),
    lat=real(),
    long=real(),
    distance=maybe_whole(),
)
ServicePoints = told(
    "ServicePoints", "The nearest first.", crs=one_of(*SYSTEMS), service_points=many(ServicePoint)
)
Slot = told(
    "Slot", "A time to come, and for how many it is free.", starts_at=at(), ends_at=at(), free=whole()
)
Slots = told("Slots", "In order.", service_point=text(), slots=many(Slot))
Booking = told(
    "Booking",
    "An appointment; `report` is the id of the report that it is.",
    report=text(),
    tracking_code=text(),
    service_point=text(),
    name=text(),
    service=text(),
    starts_at=at(),
    ends_at=at(),
    state=one_of("booked", "cancelled"),
    booked_at=at(),
    cancelled_at=maybe_at(),
    moved_to=maybe(),
)
Bookings = told("Bookings", "A page, the latest first.", bookings=many(Booking), next=maybe())


def _made(body: Any, answer: Any, *refuses: int) -> Operation:
    return Operation(
        "mini-program", {201: answer, 200: answer}, body=body, refuses=(409, *refuses), keyed=True
    )


OPERATIONS: Final[Operations] = {
    ("POST", "/mini-program/sessions"): Operation(
        "mini-program", {201: Session}, body=schemas.SignIn, refuses=(401, 403, 502, 504)
    ),
    ("POST", "/mini-program/reports"): _made(schemas.CitizenReport, answers.Receipt),
    ("GET", "/mini-program/reports"): Operation("mini-program", {200: MyReports}, query=schemas.ReportsPage),
    ("GET", "/mini-program/service-points"): Operation(
        "mini-program", {200: ServicePoints}, query=schemas.Near
    ),
    ("GET", "/mini-program/service-points/<string:code>/slots"): Operation(
        "mini-program", {200: Slots}, query=schemas.Days, refuses=(404,)
    ),
    ("POST", "/mini-program/bookings"): _made(schemas.NewBooking, Booking, 404),
    ("GET", "/mini-program/bookings"): Operation("mini-program", {200: Bookings}, query=schemas.BookingsPage),
    ("POST", "/mini-program/bookings/<string:report>/cancellation"): _made(schemas.Cancel, Booking, 404),
    ("POST", "/mini-program/bookings/<string:report>/move"): _made(schemas.Move, Booking, 404),
}
