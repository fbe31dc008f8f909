"""The directory: streets, communities, compound and building grids with their people, and the member units. Pure.

A directory document (YAML or JSON) is checked as a whole before anything is taken from it: `DirectoryError` lists
every fault with its place in the document.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, Final

import orjson
import yaml

from jiayuan.contracts.check import FieldProblem

from .case import DESK_STEP, Assignee, Rung, desk_of

ROLES: Final = ("worker", "leader", "chief")
GRID_KINDS: Final = ("compound", "building")
UNIT_KINDS: Final = ("department", "state_firm", "school", "hospital", "company", "association")
MEMBERS: Final = ("convener", "full_time", "part_time", "none")
SYSTEMS: Final = ("http", "bus")
_CODE: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._:\-]{0,63}")
_PHONE: Final = re.compile(r"[+0-9][0-9 \-]{4,24}")
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class DirectoryError(ValueError):
    """The document is wrong; `problems` says where and what is allowed."""

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(f"{p.field}: {p.problem}" for p in self.problems[:20]))


@dataclass(frozen=True, slots=True)
class Place:
    """The county, a street, or a community or village in it."""

    code: str
    name: str
    kind: str
    parent: str


@dataclass(frozen=True, slots=True)
class Grid:
    """A compound grid of a community, or a building grid of a compound. `functions` are attributes of one grid."""

    code: str
    name: str
    kind: str
    parent: str
    community: str
    street: str
    party_group: str = ""
    functions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of a grid: worker, leader (of a compound grid) or chief (`grid` is then the community's code)."""

    id: str
    name: str
    role: str
    grid: str
    community: str
    street: str
    active: bool = True


@dataclass(frozen=True, slots=True)
class Unit:
    """A member unit. `partner`: the only outside system that may act for it over the bus, "" for any."""

    code: str
    name: str
    kind: str
    member: str
    clerk: str
    system: str
    partner: str = ""
    active: bool = True
    duties: tuple[str, ...] = ()


@dataclass(frozen=True)
class Directory:
    """A checked directory, with what routing asks of it made ready. `version` 0 is the empty one."""

    version: int
    county: Place
    places: Mapping[str, Place]
    grids: Mapping[str, Grid]
    people: Mapping[str, Person]
    units: Mapping[str, Unit]
    _workers: dict[str, list[str]] = field(init=False, repr=False, default_factory=dict)
    _leaders: dict[str, str] = field(init=False, repr=False, default_factory=dict)
    _chiefs: dict[str, str] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Workers by every place they belong to; the leader of a compound, the chief of a community."""
        for person in self.people.values():
            if not person.active:
                continue
            if person.role == "worker":
                for place in self._above(person):
                    self._workers.setdefault(place, []).append(person.id)
            else:
                heads = self._leaders if person.role == "leader" else self._chiefs
                heads.setdefault(person.grid, person.id)

    def _above(self, person: Person) -> Iterable[str]:
        grid = self.grids.get(person.grid)
        if grid is not None:
            yield grid.code
            if grid.parent != grid.community:
                yield grid.parent
        yield person.community
        yield person.street

    @property
    def county_street(self) -> str:
        """The virtual street code of the county's own desk."""
        return f"{self.county.code}000"

    def streets(self) -> list[Place]:
        """The streets, by code."""
        return sorted((p for p in self.places.values() if p.kind == "street"), key=lambda p: p.code)

    def desk(self, street: str) -> Assignee:
        """The desk of a street; of the county when there is no such street."""
        known = self.places.get(street)
        return desk_of(street if known is not None and known.kind == "street" else self.county_street)

    def workers(self, place: str) -> Sequence[str]:
        """The ids of the active workers in and under a grid, community or street."""
        return self._workers.get(place, ())

    def where(
        self, street: str | None, community: str | None, grid: str | None
    ) -> tuple[str, str | None, str | None]:
        """Street, community and grid as the directory knows them: the lower gives the higher, else the county."""
        known = self.grids.get(grid or "")
        if known is not None:
            return known.street, known.community, known.code
        place = self.places.get(community or "")
        if place is not None and place.kind not in ("county", "street"):
            return place.parent, place.code, None
        above = self.places.get(street or "")
        if above is not None and above.kind == "street":
            return above.code, None, None
        return self.county_street, None, None

    def ladder(self, person_id: str) -> tuple[Rung, ...]:
        """The rungs above somebody: leader, chief, the street's desk, as far as there are any."""
        person = self.people.get(person_id)
        if person is None:
            return (Rung(DESK_STEP, "street", desk_of(self.county_street)),)
        rungs = []
        grid = self.grids.get(person.grid)
        if person.role == "worker" and grid is not None:
            leader = self._leaders.get(grid.parent) or self._leaders.get(grid.code)
            if leader is not None:
                rungs.append(Rung(1, "grid", Assignee("person", leader)))
        chief = self._chiefs.get(person.community)
        if person.role != "chief" and chief is not None:
            rungs.append(Rung(2, "community", Assignee("person", chief)))
        return (*rungs, Rung(DESK_STEP, "street", self.desk(person.street)))

    def person(self, person_id: str) -> Person | None:
        """An active person."""
        person = self.people.get(person_id)
        return person if person is not None and person.active else None

    def unit(self, code: str) -> Unit | None:
        """An active unit."""
        unit = self.units.get(code)
        return unit if unit is not None and unit.active else None

    def label(self, assignee: Assignee) -> str:
        """Who it is, in words for people."""
        if assignee.type == "person":
            person = self.people.get(assignee.id)
            words = {"worker": "网格员", "leader": "网格长", "chief": "总网格长"}
            return f"{words[person.role]}{person.name}" if person is not None else assignee.id
        if assignee.type == "unit":
            unit = self.units.get(assignee.id)
            return unit.name if unit is not None else assignee.id
        place = self.places.get(assignee.id.removeprefix("desk-"))
        return f"{(place or self.county).name}工作台"


