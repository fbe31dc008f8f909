"""case.*: every event holds the whole case as of its `sequence`, and the change that led there."""

from __future__ import annotations

from marshmallow import fields

from .common import (
    APPROVAL_KINDS,
    ASSIGNEE_TYPES,
    CASE_STATES,
    CHANNELS,
    CLOCK_KINDS,
    COLOURS,
    GROUNDS,
    KINDS,
    LADDER_ROLES,
    LEG_KINDS,
    LEG_STATES,
    LEVELS,
    SHORT,
    Category,
    Fact,
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
    report_in_limit = said(a_number(0), "A whistled unit: how long from the offer until it has to report in.")
    accepted_at = a_time()
    arrived_at = said(a_time(), "A whistled unit was on the spot.")
    answered_at = a_time()
    done_at = a_time()
    ended_at = a_time()
    reason = a_text(500)
    misdirected = said(
        a_yes_no(required=False), "It was returned because the rule had sent it to the wrong place."
    )
    hands = said(
        a_list(an_id(), 20), "Which people acted for a unit or a desk; on a person's leg it is the person."
    )


class CaseReport(Fact):
    """A report behind the case."""

    id = an_id()
    reporter = an_id(required=False)
    channel = a_word(CHANNELS)
    received_at = a_time(required=True)


class Whistle(Fact):
    """The street called several units: a lead and its assistants."""

    ground = a_word(GROUNDS)
    lead = an_id()
    assistants = a_list(an_id(), 20)
    by = said(an_id(required=False), "Who whistled: a person, or the policy through routing.")
    at = a_time()
    reason = a_text(500)
    convener = said(
        an_id(required=False), "The convener of the joint committee, while refusals are the committee's."
    )
    meeting = said(an_id(required=False), "The quarterly meeting that took the case, since nobody else did.")
    bound = said(
        a_list(an_id(), 21),
        "Units that can't refuse any more: the convener held the call up, or a meeting named them.",
    )
    unclaimed = said(
        a_word(("released", "undecided"), required=False),
        "Nobody takes it, so that a meeting has to: every unit was let go, or the convener didn't decide in time.",
    )
    unclaimed_at = said(a_time(), "Since when.")


class Wish(Fact):
    """Somebody who may not whistle asks the street's desk to."""

    ground = a_word(GROUNDS)
    lead = an_id()
    assistants = a_list(an_id(), 20)


class Decision(Fact):
    """Which rule of which policy version decided, in words for people."""

    policy = a_text(40)
    rule = a_text(80)
    reason = a_text(500)
    confidence = said(
        a_fraction(), "How sure the inputs were; below the policy's threshold the desk decides."
    )


class Span(Fact):
    """A dated pause."""

    start = a_time(required=True)
    end = said(a_time(), "Until when; also a time to come. Absent while nobody knows.")
    reason = a_text(500)
    approver = an_id(required=False)
    leg = said(an_id(required=False), "The leg whose assignee asked for it; the pause is the whole case's.")
    emergency = said(
        an_id(required=False), "The emergency mode that paused it, and ends the pause when it is lifted."
    )


class Extension(Fact):
    """More time for a leg, in seconds."""

    leg = an_id()
    seconds = a_number(1, required=True)
    reason = a_text(500)
    approver = an_id(required=False)
    at = a_time(required=True)


class Approval(Fact):
    """Something that was asked for and that somebody else has to grant."""

    id = an_id()
    kind = a_word(APPROVAL_KINDS)
    leg = an_id(required=False)
    asked_by = an_id()
    asked_at = a_time(required=True)
    reason = a_text(500)
    of = said(an_id(), "Who decides: a street's desk, the county's, or a convener.")
    limit = said(a_number(1), "Seconds from the asking until it is decided by itself.")
    seconds = said(a_number(1), "extension: how much more time was asked for.")
    until = said(a_time(), "pause: until when.")
    misdirected = said(
        a_yes_no(required=False), "return: the rule had sent it to the wrong place, says who asks."
    )
    whistle = said(fields.Nested(Wish, allow_none=True), "whistle: which units are to be called.")
    decided_at = said(a_time(), "Absent while it is open.")
    decided_by = an_id(required=False)
    granted = a_yes_no(required=False)
    note = a_text(500)


class Urging(Fact):
    """Somebody asked for it to be done at last (催办)."""

    at = a_time(required=True)
    by = an_id()
    reason = a_text(500)


class Supervision(Fact):
    """Somebody above looks over the handling (督办) until it is ended."""

    at = a_time(required=True)
    by = an_id()
    reason = a_text(500)
    ended_at = a_time()


class Inspection(Fact):
    """Somebody who didn't handle it looked at the result."""

    at = a_time(required=True)
    by = an_id()
    passed = a_yes_no()
    note = a_text(500)
    solved = said(
        a_yes_no(required=False), "Whether the matter is solved, as it was seen; absent: not looked at."
    )


class MediationSession(Fact):
    """One sitting about a dispute."""

    at = a_time(required=True)
    place = a_text(200)
    by = an_id(required=False)
    note = a_text(500)


class Mediation(Fact):
    """A dispute is with a mediator or a team; the agreement itself stays where it was made, here is its digest."""

    team = an_id(required=False)
    mediator = an_id(required=False)
    sessions = a_list(fields.Nested(MediationSession), 50)
    outcome = a_text(40)
    agreement = said(a_text(200), "SHA-256 of the agreement that was signed.")
    at = a_time()


class OfferedTo(Fact):
    """A wish or a need for help was offered to somebody whose means match it."""

    id = an_id()
    type = a_text(40, required=True)
    at = a_time(required=True)
    took_at = said(a_time(), "It took it.")


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
    solved = said(
        a_yes_no(required=False),
        "Whether the matter is solved: as its reporter says, else as an inspection found; absent: nobody knows.",
    )
    approvals = a_list(fields.Nested(Approval), 50)
    urged = a_list(fields.Nested(Urging), 50)
    supervised = a_list(fields.Nested(Supervision), 50)
    inspection = said(fields.Nested(Inspection, allow_none=True), "The newest one.")
    reworked = said(a_number(0), "How often an inspection sent it back.")
    reopened = said(a_number(0), "How often it was opened again.")
    callback_limit = said(a_number(0), "Seconds from the resolution until the reporter is to be called.")
    emergency = said(an_id(required=False), "The emergency mode that it is under.")
    merged_into = said(an_id(required=False), "The case that it went up in.")
    mediation = fields.Nested(Mediation, allow_none=True)
    offered_to = a_list(fields.Nested(OfferedTo), 50)
    point = said(an_id(required=False), "An appointment's service point.")


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


class Joining(Fact):
    """From which likeness on (0 to 1) reports about one matter are joined, and from which the desk is asked."""

    joined = a_fraction(required=True)
    asked = a_fraction()


class EmergencyDeclared(Fact):
    """Emergency mode for an area and a time. Of one id the newest `sequence` holds: an end that was moved."""

    id = an_id()
    area = a_list(a_code(required=True), 200)
    starts_at = a_time(required=True)
    ends_at = a_time()
    declared_by = an_id()
    reason = a_text(500)
    mode = said(a_code(), "which mode of the emergency policy it is")
    rank = said(a_number(1, 9), "where several are on, the highest holds, of equals the one that began first")
    policy = said(a_text(40), "the version of the emergency policy that its terms are from")
    joins = said(
        fields.Nested(Joining, allow_none=True), "how reports are joined meanwhile; absent: as always"
    )


class EmergencyLifted(Fact):
    """Emergency mode ends."""

    id = an_id()
    at = a_time(required=True)
    lifted_by = an_id()
    reason = a_text(500)


class EmergencyCalled(Fact):
    """People who are called in for an emergency, at most 100 an event; nobody twice for one emergency."""

    id = an_id()
    mode = a_code()
    street = a_code()
    people = a_list(an_id(), 100)
    at = a_time(required=True)
    report_by = said(a_time(), "by when they are asked to be at their place")
    reason = a_text(500)


class LadderReached(Fact):
    """A step of the ladder of clocks (`clock.breached`, `clock.escalated`) told somebody, or what it told is withdrawn
    (`clock.corrected`): who that is by the directory, with stand-ins."""

    clock = an_id()
    kind = a_word(CLOCK_KINDS)
    case = said(an_id(), "The case; of a promise outside of cases its matter.")
    number = said(a_code(), "The case's number; absent where it is no case.")
    street = a_code(required=True)
    due_at = a_time(required=True)
    whom = a_word(LADDER_ROLES)
    step = said(a_number(1, 9), "The step's number; absent where it is withdrawn.")
    again = said(a_number(1, 20), "How often it was told before.")
    to = said(a_list(fields.Nested(Assignee), 20), "Empty: there is nobody in that role.")
    withdrawn = said(a_yes_no(required=False), "The breach never was.")
    at = a_time(required=True)


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


class DecisionAnswered(Fact):
    """What became of a joint meeting's decision to whistle."""

    meeting = an_id()
    decision = an_id()
    street = said(a_code(required=True), "The meeting's street.")
    case = said(an_id(), "The case as the decision names it.")
    outcome = said(a_word(("done", "refused")), "done: the units are called; refused: `reason` says why not.")
    reason = said(a_text(500), "refused: why.")
    at = a_time(required=True)
