"""`/providers`, `/stops`, `/alarms`, `/notices/<id>/resend`: for people who run it. docs/notify/operations.md"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from marshmallow import fields, validate

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.service import http
from jiayuan.chassis.web import Call
from jiayuan.contracts.schemas.common import Demand, Time, a_text
from jiayuan.contracts.times import parse

from .. import operating, routes, store, wall

RUN: Final = ("operator",)
LOOK: Final = ("county", "operator")
RESEND: Final = ("desk", "county", "operator")
KINDS: Final = ("provider", "channel", "template")
_SINCE: Final = timedelta(days=7)


class ReasonBody(Demand):
    """Why; kept with who and when."""

    reason = a_text(300, required=True, least=2)


class StopBody(ReasonBody):
    """What is to be stopped; without `until`, until it is started."""

    kind = fields.String(required=True, validate=validate.OneOf(KINDS))
    name = a_text(64, required=True)
    until = Time()


class ClearBody(Demand):
    """What has been seen to."""

    subject = a_text(128, required=True)


class Operating:
    """The entrypoints."""

    delivery: Any

    @http("GET", "/providers", roles=LOOK)
    def providers(self, call: Call) -> Any:  # noqa: ARG002  every entrypoint has it
        """The providers, weights, the last 15 minutes, alarms, and stops and moves of the last seven days."""
        with self.delivery.work() as work:
            return operating.standing(
                work, wall.now() - _SINCE, [route.outline for route in routes.shared(self.delivery)]
            )

    @http("POST", "/stops", roles=RUN)
    def stop(self, call: Call) -> Any:
        """Stops a provider, a channel or a template."""
        body = call.json_body(StopBody)
        kind, name = body["kind"], body["name"]
        operating.known(kind, name, [route.name for route in routes.shared(self.delivery)])
        with self.delivery.work() as work:
            by, until = call.need().subject, parse(body["until"]) if body.get("until") else None
            operating.stop(work, kind, name, reason=body["reason"], by=by, until=until)
        return 201, {"kind": kind, "name": name}

    @http(
        "POST", "/stops/<any(provider, channel, template):kind>/<string(maxlength=64):name>/start", roles=RUN
    )
    def start(self, call: Call, kind: Any, name: str) -> Any:
        """Starts it again; what waited goes now."""
        body = call.json_body(ReasonBody)
        with self.delivery.work() as work:
            operating.start(work, kind, name, reason=body["reason"], by=call.need().subject)
        return {"kind": kind, "name": name}

    @http("POST", "/alarms/clear", roles=RUN)
    def clear_alarm(self, call: Call) -> Any:
        """Clears what is raised about something."""
        subject = call.json_body(ClearBody)["subject"]
        with self.delivery.work() as work:
            count = store.operating.clear(work, subject, by=call.need().subject, wall=wall.now())
        if not count:
            raise Problem(404, "Nothing is raised about that")
        return {"cleared": count}

    @http("GET", "/reconciliation", roles=LOOK)
    def reconciliation(self, call: Call) -> Any:  # noqa: ARG002  every entrypoint has it
        """Days that were held against the providers' own lists, and differences that nobody has settled."""
        with self.delivery.work() as work:
            return operating.reconciliations(work, [route.outline for route in routes.shared(self.delivery)])

    @http("POST", "/reconciliation/<int:id>/settle", roles=RUN)
    def settle(self, call: Call, id: int) -> Any:
        """Says what became of a difference."""
        reason, by = call.json_body(ReasonBody)["reason"], call.need().subject
        with self.delivery.work() as work:
            if not store.reconciliations.settle(work, [id], by, reason, wall.now()):
                raise Problem(404, "No open difference")
        return {"settled": 1}

    @http("POST", "/notices/<string(maxlength=36):notice>/resend", roles=RESEND)
    def resend(self, call: Call, notice: str) -> Any:
        """Sends a notice again, as a new message; a desk, one of its own street."""
        body, who = call.json_body(ReasonBody), call.need()
        wide = {"county", "operator"} & set(who.roles)
        if not wide and not who.street:
            raise Problem(403, "Not allowed", "the token names no street")
        with self.delivery.work() as work:
            street = "" if wide else who.street
            return operating.resend(work, notice, reason=body["reason"], by=who.subject, street=street)
