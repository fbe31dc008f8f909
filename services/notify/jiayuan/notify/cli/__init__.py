"""`jiayuan notify …`: who is told what and why, what became of it, and what people wish."""

from __future__ import annotations

import click

from .explain import explain
from .operating import COMMANDS as OPERATING
from .preferences import preferences
from .preview import preview
from .reconciliation import reconciliation
from .statistics import COMMANDS as STATISTICS
from .status import status


@click.group()
def notify() -> None:
    """Notices 通知."""


for _command in (status, explain, preview, preferences, reconciliation, *OPERATING, *STATISTICS):
    notify.add_command(_command)

COMMANDS: list[click.Command] = [notify]
