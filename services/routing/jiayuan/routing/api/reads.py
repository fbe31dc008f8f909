"""Contacts of staff, units and desks, for who needs one; and the log of every reading of personal data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from marshmallow import fields, validate

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.seal import SealError
from jiayuan.chassis.service import Runtime, http
from jiayuan.chassis.tokens import Principal
from jiayuan.chassis.web import Call
from jiayuan.chassis.work import Work
from jiayuan.contracts.schemas.common import Demand, a_date, a_number, a_text, an_id, said

from .. import book as books
from .. import reads, store
from ..book import Book
from .cases import in_utc, wrong
from .common import PRIVATE, caller, find_seen

MOST_LINES: Final = 500
# Who may need somebody's number: those who hand out and handle. Machines and citizens don't phone anybody.
CALLERS: Final = (
    "grid_worker",
    "grid_leader",
    "grid_chief",
    "desk",
    "unit_clerk",
    "county",
    "convener",
    "inspector",
    "mediator",
)


class ContactNeed(Demand):
    """Why a contact is needed, and for which case."""

    why = said(a_text(200, required=True, least=4), "What you need it for; kept in the read log.")
    case = said(an_id(required=False), "The id or number of the case that it is about.")


class ReadsQuery(Demand):
    """Which readings."""

    case = said(an_id(required=False), "The id or number of a case.")
    who = said(an_id(required=False), "Who read.")
    subject = said(an_id(required=False), "A case's number, or whose contact was read.")
    since = said(a_date(), "From when on.")
    until = said(a_date(), "Before when.")
    limit = said(a_number(1, MOST_LINES), "Lines; 100 when absent.")
    before = said(
        fields.Integer(strict=True, validate=validate.Range(min=1, max=2**62)),
        "The id of the last line of the page before.",
    )


class Reading:
    """The entrypoints."""

    delivery: Any

    @http("POST", "/directory/contacts/<string:id>/reading", roles=CALLERS)
    def read_contact(self, call: Call, id: str) -> Any:
        """The contact of a person, unit or desk, for who says why; the reading is kept."""
        return contact(self.delivery, call, id)

    @http("GET", "/reads", roles=reads.AUDITORS)
    def read_log(self, call: Call) -> Any:
        """Who saw which personal data, why and when; the newest first."""
        query = call.query(ReadsQuery)
        with self.delivery.work() as work:
            return 200, lines(work, query), PRIVATE


def contact(delivery: Runtime, call: Call, id_: str) -> Any:
    """POST /directory/contacts/<id>/reading. 404 when there is none, 403 when the caller has no need of it.

    The county's people may have any, a street's desk and convener those of their street and of units. Others name a
    case that they have a part in, and get those who hold a leg of it, and its desk.
    """
    who, body = caller(call), call.json_body(ContactNeed)
    with delivery.work() as work:
        book = books.of(work)
        case_id = _needs(work, who, book, id_, body.get("case"))
        sealed = store.contact_rows(work, [id_]).get(id_)
        if sealed is None:
            raise Problem(404, "No contact", f"the directory has no contact of {id_[:64]}")
        reads.note(work, who, "contact", id_, why=body["why"], fields=("contact",), case=case_id)
        try:
            opened = delivery.sealer.open(sealed, id_)
        except SealError:
            raise Problem(503, "Not readable", "it is sealed with a key that this process lacks") from None
    return 200, {"id": id_, "contact": {k: v for k, v in opened.items() if v}}, PRIVATE


def _needs(work: Work, who: Principal, book: Book, id_: str, name: str | None) -> str | None:
    """The id of the case that the contact is needed for; Problem 403 or 404."""
    case = find_seen(work, who, book, name)[0] if name else None
    case_id = case.id if case is not None else None
    if "county" in who.roles:
        return case_id
    person, unit = book.directory.person(id_), book.directory.unit(id_)
    if {"desk", "convener"} & set(who.roles) and (
        unit is not None or id_.startswith("desk-") or (person is not None and person.street == who.street)
    ):
        return case_id
    if case is not None and id_ in {leg.assignee.id for leg in case.legs} | {f"desk-{case.street}"}:
        return case_id
    raise Problem(
        403,
        "Not allowed",
        "name a case that you have a part in and in which they hold a leg, or ask the desk",
    )


def lines(work: Work, query: Mapping[str, Any]) -> dict[str, Any]:
    """Lines of the read log; times are RFC 3339 text. `next`: `before` of the next page."""
    case_id, limit = None, query.get("limit") or 100
    if query.get("case"):
        case_id = store.find_ids(work, [query["case"]]).get(query["case"])
        if case_id is None:
            raise wrong("case", "is unknown", "the id or number of a case")
    rows = store.reads(
        work,
        case=case_id,
        who=query.get("who"),
        subject=query.get("subject"),
        since=in_utc(query.get("since")),
        until=in_utc(query.get("until")),
        before=query.get("before"),
        limit=limit + 1,
    )
    return {
        "reads": [reads.line(row) for row in rows[:limit]],
        "next": rows[limit - 1].id if len(rows) > limit else None,
    }
