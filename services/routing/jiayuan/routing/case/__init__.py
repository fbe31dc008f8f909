"""The case and its legs: which moves there are, what each does, and why one isn't allowed. Pure.

Times in these values are RFC 3339 text as in the events, so that a case goes to and from its document without
any parsing. Every function that moves a case returns the steps it took (`Moves`): each is a whole new case with
the change that led there and the event that tells of it. No step means that the move had been done already.
"""

from __future__ import annotations

from .desk import assign
from .documents import change_document, document, from_document, leg_document
from .handling import accept, answer, release, resolve, return_
from .joining import keeps, merge, merge_away, separate, takes_more
from .model import (
    DESK_STEP,
    LIVE,
    MAIN,
    MOST_REPORTS,
    OVER,
    Assignee,
    AssigneeType,
    Case,
    Change,
    Leg,
    Moved,
    Moves,
    NotAllowed,
    Offer,
    Rating,
    Rung,
)
from .opening import assign_first, opened
from .reporter import close, rate, reopen, withdraw
from .steps import desk_of, is_resolved, moves_of, new_leg, standing, with_evidence
from .timing import lapse, raise_step, supervise

__all__ = [
    "DESK_STEP",
    "LIVE",
    "MAIN",
    "MOST_REPORTS",
    "OVER",
    "Assignee",
    "AssigneeType",
    "Case",
    "Change",
    "Leg",
    "Moved",
    "Moves",
    "NotAllowed",
    "Offer",
    "Rating",
    "Rung",
    "accept",
    "answer",
    "assign",
    "assign_first",
    "change_document",
    "close",
    "desk_of",
    "document",
    "from_document",
    "is_resolved",
    "keeps",
    "lapse",
    "leg_document",
    "merge",
    "merge_away",
    "moves_of",
    "new_leg",
    "opened",
    "raise_step",
    "rate",
    "release",
    "reopen",
    "resolve",
    "return_",
    "separate",
    "standing",
    "supervise",
    "takes_more",
    "with_evidence",
    "withdraw",
]
