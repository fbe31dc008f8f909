"""Reading the account: the figures of a year, and what is wrong with its entries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from jiayuan.chassis.work import Work

from ..entry import Entry
from .entries import find_entries

# One statement, so that both sides of the balance are of the same moment.
_FIGURES: Final = """
WITH mine AS (
  SELECT id, state, confirmed, case_state, {key} AS key FROM entry
  WHERE year = :year AND (CAST(:street AS text) IS NULL OR street = :street)
), counted AS (
  SELECT key, count(*) AS entries,
         count(*) FILTER (WHERE state IN ('open', 'carried_forward')) AS open,
         count(*) FILTER (
           WHERE state = 'open' AND case_state = 'closed' AND (confirmed IS NULL OR confirmed = 'unsatisfied')
         ) AS unsatisfied
  FROM mine GROUP BY key
), moved AS (
  SELECT m.key, sum(p.opening) AS opening, sum(p.entered) FILTER (WHERE p.number = 1) AS entered,
         sum(p.entered) FILTER (WHERE p.number > 1) AS reversed, sum(p.written_off) AS written_off
  FROM mine m JOIN posting p ON p.entry_id = m.id
  WHERE p.opening <> 0 OR p.entered <> 0 OR p.written_off <> 0
  GROUP BY m.key
)
SELECT c.key, coalesce(m.opening, 0), coalesce(m.entered, 0), coalesce(m.written_off, 0),
       c.open, coalesce(m.reversed, 0), c.unsatisfied
FROM counted c LEFT JOIN moved m ON m.key IS NOT DISTINCT FROM c.key
ORDER BY c.key NULLS FIRST
"""
_KEY_OF: Final = {"street": "street", "unit": "unit"}


def figures(work: Work, year: int, by: str, street: str | None) -> list[tuple[Any, ...]]:
    """Per street or unit: key, opening, entered, written off (sums of the postings), open (a count of the entries'
    states; what was carried forward is open at the year's end), reversed (a sum), unsatisfied (a count)."""
    rows = work.execute(_FIGURES.format(key=_KEY_OF[by]), year=year, street=street)
    return [(r[0], *(int(v) for v in r[1:])) for r in rows]


_FAULTS: Final = """
WITH mine AS (
  SELECT id, item, year, case_number, state, postings, case_sequence, source FROM entry WHERE year = :year
), shut AS (
  SELECT CASE WHEN act = 'closed' THEN at END AS since FROM closing
  WHERE period = CAST(CAST(:year AS int) AS text) AND act IN ('closed', 'reopened') ORDER BY number DESC LIMIT 1
), sums AS (
  SELECT m.id, count(p.number) AS lines, coalesce(max(p.number), 0) AS last, coalesce(min(p.number), 0) AS first,
         coalesce(sum(p.opening), 0) AS opening, coalesce(sum(p.opening + p.entered - p.written_off), 0) AS open,
         count(*) FILTER (WHERE p.kind = 'opening' OR (p.kind = 'carry_forward' AND p.number = 1)) AS openings,
         count(p.number) FILTER (WHERE p.posted_at > (SELECT since FROM shut)) AS late
  FROM mine m LEFT JOIN posting p ON p.entry_id = m.id GROUP BY m.id
), steps AS (
  SELECT m.id, count(DISTINCT p.case_sequence) AS seen
  FROM mine m JOIN entry e ON e.item = m.item AND e.year <= m.year JOIN posting p ON p.entry_id = e.id GROUP BY m.id
), judged AS (
  SELECT m.id, m.case_number, CASE
    WHEN s.openings <> 1 THEN 'opening'
    WHEN s.lines <> m.postings OR s.last <> m.postings OR s.first <> 1 THEN 'numbers'
    WHEN s.open <> CASE WHEN m.state IN ('open', 'carried_forward') THEN 1 ELSE 0 END THEN 'balance'
    WHEN m.state = 'carried_forward' AND NOT EXISTS (
      SELECT FROM entry n JOIN posting p ON p.entry_id = n.id AND p.number = 1
      WHERE n.item = m.item AND n.year = m.year + 1 AND p.opening = 1
    ) OR s.opening = 1 AND NOT EXISTS (
      SELECT FROM entry n WHERE n.item = m.item AND n.year = m.year - 1 AND n.state = 'carried_forward'
    ) THEN 'chain'
    WHEN s.late > 0 THEN 'late'
    WHEN t.seen <> m.case_sequence AND m.state <> 'carried_forward' THEN 'steps'
  END AS fault
  FROM mine m JOIN sums s ON s.id = m.id LEFT JOIN steps t ON t.id = m.id
)
SELECT fault, count(*), (array_agg(CAST(id AS text) ORDER BY id))[1:20],
  (array_agg(case_number ORDER BY id))[1:20]
FROM judged WHERE fault IS NOT NULL GROUP BY fault ORDER BY fault
"""


class Fault(NamedTuple):
    """Entries whose postings don't bear out what they say: how many, and the first 20 (id, case number)."""

    kind: str
    entries: int
    shown: list[tuple[str, str | None]]


def faults(work: Work, year: int) -> list[Fault]:
    """What is wrong with the entries of a year; the kinds are those of `account.FAULTS`."""
    rows = work.execute(_FAULTS, year=year)
    return [Fault(r[0], r[1], list(zip(r[2], r[3], strict=True))) for r in rows]


def replayed(work: Work, year: int, page: int = 1000) -> Iterator[tuple[Entry, list[dict[str, Any]]]]:
    """Every entry of a year with its postings by number, in the order of the entries' ids, a page at a time."""
    after: str | None = None
    while True:
        found = find_entries(work, case=None, street=None, year=year, after=after, limit=page)
        if not found:
            return
        lines: dict[str, list[dict[str, Any]]] = {e.id: [] for e in found}
        rows = work.execute(
            "SELECT * FROM posting WHERE entry_id = ANY(CAST(:ids AS uuid[])) ORDER BY entry_id, number",
            ids=list(lines),
        )
        for row in rows.mappings():
            lines[row["entry_id"]].append(row)
        yield from ((e, lines[e.id]) for e in found)
        after = found[-1].id
