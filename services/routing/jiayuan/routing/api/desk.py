"""What the desk decides about a case: what it is about and where it is, and its colour. HTTP and the command line."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from marshmallow import fields, validate

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.redact import mask
from jiayuan.chassis.service import Runtime, http
from jiayuan.chassis.web import Call
from jiayuan.chassis.work import Work
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.schemas.common import COLOURS, Demand, a_code, a_list, a_number, a_text, an_id, said
from jiayuan.contracts.times import iso, parse

from .. import book as books
from .. import case as cases
from .. import catalogue, deciding, enacting, store
from .. import explain as explaining
from ..acting import Act, To, act, actor_of, offer
from ..book import Book
from ..case import Case, NotAllowed, Offer
from ..correcting import Again, Correction
from ..moving import Moving
from ..policy import GROUNDS
from .common import PRIVATE, caller, conflict, is_desk, need_desk, view
from .moves import DESKS, locked

METHOD: Final = "desk"
MOST: Final = 200
Allowed = Callable[[Book, Case], None]


class ColourBody(Demand):
    """Another colour, and why. `sequence`: the version of the case that was looked at, to refuse an old view."""

    colour = said(fields.String(required=True, validate=validate.OneOf(COLOURS)), "分色")
    reason = said(a_text(500, required=True, least=1), "Kept, and told to whoever handles it.")
    sequence = a_number(1)


class TriageBody(Demand):
    """What the desk decides: all that is left out stays. Without `assignee` the case goes where the policy says."""

    category = said(a_code(), "What it is about: a code of the catalogue.")
    place = said(a_code(), "Where it is: the code of a street, a community or a grid.")
    assignee = fields.Nested(To, allow_none=True)
    assistants = a_list(an_id(), 20)
    ground = fields.String(allow_none=True, validate=validate.OneOf(GROUNDS))
    reason = a_text(500, required=True, least=1)
    sequence = a_number(1)


class TriageQuery(Demand):
    """Whose cases, page by page."""

    street = said(a_code(), "Of one street, for the county's people; a desk sees its own.")
    limit = said(a_number(1, MOST), "Cases a page; 50 when absent.")
    cursor = said(
        fields.String(validate=validate.Length(min=1, max=200)), "`next` of the page before, as it was."
    )


class DeskPages:
    """The entrypoints."""

    delivery: Any

    @http("POST", "/cases/<string:case>/colour", roles=(*DESKS, "convener"))
    def colour(self, call: Call, case: str) -> Any:
        """The desk gives a case another colour, with a reason; limits follow."""
        body, who = call.json_body(ColourBody), caller(call)
        words = {"colour": body["colour"], "reason": body["reason"]}
        with self.delivery.work() as work:
            book = books.of(work)
            what = Act(case, "recolour", words=words, sequence=body.get("sequence"))
            done = act(work, book, actor_of(who, book), what, traceparent=call.traceparent)
            return view(done.case, who, book, at=work.now)

    @http("POST", "/cases/<string:case>/triage", roles=DESKS)
    def triage(self, call: Call, case: str) -> Any:
        """The desk decides what a case is about and where it is, and to whom it goes."""
        body, who = call.json_body(TriageBody), caller(call)
        with self.delivery.work() as work:
            found = triage(
                work,
                case,
                body,
                who.subject,
                lambda book, one: need_desk(who, book, one),
                call.traceparent,
            )
            return view(found, who, books.of(work), at=work.now) if _still(who, work, found) else _gone(found)

    @http("GET", "/triage", roles=DESKS)
    def doubtful(self, call: Call) -> Any:
        """The cases that wait for the desk to decide what they are about, oldest first, with what was thought of."""
        return doubtful(self.delivery, call)


def _still(who: Any, work: Work, case: Case) -> bool:
    return is_desk(who, books.of(work), case.street)


def _gone(case: Case) -> dict[str, Any]:
    """A case that the desk has given to another street: it isn't its own to see any more."""
    return {"sequence": case.sequence, "case": {"id": case.id, "number": case.number, "street": case.street}}


# -- triage ------------------------------------------------------------------------------------------


def triage(
    work: Work,
    name: str,
    body: Mapping[str, Any],
    who: str,
    allowed: Allowed | None = None,
    traceparent: str = "",
) -> Case:
    """What the desk decides about a case. Problem 403, 404, 409 or 422.

    What it says of the category is told as `recategorise`, also when it only confirms what the machine thought: models
    learn from both. Once somebody has accepted, only the record changes, unless `assignee` says who gets it.
    """
    reason = _reason(body["reason"])
    book, moving, case = _locked(work, name, allowed)
    if case.state in (*cases.OVER, "resolved"):
        raise conflict(case, None, f"triage is not allowed: the case is {case.state}", ())
    problems: list[FieldProblem] = []
    known = catalogue.current().categories
    code = body.get("category") or str(case.category["code"])
    if code not in known:
        problems.append(FieldProblem("category", f"is unknown: {code}", "a code of the catalogue of matters"))
    place = _place(book, body.get("place"), problems)
    offer, others = _offers(book, body, work, problems)
    if problems:
        raise Problem(422, "The decision is wrong", problems=problems)
    last = store.last_decisions(work, [case.id]).get(case.id)
    same_place = place is None or place == {
        "street": case.street,
        "community": case.community,
        "grid": case.grid,
    }
    said_before = last is not None and last.cause == deciding.TRIAGE and code == case.category["code"]
    if said_before and offer is None and same_place:
        return case
    _same_view(case, body.get("sequence"))
    category = known[code]
    again = Again(work, book, moving)
    now = again.decide(
        case,
        Correction(
            who,
            reason,
            {"code": code, "name": category.name, "confidence": 1.0, "method": METHOD},
            {
                "livelihood": category.livelihood,
                "importance": category.importance,
                "urgency": category.urgency,
            },
            None if same_place else place,
            deciding.TRIAGE,
        ),
        traceparent=traceparent,
        hand_out=offer is None,
    )
    if offer is not None:
        try:
            moves = cases.assign(now, offer, others, who, work.now, reason, ground=body.get("ground"))
        except NotAllowed as error:
            raise conflict(now, None, str(error), error.allowed) from None
        if moves:
            now = moves[-1].case
            moving.take(now, moves, traceparent=traceparent)
    again.save()
    return moving.cases[now.id]  # an emergency that holds may have added a step


