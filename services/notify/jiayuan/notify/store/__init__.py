"""Notify's tables (`tables`) and all of its SQL: a module a theme, whose names are those of this package."""

from . import credits, numbers_sent, operating, receipts, weights
from .courtesy import count_told, gathered, open_digests, uncount_told
from .notices import counts, find, numbers, put_notices
from .preferences import of_code, put_wishes, wishes, wishes_changes
from .reading import NEVER_SENT, found_read, mark_read
from .recipients import erase_citizens, put_recipients, put_reports
from .sending import (
    ask,
    change,
    claim,
    give_back,
    put_attempts,
    record,
    release,
    stuck,
    to_follow,
    unanswered,
    wake,
    without_receipt,
)
from .sink import put_sink_messages, sink_has
from .tables import (
    attempt,
    metadata,
    notice,
    preference_change,
    recipient,
    report,
    sending,
    sink_message,
    told,
)

__all__ = [
    "NEVER_SENT",
    "ask",
    "attempt",
    "change",
    "claim",
    "count_told",
    "counts",
    "credits",
    "erase_citizens",
    "find",
    "found_read",
    "gathered",
    "give_back",
    "mark_read",
    "metadata",
    "notice",
    "numbers",
    "numbers_sent",
    "of_code",
    "open_digests",
    "operating",
    "preference_change",
    "put_attempts",
    "put_notices",
    "put_recipients",
    "put_reports",
    "put_sink_messages",
    "put_wishes",
    "receipts",
    "recipient",
    "record",
    "release",
    "report",
    "sending",
    "sink_has",
    "sink_message",
    "stuck",
    "to_follow",
    "told",
    "unanswered",
    "uncount_told",
    "wake",
    "weights",
    "wishes",
    "wishes_changes",
    "without_receipt",
]
