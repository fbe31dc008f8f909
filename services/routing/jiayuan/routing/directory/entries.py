"""The directory as entries: one a thing (a grid, a person, a shift …), each with its time of validity. Pure.

A document is split into entries to find out what changed and to keep only that; entries make a document again, or
the `Directory` that a process works with. An entry's `doc` is a row of the document without its key, its phone and
what only a map needs (`extra`); what says no more than a default is left out, so that equal rows are equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from sys import intern
from typing import Any, Final, NamedTuple

from jiayuan.chassis.hours import DAYS, hours_of, minutes, span_of, week_of

from .documents import HELPERS, LISTS, _interned, day_of, leave_key, shift_key, superior_id, time_of
from .duty import ZONE, Leave, Shift
from .model import (
    EMPTY,
    Directory,
    Grid,
    Person,
    Place,
    Retired,
    Seat,
    ServicePoint,
    Superior,
    Team,
    Unit,
)

KINDS: Final = ("place", "grid", "person", "unit", "superior", "seat", "team", "point", "shift", "leave")
# Of these, cases name what is no more: the newest entry stays in memory, as inactive.
NAMED: Final = ("grid", "person", "unit", "seat", "team")
_EXTRA: Final = ("area", "boundary")
_KEYS: Final = {
    "place": "code",
    "grid": "code",
    "person": "id",
    "unit": "code",
    "seat": "id",
    "team": "code",
    "point": "code",
}
_LIST_OF_ROLE: Final = {role: key for key, role in HELPERS.items()}
# Which list of the document a kind stands in; places and people stand in several.
_LIST_OF_KIND: Final = {
    "grid": "grids",
    "unit": "units",
    "seat": "committee",
    "team": "teams",
    "point": "points",
    "shift": "roster",
    "leave": "leave",
}


class Key(NamedTuple):
    """What names an entry through all its time."""

    kind: str
    key: str


@dataclass(slots=True)
class Entry:
    """What holds of a thing from `valid_from` to before `valid_to` (None: until further notice)."""

    kind: str
    key: str
    doc: dict[str, Any]
    extra: dict[str, Any] = field(default_factory=dict)
    phone: str | None = None
    contact: str | None = None
    version: int = 0
    valid_from: datetime | None = None
    valid_to: datetime | None = None

    @property
    def id(self) -> Key:
        """Kind and key."""
        return Key(self.kind, self.key)

    def same(self, other: Entry) -> bool:
        """Whether both say the same, but for the contact."""
        return self.doc == other.doc and self.extra == other.extra


# -- a document to entries ---------------------------------------------------------------------------


def flatten(document: Mapping[str, Any], directory: Directory) -> dict[Key, Entry]:
    """The entries of a document that has been checked, with `directory` as what it was read to."""
    out: dict[Key, Entry] = {}
    for entry in _entries(document, directory):
        out[entry.id] = entry
    return out


def _entries(document: Mapping[str, Any], directory: Directory) -> Iterator[Entry]:
    county = document["county"]
    yield _entry("place", county["code"], {**county, "kind": "county", "parent": ""}, "code")
    for street in document["streets"]:
        row = {k: v for k, v in street.items() if k != "communities"}
        yield _entry("place", street["code"], {**row, "kind": "street", "parent": county["code"]}, "code")
        for inner in street["communities"]:
            yield _entry("place", inner["code"], {**inner, "parent": street["code"]}, "code")
    for row in document["grids"]:
        grid = directory.grids[row["code"]]
        yield _entry("grid", row["code"], {**row, "community": grid.community, "street": grid.street}, "code")
    for key in ("people", *HELPERS):
        for row in document.get(key) or ():
            who = directory.people[row["id"]]
            more = {"role": who.role, "community": who.community, "street": who.street}
            yield _entry("person", row["id"], {**row, **more}, "id")
    for row in document["units"]:
        yield _entry("unit", row["code"], {k: v for k, v in row.items() if k != "escalation"}, "code")
        for i, step in enumerate(row.get("escalation") or (), start=1):
            doc = {**step, "unit": row["code"], "step": i}
            yield _entry("superior", superior_id(row["code"], i), doc, "")
    for kind in ("seat", "team", "point"):
        for row in document.get(_LIST_OF_KIND[kind]) or ():
            yield _entry(kind, row[_KEYS[kind]], dict(row), _KEYS[kind])
    for row in document.get("roster") or ():
        doc = dict(row)
        if row["who"] not in directory.people:
            doc["role"] = row.get("role") or "worker"
        yield _entry("shift", shift_key(doc), doc, "")
    for row in document.get("leave") or ():
        yield _entry("leave", leave_key(row), dict(row), "")


def _entry(kind: str, key: str, row: dict[str, Any], named: str) -> Entry:
    row.pop(named, None)
    phone = row.pop("phone", None) or None
    extra = {k: v for k in _EXTRA if (v := row.pop(k, None))}
    doc = {k: v for k, v in row.items() if v is not None and v not in ("", [], {})}
    _plain(kind, doc)
    return Entry(kind, key, doc, extra, phone)


def _plain(kind: str, doc: dict[str, Any]) -> None:
    """Values in the one form that they are kept in."""
    if doc.get("active") is True:
        del doc["active"]
    if "hours" in doc:
        doc["hours"] = hours_of(doc["hours"], overnight=kind != "point")
    if kind == "shift":
        doc["from"], doc["to"] = _date(doc["from"]), _date(doc["to"])
        doc["spans"] = sorted({span_of(s, overnight=True) for s in doc["spans"]})
        if doc.get("mode") == "normal":
            del doc["mode"]
        days = [d for d in DAYS if d in doc.pop("days", DAYS)]
        if len(days) < len(DAYS):
            doc["days"] = days
    elif kind == "leave":
        doc["from"], doc["to"] = time_text(doc["from"]), time_text(doc["to"], end=True)
        if doc.get("kind") == "leave":
            del doc["kind"]
    elif kind == "point":
        for key in ("open_from", "open_until"):
            if key in doc:
                doc[key] = _date(doc[key])
        doc["lat"], doc["long"] = float(doc["lat"]), float(doc["long"])


def _date(value: Any) -> str:
    day = day_of(value)
    assert day is not None  # it was checked
    return day.isoformat()


def time_text(value: Any, *, end: bool = False) -> str:
    """A time as it is kept: in China's time, 2026-12-01T08:00+08:00; 24:00 of an end is the next midnight."""
    return time_of(value, end=end).astimezone(ZONE).isoformat(timespec="minutes")


