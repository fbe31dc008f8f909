"""`jiayuan sla rates`: how much of what was due was done, in time, and to whose satisfaction."""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from jiayuan.chassis.config import Settings, load
from jiayuan.chassis.work import reading
from jiayuan.contracts.check import FieldProblem

from ..rates import BY, BY_NAME, FIGURES, SMALL
from .common import told


@click.command("rates")
@click.option("--by", type=click.Choice(BY), default="street", show_default=True)
@click.option("--since", help="A day (2026-03-01), or a time; default: this year's first.")
@click.option("--until", help="Likewise, not included; default: now.")
@click.option("--street", help="Only cases of this street.")
@click.option("--unit", default="", help="Only what this unit or desk handled.")
@click.option("--cases", "figure", type=click.Choice([f.name for f in FIGURES]), help="The cases behind it.")
@click.option("--group", help="With --cases: only of this group.")
@click.option(
    "--format",
    "form",
    type=click.Choice(("table", "json", "csv", "xlsx")),
    default="table",
    show_default=True,
)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="A file; xlsx needs one.")
def rates(
    by: str,
    since: str | None,
    until: str | None,
    street: str | None,
    unit: str,
    figure: str | None,
    group: str | None,
    form: str,
    output: Path | None,
) -> None:
    """Response, solution and satisfaction, on-time response and closing, returns and more, by group.

    Shares are over what was due (应结案), not over what was registered; docs/sla/rates.md has every formula.
    """
    from .. import reporting

    if form == "xlsx" and output is None:
        raise click.UsageError("xlsx goes to a file: --output rates.xlsx")
    if group is not None and figure is None:
        raise click.UsageError("--group goes with --cases")
    with reading(load(Settings, "sla", {"JIAYUAN_AMQP_URI": "", **os.environ})) as work:
        try:
            asked = reporting.query(work, by, since, until, street, unit)
        except reporting.QueryError as error:
            told(error.problems)
            sys.exit(1)
        if figure is not None:
            listed = reporting.cases(work, asked, BY_NAME[figure], group)
            sheets = {figure: reporting.case_lines(listed)}
            document: Any = listed.rows
            if listed.more:
                click.echo(
                    f"the first {len(listed.rows)} only; narrow it by --since, --until, --group", err=True
                )
        else:
            document = reporting.document(work, asked)
            sheets = {"rates": reporting.lines(document), "figures": reporting.explained()}
    table = next(iter(sheets.values()))
    if len(table) == 1:
        click.echo("nothing counts in this period; a wider --since, or another --street or --unit?", err=True)
    if form == "xlsx":
        data = reporting.as_xlsx(sheets)
    elif form == "csv":
        data = reporting.as_csv(table)
    elif form == "json":
        data = (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode()
    else:
        text = _head(document) if figure is None else ""
        data = (text + "\n".join(_aligned(_drawn(table))) + "\n").encode()
    if output is not None:
        output.write_bytes(data)
    else:
        click.echo(data, nl=False)


@click.command("simulate")
@click.option(
    "--policy", "file", required=True, type=click.Path(path_type=Path, exists=True, allow_dash=True)
)
@click.option("--since", required=True, help="Clocks that began from here on: a day, or a time.")
@click.option("--format", "form", type=click.Choice(("table", "json")), default="table", show_default=True)
@click.option("--examples", type=click.IntRange(0, 1000), default=20, show_default=True)
def simulate(file: Path, since: str, form: str, examples: int) -> None:
    """What breach rates would have been under another policy, before → after, by kind of clock and street.

    Nothing is changed. Everything is taken to be done when it was done.
    """
    from .. import books, reporting
    from .policies import _document, _read

    document = _document(file)
    wrong: list[Any] = []
    with reading(load(Settings, "sla", {"JIAYUAN_AMQP_URI": "", **os.environ})) as work:
        candidate = _read(document, books.calendars(work), work.now)
        start = reporting.moment("since", since, candidate.zone, wrong)
        if start is None:
            told(wrong or [FieldProblem("since", "is empty", "a day such as 2026-03-01")])
            sys.exit(1)
        found = reporting.simulated(work, candidate, start, examples)
    if form == "json":
        click.echo(json.dumps(found, ensure_ascii=False, indent=1))
        return
    table: list[list[Any]] = [["kind", "street", "clocks", "breached", "newly", "spared", "no clock"]]
    for row in (*found["groups"], *({"street": "total", **row} for row in found["kinds"])):
        rates_ = f"{_share(row['before'])} → {_share(row['after'])}"
        counts = (row["newly_breached"], row["spared"], row["no_clock"])
        table.append([row["kind"], row["street"], row["clocks"], rates_, *counts])
    click.echo(f"policy {found['policy']}, clocks since {found['since']}; nothing was changed")
    click.echo("\n".join(_aligned(_drawn(table))))
    for one in found["examples"]:
        before, after = one["before"], one["after"]
        click.echo(
            f"  {one['kind']} of {one['case']} in {one['street']}: {before['outcome']}, due {before['due_at']} → "
            f"{after['outcome']}, due {after['due_at'] or '-'}; stopped {one['stopped_at'] or '-'}"
        )


def _share(rate: dict[str, Any]) -> str:
    counts = f"{rate['breached']}/{rate['over']}"
    return f"{rate['percent']} % ({counts})" if "percent" in rate else counts


def _head(document: dict[str, Any]) -> str:
    out = f"{document['since']} ≤ t < {document['until']} by {document['by']}; shares of less than {SMALL} as counts\n"
    if "unmeasured" in document:
        out += f"{document['unmeasured']} cases are in no figure: no event of theirs has come since rates are kept\n"
    return out


def _drawn(table: list[list[Any]]) -> Iterator[list[str]]:
    yield from ([str(v) for v in row] for row in table)


def _aligned(table: Iterator[list[str]]) -> list[str]:
    rows = list(table)
    widths = [max(_width(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(v + " " * (w - _width(v)) for v, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