def _offers(
    book: Book, body: Mapping[str, Any], work: Work, problems: list[FieldProblem]
) -> tuple[Offer | None, list[Offer]]:
    to, names = body.get("assignee"), list(dict.fromkeys(body.get("assistants") or ()))
    if to is None:
        if names or body.get("ground"):
            problems.append(
                FieldProblem("assignee", "is missing", "a unit, for its assistants and the ground")
            )
        return None, []
    if names and to["type"] != "unit":
        problems.append(FieldProblem("assistants", "a person has no assistants", "a unit as the assignee"))
    ground = body.get("ground")
    main = offer(book, to["type"], to["id"], "assignee.id", work.now, problems, ground)
    others = [offer(book, "unit", u, "assistants", work.now, problems, ground) for u in names]
    return main, [o for o in others if o is not None]


def _place(book: Book, code: str | None, problems: list[FieldProblem]) -> dict[str, Any] | None:
    """The street, community and grid of a code; None where none is given."""
    if code is None:
        return None
    directory = book.directory
    if code in directory.grids:
        where = directory.where(None, None, code)
    else:
        known = directory.places.get(code)
        if known is None or known.kind == "county":
            allowed = "the code of a street, a community or a grid"
            problems.append(FieldProblem("place", f"there is no place {code}", allowed))
            return None
        where = directory.where(code, code, None)
    return dict(zip(("street", "community", "grid"), where, strict=True))


def doubtful(delivery: Runtime, call: Call) -> Any:
    """GET /triage: a desk's own street, or the county's choice; each with the candidates and where it would go."""
    query, who = call.query(TriageQuery), caller(call)
    limit = query.get("limit") or 50
    street = query.get("street")
    with delivery.work() as work:
        book = books.of(work)
        if "county" not in who.roles:
            if street not in (None, who.street):
                raise Problem(403, "Not allowed", f"the desk of {who.street} sees its own street")
            street = who.street
        rows = store.in_doubt(work, street, limit + 1, _after(query.get("cursor")))
        zone = book.policy(work.now).zone
        names = explaining.names_of(book.directory, catalogue.current(), "zh")
        items = [
            {
                "case": row.number,
                "id": str(row.case_id),
                "case_sequence": row.case_sequence,
                "title": row.state_doc["title"],
                **explaining.decision_document(
                    row, enacting.table_of(work, row.policy), book.directory, names, zone
                ),
            }
            for row in rows[:limit]
        ]
    last = rows[limit - 1] if len(rows) > limit else None
    return 200, {"cases": items, "next": _cursor(last) if last is not None else None}, PRIVATE


def _cursor(row: Any) -> str:
    return base64.urlsafe_b64encode(f"{iso(row.at)} {row.case_id}".encode()).decode()


def _after(cursor: str | None) -> tuple[datetime, str] | None:
    if cursor is None:
        return None
    try:
        at, _, case = base64.urlsafe_b64decode(cursor.encode()).decode().partition(" ")
        if not store.is_uuid(case):
            raise ValueError(case)
        return parse(at), case
    except (ValueError, binascii.Error):
        problem = FieldProblem("cursor", "is none of ours", "`next` of the page before, as it was")
        raise Problem(422, "The query breaks the schema", problems=[problem]) from None


# -- what both need ----------------------------------------------------------------------------------


def _locked(work: Work, name: str, allowed: Allowed | None) -> tuple[Book, Moving, Case]:
    book = books.of(work)
    moving = Moving(work, store.find_ids(work, [name]).values())
    case = locked(moving, name)
    if allowed is not None:
        allowed(book, case)
    return book, moving, case


def _reason(given: str) -> str:
    """The reason without numbers; Problem 422 when nothing is left of it."""
    found = mask(given).strip()[:500]
    if not found:
        problem = FieldProblem("reason", "holds nothing that can be read", "1 to 500 characters")
        raise Problem(422, "A reason is needed", problems=[problem])
    return found


def _same_view(case: Case, sequence: int | None) -> None:
    if sequence is not None and sequence != case.sequence:
        raise conflict(case, None, f"the case has moved on: you saw {sequence}, it is at {case.sequence}", ())
