"""Marks on the rules that sent a case to the wrong place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from jiayuan.chassis.work import Work

from ..case import Case, Leg, Moved
from .rows import rows_of
from .tables import dispatch_mark

# The steps that may say so: a return, its approval, and the desk's next assignment.
_SAY_SO = ("return", "assign", "whistle")


def keep_marks(work: Work, moved: Iterable[tuple[Case, Sequence[Moved]]]) -> None:
    """Notes what the steps say about where the rule had sent their cases."""
    rows = [row for _, moves in moved for m in moves if m.change.action in _SAY_SO for row in _marks(m)]
    if rows:
        work.insert(dispatch_mark, rows)


def _marks(moved: Moved) -> list[dict[str, Any]]:
    case, change = moved.case, moved.change
    leg = next((one for one in reversed(case.legs) if one.state == "returned"), None)
    if leg is None or leg.misdirected is None or not _by_rule(case, leg):
        return []
    if change.action == "return" and change.leg != leg.id:
        return []
    return [
        {
            "policy": case.decision["policy"],
            "rule": case.decision["rule"],
            "case_id": case.id,
            "leg": leg.id,
            "assignee": leg.assignee.id,
            "wrong": leg.misdirected,
            "at": change.at,
            "by": change.actor,
            "reason": change.reason,
        }
    ]


def _by_rule(case: Case, leg: Leg) -> bool:
    """Whether the rule itself sent it there: the legs of the opening are offered when the case is opened."""
    return leg.offered_at == case.opened_at


def wrong_dispatches(work: Work) -> list[Any]:
    """By policy and rule: how many cases the rule is marked to have sent to the wrong place, the most first."""
    return rows_of(
        work,
        "SELECT policy, rule, count(*) AS cases FROM "
        "(SELECT DISTINCT ON (leg) policy, rule, wrong FROM dispatch_mark ORDER BY leg, id DESC) AS newest "
        "WHERE wrong GROUP BY policy, rule ORDER BY cases DESC, policy, rule",
    )
