"""case.*: every event holds the whole case as of its `sequence`, and the change that led there."""

from __future__ import annotations

from marshmallow import fields

from .common import (
    ASSIGNEE_TYPES,
    CASE_STATES,
    CHANNELS,
    COLOURS,
    KINDS,
    LEG_KINDS,
    LEG_STATES,
    LEVELS,
    SHORT,
    Category,
    Fact,
    a_code,
    a_list,
    a_number,
    a_text,
    a_time,
    a_word,
    a_yes_no,
    an_id,
    said,
)


class Assignee(Fact):
    """Who holds a leg: a person of a grid, a unit, or a street's desk."""

    type = a_word(ASSIGNEE_TYPES)
    id = an_id()


class Leg(Fact):
    """One assignment of the case to one assignee. Limits are seconds; None means no clock."""

    id = an_id()
    kind = a_word(LEG_KINDS)
    level = a_word(LEVELS)
    step = a_number(0, 9, required=True)
    assignee = fields.Nested(Assignee, required=True)
    state = a_word(LEG_STATES)
    response_limit = a_number(0)
    finish_limit = a_number(0)
    offered_at = a_time(required=True)
    accepted_at = a_time()
    answered_at = a_time()
    done_at = a_time()
    ended_at = a_time()
    reason = a_text(500)


class CaseReport(Fact):
    """A report behind the case."""

    id = an_id()
    reporter = an_id(required=False)
    channel = a_word(CHANNELS)
    received_at = a_time(required=True)


class Whistle(Fact):
    """The street called several units: a lead and its assistants."""

    ground = a_word(("public_matter", "joint_enforcement", "emergency"))
    lead = an_id()
    assistants = a_list(an_id(), 20)


class Decision(Fact):
    """Which rule of which policy version decided, in words for people."""

    policy = a_text(40)
    rule = a_text(80)
    reason = a_text(500)


class Span(Fact):
    """A dated pause."""

    start = a_time(required=True)
    end = a_time()
    reason = a_text(500)
    approver = an_id(required=False)


class Extension(Fact):
    """More time for a leg, in seconds."""

    leg = an_id()
    seconds = a_number(1, required=True)
    reason = a_text(500)
    approver = an_id(required=False)
    at = a_time(required=True)


class Case(Fact):
    """A case as of the event's sequence."""

    id = an_id()
    number = a_code(required=True)
    state = a_word(CASE_STATES)
    kind = a_word(KINDS)
    title = fields.String(required=True, validate=SHORT)
    category = fields.Nested(Category, required=True)
    livelihood = a_yes_no()
    colour = a_word(COLOURS)
    level = a_word(LEVELS)
    street = a_code(required=True)
    community = a_code()
    grid = a_code()
    decision = fields.Nested(Decision, required=True)
    reports = fields.List(fields.Nested(CaseReport), required=True)
    legs = fields.List(fields.Nested(Leg), required=True)
    whistle = fields.Nested(Whistle, allow_none=True)
    pauses = a_list(fields.Nested(Span), 50)
    extensions = a_list(fields.Nested(Extension), 50)
    citizen_limit = a_number(0)
    confirmation_limit = a_number(0)
    first_received_at = a_time(required=True)
    opened_at = a_time(required=True)
    resolved_at = a_time()
    closed_at = a_time()
    confirmed = a_word(("satisfied", "unsatisfied", "lapsed", "withdrawn"), required=False)
    satisfaction = a_number(1, 5)


class Change(Fact):
    """What was done, by whom, when."""

    action = a_code(required=True)
    actor = an_id()
    at = a_time(required=True)
    leg = an_id(required=False)
    reason = a_text(500)
    reports = said(a_list(an_id(), 1000), "merged, separated: the reports that came in or went out")


class CaseChanged(Fact):
    """The data of every case.* event."""

    case = fields.Nested(Case, required=True)
    change = fields.Nested(Change, required=True)


class EmergencyDeclared(Fact):
    """Emergency mode for an area and a time."""

    id = an_id()
    area = a_list(a_code(required=True), 200)
    starts_at = a_time(required=True)
    ends_at = a_time()
    declared_by = an_id()
    reason = a_text(500)


class EmergencyLifted(Fact):
    """Emergency mode ends."""

    id = an_id()
    at = a_time(required=True)
    lifted_by = an_id()
    reason = a_text(500)


class Contactable(Fact):
    """Somebody or some unit a notice can go to; `contact` is sealed."""

    id = an_id()
    type = a_word(ASSIGNEE_TYPES)
    role = a_text(40)
    street = a_code()
    grid = a_code()
    contact = a_text(2000)
    active = a_yes_no()


class DirectoryChanged(Fact):
    """People, units and desks that were added or changed, at most 100 an event."""

    version = a_number(1, required=True)
    items = fields.List(fields.Nested(Contactable), required=True)
