"""Publications: what is ordered, what was published, and the entries of an account as a publication reads them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from jiayuan.chassis.work import Work

from .cursors import rows_of
from .tables import publication, publication_file, publication_order

_ENTRIES: Final = """
SELECT CAST(e.id AS text) AS id, CAST(e.item AS text) AS item, e.street, e.unit, e.category, e.title, e.case_id,
  e.source, e.state, e.opened_at, e.due_at, e.written_off_at, e.case_state, e.confirmed, e.postings, m.opening,
  m.entered, m.reversed, m.written_off, o.facts ->> 'kind' AS kind
FROM entry e CROSS JOIN LATERAL (
  SELECT coalesce(sum(p.opening), 0) AS opening, coalesce(sum(p.entered) FILTER (WHERE p.number = 1), 0) AS entered,
    coalesce(sum(p.entered) FILTER (WHERE p.number > 1), 0) AS reversed, coalesce(sum(p.written_off), 0) AS written_off
  FROM posting p WHERE p.entry_id = e.id AND (p.opening <> 0 OR p.entered <> 0 OR p.written_off <> 0)
) m LEFT JOIN posting o ON o.entry_id = e.item AND o.number = 1
WHERE e.year = :year AND (:street = '' OR e.street = :street) ORDER BY e.id
"""
_COLUMNS: Final = (
    "CAST(p.id AS text) AS id, p.year, p.street, p.number, p.at, CAST(p.leaf AS text) AS leaf, p.checkpoint, "
    "p.entries, p.document, p.files"
)
_WAITING: Final = (
    "SELECT CAST(o.id AS text) AS id, o.year, o.street, o.ordered_at, o.ordered_by, o.names FROM publication_order o "
    "WHERE NOT EXISTS (SELECT FROM publication p WHERE p.id = o.id)"
)


def entries(work: Work, year: int, street: str) -> Iterator[Any]:
    """The entries of a year (and street) with what they moved, of one moment, in the order of their ids."""
    return rows_of(work, "entries", _ENTRIES, year=year, street=street)


def add_order(work: Work, row: dict[str, Any]) -> None:
    """Keeps that an account is to be published."""
    work.insert(publication_order, [row])


def lock(work: Work) -> bool:
    """Becomes the only one who publishes until the transaction ends; False when another is at it."""
    return bool(
        work.execute(
            "SELECT pg_try_advisory_xact_lock(hashtext('jiayuan.ledger.publication')) AS mine"
        ).scalar()
    )


def waiting(work: Work, id_: str | None = None) -> Any:
    """The oldest order, or that one, which nothing was published for yet; None when there is none."""
    return work.execute(
        f"{_WAITING} AND (CAST(:id AS uuid) IS NULL OR o.id = CAST(:id AS uuid)) ORDER BY o.ordered_at, o.id LIMIT 1",
        id=id_,
    ).first()


def orders(work: Work, year: int) -> list[Any]:
    """What was ordered of a year, the newest first, each with the number of its publication, None while it waits."""
    return list(
        work.execute(
            "SELECT CAST(o.id AS text) AS id, o.year, o.street, o.ordered_at, o.ordered_by, p.number, p.at, p.files "
            "FROM publication_order o LEFT JOIN publication p ON p.id = o.id WHERE o.year = :year "
            "ORDER BY o.ordered_at DESC, o.id DESC LIMIT 500",
            year=year,
        )
    )


def next_number(work: Work, year: int, street: str) -> int:
    """The number of a year's and street's next publication."""
    found = work.execute(
        "SELECT coalesce(max(number), 0) + 1 AS next FROM publication WHERE year = :year AND street = :street",
        year=year,
        street=street,
    ).scalar_one()
    return int(found)


def add(work: Work, row: dict[str, Any]) -> None:
    """Keeps a publication."""
    work.insert(publication, [row])


def add_pieces(work: Work, rows: list[dict[str, Any]]) -> None:
    """Keeps pieces of a publication's files, at once: what is only kept back until the commit stays in memory."""
    work.insert(publication_file, rows, returning="number")


def find(work: Work, year: int, street: str, number: int | None) -> Any:
    """A publication, the newest without a number; None when there is none."""
    return work.execute(
        f"SELECT {_COLUMNS} FROM publication p WHERE p.year = :year AND p.street = :street"
        " AND (CAST(:number AS int) IS NULL OR p.number = :number) ORDER BY p.number DESC LIMIT 1",
        year=year,
        street=street,
        number=number,
    ).first()


def newest(work: Work) -> list[Any]:
    """The newest publication of each year and street, without its document; newest years first."""
    return list(
        work.execute(
            "SELECT DISTINCT ON (year, street) year, street, number, at, checkpoint, entries, files FROM publication "
            "ORDER BY year DESC, street, number DESC"
        )
    )


def pieces(work: Work, id_: str, form: str) -> Iterator[bytes]:
    """The pieces of a file, deflated, one after the other."""
    for row in rows_of(
        work,
        "pieces",
        "SELECT packed FROM publication_file WHERE publication_id = CAST(:id AS uuid) AND format = :form"
        " ORDER BY number",
        page=4,
        id=id_,
        form=form,
    ):
        yield bytes(row.packed)


def piece_with(work: Work, id_: str, entry: str) -> bytes | None:
    """The piece of the JSON file that an entry's line is in if it is in any, deflated."""
    found = work.execute(
        "SELECT packed FROM publication_file WHERE publication_id = CAST(:id AS uuid) AND format = 'json'"
        " AND first_id <= CAST(:entry AS uuid) AND last_id >= CAST(:entry AS uuid)",
        id=id_,
        entry=entry,
    ).scalar()
    return bytes(found) if found is not None else None
