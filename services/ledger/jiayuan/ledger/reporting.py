"""Reports from the database: by HTTP, at the command line and on the page the same document and the same files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from jiayuan.chassis.work import Work
from jiayuan.contracts.times import iso

from . import reports, sheeting
from .closing import Period
from .reports import FIGURES, RATES, Matter
from .store import reports as rows

FORMATS: Final = ("json", "csv", "xlsx")
_HEADINGS: Final = (
    *("账目", "工单编号", "街道", "责任单位", "事项类别", "入账时间", "销账时间"),
    *(f.heading for f in FIGURES),
)


def _span(work: Work, period: Period) -> tuple[datetime, datetime]:
    return period.starts_at, min(period.ends_at, work.now)


def report(work: Work, period: Period, by: str, street: str | None = None) -> dict[str, Any]:
    """The report of a period with the year before beside it; a period that isn't over counts until now, and the one
    before as long."""
    since, until = _span(work, period)
    last = Period(period.year - 1, period.quarter)
    try:
        last_until = until.replace(year=until.year - 1)
    except ValueError:  # the 29th of February
        last_until = until.replace(year=until.year - 1, day=28)
    now = rows.sums(work, since, until, by, street) if since < until else []
    before = (
        rows.sums(work, last.starts_at, min(last.ends_at, last_until), by, street) if since < until else []
    )
    return {**reports.report(period, by, street, now, before), "until": iso(until)}


def matters(work: Work, period: Period, street: str | None = None) -> Iterator[Matter]:
    """The list behind a report, in the order of the entries' ids."""
    since, until = _span(work, period)
    return rows.matters(work, since, until, street) if since < until else iter(())


def file_of(document: Mapping[str, Any], form: str) -> bytes:
    """A report as CSV or XLSX; the workbook says on a second sheet how each figure is counted."""
    table = reports.table(document)
    if form == "csv":
        return sheeting.csv_of(table)
    words = [["指标", "算法"], *([f.heading, f.formula] for f in (*FIGURES, *RATES))]
    words += [["说明", said] for said in document["excluded"]]
    return sheeting.xlsx_of([(document["period"], table), ("说明", words)])


def matter_rows(found: Iterator[Matter]) -> Iterator[list[Any]]:
    """The list behind as a table with a column for each figure, whose sums are the report's."""
    yield list(_HEADINGS)
    for m in found:
        yield [
            *(m.entry, m.case_number, m.street, m.unit, m.category, iso(m.opened_at)),
            iso(m.done_at) if m.done_at else None,
            *m.counts().values(),
        ]
