"""The directory, read: also as of another day; and the timer that tells of what takes effect."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any, Final

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.hours import DAYS
from jiayuan.chassis.service import Runtime, every, http
from jiayuan.chassis.web import Call
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.times import iso

from .. import book as books
from .. import changes
from ..directory import MODES, ROLES, Directory, Grid, Place
from ..directory.documents import time_of
from ..directory.entries import Entry
from ..directory.points import CIRCLE_MINUTES, CRS, Near, nearest
from ..store import directory as rows
from .common import STAFF

ANYBODY: Final = (*STAFF, "citizen", "agent", "rider")
ORGANISATION: Final = ("organisation", "county", "operator", "service")
MOST_POINTS: Final = 50
_CODE_LENGTH: Final = 64


class DirectoryPages:
    """The entrypoints."""

    delivery: Any

    @http("GET", "/directory/grids/<string:code>", roles=STAFF)
    def grid(self, call: Call, code: str) -> Any:
        """A grid and its people."""
        return grid(self.delivery, call, code)

    @http("GET", "/directory/grids/<string:code>/history", roles=STAFF)
    def grid_history(self, call: Call, code: str) -> Any:
        """What ever held of a grid and its people."""
        return grid_history(self.delivery, call, code)

    @http("GET", "/directory/grids/<string:code>/area", roles=STAFF)
    def grid_area(self, call: Call, code: str) -> Any:
        """What a grid covers, as GeoJSON and in words."""
        return grid_area(self.delivery, call, code)

    @http("GET", "/directory/units", roles=STAFF)
    def units(self, call: Call) -> Any:
        """The member units."""
        return units(self.delivery, call)

    @http("GET", "/directory/committees/<string:street>", roles=STAFF)
    def committee(self, call: Call, street: str) -> Any:
        """A street's joint committee."""
        return committee(self.delivery, call, street)

    @http("GET", "/directory/duty", roles=STAFF)
    def duty(self, call: Call) -> Any:
        """Who is on duty in a place."""
        return duty(self.delivery, call)

    @http("GET", "/directory/points/nearest", roles=ANYBODY)
    def nearest_points(self, call: Call) -> Any:
        """The nearest open service points that offer something."""
        return nearest_points(self.delivery, call)

    @http("GET", "/directory/versions", roles=ORGANISATION)
    def versions(self, call: Call) -> Any:
        """The changes of the directory, and what is still to come."""
        return versions(self.delivery, call)

    @every(seconds=5.0, role="relay")
    def tell_directory(self) -> None:
        """Tells of changes of the directory whose time has come."""
        with self.delivery.work() as work:
            changes.tell_due(work)


def _at(call: Call, problems: list[FieldProblem]) -> datetime | None:
    given = call.args.get("at")
    if not given:
        return None
    try:
        at = time_of(given)
        if not 1970 < at.year < 2200:
            raise ValueError
        return at
    except ValueError:
        allowed = "2027-01-01, or an RFC 3339 date-time with an offset"
        problems.append(FieldProblem("at", f"is {given!r:.40}", allowed))
        return None


def _known(delivery: Runtime) -> tuple[Directory, datetime]:
    """The directory as it is, and the time."""
    with delivery.work() as work:
        return books.of(work).directory, work.now


def _refuse(problems: list[FieldProblem]) -> None:
    if problems:
        raise Problem(422, "The query is wrong", problems=problems)


def grid(delivery: Runtime, call: Call, code: str) -> dict[str, Any]:
    """GET /directory/grids/<code>?at=2026-03-01: a grid, or a community as the grid at the top, with its people.

    404 when there is none; `since` and `successors` say when it ended and what came of it. With `at` as of that day,
    also a day to come.
    """
    problems: list[FieldProblem] = []
    asked = _at(call, problems)
    _refuse(problems)
    if asked is not None:
        return _grid_on(delivery, code, asked)
    directory, at = _known(delivery)
    found: Grid | Place | None = directory.grids.get(code) or directory.places.get(code)
    if found is None:
        gone = directory.retired.get(code)
        if gone is not None:
            since, after = iso(gone.since), list(gone.successors)
            raise Problem(
                404, "No such grid any more", f"{gone.grid.name} is no more", since=since, successors=after
            )
        raise Problem(404, "No such grid", f"there is no grid {code[:_CODE_LENGTH]}")
    out: dict[str, Any] = {"code": found.code, "name": found.name, "kind": found.kind, "parent": found.parent}
    if isinstance(found, Grid):
        out |= {"community": found.community, "street": found.street}
        if found.predecessors:
            out["predecessors"] = list(found.predecessors)
    out |= {"party_group": found.party_group, "functions": list(found.functions)}
    out["people"] = [_person(directory, i, at) for i in directory.of_place(code)]
    out["children"] = sorted(
        [g.code for g in directory.grids.values() if g.parent == code]
        + [p.code for p in directory.places.values() if p.parent == code]
    )
    return out


