"""Cases and legs, read: one case with its steps, and worklists."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from marshmallow import fields, validate

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.service import Runtime, http
from jiayuan.chassis.tokens import Principal
from jiayuan.chassis.web import Call
from jiayuan.chassis.work import Work
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.schemas.common import (
    CASE_STATES,
    COLOURS,
    KINDS,
    LEG_STATES,
    Demand,
    a_code,
    a_date,
    a_number,
    a_word,
    an_id,
    said,
)
from jiayuan.contracts.times import iso, parse

from .. import book as books
from .. import case as cases
from .. import reads, store, visibility
from ..book import Book
from ..case import Assignee
from ..store.worklists import Key, Wanted, is_over
from .common import PRIVATE, SEE_ALL, STAFF, caller, etag, find_seen, view

MOST_LEGS: Final = 200


class Why(Demand):
    """Why the caller looks; kept with the reading."""

    why = said(fields.String(validate=validate.Length(max=200)), "Why you look; kept in the read log.")


class CasesQuery(Why):
    """Which cases. `report` asks for the one case that a report is in, with everything of it."""

    report = said(an_id(required=False), "The id of a report: the case that it is in, as GET /cases/<case>.")
    street = said(a_code(), "The code of a street.")
    community = said(a_code(), "The code of a community.")
    state = said(
        fields.List(fields.String(validate=validate.OneOf(CASE_STATES)), validate=validate.Length(max=8)),
        "States, all of open cases or all of cases that are over; open ones when absent.",
    )
    colour = said(
        fields.List(fields.String(validate=validate.OneOf(COLOURS)), validate=validate.Length(max=5)),
        "Colours 分色.",
    )
    kind = said(a_word(KINDS, required=False), "What sort of report it came from.")
    category = said(a_code(), "A code of the catalogue of matters.")
    unit = said(an_id(required=False), "The code of a unit that holds a leg.")
    leg_state = said(
        fields.List(fields.String(validate=validate.OneOf(LEG_STATES)), validate=validate.Length(max=8)),
        "With unit: states of its leg; live ones when absent.",
    )
    approvals = said(a_word(("overdue",), required=False), "Those in which an approval is overdue.")
    limit = said(a_number(1, MOST_LEGS), "Cases a page; 50 when absent.")
    cursor = said(
        fields.String(validate=validate.Length(min=1, max=200)), "`next` of the page before, as it was."
    )


class LegsQuery(Demand):
    """Which legs."""

    state = said(
        fields.List(fields.String(validate=validate.OneOf(LEG_STATES)), validate=validate.Length(max=8)),
        "States; live ones when absent.",
    )
    of = said(a_word(("county",), required=False), "Everybody's legs, for the county's people.")
    limit = said(a_number(1, MOST_LEGS), "Legs a page; 50 when absent.")
    after = said(a_date(), "Only those that were offered later.")
    after_leg = said(fields.UUID(), "With after: also those of the same time that come after this leg.")


class ApprovalsQuery(Demand):
    """Which approvals that wait."""

    of = said(an_id(required=False), "Who has to decide: a desk or a convener.")
    asked = said(a_word(("mine",), required=False), "What the caller has asked for.")
    street = said(a_code(), "The code of a street.")
    kind = said(fields.String(validate=validate.Length(max=40)), "return, extension, pause, void or refusal.")
    overdue = said(fields.Boolean(truthy={True}, falsy={False}), "Only those that should be decided by now.")
    limit = said(a_number(1, MOST_LEGS), "Approvals a page; 50 when absent.")
    cursor = said(
        fields.String(validate=validate.Length(min=1, max=200)), "`next` of the page before, as it was."
    )


class Cases:
    """The entrypoints."""

    delivery: Any

    @http("GET", "/cases/<string:case>", roles=STAFF)
    def show(self, call: Call, case: str) -> Any:
        """A case by id or number, with its steps, as far as the caller may see it."""
        return show(self.delivery, call, case, call.query(Why).get("why") or "")

    @http("GET", "/cases", roles=STAFF)
    def list_cases(self, call: Call) -> Any:
        """The cases that the caller may see, page by page; or the case that a report is in."""
        return listing(self.delivery, call)

    @http("GET", "/legs", roles=STAFF)
    def legs(self, call: Call) -> Any:
        """What the caller has been given; the county's people see everybody's too."""
        return legs(self.delivery, call)

    @http("GET", "/approvals", roles=STAFF)
    def list_approvals(self, call: Call) -> Any:
        """What was asked for and waits for whom."""
        return approvals(self.delivery, call)


# -- one case ----------------------------------------------------------------------------------------


def show(delivery: Runtime, call: Call, name: str, why: str = "") -> Any:
    """GET /cases/<id or number>. 404 when there is none, 403 when it isn't the caller's to see."""
    who = caller(call)
    with delivery.work() as work:
        found, sequence = read(work, who, name, why)
    return 200, found, {"ETag": sequence, **PRIVATE}


def read(
    work: Work, who: Principal, name: str, why: str = "", via: str = "http", operator: str = ""
) -> tuple[dict[str, Any], str]:
    """A case with its steps as `who` may see it, and its entity tag; the reading is noted."""
    book = books.of(work)
    case, seen = find_seen(work, who, book, name)
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
    legs_ = [cases.leg_document(leg) for leg in case.legs]
    reads.note_case(work, who, case, seen, why=why, via=via, operator=operator)
    return {**view(case, who, book, seen, at=work.now), "steps": visibility.steps(steps, legs_, seen)}, etag(
        case
    )


# -- cases, page by page -----------------------------------------------------------------------------


def listing(delivery: Runtime, call: Call) -> Any:
    """GET /cases?…: see `CasesQuery`. Nothing in a list leads to a reporter, so that lists aren't kept as readings."""
    who, query = caller(call), call.query(CasesQuery)
    if query.get("report"):
        with delivery.work() as work:
            found = store.cases_of_reports(work, [query["report"]])
        if not found:
            raise Problem(404, "No such case", f"there is no case of report {query['report'][:64]}")
        return show(delivery, call, found[query["report"]], query.get("why") or "")
    with delivery.work() as work:
        return 200, page(work, who, query), PRIVATE


