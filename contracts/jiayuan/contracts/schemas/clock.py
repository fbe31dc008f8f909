"""clock.*: a deadline on a leg or on the whole case was warned of, passed, or kept."""

from __future__ import annotations

from marshmallow import fields

from .case import Assignee
from .common import (
    CLOCK_KINDS,
    CLOCK_STATES,
    LADDER_DEEDS,
    LADDER_ROLES,
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


class LadderStep(Fact):
    """A step of the policy's ladder that is due: to whom it rises, and whether he is told or takes over."""

    name = a_text(80)
    step = a_number(1, 9, required=True)
    whom = a_word(LADDER_ROLES)
    do = a_word(LADDER_DEEDS)
    again = said(a_number(1, 20), "How often it was told before.")


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
    policy = said(
        a_text(40), "The version of the policy of clocks that it runs on, or ran on when it was breached."
    )
    about = said(an_id(required=False), "approval, claim, notice: the id of what was promised.")
    calendar = said(a_text(60), "The calendar with its version, where working time counts: county@3.")
    rule = said(a_text(80), "The rule of the policy that it runs on, if it is one.")
    point = said(a_text(20), "Which of several points it is that it speaks at: 80%, -2h, +30m.")
    ladder = fields.Nested(LadderStep, allow_none=True)
    correction = said(a_yes_no(required=False), "A breach that was told before never was: it is withdrawn.")
    corrected_policy = said(a_text(40), "The version under which the withdrawn breach was told.")
    breached_at = said(a_time(), "When the withdrawn breach was told.")
    told = said(
        a_list(a_word(LADDER_ROLES), 9),
        "Whom the ladder told of the withdrawn breach; each of them is to hear it.",
    )


class ClockPromised(Fact):
    """Until when the citizen is to have an answer, where that isn't what the case's own limit and pauses say: the
    policy of clocks counts working time, or has another limit. Of one clock the newest `sequence` holds."""

    clock = an_id()
    case = an_id()
    street = a_code(required=True)
    differs = said(a_yes_no(), "False: it did, and now it is what the case says again.")
    due_at = said(a_time(), "Absent while it stands still.")
    policy = a_text(40)
    at = a_time(required=True)


class ClockSpoke(Fact):
    """The data of every clock.* event."""

    clock = fields.Nested(Clock, required=True)
