"""Mediations, wishes on offer, appointments at a service point."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any, Final

from marshmallow import fields

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.redact import mask
from jiayuan.chassis.service import Runtime, http
from jiayuan.chassis.tokens import Principal
from jiayuan.chassis.web import Call
from jiayuan.chassis.work import Work
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.schemas.common import (
    CODE,
    Demand,
    Pattern,
    a_list,
    a_number,
    a_text,
    an_id,
    said,
)
from jiayuan.contracts.times import iso

from .. import book as books
from .. import helping, matching, mediate, reads, store
from ..book import Book
from ..case import Case, NotAllowed
from ..directory.duty import ZONE
from ..moving import Moving
from .common import (
    PRIVATE,
    STAFF,
    caller,
    conflict,
    find,
    find_seen,
    handles,
    holds,
    is_desk,
    mediates,
    need_desk,
    sight_of,
    view,
)
from .moves import DESKS, locked

MEDIATES: Final = (
    "mediator",
    "cadre",
    "volunteer",
    "grid_worker",
    "grid_leader",
    "grid_chief",
    "desk",
    "county",
)
HELPERS: Final = ("volunteer", "cadre", "mediator", "unit_clerk", "grid_worker", "grid_leader", "grid_chief")
MOST: Final = 200
DAY: Final = Pattern(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Due(Demand):
    """Which agreements are to be looked after."""

    until = said(fields.String(validate=DAY), "Those whose day has come by then; today when absent.")
    limit = said(a_number(1, MOST), "How many; 50 when absent.")


class OfferBody(Demand):
    """Whom the desk has a case offered to: `to`, or whoever's means match best."""

    needs = said(
        a_list(a_text(40, required=True), 10), "Skills that are all wanted, in the directory's words."
    )
    languages = a_list(a_text(40, required=True), 5)
    to = said(a_list(an_id(), 10), "Ids of volunteers, cadres or mediators, codes of units.")
    most = said(a_number(1, 10), "To how many; 3 when absent.")
    reason = a_text(500, required=True, least=1)
    sequence = a_number(1)


class PointBody(Demand):
    """An appointment goes to another point; without one, to the nearest with room."""

    point = said(fields.String(allow_none=True, validate=CODE), "The code of a service point.")
    service = a_text(100)
    reason = a_text(500, required=True, least=1)
    sequence = a_number(1)


class VisitsQuery(Demand):
    """Which day."""

    day = said(fields.String(validate=DAY), "Today when absent.")


class MatchQuery(Demand):
    """Whose means would match."""

    need = said(a_text(40, least=1), "A skill, in the directory's words.")


class Helping:
    """The entrypoints."""

    delivery: Any

    @http("GET", "/cases/<string:case>/mediation", roles=STAFF)
    def show_mediation(self, call: Call, case: str) -> Any:
        """The mediation of a dispute: sessions, outcome, agreement."""
        return show_mediation(self.delivery, call, case)

    @http("POST", "/cases/<string:case>/mediation/sessions", roles=MEDIATES)
    def fix_session(self, call: Call, case: str) -> Any:
        """Fixes a session."""
        return fix_session(self.delivery, call, case)

    @http("POST", "/cases/<string:case>/mediation/sessions/<int:number>/outcome", roles=MEDIATES)
    def hold_session(self, call: Call, case: str, number: int) -> Any:
        """Says what came of a session."""
        return hold_session(self.delivery, call, case, number)

    @http("POST", "/cases/<string:case>/mediation/follow-up", roles=MEDIATES)
    def follow_up(self, call: Call, case: str) -> Any:
        """Says whether what was agreed was done."""
        return follow_up(self.delivery, call, case)

    @http("GET", "/mediations/due", roles=DESKS)
    def due(self, call: Call) -> Any:
        """Agreements that are to be looked after."""
        return due(self.delivery, call)

    @http("GET", "/offers", roles=HELPERS)
    def my_offers(self, call: Call) -> Any:
        """What is offered to the caller now, and why to them."""
        return my_offers(self.delivery, call)

    @http("GET", "/cases/<string:case>/offers", roles=STAFF)
    def offers(self, call: Call, case: str) -> Any:
        """Whom a case was offered to, why, and what came of it."""
        return offers(self.delivery, call, case)

    @http("GET", "/cases/<string:case>/matches", roles=DESKS)
    def case_matches(self, call: Call, case: str) -> Any:
        """Whose means match a case, the best first, with the reasons."""
        return case_matches(self.delivery, call, case)

    @http("POST", "/cases/<string:case>/offers", roles=DESKS)
    def offer(self, call: Call, case: str) -> Any:
        """The desk has a case offered to helpers: the first to accept has it."""
        return offer(self.delivery, call, case)

    @http("POST", "/cases/<string:case>/offers/<any(take, decline):action>", roles=HELPERS)
    def take_or_decline(self, call: Call, case: str, action: str) -> Any:
        """A helper takes what was offered, or declines."""
        return take_or_decline(self.delivery, call, case, action)

    @http("POST", "/cases/<string:case>/point", roles=(*DESKS, "grid_worker", "grid_leader", "grid_chief"))
    def move_point(self, call: Call, case: str) -> Any:
        """An appointment goes to another service point."""
        return move_point(self.delivery, call, case)

    @http("GET", "/points/<string:code>/visits", roles=(*DESKS, "grid_worker", "grid_leader", "grid_chief"))
    def visits(self, call: Call, code: str) -> Any:
        """Who comes to a service point on a day."""
        return visits(self.delivery, call, code)


