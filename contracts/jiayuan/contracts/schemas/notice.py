"""notice.*: what became of one message to one person about one thing. No address, no text."""

from __future__ import annotations

from marshmallow import fields

from .common import (
    ASSIGNEE_TYPES,
    NOTICE_ROLES,
    NOTICE_STATES,
    Fact,
    a_code,
    a_number,
    a_text,
    a_time,
    a_word,
    an_id,
    said,
)


class Notice(Fact):
    """A notice as of the event's sequence."""

    id = an_id()
    recipient = an_id()
    role = a_word(NOTICE_ROLES)
    matter = an_id()
    step = a_text(80, required=True)
    template = a_code(required=True)
    provider = a_code(required=True)
    state = a_word(NOTICE_STATES)
    attempts = a_number(0, required=True)
    at = a_time(required=True)
    error = a_text(300)


class NoticeAsked(Fact):
    """A notice was sent that has to be read; of others nobody asks."""

    notice = an_id()
    recipient = an_id()
    recipient_type = said(a_word(ASSIGNEE_TYPES), "Only of staff reading is asked.")
    matter = an_id()
    case = said(an_id(required=False), "The case that it is about, if it is about one.")
    template = a_code(required=True)
    street = a_code(required=True)
    read_by = said(a_time(), "Until when; absent: the limit that the policy of clocks has for notices.")
    at = said(a_time(required=True), "When it was sent: from then on it has to be read.")


class NoticeRead(Fact):
    """A notice that has to be read was opened or acknowledged; of several times the first one counts."""

    notice = an_id()
    recipient = an_id()
    recipient_type = a_word(ASSIGNEE_TYPES)
    matter = an_id()
    street = a_code(required=True)
    at = a_time(required=True)


class NoticeChanged(Fact):
    """The data of every notice.* event."""

    notice = fields.Nested(Notice, required=True)
