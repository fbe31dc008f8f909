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
_KEPT: Final = frozenset(
    ("item", "year", "case_id", "case_number", "opened_at", "source", "source_id", "promise")
)
_CHANGING: Final = tuple(f for f in _ENTRY_FIELDS if f not in _KEPT)
# What a case doesn't have: left to the columns' defaults, so that its entries cost no more for it.
_OF_STAFF: Final = frozenset(("source", "source_id", "promise", "due_at"))
_OF_CASES: Final = tuple(f for f in _ENTRY_FIELDS if f not in _OF_STAFF)
_CHANGING_OF_CASES: Final = tuple(f for f in _CHANGING if f not in _OF_STAFF)
_TIMES: Final = ("opened_at", "written_off_at", "due_at")


def entry_of(row: Any) -> Entry:
    """An entry from its row."""
    values = dict(zip(_ENTRY_FIELDS, row, strict=True))
    for name in _TIMES:
        if values[name] is not None:
            values[name] = iso(values[name])
    return Entry(**values)


_ENTERED: Final = Prepared("SELECT case_id, year FROM entry WHERE case_id = ANY($1)", "text[]")
# A matter's earlier year first: who saw only that one, and then finds the later one that somebody has just opened, has
# the lock that everybody else asks for first.
_LOCK: Final = Prepared(
    f"SELECT {_ENTRY_COLUMNS} FROM entry WHERE case_id = ANY($1) ORDER BY item, year FOR NO KEY UPDATE",
    "text[]",
)


def cases_entered(work: Work, cases: Sequence[str]) -> dict[str, int]:
    """Which of the cases have an entry, and of which year their newest is."""
    newest: dict[str, int] = {}
    for case, year in work.run(_ENTERED, list(cases)):
        newest[case] = max(year, newest.get(case, year))
    return newest


def insert_entries(work: Work, entries: Sequence[Entry]) -> set[str]:
    """Inserts new entries; the cases of those that no other replica had inserted before."""
    rows = [{name: getattr(e, name) for name in _OF_CASES} for e in entries]
    return {r[0] for r in work.insert(entry, rows, conflict="ON CONFLICT DO NOTHING", returning="case_id")}


def lock_entries(work: Work, cases: Sequence[str]) -> dict[str, Entry]:
    """The entries of cases, locked by matter and year; a case's newest when it was carried forward."""
    if not cases:
        return {}
    rows = work.run(_LOCK, list(cases))
    out: dict[str, Entry] = {}
    for row in rows:
        found = entry_of(row)
        case = found.case_id or ""
        known = out.get(case)
        if known is None or known.year < found.year:
            out[case] = found
    return out


def update_entries(work: Work, entries: Sequence[Entry]) -> None:
    """Writes entries that this transaction has locked, as far as steps of cases change them."""
    work.update(entry, [{name: getattr(e, name) for name in _CHANGING_OF_CASES} for e in entries])


def update_entry(work: Work, changed: Entry) -> None:
    """Writes an entry that this transaction has locked, as far as staff changes it."""
    work.update(entry, [{name: getattr(changed, name) for name in _CHANGING}])


def insert_whole(work: Work, new: Sequence[Entry]) -> set[str]:
    """Inserts entries that no case opened, or of a later year; the ids of those that weren't there already."""
    rows = [{name: getattr(e, name) for name in _ENTRY_FIELDS} for e in new]
    return {r[0] for r in work.insert(entry, rows, conflict="ON CONFLICT DO NOTHING", returning="id")}


def lock_entry(work: Work, id_: str) -> Entry | None:
    """One entry, locked."""
    row = work.execute(
        f"SELECT {_ENTRY_COLUMNS} FROM entry WHERE entry.id = CAST(:id AS uuid) FOR NO KEY UPDATE", id=id_
    ).first()
    return entry_of(row) if row else None


def newest_of(work: Work, item: str) -> Entry:
    """A matter's entry of its latest year."""
    return entry_of(
        work.execute(
            f"SELECT {_ENTRY_COLUMNS} FROM entry WHERE item = CAST(:item AS uuid) ORDER BY year DESC LIMIT 1",
            item=item,
        ).one()
    )


def entry_of_source(work: Work, source: str, source_id: str) -> Entry | None:
    """The entry of a decision or of the line of a list."""
    row = work.execute(
        f"SELECT {_ENTRY_COLUMNS} FROM entry WHERE source = :source AND source_id = :source_id",
        source=source,
        source_id=source_id,
    ).first()
    return entry_of(row) if row else None


def lock_open(work: Work, year: int, after: str | None, most: int) -> list[Entry]:
    """Open entries of a year in the order of their ids, locked, from the one after `after`."""
    rows = work.execute(
        f"SELECT {_ENTRY_COLUMNS} FROM entry WHERE year = :year AND state = 'open'"
        " AND (CAST(:after AS uuid) IS NULL OR id > CAST(:after AS uuid))"
        " ORDER BY entry.id LIMIT :most FOR NO KEY UPDATE",
        year=year,
        after=after,
        most=most,
    )
    return [entry_of(row) for row in rows]


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
