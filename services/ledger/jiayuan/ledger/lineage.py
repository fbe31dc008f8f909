"""Lineage both ways: from a line or an entry to the reports behind it, from a report or a case to lines and entries.

A citizen's tracking code is intake's; who has its report or its case asks with that.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from jiayuan.chassis.work import Work

from .store import lineage as rows

BY: Final = ("report", "case", "entry", "demand", "problem", "posting")


def of(work: Work, by: str, value: str) -> dict[str, Any]:
    """All that hangs together with a report, a case, an entry, a line of a demand list or a problem.

    `reports`: ids; `entries`: those of the cases, and those that claimed problems opened; `lines`: lines of demand
    lists, each with the problem it went into. Empty where nothing is known.
    """
    if by == "posting":
        return _of_posting(work, value)
    found = rows.lines_of(work, by, value)
    entries = {r.entry_id for r in found} | {r.problem_entry_id for r in found}
    cases = {r.case_id for r in found if r.case_id}
    reports = {r.report_id for r in found}
    if by == "case":
        cases.add(value)
    elif by == "report":
        reports.add(value)
    elif by == "entry":
        entries.add(value)
    known = _entries(work, cases, entries)
    if by in ("entry", "case"):
        for entry in known:
            reports |= set(rows.reports_of_entry(work, entry["id"]))
    return {
        "by": by,
        "of": value,
        "reports": sorted(reports),
        "entries": known,
        "lines": _lines(found),
    }


def _of_posting(work: Work, value: str) -> dict[str, Any]:
    """As of its entry, with the reports that the books knew of when it was posted. `value`: the entry's id, a dot and
    the posting's number; the caller knows that it is one."""
    entry, _, number = value.partition(".")
    whole = of(work, "entry", entry)
    there = rows.is_posted(work, entry, int(number))
    reports = rows.reports_of_entry(work, entry, int(number)) if there else []
    return {**whole, "by": "posting", "of": value, "reports": reports} | (
        {} if there else {"entries": [], "lines": []}
    )


def _entries(work: Work, cases: Iterable[str], ids: Iterable[str | None]) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for by, values in (("case", cases), ("entry", ids)):
        for value in sorted(v for v in values if v and v not in found):
            for e in rows.entries_behind(work, by, value):
                found[e.id] = {
                    "id": e.id,
                    "year": e.year,
                    "case": e.case_id,
                    "case_number": e.case_number,
                    "street": e.street,
                    "state": e.state,
                    "title": e.title,
                }
    return [found[i] for i in sorted(found)]


def _lines(found: Iterable[Any]) -> list[dict[str, Any]]:
    lines: dict[str, dict[str, Any]] = {}
    for r in found:
        line = lines.setdefault(
            r.demand_id,
            {
                "demand": r.demand_id,
                "list": r.list_id,
                "quarter": r.quarter,
                "street": r.street,
                "community": r.community,
                "list_state": r.state,
                "number": r.number,
                "title": r.title,
                "kept": r.kept,
                "reports": [],
                "problem": None
                if r.problem_id is None
                else {
                    "id": r.problem_id,
                    "list": r.problem_list_id,
                    "number": r.problem_number,
                    "title": r.problem_title,
                    "state": r.problem_state,
                    "entry": r.problem_entry_id,
                },
            },
        )
        line["reports"].append(r.report_id)
    return list(lines.values())
