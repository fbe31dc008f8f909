"""Claims: units take problems, say how it goes, give them back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.service import http
from jiayuan.chassis.web import Call
from jiayuan.chassis.work import Work
from jiayuan.contracts.schemas.common import Demand, a_code, a_date, a_list, a_number, a_text, fields, said
from jiayuan.contracts.times import parse

from .. import claiming, views
from ..lists import rights
from ..lists.claim import MOST_MILESTONES, Claim
from ..lists.problem import MOST_TAKERS
from ..store import claims as kept
from ..store import lists as rows
from .common import uuid_of
from .lists import caller, forbidden, seen


class MilestoneBody(Demand):
    """A step on the way to the limit."""

    name = a_text(100, required=True, least=1)
    due_at = a_date(required=True)


class ClaimBody(Demand):
    """A claim of a line."""

    unit = said(a_code(), "The unit; a clerk's own where it isn't said.")
    person = said(
        a_text(60, required=True, least=1), "Who is responsible: an id of the directory, or a name."
    )
    due_at = a_date(required=True)
    milestones = a_list(fields.Nested(MilestoneBody), MOST_MILESTONES)


class ClaimChange(Demand):
    """Another responsible person, another limit."""

    person = a_text(60, least=1)
    due_at = a_date()
    reason = said(a_text(500), "Needed where the limit changes.")


class GrantBody(Demand):
    """A wish gets a place."""

    takes = said(a_number(1, MOST_TAKERS), "How many units the problem takes from now on.")


class ReleaseBody(Demand):
    """Why a claim is given back."""

    reason = a_text(500, required=True, least=1)


class DoneBody(Demand):
    """When it was done; now, where it isn't said."""

    done_at = a_date()


class Claims:
    """The entrypoints."""

    delivery: Any

    @http("POST", "/lists/<string:list_id>/lines/<int:number>/claims", roles=rights.CLAIMANTS)
    def claim(self, call: Call, list_id: str, number: int) -> Any:
        """A unit claims a line of a published service list."""
        return claim(self.delivery, call, list_id, number)

    @http("POST", "/claims/<string:claim>", roles=rights.CLAIMANTS)
    def change_claim(self, call: Call, claim: str) -> Any:
        """Another responsible person, or another limit."""
        return change(self.delivery, call, claim)

    @http("POST", "/claims/<string:claim>/release", roles=rights.CLAIMANTS)
    def release_claim(self, call: Call, claim: str) -> Any:
        """Gives a claim or a wish back, with a reason."""
        body = call.json_body(ReleaseBody)
        return act(
            self.delivery,
            call,
            claim,
            lambda w, c: claiming.release(w, c, body["reason"], caller(call).subject),
        )

    @http("POST", "/claims/<string:claim>/grant", roles=rights.DESKS)
    def grant_claim(self, call: Call, claim: str) -> Any:
        """The desk gives a wish a place."""
        body = call.json_body(GrantBody)
        return act(
            self.delivery,
            call,
            claim,
            lambda w, c: claiming.grant(w, c, body.get("takes"), caller(call).subject),
        )

    @http("POST", "/claims/<string:claim>/milestones/<int:number>", roles=rights.CLAIMANTS)
    def reach_milestone(self, call: Call, claim: str, number: int) -> Any:
        """A milestone is done."""
        at = _done_at(call)
        return act(
            self.delivery, call, claim, lambda w, c: claiming.reach(w, c, number, at, caller(call).subject)
        )

    @http("POST", "/claims/<string:claim>/completion", roles=rights.CLAIMANTS)
    def finish_claim(self, call: Call, claim: str) -> Any:
        """A claim is done, with all its milestones."""
        at = _done_at(call)
        return act(self.delivery, call, claim, lambda w, c: claiming.finish(w, c, at, caller(call).subject))


def _done_at(call: Call) -> Any:
    given = call.json_body(DoneBody).get("done_at")
    return parse(given) if given else None


def claim(delivery: Any, call: Call, list_id: str, number: int) -> tuple[int, dict[str, Any]]:
    """POST /lists/<id>/lines/<number>/claims: 201 with the claim (`wanted` where the problem is full), 200 when the
    unit has claimed it before."""
    body = call.json_body(ClaimBody)
    who = caller(call)
    with delivery.work() as work:
        found = seen(work, call, list_id)
        unit = body.get("unit") or who.unit
        if not unit or not rights.claims_for(who, unit, found.street):
            raise forbidden(f"unit {unit or '?'} is not yours to claim for")
        made, fresh = claiming.claim(
            work,
            found.id,
            number,
            unit,
            body["person"],
            parse(body["due_at"]),
            body.get("milestones", ()),
            who.subject,
        )
        return 201 if fresh else 200, views.claim_document(made, work.now)


def change(delivery: Any, call: Call, claim_id: str) -> dict[str, Any]:
    """POST /claims/<id>."""
    body = call.json_body(ClaimChange)
    due_at = parse(body["due_at"]) if body.get("due_at") else None

    def go(work: Work, id_: str) -> Claim:
        claiming.change(work, id_, body.get("person"), due_at, body.get("reason") or "", caller(call).subject)
        found = kept.claim_of(work, id_)
        assert found is not None
        return found

    return act(delivery, call, claim_id, go)


def act(delivery: Any, call: Call, claim_id: str, go: Callable[[Work, str], Claim]) -> dict[str, Any]:
    """Does something with a claim that is the caller's: the claim after it. Problem 404, 403."""
    known = uuid_of(claim_id)
    with delivery.work() as work:
        found = kept.claim_of(work, known) if known else None
        if found is None:
            raise Problem(404, "There is no such claim")
        service = rows.list_of(work, kept.list_of_claim(work, found.id))
        if not rights.claims_for(caller(call), found.unit, service.street):
            raise forbidden(f"the claim of unit {found.unit} is not yours")
        return views.claim_document(go(work, found.id), work.now)
