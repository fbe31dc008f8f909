"""Emergencies: who is there turns them on and off, and everybody of the staff reads what holds."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import fields, validate

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.redact import mask
from jiayuan.chassis.service import Runtime, http
from jiayuan.chassis.tokens import Principal
from jiayuan.chassis.web import Call
from jiayuan.chassis.work import Work
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.schemas.common import Demand, a_code, a_date, a_text, a_word
from jiayuan.contracts.times import iso, parse

from .. import book as books
from .. import emergencies
from ..directory import Directory
from ..emergencies import NotPossible, Wish
from ..emergency import terms_of
from ..store import emergencies as records
from ..store import is_uuid
from .common import STAFF, caller

MAY: Final = ("county", "desk")
STATES: Final = ("on", "coming", "over", "all")
MOST: Final = 100


class EmergencyPages:
    """The entrypoints."""

    delivery: Any

    @http("POST", "/emergencies", roles=MAY)
    def declare_emergency(self, call: Call) -> Any:
        """The county, or a street for itself where the mode allows it, declares an emergency."""
        return declare(self.delivery, call)

    @http("GET", "/emergencies", roles=STAFF)
    def emergencies(self, call: Call) -> Any:
        """What is on, and what was."""
        return listed(self.delivery, call)

    @http("GET", "/emergencies/modes", roles=STAFF)
    def emergency_modes(self, call: Call) -> Any:
        """The modes that can be declared now."""
        return modes(self.delivery, call)

    @http("GET", "/emergencies/<string:emergency>", roles=STAFF)
    def emergency(self, call: Call, emergency: str) -> Any:
        """One emergency, and how far its cases are."""
        return show(self.delivery, call, emergency)

    @http("POST", "/emergencies/<string:emergency>/lift", roles=MAY)
    def lift_emergency(self, call: Call, emergency: str) -> Any:
        """It is over: everything is brought back."""
        return lift(self.delivery, call, emergency)

    @http("POST", "/emergencies/<string:emergency>/extend", roles=MAY)
    def extend_emergency(self, call: Call, emergency: str) -> Any:
        """It ends at another time."""
        return extend(self.delivery, call, emergency)


class EmergencyDeclareBody(Demand):
    """A mode for an area and a time. `starts_at` absent: now; `ends_at` absent: as long as the mode lasts."""

    mode = a_code(required=True)
    area = fields.List(a_code(required=True), required=True, validate=validate.Length(min=1, max=200))
    starts_at = a_date()
    ends_at = a_date()
    reason = a_text(500, required=True, least=1)


class EmergencyQuery(Demand):
    """Which emergencies; those that are on when nothing is said."""

    state = a_word(STATES, required=False)


class EmergencyLiftBody(Demand):
    """Why it is over."""

    reason = a_text(500, required=True, least=1)


class EmergencyExtendBody(Demand):
    """When it ends instead, and why."""

    ends_at = a_date(required=True)
    reason = a_text(500, required=True, least=1)


def document(row: Any) -> dict[str, Any]:
    """An emergency as it is answered."""
    terms = terms_of(row.terms)
    return {
        "id": row.id,
        "sequence": row.sequence,
        "mode": row.mode,
        "name": terms.name,
        "rank": terms.rank,
        "policy": row.policy,
        "area": row.area,
        "reason": row.reason,
        "starts_at": iso(row.starts_at),
        "ends_at": iso(row.ends_at),
        "declared_at": iso(row.declared_at),
        "declared_by": row.declared_by,
        "begun_at": iso(row.begun_at) if row.begun_at else None,
        "lifted_at": iso(row.lifted_at) if row.lifted_at else None,
        "lifted_by": row.lifted_by,
        "history": row.history,
    }


def with_progress(work: Work, row: Any) -> dict[str, Any]:
    """The same, with how far its cases are: under it, paused, streets that are still being brought in line."""
    streets = emergencies.streets_of(books.of(work).directory, row.area)
    under, paused = records.under(work, row.id, streets)
    left = records.sweeps(work)
    return {
        **document(row),
        "called": records.calls_of(work, row.id),
        "cases": {"under": under, "paused": paused},
        "being_brought_in_line": sorted(s for s in streets if s in left),
    }


def _may(who: Principal, directory: Directory, who_may: tuple[str, ...], area: list[str]) -> None:
    """The county always; a street's desk where the mode says so and all of the area is in its street."""
    if "county" in who.roles:
        return
    own = "desk" in who.roles and bool(who.street)
    if "desk" not in who_may:
        raise Problem(403, "Not allowed", "this mode is for the county's duty officer")
    if not own or emergencies.streets_of(directory, area) != [who.street]:
        raise Problem(403, "Not allowed", "a street's desk turns a mode on and off for its own street only")


