"""`jiayuan notify reconciliation`: our calls beside the providers' own lists."""

from __future__ import annotations

import getpass
import json
from datetime import datetime

import click

from .. import operating, spending, store, wall
from .common import Moment, configured, opened, reason, running


@click.group()
def reconciliation() -> None:
    """What providers say they sent, beside what we have 对账."""


@reconciliation.command("list")
@click.option("--all", "everything", is_flag=True, help="Also what was settled.")
@click.option("--day", type=Moment(), help="Of those without a list; yesterday unless given.")
@click.option("--json", "as_json", is_flag=True)
def list_(everything: bool, day: datetime | None, as_json: bool) -> None:
    """Days that were reconciled, what is known of a day at providers that have no list (WeChat, webhooks, gateways),
    and differences: missing (they don't list it), extra (we never sent it), state."""
    of = spending.day_of(day) if day else None
    with opened() as work:
        said = operating.reconciliations(work, configured(), day=of, everything=everything)
    if as_json:
        click.echo(json.dumps(said, ensure_ascii=False, indent=1))
        return
    for one in said["days"]:
        end = one["error"] or ("done" if one["ended_at"] else "under way")
        click.echo(
            f"{one['day']} {one['provider']:16} ours {one['ours']}, theirs {one['theirs']}, open {one['open']}: {end}"
        )
    for one in said["without_list"]:
        ends = ", ".join(f"{end.replace('_', ' ')} {one[end]}" for end in operating.ENDS)
        click.echo(f"{one['day']} {one['provider']:16} {one['why']} 无清单可对: {ends}")
    for one in said["differences"]:
        settled = f"; settled by {one['settled_by']}: {one['reason']}" if one["settled_at"] else ""
        click.echo(
            f"{one['id']}: {one['day']} {one['provider']} {one['kind']} {one['key']}, ours {one['ours'] or '-'}, "
            f"theirs {one['theirs'] or '-'}, notice {one['notice_id'] or '-'}{settled}"
        )


@reconciliation.command()
@click.argument("ids", metavar="ID...", nargs=-1, required=True, type=click.IntRange(1, 2**63 - 1))
@reason("What it was; kept.")
@click.option("--who", default=getpass.getuser, show_default="your login", help="Kept with it.")
def settle(ids: tuple[int, ...], reason: str, who: str) -> None:
    """Say what became of differences."""
    with running() as runtime, runtime.work() as work:
        count = store.reconciliations.settle(work, ids, who, reason, wall.now())
    if not count:
        raise click.ClickException("none of these is open")
    click.echo(f"{count} settled")