# -- entries to a document ---------------------------------------------------------------------------


def unflatten(entries: Iterable[Entry], *, lists: Iterable[str] = LISTS) -> dict[str, Any]:
    """The document of entries, in the order of their keys; phones as the entries have them."""
    known = sorted(entries, key=lambda e: e.key)
    out: dict[str, Any] = {"county": {"code": EMPTY.county.code, "name": EMPTY.county.name}}
    out |= {key: [] for key in lists}
    streets: dict[str, dict[str, Any]] = {}
    below: list[tuple[str, dict[str, Any]]] = []
    units: dict[str, dict[str, Any]] = {}
    superiors: list[Entry] = []
    for entry in known:
        row = _row(entry)
        if entry.kind == "place":
            _to_tree(entry, row, out, streets, below)
        elif entry.kind == "superior":
            superiors.append(entry)
        elif entry.kind == "person":
            role = entry.doc["role"]
            key = _LIST_OF_ROLE.get(role, "people")
            if key != "people":
                del row["role"]
            out[key].append(row)
        else:
            out[_LIST_OF_KIND[entry.kind]].append(row)
            if entry.kind == "unit":
                units[entry.key] = row
    for parent, row in below:
        streets[parent]["communities"].append(row)
    for entry in sorted(superiors, key=lambda e: int(e.doc["step"])):
        if entry.doc["unit"] in units:
            row = {k: v for k, v in _row(entry).items() if k not in ("unit", "step")}
            units[entry.doc["unit"]].setdefault("escalation", []).append(row)
    return out


def _row(entry: Entry) -> dict[str, Any]:
    named = _KEYS.get(entry.kind)
    row = {named: entry.key, **entry.doc} if named else dict(entry.doc)
    if entry.kind in ("grid", "person"):
        row.pop("community", None)
        row.pop("street", None)
    if entry.phone is not None:
        row["phone"] = entry.phone
    return row | entry.extra


