"""What goes into a decision, and what is kept of it. Pure.

A row of the table `decision` has the policy's version, the rule that fired, what it looked at and how sure that was,
so that every decision can be explained and made again with another table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from .policy import Decision, Matter

RECEIVED: Final = "received"
SEPARATED: Final = "separated"
CORRECTED: Final = "corrected"
TRIAGE: Final = "triage"
RECOLOUR: Final = "recolour"
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
