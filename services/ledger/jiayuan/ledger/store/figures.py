"""Reading the account: the figures of a year, and what is wrong with its entries."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from jiayuan.chassis.work import Work

# One statement, so that both sides of the balance are of the same moment.
_FIGURES: Final = """
WITH mine AS (
  SELECT id, state, confirmed, case_state, {key} AS key FROM entry
  WHERE year = :year AND (CAST(:street AS text) IS NULL OR street = :street)
), counted AS (
  SELECT key, count(*) AS entries,
         count(*) FILTER (WHERE state = 'open') AS open,
         count(*) FILTER (WHERE state = 'reversed') AS reversed,
         count(*) FILTER (WHERE state = 'open' AND case_state = 'closed') AS unsatisfied
  FROM mine GROUP BY key
), moved AS (
  SELECT m.key, sum(p.opening) AS opening, sum(p.entered) AS entered, sum(p.written_off) AS written_off
  FROM mine m JOIN posting p ON p.entry_id = m.id
  WHERE p.opening <> 0 OR p.entered <> 0 OR p.written_off <> 0
  GROUP BY m.key
)
SELECT c.key, coalesce(m.opening, 0), coalesce(m.entered, 0), coalesce(m.written_off, 0),
       c.open, c.reversed, c.unsatisfied
FROM counted c LEFT JOIN moved m ON m.key IS NOT DISTINCT FROM c.key
ORDER BY c.key NULLS FIRST
"""
_KEY_OF: Final = {"street": "street", "unit": "unit"}


def figures(work: Work, year: int, by: str, street: str | None) -> list[tuple[Any, ...]]:
    """Per street or unit: key, opening, entered, written off (sums of the postings), open, reversed, unsatisfied
    (counts of the entries' states)."""
    rows = work.execute(_FIGURES.format(key=_KEY_OF[by]), year=year, street=street)
    return [(r[0], *(int(v) for v in r[1:])) for r in rows]


_FAULTS: Final = """
WITH mine AS (SELECT id, case_number, state, postings, case_sequence FROM entry WHERE year = :year),
sums AS (
  SELECT m.id, count(p.number) AS lines, coalesce(max(p.number), 0) AS last, coalesce(min(p.number), 0) AS first,
         coalesce(sum(p.opening + p.entered), 0) AS entered, coalesce(sum(p.written_off), 0) AS written_off,
         count(*) FILTER (WHERE p.kind IN ('opening', 'carry_forward')) AS openings,
         count(DISTINCT p.case_sequence) AS steps
  FROM mine m LEFT JOIN posting p ON p.entry_id = m.id GROUP BY m.id
), judged AS (
  SELECT m.id, m.case_number, CASE
    WHEN s.openings <> 1 THEN 'opening'
    WHEN s.lines <> m.postings OR s.last <> m.postings OR s.first <> 1 THEN 'numbers'
    WHEN s.entered <> CASE m.state WHEN 'reversed' THEN 0 ELSE 1 END
      OR s.written_off <> CASE m.state WHEN 'written_off' THEN 1 ELSE 0 END THEN 'balance'
    WHEN s.steps <> m.case_sequence THEN 'steps'
  END AS fault
  FROM mine m JOIN sums s ON s.id = m.id
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
