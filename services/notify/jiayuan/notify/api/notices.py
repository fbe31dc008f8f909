"""`/notices`: what became of notices."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, fields, validate

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.service import Runtime, http
from jiayuan.chassis.web import Call
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.schemas.common import NOTICE_STATES, Time
from jiayuan.contracts.times import iso, parse

from .. import store

STAFF = ("desk", "county", "operator", "service")
_ID: Final = validate.Length(min=1, max=128)
_NARROW: Final = ("case", "report", "person", "since")


class WhichQuery(Schema):
    """Which notices; all that is given must hold."""

    case = fields.String(validate=_ID, metadata={"description": "On a case."})
    report = fields.String(validate=_ID, metadata={"description": "On a report."})
    person = fields.String(
        validate=_ID, metadata={"description": "To this recipient, by pseudonym, id or code."}
    )
    since = Time(metadata={"description": "Made since then."})
    state = fields.String(validate=validate.OneOf(NOTICE_STATES))
    provider = fields.String(
        validate=validate.Length(min=1, max=64), metadata={"description": "The last one."}
    )


class Notices:
    """The entrypoints."""

    delivery: Any

    @http("GET", "/notices", roles=STAFF)
    def notices(self, call: Call) -> Any:
        """What became of notices: on a case or a report, to somebody, or since some time."""
        return notices(self.delivery, call)


def notices(delivery: Runtime, call: Call) -> dict[str, Any]:
    """GET /notices?case=…: `{"notices": […]}`, oldest first; of more than 500 the newest.

    A desk sees its own street's. Recipients are pseudonyms and masked all the same. Problem 400 unless one of case,
    report, person and since is given, and case and report not both.
    """
    asked = call.query(WhichQuery)
    if not set(asked) & set(_NARROW) or {"case", "report"} <= set(asked):
        allowed = "at least one of them; case and report not both"
        raise Problem(400, "Which notices?", problems=[FieldProblem(", ".join(_NARROW), "give one", allowed)])
    since = parse(asked.pop("since")) if "since" in asked else None
    with delivery.work() as work:
        found = store.find(work, store.Which(**asked, since=since, street=_street(call)))
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
        "resends": [
            {"at": iso(one["at"]), "by": one["by"], "reason": one["reason"], "state": one["state"]}
            for one in row["resends"]
        ],
    }
