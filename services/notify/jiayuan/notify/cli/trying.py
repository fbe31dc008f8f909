"""`jiayuan notify try`: what a provider in test mode would answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click

from jiayuan.contracts.ids import new_id

from ..providers.base import Message
from ..providers.pretend import Pretend


@click.command("try")
@click.argument("number")
def try_(number: str) -> None:
    """What a provider in test mode (`test: true`) would answer for NUMBER, by its last four digits; nothing is sent."""
    if not (number.isascii() and number.isdigit() and len(number) == 11):
        raise click.BadParameter("must be 11 digits, as 13900000001", param_hint="NUMBER")
    at = began = datetime.now(UTC)
    provider = Pretend(clock=lambda: at)
    (outcome,) = provider.send([Message(new_id(), "test", "sms", number)])
    after = f", again after {outcome.after:g} s" if outcome.after else ""
    click.echo(f"…{number[-4:]}: {outcome.kind}{f' ({outcome.error})' if outcome.error else ''}{after}")
    at += timedelta(days=1)
    for receipt in provider.pull():
        seconds = (receipt.at - began).total_seconds() if receipt.at else 0
        click.echo(f"  receipt: {receipt.kind} after {seconds:g} s")