def _to_tree(
    entry: Entry,
    row: dict[str, Any],
    out: dict[str, Any],
    streets: dict[str, dict[str, Any]],
    below: list[tuple[str, dict[str, Any]]],
) -> None:
    parent = row.pop("parent", "")
    if row["kind"] == "county":
        del row["kind"]
        out["county"] = row
    elif row["kind"] == "street":
        del row["kind"]
        streets[entry.key] = row = {**row, "communities": []}
        out["streets"].append(row)
    else:
        below.append((parent, row))


# -- entries to what a process works with ------------------------------------------------------------


def build(entries: Iterable[Entry], version: int, at: datetime, until: datetime | None = None) -> Directory:
    """The directory of a time from the newest entry of each key that began by then; those that are over by then are
    inactive. Nothing is checked: it was when it came."""
    places: dict[str, Place] = {}
    grids: dict[str, Grid] = {}
    people: dict[str, Person] = {}
    units: dict[str, Unit] = {}
    superiors: dict[str, list[tuple[int, Superior]]] = {}
    seats: dict[str, Seat] = {}
    teams: dict[str, Team] = {}
    points: dict[str, ServicePoint] = {}
    shifts: list[Shift] = []
    leaves: list[Leave] = []
    gone: list[tuple[Grid, datetime]] = []
    today = at.astimezone(ZONE).date()
    for e in entries:
        doc, over = e.doc, e.valid_to is not None and e.valid_to <= at
        active = not over and doc.get("active", True)
        match e.kind:
            case "person":
                people[intern(e.key)] = _person(e.key, doc, active)
            case "grid":
                grid = _grid(e.key, doc)
                if over:
                    assert e.valid_to is not None
                    gone.append((grid, e.valid_to))
                else:
                    grids[e.key] = grid
            case "unit":
                units[e.key] = _unit(e.key, doc, active)
            case "seat":
                seats[e.key] = _seat(e.key, doc, active)
            case "team":
                teams[e.key] = _team(e.key, doc, active)
            case "place" if not over:
                tree = (doc.get("party_group", ""), _interned(tuple(doc.get("functions", ()))))
                places[e.key] = Place(intern(e.key), doc["name"], doc["kind"], doc.get("parent", ""), *tree)
            case "superior" if not over:
                step = Superior(e.key, doc["name"], doc.get("post", ""))
                superiors.setdefault(doc["unit"], []).append((doc["step"], step))
            case "point" if not over:
                points[e.key] = _point(e.key, doc)
            case "shift" if not over:
                shift = _shift(doc)
                if shift.last >= today - timedelta(days=1):
                    shifts.append(shift)
            case "leave" if not over:
                leave = _leave(doc)
                if leave.end > at:
                    leaves.append(leave)
    for code, steps in superiors.items():
        if code in units:
            units[code] = _with_line(units[code], tuple(s for _, s in sorted(steps, key=lambda s: s[0])))
    after: dict[str, list[str]] = {}
    for grid in (*grids.values(), *(g for g, _ in gone)):
        for before in grid.predecessors:
            after.setdefault(before, []).append(grid.code)
    retired = {g.code: Retired(g, since, tuple(sorted(after.get(g.code, ())))) for g, since in gone}
    # A policy may be imported before there is a directory.
    county = next((p for p in places.values() if p.kind == "county"), EMPTY.county)
    return Directory(
        version,
        county,
        places,
        grids,
        people,
        units,
        seats,
        teams,
        points,
        tuple(shifts),
        tuple(leaves),
        retired,
        until,
    )


def _texts(doc: Mapping[str, Any], key: str) -> tuple[str, ...]:
    found = doc.get(key)
    return _interned(tuple(found)) if found else ()


def _person(key: str, doc: Mapping[str, Any], active: bool) -> Person:
    hours = doc.get("hours")
    return Person(
        intern(key),
        doc["name"],
        intern(doc["role"]),
        # Ten thousand people share a thousand codes.
        intern(doc["grid"]),
        intern(doc.get("community", "")),
        intern(doc.get("street", "")),
        active,
        _texts(doc, "skills"),
        _texts(doc, "languages"),
        intern(doc.get("unit", "")),
        week_of(hours) if hours else None,
    )


