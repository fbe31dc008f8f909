"""The HTTP interface of matters: likely repetitions of a draft, and the desk's questions, joins and separations."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.work import Work
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.times import iso, parse

from . import category as categories
from . import joins, report, schemas, store

DESK: Final = ("desk", "county", "operator")
# The ledger reads hotspots for the quarter's demand lists.
HOTSPOTS: Final = (*DESK, "service")
Answer = tuple[int, dict[str, Any]]


def likely(delivery: Any, call: Any) -> dict[str, Any]:
    """`POST /reports/likely` with the draft, as `POST /reports` takes it: at most five, and advice in danger."""
    submission = report.from_document(call.json_body(schemas.NewReport), channel="mini_program")
    try:
        clean = report.clean(submission, report.rules())
    except report.BadSubmission as error:
        raise Problem(422, "The draft can't become a report", problems=error.problems) from None
    with delivery.work() as work:
        found = joins.likely(work, clean)
    out: dict[str, Any] = {"likely": found}
    if clean.signs:
        out["advice"] = categories.advice(clean.signs)
    return out


def listed(delivery: Any, call: Any) -> dict[str, Any]:
    """`GET /joins?state=asked&street=&limit=50&after=`: the oldest first; a desk sees its own street."""
    given = call.query(schemas.JoinsPage)
    state, after = given.get("state") or store.ASKED, _after(given.get("after") or "")
    most = given.get("limit") or 50
    with delivery.work() as work:
        street = _street(call) or given.get("street") or ""
        rows = store.joins(work, state, street=street, after=after, most=most)
    last = rows[-1] if len(rows) == most else None
    return {
        "joins": [joins.document(row) for row in rows],
        "next": f"{iso(last.at)}/{last.report}" if last is not None else None,
    }


def _after(given: str) -> tuple[datetime, str] | None:
    if not given:
        return None
    at, _, id_ = given.partition("/")
    try:
        return parse(at).astimezone(UTC), joins.an_id(id_)
    except (ValueError, OverflowError):
        problem = FieldProblem("after", "is not one of ours", "the `next` of the page before")
        raise Problem(404, "No such page", problems=[problem]) from None


def join(delivery: Any, call: Any) -> Answer:
    """`POST /joins` {report, matter, reason}: 201 joined, 200 they were already."""
    document = call.json_body(schemas.NewJoin)
    with delivery.work() as work:
        for id_ in (document["report"], document["matter"]):
            _mine(work, call, id_)
        first, changed = joins.by_hand(
            work,
            document["report"],
            document["matter"],
            call.who.subject,
            document["reason"],
            call.traceparent,
        )
    return 201 if changed else 200, {"report": document["report"], "state": store.JOINED, "matter": first}


def decide(delivery: Any, call: Any, report_id: str) -> dict[str, Any]:
    """`POST /joins/<report>/decision` {join, note?}."""
    document = call.json_body(schemas.JoinDecision)
    with delivery.work() as work:
        _mine(work, call, report_id)
        state = joins.decide(
            work, report_id, document["join"], call.who.subject, document.get("note") or "", call.traceparent
        )
    return {"report": report_id, "state": state}


def undo(delivery: Any, call: Any, report_id: str) -> dict[str, Any]:
    """`POST /joins/<report>/undo` {reason}."""
    document = call.json_body(schemas.JoinUndoing)
    with delivery.work() as work:
        _mine(work, call, report_id)
        joins.undo(work, report_id, call.who.subject, document["reason"], call.traceparent)
    return {"report": report_id, "state": store.SEPARATED}


def hotspots(delivery: Any, call: Any) -> dict[str, Any]:
    """`GET /hotspots?street=`: those of the county, or of a street; a desk sees its own street."""
    given = call.query(schemas.HotspotsOf)
    street = _street(call) or given.get("street") or ""
    with delivery.work() as work:
        row = store.hotspots(work, street)
        if row is None:
            raise Problem(
                404, "No hotspots yet", "nobody has looked for any: jiayuan intake hotspots --keep does"
            )
        outlines = store.outlines(work, [m["id"] for h in row.document for m in h["messages"]])
    for hotspot in row.document:
        for message in hotspot["messages"]:
            # A report that was erased meanwhile is about nothing any more.
            message |= outlines.get(message["id"], {"title": "", "category": "", "community": ""})
    return {
        "since": iso(row.since),
        "until": iso(row.until),
        "made_at": iso(row.made_at),
        "reports": row.reports,
        "hotspots": row.document,
    }


def _street(call: Any) -> str:
    """The street that a caller is bound to; "" for who works for the whole county."""
    return "" if set(call.who.roles) & {"county", "operator", "service"} else call.who.street


def _mine(work: Work, call: Any, report_id: str) -> None:
    """Problem 403 when neither the report nor the matter that it may belong to is of the caller's street."""
    street = _street(call)
    if not set(call.who.roles) & {"county", "operator"} and not joins.concerns(work, report_id, street):
        raise Problem(403, "Not allowed", "the reports belong to another street")
