"""What the reporter does: rate, withdraw; and how a case ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from jiayuan.contracts.times import iso, parse

from .machine import require
from .model import (
    MAIN,
    OVER,
    Case,
    Change,
    Moved,
    Moves,
    Rating,
)
from .steps import (
    for_desk,
    next_step,
    release_all,
)


def rate(
    case: Case,
    solved: bool | None,
    satisfaction: int | None,
    reporter: str,
    at: datetime,
    response_limit: int | None = None,
    reopen_days: int = 0,
) -> tuple[Case, Moves]:
    """The reporter's answer: the case as it is afterwards, and the steps (none when it is only kept, or too late).

    Whoever let the confirmation lapse can still say within `reopen_days` that it isn't solved, once. `solved` None: the
    reporter doesn't know; nothing is opened again for that.
    """
    rating = Rating(solved, satisfaction, iso(at), reporter)
    if case.state == "closed" and case.confirmed == "lapsed" and solved is False and not case.reopened:
        ended = parse(case.closed_at or case.opened_at)
        if ended <= at <= ended + timedelta(days=reopen_days):
            moved = reopen(case, reporter, rating.at, "群众归档后反映未解决，退回街道重办", response_limit)
            return moved.case, (moved,)
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
    said = case.solved if rating.solved is None else rating.solved
    case = replace(case, rating=None, satisfaction=rating.satisfaction, solved=said)
    if rating.solved is not False or case.reopened:
        word = "satisfied" if rating.solved is not False and satisfied else "unsatisfied"
        return (close_now(case, "confirm", word, rating.by, at, None),)
    return (reopen(case, rating.by, at, "群众反映未解决，退回街道重办", response_limit),)


def reopen(case: Case, actor: str, at: str, reason: str, response_limit: int | None = None) -> Moved:
    """A resolved or closed case is open again: the street's desk gets it, with the finish limit of the first who
    handled it. How long after its end that is allowed, the machine knows."""
    require("reopen", case)
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
        closed_at=None,
        confirmed=None,
        solved=None,
        reopened=case.reopened + 1,
    )


def withdraw(case: Case, reporter: str, at: datetime, reason: str | None = None) -> Moves:
    """The reporter took it back: closed, and nobody owes anything."""
    if case.state in OVER:
        return ()
    return (close_now(case, "withdraw", "withdrawn", reporter, iso(at), reason),)


def close(
    case: Case,
    confirmed: str,
    actor: str,
    at: datetime,
    reason: str | None = None,
    satisfaction: int | None = None,
    solved: bool | None = None,
) -> Moves:
    """A resolved case is closed with the word given, and what the reporter said of it when called back."""
    if case.state == "closed":
        return ()
    require("close", case)
    if satisfaction is not None:
        case = replace(case, satisfaction=satisfaction)
    if solved is not None:
        case = replace(case, solved=solved)
    return (close_now(case, "close", confirmed, actor, iso(at), reason),)


def close_now(case: Case, action: str, confirmed: str, actor: str, at: str, reason: str | None) -> Moved:
    """The case is closed in whatever state it is: nobody owes anything any more."""
    legs = release_all(case.legs, at, "the case is closed")
    change = Change("case.closed", action, actor, at, None, reason)
    return next_step(case, change, legs, state="closed", closed_at=at, confirmed=confirmed)
