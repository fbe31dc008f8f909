"""Both ways between a report and what it became: its case, its entry, the lines it is behind, who claimed them."""

from __future__ import annotations

from typing import Any, Final

from jiayuan.chassis.work import Work

_LINES: Final = """
SELECT b.report_id, b.case_id, CAST(b.entry_id AS text) AS entry_id, CAST(d.id AS text) AS demand_id, d.number, d.title,
  CAST(l.id AS text) AS list_id, l.quarter, l.street, l.community, l.state, d.kept,
  CAST(p.id AS text) AS problem_id, p.number AS problem_number, p.title AS problem_title, p.state AS problem_state,
  CAST(p.list_id AS text) AS problem_list_id, CAST(p.entry_id AS text) AS problem_entry_id
FROM demand_report b JOIN demand d ON d.id = b.demand_id JOIN quarter_list l ON l.id = d.list_id
LEFT JOIN problem p ON p.id = d.problem_id
WHERE {where} ORDER BY l.quarter, l.street, l.community, d.number, b.report_id
"""
_BY: Final = {
    "report": "b.report_id = :value",
    "case": "b.case_id = :value",
    "entry": "(b.entry_id = CAST(:value AS uuid) OR p.entry_id = CAST(:value AS uuid))",
    "demand": "d.id = CAST(:value AS uuid)",
    "problem": "p.id = CAST(:value AS uuid)",
}


def lines_of(work: Work, by: str, value: str) -> list[Any]:
    """Reports with the lines they are behind: all `by` a report, case, entry, demand or problem."""
    return list(work.execute(_LINES.format(where=_BY[by]), value=value))


def entries_behind(work: Work, by: str, value: str) -> list[Any]:
    """The entries of a case, or those whose opening names a report: id, case, number, street, state.

    A report that was joined to a case later is found by its line, or by the case.
    """
    where = "e.case_id = :value" if by == "case" else "e.id = CAST(:value AS uuid)"
    return list(
        work.execute(
            "SELECT CAST(e.id AS text) AS id, e.year, e.case_id, e.case_number, e.street, e.state, e.title"
            f" FROM entry e WHERE {where} ORDER BY e.year",
            value=value,
        )
    )


def is_posted(work: Work, entry: str, number: int) -> bool:
    """Whether an entry has a posting of that number."""
    return bool(
        work.execute(
            "SELECT 1 AS found FROM posting WHERE entry_id = CAST(:id AS uuid) AND number = :number",
            id=entry,
            number=number,
        )
    )


def reports_of_entry(work: Work, entry: str, number: int | None = None) -> list[str]:
    """The reports behind an entry: those that the newest posting of its item names, and those behind the demands of
    the problem that opened it. `number`: as of that posting of it."""
    return work.execute(
        "SELECT report FROM ("
        " SELECT jsonb_array_elements_text(r.reports) AS report FROM ("
        "  SELECT p.facts -> 'reports' AS reports FROM entry e JOIN entry x ON x.item = e.item"
        "  JOIN posting p ON p.entry_id = x.id WHERE e.id = CAST(:id AS uuid)"
        "  AND (CAST(:number AS int) IS NULL OR x.year < e.year OR x.year = e.year AND p.number <= :number)"
        "  AND jsonb_typeof(p.facts -> 'reports') = 'array' ORDER BY x.year DESC, p.number DESC LIMIT 1) r"
        " UNION SELECT b.report_id FROM problem q JOIN demand d ON d.problem_id = q.id"
        "  JOIN demand_report b ON b.demand_id = d.id WHERE q.entry_id = CAST(:id AS uuid)"
        ") found ORDER BY report",
        id=entry,
        number=number,
    ).scalars()
