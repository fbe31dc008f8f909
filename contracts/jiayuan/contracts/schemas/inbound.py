"""What outside systems send to jiayuan.inbound, and the outcome that they get on jiayuan.outcomes."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from marshmallow import ValidationError, fields, validate, validates_schema

from .common import (
    CASE_STATES,
    CHANNELS,
    KINDS,
    LEG_STATES,
    PHONE,
    Demand,
    Fact,
    YesNo,
    a_code,
    a_date,
    a_list,
    a_number,
    a_real,
    a_text,
    a_time,
    a_word,
    an_id,
    said,
)


class Contact(Demand):
    """The reporter, if he wants to be told; encrypted on arrival."""

    name = said(a_text(60), "The reporter's name.")
    phone = said(fields.String(allow_none=True, validate=PHONE), "A number that gets the answers by SMS.")
    openid = said(an_id(required=False), "The reporter's identity in the mini-program.")


class Where(Demand):
    """Where it is: any of a division or grid code, words, or WGS-84 coordinates (both or none)."""

    code = said(a_code(), "The 12-digit statistical code of a street or community, or a grid's code.")
    text = said(a_text(300), "The place in words, as the reporter gave it.")
    lat = said(a_real(-90, 90), "Latitude, WGS-84; only together with `long`.")
    long = said(a_real(-180, 180), "Longitude, WGS-84; only together with `lat`.")

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

    external_id = said(an_id(), "Your own number of the report. Sent again, it is the same report.")
    kind = said(a_word(KINDS, required=False), "What sort of report; found from the text when absent.")
    channel = said(
        a_word(CHANNELS, required=False), "How the citizen came to you; government_system when absent."
    )
    title = said(a_text(200), "A short title; made from the text when absent.")
    text = said(
        fields.String(required=True, validate=validate.Length(min=1, max=8000)),
        "What the citizen said. Phone and identity numbers in it are masked before anybody reads it.",
    )
    category = said(a_code(), "A code of the catalogue of matters; found from the text when absent.")
    place = said(fields.Nested(Where, allow_none=True), "Where it is; found from the text when absent.")
    contact = said(
        fields.Nested(Contact, allow_none=True), "Who reported it; absent for an anonymous report."
    )
    occurred_at = said(a_date(), "When it happened.")
    received_at = said(a_date(), "When you took the report. The citizen's clock counts from our receipt.")


YEAR: Final = 366 * 24 * 3600
HANDLINGS: Final = (
    "accept",
    "answer",
    "return",
    "resolve",
    "arrive",
    "refuse",
    "extend",
    "pause",
    "resume",
)


class HandlingReported(Demand):
    """A department's own system acts on its leg of a case.

    `external_id` makes a resend harmless. `case` is the case's id or number, `unit` the unit's code.
    """

    external_id = said(an_id(), "Your own number of this step. Sent again, it is the same step.")
    case = said(an_id(), "The case's id or number, as you got it.")
    unit = said(an_id(), "The code of the unit that acts; it must hold a leg of the case.")
    action = said(
        a_word(HANDLINGS),
        "accept 签收 (of a whistle: 报到), answer 应答, resolve 办结, arrive 到场; with a reason in `note`: "
        "return 退单, refuse 拒绝吹哨, extend 延期, pause 挂账, resume 恢复.",
    )
    at = said(a_date(required=True), "When it was done at your end.")
    note = said(a_text(1000), "The answer, the reason of a return, or what was done.")
    evidence = said(
        a_list(a_text(300, required=True), 20), "Addresses or SHA-256 digests of photos or papers."
    )
    place = said(a_text(200), "arrive: where you are.")
    people = said(a_number(1, 10_000), "arrive: how many have come.")
    leg = said(an_id(required=False), "The id of the leg; the unit's own that it still owes when absent.")
    sequence = said(
        a_number(1), "The version of the case that you looked at: refused when it has moved on since."
    )
    seconds = said(a_number(60, YEAR), "extend: how much more time, in seconds. Needed.")
    until = said(a_date(), "pause: until when. Needed.")
    misdirected = said(
        YesNo(allow_none=True),
        "return: whether it should never have come to you, so that the rule is looked at.",
    )


class AlertRaised(Demand):
    """A warning of the weather or emergency bureau, a change of one, or its end."""

    external_id = said(an_id(), "Your own number of this message. Sent again, it is the same message.")
    action = said(
        a_word(("raise", "update", "cancel"), required=False),
        "raise 发布 (when absent), update 变更, cancel 解除. The last two need `refers_to`.",
    )
    refers_to = said(
        an_id(required=False), "update, cancel: the `external_id` with which you raised the warning."
    )
    event = said(a_text(60, required=True, least=1), "What is warned of, in words.")
    severity = said(a_word(("blue", "yellow", "orange", "red")), "The warning's colour; red is the worst.")
    area = said(a_list(a_code(required=True), 200), "Codes of the streets, communities or grids it is for.")
    starts_at = said(a_date(required=True), "From when it holds; of a cancellation: from when it doesn't.")
    ends_at = said(a_date(), "Until when; absent while it isn't known.")
    text = said(a_text(2000), "The warning in full.")


class Problem(Fact):
    """One thing that was wrong: the field, what was wrong, what is allowed."""

    field = said(a_text(200, required=True), "The field's dotted path, e.g. `data.contact.phone`.")
    problem = said(a_text(500, required=True), "What was wrong with it.")
    allowed = said(a_text(500), "What it may hold.")


class Current(Fact):
    """Where a case stands, for whoever acts on one of its legs."""

    case = said(an_id(), "The case's id.")
    number = said(a_code(required=True), "The case's number.")
    sequence = said(a_number(1, required=True), "The version of the case.")
    state = said(a_word(CASE_STATES), "The state of the case.")
    leg = said(an_id(required=False), "The leg that it is about; null when the unit has none.")
    leg_state = said(a_word(LEG_STATES, required=False), "The state of that leg.")
    allowed = said(a_list(a_text(40, required=True), 40), "The moves that the unit has on it now.")


class Outcome(Fact):
    """What became of a message of an outside system."""

    message = said(a_text(256), "The CloudEvents id of your message; null when it could not be read.")
    type = said(a_text(256), "The CloudEvents type of your message; null when it could not be read.")
    outcome = said(
        a_word(("accepted", "duplicate", "rejected")),
        "accepted, duplicate (you had sent it before, nothing was done), or rejected.",
    )
    result = said(an_id(required=False), "What was made of it: the id of the report or of the case.")
    problems = said(a_list(fields.Nested(Problem), 50), "Why it was rejected.")
    current = said(
        fields.Nested(Current, allow_none=True),
        "handling.reported: where the case stands now, taken or not; absent when the case is unknown or not yours.",
    )
    at = said(a_time(required=True), "When that was decided.")
