"""`/notices`: what became of the notices on a case or a report."""

from __future__ import annotations

from typing import Any

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.service import Runtime, http
from jiayuan.chassis.web import Call
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.times import iso

from .. import store

STAFF = ("desk", "county", "operator", "service")


class Notices:
    """The entrypoints."""

    delivery: Any

    @http("GET", "/notices", roles=STAFF)
    def notices(self, call: Call) -> Any:
        """The notices on a case or a report."""
        return notices(self.delivery, call)


def notices(delivery: Runtime, call: Call) -> dict[str, Any]:
    """GET /notices?case=…|report=…: `{"notices": […]}`, oldest first, at most 500.

    A desk sees its own street's. Recipients are pseudonyms and masked all the same. Problem 400 unless exactly
    one of case and report is given.
    """
    case, report = call.args.get("case", ""), call.args.get("report", "")
    if bool(case) == bool(report):
        raise Problem(
            400,
            "Which notices?",
            problems=[FieldProblem("case, report", "give exactly one", "an id of 1 to 128")],
        )
    if len(case or report) > 128:
        raise Problem(
            400, "Which notices?", problems=[FieldProblem("case, report", "is too long", "1 to 128")]
        )
    with delivery.work() as work:
        found = store.find(work, case=case, report_=report, street=_street(call))
    return {"notices": [shown(row) for row in found]}


def _street(call: Call) -> str:
    """The street that the caller is limited to, or "" for all."""
    who = call.need(*STAFF)
    if {"county", "operator", "service"} & set(who.roles):
        return ""
    if not who.street:
        raise Problem(403, "Not allowed", "the token names no street")
    return who.street


def masked(ref: str) -> str:
    """A recipient's ref with its middle left out: enough to tell two apart, too little to look somebody up."""
    return ref[:3] + "***" + ref[-2:] if len(ref) > 8 else ref[:1] + "***"


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """A notice of `store.find` as people see it."""
    return {
        "id": row["id"],
        "role": row["role"],
        "recipient_type": row["recipient_type"],
        "recipient": masked(row["recipient"]),
        "matter": row["matter"],
        "case": row["case_id"],
        "report": row["report_id"],
        "step": row["step"],
        "rule": row["rule"],
        "template": row["template"],
        "template_version": row["template_version"],
        "state": row["state"],
        "reason": row["reason"],
        "provider": row["provider"],
        "channel": row["channel"],
        "read_at": iso(row["read_at"]) if row["read_at"] else None,
        "gathered_in": row["gathered_in"],
        "at": iso(row["at"]),
        "state_at": iso(row["state_at"]),
        "attempts": [
            {
                "number": call["number"],
                "kind": call["kind"],
                "provider": call["provider"],
                "outcome": call["outcome"],
                "error": call["error"],
                "started_at": iso(call["started_at"]),
                "ended_at": iso(call["ended_at"]),
            }
            for call in row["calls"]
        ],
    }
