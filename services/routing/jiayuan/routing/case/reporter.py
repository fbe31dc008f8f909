"""What the reporter does: rate, withdraw; and how a case ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from jiayuan.contracts.times import iso, parse

from .model import (
    MAIN,
    OVER,
    Case,
    Change,
    Moved,
    Moves,
    NotAllowed,
    Rating,
)
from .steps import (
    for_desk,
    next_step,
    release_all,
)


def rate(
    case: Case,
    solved: bool,
    satisfaction: int | None,
    reporter: str,
    at: datetime,
    response_limit: int | None = None,
) -> tuple[Case, Moves]:
    """The reporter's answer: the case as it is afterwards, and the steps (none when it is only kept, or too late)."""
    rating = Rating(solved, satisfaction, iso(at), reporter)
    if case.state in OVER:
        return case, ()
    if case.state != "resolved":
        return replace(case, rating=rating), ()
    moves = count_rating(case, rating, response_limit)
    return moves[-1].case, moves


def count_rating(case: Case, rating: Rating, response_limit: int | None) -> Moves:
    """A rating of a resolved case: closed, or once open again at the desk."""
    satisfied = rating.satisfaction is None or rating.satisfaction >= 3
    at = max(rating.at, case.resolved_at or rating.at, key=parse)
    case = replace(case, rating=None, satisfaction=rating.satisfaction)
    if rating.solved or case.reopened:
        word = "satisfied" if rating.solved and satisfied else "unsatisfied"
        return (close_now(case, "confirm", word, rating.by, at, None),)
    return (reopen(case, rating.by, at, "群众反映未解决，退回街道重办", response_limit),)


def reopen(case: Case, actor: str, at: str, reason: str, response_limit: int | None = None) -> Moved:
    """A resolved case is open again: the street's desk gets it, with the finish limit of the first who handled it."""
    if case.state != "resolved":
        raise NotAllowed("reopen", f"the case is {case.state}, only a resolved one can be opened again")
    finish = next((leg.finish_limit for leg in case.legs if leg.kind in MAIN), None)
    desk = for_desk(case, at, response_limit, finish, reason)
    change = Change("case.reopened", "reopen", actor, at, desk.id, reason)
    return next_step(
        case,
        change,
        (*case.legs, desk),
        state="assigned",
        level="street",
        resolved_at=None,
        reopened=case.reopened + 1,
    )


def withdraw(case: Case, reporter: str, at: datetime, reason: str | None = None) -> Moves:
    """The reporter took it back: closed, and nobody owes anything."""
    if case.state in OVER:
        return ()
    return (close_now(case, "withdraw", "withdrawn", reporter, iso(at), reason),)


def close(case: Case, confirmed: str, actor: str, at: datetime, reason: str | None = None) -> Moves:
    """A resolved case is closed with the word given."""
    if case.state == "closed":
        return ()
    if case.state != "resolved":
        raise NotAllowed("close", f"the case is {case.state}, only a resolved one can be closed")
    return (close_now(case, "close", confirmed, actor, iso(at), reason),)


def close_now(case: Case, action: str, confirmed: str, actor: str, at: str, reason: str | None) -> Moved:
    legs = release_all(case.legs, at, "the case is closed")
    change = Change("case.closed", action, actor, at, None, reason)
    return next_step(case, change, legs, state="closed", closed_at=at, confirmed=confirmed)