@contextmanager
def _moving(delivery: Runtime, call: Call, name: str) -> Iterator[tuple[Work, Book, Moving, Case, Principal]]:
    """A locked case that the caller may see; what is refused becomes a problem document."""
    who = caller(call)
    with delivery.work() as work:
        book = books.of(work)
        moving = Moving(work, store.find_ids(work, [name]).values())
        case = locked(moving, name)
        sight_of(who, book, case)
        try:
            yield work, book, moving, case, who
        except mediate.Refused as error:
            raise Problem(422, "The request doesn't fit", problems=error.problems) from None
        except NotAllowed as error:
            raise conflict(case, None, str(error), error.allowed) from None


def _fresh(case: Case, body: dict[str, Any]) -> None:
    seen = body.get("sequence")
    if seen is not None and seen != case.sequence:
        raise conflict(case, None, f"the case has moved on: you saw {seen}, it is at {case.sequence}", ())


# -- disputes ----------------------------------------------------------------------------------------


def _need_mediator(who: Principal, book: Book, case: Case) -> None:
    """Whoever holds the dispute, has mediated it, or sits at the desk."""
    if not handles(who, book, case) and not mediates(who, book, case):
        raise Problem(403, "Not allowed", "this is for whoever mediates, and for the desk")


def show_mediation(delivery: Runtime, call: Call, name: str) -> Any:
    """GET /cases/<case>/mediation. 404 when it is no dispute before a mediator."""
    who = caller(call)
    with delivery.work() as work:
        book = books.of(work)
        case, seen = find_seen(work, who, book, name)
        _need_mediator(who, book, case)
        found = mediate.document(work, case)
        reads.note_case(work, who, case, seen, why="mediation")
    if not found:
        raise Problem(404, "No mediation", f"case {case.number} is before no mediator")
    return 200, {"case": case.number, "sequence": case.sequence, **found}, PRIVATE


def fix_session(delivery: Runtime, call: Call, name: str) -> Any:
    """POST …/mediation/sessions: 201 with the mediation."""
    body = call.json_body(mediate.Session)
    with _moving(delivery, call, name) as (work, book, moving, case, who):
        _need_mediator(who, book, case)
        _fresh(case, body)
        number, _ = mediate.fix(work, book, moving, case, who.subject, body)
        after = moving.cases[case.id]
        return 201, {"number": number, "sequence": after.sequence, **mediate.document(work, after)}, PRIVATE


def hold_session(delivery: Runtime, call: Call, name: str, number: int) -> Any:
    """POST …/mediation/sessions/<number>/outcome: 200 with the mediation."""
    body = call.json_body(mediate.Held)
    with _moving(delivery, call, name) as (work, book, moving, case, who):
        _need_mediator(who, book, case)
        _fresh(case, body)
        mediate.hold(work, book, moving, case, number, who.subject, body)
        after = moving.cases[case.id]
        told = {"state": after.state, "sequence": after.sequence, **mediate.document(work, after)}
        return 200, told, PRIVATE


