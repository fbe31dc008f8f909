"""Entries: found, opened, locked, written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Final

from jiayuan.chassis.transaction import Prepared
from jiayuan.chassis.work import Work
from jiayuan.contracts.times import iso

from ..entry import Entry
from .tables import entry

_ENTRY_FIELDS: Final = tuple(f.name for f in fields(Entry))
# Identifiers are text in Python; `ORDER BY entry.id` then means the column, not its text.
_ENTRY_COLUMNS: Final = ", ".join(
    f"CAST({name} AS text)" if name in ("id", "item") else name for name in _ENTRY_FIELDS
)
_KEPT: Final = frozenset(("item", "year", "case_id", "case_number", "opened_at"))
_CHANGING: Final = tuple(f for f in _ENTRY_FIELDS if f not in _KEPT)


def entry_of(row: Any) -> Entry:
    """An entry from its row."""
    values = dict(zip(_ENTRY_FIELDS, row, strict=True))
    values["opened_at"] = iso(values["opened_at"])
    if values["written_off_at"] is not None:
        values["written_off_at"] = iso(values["written_off_at"])
    return Entry(**values)


_ENTERED: Final = Prepared("SELECT case_id FROM entry WHERE case_id = ANY($1)", "text[]")
_LOCK: Final = Prepared(
    f"SELECT {_ENTRY_COLUMNS} FROM entry WHERE case_id = ANY($1) ORDER BY entry.id FOR NO KEY UPDATE",
    "text[]",
)


def cases_entered(work: Work, cases: Sequence[str]) -> set[str]:
    """Which of the cases have an entry."""
    return set(work.run(_ENTERED, list(cases)).scalars())


def insert_entries(work: Work, entries: Sequence[Entry]) -> set[str]:
    """Inserts new entries; the cases of those that no other replica had inserted before."""
    rows = [{name: getattr(e, name) for name in _ENTRY_FIELDS} for e in entries]
    return {r[0] for r in work.insert(entry, rows, conflict="ON CONFLICT DO NOTHING", returning="case_id")}


def lock_entries(work: Work, cases: Sequence[str]) -> dict[str, Entry]:
    """The entries of cases, locked in the order of their ids; a case's newest when it was carried forward."""
    if not cases:
        return {}
    rows = work.run(_LOCK, list(cases))
    out: dict[str, Entry] = {}
    for row in rows:
        found = entry_of(row)
        known = out.get(found.case_id)
        if known is None or known.year < found.year:
            out[found.case_id] = found
    return out


def update_entries(work: Work, entries: Sequence[Entry]) -> None:
    """Writes entries that this transaction has locked."""
    work.update(entry, [{name: getattr(e, name) for name in _CHANGING} for e in entries])


def find_entries(
    work: Work, *, case: str | None, street: str | None, year: int | None, after: str | None, limit: int
) -> list[Entry]:
    """Entries of a case, a street or a year in the order of their ids, from the one after `after`."""
    rows = work.execute(
        f"SELECT {_ENTRY_COLUMNS} FROM entry WHERE (CAST(:case AS text) IS NULL OR case_id = :case)"
        " AND (CAST(:street AS text) IS NULL OR street = :street)"
        " AND (CAST(:year AS int) IS NULL OR year = :year)"
        " AND (CAST(:after AS uuid) IS NULL OR id > CAST(:after AS uuid)) ORDER BY entry.id LIMIT :limit",
        case=case,
        street=street,
        year=year,
        after=after,
        limit=limit,
    )
    return [entry_of(row) for row in rows]


def get_entry(work: Work, id_: str) -> Entry | None:
    """One entry."""
    row = work.execute(f"SELECT {_ENTRY_COLUMNS} FROM entry WHERE id = CAST(:id AS uuid)", id=id_).first()
    return entry_of(row) if row else None
