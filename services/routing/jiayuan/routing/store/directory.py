"""The directory: places, grids, people, units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import (
    Table,
)

from jiayuan.chassis.transaction import Prepared
from jiayuan.chassis.work import Work

from ..directory import EMPTY, Directory, Grid, Person, Place, Unit
from .rows import rows_of

_VERSION: Final = Prepared("SELECT version FROM directory WHERE id = 1")


def directory_version(work: Work) -> int:
    """The version of the directory; 0 when none was imported."""
    return work.run(_VERSION).scalar() or 0


def read_directory(work: Work) -> Directory:
    """The whole directory."""
    version = directory_version(work)
    if not version:
        return EMPTY
    places = {
        r[0]: Place(*r) for r in rows_of(work, "SELECT code, name, kind, parent FROM place WHERE active")
    }
    grids = {
        r[0]: Grid(*[*r[:-1], tuple(r[-1])])
        for r in rows_of(
            work,
            "SELECT code, name, kind, parent, community, street, party_group, functions FROM grid WHERE active",
        )
    }
    people = {
        r[0]: Person(*r)
        for r in rows_of(work, "SELECT id, name, role, grid, community, street, active FROM person")
    }
    units = {
        r[0]: Unit(*[*r[:-1], tuple(r[-1])])
        for r in rows_of(
            work, "SELECT code, name, kind, member, clerk, system, partner, active, duties FROM unit"
        )
    }
    # A policy may be imported before there is a directory.
    county = next((p for p in places.values() if p.kind == "county"), EMPTY.county)
    return Directory(version, county, places, grids, people, units)


def next_directory_version(work: Work, by: str) -> int:
    """Takes the next version; whoever imports at the same time waits here."""
    return int(
        work.execute(
            "INSERT INTO directory (id, version, imported_at, imported_by) VALUES (1, 1, :now, :by) "
            "ON CONFLICT (id) DO UPDATE SET version = directory.version + 1, imported_at = :now, imported_by = :by "
            "RETURNING version",
            now=work.now,
            by=by,
        ).scalar_one()
    )


def contacts(work: Work) -> dict[str, str]:
    """Sealed contacts by the id that notices go to."""
    rows = rows_of(
        work,
        "SELECT id, contact FROM person WHERE contact IS NOT NULL UNION ALL "
        "SELECT code, contact FROM unit WHERE contact IS NOT NULL UNION ALL "
        "SELECT 'desk-' || CASE kind WHEN 'county' THEN code || '000' ELSE code END, contact "
        "FROM place WHERE contact IS NOT NULL",
    )
    return {row[0]: row[1] for row in rows}


def replace_table(work: Work, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Makes the active rows of a directory table exactly these; the others stay, inactive: cases name them."""
    key = next(iter(table.primary_key.columns)).name
    sets = ", ".join(f'"{c}" = excluded."{c}"' for c in rows[0] if c != key) if rows else ""
    work.insert(table, rows, conflict=f"ON CONFLICT ({key}) DO UPDATE SET {sets}")
    work.execute(
        f'UPDATE "{table.name}" SET active = false WHERE active AND NOT ({key} = ANY(:keys))',
        keys=[row[key] for row in rows],
    )
