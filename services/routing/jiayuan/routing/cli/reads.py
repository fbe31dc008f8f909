"""`jiayuan routing reads`: who saw which personal data."""

from __future__ import annotations

import json
from typing import Any

import click

from jiayuan.chassis.config import Settings, load
from jiayuan.chassis.errors import Problem

from .common import environment, refusals


@click.command()
@click.option("--case", default=None, help="The id or number of a case.")
@click.option("--who", default=None, help="Who read.")
@click.option("--subject", default=None, help="Whose contact, or a case's number.")
@click.option("--since", default=None, help="From when on: 2026-03-02, or with a time and an offset.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 100_000))
@click.option("--json", "as_json", is_flag=True, help="A JSON document a line.")
def reads(
    case: str | None, who: str | None, subject: str | None, since: str | None, limit: int, as_json: bool
) -> None:
    """Every reading of personal data, the newest first: when, who, what, why."""
    from jiayuan.chassis.work import reading

    from ..api.reads import lines

    with refusals(), reading(load(Settings, "routing", environment())) as work:
        query: dict[str, Any] = {"case": case, "who": who, "subject": subject, "limit": limit}
        found = lines(work, query | {"since": _since(since, work) if since else None})
    for line in found["reads"]:
        if as_json:
            click.echo(json.dumps(line, ensure_ascii=False))
            continue
        by = f" by {line['operator']} ({line['via']})" if line.get("operator") else ""
        click.echo(
            f"{line['at']}  {line['who']} [{','.join(line['roles'])}]{by}  {line['what']} {line['subject']}: "
            f"{','.join(line['fields'])} — {line['why']}"
        )
    if not found["reads"] and not as_json:
        click.echo("none")


def _since(given: str, work: Any) -> str:
    """A day begins where the policy's zone says it does."""
    from datetime import datetime

    from jiayuan.contracts.times import iso, parse

    from .. import book

    try:
        if len(given) == 10:
            day = datetime.strptime(given, "%Y-%m-%d")
            return iso(day.replace(tzinfo=book.of(work).policy(work.now).zone))
        return iso(parse(given))
    except ValueError:
        raise Problem(
            422,
            "The query is wrong",
            f"--since {given[:40]}: a day like 2026-03-02, or an RFC 3339 date-time",
        ) from None
