"""Closing a year or a quarter: the county proposes, an auditor approves, and everybody of the staff sees both."""

from __future__ import annotations

from typing import Any, Final

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.service import http
from jiayuan.chassis.web import Call
from jiayuan.contracts.schemas.common import Demand, a_text, a_yes_no

from .. import closings, store
from ..closing import APPROVES, PROPOSES, NotNow
from .common import STAFF, period_of

SEES: Final = (*STAFF, "auditor")


class ProposalBody(Demand):
    """Why it is closed, or reopened."""

    reason = a_text(500, required=True, least=1)
    reopening = a_yes_no(required=False)


class DecisionBody(Demand):
    """Whether it is approved, and why. `digest`: of the figures that were looked at, from GET /closings/<period>; when
    they have moved since, nothing is approved."""

    approved = a_yes_no()
    reason = a_text(500, required=True, least=1)
    digest = a_text(80)


class Closings:
    """The entrypoints."""

    delivery: Any

    @http("GET", "/closings", roles=SEES)
    def closings(self, _call: Call) -> Any:
        """Everything that was done about any period, the newest period first."""
        with self.delivery.work() as work:
            return {"acts": [closings.document(act) for act in store.all_acts(work)]}

    @http("GET", "/closings/<string:period>", roles=SEES)
    def closing(self, _call: Call, period: str) -> Any:
        """Whether a period is closed, what is proposed, its figures with their digest, and who did what."""
        with self.delivery.work() as work:
            return closings.state_of(work, period_of(period))

    @http("POST", "/closings/<string:period>", roles=(PROPOSES,))
    def propose_closing(self, call: Call, period: str) -> Any:
        """结账: proposes to close a year or a quarter, or to reopen it."""
        who, body = call.need(PROPOSES), call.json_body(ProposalBody)
        with self.delivery.work() as work:
            try:
                done = closings.ask(
                    work,
                    period_of(period),
                    who.subject,
                    body["reason"],
                    reopening=body.get("reopening") or False,
                )
            except NotNow as error:
                raise _refusal(error) from None
            return 201, closings.document(done)

    @http("POST", "/closings/<string:period>/decision", roles=(PROPOSES, APPROVES))
    def decide_closing(self, call: Call, period: str) -> Any:
        """审批: somebody else approves or refuses; whoever proposed may take it back."""
        who, body = call.need(PROPOSES, APPROVES), call.json_body(DecisionBody)
        if body["approved"] and APPROVES not in who.roles:
            raise Problem(403, "Not allowed", f"approving needs the role {APPROVES}")
        with self.delivery.work() as work:
            try:
                done = closings.answer(
                    work,
                    period_of(period),
                    who.subject,
                    body["reason"],
                    approved=body["approved"],
                    digest=body.get("digest"),
                    traceparent=call.traceparent,
                )
            except NotNow as error:
                raise _refusal(error) from None
            return 200, closings.document(done)


def _refusal(error: NotNow) -> Problem:
    if error.who:
        return Problem(403, "Not allowed", str(error))
    return Problem(409, "Not possible as the books are", str(error))
