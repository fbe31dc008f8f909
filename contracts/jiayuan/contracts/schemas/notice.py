"""notice.*: what became of one message to one person about one thing. No address, no text."""

from __future__ import annotations

from marshmallow import fields

from .common import NOTICE_ROLES, NOTICE_STATES, Fact, a_code, a_number, a_text, a_time, a_word, an_id


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


class NoticeChanged(Fact):
    """The data of every notice.* event."""

    notice = fields.Nested(Notice, required=True)