def follow_up(delivery: Runtime, call: Call, name: str) -> Any:
    """POST …/mediation/follow-up: 200 with the mediation; `reopened`: whether the case is open again."""
    body = call.json_body(mediate.FollowUp)
    with _moving(delivery, call, name) as (work, book, moving, case, who):
        _need_mediator(who, book, case)
        again, _ = mediate.follow_up(work, book, moving, case, who.subject, body)
        after = moving.cases[case.id]
        told = {"reopened": again, "state": after.state, "sequence": after.sequence}
        return 200, {**told, **mediate.document(work, after)}, PRIVATE


def due(delivery: Runtime, call: Call) -> Any:
    """GET /mediations/due: the desk's own street, the county's people all."""
    who, query = caller(call), call.query(Due)
    with delivery.work() as work:
        until = _day(query.get("until"), "until") or work.now.astimezone(ZONE).date()
        street = None if "county" in who.roles else who.street
        rows = store.mediations_to_check(work, until, street, query.get("limit") or 50)
    return {"mediations": [_due_row(r) for r in rows]}


def _due_row(row: dict[str, Any]) -> dict[str, Any]:
    keys = ("number", "state", "street", "community", "team", "mediator", "outcome")
    days = {k: str(row[k]) if row[k] else None for k in ("perform_by", "check_on")}
    return {"case": str(row["case_id"]), **{k: row[k] for k in keys}, **days}


def _day(given: str | None, field: str) -> date | None:
    try:
        return date.fromisoformat(given) if given else None
    except ValueError:
        problem = FieldProblem(field, f"is {given}", "a day of the calendar, such as 2026-03-02")
        raise Problem(422, "The query breaks the schema", problems=[problem]) from None


# -- wishes ------------------------------------------------------------------------------------------


def my_offers(delivery: Runtime, call: Call) -> Any:
    """GET /offers: of a unit's clerk the unit's."""
    who = caller(call)
    helper = who.unit if "unit_clerk" in who.roles else who.subject
    with delivery.work() as work:
        rows = store.offers_to(work, helper, MOST)
    keys = ("id", "number", "title", "category", "street", "community", "grid", "first_received_at")
    told = [
        {
            "leg": str(r["leg"]),
            "score": r["score"],
            "reasons": r["reasons"],
            "offered_at": iso(r["offered_at"]),
            "lapses_at": iso(r["offered_at"] + timedelta(seconds=r["lapses"])),
            "case": {k: r["state_doc"].get(k) for k in keys},
        }
        for r in rows
    ]
    return 200, {"offers": told}, PRIVATE


def offers(delivery: Runtime, call: Call, name: str) -> Any:
    """GET /cases/<case>/offers: all of them for the desk, the county and whoever is above; a helper's own."""
    who = caller(call)
    with delivery.work() as work:
        book = books.of(work)
        case, seen = find_seen(work, who, book, name)
        rows = store.offers_of(work, case.id)
        reads.note_case(work, who, case, seen, why="offers")
        if not seen.notes:
            rows = [r for r in rows if r["helper"] in (who.subject, who.unit)]
        people = book.directory
        told = [
            {
                "helper": r["helper"],
                "type": r["type"],
                "leg": str(r["leg"]),
                "round": r["round"],
                "score": r["score"],
                "reasons": r["reasons"],
                "state": r["state"],
                "offered_at": iso(r["offered_at"]),
                "lapses_at": iso(r["offered_at"] + timedelta(seconds=r["lapses"])),
            }
            for r in rows
        ]
        wanted = store.wish_of(work, case.id) or {}
        names = {r["helper"]: people.people[r["helper"]].name for r in rows if r["helper"] in people.people}
    return 200, {"case": case.number, "wanted": wanted, "offers": told, "names": names}, PRIVATE


def case_matches(delivery: Runtime, call: Call, name: str) -> Any:
    """GET /cases/<case>/matches?need=…: the 20 best, nobody is asked."""
    who, query = caller(call), call.query(MatchQuery)
    with delivery.work() as work:
        book = books.of(work)
        case = find(work, name)
        need_desk(who, book, case)
        return 200, {"case": case.number, "matches": matched(work, book, case, query.get("need"))}, PRIVATE


def matched(work: Work, book: Book, case: Case, need: str | None = None) -> list[dict[str, Any]]:
    """Whose means match a case, as they would be asked now."""
    want = matching.wanted_from(store.wish_of(work, case.id) or {})
    if need:
        want = matching.Wanted(((need,),), want.languages, want.times)
    rotation = book.rotation
    found = matching.matches(
        book.directory,
        want,
        helping.where_of(case),
        work.now,
        load=rotation.load,
        last=rotation.last_given,
        category=case.category["code"],
        without=[o["id"] for o in case.offered_to],
    )
    return [
        {"id": m.id, "type": m.type, "role": m.role, "score": m.score, "reasons": list(m.reasons)}
        for m in found[:20]
    ]


