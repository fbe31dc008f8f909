"""The directory, read."""

from __future__ import annotations

from typing import Any

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.service import Runtime, every, http
from jiayuan.chassis.web import Call

from .. import book as books
from .. import changes
from ..directory import Grid
from .common import STAFF


class DirectoryPages:
    """The entrypoints."""

    delivery: Any

    @http("GET", "/directory/grids/<string:code>", roles=STAFF)
    def grid(self, call: Call, code: str) -> Any:
        """A grid and its people."""
        return grid(self.delivery, call, code)

    @http("GET", "/directory/units", roles=STAFF)
    def units(self, call: Call) -> Any:
        """The member units."""
        return units(self.delivery, call)

    @every(seconds=5.0, role="relay")
    def tell_directory(self) -> None:
        """Tells of changes of the directory whose time has come."""
        with self.delivery.work() as work:
            changes.tell_due(work)


def grid(delivery: Runtime, _call: Call, code: str) -> dict[str, Any]:
    """GET /directory/grids/<code>: a grid, or a community as the grid at the top, with its people."""
    with delivery.work() as work:
        directory = books.of(work).directory
    found: Any = directory.grids.get(code) or directory.places.get(code)
    if found is None:
        raise Problem(404, "No such grid", f"there is no grid {code[:64]}")
    people = [p for p in directory.people.values() if p.grid == code and p.active]
    out = {"code": found.code, "name": found.name, "kind": found.kind, "parent": found.parent}
    if isinstance(found, Grid):
        out |= {"community": found.community, "street": found.street, "party_group": found.party_group}
        out["functions"] = list(found.functions)
    out["people"] = [{"id": p.id, "name": p.name, "role": p.role} for p in people]
    out["children"] = sorted(
        [g.code for g in directory.grids.values() if g.parent == code]
        + [p.code for p in directory.places.values() if p.parent == code]
    )
    return out


def units(delivery: Runtime, _call: Call) -> dict[str, Any]:
    """GET /directory/units."""
    with delivery.work() as work:
        directory = books.of(work).directory
    keys = ("code", "name", "kind", "member", "clerk", "system")
    rows = [
        {k: getattr(u, k) for k in keys} | {"duties": list(u.duties)}
        for u in sorted(directory.units.values(), key=lambda u: u.code)
        if u.active
    ]
    return {"units": rows}
