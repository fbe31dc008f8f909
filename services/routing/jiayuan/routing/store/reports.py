"""Reports and the cases they are in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from jiayuan.chassis.work import Work

from .rows import rows_of
from .tables import (
    case_report,
)


class Claimed(NamedTuple):
    """A report without a case so far: what came about it before it came itself, a fresh number for its case, and the
    version of the directory (it is wanted with every batch, and costs no round trip here)."""

    waiting: list[dict[str, Any]]
    number: int
    directory: int


def claim_reports(work: Work, rows: Sequence[dict[str, Any]]) -> dict[str, Claimed]:
    """Ties reports to the cases that are to be opened for them; rows: report_id, case_id.

    Returns the reports that had no case yet. One report → one case, whatever is delivered twice and by however
    many replicas.
    """
    claimed = work.insert(
        case_report,
        rows,
        conflict="ON CONFLICT (report_id) DO UPDATE SET case_id = excluded.case_id "
        "WHERE case_report.case_id IS NULL",
        returning="report_id, waiting, nextval('case_number'), "
        "coalesce((SELECT version FROM directory WHERE id = 1), 0)",
    )
    return {row[0]: Claimed(*row[1:]) for row in claimed}


def numbers(work: Work, count: int) -> list[int]:
    """That many fresh running numbers of cases, for reports that had a case before."""
    rows = rows_of(work, "SELECT nextval('case_number') FROM generate_series(1, :n)", n=count)
    return [row[0] for row in rows]


def wait_for_report(work: Work, report: str, words: Mapping[str, Any]) -> bool:
    """Keeps what was said about a report that hasn't come yet; False when it has come, and has a case."""
    kept = work.execute(
        "INSERT INTO case_report (report_id, waiting) VALUES (:report, json_build_array(CAST(:words AS json))) "
        "ON CONFLICT (report_id) DO UPDATE SET waiting = "
        "(case_report.waiting::jsonb || excluded.waiting::jsonb)::json WHERE case_report.case_id IS NULL "
        "RETURNING 1",
        report=report,
        words=orjson.dumps(words).decode(),
    )
    return kept.first() is not None


def cases_of_reports(work: Work, reports: Sequence[str]) -> dict[str, str]:
    """The case ids of reports that have one."""
    rows = rows_of(
        work,
        "SELECT report_id, case_id FROM case_report WHERE report_id = ANY(:ids) AND case_id IS NOT NULL",
        ids=list(reports),
    )
    return {row[0]: str(row[1]) for row in rows}


def own_cases(work: Work, reports: Sequence[str]) -> dict[str, str]:
    """The case that a report had before it was merged into another one, for those that had one."""
    rows = rows_of(
        work,
        "SELECT report_id, own_case FROM case_report WHERE report_id = ANY(:ids) AND own_case IS NOT NULL",
        ids=list(reports),
    )
    return {row[0]: str(row[1]) for row in rows}


def note_own_cases(work: Work, cases: Mapping[str, str]) -> None:
    """Keeps which case a report had before its case was merged into another one; report id → case id."""
    rows = [{"report_id": report, "own_case": case} for report, case in sorted(cases.items())]
    work.update(case_report, rows, key=("report_id",), where="t.own_case IS NULL")


def move_reports(work: Work, cases: Mapping[str, str]) -> None:
    """Ties reports to other cases; report id → case id."""
    work.update(
        case_report,
        [{"report_id": report, "case_id": case} for report, case in sorted(cases.items())],
        key=("report_id",),
    )


def newer_joins(work: Work, sequences: Mapping[str, int]) -> set[str]:
    """Of reports whose joining or separating has that sequence, those that haven't heard of a newer one."""
    rows = [{"report_id": report, "join_sequence": n} for report, n in sorted(sequences.items())]
    newer = work.update(
        case_report,
        rows,
        key=("report_id",),
        where="t.join_sequence < r.join_sequence",
        returning="t.report_id",
    )
    return {row[0] for row in newer}


def newer_corrections(work: Work, aspect: str, sequences: Mapping[str, int]) -> set[str]:
    """Of reports whose category (or place) was put right by an event of that sequence, those that haven't heard of a
    newer one."""
    column = f"{aspect}_sequence"
    rows = [{"report_id": report, column: n} for report, n in sorted(sequences.items())]
    newer = work.update(
        case_report, rows, key=("report_id",), where=f"t.{column} < r.{column}", returning="t.report_id"
    )
    return {row[0] for row in newer}
