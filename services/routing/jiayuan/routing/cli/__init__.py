"""`jiayuan routing …`: a module a group of commands."""

from __future__ import annotations

import click

from .case import case
from .decisions import colour, decisions, simulate, triage
from .directory import directory
from .emergency import emergency
from .explain import explain
from .gaming import gaming
from .helping import GROUPS
from .policy import policy
from .reads import reads
from .rotation import rotation
from .whistle import whistle


@click.group()
def routing() -> None:
    """Who gets which case: directory, policy, reasons."""


for _command in (
    directory,
    policy,
    explain,
    simulate,
    decisions,
    colour,
    triage,
    rotation,
    reads,
    gaming,
    whistle,
    emergency,
    case,
    *GROUPS,
):
    routing.add_command(_command)

COMMANDS: list[click.Command] = [routing]
