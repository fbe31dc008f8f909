"""What goes into a decision, and what is kept of it. Pure.

A row of the table `decision` has the policy's version, the rule that fired, what it looked at and how sure that was,
so that every decision can be explained and made again with another table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from jiayuan.contracts.times import iso

from .case import Case
from .policy import Decision, Matter

RECEIVED: Final = "received"
SEPARATED: Final = "separated"
CORRECTED: Final = "corrected"
TRIAGE: Final = "triage"
RECOLOUR: Final = "recolour"
# Whatever the table decided; a colour that a person gave is none of its.
BY_THE_TABLE: Final = (RECEIVED, SEPARATED, CORRECTED, TRIAGE)
CAUSES: Final = (*BY_THE_TABLE, RECOLOUR)
# The record was put right after somebody had taken the case: the desk is to have a look.
ACCEPTED: Final = "accepted"
MOST_CANDIDATES: Final = 5


def matter_of(report: Mapping[str, Any], street: str, community: str | None) -> Matter:
    """What the policy looks at, of a report (as in report.received) at a place of the directory."""
    signs = report.get("signs")
    return Matter(
        report["category"]["code"],
        report["kind"],
        report["importance"],
        report["urgency"],
        tuple([sign["code"] for sign in signs]) if signs else (),
        street,
        community,
    )


def row_of(
    case_id: str,
    sequence: int,
    at: str,
    cause: str,
    by: str,
    matter: Matter,
    decision: Decision,
    confidence: float | None,
    doubt: str | None,
    more: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The row of a decision."""
    return {
        "case_id": case_id,
        "sequence": sequence,
        "at": at,
        "cause": cause,
        "by": by,
        "policy": decision.policy,
        "rule": decision.rule,
        "category": matter.category,
        "kind": matter.kind,
        "importance": matter.importance,
        "urgency": matter.urgency,
        "signs": ",".join(matter.signs),
        "street": matter.street or "",
        "community": matter.community,
        "confidence": confidence,
        "doubt": doubt,
        "level": decision.level,
        "lead": decision.lead,
        "assistants": ",".join(decision.assistants),
        "colour": decision.colour,
        "response_limit": decision.response_limit,
        "finish_limit": decision.finish_limit,
        "more": more,
    }


def recoloured_row(
    case: Case, last: Any, by: str, at: str, finish_limit: int, more: Mapping[str, Any]
) -> dict[str, Any]:
    """The row of a colour that a person gave; `last`: the decision that the case had, if it has one."""
    live = [leg for leg in case.live_legs if leg.kind != "supervise"]
    names = ("importance", "urgency", "signs", "confidence", "level", "lead", "assistants", "response_limit")
    kept = {name: getattr(last, name) for name in names} if last is not None else {}
    return {
        "case_id": case.id,
        "sequence": case.sequence,
        "at": at,
        "cause": RECOLOUR,
        "by": by,
        "policy": case.decision["policy"],
        "rule": case.decision["rule"],
        "category": case.category["code"],
        "kind": case.kind,
        "importance": 2,
        "urgency": 2,
        "signs": "",
        "street": case.street,
        "community": case.community,
        "confidence": None,
        "doubt": None,
        "level": case.level,
        "lead": None,
        "assistants": "",
        "colour": case.colour,
        "response_limit": next((leg.response_limit for leg in live if leg.response_limit), 0),
        "finish_limit": finish_limit,
        "more": more,
        **kept,
    }


def candidates_of(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The categories that were thought of, the likeliest first: code, name, confidence and why, where it is known."""
    category = report["category"]
    given: Sequence[Mapping[str, Any]] = report.get("candidates") or ()
    found = [dict(c) for c in given]
    if category["code"] not in {c["code"] for c in found}:
        found.insert(
            0, {k: category[k] for k in ("code", "name", "confidence") if category.get(k) is not None}
        )
    return found[:MOST_CANDIDATES]


def matter_of_row(row: Any) -> Matter:
    """The inputs of a stored decision."""
    signs = tuple(row.signs.split(",")) if row.signs else ()
    return Matter(row.category, row.kind, row.importance, row.urgency, signs, row.street, row.community)


def of_category(matter: Matter, category: str) -> Matter:
    """The same matter, if it were about something else."""
    return replace(matter, category=category)


def exported(row: Any) -> dict[str, Any]:
    """A decision as others learn from it: what was decided, of which reports, and what had been thought before."""
    more: Mapping[str, Any] = row.more or {}
    before = {k: v for k, v in (more.get("before") or {}).items() if k != "assignees"}
    return {
        "case": row.number,
        "reports": row.reports,
        "at": iso(row.at),
        "cause": row.cause,
        "by": row.by,
        "category": row.category,
        "kind": row.kind,
        "street": row.street,
        "community": row.community,
        "signs": row.signs.split(",") if row.signs else [],
        "importance": row.importance,
        "urgency": row.urgency,
        "confidence": row.confidence,
        "policy": row.policy,
        "rule": row.rule,
        "level": row.level,
        "lead": row.lead,
        "assistants": row.assistants.split(",") if row.assistants else [],
        "colour": row.colour,
        "doubt": row.doubt,
        "before": before or None,
        "candidates": more.get("candidates"),
        "reason": more.get("reason"),
    }
