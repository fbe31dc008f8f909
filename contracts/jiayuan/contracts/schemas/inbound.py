"""What outside systems send to jiayuan.inbound, and the outcome that they get on jiayuan.outcomes."""

from __future__ import annotations

from typing import Any, ClassVar

from marshmallow import ValidationError, fields, validate, validates_schema

from .common import (
    CHANNELS,
    KINDS,
    PHONE,
    Demand,
    Fact,
    a_code,
    a_date,
    a_list,
    a_real,
    a_text,
    a_time,
    a_word,
    an_id,
)


class Contact(Demand):
    """The reporter; intake encrypts it on arrival."""

    name = a_text(60)
    phone = fields.String(allow_none=True, validate=PHONE)
    openid = an_id(required=False)


class Where(Demand):
    """Where it is: any of a division or grid code, words, or WGS-84 coordinates (both or none)."""

    code = a_code()
    text = a_text(300)
    lat = a_real(-90, 90)
    long = a_real(-180, 180)

    # The same rule for the generated JSON Schema.
    json_schema: ClassVar[dict[str, Any]] = {
        "anyOf": [
            {"properties": {"lat": {"type": "null"}, "long": {"type": "null"}}},
            {
                "properties": {"lat": {"type": "number"}, "long": {"type": "number"}},
                "required": ["lat", "long"],
            },
        ]
    }

    @validates_schema
    def both_or_none(self, data: dict[str, Any], **_: Any) -> None:
        """Half a coordinate is no coordinate."""
        if (data.get("lat") is None) != (data.get("long") is None):
            raise ValidationError("lat and long go together", "lat" if data.get("lat") is None else "long")


class ReportSubmitted(Demand):
    """A report of another system. `external_id` is unique per sender: sent again, it is the same report."""

    external_id = an_id()
    kind = a_word(KINDS, required=False)
    channel = a_word(CHANNELS, required=False)
    title = a_text(200)
    text = fields.String(required=True, validate=validate.Length(min=1, max=8000))
    category = a_code()
    place = fields.Nested(Where, allow_none=True)
    contact = fields.Nested(Contact, allow_none=True)
    occurred_at = a_date()
    received_at = a_date()


class HandlingReported(Demand):
    """A department's own system acts on its leg of a case.

    `external_id` makes a resend harmless. `case` is the case's id or number, `unit` the unit's code.
    """

    external_id = an_id()
    case = an_id()
    unit = an_id()
    action = a_word(("accept", "answer", "return", "resolve"))
    at = a_date(required=True)
    note = a_text(1000)
    evidence = a_list(a_text(300, required=True), 20)


class AlertRaised(Demand):
    """A warning of the weather or emergency bureau."""

    external_id = an_id()
    event = a_text(60, required=True, least=1)
    severity = a_word(("blue", "yellow", "orange", "red"))
    area = a_list(a_code(required=True), 200)
    starts_at = a_date(required=True)
    ends_at = a_date()
    text = a_text(2000)


class Problem(Fact):
    """One thing that was wrong: the field, what was wrong, what is allowed."""

    field = a_text(200, required=True)
    problem = a_text(500, required=True)
    allowed = a_text(500)


class Outcome(Fact):
    """What became of a message; `message` is its CloudEvents id, `result` what was made of it (report, case)."""

    message = a_text(256)
    type = a_text(256)
    outcome = a_word(("accepted", "duplicate", "rejected"))
    result = an_id(required=False)
    problems = a_list(fields.Nested(Problem), 50)
    at = a_time(required=True)
