"""The directory as a document (YAML, JSON, or made from sheets): read and checked as a whole. Pure.

`DirectoryError` lists every fault with its place in the document, and what is allowed there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from importlib import resources
from itertools import pairwise
from typing import Any, Final

import orjson
import yaml

from jiayuan.chassis.hours import DAYS, hours_of, minutes, span_of, week_of
from jiayuan.contracts.check import FieldProblem

from .duty import ZONE, Leave, Shift
from .model import (
    GRID_KINDS,
    GRID_ROLES,
    MEMBERS,
    MODES,
    POINT_KINDS,
    ROLES,
    SEATS,
    SYSTEMS,
    UNIT_KINDS,
    Directory,
    Grid,
    Person,
    Place,
    Seat,
    ServicePoint,
    Superior,
    Team,
    Unit,
)

# Lists that every document has, and those that may be left out: what is left out stays as it is.
BASIC: Final = ("streets", "grids", "people", "units")
# By list of the document the role of those in it.
HELPERS: Final = {"cadres": "cadre", "volunteers": "volunteer", "mediators": "mediator"}
OPTIONAL: Final = ("committee", *HELPERS, "teams", "points", "roster", "leave")
LISTS: Final = (*BASIC, *OPTIONAL)
LEAVE_KINDS: Final = ("leave", "business", "training", "other")

_CODE: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._:\-]{0,63}")
_PHONE: Final = re.compile(r"[+0-9][0-9 \-]{4,24}")
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_KNOWN: Final = ("version", "county", *LISTS)


class DirectoryError(ValueError):
    """The document is wrong; `problems` says where and what is allowed."""

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(f"{p.field}: {p.problem}" for p in self.problems[:20]))


def parse(text: str) -> dict[str, Any]:
    """The mapping in a JSON or YAML text; DirectoryError when it is neither."""
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        try:
            document = yaml.load(text, Loader=_LOADER)
        except yaml.YAMLError as error:
            raise DirectoryError([FieldProblem("directory", f"is neither JSON nor YAML: {error}")]) from None
    if not isinstance(document, dict):
        raise DirectoryError(
            [FieldProblem("directory", "must be a mapping", "county, streets, grids, people, units")]
        )
    return document


def bundled(name: str) -> dict[str, Any]:
    """A document that comes with the service: `places` or `units`."""
    return parse((resources.files("jiayuan.routing") / "data" / f"{name}.yaml").read_text(encoding="utf-8"))


def read(document: Mapping[str, Any], version: int = 0) -> Directory:
    """The directory of a document; DirectoryError with everything that is wrong in it."""
    reader = _Reader()
    found = reader.directory(document, version)
    if reader.problems:
        raise DirectoryError(reader.problems)
    return found


def phones(document: Mapping[str, Any]) -> dict[str, str]:
    """The phone of everybody, every unit, desk and step of an escalation line, by the id that notices go to."""
    out = {p["id"]: p.get("phone") for key in ("people", *HELPERS) for p in document.get(key) or ()}
    out |= {s["id"]: s.get("phone") for s in document.get("committee") or ()}
    for u in document.get("units", ()):
        out[u["code"]] = u.get("phone")
        out |= {
            superior_id(u["code"], i): e.get("phone")
            for i, e in enumerate(u.get("escalation") or (), start=1)
        }
    county = document["county"]
    out[f"desk-{county['code']}000"] = county.get("phone")
    out |= {f"desk-{s['code']}": s.get("phone") for s in document.get("streets", ())}
    return {k: v for k, v in out.items() if v}


def superior_id(unit: str, step: int) -> str:
    """The id that notices to a step (from 1) of a unit's escalation line go to."""
    return f"{unit}-E{step}"


def shift_key(row: Mapping[str, Any]) -> str:
    """What makes a line of a roster the same line when its hours change; of a row that has been checked."""
    parts = (
        row["who"],
        row.get("role"),
        row.get("mode") or "normal",
        str(day_of(row["from"])),
        row.get("name"),
    )
    return "|".join(p or "" for p in parts)


def leave_key(row: Mapping[str, Any]) -> str:
    """What makes a leave the same one when its end or stand-in changes; of a row that has been checked."""
    return f"{row['person']}|{time_of(row['from']).astimezone(ZONE).isoformat(timespec='minutes')}"


