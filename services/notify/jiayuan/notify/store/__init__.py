"""Notify's tables (`tables`) and all of its SQL: a module a theme, whose names are those of this package."""

from .notices import counts, find, numbers, put_notices
from .recipients import erase_citizens, put_recipients, put_reports
from .sending import ask, change, claim, put_attempts, record, stuck, wake
from .sink import put_sink_messages, sink_has
from .tables import attempt, metadata, notice, recipient, report, sending, sink_message

__all__ = [
    "ask",
    "attempt",
    "change",
    "claim",
    "counts",
    "erase_citizens",
    "find",
    "metadata",
    "notice",
    "numbers",
    "put_attempts",
    "put_notices",
    "put_recipients",
    "put_reports",
    "put_sink_messages",
    "recipient",
    "record",
    "report",
    "sending",
    "sink_has",
    "sink_message",
    "stuck",
    "wake",
]