EMPTY: Final = Directory(0, Place("350921", "霞浦县", "county", ""), {}, {}, {}, {})


# -- documents ---------------------------------------------------------------------------------------


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
    """The phone of every person, unit and desk of a document, by the id that notices go to."""
    out = {p["id"]: p.get("phone") for p in document.get("people", ())}
    out |= {u["code"]: u.get("phone") for u in document.get("units", ())}
    county = document["county"]
    out[f"desk-{county['code']}000"] = county.get("phone")
    out |= {f"desk-{s['code']}": s.get("phone") for s in document.get("streets", ())}
    return {k: v for k, v in out.items() if v}


class _Reader:
    """Reads a document and gathers what is wrong with it."""

    def __init__(self) -> None:
        self.problems: list[FieldProblem] = []

    def wrong(self, where: str, problem: str, allowed: str = "") -> None:
        self.problems.append(FieldProblem(where, problem, allowed))

    def directory(self, document: Mapping[str, Any], version: int) -> Directory:
        for key in set(document) - {"version", "county", "streets", "grids", "people", "units"}:
            self.wrong(str(key), "is unknown", "version, county, streets, grids, people, units")
        county = document.get("county")
        if not isinstance(county, dict) or not isinstance(county.get("code"), str):
            self.wrong("county", "is missing", "{code, name}")
            county = {"code": "0", "name": ""}
        seat = Place(county["code"], str(county.get("name", "")), "county", "")
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
            self._add(
                people, self._person(f"people[{i}]", row, places, grids), f"people[{i}]", lambda p: p.id
            )
        units: dict[str, Unit] = {}
        for i, row in self._rows(document, "units"):
            self._add(units, self._unit(f"units[{i}]", row), f"units[{i}]", lambda u: u.code)
        for both in people.keys() & units.keys():
            self.wrong("people", f"{both} is a person's id and a unit's code")
        self._heads(people.values())
        return Directory(version, seat, places, grids, people, units)

    def _rows(self, document: Mapping[str, Any], key: str) -> list[tuple[int, dict[str, Any]]]:
        rows = document.get(key)
        if not isinstance(rows, list):
            self.wrong(key, "is missing", "a list")
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

    def code(self, where: str, row: Mapping[str, Any], key: str) -> str:
        value = row.get(key)
        if not isinstance(value, str) or _CODE.fullmatch(value) is None:
            self.wrong(f"{where}.{key}", f"is {value!r}", "letters, digits and ._:- as text, at most 64")
            return ""
        return value

    def name(self, where: str, row: Mapping[str, Any], key: str = "name") -> str:
        value = row.get(key)
        if not isinstance(value, str) or not 0 < len(value) <= 60:
            self.wrong(f"{where}.{key}", f"is {value!r}", "1 to 60 characters")
            return ""
        return value

    def word(self, where: str, row: Mapping[str, Any], key: str, words: Sequence[str]) -> str:
        value = row.get(key)
        if value not in words:
            self.wrong(f"{where}.{key}", f"is {value!r}", "one of " + ", ".join(words))
            return words[0]
        return str(value)

    def texts(self, where: str, row: Mapping[str, Any], key: str) -> tuple[str, ...]:
        value = row.get(key, [])
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            self.wrong(f"{where}.{key}", f"is {value!r:.80}", "a list of texts")
            return ()
        return tuple(value)

    def phone(self, where: str, row: Mapping[str, Any]) -> None:
        value = row.get("phone")
        if value is not None and (not isinstance(value, str) or _PHONE.fullmatch(value) is None):
            self.wrong(f"{where}.phone", "is malformed", "digits, spaces and hyphens, 5 to 25 characters")

    def active(self, where: str, row: Mapping[str, Any]) -> bool:
        value = row.get("active", True)
        if not isinstance(value, bool):
            self.wrong(f"{where}.active", f"is {value!r}", "true or false")
        return bool(value)

    def _street(self, places: dict[str, Place], where: str, row: Mapping[str, Any], county: Place) -> None:
        self.phone(where, row)
        street = Place(self.code(where, row, "code"), self.name(where, row), "street", county.code)
        self._add(places, street, where, lambda p: p.code)
        for j, inner in self._rows(row, "communities"):
            at = f"{where}.communities[{j}]"
            kind = self.word(at, inner, "kind", ("community", "village"))
            place = Place(self.code(at, inner, "code"), self.name(at, inner), kind, street.code)
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
        group = row.get("party_group", "")
        return Grid(
            code,
            self.name(where, row),
            kind,
            parent,
            community,
            street,
            group if isinstance(group, str) else "",
            self.texts(where, row, "functions"),
        )

    def _person(
        self, where: str, row: Mapping[str, Any], places: Mapping[str, Place], grids: Mapping[str, Grid]
    ) -> Person | None:
        self.phone(where, row)
        id_, name = self.code(where, row, "id"), self.name(where, row)
        role, code = self.word(where, row, "role", ROLES), self.code(where, row, "grid")
        grid, place = grids.get(code), places.get(code)
        if role == "chief":
            if place is None or place.kind not in ("community", "village"):
                self.wrong(
                    f"{where}.grid", f"is {code!r}", "the code of a community, of which this person is chief"
                )
                return None
            return Person(id_, name, role, code, place.code, place.parent, self.active(where, row))
        if grid is None or (role == "leader" and grid.kind != "compound"):
            self.wrong(
                f"{where}.grid",
                f"is {code!r}",
                f"the code of a {'compound ' if role == 'leader' else ''}grid",
            )
            return None
        return Person(id_, name, role, code, grid.community, grid.street, self.active(where, row))

    def _heads(self, people: Iterable[Person]) -> None:
        heads: dict[tuple[str, str], str] = {}
        for p in people:
            if p.active and p.role != "worker" and heads.setdefault((p.role, p.grid), p.id) != p.id:
                self.wrong("people", f"{p.grid} has two: {heads[p.role, p.grid]} and {p.id}", f"one {p.role}")

    def _unit(self, where: str, row: Mapping[str, Any]) -> Unit:
        self.phone(where, row)
        clerk, partner = row.get("clerk", ""), row.get("partner", "")
        return Unit(
            self.code(where, row, "code"),
            self.name(where, row),
            self.word(where, row, "kind", UNIT_KINDS),
            self.word(where, row, "member", MEMBERS),
            clerk if isinstance(clerk, str) else "",
            self.word(where, row, "system", SYSTEMS),
            partner if isinstance(partner, str) else "",
            self.active(where, row),
            self.texts(where, row, "duties"),
        )
