"""Cases and legs, read."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.service import Runtime, http
from jiayuan.chassis.tokens import Principal
from jiayuan.chassis.web import Call
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.schemas.common import LEG_STATES
from jiayuan.contracts.times import iso, parse

from .. import book as books
from .. import case as cases
from .. import store
from ..book import Book
from ..case import Assignee
from .common import SEE_ALL, STAFF, caller, may_see, view

MOST_LEGS: Final = 200


class Cases:
    """The entrypoints."""

    delivery: Any

    @http("GET", "/cases/<string:case>", roles=STAFF)
    def show(self, call: Call, case: str) -> Any:
        """A case by id or number, with its steps."""
        return show(self.delivery, call, case)

    @http("GET", "/cases", roles=STAFF)
    def of_report(self, call: Call) -> Any:
        """The case that a report is in."""
        return of_report(self.delivery, call)

    @http("GET", "/legs", roles=STAFF)
    def legs(self, call: Call) -> Any:
        """What the caller has been given; the county's people see everybody's too."""
        return legs(self.delivery, call)


def show(delivery: Runtime, call: Call, name: str) -> dict[str, Any]:
    """GET /cases/<id or number>. 404 when there is none, 403 when it isn't the caller's to see."""
    who = caller(call)
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
    who = caller(call)
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
