"""What the commands share."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager

import click

from jiayuan.chassis.config import Settings, load
from jiayuan.chassis.work import Work
from jiayuan.chassis.work import reading as read_only

YEAR = click.argument("year", type=click.IntRange(2000, 2999))


def reading() -> AbstractContextManager[Work]:
    """The service's database, to look at; no broker is needed."""
    return read_only(load(Settings, "ledger", {"JIAYUAN_AMQP_URI": "", **os.environ}))
