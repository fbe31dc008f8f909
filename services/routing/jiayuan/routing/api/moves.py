"""What assignees and the desk do."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import fields, validate

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.redact import mask
from jiayuan.chassis.service import Runtime, http
from jiayuan.chassis.tokens import Principal
from jiayuan.chassis.web import Call
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.schemas.common import Demand, a_list, a_number, a_text, an_id

from .. import book as books
from .. import case as cases
from .. import handlers, store
from ..book import Book
from ..case import Assignee, Case, Moves, NotAllowed, Offer
from ..moving import Moving
from ..policy import GROUNDS
from .common import caller, conflict, holds, is_desk, view

ASSIGNEES: Final = (
    "grid_worker",
    "grid_leader",
    "grid_chief",
    "desk",
    "unit_clerk",
    "county",
    "mediator",
    "volunteer",
    "cadre",
)
DESKS: Final = ("desk", "county")


class Handling:
    """The entrypoints."""

    delivery: Any

    @http(
        "POST",
        "/cases/<string:case>/legs/<string:leg>/<any(accept, answer, return, resolve):action>",
        roles=ASSIGNEES,
    )
    def move(self, call: Call, case: str, leg: str, action: str) -> Any:
        """The assignee accepts, answers, returns or resolves."""
        return move(self.delivery, call, case, leg, action)

    @http("POST", "/cases/<string:case>/legs/<string:leg>/release", roles=DESKS)
    def release(self, call: Call, case: str, leg: str) -> Any:
        """The desk lets an assistant off."""
        return release(self.delivery, call, case, leg)

    @http("POST", "/cases/<string:case>/assignments", roles=DESKS)
    def assign(self, call: Call, case: str) -> Any:
        """The desk gives the case to a person, or whistles units."""
        return assign(self.delivery, call, case)


class MoveBody(Demand):
    """What an assignee says with a move. `sequence`: the version of the case it looked at, to refuse an old view."""

    note = a_text(1000)
    evidence = a_list(a_text(300, required=True), 20)
    sequence = a_number(1)


class ReleaseBody(Demand):
    """Why an assistant is let off."""

    reason = a_text(500, required=True, least=1)


class To(Demand):
    """A person of a grid or a unit."""

    type = fields.String(required=True, validate=validate.OneOf(("person", "unit")))
    id = an_id()


class AssignBody(Demand):
    """Who gets the case, with which assistants; `leg`: the leg that is replaced (by default the desk's own)."""

    assignee = fields.Nested(To, required=True)
    assistants = a_list(an_id(), 20)
    ground = fields.String(allow_none=True, validate=validate.OneOf(GROUNDS))
    leg = an_id(required=False)
    reason = a_text(500, required=True, least=1)
    sequence = a_number(1)


def locked(moving: Moving, name: str) -> Case:
    if not moving.cases:
        raise Problem(404, "No such case", f"there is no case {name[:64]}")
    return next(iter(moving.cases.values()))


def _body(call: Call, schema: type[Demand]) -> dict[str, Any]:
    return call.json_body(schema) if call.get_data() else {}


def done(
    moving: Moving, case: Case, moves: Moves, call: Call, book: Book, sequence: int | None
) -> dict[str, Any]:
    """Stores the steps, if there are any: repeating what is done already is no error and changes nothing."""
    if moves and sequence is not None and sequence != case.sequence:
        raise conflict(case, None, f"the case has moved on: you saw {sequence}, it is at {case.sequence}", ())
    if moves:
        moving.take(moves[-1].case, moves, traceparent=call.traceparent)
        moving.save()
        case = moves[-1].case
    return view(case, caller(call), book)


def move(delivery: Runtime, call: Call, name: str, leg_id: str, action: str) -> dict[str, Any]:
    """POST /cases/<case>/legs/<leg>/accept|answer|return|resolve, by the assignee only.

    200 with the case, also when it was done before; 409 with the state and the allowed moves when it can't be.
    """
    who, body = caller(call), _body(call, MoveBody)
    with delivery.work() as work:
        book = books.of(work)
        moving = Moving(work, store.find_ids(work, [name]).values())
        case = locked(moving, name)
        leg = case.leg(leg_id)
        if leg is None:
            raise Problem(404, "No such leg", f"case {case.number} has no leg {leg_id[:64]}")
        if not holds(who, book, leg):
            raise Problem(403, "Not allowed", "only the assignee of a leg can move it")
        if action == "return" and not body.get("note") and leg.state != "returned":
            raise Problem(
                422, "A reason is needed", problems=[FieldProblem("note", "is missing", "why it is returned")]
            )
        try:
            moves = handlers.move(
                action,
                case,
                leg.id,
                who.subject,
                work.now,
                body.get("note"),
                body.get("evidence") or (),
                book,
                work,
            )
        except NotAllowed as error:
            raise conflict(case, leg, str(error), error.allowed) from None
        return done(moving, case, moves, call, book, body.get("sequence"))


def release(delivery: Runtime, call: Call, name: str, leg_id: str) -> dict[str, Any]:
    """POST /cases/<case>/legs/<leg>/release, by the street's desk."""
    who, body = caller(call), call.json_body(ReleaseBody)
    with delivery.work() as work:
        book = books.of(work)
        moving = Moving(work, store.find_ids(work, [name]).values())
        case = locked(moving, name)
        need_desk(who, book, case)
        leg = case.leg(leg_id)
        if leg is None:
            raise Problem(404, "No such leg", f"case {case.number} has no leg {leg_id[:64]}")
        response = book.policy(work.now).response("street")
        try:
            moves = cases.release(case, leg_id, who.subject, work.now, mask(body["reason"]), response)
        except NotAllowed as error:
            raise conflict(case, leg, str(error), error.allowed) from None
        return done(moving, case, moves, call, book, None)


def assign(delivery: Runtime, call: Call, name: str) -> dict[str, Any]:
    """POST /cases/<case>/assignments, by the street's desk (or the county)."""
    who, body = caller(call), call.json_body(AssignBody)
    with delivery.work() as work:
        book = books.of(work)
        moving = Moving(work, store.find_ids(work, [name]).values())
        case = locked(moving, name)
        need_desk(who, book, case)
        to = body["assignee"]
        problems: list[FieldProblem] = []
        main = _offer(book, to["type"], to["id"], "assignee.id", work.now, problems)
        others = [
            _offer(book, "unit", u, "assistants", work.now, problems)
            for u in dict.fromkeys(body.get("assistants") or ())
        ]
        if others and to["type"] != "unit":
            problems.append(
                FieldProblem("assistants", "a person has no assistants", "a unit as the assignee")
            )
        if problems or main is None:
            raise Problem(422, "The assignment is wrong", problems=problems)
        try:
            moves = cases.assign(
                case,
                main,
                [o for o in others if o is not None],
                who.subject,
                work.now,
                mask(body["reason"]),
                leg_id=body.get("leg"),
                ground=body.get("ground"),
            )
        except NotAllowed as error:
            raise conflict(case, case.leg(body.get("leg") or ""), str(error), error.allowed) from None
        return done(moving, case, moves, call, book, body.get("sequence"))


def need_desk(who: Principal, book: Book, case: Case) -> None:
    if "county" not in who.roles and not is_desk(who, book, case.street):
        raise Problem(403, "Not allowed", f"this is for the desk of {case.street} and the county")


def _offer(
    book: Book, type_: str, id_: str, field: str, at: Any, problems: list[FieldProblem]
) -> Offer | None:
    policy = book.policy(at)
    if type_ == "unit":
        if book.directory.unit(id_) is None:
            problems.append(FieldProblem(field, f"there is no unit {id_}", "the code of a member unit"))
            return None
        return Offer(Assignee("unit", id_), "department", 0, policy.response("department"))
    person = book.directory.person(id_)
    if person is None:
        problems.append(FieldProblem(field, f"there is no person {id_}", "the id of a person of a grid"))
        return None
    step = {"leader": 1, "chief": 2}.get(person.role, 0)
    level = "community" if person.role == "chief" else "grid"
    return Offer(Assignee("person", id_), level, step, policy.response(level))