def _problem(error: NotPossible, title: str) -> Problem:
    return Problem(422, title, problems=error.problems)


def declare(delivery: Runtime, call: Call) -> Any:
    """POST /emergencies. 201 with the emergency, 200 when the same one is declared already."""
    who, body = caller(call), call.json_body(EmergencyDeclareBody)
    with delivery.work() as work:
        directory = books.of(work).directory
        policy = emergencies.policy_at(work, work.now)
        terms = policy.modes.get(body["mode"])
        if terms is None:
            problem = FieldProblem("mode", f"there is no mode {body['mode']}", ", ".join(policy.modes))
            raise Problem(422, "The emergency can't be declared", problems=[problem])
        _may(who, directory, terms.who, body["area"])
        wish = Wish(
            terms.code,
            tuple(body["area"]),
            mask(body["reason"]),
            who.subject,
            parse(body["starts_at"]) if body.get("starts_at") else None,
            parse(body["ends_at"]) if body.get("ends_at") else None,
        )
        try:
            id_, new = emergencies.declare(work, wish, traceparent=call.traceparent)
        except NotPossible as error:
            raise _problem(error, "The emergency can't be declared") from None
        return (201 if new else 200), document(records.emergency_of(work, id_))


def listed(delivery: Runtime, call: Call) -> dict[str, Any]:
    """GET /emergencies?state=on|coming|over|all, the newest first; those that are on when no state is given."""
    state = call.query(EmergencyQuery).get("state") or "on"
    with delivery.work() as work:
        return {"emergencies": [document(row) for row in records.list_emergencies(work, state, MOST)]}


def modes(delivery: Runtime, _call: Call) -> dict[str, Any]:
    """GET /emergencies/modes: the terms of each mode, as they stand in the policy."""
    with delivery.work() as work:
        policy = emergencies.policy_at(work, work.now)
    return {"policy": policy.version, "modes": list(policy.documents.values())}


def _found(work: Work, id_: str, *, lock: bool = False) -> Any:
    row = records.emergency_of(work, id_, lock=lock) if is_uuid(id_) else None
    if row is None:
        raise Problem(404, "No such emergency", f"there is no emergency {id_[:64]}")
    return row


def show(delivery: Runtime, _call: Call, id_: str) -> dict[str, Any]:
    """GET /emergencies/<id>."""
    with delivery.work() as work:
        return with_progress(work, _found(work, id_))


def lift(delivery: Runtime, call: Call, id_: str) -> dict[str, Any]:
    """POST /emergencies/<id>/lift. 200 with the emergency, also when it was over before."""
    who, body = caller(call), call.json_body(EmergencyLiftBody)
    with delivery.work() as work:
        row = _found(work, id_, lock=True)
        _may(who, books.of(work).directory, terms_of(row.terms).who, row.area)
        emergencies.lift(work, row, who.subject, mask(body["reason"]), traceparent=call.traceparent)
        return document(records.emergency_of(work, id_))


def extend(delivery: Runtime, call: Call, id_: str) -> dict[str, Any]:
    """POST /emergencies/<id>/extend. 200 with the emergency; 409 when it is over, 422 for a time that can't be."""
    who, body = caller(call), call.json_body(EmergencyExtendBody)
    with delivery.work() as work:
        row = _found(work, id_, lock=True)
        _may(who, books.of(work).directory, terms_of(row.terms).who, row.area)
        if row.lifted_at is not None or row.ends_at <= work.now:
            raise Problem(409, "It is over", f"it was over at {iso(row.ends_at)}: declare a new one")
        try:
            emergencies.extend(
                work,
                row,
                parse(body["ends_at"]),
                who.subject,
                mask(body["reason"]),
                traceparent=call.traceparent,
            )
        except NotPossible as error:
            raise _problem(error, "The end can't be moved") from None
        return document(records.emergency_of(work, id_))
