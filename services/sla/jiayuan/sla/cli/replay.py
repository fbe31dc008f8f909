"""`jiayuan sla replay`: another city's cases through our clocks; no database, nothing is stored."""

from __future__ import annotations

import sys
from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from jiayuan.contracts.check import FieldProblem

from ..replaying import FORMS, ZONES, FileError, read
from ..replaying import told as replay_told
from .common import told

_UNITS = {"m": 60, "h": 3600, "d": 86400}


@click.command("replay")
@click.argument("form", type=click.Choice(FORMS))
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--zone", help="Of the file's times; default: Boston's its own, Baltimore's UTC, messages' China's."
)
@click.option("--as-of", help="A day or a time; default: the last thing that happened in the file.")
@click.option(
    "--limit",
    "limits",
    multiple=True,
    default=("24h", "5d", "15d", "30d", "60d"),
    show_default=True,
    help="messages: natural time within which a reply is in time; may be repeated.",
)
def replay(form: str, file: Path, zone: str | None, as_of: str | None, limits: tuple[str, ...]) -> None:
    """On-time rates of FILE, and how often we come to what the city itself says.

    boston: Boston's 311 cases (CSV), compared with OnTime_Status. baltimore: Baltimore's (CSV); each type's limit is
    learned from its first row and every other due date compared. messages: replied messages (JSONL).
    """
    from .. import reporting

    try:
        where = ZoneInfo(zone or ZONES[form])
    except (ValueError, OSError, ZoneInfoNotFoundError):
        told([FieldProblem("zone", f"is {zone!r:.40}", "a name like Asia/Shanghai")])
        sys.exit(1)
    wrong: list[FieldProblem] = []
    given = [(text, _seconds(text, wrong)) for text in limits]
    moment = reporting.moment("as-of", as_of, where, wrong)
    if wrong:
        told(wrong)
        sys.exit(1)
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            found = read(form, lines, where)
    except (FileError, UnicodeDecodeError) as error:
        click.echo(f"{file.name}: {error}", err=True)
        sys.exit(1)
    for line in found.wrong[:20]:
        click.echo(line, err=True)
    for line in replay_told(form, found, moment.astimezone(UTC) if moment else found.newest, given):
        click.echo(line)


def _seconds(text: str, wrong: list[FieldProblem]) -> int:
    number = text[:-1]
    if text[-1:] in _UNITS and number.isascii() and number.isdigit() and 0 < int(number) < 100_000:
        return int(number) * _UNITS[text[-1]]
    wrong.append(FieldProblem("limit", f"is {text!r:.20}", "a duration such as 30m, 24h or 5d"))
    return 0
