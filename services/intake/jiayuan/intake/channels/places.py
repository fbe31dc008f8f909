"""`/places`: finding places and the nearest service point; choosing the place of a report, as reporter or as desk."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any, Final

from marshmallow import fields, validate

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.service import http
from jiayuan.chassis.work import Work
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.schemas.common import Demand, a_code, a_text
from jiayuan.contracts.times import iso, parse

from .. import api, coordinates, limits, people, places, report, schemas, service_points, store, text
from ..place import Node
from ..store import bookings

_READ = limits.Limited("places", "read")
_ADD = limits.Limited("places", "add")
_MOST: Final = 50
DESKS: Final = ("desk", "county", "operator")
_ALL_STREETS: Final = ("county", "operator")


class Preview(Demand):
    """The body of `POST /places/locate`: what somebody is about to send."""

    title = a_text(200)
    text = a_text(8000)
    place = fields.Nested(schemas.Where, allow_none=True)


class Chosen(Demand):
    """The body of `POST /reports/<id>/place`: a code of the list."""

    code = a_code(required=True)


class Decided(Demand):
    """The body of `POST /desk/places/<id>`: a code of the list, or null when none fits, and then why."""

    code = fields.String(required=True, allow_none=True, validate=validate.Length(min=1, max=64))
    reason = a_text(500)


class Places:
    """The entrypoints."""

    delivery: Any

    @http("GET", "/places/search", before=_READ)
    def search_places(self, call: Any) -> Any:
        """Places by a part of their name, to choose from."""
        return search(call)

    @http("GET", "/places/near", before=_READ)
    def near_places(self, call: Any) -> Any:
        """The nearest open service points that offer what is asked."""
        return near(self.delivery, call)

    @http("POST", "/places/locate", before=_READ)
    def locate_place(self, call: Any) -> Any:
        """Where intake would put a report, before it is sent."""
        return locate(call)

    @http("POST", "/reports/<string:report>/place", before=_ADD)
    def choose_place(self, call: Any, report: str) -> Any:
        """The reporter says which place is meant."""
        return choose(self.delivery, call, report)

    @http("GET", "/desk/places", roles=DESKS, before=_READ)
    def open_places(self, call: Any) -> Any:
        """Reports whose place a desk has to decide."""
        return undecided(self.delivery, call)

    @http("POST", "/desk/places/<string:report>", roles=DESKS, before=_ADD)
    def decide_place(self, call: Any, report: str) -> Any:
        """A desk decides the place of a report."""
        return decide(self.delivery, call, report)


def search(call: Any) -> dict[str, Any]:
    """`GET /places/search?q=…&limit=…`: what begins with it first; the code is what a report names as its place."""
    query = (call.args.get("q") or "").strip()
    if not 1 <= len(query) <= 50:
        raise _wrong("q", "is missing" if not query else "is too long", "1 to 50 characters")
    most = _integer(call, "limit", 10, 1, _MOST)
    gazetteer = report.rules().gazetteer
    return {"places": [_node(node) for node in gazetteer.search(query, most)]}


def _node(node: Node) -> dict[str, Any]:
    return {
        "code": node.code,
        "name": node.name,
        "full_name": report.rules().gazetteer.full_name(node.code),
        "kind": node.kind,
        "street": node.street,
        "community": node.community,
    }


def near(delivery: Any, call: Any) -> dict[str, Any]:
    """`GET /places/near?lat&long&crs&service&at&closed&limit`: nearest first, with the way on foot.

    `at` is now unless it is given; `closed=true` shows those that are closed as well, after the open ones.
    `in_circle`: at most 15 minutes on foot.
    """
    crs = call.args.get("crs") or coordinates.WGS84
    if crs not in coordinates.SYSTEMS:
        raise _wrong("crs", f"is unknown: {crs[:20]}", ", ".join(coordinates.SYSTEMS))
    lat, long = coordinates.to_wgs84(_degrees(call, "lat", 90), _degrees(call, "long", 180), crs)
    service = text.one_line(call.args.get("service") or "")
    if len(service) > 50:
        raise _wrong("service", "is too long", "at most 50 characters")
    closed = call.args.get("closed") or "false"
    if closed not in ("true", "false"):
        raise _wrong("closed", f"is {closed[:20]!r}", "true, false")
    most = _integer(call, "limit", 5, 1, _MOST)
    with delivery.work() as work:
        at = _time(call, "at") or work.now
        points = bookings.points(work)
    found = service_points.near(
        points, lat, long, at, service=service, closed_too=closed == "true", most=most
    )
    return {
        "at": iso(at),
        "circle_minutes": service_points.CIRCLE_MINUTES,
        "points": [_near(n) for n in found],
    }


def _near(near: service_points.Near) -> dict[str, Any]:
    point = near.point
    return {
        "code": point.code,
        "name": point.name,
        "kind": point.kind,
        "kind_name": service_points.KIND_NAMES[point.kind],
        "address": point.address,
        "lat": point.lat,
        "long": point.long,
        "services": list(point.services),
        "hours": point.hours,
        "capacity": point.capacity,
        "metres": near.metres,
        "minutes": near.minutes,
        "in_circle": near.minutes <= service_points.CIRCLE_MINUTES,
        "open": near.open,
        "opens_at": iso(near.opens_at) if near.opens_at else None,
        "closes_at": iso(near.closes_at) if near.closes_at else None,
    }


def locate(call: Any) -> dict[str, Any]:
    """`POST /places/locate` {title?, text?, place?}: the place with its evidence, and the candidates if several fit.

    Nothing is kept.
    """
    document = call.json_body(Preview)
    where = document.get("place") or {}
    if (where.get("lat") is None) != (where.get("long") is None):
        missing = "lat" if where.get("lat") is None else "long"
        raise _wrong(f"place.{missing}", "is missing", "lat and long go together")
    found = report.rules().gazetteer.locate(
        code=where.get("code") or "",
        words=text.one_line(where.get("text") or ""),
        title=people.mask(text.one_line(document.get("title") or "")),
        text=people.mask(text.normal(document.get("text") or "")),
        lat=where.get("lat"),
        long=where.get("long"),
        crs=where.get("crs") or coordinates.WGS84,
    )
    out = api.place_document(found.street, found.community, found.grid, found.evidence, found.confidence)
    return {
        **out,
        "point": found.point,
        "candidates": [places.choice_document(c) for c in found.candidates],
    }


def choose(delivery: Any, call: Any, report_id: str) -> api.Answer:
    """`POST /reports/<id>/place` {code}, with the tracking code: 201. The report is in that place from then on."""

    def run(work: Work, row: Any, document: dict[str, Any]) -> dict[str, Any]:
        return _settled(work, call, row, document["code"], "报告人", "reporter", None)

    return api.reporters(delivery, call, report_id, "place", Chosen, run)


def undecided(delivery: Any, call: Any) -> dict[str, Any]:
    """`GET /desk/places?limit=…`: oldest first. A desk has those of its street, and those that may be of its street."""
    most = _integer(call, "limit", 50, 1, 200)
    street = _street(call)
    with delivery.work() as work:
        before = places.waited(work.now, delivery.settings.place_wait_minutes)
        rows = store.open_questions(work, street, before, most)
    return {
        "questions": [
            {
                "report": str(r.report),
                "channel": r.channel,
                "title": r.title,
                "text": r.text,
                "received_at": iso(r.received_at),
                "asked": r.asked,
                "since": iso(r.at),
                "street": r.street,
                "why": r.why,
                "candidates": r.candidates,
                "decide": f"/desk/places/{r.report}",
            }
            for r in rows
        ]
    }


def decide(delivery: Any, call: Any, report_id: str) -> api.Answer:
    """`POST /desk/places/<id>` {code, reason?}: 201; 409 when somebody has decided already.

    A null code says that none of the places fits, and needs the reason.
    """
    document = call.json_body(Decided)
    code, reason = document["code"], people.mask(text.one_line(document.get("reason") or "")) or None
    if code is None and not reason:
        raise _wrong("reason", "is missing", "when none of the places fits, say why")
    street = _street(call)
    with delivery.work() as work:
        row = api.find_report(work, report_id, lock=True)
        question = store.question(work, report_id, lock=True)
        if question is None:
            raise Problem(404, "No such question", "nobody has to decide the place of this report")
        mine = street in (None, question.street) or (
            question.street is None and any(c["street"] == street for c in question.candidates)
        )
        if not mine:
            raise Problem(403, "Not allowed", "the question is another street's")
        if question.state != "open":
            raise Problem(
                409,
                "Decided already",
                f"{question.decided or 'none of them'} since {iso(question.decided_at)}",
            )
        if row.state == store.WITHDRAWN:
            raise Problem(409, "The report is withdrawn", "nothing is decided about it any more")
        return 201, _settled(work, call, row, code, "街道", call.who.subject, reason)


def _settled(
    work: Work, call: Any, row: Any, code: str | None, by: str, who: str, reason: str | None
) -> dict[str, Any]:
    report_id = str(row.id)
    found = places.settle(work, report_id, code, by, who, reason)
    if code is None:
        return {"report": report_id, "place": None, "reason": reason}
    if found is None:
        raise _wrong(
            "code", f"is in no list: {code}", "a code that /places/search gives, or one of the candidates"
        )
    at = iso(work.now)
    told = {
        "street": found.street,
        "community": found.community,
        "grid": found.grid,
        "evidence": found.evidence,
        "confidence": found.confidence,
    }
    name = report.rules().gazetteer.full_name(code)
    said = {"text": f"地点：{name}（{by}选定）", "at": at, "place": told}
    api.emit(work, call, row, "report.supplemented", said, store.next_version(work, report_id), found.street)
    return {
        "report": report_id,
        "place": api.place_document(
            found.street, found.community, found.grid, found.evidence, found.confidence
        ),
        "at": at,
    }


def _street(call: Any) -> str | None:
    """The street whose desk is asking; None for those who see all."""
    if set(call.who.roles) & set(_ALL_STREETS):
        return None
    if not call.who.street:
        raise Problem(403, "Not allowed", "the token of a desk names its street")
    return str(call.who.street)


# -- queries -----------------------------------------------------------------------------------------


def _wrong(field: str, problem: str, allowed: str) -> Problem:
    return Problem(422, "The request can't be used", problems=[FieldProblem(field, problem, allowed)])


def _integer(call: Any, name: str, default: int, least: int, most: int) -> int:
    raw = call.args.get(name)
    if raw is None:
        return default
    if not (raw.isascii() and raw.isdigit() and len(raw) < 6 and least <= int(raw) <= most):
        raise _wrong(name, f"is {raw[:20]!r}", f"{least} to {most}")
    return int(raw)


def _degrees(call: Any, name: str, most: float) -> float:
    raw = call.args.get(name) or ""
    try:
        value = float(raw)
    except ValueError:
        value = math.nan
    if not abs(value) <= most:
        raise _wrong(name, "is missing" if not raw else f"is {raw[:20]!r}", f"-{most:g} to {most:g}")
    return value


def _time(call: Any, name: str) -> datetime | None:
    raw = call.args.get(name)
    if not raw:
        return None
    # A plus in a query is a blank, and who forgets to write it as %2B means the offset all the same.
    try:
        return parse(raw.replace(" ", "+"))
    except ValueError:
        raise _wrong(name, f"is {raw[:40]!r}", "a time such as 2026-03-02T09:30:00+08:00") from None
