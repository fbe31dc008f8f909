"""What looks like gaming the figures: listed for the county and for each street's desk, and what they say of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from marshmallow import fields, validate

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.redact import mask
from jiayuan.chassis.service import http
from jiayuan.chassis.tokens import Principal
from jiayuan.chassis.web import Call
from jiayuan.chassis.work import Work
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.schemas.common import Demand, a_code, a_text, a_time, a_word, a_yes_no, said
from jiayuan.contracts.times import iso, parse

from .. import book as books
from .. import detecting
from ..gaming import KINDS, Finding
from ..store import gaming as looked
from ..store.gaming import Span
from .common import PRIVATE, caller

LOOKERS: Final = ("county", "desk")
USUAL_DAYS: Final = 30
_FINDING: Final = r"[0-9a-f]{20}"
# SQLSTATE of a statement that ran out of its time.
_CANCELLED: Final = "57014"


class GamingQuery(Demand):
    """What to look for, and where."""

    since = said(a_time(), f"From when on; {USUAL_DAYS} days before `until` when absent.")
    until = said(a_time(), f"Before when; now when absent. At most {detecting.MOST_DAYS} days after `since`.")
    street = said(a_code(), "The code of a street; a desk sees its own.")
    kind = said(
        fields.List(fields.String(validate=validate.OneOf(KINDS)), validate=validate.Length(max=len(KINDS))),
        "Kinds of findings; all when absent.",
    )
    explained = said(a_yes_no(required=False), "Also what has a plain explanation, listed after the others.")


class LookBody(Demand):
    """Which finding was looked at, in which span it was listed, and what is to be said of it."""

    finding = fields.String(required=True, validate=validate.Regexp(rf"^{_FINDING}\Z"))
    kind = a_word(KINDS)
    since = a_time(required=True)
    until = a_time()
    street = a_code()
    note = said(a_text(500, required=True, least=2), "What was seen; numbers in it are masked.")


class GamingPages:
    """The entrypoints."""

    delivery: Any

    @http("GET", "/gaming", roles=LOOKERS)
    def gaming(self, call: Call) -> Any:
        """What looks like gaming in a span, with its evidence, its thresholds and who has looked at it."""
        query = call.query(GamingQuery)
        with self.delivery.work() as work:
            return 200, listing(work, caller(call), query), PRIVATE

    @http("POST", "/gaming/looks", roles=LOOKERS)
    def look_at(self, call: Call) -> Any:
        """Somebody looked at a finding and says what was seen; it is added to what others said."""
        body = call.json_body(LookBody)
        with self.delivery.work() as work:
            return 201, look(work, caller(call), body), PRIVATE

    @http("GET", "/gaming/looks/<string(length=20):finding>", roles=LOOKERS)
    def looks(self, call: Call, finding: str) -> Any:
        """Every look at a finding, with what it was then."""
        who = caller(call)
        with self.delivery.work() as work:
            found = looked.look_documents(work, finding)
            mine = [o for o in found if "county" in who.roles or o["street"] == who.street]
            return 200, {"finding": finding, "looks": mine}, PRIVATE


def span_of(
    work: Work, who: Principal | None, query: dict[str, Any], most: int = detecting.MOST_DAYS
) -> Span:
    """The span that is asked for: a desk's is its own street's. Problem 403 or 422."""
    until = _time(query.get("until")) or work.now
    since = _time(query.get("since")) or until - timedelta(days=USUAL_DAYS)
    problems = []
    if since >= until:
        problems.append(FieldProblem("since", f"is {iso(since)}", f"before {iso(until)}"))
    elif until - since > timedelta(days=most):
        problems.append(
            FieldProblem("since", f"is {(until - since).days} days before until", f"at most {most} days")
        )
    if problems:
        raise Problem(422, "The query breaks the schema", problems=problems)
    street = query.get("street")
    if who is not None and "county" not in who.roles:
        if not who.street or street not in (None, who.street):
            raise Problem(403, "Not allowed", "a desk sees what is found in the cases of its own street")
        street = who.street
    return Span(since, until, street)


def _time(said_: Any) -> datetime | None:
    return parse(said_) if isinstance(said_, str) else said_


def found_in(work: Work, span: Span, kinds: list[str] | None, patience: int | None = None) -> list[Finding]:
    """The findings; Problem 503 when it takes too long."""
    of = detecting.thresholds(books.of(work), work.now)
    try:
        return detecting.find(work, of, span, kinds or KINDS, patience)
    except Exception as error:
        if getattr(error, "pgcode", None) != _CANCELLED:
            raise
        why = "ask for a shorter span or one kind; jiayuan routing gaming has no such limit"
        raise Problem(503, "It takes too long", why) from None


def listing(work: Work, who: Principal | None, query: dict[str, Any]) -> dict[str, Any]:
    """GET /gaming?since=…: the findings of a span and the thresholds they were found by."""
    book = books.of(work)
    span = span_of(work, who, query)
    found = found_in(work, span, query.get("kind"))
    apart = [f for f in found if not f.look]
    return {
        "since": iso(span.since),
        "until": iso(span.until),
        "street": span.street,
        "findings": detecting.listing(
            work, found if query.get("explained") else [f for f in found if f.look]
        ),
        "explained": len(apart),
        "policy": book.policy(work.now).version,
        "thresholds": detecting.thresholds(book, work.now).document(),
    }


def look(work: Work, who: Principal, body: dict[str, Any]) -> dict[str, Any]:
    """POST /gaming/looks. 404 when there is no such finding in that span (any more)."""
    span = span_of(work, who, body)
    found = found_in(work, span, [body["kind"]])
    note = mask(body["note"])
    if not detecting.look(work, found, body["finding"], span.street, who.subject, note):
        raise Problem(404, "No such finding", f"{body['finding']} is not found in that span")
    return {
        "finding": body["finding"],
        "looked": looked.looks(work, [body["finding"]])[body["finding"]],
    }