def page(work: Work, who: Principal, query: Mapping[str, Any]) -> dict[str, Any]:
    """A page of the cases that `who` may see; Problem 403 for what isn't theirs, 422 for what can't be asked."""
    book, limit = books.of(work), query.get("limit") or 50
    states = query.get("state") or []
    over = is_over(states)
    if not over and set(states) & set(cases.OVER):
        raise wrong("state", "mixes open cases with those that are over", "either or")
    wanted = Wanted(
        over=over,
        street=query.get("street"),
        community=query.get("community"),
        states=states,
        colours=query.get("colour") or [],
        kind=query.get("kind"),
        category=query.get("category"),
        assignee=query.get("unit"),
        legs=query.get("leg_state") or cases.LIVE,
        overdue=work.now if query.get("approvals") else None,
    )
    wanted = _within(who, book, wanted)
    rows = store.cases_page(work, wanted, _key(query.get("cursor")), limit + 1)
    whole = bool({"county", "desk", "convener", "inspector"} & set(who.roles))
    return {
        "cases": [_item(row, who, book, whole) for row in rows[:limit]],
        "next": _cursor(rows[limit - 1].key, rows[limit - 1].row) if len(rows) > limit else None,
    }


def _within(who: Principal, book: Book, wanted: Wanted) -> Wanted:
    """What is asked for, kept within what the caller may see: the county all, a street its own, others theirs."""
    from dataclasses import replace

    if set(who.roles) & set(SEE_ALL) or ("inspector" in who.roles and not who.street):
        return wanted
    if {"desk", "convener", "inspector"} & set(who.roles):
        if wanted.street not in (None, who.street):
            raise Problem(403, "Not allowed", f"you see the cases of {who.street}")
        return replace(wanted, street=who.street)
    person = book.directory.person(who.subject)
    if {"grid_leader", "grid_chief"} & set(who.roles) and person is not None and not wanted.assignee:
        if wanted.community not in (None, person.community) or wanted.street not in (None, person.street):
            raise Problem(403, "Not allowed", f"you see the cases of {person.community}")
        return replace(wanted, street=person.street, community=person.community)
    mine = assignee_of(who, book).id
    if wanted.assignee not in (None, mine):
        raise Problem(403, "Not allowed", f"you see the cases of {mine}")
    return replace(wanted, assignee=mine)


_ITEM: Final = (
    "id",
    "number",
    "state",
    "title",
    "kind",
    "category",
    "livelihood",
    "colour",
    "level",
    "street",
    "community",
    "grid",
    "first_received_at",
    "opened_at",
    "resolved_at",
    "closed_at",
    "emergency",
)


def _item(row: Any, who: Principal, book: Book, whole: bool) -> dict[str, Any]:
    """A case in a list: what it is and where it stands. No reports, no notes: nothing that leads to a person."""
    doc = row.state_doc
    legs_ = [leg for leg in doc["legs"] if leg["state"] in cases.LIVE]
    if not whole and "unit_clerk" in who.roles:
        legs_ = [leg for leg in legs_ if leg["kind"] in ("lead", "assist")]
    return {
        "case": {k: doc.get(k) for k in _ITEM},
        "sequence": row.sequence,
        "reports": len(doc["reports"]),
        "urged": len(doc.get("urged") or ()),
        "supervised": any(not s.get("ended_at") for s in doc.get("supervised") or ()),
        "paused": _paused(doc),
        "waiting": [a["kind"] for a in doc.get("approvals") or () if not a.get("decided_at")],
        "legs": [
            {
                "id": leg["id"],
                "kind": leg["kind"],
                "assignee": leg["assignee"],
                "name": book.directory.label(Assignee(**leg["assignee"])),
                "state": leg["state"],
                "offered_at": leg["offered_at"],
            }
            for leg in legs_
        ],
    }


