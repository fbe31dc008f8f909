"""The directory: entries with their time of validity, and the changes that made them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

import orjson

from jiayuan.chassis.transaction import Prepared
from jiayuan.chassis.work import Work
from jiayuan.contracts.times import iso

from ..directory import EMPTY, Directory
from ..directory.entries import NAMED, Entry, Key, build
from . import tables
from .rows import rows_of

_VERSION: Final = Prepared("SELECT version FROM directory WHERE id = 1")
# One that began and ended at the same moment was replaced or cancelled before it held.
_HELD: Final = "(valid_to IS NULL OR valid_to > valid_from)"


def directory_version(work: Work) -> int:
    """The number of the newest change of directory or policies, in effect or not; 0 when there was none."""
    return work.run(_VERSION).scalar() or 0


def read_directory(work: Work, at: datetime | None = None) -> Directory:
    """The whole directory as of now, or of another time."""
    version = directory_version(work)
    if not version:
        return EMPTY
    at = at or work.now
    return build(_held_at(work, at), version, at, next_change(work, at))


# Rows of the directory that are in memory at a time: all at once they would be three times what comes of them.
_PAGE: Final = 1000


def _held_at(work: Work, at: datetime) -> Iterator[Entry]:
    """The newest entry of each key that began by a time and still holds, or is to be named when it is over."""
    # Text, since orjson reads ten thousand documents in a quarter of the time that psycopg2 takes for them.
    work.execute(
        "DECLARE directory_held NO SCROLL CURSOR FOR "
        "SELECT DISTINCT ON (kind, key) kind, key, doc::text AS doc, valid_to FROM directory_entry "
        f"WHERE valid_from <= :at AND {_HELD} AND (valid_to IS NULL OR valid_to > :at OR kind = ANY(:named)) "
        "ORDER BY kind, key, valid_from DESC, version DESC",
        at=at,
        named=list(NAMED),
    )
    while page := work.execute(f"FETCH {_PAGE} FROM directory_held"):
        for row in page:
            yield Entry(row[0], row[1], orjson.loads(row[2]), valid_to=row[3])
    work.execute("CLOSE directory_held")


def next_change(work: Work, at: datetime) -> datetime | None:
    """When the next change after a time takes effect."""
    found: datetime | None = work.execute(
        "SELECT min(effective_at) FROM directory_version WHERE effective_at > :at AND cancelled_at IS NULL",
        at=at,
    ).scalar()
    return found


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


# -- entries -----------------------------------------------------------------------------------------

_COLUMNS: Final = "kind, key, version, valid_from, valid_to, doc::text AS doc, extra::text AS extra, contact"


def _entries(rows: Iterable[Any]) -> list[Entry]:
    return [
        Entry(
            r.kind,
            r.key,
            orjson.loads(r.doc),
            orjson.loads(r.extra) if r.extra else {},
            None,
            r.contact,
            r.version,
            r.valid_from,
            r.valid_to,
        )
        for r in rows
    ]


def entries(work: Work, at: datetime, kinds: Sequence[str] = ()) -> dict[Key, Entry]:
    """What holds at a time; of some kinds only."""
    some = "AND kind = ANY(:kinds) " if kinds else ""
    rows = rows_of(
        work,
        f"SELECT {_COLUMNS} FROM directory_entry "
        f"WHERE valid_from <= :at AND (valid_to IS NULL OR valid_to > :at) {some}",
        at=at,
        kinds=list(kinds),
    )
    return {e.id: e for e in _entries(rows)}


def entries_after(work: Work, at: datetime) -> list[Entry]:
    """What begins later, the earliest first."""
    rows = rows_of(
        work,
        f"SELECT {_COLUMNS} FROM directory_entry WHERE valid_from > :at AND {_HELD} ORDER BY valid_from, version",
        at=at,
    )
    return _entries(rows)


def history(work: Work, kind: str, key: str) -> list[Entry]:
    """All that ever held, or will hold, of a thing, the earliest first."""
    rows = rows_of(
        work,
        f"SELECT {_COLUMNS} FROM directory_entry WHERE kind = :kind AND key = :key AND {_HELD} "
        "ORDER BY valid_from, version",
        kind=kind,
        key=key,
    )
    return _entries(rows)


def people_of(work: Work, place: str) -> list[Entry]:
    """Everybody who ever belonged, or will belong, to exactly this place, the earliest first."""
    rows = rows_of(
        work,
        f"SELECT {_COLUMNS} FROM directory_entry WHERE kind = 'person' AND doc->>'grid' = :place AND {_HELD} "
        "ORDER BY valid_from, key, version",
        place=place,
    )
    return _entries(rows)


def children_of(work: Work, code: str, at: datetime) -> list[str]:
    """The codes of the places and grids right below one at a time."""
    rows = rows_of(
        work,
        "SELECT key FROM directory_entry WHERE kind IN ('place', 'grid') AND doc->>'parent' = :code "
        "AND valid_from <= :at AND (valid_to IS NULL OR valid_to > :at) ORDER BY key",
        code=code,
        at=at,
    )
    return [row[0] for row in rows]


def add_entries(work: Work, version: int, at: datetime, new: Sequence[Entry]) -> None:
    """Adds what holds from a time on."""
    rows = [
        {
            "kind": e.kind,
            "key": e.key,
            "version": version,
            "valid_from": iso(at),
            "doc": e.doc,
            "extra": e.extra or None,
            "contact": e.contact,
        }
        for e in new
    ]
    work.insert(tables.directory_entry, rows)


def end_entries(work: Work, version: int, at: datetime, old: Sequence[Entry], *, forget: bool) -> None:
    """Ends what held until a time; `forget`: that time has come, and the contacts go."""
    rows = [
        {
            "kind": e.kind,
            "key": e.key,
            "version": e.version,
            "valid_to": iso(at),
            "ended_by": version,
            "contact": None if forget else e.contact,
        }
        for e in old
    ]
    work.update(tables.directory_entry, rows, key=("kind", "key", "version"))


def contacts(work: Work, at: datetime | None = None) -> dict[str, str]:
    """Sealed contacts of what holds now, or at another time, by the id that notices go to."""
    rows = rows_of(
        work,
        f"SELECT {tables.directory_entry.info['sealed']['contact']} AS id, contact FROM directory_entry "
        "WHERE contact IS NOT NULL AND valid_from <= :at AND (valid_to IS NULL OR valid_to > :at)",
        at=at or work.now,
    )
    return {row[0]: row[1] for row in rows}


# -- versions ----------------------------------------------------------------------------------------


def add_version(work: Work, row: dict[str, Any]) -> None:
    """Notes a change of the directory; the columns of `directory_version`."""
    work.insert(tables.directory_version, [row])


def versions(work: Work, most: int = 1000, *, pending: bool = False) -> list[Any]:
    """The changes, the one that takes effect last first; only those still to come, if wished."""
    some = "WHERE told_at IS NULL AND cancelled_at IS NULL " if pending else ""
    return rows_of(
        work,
        f"SELECT * FROM directory_version {some}ORDER BY effective_at DESC, version DESC LIMIT :most",
        most=most,
    )


def version(work: Work, number: int) -> Any | None:
    """A change, locked."""
    sql = "SELECT * FROM directory_version WHERE version = :n FOR UPDATE"
    return work.execute(sql, n=number).first()


def due_versions(work: Work) -> list[Any]:
    """Changes whose time has come and which weren't told of yet, locked; another replica's are left to it."""
    return rows_of(
        work,
        "SELECT version, effective_at FROM directory_version WHERE told_at IS NULL AND cancelled_at IS NULL "
        "AND effective_at <= :now ORDER BY effective_at, version FOR UPDATE SKIP LOCKED",
        now=work.now,
    )


def of_version(work: Work, number: int) -> tuple[list[Entry], list[Entry]]:
    """(what a change begins, what it ends)."""
    sql = f"SELECT {_COLUMNS} FROM directory_entry WHERE "
    begun = _entries(rows_of(work, f"{sql} version = :n AND {_HELD}", n=number))
    ended = _entries(rows_of(work, f"{sql} ended_by = :n AND {_HELD}", n=number))
    return begun, ended


def built_upon(work: Work, number: int) -> int | None:
    """A later change of something that a change begins or ends; None when there is none."""
    found: int | None = work.execute(
        "SELECT max(greatest(l.version, coalesce(l.ended_by, 0))) FROM directory_entry l "
        "JOIN directory_entry e ON e.kind = l.kind AND e.key = l.key "
        "WHERE (e.version = :n OR e.ended_by = :n) AND "
        # What its own change ended was cancelled.
        "((l.ended_by > :n AND l.ended_by <> l.version) "
        "OR (l.version > :n AND (l.valid_to IS NULL OR l.valid_to > l.valid_from)))",
        n=number,
    ).scalar()
    return found


def cancel_version(work: Work, number: int, by: str, reason: str) -> None:
    """Takes back a change that hasn't taken effect: what it began never holds, what it ended goes on."""
    work.execute(
        "UPDATE directory_entry SET valid_to = valid_from, ended_by = :n, contact = NULL WHERE version = :n",
        n=number,
    )
    work.execute(
        "UPDATE directory_entry SET valid_to = NULL, ended_by = NULL WHERE ended_by = :n AND version <> :n",
        n=number,
    )
    work.execute(
        "UPDATE directory_version SET cancelled_at = :now, cancelled_by = :by, cancelled_reason = :reason "
        "WHERE version = :n",
        now=work.now,
        by=by,
        reason=reason,
        n=number,
    )


def told(work: Work, number: int) -> None:
    """A change is in effect and was told of: the contacts of what it ended go."""
    work.execute(
        "UPDATE directory_entry SET contact = NULL WHERE ended_by = :n AND contact IS NOT NULL", n=number
    )
    work.execute("UPDATE directory_version SET told_at = :now WHERE version = :n", now=work.now, n=number)


# -- load --------------------------------------------------------------------------------------------


def loads_of(work: Work, people: Sequence[str]) -> dict[str, int]:
    """How many open legs each of these people has; who has none is left out. A look into the index for each."""
    rows = rows_of(
        work,
        "SELECT p.id, l.n FROM unnest(CAST(:people AS text[])) AS p(id) CROSS JOIN LATERAL (SELECT count(*) AS n "
        "FROM leg WHERE assignee = p.id AND state IN ('offered', 'accepted', 'answered')) l WHERE l.n > 0",
        people=list(people),
    )
    return {row[0]: row[1] for row in rows}
