"""`jiayuan ledger …`: a module a group of commands."""

from __future__ import annotations

import click

from .account import check, returning, show
from .closing import close
from .entry import entry
from .lists import lists
from .meeting import meeting
from .proof import export, key, proof, verify
from .publishing import publications_, publish, published
from .reports import report


@click.group()
def ledger() -> None:
    """The annual livelihood account 民生实事账本."""


for _command in (
    show,
    check,
    returning,
    entry,
    close,
    lists,
    meeting,
    report,
    publish,
    published,
    publications_,
    key,
    proof,
    export,
    verify,
):
    ledger.add_command(_command)

COMMANDS: list[click.Command] = [ledger]

__all__ = ["COMMANDS", "ledger"]
