"""What the `jiayuan` command finds here."""

from __future__ import annotations

import click

from .trace import trace

COMMANDS: list[click.Command] = [trace]
