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

from ..rates import BY, BY_NAME, FIGURES, SMALL


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
            for p in error.problems:
                click.echo(f"{p.field}: {p.problem}; allowed: {p.allowed}", err=True)
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
