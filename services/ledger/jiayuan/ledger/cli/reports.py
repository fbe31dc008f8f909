"""`jiayuan ledger report`: a quarter or a year in figures."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from .. import reporting, reports
from ..account import width
from ..closing import Period
from ..reports import BY
from ..sheeting import CsvFile
from .common import PERIOD, OutFile, echo_json, known_street, reading


@click.command()
@PERIOD
@click.option("--quarter", type=click.IntRange(1, 4), default=None, help="Of a PERIOD that is a year.")
@click.option("--by", type=click.Choice(list(BY)), default="street", show_default=True)
@click.option("--street", default=None, help="Only this street (its code).")
@click.option("--format", "form", type=click.Choice(["table", *reporting.FORMATS]), default="table")
@click.option("--out", type=OutFile(), help="Where a csv or xlsx goes.")
@click.option("--list", "behind", is_flag=True, help="The matters behind it, as CSV.")
def report(
    period: Period,
    quarter: int | None,
    by: str,
    street: str | None,
    form: str,
    out: Path | None,
    behind: bool,
) -> None:
    """What was promised, done, late and satisfied in PERIOD (2026 or 2026Q4), with the year before beside it."""
    if quarter and period.quarter not in (0, quarter):
        raise click.BadParameter(f"is {quarter}, and the period is {period}", param_hint="--quarter")
    if form == "xlsx" and out is None:
        raise click.UsageError("an xlsx goes into a file: give --out")
    period = Period(period.year, quarter or period.quarter)
    with reading() as work:
        if period.starts_at > work.now:
            raise click.BadParameter(f"{period} has not begun", param_hint="PERIOD")
        known_street(work, street)
        if behind:
            with out.open("wb") if out else sys.stdout.buffer as to:
                file = CsvFile(to)
                for row in reporting.matter_rows(reporting.matters(work, period, street)):
                    file.row(row)
                file.end()
            return
        document = reporting.report(work, period, by, street)
    if form in ("csv", "xlsx"):
        data = reporting.file_of(document, form)
        out.write_bytes(data) if out else sys.stdout.buffer.write(data)
    elif form == "json":
        echo_json(document)
    else:
        click.echo(f"{period.words}民生实事报表（括号内为上年同期）")
        for line in _lines(document):
            click.echo(line)


def _lines(document: dict[str, object]) -> list[str]:
    table = reports.table(document)
    rows = [
        [str(row[0] or ""), *(f"{_said(a)}（{_said(b)}）" for a, b in zip(row[1::2], row[2::2], strict=True))]
        for row in table[1:]
    ]
    rows.insert(0, [str(table[0][0]), *(str(h) for h in table[0][1::2])])
    widths = [max(width(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(c + " " * (w - width(c)) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _said(value: object) -> str:
    return "–" if value is None else str(value)