def _paused(doc: Mapping[str, Any]) -> bool:
    return any(not p.get("end") for p in doc.get("pauses") or ())


def _cursor(time: Any, row: str) -> str:
    return base64.urlsafe_b64encode(f"{iso(time)} {row}".encode()).decode().rstrip("=")


def _key(cursor: str | None) -> Key | None:
    if not cursor:
        return None
    try:
        raw = base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4))
        time, _, row = raw.decode().partition(" ")
        if not store.is_uuid(row):
            raise ValueError(row)
        return parse(time).astimezone(UTC), row
    except (ValueError, OverflowError, binascii.Error):
        raise wrong("cursor", "is no cursor of ours", "`next` of the page before") from None


def in_utc(given: str | None) -> datetime | None:
    """A time of a query for PostgreSQL, which takes no offset beyond 15:59."""
    return parse(given).astimezone(UTC) if given else None


def wrong(field: str, problem: str, allowed: str) -> Problem:
    """A query that can't be answered."""
    return Problem(422, "The query is wrong", problems=[FieldProblem(field, problem, allowed)])


# -- legs --------------------------------------------------------------------------------------------


def legs(delivery: Runtime, call: Call) -> Any:
    """GET /legs?state=offered&limit=50: the caller's legs, the oldest first; live ones when no state is given.

    `of=county`: everybody's, for the county's people. `after`: only those that were offered later than that time;
    with `after_leg` (the last leg of the page before) also the others of the same time.
    """
    who, query = caller(call), call.query(LegsQuery)
    everybody = query.get("of") == "county"
    if everybody and not set(who.roles) & set(SEE_ALL):
        raise Problem(403, "Not allowed", "the legs of the whole county are for the county's people")
    after = in_utc(query.get("after"))
    with delivery.work() as work:
        assignee = None if everybody else assignee_of(who, books.of(work)).id
        rows = store.open_legs(
            work,
            assignee,
            query.get("state") or cases.LIVE,
            query.get("limit") or 50,
            after,
            query.get("after_leg"),
        )
        return 200, {"legs": [_leg_view(row) for row in rows]}, PRIVATE


def assignee_of(who: Principal, book: Book) -> Assignee:
    """As whom the caller is given legs."""
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


# -- approvals ---------------------------------------------------------------------------------------


def approvals(delivery: Runtime, call: Call) -> Any:
    """GET /approvals?…: see `ApprovalsQuery`."""
    who, query = caller(call), call.query(ApprovalsQuery)
    with delivery.work() as work:
        return 200, waiting(work, who, query), PRIVATE


def waiting(work: Work, who: Principal, query: Mapping[str, Any]) -> dict[str, Any]:
    """A page of what waits: for a desk or a convener theirs, for the county all, for others what they asked for."""
    book, limit = books.of(work), query.get("limit") or 50
    of: list[str] | None = [query["of"]] if query.get("of") else None
    asked_by = who.subject if query.get("asked") else None
    street = query.get("street")
    if asked_by is None and not set(who.roles) & set(SEE_ALL):
        if not {"desk", "convener"} & set(who.roles):
            asked_by = who.subject
        elif street not in (None, who.street):
            raise Problem(403, "Not allowed", f"you see what waits in {who.street}")
        else:
            street = who.street
    rows = store.approvals_page(
        work,
        of=of,
        asked_by=asked_by,
        street=street,
        kind=query.get("kind"),
        overdue=work.now if query.get("overdue") else None,
        after=_key(query.get("cursor")),
        limit=limit + 1,
    )
    return {
        "approvals": [_approval(row, work, book) for row in rows[:limit]],
        "next": _cursor(rows[limit - 1].asked_at, rows[limit - 1].id) if len(rows) > limit else None,
    }


def _approval(row: Any, work: Work, book: Book) -> dict[str, Any]:
    doc = row.state_doc
    asked: Mapping[str, Any] = next((a for a in doc.get("approvals") or () if a["id"] == row.id), {})
    return {
        "id": row.id,
        "kind": row.kind,
        "leg": str(row.leg) if row.leg else None,
        "of": row.of,
        "asked_by": row.asked_by,
        "asked_at": iso(row.asked_at),
        "due_at": iso(row.due_at) if row.due_at else None,
        "overdue": bool(row.due_at and row.due_at < work.now),
        "reason": asked.get("reason"),
        "seconds": asked.get("seconds"),
        "until": asked.get("until"),
        "sequence": row.sequence,
        "case": {k: doc.get(k) for k in _ITEM},
        "legs": [
            {
                "id": leg["id"],
                "kind": leg["kind"],
                "assignee": leg["assignee"],
                "name": book.directory.label(Assignee(**leg["assignee"])),
                "state": leg["state"],
                "offered_at": leg["offered_at"],
            }
            for leg in doc["legs"]
            if leg["id"] == (str(row.leg) if row.leg else None)
        ],
    }