def offer(delivery: Runtime, call: Call, name: str) -> Any:
    """POST /cases/<case>/offers: 201 with the case; 409 when somebody has accepted it."""
    body = call.json_body(OfferBody)
    with _moving(delivery, call, name) as (work, book, moving, case, who):
        need_desk(who, book, case)
        _fresh(case, body)
        to = list(dict.fromkeys(body.get("to") or ()))
        problems = [
            FieldProblem("to", f"there is nobody {i}, or not on duty", "helpers on duty, and units")
            for i in to
            if not (book.staff.on_duty(i, work.now) or book.directory.unit(i) is not None)
        ]
        known = matching.wanted_from(store.wish_of(work, case.id) or {})
        needs = tuple((n,) for n in body.get("needs") or ()) or known.needs
        want = matching.Wanted(needs, tuple(body.get("languages") or ()) or known.languages, known.times)
        if problems:
            raise mediate.Refused(*problems)
        moves = helping.offered(
            work, book, case, want, who.subject, mask(body["reason"]), to, body.get("most")
        )
        if not moves:
            raise mediate.Refused(
                FieldProblem("needs", "nobody's means match", "other skills, or `to` with ids of helpers")
            )
        moving.take(moves[-1].case, moves, traceparent=call.traceparent)
        moving.save()
        return 201, view(moving.cases[case.id], who, book, at=work.now), PRIVATE


def take_or_decline(delivery: Runtime, call: Call, name: str, action: str) -> Any:
    """POST /cases/<case>/offers/take|decline: 200 with the case; 409 with the state when somebody was faster."""
    from .moves import do

    who = caller(call)
    with delivery.work() as work:
        book = books.of(work)
        case = find(work, name)
        legs = [leg for leg in case.legs if holds(who, book, leg)]
    if not legs:
        raise Problem(403, "Not allowed", "this case was not offered to you")
    return do(delivery, call, name, "accept" if action == "take" else "return", leg=legs[-1].id)


# -- appointments ------------------------------------------------------------------------------------


def move_point(delivery: Runtime, call: Call, name: str) -> Any:
    """POST /cases/<case>/point: 200 with the case; 409 when nothing has room."""
    body = call.json_body(PointBody)
    with _moving(delivery, call, name) as (work, book, moving, case, who):
        if not handles(who, book, case):
            raise Problem(403, "Not allowed", "this is for whoever holds the appointment, and for the desk")
        _fresh(case, body)
        code = body.get("point")
        if code and code not in book.directory.points:
            raise mediate.Refused(
                FieldProblem("point", f"there is no service point {code}", "a service point's code")
            )
        moves = helping.other_point(
            work, book, case, code, body.get("service") or "", who.subject, mask(body["reason"])
        )
        moving.take(moves[-1].case, moves, traceparent=call.traceparent)
        moving.save()
        return 200, view(moving.cases[case.id], who, book, at=work.now), PRIVATE


def visits(delivery: Runtime, call: Call, code: str) -> Any:
    """GET /points/<code>/visits?day=: for the desk of its street, the county, and the people of its community."""
    who, query = caller(call), call.query(VisitsQuery)
    with delivery.work() as work:
        book = books.of(work)
        point = book.directory.points.get(code)
        if point is None:
            raise Problem(404, "No such service point", f"there is no service point {code[:64]}")
        person = book.directory.person(who.subject)
        here = person is not None and bool(point.community) and person.community == point.community
        if not (here or is_desk(who, book, point.street)):
            raise Problem(
                403, "Not allowed", "this is for the people of the point's community and its street's desk"
            )
        day = _day(query.get("day"), "day") or work.now.astimezone(ZONE).date()
        rows = store.visits_at(work, code, day)
        room = helping.room(work, point, day)
    told = [
        {
            "case": r["case"],
            "state": r["state"],
            "service": r["service"],
            "starts_at": iso(r["starts_at"]) if r["starts_at"] else None,
            "title": r["state_doc"]["title"],
        }
        for r in rows
    ]
    return 200, {"point": code, "name": point.name, "day": str(day), "room": room, "visits": told}, PRIVATE
