"""`jiayuan intake open311 …`: keys of clients."""

from __future__ import annotations

import getpass
import os
import sys
from contextlib import AbstractContextManager
from typing import Any

import click

from jiayuan.contracts.times import iso

from . import api_keys


@click.group("open311")
def open311() -> None:
    """The Open311 endpoint: keys of its clients."""


@open311.group("keys")
def keys() -> None:
    """Who may report by Open311."""


def _work() -> tuple[AbstractContextManager[Any], Any]:
    from jiayuan.chassis.config import load
    from jiayuan.chassis.service import Runtime

    from ... import store
    from ...keys import IntakeSettings

    settings = load(IntakeSettings, "intake", {"JIAYUAN_AMQP_URI": "", **os.environ})
    return Runtime(settings, store.metadata, []).work(), settings


@keys.command("add")
@click.argument("name")
@click.option(
    "--jurisdiction", "jurisdictions", multiple=True, help="That it may report to; none named: all of them."
)
@click.option("--per-minute", type=click.IntRange(1, 100_000), default=api_keys.PER_MINUTE, show_default=True)
@click.option("--per-day", type=click.IntRange(1, 10_000_000), default=api_keys.PER_DAY, show_default=True)
def add(name: str, jurisdictions: tuple[str, ...], per_minute: int, per_day: int) -> None:
    """Make a key for NAME (a system and who answers for it). It is shown once and kept by nobody."""
    from ...store import open311 as listed
    from .places import load

    opened, settings = _work()
    known = load(settings.open311).jurisdictions
    for one in jurisdictions:
        if one not in known:
            raise click.BadParameter(f"{one} is none of {', '.join(known)}", param_hint="--jurisdiction")
    if not name.strip() or len(name) > 100:
        raise click.BadParameter("1 to 100 characters", param_hint="NAME")
    id_, key, hash_ = api_keys.new_key()
    with opened as work:
        row = {
            "id": id_,
            "hash": hash_,
            "name": name.strip(),
            "jurisdictions": list(jurisdictions),
            "per_minute": per_minute,
            "per_day": per_day,
            "created_at": iso(work.now),
            "created_by": getpass.getuser(),
        }
        listed.add_key(work, row)
    click.echo(key)
    click.echo(f"key {id_}: it can't be shown again", err=True)


@keys.command("list")
def list_keys() -> None:
    """Show all keys: id, state, uses today, limits, jurisdictions, name."""
    from ...store import open311 as listed

    opened, _ = _work()
    with opened as work:
        rows = listed.keys(work, api_keys.today(work.now))
    for row in rows:
        state = f"revoked {row.revoked_at:%Y-%m-%d} {row.revoked_reason}" if row.revoked_at else "in force"
        where = ",".join(row.jurisdictions) or "all"
        click.echo(
            f"{row.id}  {row.created_at:%Y-%m-%d}  {state}  today {row.used}/{row.per_day}, {row.per_minute} a minute  "
            f"{where}  {row.name}"
        )
    if not rows:
        click.echo("no keys; make one with `jiayuan intake open311 keys add NAME`")


@keys.command("revoke")
@click.argument("id_", metavar="ID")
@click.option("--reason", required=True, help="Why; it is kept.")
def revoke(id_: str, reason: str) -> None:
    """Revoke the key with that id, from now on."""
    from ...store import open311 as listed

    opened, _ = _work()
    with opened as work:
        done = listed.revoke_key(work, id_, getpass.getuser(), reason[:300])
    if not done:
        click.echo(f"there is no key {id_} in force; `jiayuan intake open311 keys list` shows them", err=True)
        sys.exit(1)
    click.echo(f"{id_} is revoked")
