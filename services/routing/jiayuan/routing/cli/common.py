"""What the commands share."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from jiayuan.chassis.config import Settings, load
from jiayuan.contracts.check import FieldProblem

FILE = click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
WHO = click.option("--who", default=getpass.getuser, show_default="your login", help="Kept with the version.")


def environment() -> dict[str, str]:
    """The settings' variables; a command needs no broker."""
    return {"JIAYUAN_AMQP_URI": "", **os.environ}


@contextmanager
def opened_runtime() -> Iterator[Any]:
    """The service's database, and its outbox: the running service publishes what is put there."""
    from jiayuan.chassis.service import Runtime

    from .. import handlers, store

    settings = load(Settings, "routing", environment())
    runtime = Runtime(settings, store.metadata, handlers.HANDLERS)
    try:
        yield runtime
    finally:
        runtime.engine.dispose()


def fail(problems: list[FieldProblem]) -> None:
    """Says what is wrong, field by field, and ends with exit code 1."""
    for p in problems[:50]:
        click.echo(f"{p.field}: {p.problem}" + (f" (allowed: {p.allowed})" if p.allowed else ""), err=True)
    if len(problems) > 50:
        click.echo(f"… and {len(problems) - 50} more", err=True)
    click.echo(f"{len(problems)} problems; nothing was changed", err=True)
    sys.exit(1)


@contextmanager
def refusals() -> Iterator[None]:
    """Says what was refused, as the API would, in lines; exit code 1."""
    from jiayuan.chassis.errors import Problem

    try:
        yield
    except Problem as error:
        say(error)
        sys.exit(1)


def say(error: Any) -> None:
    """What was refused and why, field by field, as the API would say it."""
    click.echo(f"jiayuan routing: {error.title}" + (f": {error.detail}" if error.detail else ""), err=True)
    for p in error.problems:
        click.echo(f"  {p.field}: {p.problem}" + (f" (allowed: {p.allowed})" if p.allowed else ""), err=True)
