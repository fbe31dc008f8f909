"""What the mini-program sends, and what it is told."""

from __future__ import annotations

from marshmallow import fields, validate

from jiayuan.contracts.schemas.common import (
    KINDS,
    PHONE,
    Demand,
    Pattern,
    a_code,
    a_date,
    a_number,
    a_real,
    a_text,
    a_word,
    said,
)

from ...coordinates import GCJ02, SYSTEMS
from ...media import MAX_PHOTOS

# An appointment is made at a service point's slot, which this says nothing of: see NewBooking.
REPORT_KINDS = tuple(k for k in KINDS if k != "appointment")
DIGEST = Pattern("[0-9a-f]{64}")


class SignIn(Demand):
    """The body of `POST /mini-program/sessions`."""

    code = said(
        fields.String(required=True, validate=Pattern(r"[0-9A-Za-z_\-]{1,128}")),
        "What wx.login gave, not older than five minutes and never used.",
    )


class Spot(Demand):
    """Where it is: a code, words, or a point of WeChat's map (`lat` and `long` together)."""

    code = said(a_code(), "A street, community or grid that was chosen from a list.")
    text = said(a_text(300), "The place in words.")
    lat = said(a_real(-90, 90), "Latitude; only together with `long`.")
    long = said(a_real(-180, 180), "Longitude; only together with `lat`.")
    crs = said(
        a_word(SYSTEMS, required=False),
        f"The coordinates' system; {GCJ02} when absent, which WeChat's maps are in.",
    )


class Reach(Demand):
    """How the citizen wants to be called; the openid comes from signing in."""

    name = said(a_text(60), "A name.")
    phone = said(fields.String(allow_none=True, validate=PHONE), "A number to call back.")


class CitizenReport(Demand):
    """The body of `POST /mini-program/reports`."""

    kind = said(
        a_word(REPORT_KINDS, required=False),
        "problem 问题, information 信息, consultation 咨询, dispute 纠纷, wish 微心愿 or praise 表扬; "
        "found from the words when absent.",
    )
    title = said(a_text(200), "A short title; made from the text when absent.")
    text = said(
        fields.String(required=True, validate=validate.Length(min=1, max=8000)), "What there is to say."
    )
    category = said(a_code(), "A code of the catalogue of matters; found from the text when absent.")
    photos = said(
        fields.List(fields.String(required=True, validate=DIGEST), validate=validate.Length(max=MAX_PHOTOS)),
        "Digests that `POST /media` gave.",
    )
    voice = said(fields.String(allow_none=True, validate=DIGEST), "The digest of a voice note.")
    place = said(fields.Nested(Spot, allow_none=True), "Where it is; found from the text when absent.")
    contact = said(fields.Nested(Reach, allow_none=True), "How to call back.")
    consent = said(a_text(40), "The version of the consent that the citizen gave.")
    occurred_at = said(a_date(), "When it happened.")
    device_at = said(a_date(), "The time by the phone's own clock.")


class NewBooking(Demand):
    """The body of `POST /mini-program/bookings`."""

    service_point = said(a_code(required=True), "A code of `GET /mini-program/service-points`.")
    service = said(a_text(100, required=True, least=1), "One of the point's services.")
    starts_at = said(a_date(required=True), "The start of one of the point's slots.")
    text = said(a_text(1000), "What it is about, if it needs saying.")
    contact = said(fields.Nested(Reach, allow_none=True), "How to call back.")
    consent = said(a_text(40), "The version of the consent that the citizen gave.")


class Move(Demand):
    """The body of `POST /mini-program/bookings/<report>/move`."""

    starts_at = said(a_date(required=True), "The start of another slot of the same point.")


class Cancel(Demand):
    """The body of `POST /mini-program/bookings/<report>/cancellation`."""

    reason = said(a_text(500), "Why, if it is said.")


UUID = Pattern("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class ReportsPage(Demand):
    """The query of one's reports: the newest first, a page at a time."""

    before = said(fields.String(validate=UUID), "What the page before gave as `next`.")
    limit = said(a_number(1, 100), "At most how many; 20 when absent.")


class BookingsPage(Demand):
    """The query of one's appointments: the latest first, a page at a time."""

    before = said(a_date(), "What the page before gave as `next`.")
    limit = said(a_number(1, 100), "At most how many; 20 when absent.")


_DEGREES = r"(\.[0-9]{1,10})?"
LATITUDE = rf"-?([0-8]?[0-9]{_DEGREES}|90(\.0{{1,10}})?)"
LONGITUDE = rf"-?((1[0-7][0-9]|[0-9]{{1,2}}){_DEGREES}|180(\.0{{1,10}})?)"


class Near(Demand):
    """The query of service points."""

    near = said(
        fields.String(validate=Pattern(f"{LATITUDE},{LONGITUDE}")),
        "Where the citizen is: latitude,longitude.",
    )
    crs = said(
        a_word(SYSTEMS, required=False),
        f"The system of all coordinates, asked and told; {GCJ02} when absent.",
    )
    service = said(a_text(100), "Only points that offer it.")
    limit = said(a_number(1, 100), "At most how many; 20 when absent.")


class Days(Demand):
    """The query of slots."""

    day = said(
        fields.String(validate=Pattern("(19|2[0-9])[0-9]{2}-[0-9]{2}-[0-9]{2}"), metadata={"format": "date"}),
        "The first local day; today when absent.",
    )
    days = said(a_number(1, 31), "How many days; 7 when absent.")
