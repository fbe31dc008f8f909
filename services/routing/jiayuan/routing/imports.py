"""Taking over a directory or a policy table: checked as a whole, then in one transaction with its events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from jiayuan.chassis.seal import Sealer, SealError
from jiayuan.chassis.work import Work
from jiayuan.contracts.check import FieldProblem

from . import book, policy, store
from .directory import Directory, phones, read

ITEMS_AN_EVENT: Final = 100


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did: the version it made, what is in the directory, and how many contacts were told of."""

    version: int
    streets: int
    communities: int
    grids: int
    people: int
    units: int
    changed: int
    unknown_units: tuple[str, ...]


def import_directory(work: Work, sealer: Sealer, document: Mapping[str, Any], by: str) -> Imported:
    """Makes the directory exactly what the document says; whoever is not in it any more becomes inactive.

    Emits directory.changed for those whose contact, role, place or activity changed. DirectoryError when the
    document is wrong; then nothing has changed.
    """
    new = read(document)
    version = store.next_directory_version(work, by)
    old = store.read_directory(work)
    known = store.contacts(work)
    sealed = _sealed(sealer, phones(document), known)
    before = _contactables(old, known)
    after = _contactables(new, sealed)
    for id_, row in before.items():
        after.setdefault(id_, {**row, "active": False})
    _store(work, new, sealed)
    items = [row for id_, row in after.items() if before.get(id_) != row]
    for i in range(0, len(items), ITEMS_AN_EVENT):
        part = items[i : i + ITEMS_AN_EVENT]
        work.emit(
            "directory.changed", {"version": version, "items": part}, subject="directory", sequence=version
        )
    book.forget(work)
    places = new.places.values()
    return Imported(
        version,
        len(new.streets()),
        sum(p.kind not in ("county", "street") for p in places),
        len(new.grids),
        len(new.people),
        len(new.units),
        len(items),
        unknown_units(new),
    )


def unknown_units(directory: Directory) -> tuple[str, ...]:
    """Units that the bundled policy names and the directory doesn't have: their cases would go to the desk."""
    return tuple(sorted(policy.bundled().units() - {u.code for u in directory.units.values() if u.active}))


def _sealed(sealer: Sealer, plain: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    """Sealed contacts; one that hasn't changed keeps its sealed form, so that it is not told of again."""
    out = {}
    for id_, phone in plain.items():
        old = known.get(id_)
        out[id_] = old if old and _opened(sealer, old, id_) == phone else sealer.seal({"phone": phone}, id_)
    return out


def _opened(sealer: Sealer, sealed: str, id_: str) -> str | None:
    try:
        return sealer.open(sealed, id_).get("phone")
    except SealError:  # sealed with a key that was retired: seal it anew
        return None


def _contactables(directory: Directory, sealed: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Everybody a notice can go to, as in directory.changed, by id."""

    def item(id_: str, type_: str, role: str, street: str | None, grid: str | None, active: bool) -> None:
        out[id_] = {
            "id": id_,
            "type": type_,
            "role": role,
            "street": street,
            "grid": grid,
            "contact": sealed.get(id_),
            "active": active,
        }

    out: dict[str, dict[str, Any]] = {}
    if directory.places:
        for street in (directory.county_street, *(s.code for s in directory.streets())):
            item(f"desk-{street}", "desk", "desk", street, None, True)
    for p in directory.people.values():
        item(p.id, "person", p.role, p.street, p.grid, p.active)
    for u in directory.units.values():
        item(u.code, "unit", u.kind, None, None, u.active)
    return out


def _store(work: Work, new: Directory, sealed: Mapping[str, str]) -> None:
    desks = {p.code: sealed.get(f"desk-{p.code}") for p in new.places.values()}
    desks[new.county.code] = sealed.get(f"desk-{new.county_street}")
    places = [
        {
            "code": p.code,
            "name": p.name,
            "kind": p.kind,
            "parent": p.parent,
            "contact": desks[p.code],
            "active": True,
        }
        for p in new.places.values()
    ]
    grids = [
        {
            "code": g.code,
            "name": g.name,
            "kind": g.kind,
            "parent": g.parent,
            "community": g.community,
            "street": g.street,
            "party_group": g.party_group,
            "functions": list(g.functions),
            "active": True,
        }
        for g in new.grids.values()
    ]
    people = [
        {
            "id": p.id,
            "name": p.name,
            "role": p.role,
            "grid": p.grid,
            "community": p.community,
            "street": p.street,
            "contact": sealed.get(p.id),
            "active": p.active,
        }
        for p in new.people.values()
    ]
    units = [
        {
            "code": u.code,
            "name": u.name,
            "kind": u.kind,
            "member": u.member,
            "duties": list(u.duties),
            "clerk": u.clerk,
            "system": u.system,
            "partner": u.partner,
            "contact": sealed.get(u.code),
            "active": u.active,
        }
        for u in new.units.values()
    ]
    store.replace_table(work, store.place, places)
    store.replace_table(work, store.grid, grids)
    store.replace_table(work, store.person, people)
    store.replace_table(work, store.unit, units)
    store.add_turns(work, [p.id for p in new.people.values() if p.role == "worker"])


def import_policy(work: Work, document: Mapping[str, Any], by: str) -> policy.Policy:
    """Adds a policy table, which holds from its `effective_from`. PolicyError when it is wrong or not new.

    Cases that are open keep what was decided; a version is never changed, since decisions name it.
    """
    directory = store.read_directory(work)
    units = {u.code for u in directory.units.values() if u.active}
    table = policy.read(document, units or None)
    if not store.add_policy(work, table.version, table.effective_from, plain(document), by):
        raise policy.PolicyError(
            [
                FieldProblem(
                    "version", f"{table.version} was imported before", "a new version for a changed table"
                )
            ]
        )
    store.next_directory_version(work, by)
    book.forget(work)
    return table


def plain(document: Mapping[str, Any]) -> dict[str, Any]:
    """The table in words that JSON has: times as text, colours with keys that can be read back."""
    out = dict(document)
    since = out["effective_from"]
    out["effective_from"] = since if isinstance(since, str) else since.isoformat()
    out["colours"] = {str(i): {str(u): c for u, c in row.items()} for i, row in out["colours"].items()}
    return out
