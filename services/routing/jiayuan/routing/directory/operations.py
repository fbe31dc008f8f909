"""Grids that are split, merged or handed over, and people who stood in it twice: what a document says afterwards. Pure.

Codes carry their parent's, so what comes under another parent gets another code, with all that is below it, and names
the grids that it came from as its predecessors: that is what connects its days with theirs. People go with their grid.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from jiayuan.contracts.check import FieldProblem

from .documents import HELPERS, DirectoryError, leave_key, shift_key

_PEOPLE: Final = ("people", *HELPERS)


def split(
    document: Mapping[str, Any],
    grid: str,
    into: Mapping[str, str],
    people: Mapping[str, str] | None = None,
    buildings: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """One grid becomes several: `into` by code their names. If the grid's own code is among them, it goes on, smaller.

    `people` and `buildings`: to which of them they go, by id and by code; the others go to the first. DirectoryError.
    """
    out = _Copy(document)
    old = out.grid(grid)
    codes = list(into)
    if len(codes) < 2:
        raise _wrong("into", "names fewer than two grids", "at least two codes with names")
    for code, name in into.items():
        if code == grid:
            old["name"] = name
        else:
            new = {k: copy.deepcopy(v) for k, v in old.items() if k in ("kind", "parent", "functions")}
            out.add({**new, "code": code, "name": name, "predecessors": [grid]})
    _among(people or {}, codes, "people")
    _among(buildings or {}, codes, "buildings")
    for person in out.people_of(grid):
        person["grid"] = (people or {}).get(person["id"], codes[0])
    unknown = sorted(set(people or {}) - {p["id"] for c in codes for p in out.people_of(c)})
    if unknown:
        raise _wrong("people", f"{unknown[0]} is not of {grid}", "ids of people of the grid")
    below = {b["code"]: b for b in out.below(grid)}
    for code in buildings or {}:
        if code not in below:
            raise _wrong("buildings", f"{code} is not below {grid}", "codes of its building grids")
    for code in below:
        out.move(code, (buildings or {}).get(code, codes[0]))
    out.places(grid, codes)
    if grid not in into:
        out.remove(grid)
    return out.document


def merge(
    document: Mapping[str, Any], grids: Sequence[str], into: str, name: str, leader: str | None = None
) -> dict[str, Any]:
    """Several grids of one parent become one, with the code and name given: a new one, or one of them that goes on.

    `leader`: who leads it (else the first leader found); other leaders become workers. DirectoryError.
    """
    out = _Copy(document)
    old = [out.grid(g) for g in dict.fromkeys(grids)]
    if len(old) < 2:
        raise _wrong("grids", "are fewer than two", "at least two codes")
    if len({(g["kind"], g["parent"]) for g in old}) > 1:
        raise _wrong("grids", "have different kinds or parents", "hand them over to one parent first")
    others = [g["code"] for g in old if g["code"] != into]
    if into in grids:
        kept = out.grid(into)
        kept["name"] = name
        kept["predecessors"] = sorted({*kept.get("predecessors", ()), *others})
    else:
        functions = list(dict.fromkeys(f for g in old for f in g.get("functions", ())))
        kept = {"code": into, "name": name, "kind": old[0]["kind"], "parent": old[0]["parent"]}
        out.add({**kept, "functions": functions, "predecessors": sorted(others)})
    people = [p for g in dict.fromkeys(grids) for p in out.people_of(g)]
    leaders = [p for p in people if p.get("role") == "leader" and p.get("active", True)]
    if leader is not None and leader not in {p["id"] for p in people}:
        raise _wrong("leader", f"{leader} is of none of the grids", "the id of one of their people")
    first = leader or (leaders[0]["id"] if leaders else None)
    for person in people:
        person["grid"] = into
        if person["id"] == first and "role" in person:
            person["role"] = "leader" if old[0]["kind"] == "compound" else person["role"]
        elif person.get("role") == "leader":
            person["role"] = "worker"
    for code in others:
        for building in out.below(code):
            out.move(building["code"], into)
        out.places(code, [into])
        out.remove(code)
    return out.document


def hand_over(document: Mapping[str, Any], grid: str, to: str, code: str = "") -> dict[str, Any]:
    """A grid comes under another parent: another community, or another compound for a building. People go with it.

    `code`: its new one, by default the new parent's with the end of its old one, or, where that is taken, with that
    of its old parent before it. DirectoryError.
    """
    out = _Copy(document)
    if out.grid(grid)["parent"] == to:
        raise _wrong("to", f"{grid} is of {to} already", "another parent")
    out.move(grid, to, code)
    return out.document


def replace_person(document: Mapping[str, Any], grid: str, old: str, new: str) -> dict[str, Any]:
    """Somebody of a grid hands it over to somebody else, who takes the place and the role; the first one leaves it.

    The new one may be of another grid so far. DirectoryError.
    """
    out = _Copy(document)
    everybody = {p["id"]: p for p in out.document["people"]}
    leaving, coming = everybody.get(old), everybody.get(new)
    if leaving is None or leaving["grid"] != grid:
        raise _wrong("person", f"{old} is not of {grid}", "the id of one of its people")
    if coming is None or old == new:
        raise _wrong("person", f"there is no {new} to take over", "the id of another person of a grid")
    coming["grid"], coming["role"] = grid, leaving["role"]
    coming.pop("active", None)
    out.document["people"].remove(leaving)
    out.forget_person(old)
    return out.document


def merge_person(document: Mapping[str, Any], kept: str, gone: str) -> dict[str, Any]:
    """Two records of one person become one: `kept` goes on, with the skills, shifts, leave and teams of both.

    Where it is, its role, its hours and its phone stay as they are; the other record ends. Two names are two people:
    whoever is written differently is to be put right first. DirectoryError.
    """
    out = _Copy(document)
    known = {p["id"]: (key, p) for key in _PEOPLE for p in out.document.get(key) or ()}
    for where, id_ in (("kept", kept), ("gone", gone)):
        if id_ not in known:
            raise _wrong(where, f"there is no {id_}", "the id of a person of a grid, or of a helper")
    (_, one), (list_, other) = known[kept], known[gone]
    if kept == gone:
        raise _wrong("gone", f"is {kept} as well", "the id of the other record")
    if one["name"] != other["name"]:
        problem = f"{kept} is {one['name']}, {gone} is {other['name']}"
        raise _wrong("gone", problem, "two records with the same name")
    for key in ("skills", "languages"):
        both = list(dict.fromkeys((*(one.get(key) or ()), *(other.get(key) or ()))))
        if both:
            one[key] = both
    out.document[list_].remove(other)
    out.rename_person(gone, kept)
    return out.document


def _among(chosen: Mapping[str, str], codes: Iterable[str], where: str) -> None:
    for what, code in chosen.items():
        if code not in codes:
            raise _wrong(where, f"{what} would go to {code}", "one of " + ", ".join(codes))


def _wrong(where: str, problem: str, allowed: str = "") -> DirectoryError:
    return DirectoryError([FieldProblem(where, problem, allowed)])


class _Copy:
    """A document of one's own to change."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document: dict[str, Any] = copy.deepcopy(dict(document))
        self._grids: dict[str, dict[str, Any]] = {g["code"]: g for g in self.document["grids"]}
        self._people: dict[str, list[dict[str, Any]]] = {}

    def grid(self, code: str) -> dict[str, Any]:
        found = self._grids.get(code)
        if found is None:
            raise _wrong("grid", f"there is no grid {code}", "the code of a compound or building grid")
        return found

    def add(self, grid: dict[str, Any]) -> None:
        if grid["code"] in self._grids:
            raise _wrong("into", f"there is a grid {grid['code']} already", "a code that is free")
        self._grids[grid["code"]] = grid
        self.document["grids"].append(grid)

    def remove(self, code: str) -> None:
        self.document["grids"].remove(self._grids.pop(code))

    def below(self, code: str) -> list[dict[str, Any]]:
        return [g for g in self._grids.values() if g["parent"] == code]

    def people_of(self, grid: str) -> list[dict[str, Any]]:
        return [p for key in _PEOPLE for p in self.document.get(key) or () if p["grid"] == grid]

    def move(self, code: str, to: str, new: str = "") -> None:
        """A grid, and what is below it, under another parent: under another code, with its people."""
        old = self.grid(code)
        if old["parent"] == to:
            return
        if not new:
            new = f"{to}-{code.rpartition('-')[2]}"
            if new in self._grids:
                # Both had a building 1: the second keeps the number of its compound as well.
                new = f"{to}-{''.join(code.rsplit('-', 2)[1:])}"
        self.add({**copy.deepcopy(old), "code": new, "parent": to, "predecessors": [code]})
        for person in self.people_of(code):
            person["grid"] = new
        for inner in self.below(code):
            self.move(inner["code"], new)
        self.places(code, [new])
        self.remove(code)

    def places(self, old: str, new: Sequence[str]) -> None:
        """Teams and rosters of a grid that is no more belong to those that came of it."""
        if old in new:
            return
        for team in self.document.get("teams") or ():
            if team["place"] == old:
                team["place"] = new[0]
        roster = self.document.get("roster")
        if roster:
            self.document["roster"] = [
                row if row["who"] != old else {**row, "who": code}
                for row in roster
                for code in (new if row["who"] == old else ("",))
            ]

    def rename_person(self, id_: str, to: str) -> None:
        """Rosters, leave and teams of somebody under another id; what `to` has itself goes before the same of `id_`."""
        for list_, key_of in (("roster", shift_key), ("leave", leave_key)):
            kept: dict[str, dict[str, Any]] = {}
            rows = self.document.get(list_) or ()
            for row in sorted(rows, key=lambda r: id_ in (r.get("who"), r.get("person"))):
                new = {
                    k: to if k in ("who", "person", "stand_in") and v == id_ else v for k, v in row.items()
                }
                if "person" in new and new.get("stand_in") == new["person"]:
                    del new["stand_in"]
                kept.setdefault(key_of(new), new)
            if rows:
                self.document[list_] = list(kept.values())
        for team in self.document.get("teams") or ():
            if "members" in team:
                team["members"] = list(dict.fromkeys(to if m == id_ else m for m in team["members"]))
            if team.get("lead") == id_:
                team["lead"] = to

    def forget_person(self, id_: str) -> None:
        """Rosters, leave and teams without somebody who has left."""
        for key, fields in (("roster", ("who",)), ("leave", ("person",))):
            if self.document.get(key):
                self.document[key] = [r for r in self.document[key] if all(r.get(f) != id_ for f in fields)]
        for leave in self.document.get("leave") or ():
            if leave.get("stand_in") == id_:
                del leave["stand_in"]
        for team in self.document.get("teams") or ():
            if id_ in team.get("members", ()):
                team["members"] = [m for m in team["members"] if m != id_]
                if team.get("lead") == id_:
                    del team["lead"]