def _grid(key: str, doc: Mapping[str, Any]) -> Grid:
    return Grid(
        intern(key),
        doc["name"],
        intern(doc["kind"]),
        intern(doc["parent"]),
        intern(doc["community"]),
        intern(doc["street"]),
        doc.get("party_group", ""),
        _texts(doc, "functions"),
        _texts(doc, "predecessors"),
    )


def _unit(key: str, doc: Mapping[str, Any], active: bool) -> Unit:
    return Unit(
        key,
        doc["name"],
        doc["kind"],
        doc["member"],
        doc.get("clerk", ""),
        doc["system"],
        doc.get("partner", ""),
        active,
        tuple(doc.get("duties", ())),
    )


def _with_line(unit: Unit, steps: tuple[Superior, ...]) -> Unit:
    return Unit(
        unit.code,
        unit.name,
        unit.kind,
        unit.member,
        unit.clerk,
        unit.system,
        unit.partner,
        unit.active,
        unit.duties,
        steps,
    )


def _seat(key: str, doc: Mapping[str, Any], active: bool) -> Seat:
    return Seat(
        key, doc["name"], doc["seat"], doc["street"], doc.get("unit", ""), doc.get("post", ""), active
    )


def _team(key: str, doc: Mapping[str, Any], active: bool) -> Team:
    hours = doc.get("hours")
    return Team(
        key,
        doc["name"],
        doc["place"],
        doc.get("lead", ""),
        tuple(doc.get("members", ())),
        _texts(doc, "skills"),
        _texts(doc, "languages"),
        week_of(hours) if hours else None,
        active,
    )


def _point(key: str, doc: Mapping[str, Any]) -> ServicePoint:
    return ServicePoint(
        key,
        doc["name"],
        doc["kind"],
        doc["lat"],
        doc["long"],
        _texts(doc, "services"),
        week_of(doc.get("hours") or {}),
        doc["capacity"],
        doc.get("street", ""),
        doc.get("community", ""),
        doc.get("address", ""),
        day_of(doc.get("open_from")),
        day_of(doc.get("open_until")),
    )


def _shift(doc: Mapping[str, Any]) -> Shift:
    days = doc.get("days")
    return Shift(
        intern(doc["who"]),
        _day(doc["from"]),
        _day(doc["to"]),
        _interned(tuple(DAYS.index(d) for d in days) if days else tuple(range(7))),
        _interned(tuple(sorted(minutes(s) for s in doc["spans"]))),
        intern(doc.get("role", "")),
        intern(doc.get("name", "")),
        intern(doc.get("mode", "normal")),
    )


_day = lru_cache(maxsize=1024)(date.fromisoformat)


def _leave(doc: Mapping[str, Any]) -> Leave:
    times = datetime.fromisoformat(doc["from"]), datetime.fromisoformat(doc["to"])
    return Leave(doc["person"], *times, doc.get("stand_in", ""), doc.get("kind", "leave"))


# -- whom notices go to ------------------------------------------------------------------------------


def recipient(entry: Entry, county_street: str) -> dict[str, Any] | None:
    """The item of directory.changed that an entry is while it holds; None for what no notice goes to."""
    doc = entry.doc
    id_, type_, street, grid = entry.key, "person", doc.get("street"), None
    match entry.kind:
        case "place" if doc["kind"] in ("county", "street"):
            street = county_street if doc["kind"] == "county" else entry.key
            id_, type_, role = f"desk-{street}", "desk", "desk"
        case "person":
            role, grid = doc["role"], doc["grid"]
        case "unit":
            type_, role, street = "unit", doc["kind"], None
        case "superior":
            role, street = "superior", None
        case "seat":
            role = doc["seat"]
        case _:
            return None
    return {
        "id": id_,
        "type": type_,
        "role": role,
        "street": street or None,
        "grid": grid,
        "contact": entry.contact,
        "active": doc.get("active", True),
    }


def sealed_for(entry: Entry, county_street: str) -> str:
    """Whom the entry's contact is bound to: the id that notices go to."""
    if entry.kind != "place":
        return entry.key
    return f"desk-{county_street if entry.doc['kind'] == 'county' else entry.key}"