def day_of(value: Any) -> date | None:
    """A date of a document: a date, or text like 2026-12-01. ValueError."""
    if value is None or value == "":
        return None
    if isinstance(value, datetime):
        return value.astimezone(ZONE).date() if value.utcoffset() is not None else value.date()
    if isinstance(value, date):
        return value
    return date.fromisoformat(str(value))


def time_of(value: Any, *, end: bool = False) -> datetime:
    """A time of a document: with an offset, or in China's time; a date is its beginning, as an end its end.

    ValueError.
    """
    if isinstance(value, datetime):
        at = value
    elif isinstance(value, date) or re.fullmatch(r"\d{4}-\d\d-\d\d", str(value)):
        day = value if isinstance(value, date) else date.fromisoformat(str(value))
        at = datetime(day.year, day.month, day.day) + timedelta(days=1 if end else 0)
    else:
        at = datetime.fromisoformat(str(value))
    return at if at.utcoffset() is not None else at.replace(tzinfo=ZONE)


class _Reader:
    """Reads a document and gathers what is wrong with it."""

    def __init__(self) -> None:
        self.problems: list[FieldProblem] = []

    def wrong(self, where: str, problem: str, allowed: str = "") -> None:
        self.problems.append(FieldProblem(where, problem, allowed))

    def directory(self, document: Mapping[str, Any], version: int) -> Directory:
        for key in set(document) - set(_KNOWN):
            self.wrong(str(key), "is unknown", ", ".join(_KNOWN))
        county = document.get("county")
        if not isinstance(county, dict) or not isinstance(county.get("code"), str):
            self.wrong("county", "is missing", "{code, name}")
            county = {"code": "0", "name": ""}
        self.phone("county", county)
        seat = Place(
            county["code"], str(county.get("name", "")), "county", "", *self._of_tree("county", county)
        )
        places = {seat.code: seat}
        for i, street in self._rows(document, "streets"):
            self._street(places, f"streets[{i}]", street, seat)
        grids: dict[str, Grid] = {}
        # Compounds first: a building names one.
        rows = sorted(self._rows(document, "grids"), key=lambda r: r[1].get("kind") != "compound")
        for i, row in rows:
            self._add(grids, self._grid(f"grids[{i}]", row, places, grids), f"grids[{i}]", lambda g: g.code)
        people: dict[str, Person] = {}
        for i, row in self._rows(document, "people"):
            where = f"people[{i}]"
            self._add(people, self._person(where, row, places, grids), where, lambda p: p.id)
        units: dict[str, Unit] = {}
        for i, row in self._rows(document, "units"):
            self._add(units, self._unit(f"units[{i}]", row), f"units[{i}]", lambda u: u.code)
        for key, role in HELPERS.items():
            for i, row in self._rows(document, key):
                where = f"{key}[{i}]"
                self._add(people, self._helper(where, row, role, places, grids, units), where, lambda p: p.id)
        seats: dict[str, Seat] = {}
        for i, row in self._rows(document, "committee"):
            where = f"committee[{i}]"
            self._add(seats, self._seat(where, row, places, units), where, lambda s: s.id)
        self._apart(people, units, seats)
        self._heads(people.values())
        teams: dict[str, Team] = {}
        for i, row in self._rows(document, "teams"):
            where = f"teams[{i}]"
            self._add(teams, self._team(where, row, places, grids, people), where, lambda t: t.code)
        points: dict[str, ServicePoint] = {}
        for i, row in self._rows(document, "points"):
            where = f"points[{i}]"
            self._add(points, self._point(where, row, places), where, lambda p: p.code)
        shifts = self._keyed(
            document,
            "roster",
            lambda row, shift: shift_key({**row, "role": shift.role}),
            lambda w, r: self._shift(w, r, people, places, grids),
        )
        leaves = self._keyed(
            document, "leave", lambda row, _: leave_key(row), lambda w, r: self._leave(w, r, people)
        )
        return Directory(
            version, seat, places, grids, people, units, seats, teams, points, tuple(shifts), tuple(leaves)
        )

    def _rows(self, document: Mapping[str, Any], key: str) -> list[tuple[int, dict[str, Any]]]:
        rows = document.get(key)
        if rows is None and key in OPTIONAL:
            return []
        if not isinstance(rows, list):
            self.wrong(key, "is missing" if rows is None else "is no list", "a list")
            return []
        out = []
        for i, row in enumerate(rows):
            if isinstance(row, dict):
                out.append((i, row))
            else:
                self.wrong(f"{key}[{i}]", "must be a mapping")
        return out

    def _add(self, into: dict[str, Any], item: Any, where: str, key: Callable[[Any], str]) -> None:
        if item is None:
            return
        if key(item) in into:
            self.wrong(where, f"{key(item)} is there twice")
        into[key(item)] = item

    def _keyed(
        self,
        document: Mapping[str, Any],
        key: str,
        name: Callable[[Mapping[str, Any], Any], str],
        make: Callable[[str, Mapping[str, Any]], Any],
    ) -> list[Any]:
        out, seen = [], set()
        for i, row in self._rows(document, key):
            found = len(self.problems)
            item = make(f"{key}[{i}]", row)
            if item is None or len(self.problems) > found:
                continue  # what is wrong in itself may lack what it would be named by
            if (named := name(row, item)) in seen:
                self.wrong(f"{key}[{i}]", f"{named[:80]} is there twice")
            seen.add(named)
            out.append(item)
        return out

    # -- values ------------------------------------------------------------------------------------

    def code(self, where: str, row: Mapping[str, Any], key: str) -> str:
        value = row.get(key)
        if not isinstance(value, str) or _CODE.fullmatch(value) is None:
            self.wrong(f"{where}.{key}", f"is {value!r:.80}", "letters, digits and ._:- as text, at most 64")
            return ""
        return value

    def name(self, where: str, row: Mapping[str, Any], key: str = "name") -> str:
        value = row.get(key)
        if not isinstance(value, str) or not 0 < len(value) <= 60 or _unprintable(value):
            self.wrong(f"{where}.{key}", f"is {value!r:.80}", "1 to 60 characters")
            return ""
        return value

    def text(self, where: str, row: Mapping[str, Any], key: str, most: int = 200) -> str:
        value = row.get(key) or ""
        if not isinstance(value, str) or len(value) > most or _unprintable(value):
            self.wrong(f"{where}.{key}", f"is {value!r:.80}", f"at most {most} characters")
            return ""
        return value

    def word(self, where: str, row: Mapping[str, Any], key: str, words: Sequence[str]) -> str:
        value = row.get(key)
        if value not in words:
            self.wrong(f"{where}.{key}", f"is {value!r:.80}", "one of " + ", ".join(words))
            return words[0]
        return str(value)

    def texts(self, where: str, row: Mapping[str, Any], key: str) -> tuple[str, ...]:
        value = row.get(key, [])
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            self.wrong(f"{where}.{key}", f"is {value!r:.80}", "a list of texts")
            return ()
        return _interned(tuple(value))

    def phone(self, where: str, row: Mapping[str, Any]) -> None:
        value = row.get("phone")
        if value is not None and (not isinstance(value, str) or _PHONE.fullmatch(value) is None):
            self.wrong(f"{where}.phone", "is malformed", "digits, spaces and hyphens, 5 to 25 characters")

    def active(self, where: str, row: Mapping[str, Any]) -> bool:
        value = row.get("active", True)
        if not isinstance(value, bool):
            self.wrong(f"{where}.active", f"is {value!r:.80}", "true or false")
        return bool(value)

    def hours(
        self, where: str, row: Mapping[str, Any], *, overnight: bool = True
    ) -> dict[str, list[str]] | None:
        value = row.get("hours")
        if value is None or value == "":
            return None
        try:
            if not isinstance(value, str | Mapping):
                raise ValueError("is neither text nor a mapping of days")
            return hours_of(value, overnight=overnight)
        except ValueError as error:
            self.wrong(
                f"{where}.hours", str(error), "like 周一至周五 08:00-12:00、14:30-17:30；周六 09:00-12:00"
            )
            return None

    def day(self, where: str, row: Mapping[str, Any], key: str) -> date | None:
        try:
            return day_of(row.get(key))
        except ValueError:
            self.wrong(f"{where}.{key}", f"is {row.get(key)!r:.40}", "a date like 2026-12-01")
            return None

    def whole(self, where: str, row: Mapping[str, Any], key: str, least: int, most: int) -> int:
        value = row.get(key)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.wrong(f"{where}.{key}", f"is {value!r:.40}", f"a whole number from {least} to {most}")
            return least
        return value

    def degrees(self, where: str, row: Mapping[str, Any], key: str, least: float, most: float) -> float:
        value = row.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            self.wrong(f"{where}.{key}", f"is {value!r:.40}", f"WGS-84 degrees from {least:g} to {most:g}")
            return 0.0
        return float(value)

    # -- the tree ----------------------------------------------------------------------------------

    def _of_tree(self, where: str, row: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
        """Party group and functions, which every step of the tree may have; its area is checked alone."""
        self.text(where, row, "area")
        if (boundary := row.get("boundary")) is not None:
            self._boundary(f"{where}.boundary", boundary)
        return self.text(where, row, "party_group"), self.texts(where, row, "functions")

    def _boundary(self, where: str, value: Any) -> None:
        problem = boundary_problem(value)
        if problem:
            self.wrong(
                where,
                problem,
                "a GeoJSON (Multi)Polygon in WGS-84 degrees, [longitude, latitude], at most 32,000 characters",
            )

    def _street(self, places: dict[str, Place], where: str, row: Mapping[str, Any], county: Place) -> None:
        self.phone(where, row)
        more = self._of_tree(where, row)
        street = Place(self.code(where, row, "code"), self.name(where, row), "street", county.code, *more)
        self._add(places, street, where, lambda p: p.code)
        for j, inner in self._rows(row, "communities"):
            at = f"{where}.communities[{j}]"
            kind = self.word(at, inner, "kind", ("community", "village"))
            place = Place(
                self.code(at, inner, "code"),
                self.name(at, inner),
                kind,
                street.code,
                *self._of_tree(at, inner),
            )
            if not place.code.startswith(street.code):
                self.wrong(f"{at}.code", f"{place.code} doesn't begin with its street's {street.code}")
            self._add(places, place, at, lambda p: p.code)

    def _grid(
        self, where: str, row: Mapping[str, Any], places: Mapping[str, Place], grids: Mapping[str, Grid]
    ) -> Grid | None:
        code, kind = self.code(where, row, "code"), self.word(where, row, "kind", GRID_KINDS)
        parent = self.code(where, row, "parent")
        above: Place | Grid | None = places.get(parent) if kind == "compound" else grids.get(parent)
        if above is None or above.kind in ("county", "street", "building"):
            expected = "the code of a community" if kind == "compound" else "the code of a compound grid"
            self.wrong(f"{where}.parent", f"is {parent!r}", expected)
            return None
        if not code.startswith(f"{parent}-"):
            self.wrong(f"{where}.code", f"{code} doesn't begin with its parent's {parent}-")
        community, street = (
            (parent, above.parent) if isinstance(above, Place) else (above.community, above.street)
        )
        group, functions = self._of_tree(where, row)
        before = self.texts(where, row, "predecessors")
        name = self.name(where, row)
        return Grid(code, name, kind, parent, community, street, group, functions, before)

    # -- people ------------------------------------------------------------------------------------

    def _means(self, where: str, row: Mapping[str, Any]) -> dict[str, Any]:
        """What everybody may have: skills, languages, hours."""
        hours = self.hours(where, row)
        return {
            "active": self.active(where, row),
            "skills": self.texts(where, row, "skills"),
            "languages": self.texts(where, row, "languages"),
            "week": week_of(hours) if hours else None,
        }

    def _person(
        self, where: str, row: Mapping[str, Any], places: Mapping[str, Place], grids: Mapping[str, Grid]
    ) -> Person | None:
        self.phone(where, row)
        id_, name = self.code(where, row, "id"), self.name(where, row)
        role, code = self.word(where, row, "role", GRID_ROLES), self.code(where, row, "grid")
        grid, place = grids.get(code), places.get(code)
        means = self._means(where, row)
        if role == "chief":
            if place is None or place.kind not in ("community", "village"):
                self.wrong(
                    f"{where}.grid", f"is {code!r}", "the code of a community, of which this person is chief"
                )
                return None
            return Person(id_, name, role, code, place.code, place.parent, **means)
        if grid is None or (role == "leader" and grid.kind != "compound"):
            self.wrong(
                f"{where}.grid",
                f"is {code!r}",
                f"the code of a {'compound ' if role == 'leader' else ''}grid",
            )
            return None
        return Person(id_, name, role, code, grid.community, grid.street, **means)

    def _helper(
        self,
        where: str,
        row: Mapping[str, Any],
        role: str,
        places: Mapping[str, Place],
        grids: Mapping[str, Grid],
        units: Mapping[str, Unit],
    ) -> Person | None:
        """A cadre who has checked in, a volunteer or a mediator: of a grid, a community, a street or the county."""
        self.phone(where, row)
        id_, name, code = self.code(where, row, "id"), self.name(where, row), self.code(where, row, "grid")
        means = self._means(where, row)
        unit = self.text(where, row, "unit", 64) if role == "cadre" else ""
        if unit and unit not in units:
            self.wrong(f"{where}.unit", f"is {unit!r}", "the code of a unit, or nothing")
        grid, place = grids.get(code), places.get(code)
        if grid is not None:
            return Person(id_, name, role, code, grid.community, grid.street, unit=unit, **means)
        if place is None or (role == "cadre" and place.kind in ("county", "street")):
            allowed = "the code of a grid or community" + (
                "" if role == "cadre" else ", of a street or the county"
            )
            self.wrong(f"{where}.grid", f"is {code!r}", allowed)
            return None
        community = place.code if place.kind in ("community", "village") else ""
        street = place.parent if community else place.code if place.kind == "street" else ""
        return Person(id_, name, role, code, community, street, unit=unit, **means)

    def _apart(self, people: Mapping[str, Any], units: Mapping[str, Any], seats: Mapping[str, Any]) -> None:
        """Whoever notices can go to has an id of their own."""
        for both in people.keys() & units.keys():
            self.wrong("people", f"{both} is a person's id and a unit's code")
        for both in (people.keys() | units.keys()) & seats.keys():
            self.wrong("committee", f"{both} is also the id of a person or the code of a unit")

    def _heads(self, people: Iterable[Person]) -> None:
        heads: dict[tuple[str, str], str] = {}
        for p in people:
            if (
                p.active
                and p.role in ("leader", "chief")
                and heads.setdefault((p.role, p.grid), p.id) != p.id
            ):
                self.wrong("people", f"{p.grid} has two: {heads[p.role, p.grid]} and {p.id}", f"one {p.role}")

    def _unit(self, where: str, row: Mapping[str, Any]) -> Unit:
        self.phone(where, row)
        clerk, partner = row.get("clerk", ""), row.get("partner", "")
        code = self.code(where, row, "code")
        return Unit(
            code,
            self.name(where, row),
            self.word(where, row, "kind", UNIT_KINDS),
            self.word(where, row, "member", MEMBERS),
            clerk if isinstance(clerk, str) else "",
            self.word(where, row, "system", SYSTEMS),
            partner if isinstance(partner, str) else "",
            self.active(where, row),
            self.texts(where, row, "duties"),
            self._escalation(where, row, code),
        )

    def _escalation(self, where: str, row: Mapping[str, Any], unit: str) -> tuple[Superior, ...]:
        steps = row.get("escalation") or []
        if not isinstance(steps, list) or len(steps) > 5 or not all(isinstance(s, dict) for s in steps):
            self.wrong(f"{where}.escalation", f"is {steps!r:.80}", "a list of at most 5 {name, post, phone}")
            return ()
        out = []
        for i, step in enumerate(steps):
            at = f"{where}.escalation[{i}]"
            self.phone(at, step)
            out.append(
                Superior(superior_id(unit, i + 1), self.name(at, step), self.text(at, step, "post", 60))
            )
        return tuple(out)

    def _seat(
        self, where: str, row: Mapping[str, Any], places: Mapping[str, Place], units: Mapping[str, Unit]
    ) -> Seat | None:
        self.phone(where, row)
        id_, name = self.code(where, row, "id"), self.name(where, row)
        seat, street = self.word(where, row, "seat", SEATS), self.code(where, row, "street")
        unit = self.text(where, row, "unit", 64)
        place = places.get(street)
        if place is None or place.kind != "street":
            self.wrong(f"{where}.street", f"is {street!r}", "the code of a street")
            return None
        if (unit or seat == "part_time") and unit not in units:
            needed = (
                "the code of the unit that this member heads" if seat == "part_time" else "the code of a unit"
            )
            self.wrong(f"{where}.unit", f"is {unit!r}", needed)
        return Seat(id_, name, seat, street, unit, self.text(where, row, "post", 60), self.active(where, row))

    def _team(
        self,
        where: str,
        row: Mapping[str, Any],
        places: Mapping[str, Place],
        grids: Mapping[str, Grid],
        people: Mapping[str, Person],
    ) -> Team:
        place, lead = self.code(where, row, "place"), self.text(where, row, "lead", 64)
        members = self.texts(where, row, "members")
        if place and place not in places and place not in grids:
            self.wrong(
                f"{where}.place", f"is {place!r}", "the code of a grid, community, street or the county"
            )
        for who in members:
            if who not in people:
                self.wrong(
                    f"{where}.members", f"names {who!r}", "ids of people, mediators, cadres or volunteers"
                )
        if lead and lead not in members:
            self.wrong(f"{where}.lead", f"is {lead!r}", "the id of one of its members, or nothing")
        means = self._means(where, row)
        return Team(self.code(where, row, "code"), self.name(where, row), place, lead, members, **means)

    # -- points, rosters, leave --------------------------------------------------------------------

    def _point(self, where: str, row: Mapping[str, Any], places: Mapping[str, Place]) -> ServicePoint:
        # Intake books slots by the same hours: within a day.
        hours = self.hours(where, row, overnight=False)
        street, community = self.text(where, row, "street", 64), self.text(where, row, "community", 64)
        for key, code, kinds in (
            ("street", street, ("street",)),
            ("community", community, ("community", "village")),
        ):
            if code and (code not in places or places[code].kind not in kinds):
                self.wrong(
                    f"{where}.{key}", f"is {code!r}", f"the code of a {' or '.join(kinds)}, or nothing"
                )
        if community in places and not street:
            street = places[community].parent
        opens, closes = self.day(where, row, "open_from"), self.day(where, row, "open_until")
        if opens and closes and closes < opens:
            self.wrong(f"{where}.open_until", f"{closes} is before {opens}", "a day from open_from on")
        return ServicePoint(
            self.code(where, row, "code"),
            self.name(where, row),
            self.word(where, row, "kind", POINT_KINDS),
            self.degrees(where, row, "lat", -90, 90),
            self.degrees(where, row, "long", -180, 180),
            self.texts(where, row, "services"),
            week_of(hours or dict.fromkeys(DAYS, ())),
            self.whole(where, row, "capacity", 1, 100_000),
            street,
            community,
            self.text(where, row, "address"),
            opens,
            closes,
        )

    def _shift(
        self,
        where: str,
        row: Mapping[str, Any],
        people: Mapping[str, Person],
        places: Mapping[str, Place],
        grids: Mapping[str, Grid],
    ) -> Shift | None:
        who = self.code(where, row, "who")
        first, last = self.day(where, row, "from"), self.day(where, row, "to")
        days, spans = self._days(where, row), self._spans(where, row)
        mode = self.word(where, {"mode": "normal", **row}, "mode", MODES)
        role = self.text(where, row, "role", 20)
        self.text(where, row, "name", 40)
        if who in people:
            if role:
                self.wrong(f"{where}.role", f"is {role!r}", "nothing, where a person is named")
        elif who in places or who in grids:
            role = self.word(where, {"role": role or "worker"}, "role", ROLES)
        elif who:
            self.wrong(f"{where}.who", f"is {who!r}", "the id of a person, or the code of a place")
        if not first or not last:
            for key, value in (("from", row.get("from")), ("to", row.get("to"))):
                if value in (None, ""):
                    self.wrong(f"{where}.{key}", "is missing", "a date like 2026-12-01")
            return None
        if last < first:
            self.wrong(f"{where}.to", f"{last} is before {first}", "a day from the first on")
        if (last - first).days > 3 * 366:
            self.wrong(f"{where}.to", f"{last} is more than three years after {first}", "a nearer day")
        return Shift(who, first, last, days, spans, role, str(row.get("name") or ""), mode)

    def _days(self, where: str, row: Mapping[str, Any]) -> tuple[int, ...]:
        value = row.get("days")
        if value is None:
            return tuple(range(7))
        if not isinstance(value, list) or not value or not set(value) <= set(DAYS):
            self.wrong(
                f"{where}.days", f"is {value!r:.60}", "a list of " + ", ".join(DAYS) + ", or nothing for all"
            )
            return tuple(range(7))
        return tuple(sorted({DAYS.index(d) for d in value}))

    def _spans(self, where: str, row: Mapping[str, Any]) -> tuple[tuple[int, int], ...]:
        value = row.get("spans")
        allowed = 'a list of spans like ["08:00-12:00", "22:00-06:00"]'
        if not isinstance(value, list) or not value or len(value) > 12:
            self.wrong(f"{where}.spans", f"is {value!r:.60}", allowed)
            return ()
        try:
            found = sorted({minutes(span_of(s, overnight=True)) for s in value})
        except ValueError as error:
            self.wrong(f"{where}.spans", str(error), allowed)
            return ()
        for (_, end), (begin, _) in pairwise(found):
            if begin < end:
                self.wrong(f"{where}.spans", "has spans that overlap", allowed)
                break
        return _interned(tuple(found))

    def _leave(self, where: str, row: Mapping[str, Any], people: Mapping[str, Person]) -> Leave | None:
        person, other = self.code(where, row, "person"), self.text(where, row, "stand_in", 64)
        if person and person not in people:
            self.wrong(f"{where}.person", f"is {person!r}", "the id of a person")
        if other and (other not in people or other == person):
            self.wrong(f"{where}.stand_in", f"is {other!r}", "the id of another person, or nothing")
        kind = self.word(where, {"kind": "leave", **row}, "kind", LEAVE_KINDS)
        times = []
        for key in ("from", "to"):
            try:
                times.append(time_of(row.get(key), end=key == "to"))
            except ValueError:
                self.wrong(
                    f"{where}.{key}", f"is {row.get(key)!r:.40}", "a date, or a time like 2026-12-01 08:00"
                )
        if len(times) < 2:
            return None
        if times[1] <= times[0]:
            self.wrong(f"{where}.to", f"{row.get('to')} is not after {row.get('from')}", "a later time")
        return Leave(person, times[0], times[1], other, kind)


_seen: dict[Any, Any] = {}


def _interned(value: tuple[Any, ...]) -> tuple[Any, ...]:
    """One object for equal lists: thousands of people have the same few skills and languages."""
    if len(_seen) > 20_000:
        _seen.clear()
    return _seen.setdefault(value, value)


def _unprintable(value: str) -> bool:
    return any(ord(c) < 32 for c in value)


def boundary_problem(value: Any) -> str:
    """What is wrong with a GeoJSON geometry as the boundary of a place; "" when nothing is."""
    if not isinstance(value, Mapping) or value.get("type") not in ("Polygon", "MultiPolygon"):
        return "is no polygon"
    shapes = value.get("coordinates")
    shapes = [shapes] if value["type"] == "Polygon" else shapes
    if not isinstance(shapes, list) or not shapes:
        return "has no coordinates"
    for shape in shapes:
        if not isinstance(shape, list) or not shape:
            return "has a polygon without rings"
        for ring in shape:
            if not isinstance(ring, list) or len(ring) < 4 or ring[0] != ring[-1]:
                return "has a ring of fewer than four points, or one that doesn't end where it begins"
            for at in ring:
                if (
                    not isinstance(at, list)
                    or len(at) < 2
                    or not all(isinstance(n, int | float) and not isinstance(n, bool) for n in at[:2])
                    or not (-180 <= at[0] <= 180 and -90 <= at[1] <= 90)
                ):
                    return f"has a point that is none: {at!r:.40}"
    # It has to fit into a cell of a spreadsheet.
    return "is too detailed" if len(orjson.dumps(value)) > 32_000 else ""
