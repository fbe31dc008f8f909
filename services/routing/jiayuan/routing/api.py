"""HTTP: who may see and do what, and what they are answered."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from marshmallow import fields, validate

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.redact import mask
from jiayuan.chassis.service import Runtime
from jiayuan.chassis.tokens import Principal
from jiayuan.chassis.web import Call
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.schemas.common import LEG_STATES, Demand, a_list, a_number, a_text, an_id
from jiayuan.contracts.times import iso, parse

from . import book as books
from . import case as cases
from . import handlers, store
from .book import Book
from .case import Assignee, Case, Leg, Moves, NotAllowed, Offer
from .directory import Grid
from .policy import GROUNDS

SEE_ALL: Final = ("county", "operator", "service")
MOST_LEGS: Final = 200


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


# -- rights ------------------------------------------------------------------------------------------


def is_desk(who: Principal, book: Book, street: str) -> bool:
    """Whether the caller sits at the desk of a street; the county's people sit at the county's."""
    if "county" in who.roles and street == book.directory.county_street:
        return True
    return "desk" in who.roles and who.street == street


def holds(who: Principal, book: Book, leg: Leg) -> bool:
    """Whether the caller is a leg's assignee."""
    if leg.assignee.type == "person":
        return leg.assignee.id == who.subject and any(r.startswith("grid_") for r in who.roles)
    if leg.assignee.type == "unit":
        return "unit_clerk" in who.roles and leg.assignee.id == who.unit
    return is_desk(who, book, leg.assignee.id.removeprefix("desk-"))


def may_see(who: Principal, book: Book, case: Case) -> bool:
    """Everybody with a leg; a street's desk its street; leaders and chiefs their community; the county all."""
    if set(who.roles) & set(SEE_ALL) or is_desk(who, book, case.street):
        return True
    if any(holds(who, book, leg) for leg in case.legs):
        return True
    person = book.directory.person(who.subject)
    heads = {"grid_leader", "grid_chief"} & set(who.roles)
    return bool(heads) and person is not None and person.community == case.community


def _who(call: Call) -> Principal:
    assert call.who is not None  # the entrypoint names roles
    return call.who


# -- answers -----------------------------------------------------------------------------------------


def view(case: Case, who: Principal, book: Book) -> dict[str, Any]:
    """The case as the caller gets it, with the moves that the caller has on each of their legs."""
    mine = {leg.id: list(_moves(case, leg)) for leg in case.legs if leg.live and holds(who, book, leg)}
    return {
        "sequence": case.sequence,
        "case": cases.document(case),
        "assignees": {leg.assignee.id: book.directory.label(leg.assignee) for leg in case.legs},
        "moves": mine,
    }


def _moves(case: Case, leg: Leg) -> tuple[str, ...]:
    return cases.moves_of(leg) if case.state not in (*cases.OVER, "resolved") else ()


def _conflict(case: Case, leg: Leg | None, why: str, allowed: tuple[str, ...]) -> Problem:
    return Problem(
        409,
        "Not allowed in this state",
        why,
        state=case.state,
        sequence=case.sequence,
        leg_state=leg.state if leg is not None else None,
        allowed=list(allowed),
    )


# -- reading -----------------------------------------------------------------------------------------


def show(delivery: Runtime, call: Call, name: str) -> dict[str, Any]:
    """GET /cases/<id or number>. 404 when there is none, 403 when it isn't the caller's to see."""
    who = _who(call)
    with delivery.work() as work:
        book = books.of(work)
        case = store.read_case(work, name)
        if case is None:
            raise Problem(404, "No such case", f"there is no case {name[:64]}")
        if not may_see(who, book, case):
            raise Problem(403, "Not allowed", "you have no part in this case")
        steps = [
            {
                "sequence": s.sequence,
                "action": s.action,
                "actor": s.actor,
                "at": iso(s.at),
                "leg": str(s.leg) if s.leg else None,
                "reason": s.reason,
                "evidence": s.evidence or [],
            }
            for s in store.steps(work, case.id)
        ]
        return {**view(case, who, book), "steps": steps}


