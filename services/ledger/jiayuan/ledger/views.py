"""Lists as documents: what HTTP answers, commands show, sheets hold and the meeting reads."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from jiayuan.chassis.work import Work
from jiayuan.contracts.times import iso, parse

from . import claiming, listing
from .lists.claim import Claim, standing
from .store import claims as kept
from .store import lists as rows


def head(found: Any) -> dict[str, Any]:
    """A list without its lines."""

    def at(value: datetime | None) -> str | None:
        return iso(value) if value else None

    return {
        "id": str(found.id),
        "kind": found.kind,
        "quarter": found.quarter,
        "street": found.street,
        "community": found.community or None,
        "state": found.state,
        "notes": found.notes,
        "drafted_at": at(found.drafted_at),
        "drafted_by": found.drafted_by,
        "published_at": at(found.published_at),
        "published_by": found.published_by,
        "closed_at": at(found.closed_at),
        "closed_by": found.closed_by,
    }


def whole(work: Work, found: Any) -> dict[str, Any]:
    """A list with its lines: of a demand list with the reports behind each, of a problem list with the demands and the
    communities of each, of a service list with the claims, and what nobody or too many claimed."""
    document = head(found)
    match found.kind:
        case "demand":
            document["lines"] = demand_lines(work, found)
        case "problem":
            document["lines"] = problem_lines(work, found)
        case _:
            document |= service(work, found)
    return document


def demand_lines(work: Work, found: Any) -> list[dict[str, Any]]:
    """The lines of a demand list."""
    there = rows.demands_of(work, found.id)
    behind = rows.reports_behind(work, [d.id for d in there])
    return [{**_demand(d), "reports": behind[d.id]} for d in there]


def _demand(d: Any) -> dict[str, Any]:
    return {
        "id": str(d.id),
        "number": d.number,
        "category": d.category,
        "title": d.title,
        "detail": d.detail,
        "sources": d.sources,
        "people": d.people,
        "evidence": d.evidence,
        "kept": d.kept,
        "reason": d.reason,
        "problem": str(d.problem_id) if d.problem_id else None,
    }


def problem_lines(work: Work, found: Any) -> list[dict[str, Any]]:
    """The lines of a problem list: each with its evidence, which is its demands with the reports behind them."""
    demands = rows.demands_behind(work, found.id)
    behind = rows.reports_behind(work, [d.id for d in demands])
    out = []
    for p in rows.problems_of(work, found.id):
        mine = [d for d in demands if d.problem_id == p.id]
        out.append(
            {
                "id": str(p.id),
                "number": p.number,
                "category": p.category,
                "title": p.title,
                "detail": p.detail,
                "takes": p.takes,
                "state": p.state,
                "reason": p.reason,
                "decided_at": iso(p.decided_at) if p.decided_at else None,
                "decided_by": p.decided_by,
                "entry": str(p.entry_id) if p.entry_id else None,
                "communities": sorted({d.community for d in mine}),
                "report_count": sum(len(behind[d.id]) for d in mine),
                "people": sum(d.people or len(behind[d.id]) for d in mine),
                "demands": [{**_demand(d), "community": d.community, "reports": behind[d.id]} for d in mine],
            }
        )
    return out


def service(work: Work, found: Any) -> dict[str, Any]:
    """A service list: lines with claims; ids of problems `unclaimed` and `over_claimed`, codes of units `idle`."""
    problems = listing.offered(work, found)
    claims = kept.claims_of(work, found.id)
    tally = claiming.tally_of(work, found, problems, claims)
    return {
        "units": found.units,
        "unclaimed": list(tally.unclaimed),
        "over_claimed": list(tally.over_claimed),
        "idle": list(tally.idle),
        "lines": [
            {
                "id": str(p.id),
                "number": p.number,
                "category": p.category,
                "title": p.title,
                "takes": p.takes,
                "entry": str(p.entry_id) if p.entry_id else None,
                "claims": [claim_document(c, work.now) for c in claims if c.problem == str(p.id)],
            }
            for p in problems
        ],
    }


def claim_document(claim: Claim, now: datetime) -> dict[str, Any]:
    """A claim, with how it and each of its milestones stand: done, done_late, open, late."""
    return {
        "id": claim.id,
        "problem": claim.problem,
        "unit": claim.unit,
        "person": claim.person,
        "due_at": iso(claim.due_at),
        "state": claim.state,
        "standing": standing(claim.done_at, claim.due_at, now),
        "claimed_at": iso(claim.claimed_at),
        "claimed_by": claim.claimed_by,
        "done_at": iso(claim.done_at) if claim.done_at else None,
        "reason": claim.reason,
        "milestones": [_milestone(m, now) for m in claim.milestones],
        "history": claim.history,
    }


def _milestone(m: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    done = parse(m["done_at"]) if m["done_at"] else None
    return {**m, "standing": standing(done, parse(m["due_at"]), now)}