def _grid_on(delivery: Runtime, code: str, at: datetime) -> dict[str, Any]:
    """A grid and its people as of another day, from their entries alone."""

    def held(entry: Entry) -> bool:
        begun = entry.valid_from is not None and entry.valid_from <= at
        return begun and (entry.valid_to is None or entry.valid_to > at)

    with delivery.work() as work:
        own = [e for kind in ("grid", "place") for e in rows.history(work, kind, code) if held(e)]
        people = [e for e in rows.people_of(work, code) if held(e)]
        children = rows.children_of(work, code, at)
    if not own:
        raise Problem(404, "No such grid", f"there was no grid {code[:_CODE_LENGTH]} at {iso(at)}")
    doc = own[0].doc
    keys = ("name", "kind", "parent", "community", "street", "predecessors")
    return {
        "code": code,
        **{k: doc[k] for k in keys if k in doc},
        "party_group": doc.get("party_group", ""),
        "functions": doc.get("functions", []),
        "at": iso(at),
        "people": [
            {"id": e.key, "name": e.doc["name"], "role": e.doc["role"]}
            for e in people
            if e.doc.get("active", True)
        ],
        "children": children,
    }


def _person(directory: Directory, id_: str, at: datetime) -> dict[str, Any]:
    person = directory.people[id_]
    out: dict[str, Any] = {"id": id_, "name": person.name, "role": person.role}
    out["on_duty"] = directory.on_duty(id_, at)
    for key in ("skills", "languages"):
        if found := getattr(person, key):
            out[key] = list(found)
    if person.unit:
        out["unit"] = person.unit
    if (other := directory.stand_in(id_, at)) is not None:
        out["stand_in"] = other
    return out


def grid_history(delivery: Runtime, _call: Call, code: str) -> dict[str, Any]:
    """GET /directory/grids/<code>/history: what held of it from when to when, and who belonged to it."""
    with delivery.work() as work:
        own = [e for kind in ("grid", "place") for e in rows.history(work, kind, code)]
        people = rows.people_of(work, code)
    if not own:
        raise Problem(404, "No such grid", f"there never was a grid {code[:_CODE_LENGTH]}")

    def span(entry: Any) -> dict[str, Any]:
        until = {"valid_to": iso(entry.valid_to)} if entry.valid_to else {}
        return {"valid_from": iso(entry.valid_from), **until, "version": entry.version}

    return {
        "code": code,
        "grid": [
            span(e) | {k: e.doc[k] for k in ("name", "parent", "party_group", "predecessors") if k in e.doc}
            for e in own
        ],
        "people": [span(e) | {"id": e.key, "name": e.doc["name"], "role": e.doc["role"]} for e in people],
    }


def grid_area(delivery: Runtime, _call: Call, code: str) -> dict[str, Any]:
    """GET /directory/grids/<code>/area: a GeoJSON feature, WGS-84; its geometry is null where no boundary is known."""
    with delivery.work() as work:
        own = [e for kind in ("grid", "place") for e in rows.history(work, kind, code)]
        own = [e for e in own if e.valid_from and e.valid_from <= work.now]
    if not own or (own[-1].valid_to is not None and own[-1].valid_to <= work.now):
        raise Problem(404, "No such grid", f"there is no grid {code[:_CODE_LENGTH]}")
    entry = own[-1]
    words = {"area": entry.extra["area"]} if "area" in entry.extra else {}
    return {
        "type": "Feature",
        "id": code,
        "geometry": entry.extra.get("boundary"),
        "properties": {"name": entry.doc["name"], "kind": entry.doc["kind"], **words},
    }


def units(delivery: Runtime, _call: Call) -> dict[str, Any]:
    """GET /directory/units."""
    directory, _ = _known(delivery)
    keys = ("code", "name", "kind", "member", "clerk", "system")
    found = [
        {k: getattr(u, k) for k in keys}
        | {"duties": list(u.duties), "escalation": [{"name": s.name, "post": s.post} for s in u.escalation]}
        for u in sorted(directory.units.values(), key=lambda u: u.code)
        if u.active
    ]
    return {"units": found}


def committee(delivery: Runtime, _call: Call, street: str) -> dict[str, Any]:
    """GET /directory/committees/<street>. 404 when there is no such street."""
    directory, _ = _known(delivery)
    place = directory.places.get(street)
    if place is None or place.kind != "street":
        raise Problem(404, "No such street", f"there is no street {street[:_CODE_LENGTH]}")
    found = directory.committee(street)

    def seats(part: Any) -> list[dict[str, Any]]:
        return [
            {"id": s.id, "name": s.name, "post": s.post} | ({"unit": s.unit} if s.unit else {}) for s in part
        ]

    return {
        "street": street,
        "conveners": seats(found.conveners),
        "full_time": seats(found.full_time),
        "part_time": seats(found.part_time),
        "organisations": seats(found.organisations),
    }