def of_report(delivery: Runtime, call: Call) -> dict[str, Any]:
    """GET /cases?report=ID: the case that a report is in, as `show`."""
    report = call.args.get("report", "")
    if not 0 < len(report) <= 128 or "\x00" in report:
        problem = FieldProblem("report", "is missing or too long", "the id of a report, 1 to 128 characters")
        raise Problem(422, "The query is wrong", problems=[problem])
    with delivery.work() as work:
        found = store.cases_of_reports(work, [report])
    if not found:
        raise Problem(404, "No such case", f"there is no case of report {report[:64]}")
    return show(delivery, call, found[report])


def legs(delivery: Runtime, call: Call) -> dict[str, Any]:
    """GET /legs?state=offered&limit=50: the caller's legs, the oldest first; live ones when no state is given.

    `of=county`: everybody's, for the county's people. `after`: only those that were offered later than that time;
    with `after_leg` (the last leg of the page before) also the others of the same time.
    """
    who = _who(call)
    everybody = call.args.get("of") == "county"
    if everybody and not set(who.roles) & set(SEE_ALL):
        raise Problem(403, "Not allowed", "the legs of the whole county are for the county's people")
    states = call.args.getlist("state") or list(cases.LIVE)
    unknown = [s for s in states if s not in LEG_STATES]
    limit = call.args.get("limit", "50")
    problems = [FieldProblem("state", f"is {s!r:.40}", ", ".join(LEG_STATES)) for s in unknown]
    if not limit.isascii() or not limit.isdigit() or not 1 <= int(limit[:6]) <= MOST_LEGS:
        problems.append(FieldProblem("limit", f"is {limit!r:.40}", f"1 to {MOST_LEGS}"))
    after = _time(call.args.get("after"), problems)
    after_leg = call.args.get("after_leg")
    if after_leg is not None and not store.is_uuid(after_leg):
        problems.append(FieldProblem("after_leg", f"is {after_leg!r:.40}", "the id of a leg"))
    if problems:
        raise Problem(422, "The query is wrong", problems=problems)
    with delivery.work() as work:
        assignee = None if everybody else _assignee(who, books.of(work)).id
        rows = store.open_legs(work, assignee, states, int(limit), after, after_leg)
        return {"legs": [_leg_view(row) for row in rows]}


def _time(given: str | None, problems: list[FieldProblem]) -> datetime | None:
    if not given:
        return None
    try:
        return parse(given)
    except ValueError:
        problems.append(FieldProblem("after", f"is {given!r:.40}", "an RFC 3339 date-time with an offset"))
        return None


def _assignee(who: Principal, book: Book) -> Assignee:
    if "unit_clerk" in who.roles:
        return Assignee("unit", who.unit)
    if "desk" in who.roles:
        return Assignee("desk", f"desk-{who.street}")
    if "county" in who.roles:
        return Assignee("desk", f"desk-{book.directory.county_street}")
    return Assignee("person", who.subject)


def _leg_view(row: Any) -> dict[str, Any]:
    doc = row.state_doc
    leg = next(leg for leg in doc["legs"] if leg["id"] == str(row.id))
    keys = ("id", "number", "state", "title", "kind", "category", "colour", "street", "community", "grid")
    return {"leg": leg, "sequence": row.sequence, "case": {k: doc.get(k) for k in keys}}


def grid(delivery: Runtime, _call: Call, code: str) -> dict[str, Any]:
    """GET /directory/grids/<code>: a grid, or a community as the grid at the top, with its people."""
    with delivery.work() as work:
        directory = books.of(work).directory
    found: Any = directory.grids.get(code) or directory.places.get(code)
    if found is None:
        raise Problem(404, "No such grid", f"there is no grid {code[:64]}")
    people = [p for p in directory.people.values() if p.grid == code and p.active]
    out = {"code": found.code, "name": found.name, "kind": found.kind, "parent": found.parent}
    if isinstance(found, Grid):
        out |= {"community": found.community, "street": found.street, "party_group": found.party_group}
        out["functions"] = list(found.functions)
    out["people"] = [{"id": p.id, "name": p.name, "role": p.role} for p in people]
    out["children"] = sorted(
        [g.code for g in directory.grids.values() if g.parent == code]
        + [p.code for p in directory.places.values() if p.parent == code]
    )
    return out


