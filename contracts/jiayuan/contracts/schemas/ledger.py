"""entry.*, list.*, service.*, meeting.*: the annual livelihood account and the quarterly lists."""

from __future__ import annotations

from typing import Final

from marshmallow import fields

from .common import (
    ENTRY_SOURCES,
    ENTRY_STATES,
    POSTING_KINDS,
    QUARTER,
    SHORT,
    Fact,
    a_code,
    a_list,
    a_number,
    a_text,
    a_time,
    a_word,
    an_id,
    said,
)


class Entry(Fact):
    """A line of the account as of the event's sequence."""

    id = an_id()
    item = an_id()
    year = a_number(2000, 2999, required=True)
    case = an_id(required=False)
    source = said(a_word(ENTRY_SOURCES, required=False), "What it came from; absent: a case.")
    source_id = said(
        an_id(required=False), "The decision, the line of a list, or the entry that was carried forward."
    )
    street = a_code(required=True)
    unit = an_id(required=False)
    person = said(an_id(required=False), "Who is in charge.")
    promise = said(a_text(500), "What was promised.")
    limit_seconds = said(a_number(0), "The limit of whoever handles the case.")
    due_at = said(a_time(), "By when it is promised.")
    category = a_code(required=True)
    title = fields.String(required=True, validate=SHORT)
    state = a_word(ENTRY_STATES)
    opened_at = said(a_time(required=True), "When the matter began, in whichever year.")
    written_off_at = a_time()


class Posting(Fact):
    """One line under an entry."""

    id = an_id()
    number = a_number(1, required=True)
    kind = a_word(POSTING_KINDS)
    case_sequence = a_number(1)
    actor = an_id(required=False)
    at = a_time(required=True)
    note = a_text(500)
    amount = said(
        fields.Integer(allow_none=True, strict=True), "Money in fen; below nothing in a reversal of money."
    )
    evidence = said(a_text(80), "The digest of a file: sha256: or sm3: and 64 hexadecimal digits.")
    corrects = said(a_number(1), "reversal: the number of the posting that it takes back.")


class EntryPosted(Fact):
    """The data of entry.opened, entry.posted and entry.written_off."""

    entry = fields.Nested(Entry, required=True)
    posting = fields.Nested(Posting, required=True)


class ListPublished(Fact):
    """A demand, problem or service list of a quarter was published."""

    id = an_id()
    kind = a_word(("demand", "problem", "service"))
    quarter = fields.String(required=True, validate=QUARTER)
    street = a_code(required=True)
    community = a_code()
    lines = a_number(0, required=True)
    at = a_time(required=True)


class Milestone(Fact):
    """A step that a unit promised on its way to a claim's limit."""

    name = a_text(100, required=True, least=1)
    due_at = a_time(required=True)
    done_at = a_time()


class ServiceClaimed(Fact):
    """A unit took a line of the service list, or its claim changed: of one `claim` the newest `sequence` holds."""

    line = an_id()
    unit = an_id()
    quarter = fields.String(required=True, validate=QUARTER)
    street = a_code(required=True)
    person = said(an_id(required=False), "The responsible person's id in the directory, where one was given.")
    due_at = said(a_time(), "The limit that the unit promised.")
    at = said(a_time(required=True), "When it was claimed.")
    claim = said(an_id(required=False), "The claim's id; a line may be claimed by several units.")
    state = said(a_word(("claimed", "done", "released"), required=False), "Absent means claimed.")
    done_at = a_time()
    milestones = a_list(fields.Nested(Milestone), 12)


DECISION_BECOMES: Final = ("entry", "posting", "whistle", "text")
# So that the event stays within its 64 KiB whatever people write.
MOST_DECISIONS: Final = 40
DECISION_LIMIT: Final = 300
MOST_ASSISTANTS: Final = 6


class Resolution(Fact):
    """A decision of a meeting, and what it becomes; its text is that of `decisions` with the same number."""

    id = an_id()
    number = said(a_number(1, MOST_DECISIONS, required=True), "Its place in `decisions`, from 1 on.")
    becomes = said(
        a_word(DECISION_BECOMES),
        "entry: a new one of the account; posting: under an entry that there is; whistle: units are called to `case`; "
        "text: nothing beyond the minutes.",
    )
    case = said(an_id(required=False), "whistle: the case's id or number.")
    entry = said(an_id(required=False), "entry, posting: the entry of the account.")
    unit = said(a_code(), "Who does it; of a whistle the lead.")
    assistants = said(a_list(a_code(required=True), MOST_ASSISTANTS), "whistle: the units that assist.")
    person = said(an_id(required=False), "Who is in charge, where it is an id of the directory.")
    due_at = said(a_time(), "By when.")


class MeetingHeld(Fact):
    """A joint meeting took place: its recorder and its convener have signed the minutes."""

    id = an_id()
    street = a_code(required=True)
    held_at = said(a_time(required=True), "When it began.")
    decisions = a_list(a_text(500, required=True), 100)
    quarter = said(fields.String(validate=QUARTER), "The quarter that it was about.")
    number = said(a_number(1), "Counts the meetings of the street about that quarter.")
    convener = said(an_id(required=False), "Who signed as convener: whistles are blown in their name.")
    recorder = said(an_id(required=False), "Who signed as recorder.")
    resolutions = said(
        a_list(fields.Nested(Resolution), MOST_DECISIONS), "What the decisions become, in their order."
    )
