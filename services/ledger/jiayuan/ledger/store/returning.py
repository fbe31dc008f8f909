"""Matters that return 老大難: written off before, and there again."""

from __future__ import annotations

from typing import Final, NamedTuple

from jiayuan.chassis.work import Work

from ..entry import Entry

# The grid is beside the posting, and goes with the person; older openings have it among their facts.
# The same matter: opened again itself; or of the same street and category, written off before this one began, in the
# same grid or from the same reporter (a pseudonym; one that was erased finds nothing any more).
_RETURNING: Final = """
WITH matter AS (
  SELECT e.id, e.item, e.year, e.street, e.category, e.title, e.opened_at, e.written_off_at, e.state,
         coalesce(t.words->>'grid', p.facts->>'grid') AS grid, t.reporters
  FROM entry e JOIN posting p ON p.entry_id = e.id AND p.number = 1
  LEFT JOIN posting_text t ON t.entry_id = e.id AND t.number = 1
  WHERE e.year <= :year AND (CAST(:street AS text) IS NULL OR e.street = :street)
    AND (CAST(:category AS text) IS NULL OR e.category = :category)
), mine AS (
  SELECT m.*, (
    SELECT count(*) FROM entry o JOIN posting p ON p.entry_id = o.id
    WHERE o.item = m.item AND o.year <= m.year AND p.written_off < 0
  ) AS reopened
  FROM matter m WHERE m.year = :year AND m.state <> 'reversed'
    AND (CAST(:id AS uuid) IS NULL OR m.id = CAST(:id AS uuid))
), before AS (
  SELECT m.id, x.id AS earlier, x.item, date_part('year', x.opened_at AT TIME ZONE 'Asia/Shanghai') AS since
  FROM mine m JOIN matter x ON x.street = m.street AND x.category = m.category AND x.item <> m.item
   AND x.state = 'written_off' AND x.written_off_at < m.opened_at
   AND (x.grid = m.grid OR x.reporters && m.reporters)
)
SELECT CAST(m.id AS text), CAST(m.item AS text), m.title, m.street, m.category,
       m.reopened + count(DISTINCT b.item) AS times,
       least(date_part('year', m.opened_at AT TIME ZONE 'Asia/Shanghai'), min(b.since)) AS first_year,
       coalesce(array_agg(DISTINCT CAST(b.earlier AS text)) FILTER (WHERE b.earlier IS NOT NULL), '{}') AS earlier
FROM mine m LEFT JOIN before b ON b.id = m.id
GROUP BY m.id, m.item, m.title, m.street, m.category, m.opened_at, m.reopened
HAVING m.reopened + count(DISTINCT b.item) > 0
ORDER BY times DESC, m.id LIMIT :most
"""


class Returned(NamedTuple):
    """An entry whose matter was written off before: how often, since which year, and the earlier entries."""

    id: str
    item: str
    title: str
    street: str
    category: str
    times: int
    first_year: int
    earlier: list[str]


def returning(work: Work, year: int, *, street: str | None = None, most: int = 1000) -> list[Returned]:
    """The entries of a year (of a street) whose matters return, the most often first."""
    return _read(work, year, street, None, None, most)


def returned(work: Work, entry: Entry) -> Returned | None:
    """How often the matter of one entry has returned."""
    found = _read(work, entry.year, entry.street, entry.category, entry.id, 1)
    return found[0] if found else None


def _read(
    work: Work, year: int, street: str | None, category: str | None, id_: str | None, most: int
) -> list[Returned]:
    rows = work.execute(_RETURNING, year=year, street=street, category=category, id=id_, most=most)
    return [Returned(r[0], r[1], r[2], r[3], r[4], int(r[5]), int(r[6]), list(r[7])) for r in rows]