def duty(delivery: Runtime, call: Call) -> dict[str, Any]:
    """GET /directory/duty?place=CODE&role=worker&at=…&mode=normal: who is on duty, who stands in, with their load.

    `at` is now or later: what was can be asked of the grid. The load (open legs) is that of now, and only told when no
    other time is asked for.
    """
    problems: list[FieldProblem] = []
    asked = _at(call, problems)
    place, role = call.args.get("place", ""), call.args.get("role", "worker")
    mode = call.args.get("mode", "normal")
    if role not in ROLES:
        problems.append(FieldProblem("role", f"is {role!r:.40}", ", ".join(ROLES)))
    if mode not in MODES:
        problems.append(FieldProblem("mode", f"is {mode!r:.40}", ", ".join(MODES)))
    if not place:
        problems.append(FieldProblem("place", "is missing", "the code of a grid, community or street"))
    directory, now = _known(delivery)
    at = asked or now
    if at < now - timedelta(minutes=1):
        problems.append(FieldProblem("at", f"{iso(at)} is past", "now or later"))
    _refuse(problems)
    if place not in directory.grids and place not in directory.places:
        raise Problem(404, "No such place", f"there is no place {place[:_CODE_LENGTH]}")
    there = directory.people_on_duty(place, role, at, mode)
    loads: dict[str, int] = {}
    if asked is None:
        with delivery.work() as work:
            loads = rows.loads_of(work, there)
    until = directory.duty_changes(place, role, at, mode)
    people = [_person(directory, i, at) | ({"load": loads.get(i, 0)} if asked is None else {}) for i in there]
    return {
        "place": place,
        "role": role,
        "at": iso(at),
        "holds_until": iso(until) if until else None,
        "people": people,
        "away": len([m for m in directory.members(place, role) if m not in there]),
    }


def nearest_points(delivery: Runtime, call: Call) -> dict[str, Any]:
    """GET /directory/points/nearest?lat=26.88&lon=120.00&service=法律咨询&at=…&closed=true&limit=10.

    Nearest first; those open at that time, with `closed=true` also the others, after them. WGS-84.
    """
    problems: list[FieldProblem] = []
    at = _at(call, problems)
    lat = _degrees(call, "lat", 90, problems)
    long = _degrees(call, "lon", 180, problems)
    service, closed = call.args.get("service", ""), call.args.get("closed", "false")
    if len(service) > 40:
        problems.append(FieldProblem("service", "is too long", "at most 40 characters"))
    if closed not in ("true", "false"):
        problems.append(FieldProblem("closed", f"is {closed!r:.40}", "true or false"))
    limit = call.args.get("limit", "10")
    if not limit.isascii() or not limit.isdigit() or not 1 <= int(limit[:6]) <= MOST_POINTS:
        problems.append(FieldProblem("limit", f"is {limit!r:.40}", f"1 to {MOST_POINTS}"))
    _refuse(problems)
    directory, now = _known(delivery)
    at = at or now
    found = nearest(
        directory.points.values(),
        lat,
        long,
        at,
        service=service,
        closed_too=closed == "true",
        most=int(limit),
    )
    return {
        "at": iso(at),
        "crs": CRS,
        "circle_minutes": CIRCLE_MINUTES,
        "points": [_near(n) for n in found],
    }


def _degrees(call: Call, name: str, most: float, problems: list[FieldProblem]) -> float:
    given = call.args.get(name, "")
    try:
        value = float(given)
        if math.isfinite(value) and -most <= value <= most:
            return value
    except ValueError:
        pass
    problems.append(
        FieldProblem(
            name, f"is {given!r:.40}" if given else "is missing", f"degrees from -{most:g} to {most:g}"
        )
    )
    return 0.0


def _near(near: Near) -> dict[str, Any]:
    p = near.point
    hours = {
        day: [f"{b // 60:02}:{b % 60:02}-{e // 60:02}:{e % 60:02}" for b, e in spans]
        for day, spans in zip(DAYS, p.week, strict=True)
    }
    out: dict[str, Any] = {
        "code": p.code,
        "name": p.name,
        "kind": p.kind,
        "address": p.address,
        "services": list(p.services),
        "hours": hours,
        "capacity": p.capacity,
        "lat": p.lat,
        "lon": p.long,
        "metres": near.metres,
        "minutes": near.minutes,
        "in_circle": near.in_circle,
        "open": near.open,
    }
    for key in ("opens_at", "closes_at"):
        if (at := getattr(near, key)) is not None:
            out[key] = iso(at)
    return out


def versions(delivery: Runtime, call: Call) -> dict[str, Any]:
    """GET /directory/versions?pending=true: changes with who, when, from when on."""
    pending = call.args.get("pending", "false")
    if pending not in ("true", "false"):
        _refuse([FieldProblem("pending", f"is {pending!r:.40}", "true or false")])
    with delivery.work() as work:
        found = rows.versions(work, 200, pending=pending == "true")
    return {
        "versions": [
            {
                "version": v.version,
                "effective_at": iso(v.effective_at),
                "made_at": iso(v.made_at),
                "made_by": v.made_by,
                "action": v.action,
                "reason": v.reason,
                "changes": v.summary,
                "state": "cancelled" if v.cancelled_at else "in_effect" if v.told_at else "pending",
            }
            for v in found
        ]
    }
