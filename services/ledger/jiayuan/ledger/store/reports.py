"""The matters of a period, and their sums: reports read the postings, as of the period's end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from jiayuan.chassis.work import Work

from ..reports import BY, NOTHING, Line, Matter
from .breaches import COUNTS
from .cursors import rows_of

_SAID: Final = "coalesce(p.facts ->> 'confirmed', p.facts ->> 'answer')"
# Balances follow from what moved, as for the account. What is carried forward moves neither `entered` nor
# `written_off`, so that a matter is one over the years. The newest entry says whose it is, and what can be in the
# period at all: it isn't reversed, and not written off for good before the period.
_MATTERS: Final = f"""
SELECT n.id, n.case_number, n.street, n.unit, n.category, n.opened_at,
  CASE WHEN m.after = 0 THEN m.done_at END AS done_at, m.before > 0 AS opening, m.opened AS entered,
  m.before = 0 AND NOT m.opened AS reopened, m.after = 0 AS done,
  m.breached OR coalesce(n.due_at < CASE WHEN m.after = 0 THEN m.done_at ELSE :until END, false) AS late, m.said
FROM (
  SELECT DISTINCT ON (item) CAST(id AS text) AS id, item, case_number, street, unit, category, opened_at, due_at, state,
    written_off_at FROM entry WHERE opened_at < :until ORDER BY item, year DESC
) n CROSS JOIN LATERAL (
  SELECT coalesce(sum(p.entered - p.written_off) FILTER (WHERE p.at < :since), 0) AS before,
    coalesce(sum(p.entered - p.written_off), 0) AS after,
    coalesce(bool_or(p.kind = 'opening' AND p.at >= :since), false) AS opened,
    coalesce(bool_or(p.written_off < 0 AND p.at >= :since), false) AS reopened,
    coalesce(bool_or({COUNTS}), false) AS breached,
    max(p.at) FILTER (WHERE p.written_off > 0) AS done_at,
    (array_agg({_SAID} ORDER BY p.at DESC, p.number DESC)
      FILTER (WHERE {_SAID} IN ('satisfied', 'unsatisfied', 'lapsed', 'withdrawn')))[1] AS said
  FROM entry e JOIN posting p ON p.entry_id = e.id WHERE e.item = n.item AND p.at < :until
) m
WHERE n.state <> 'reversed' AND (n.written_off_at IS NULL OR n.written_off_at >= :since)
  AND (CAST(:street AS text) IS NULL OR n.street = :street) AND (m.before > 0 OR m.opened OR m.reopened)
"""
_SUMS: Final = """
SELECT {key} AS key, count(*) AS promised, count(*) FILTER (WHERE opening) AS opening,
  count(*) FILTER (WHERE entered) AS entered, count(*) FILTER (WHERE reopened) AS reopened,
  count(*) FILTER (WHERE done) AS done, count(*) FILTER (WHERE NOT done) AS open, count(*) FILTER (WHERE late) AS late,
  count(*) FILTER (WHERE done AND NOT late) AS done_in_time,
  count(*) FILTER (WHERE done AND said = 'satisfied') AS satisfied,
  count(*) FILTER (WHERE said = 'unsatisfied') AS unsatisfied,
  count(*) FILTER (WHERE done AND said = 'lapsed') AS lapsed,
  count(*) FILTER (WHERE done AND said = 'withdrawn') AS withdrawn
FROM ({matters}) AS behind GROUP BY 1 ORDER BY 1 NULLS FIRST
"""
_KEYS: Final = {by: by for by in BY}


def sums(work: Work, since: datetime, until: datetime, by: str, street: str | None) -> list[Line]:
    """The figures of the matters from `since` until before `until`, by street, unit or category."""
    sql = _SUMS.format(key=_KEYS[by], matters=_MATTERS)
    rows = work.execute(sql, since=since, until=until, street=street)
    return [Line(r.key, {name: int(getattr(r, name)) for name in NOTHING}) for r in rows]


def matters(work: Work, since: datetime, until: datetime, street: str | None) -> Iterator[Matter]:
    """The list behind: in the order of the entries' ids, a page at a time in memory."""
    found: Iterator[Any] = rows_of(
        work, "matters", f"{_MATTERS} ORDER BY n.id", since=since, until=until, street=street
    )
    return (Matter(*row) for row in found)
