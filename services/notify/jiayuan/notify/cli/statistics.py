"""`jiayuan notify statistics | budget`: how quick sending was, and what it cost."""

from __future__ import annotations

import json
from datetime import datetime
from typing import BinaryIO

import click

from .. import statistics as made
from .. import wall
from ..store.statistics import BY
from .common import Moment, opened, refusals, settings


@click.command()
@click.option("--since", type=Moment(), help="A day, a time, or 24h, 7d; today unless given.")
@click.option("--until", type=Moment(), help="Not included; now unless given.")
@click.option("--by", "by", multiple=True, type=click.Choice(BY), help="May be given several times.")
@click.option("--json", "form", flag_value="json")
@click.option("--csv", "form", flag_value="csv")
@click.option("--xlsx", "workbook", type=click.File("wb"), help="Write a workbook.")
def statistics(
    since: datetime | None,
    until: datetime | None,
    by: tuple[str, ...],
    form: str | None,
    workbook: BinaryIO | None,
) -> None:
    """Notices by full hours of their making: accepted by a provider within 10 s, delivered within 1, 5 and 60 minutes,
    parts and yuan. They stay the same when old notices are forgotten."""
    now = wall.now()
    with refusals(), opened() as work:
        # The hour that runs counts.
        found = made.document(work, since or made.today(now), until or now + made.HOUR, by)
    if form == "json":
        click.echo(json.dumps(found, ensure_ascii=False, indent=1))
        return
    lines = made.table(found)
    if workbook:
        workbook.write(made.as_xlsx(lines))
    elif form == "csv":
        click.echo(made.as_csv(lines), nl=False)
    else:
        for line in lines:
            click.echo("  ".join(f"{'-' if value is None else value!s:>12}" for value in line))


@click.command()
@click.option("--json", "as_json", is_flag=True)
def budget(as_json: bool) -> None:
    """What was spent today and this month, by provider, and of which budget."""
    with opened() as work:
        found = made.budgets(work, settings(), wall.now())
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    for one in found.values():
        of = f" of {one['budget']:.2f} ({one['percent']} %)" if one["budget"] else ", no budget"
        click.echo(f"{one['name']}: {one['spent']:.2f} yuan{of}")
        for name, its in one["providers"].items():
            click.echo(
                f"  {name:16} {its['messages']} messages, {its['segments']} parts, {its['cost']:.2f} yuan"
            )


COMMANDS = (statistics, budget)
