"""`jiayuan notify preferences`: what somebody wishes to be told, at the command line."""

from __future__ import annotations

import getpass
import json
from typing import Any

import click

from .. import preferences as pure
from .. import wishing
from ..api.preferences import TYPES
from ..preferences import ALL, CHANNELS, SUBJECTS
from .common import opened, reason, refusals, running


@click.group("preferences")
def preferences() -> None:
    """What people wish to be told 通知偏好."""


_TYPE = click.argument("type_", metavar="TYPE", type=click.Choice(TYPES))
_REF = click.argument("ref", metavar="ID")


@preferences.command()
@_TYPE
@_REF
@click.option("--json", "as_json", is_flag=True)
def show(type_: str, ref: str, as_json: bool) -> None:
    """What TYPE (citizen, person, unit, desk) ID wishes, what may be refused, and how that came to be."""
    with refusals(), opened() as work:
        said = wishing.show(work, type_, ref) | {"changes": wishing.history(work, type_, ref)}
    if as_json:
        click.echo(json.dumps(said, ensure_ascii=False, indent=1))
        return
    for one in said["subjects"]:
        word = "refused" if one["refused"] else "told" if one["refusable"] else "told always"
        click.echo(f"{one['subject']:12} {word:12} {one['name']}")
    _rest(said)
    for change in said["changes"]:
        by = f" by {change['by']}" if change["by"] else ""
        click.echo(f"  {change['at'][:19]} {change['how']}{by}: {change['reason'] or '-'}")


@preferences.command("set")
@_TYPE
@_REF
@click.option(
    "--refuse", "refused", multiple=True, type=click.Choice([*SUBJECTS, ALL]), help="All that is refused."
)
@click.option("--unwanted", multiple=True, type=click.Choice(CHANNELS), help="A channel that isn't wanted.")
@click.option("--quiet", nargs=2, default=None, metavar="FROM UNTIL", help="Quiet hours, as 21:00 07:00.")
@reason("On what ground; kept.")
@click.option("--who", default=getpass.getuser, show_default="your login", help="Kept with the change.")
def set_(
    type_: str,
    ref: str,
    refused: tuple[str, ...],
    unwanted: tuple[str, ...],
    quiet: tuple[str, str] | None,
    reason: str,
    who: str,
) -> None:
    """Keep what somebody has asked for; what isn't given isn't wished any more."""
    asked: dict[str, Any] = {"refused": list(refused), "unwanted": list(unwanted)}
    if quiet:
        try:
            asked["quiet"] = {"from": pure.clock_of(quiet[0]), "until": pure.clock_of(quiet[1])}
        except ValueError as error:
            raise click.UsageError(f"--quiet: {error}") from None
    with refusals(), running() as runtime, runtime.work() as work:
        wishes = wishing.checked(pure.bundled(), type_, asked)
        said = wishing.change(work, type_, ref, wishes, "command", by=who, reason=reason)
    _rest(said)


@preferences.command()
@_TYPE
@_REF
@click.argument("channel", metavar="CHANNEL", type=click.Choice(CHANNELS))
@reason("On what ground; kept.")
@click.option("--who", default=getpass.getuser, show_default="your login", help="Kept with the change.")
def resubscribe(type_: str, ref: str, channel: str, reason: str, who: str) -> None:
    """Use CHANNEL (sms, mini_program) again for somebody, whether he or a provider has refused it; other wishes stay.

    A provider that has the number on its own list refuses again until it is taken off there, too.
    """
    with refusals(), running() as runtime, runtime.work() as work:
        said = wishing.resubscribe(work, type_, ref, channel, "command", by=who, reason=reason)
    _rest(said)


def _rest(said: dict[str, Any]) -> None:
    quiet = said["quiet"]
    click.echo(f"refused: {', '.join(said['refused']) or 'nothing'}")
    unwanted = [f"{c} (a provider's word)" if c in said["vendor"] else c for c in said["unwanted"]]
    click.echo(f"channels not wanted: {', '.join(unwanted) or 'none'}")
    click.echo(
        f"quiet hours of their own: {quiet['from']} to {quiet['until']}"
        if quiet
        else "no quiet hours of their own"
    )
