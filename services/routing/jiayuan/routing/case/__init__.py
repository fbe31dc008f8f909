"""The case and its legs: which moves there are, what each does, and why one isn't allowed. Pure.

Times in these values are RFC 3339 text as in the events, so that a case goes to and from its document without
any parsing. Every function that moves a case returns the steps it took (`Moves`): each is a whole new case with
the change that led there and the event that tells of it. No step means that the move had been done already.
"""

from __future__ import annotations

from . import approvals, machine, whistle
from .approvals import ask, decide, overdue
from .deciding import hand_over, is_taken, put_right
from .desk import assign
from .documents import change_document, document, from_document, leg_document
from .handling import accept, answer, release, resolve, return_
from .inspecting import inspect
from .joining import keeps, merge, merge_away, separate, takes_more, unmerge
from .machine import ROUTING, Actor, Situation, allowed, holds, moves_of, permit, sits
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
from .overlays import changed, end_supervision, put_under_supervision, recolour, urge
from .pausing import pause, ran_out, resume
from .reporter import close, rate, reopen, withdraw
from .steps import desk_of, is_resolved, new_leg, standing, with_evidence
from .terms import Terms
from .timing import lapse, raise_step, supervise
from .whistle import arrive, refuse

__all__ = [
    "DESK_STEP",
    "LIVE",
    "MAIN",
    "MOST_REPORTS",
    "OVER",
    "ROUTING",
    "Actor",
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
    "Situation",
    "Terms",
    "accept",
    "allowed",
    "answer",
    "approvals",
    "arrive",
    "ask",
    "assign",
    "assign_first",
    "change_document",
    "changed",
    "close",
    "decide",
    "desk_of",
    "document",
    "end_supervision",
    "from_document",
    "hand_over",
    "holds",
    "inspect",
    "is_resolved",
    "is_taken",
    "keeps",
    "lapse",
    "leg_document",
    "machine",
    "merge",
    "merge_away",
    "moves_of",
    "new_leg",
    "opened",
    "overdue",
    "pause",
    "permit",
    "put_right",
    "put_under_supervision",
    "raise_step",
    "ran_out",
    "rate",
    "recolour",
    "refuse",
    "release",
    "reopen",
    "resolve",
    "resume",
    "return_",
    "separate",
    "sits",
    "standing",
    "supervise",
    "takes_more",
    "unmerge",
    "urge",
    "whistle",
    "with_evidence",
    "withdraw",
]
