"""Answers by SMS whose people are looked for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final

from jiayuan.chassis.work import Work

from .tables import reply

_CLAIM: Final = """
SELECT CAST(id AS text) AS id, word, phone, after, found FROM reply
WHERE phone IS NOT NULL ORDER BY at, id LIMIT 1 FOR UPDATE SKIP LOCKED
"""

_PEOPLE: Final = """
SELECT t.ref, r.contact FROM told t JOIN recipient r USING (type, ref)
WHERE t.type = 'citizen' AND t.ref > :after AND t.day >= :since AND r.contact IS NOT NULL
ORDER BY t.ref LIMIT :size
"""


def put(work: Work, rows: Sequence[dict[str, Any]]) -> int:
    """Keep answers; how many weren't known."""
    done = work.insert(
        reply,
        sorted(rows, key=lambda row: row["key"]),
        conflict="ON CONFLICT (provider, key) DO NOTHING",
        returning="1 AS one",
    )
    return len(done)


def claim(work: Work) -> dict[str, Any] | None:
    """The oldest answer whose person is still looked for, locked."""
    row = work.execute(_CLAIM).first()
    return None if row is None else dict(row._mapping)


def people(work: Work, after: str, since: date, size: int) -> list[dict[str, Any]]:
    """Citizens behind `after` who were sent something since that day, with their sealed contacts."""
    return [dict(row._mapping) for row in work.execute(_PEOPLE, after=after, since=since, size=size)]


def go_on(work: Work, id_: str, after: str, found: int) -> None:
    """So far they were gone through."""
    work.execute(
        "UPDATE reply SET after = :after, found = :found WHERE id = CAST(:id AS uuid)",
        after=after,
        found=found,
        id=id_,
    )


def forget(work: Work, before: datetime, size: int) -> int:
    """Drop answers that were done before then, at most `size`; how many."""
    found = work.execute(
        "DELETE FROM reply WHERE id IN "
        "(SELECT id FROM reply WHERE done_at < :before LIMIT :size FOR UPDATE SKIP LOCKED)",
        before=before,
        size=size,
    )
    return found.rowcount


def done(work: Work, id_: str, found: int) -> None:
    """All were gone through: the number is forgotten."""
    work.execute(
        "UPDATE reply SET phone = NULL, found = :found, done_at = :now WHERE id = CAST(:id AS uuid)",
        found=found,
        now=work.now,
        id=id_,
    )
