"""What may be sent to intake: by HTTP and in files. Unknown fields are refused, since they are mostly typos."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from jiayuan.contracts.schemas.common import (
    CHANNELS,
    KINDS,
    PHONE,
    Demand,
    Pattern,
    YesNo,
    a_code,
    a_date,
    a_number,
    a_real,
    a_text,
    a_word,
    a_yes_no,
    an_id,
    said,
)
from jiayuan.contracts.schemas.inbound import Contact

from . import coordinates

# Reports of other systems come over the bus, files by the command line; neither may be claimed by HTTP.
HTTP_CHANNELS = tuple(c for c in CHANNELS if c not in ("government_system", "file_import"))


def digests(*, required: bool = False) -> fields.List:
    """Digests of photos and voice notes, as `POST /media` gave them."""
    one = fields.String(required=True, validate=Pattern("[0-9a-f]{64}"))
    return fields.List(one, required=required, validate=validate.Length(min=1 if required else 0, max=10))


class Where(Demand):
    """Where it is: any of a code, words, or coordinates of `crs` (both or none, which `clean` checks)."""

    code = a_code()
    text = a_text(300)
    # Up to 180: a pair the wrong way round is told as such in the report's evidence, and the report is not lost.
    lat = a_real(-180, 180)
    long = a_real(-180, 180)
    crs = a_word(coordinates.SYSTEMS, required=False)


class Content(Demand):
    """What every channel may say of a report."""

    kind = a_word(KINDS, required=False)
    title = a_text(200)
    text = fields.String(required=True, validate=validate.Length(min=1, max=8000))
    category = a_code()
    place = fields.Nested(Where, allow_none=True)
    contact = fields.Nested(Contact, allow_none=True)
    consent = a_text(40)
    occurred_at = a_date()
    device_at = a_date()
    attachments = digests()


class NewReport(Content):
    """The body of `POST /reports`."""

    channel = a_word(HTTP_CHANNELS, required=False)


class HotlineReport(Content):
    """The body of `POST /hotline/reports`: what an agent takes down for somebody.

    `work_order` is the hotline's own number; `callback` a number to ring back, which need not be the citizen's;
    `recording` the reference of the call's recording in the hotline's system.
    """

    work_order = an_id()
    via = a_word(("phone", "counter"), required=False)
    callback = fields.String(allow_none=True, validate=PHONE)
    recording = a_text(200)


class FieldReport(Content):
    """An item of a walk: `id` from the phone, `device_at` by its clock."""

    id = an_id()
    device_at = a_date(required=True)


class Walk(Demand):
    """The body of `POST /field/reports`: the reports of one walk. `sent_at`: the phone's clock as it sends.

    Items are checked one by one, so that a wrong one costs only itself.
    """

    walk = an_id(required=False)
    channel = a_word(("grid_worker", "liaison", "rider", "cadre"), required=False)
    sent_at = a_date(required=True)
    reports = fields.List(fields.Raw(allow_none=True), required=True, validate=validate.Length(min=1, max=50))


class FileLine(NewReport):
    """A line of a file."""

    channel = a_word(CHANNELS, required=False)
    external_id = an_id(required=False)
    source_system = a_code()
    received_at = a_date()


class Rating(Demand):
    """The reporter's answer: solved or not, satisfaction 1 to 5. `solved` null: doesn't know; then a satisfaction is
    needed, or nothing would have been said."""

    solved = YesNo(required=True, allow_none=True)
    satisfaction = a_number(1, 5)
    words = a_text(1000)

    @validates_schema
    def _says_something(self, data: Mapping[str, Any], **_: Any) -> None:
        if data["solved"] is None and data.get("satisfaction") is None:
            raise ValidationError("Is needed where solved is null; 1 to 5.", "satisfaction")


class Supplement(Demand):
    """What the reporter adds."""

    text = fields.String(required=True, validate=validate.Length(min=1, max=8000))


class Correction(Demand):
    """Another category for a report, and why."""

    code = a_code(required=True)
    reason = a_text(300, required=True, least=1)


class Withdrawal(Demand):
    """Why the reporter takes it back, if it is said."""

    reason = a_text(500)


class Attachments(Demand):
    """Photos and voice notes that come after their report."""

    attachments = digests(required=True)


class NewJoin(Demand):
    """Two reports about one matter."""

    report = an_id()
    matter = an_id()
    reason = a_text(300, required=True, least=1)


class JoinDecision(Demand):
    """The desk's answer: one matter or two."""

    join = a_yes_no()
    note = a_text(300)


class JoinUndoing(Demand):
    """Why a join was wrong."""

    reason = a_text(300, required=True, least=1)


class PublicPage(Demand):
    """The query of `GET /public/reports`."""

    street = a_code()
    community = a_code()
    category = a_code()
    limit = a_number(1, 100)
    cursor = said(a_text(1000), "What the page before gave as `next`.")


class HotspotsOf(Demand):
    """The query of `GET /hotspots`."""

    street = a_text(64)


class JoinsPage(Demand):
    """The query of `GET /joins`."""

    state = a_word(("asked", "joined", "declined", "separated"), required=False)
    street = a_text(64)
    limit = a_number(1, 200)
    after = said(a_text(100), "What the page before gave as `next`.")
