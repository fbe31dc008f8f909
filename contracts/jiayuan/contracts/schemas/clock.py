"""clock.*: a deadline on a leg or on the whole case was warned of, passed, or kept."""

from __future__ import annotations

from marshmallow import fields

from .case import Assignee
from .common import CLOCK_KINDS, CLOCK_STATES, Fact, a_code, a_number, a_text, a_time, a_word, an_id


class Clock(Fact):
    """A deadline. `limit` is in seconds; `percent` is the share of the limit at which it spoke."""

    id = an_id()
    kind = a_word(CLOCK_KINDS)
    state = a_word(CLOCK_STATES)
    case = an_id()
    case_sequence = a_number(1, required=True)
    leg = an_id(required=False)
    assignee = fields.Nested(Assignee, allow_none=True)
    street = a_code(required=True)
    limit = a_number(1, required=True)
    started_at = a_time(required=True)
    due_at = a_time(required=True)
    percent = a_number(0, 1000, required=True)
    at = a_time(required=True)
    policy = a_text(40)


class ClockSpoke(Fact):
    """The data of every clock.* event."""

    clock = fields.Nested(Clock, required=True)
