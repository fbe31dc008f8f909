"""report.*: what one person or system sent, as intake made it clean. Texts are masked."""

from __future__ import annotations

from marshmallow import fields, validate

from .common import (
    CHANNELS,
    KINDS,
    SHORT,
    Category,
    Fact,
    Place,
    a_code,
    a_fraction,
    a_list,
    a_number,
    a_text,
    a_time,
    a_word,
    a_yes_no,
    an_id,
    said,
)


class Sign(Fact):
    """A sign of danger that a rule found in the text."""

    code = a_code(required=True)
    call = a_text(10)


class Candidate(Fact):
    """A category that was thought of, and the words of the catalogue that spoke for it."""

    code = a_code(required=True)
    name = a_text(60)
    confidence = a_fraction()
    why = a_list(a_text(40, required=True), 10)


class Appointment(Fact):
    """A seat that was booked at a service point."""

    point = said(an_id(), "The code of the service point.")
    service = a_text(100, required=True)
    starts_at = a_time(required=True)


class Report(Fact):
    """A report; `reporter` is a pseudonym, `contact` is sealed (chassis.seal) and means nothing without a key."""

    id = an_id()
    tracking_code = a_code(required=True)
    kind = a_word(KINDS)
    channel = a_word(CHANNELS)
    source_system = a_code()
    external_id = an_id(required=False)
    title = fields.String(required=True, validate=SHORT)
    text = fields.String(required=True, validate=validate.Length(min=1, max=8000))
    category = fields.Nested(Category, required=True)
    candidates = said(
        a_list(fields.Nested(Candidate), 5),
        "Where the category isn't sure: what was thought of, likeliest first.",
    )
    livelihood = a_yes_no()
    importance = a_number(1, 3, required=True)
    urgency = a_number(1, 3, required=True)
    place = fields.Nested(Place, required=True)
    signs = a_list(fields.Nested(Sign), 10)
    reporter = an_id(required=False)
    contact = a_text(2000)
    occurred_at = a_time()
    received_at = a_time(required=True)
    appointment = said(
        fields.Nested(Appointment, allow_none=True), "kind appointment: absent where no seat was booked."
    )


class Join(Fact):
    """The earlier report whose matter it is: how sure (0 to 1), and what speaks for it, without personal data."""

    report = an_id()
    score = a_fraction(required=True)
    reason = a_text(300, required=True)


class ReportReceived(Fact):
    """A new report; sent once. `joined`: it is about the matter of an earlier one and needs no case of its own."""

    report = fields.Nested(Report, required=True)
    joined = fields.Nested(Join, allow_none=True)


class ReportJoined(Fact):
    """A report, and all that were joined to it, are about the matter of another one: found after it was received."""

    report = an_id()
    joined = fields.Nested(Join, required=True)
    by = an_id()
    at = a_time(required=True)


class ReportSeparated(Fact):
    """A join was undone: the report, as it was received, is a matter of its own."""

    report = fields.Nested(Report, required=True)
    separated = said(an_id(), "the report that it was joined to")
    by = an_id()
    at = a_time(required=True)
    reason = a_text(300, required=True)


class ReportSupplemented(Fact):
    """The reporter added something; or it became known which place is meant, and then `place` is where it is now; or
    the desk put the category right, and then `category` is what it is now, with its weights."""

    report = an_id()
    text = fields.String(required=True, validate=validate.Length(min=1, max=8000))
    at = a_time(required=True)
    place = fields.Nested(Place, allow_none=True)
    category = fields.Nested(Category, allow_none=True)
    livelihood = said(a_yes_no(required=False), "With `category`.")
    importance = said(a_number(1, 3), "With `category`.")
    urgency = said(a_number(1, 3), "With `category`.")
    by = said(an_id(required=False), "Who put it right.")


class ReportWithdrawn(Fact):
    """The reporter took it back."""

    report = an_id()
    reason = a_text(500)
    at = a_time(required=True)


class ReportRated(Fact):
    """The reporter's answer: solved or not, satisfaction 1 to 5."""

    report = an_id()
    solved = a_yes_no()
    unsure = said(
        a_yes_no(required=False),
        "The reporter doesn't know whether it is solved; `solved` then is what the satisfaction speaks for.",
    )
    satisfaction = a_number(1, 5)
    words = a_text(1000)
    at = a_time(required=True)


class PersonErased(Fact):
    """A reporter had what is personal erased: the pseudonym leads to nobody any more, and its contact is to go."""

    reporter = an_id()
    at = a_time(required=True)