def units(delivery: Runtime, _call: Call) -> dict[str, Any]:
    """GET /directory/units."""
    with delivery.work() as work:
        directory = books.of(work).directory
    keys = ("code", "name", "kind", "member", "clerk", "system")
    rows = [
        {k: getattr(u, k) for k in keys} | {"duties": list(u.duties)}
        for u in sorted(directory.units.values(), key=lambda u: u.code)
        if u.active
    ]
    return {"units": rows}


# -- moving ------------------------------------------------------------------------------------------


def _locked(moving: handlers.Moving, name: str) -> Case:
    if not moving.cases:
        raise Problem(404, "No such case", f"there is no case {name[:64]}")
    return next(iter(moving.cases.values()))


def _body(call: Call, schema: type[Demand]) -> dict[str, Any]:
    return call.json_body(schema) if call.get_data() else {}


def _done(
    moving: handlers.Moving, case: Case, moves: Moves, call: Call, book: Book, sequence: int | None
) -> dict[str, Any]:
    """Stores the steps, if there are any: repeating what is done already is no error and changes nothing."""
    if moves and sequence is not None and sequence != case.sequence:
        raise _conflict(
            case, None, f"the case has moved on: you saw {sequence}, it is at {case.sequence}", ()
        )
    if moves:
        moving.take(moves[-1].case, moves, traceparent=call.traceparent)
        moving.save()
        case = moves[-1].case
    return view(case, _who(call), book)


def move(delivery: Runtime, call: Call, name: str, leg_id: str, action: str) -> dict[str, Any]:
    """POST /cases/<case>/legs/<leg>/accept|answer|return|resolve, by the assignee only.

    200 with the case, also when it was done before; 409 with the state and the allowed moves when it can't be.
    """
    who, body = _who(call), _body(call, MoveBody)
    with delivery.work() as work:
        book = books.of(work)
        moving = handlers.Moving(work, store.find_ids(work, [name]).values())
        case = _locked(moving, name)
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
            )
        except NotAllowed as error:
            raise _conflict(case, leg, str(error), error.allowed) from None
        return _done(moving, case, moves, call, book, body.get("sequence"))


def release(delivery: Runtime, call: Call, name: str, leg_id: str) -> dict[str, Any]:
    """POST /cases/<case>/legs/<leg>/release, by the street's desk."""
    who, body = _who(call), call.json_body(ReleaseBody)
    with delivery.work() as work:
        book = books.of(work)
        moving = handlers.Moving(work, store.find_ids(work, [name]).values())
        case = _locked(moving, name)
        _need_desk(who, book, case)
        leg = case.leg(leg_id)
        if leg is None:
            raise Problem(404, "No such leg", f"case {case.number} has no leg {leg_id[:64]}")
        response = book.policy(work.now).response("street")
        try:
            moves = cases.release(case, leg_id, who.subject, work.now, mask(body["reason"]), response)
        except NotAllowed as error:
            raise _conflict(case, leg, str(error), error.allowed) from None
        return _done(moving, case, moves, call, book, None)


def assign(delivery: Runtime, call: Call, name: str) -> dict[str, Any]:
    """POST /cases/<case>/assignments, by the street's desk (or the county)."""
    who, body = _who(call), call.json_body(AssignBody)
    with delivery.work() as work:
        book = books.of(work)
        moving = handlers.Moving(work, store.find_ids(work, [name]).values())
        case = _locked(moving, name)
        _need_desk(who, book, case)
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
            raise _conflict(case, case.leg(body.get("leg") or ""), str(error), error.allowed) from None
        return _done(moving, case, moves, call, book, body.get("sequence"))


def _need_desk(who: Principal, book: Book, case: Case) -> None:
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
    step = {"worker": 0, "leader": 1, "chief": 2}[person.role]
    level = "community" if person.role == "chief" else "grid"
    return Offer(Assignee("person", id_), level, step, policy.response(level))
