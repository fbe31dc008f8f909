"""The whistle 吹哨 by HTTP: its moves, how a case's whistle stands, and the cases that nobody takes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import orjson

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.service import http
from jiayuan.chassis.tokens import Principal
from jiayuan.chassis.web import Call
from jiayuan.chassis.work import Work
from jiayuan.contracts.schemas.common import Demand, a_code, a_number, said
from jiayuan.contracts.times import iso, parse

from .. import book as books
from .. import store
from ..book import Book
from ..case import Case, Leg
from ..case import whistle as whistles
from .common import PRIVATE, STAFF, caller, find_seen
from .moves import on_case, on_leg

COMMITTEE: Final = ("county", "desk", "convener")
MOST: Final = 200


class UnclaimedQuery(Demand):
    """Which cases that nobody takes."""

    street = said(a_code(), "The code of a street; a desk and a convener see their own.")
    limit = said(a_number(1, MOST), "Cases; 100 when absent.")


class Whistles:
    """The entrypoints."""

    delivery: Any

    do_whistle = on_case(
        "whistle", "吹哨: the street calls units on one of three grounds; a grid chief asks the desk to."
    )
    do_call = on_case("call", "加哨: more units are called, as assistants.")
    do_hand_over = on_case("hand_over", "改任牵头: another unit leads.")
    do_convene = on_leg("convene", "召集人裁定: a refusal is held up, granted, or another unit is named.")
    do_agenda = on_case("agenda", "列入例会: a quarterly meeting takes up a case that nobody takes.")
    do_meeting = on_case("meeting", "例会议定: the meeting names the unit, which can't refuse.")

    @http("GET", "/cases/<string:case>/whistle", roles=STAFF)
    def show_whistle(self, call: Call, case: str) -> Any:
        """How the whistle of a case stands: who leads, who owes what by when, who has come, who refused."""
        with self.delivery.work() as work:
            return 200, shown(work, caller(call), case), PRIVATE

    @http("GET", "/whistles/unclaimed", roles=(*COMMITTEE, "service"))
    def unclaimed(self, call: Call) -> Any:
        """The cases that nobody takes, the oldest first: the agenda of the committee's next quarterly meeting."""
        query = call.query(UnclaimedQuery)
        with self.delivery.work() as work:
            return 200, agenda(work, caller(call), query), PRIVATE


def shown(work: Work, who: Principal, name: str) -> dict[str, Any]:
    """GET /cases/<case>/whistle. 404 when there is no such case, or nobody has whistled for it."""
    book = books.of(work)
    case, seen = find_seen(work, who, book, name)
    if case.whistle is None:
        raise Problem(404, "No whistle", f"nobody has whistled for case {case.number}")
    came = {a.leg: a for a in store.whistles.arrivals(work, case.id)}
    wide = seen.notes
    legs = [leg for leg in case.legs if leg.kind in whistles.CALLED and leg.assignee.type == "unit"]
    return {
        "number": case.number,
        "sequence": case.sequence,
        "state": case.state,
        "whistle": {k: v for k, v in case.whistle.items() if wide or k not in ("reason", "by", "convener")},
        "unclaimed": whistles.unclaimed(case),
        "units": [_unit(work, book, leg, came.get(leg.id), wide or leg.id in seen.own) for leg in legs],
        "refusals": [_refusal(case, a) for a in case.approvals if a["kind"] == "refusal"] if wide else [],
    }


def _unit(work: Work, book: Book, leg: Leg, came: Any, wide: bool) -> dict[str, Any]:
    out: dict[str, Any] = {
        "unit": leg.assignee.id,
        "name": book.directory.label(leg.assignee),
        "part": leg.kind,
        "leg": leg.id,
        "state": leg.state,
        "called_at": leg.offered_at,
        "reported_in_at": leg.accepted_at or leg.arrived_at,
        "arrived_at": leg.arrived_at,
        "report_in_by": None,
        "late": False,
    }
    if leg.report_in_limit:
        # In natural time; the time-keeper's clock, with its calendar and pauses, is what counts.
        by = parse(leg.offered_at) + timedelta(seconds=leg.report_in_limit)
        came_at = out["reported_in_at"]
        out["report_in_by"] = iso(by)
        out["late"] = parse(came_at) > by if came_at else leg.live and work.now > by
    if came is not None and wide:
        out["arrival"] = _arrival(came)
    return out


def _arrival(step: Any) -> dict[str, Any]:
    evidence = step.evidence or []
    details: Mapping[str, Any] = next((orjson.loads(e) for e in evidence if e.startswith("{")), {})
    return {
        "by": step.actor,
        "place": details.get("place"),
        "people": details.get("people"),
        "evidence": [e for e in evidence if not e.startswith("{")],
        "note": step.reason,
    }


def _refusal(case: Case, approval: Mapping[str, Any]) -> dict[str, Any]:
    refused = case.leg(approval["id"])
    return {
        "unit": refused.assignee.id if refused is not None else None,
        "leg": approval.get("leg"),
        "refused_at": approval["asked_at"],
        "reason": approval["reason"],
        "of": approval["of"],
        "decided_at": approval.get("decided_at"),
        "upheld": None if approval.get("granted") is None else not approval["granted"],
        "note": approval.get("note"),
    }


def agenda(work: Work, who: Principal | None, query: Mapping[str, Any]) -> dict[str, Any]:
    """GET /whistles/unclaimed. Problem 403 when the street isn't the caller's."""
    street = query.get("street")
    if who is not None and not {"county", "service"} & set(who.roles):
        if not who.street or street not in (None, who.street):
            raise Problem(403, "Not allowed", "a desk and a convener see the cases of their own street")
        street = who.street
    book = books.of(work)
    found = store.whistles.unclaimed(work, street, query.get("limit") or 100)
    return {"cases": [_item(book, case) for case in found if whistles.unclaimed(case) is not None]}


def _item(book: Book, case: Case) -> dict[str, Any]:
    whistle = case.whistle or {}
    open_ = whistles.refusals(case)
    refused = [leg for a in open_ if (leg := case.leg(a["id"])) is not None]
    return {
        "case": case.id,
        "number": case.number,
        "title": case.title,
        "category": case.category.get("name") or case.category["code"],
        "colour": case.colour,
        "street": case.street,
        "community": case.community,
        "sequence": case.sequence,
        "ground": whistle["ground"],
        "why": whistle["unclaimed"],
        "since": whistle["unclaimed_at"],
        "missing": "lead" if whistles.lead_leg(case) is None else "assistant",
        "refused_by": [leg.assignee.id for leg in refused]
        or [leg.assignee.id for leg in case.legs if leg.state == "refused"],
        "at_work": [leg.assignee.id for leg in case.live_legs if leg.kind in whistles.CALLED],
        "meeting": whistle.get("meeting"),
        "desk": book.directory.desk(case.street).id,
    }
