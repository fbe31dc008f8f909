"""`jiayuan notify providers | stop | start | resend | alarms`: how providers do, and what people do about it."""

from __future__ import annotations

import getpass
import json
from datetime import timedelta
from typing import Any

import click

from jiayuan.contracts.times import iso

from .. import operating, routes, store, wall
from ..providers.configuration import BadConfiguration
from .common import configured, opened, reason, refusals, running, settings

_WHO = click.option("--who", default=getpass.getuser, show_default="your login", help="Kept with it.")
_REASON = reason("Why; kept.")
_KIND = click.argument("kind", type=click.Choice(["provider", "channel", "template"]))
_JSON = click.option("--json", "as_json", is_flag=True)
_HOURS = click.option("--hours", type=click.FloatRange(0, 24 * 365), default=24.0, show_default=True)

_NOTHING_LEAVES = (
    "no notice leaves 没有短信会发出: name providers in a file, JIAYUAN_NOTIFY_PROVIDERS=FILE, "
    "and start notify anew (docs/notify/providers.md)"
)


@click.command()
@_HOURS
@_JSON
def providers(hours: float, as_json: bool) -> None:
    """The providers, whether they are open, their weights and last 15 minutes, what is stopped and what is raised;
    moves and stops of the last hours."""
    found = configured()
    with opened() as work:
        said = operating.standing(work, wall.now() - timedelta(hours=hours), found)
    if as_json:
        click.echo(json.dumps(said, ensure_ascii=False, indent=1))
        return
    for one in said["providers"]:
        how = "" if one["sends"] else ", keeps what it gets and sends nothing"
        how = ", test key mode: sends nothing" if not one["sends"] and one["kind"] != "sink" else how
        click.echo(f"{one['channel']:12} {one['provider']:16} {one['kind']:8} {one['state']}{how}")
    if found and not any(one["sends"] for one in said["providers"]):
        click.echo(_NOTHING_LEAVES)
    for one in said["weights"]:
        click.echo(
            f"{one['channel']:12} {one['provider']:16} {one['points']:3} points ({one['rest']} at rest)"
        )
    for one in said["last_15_minutes"]:
        click.echo(
            f"{one['provider']:16} {one['accepted']} accepted in 15 minutes, {one['errors_last_minute']} errors in one"
        )
    for one in said["stops"]:
        end = f"started {one['ended_at']} by {one['ended_by']}" if one["ended_at"] else "stopped"
        until = f" until {one['until']}" if one["until"] and not one["ended_at"] else ""
        click.echo(
            f"{one['kind']} {one['name']}: {end}{until}, since {one['at']} by {one['by']}: {one['reason']}"
        )
    _alarms(said["alarms"])
    for one in said["moves"]:
        click.echo(f"{one['at']} {one['provider']} {one['before']} → {one['after']}: {one['reason']}")


@click.command()
@_KIND
@click.argument("name")
@_REASON
@click.option("--minutes", type=click.IntRange(1, 60 * 24 * 31), help="Only for so long.")
@_WHO
def stop(kind: store.operating.Stoppable, name: str, reason: str, minutes: int | None, who: str) -> None:
    """Send nothing by a provider or on a channel, or nothing of a template, until it is started. Nothing is lost: what
    has another channel takes that, everything else waits."""
    until = wall.now() + timedelta(minutes=minutes) if minutes else None
    with refusals():
        operating.known(kind, name, _names(kind))
        with running() as runtime, runtime.work() as work:
            operating.stop(work, kind, name, reason=reason, by=who, until=until)
    click.echo(f"{kind} {name} is stopped" + (f" until {iso(until)}" if until else ""))


@click.command()
@_KIND
@click.argument("name")
@_REASON
@_WHO
def start(kind: store.operating.Stoppable, name: str, reason: str, who: str) -> None:
    """Send again what was stopped; alarms about it are cleared, and what waited for it goes now."""
    with refusals():
        operating.known(kind, name, _names(kind))
        with running() as runtime, runtime.work() as work:
            operating.start(work, kind, name, reason=reason, by=who)
    click.echo(f"{kind} {name} is started")


@click.command()
@click.argument("notice", metavar="ID")
@_REASON
@_WHO
def resend(notice: str, reason: str, who: str) -> None:
    """Send notice ID again, as a new message, whatever became of it; never while nobody knows whether it is out."""
    with refusals(), running() as runtime, runtime.work() as work:
        done = operating.resend(work, notice, reason=reason, by=who)
    click.echo(f"{done['id']} is sent again; it was {done['was']}")


@click.command()
@click.option("--all", "everything", is_flag=True, help="Also those that were cleared.")
@click.option("--clear", metavar="SUBJECT", help="Clear what is raised about this.")
@_WHO
@_JSON
def alarms(everything: bool, clear: str | None, who: str, as_json: bool) -> None:
    """What somebody has to see to: wrong configuration, no money, refused texts."""
    if clear is not None:
        with running() as runtime, runtime.work() as work:
            count = store.operating.clear(work, clear, by=who, wall=wall.now())
        if not count:
            raise click.ClickException(f"nothing is raised about {clear}")
        click.echo(f"{count} cleared")
        return
    with opened() as work:
        found = [operating.shown(row) for row in store.operating.alarms(work, raised=not everything)]
    if as_json:
        click.echo(json.dumps({"alarms": found}, ensure_ascii=False))
        return
    _alarms(found)
    if not found:
        click.echo("none")


def _alarms(found: list[dict[str, Any]]) -> None:
    for one in found:
        cleared = f", cleared by {one['cleared_by']}" if one["cleared_at"] else ""
        click.echo(
            f"{one['last_at']} {one['kind']} {one['subject']}, {one['times']} times since {one['raised_at']}"
            f"{cleared}: {one['reason']}"
        )


def _names(kind: str) -> list[str]:
    """The configured providers, where one is named."""
    if kind != "provider":
        return []
    try:
        return [one.name for one in routes.outlines(settings())]
    except BadConfiguration as error:
        raise click.ClickException(str(error)) from None


COMMANDS = (providers, stop, start, resend, alarms)
