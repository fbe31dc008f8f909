"""Somebody who had no hand in it looks at the result; what doesn't pass is done again."""

from __future__ import annotations

from datetime import datetime

from jiayuan.contracts.times import iso

from .machine import require
from .model import MAIN, Case, Change, Moves
from .steps import for_desk, new_leg, next_step


def inspect(
    case: Case,
    passed: bool,
    actor: str,
    at: datetime,
    note: str | None,
    *,
    solved: bool | None = None,
    gone: frozenset[str] = frozenset(),
    response_limit: int | None = None,
) -> Moves:
    """核查 of a resolved case. Not passed, a second step hands it back to whoever handled it last (返工), with the same
    limits from now on; to the desk where he is `gone` (ids of people and units; `response_limit`: the desk's).

    `solved`: whether the matter is, as it was seen: a result may stand that couldn't solve it. It is the case's word
    until the reporter has one; None where nobody looked."""
    require("inspect", case)
    when = iso(at)
    seen: dict[str, object] = {"at": when, "by": actor, "passed": passed}
    if note:
        seen["note"] = note
    if solved is not None:
        seen["solved"] = solved
    change = Change("case.inspected", "inspect", actor, when, None, note)
    if passed:
        said = case.solved if solved is None else solved
        return (next_step(case, change, inspection=seen, solved=said),)
    looked = next_step(case, change, inspection=seen)
    last = next((leg for leg in reversed(case.legs) if leg.kind in MAIN and leg.state == "done"), None)
    if last is None or last.assignee.id in gone:
        finish = last.finish_limit if last is not None else None
        again = for_desk(case, when, response_limit, finish, note)
    else:
        again = new_leg(
            last.kind,
            last.level,
            last.step,
            last.assignee,
            when,
            last.response_limit,
            last.finish_limit,
            note,
        )
    change = Change("case.reopened", "rework", actor, when, again.id, note)
    rework = next_step(
        looked.case,
        change,
        (*case.legs, again),
        state="assigned",
        level=again.level,
        resolved_at=None,
        solved=None,
        reworked=case.reworked + 1,
    )
    return looked, rework
