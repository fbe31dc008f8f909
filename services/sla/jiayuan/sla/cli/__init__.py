"""`jiayuan sla …`: clocks, policies and calendars in the terminal."""

from __future__ import annotations

import click

from .calendars import calendar
from .clocks import clocks, explain
from .policies import policy
from .rates import rates, simulate
from .replay import replay


@click.group()
def sla() -> None:
    """Clocks of legs and cases, their policies and calendars."""


for command in (clocks, explain, calendar, policy, rates, simulate, replay):
    sla.add_command(command)

COMMANDS: list[click.Command] = [sla]

__all__ = ["COMMANDS", "sla"]
