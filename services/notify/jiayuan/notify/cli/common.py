"""What the commands share."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager

from jiayuan.chassis.config import load
from jiayuan.chassis.work import Work, reading

from ..settings import NotifySettings


def settings() -> NotifySettings:
    """The settings of the environment; a command needs no broker."""
    return load(NotifySettings, "notify", {"JIAYUAN_AMQP_URI": "", **os.environ})


def opened() -> AbstractContextManager[Work]:
    """The service's database, for looking only."""
    return reading(settings())
