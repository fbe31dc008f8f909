"""What the commands share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from jiayuan.chassis.config import load
from jiayuan.chassis.work import Work, reading

from ..settings import NotifySettings


def settings() -> NotifySettings:
    """The settings of the environment; a command needs no broker."""
    return load(NotifySettings, "notify", {"JIAYUAN_AMQP_URI": "", **os.environ})


def opened() -> AbstractContextManager[Work]:
    """The service's database, for looking only."""
    return reading(settings())


@contextmanager
def running() -> Iterator[Any]:
    """The service's runtime, for changing something; the running service publishes what is put into its outbox."""
    from jiayuan.chassis.service import Runtime

    from .. import handlers, store

    runtime = Runtime(settings(), store.metadata, handlers.HANDLERS)
    try:
        yield runtime
    finally:
        runtime.engine.dispose()
