"""`jiayuan notify status`: what became of notices."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import click

from jiayuan.contracts.schemas.common import NOTICE_STATES

from .. import store, wishing
from ..api.notices import shown
from .common import Moment, opened


@click.command()
@click.option("--case", "case", default="", help="On this case.")
@click.option("--report", "report", default="", help="On this report.")
@click.option(
    "--person", "person", default="", help="To this recipient: pseudonym, id of staff, code of a unit."
)
@click.option("--since", type=Moment(), help="Made since then: a day, a time, or 90m, 24h, 7d.")
@click.option("--state", type=click.Choice(NOTICE_STATES))
@click.option("--provider", default="", help="The last one.")
@click.option("--json", "as_json", is_flag=True)
def status(
    case: str,
    report: str,
    person: str,
    since: datetime | None,
    state: str | None,
    provider: str,
    as_json: bool,
) -> None:
    """What happened to each notice, with every call, question, receipt and resend; of more than 500 the newest.

    Without any option, counts by role and state.
    """
    if case and report:
        raise click.UsageError("give --case or --report, not both")
    which = store.Which(
        case=case, report=report, person=person, since=since, state=state or "", provider=provider
    )
    with opened() as work:
        if which == store.Which():
            _counts(store.counts(work), as_json)
            return
        found = [shown(row) for row in store.find(work, which)]
        refused = wishing.refusals(work, person) if person else []
    if as_json:
        document = {"notices": found} | ({"refusals": refused} if person else {})
        click.echo(json.dumps(document, ensure_ascii=False))
        return
    for one in refused:
        click.echo(_refusal(one))
    if not found:
        click.echo("none")
    for one in found:
        _line(one)


def _counts(counts: list[tuple[str, str, int]], as_json: bool) -> None:
    if as_json:
        rows = [{"role": role, "state": state, "count": count} for role, state, count in counts]
        click.echo(json.dumps({"counts": rows}))
        return
    for role, state, count in counts:
        click.echo(f"{role:11} {state:12} {count:8}")
    if not counts:
        click.echo("none")


def _refusal(one: dict[str, Any]) -> str:
    by = f" {one['by']}" if one["by"] else ""
    code = f" ({one['code']})" if one["code"] else ""
    since = f" since {one['at'][:19]}" if one["at"] else ""
    return f"{one['type']} refuses {one['what']}{since}, said by {one['source'] or 'nobody known'}{by}{code}"


def _line(one: dict[str, Any]) -> None:
    reason = f"  {one['reason']}" if one["reason"] else ""
    click.echo(
        f"{one['at'][:19]}  {one['role']:10} {one['recipient']:9} {one['template']:16} "
        f"{one['step'][:40]:40} {one['state']}{reason}  {one['id']}"
    )
    for call in one["attempts"]:
        error = f"  {call['error']}" if call["error"] else ""
        click.echo(
            f"    {call['ended_at'][:19]}  {call['kind']} {call['number']} by {call['provider']}: "
            f"{call['outcome']}{error}"
        )
    for again in one["resends"]:
        click.echo(
            f"    {again['at'][:19]}  sent again by {again['by']}, it was {again['state']}: {again['reason']}"
        )
