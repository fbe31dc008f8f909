"""What the commands share that change something: transactions, and watching a recomputation."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import click

from jiayuan.chassis.config import Settings, load
from jiayuan.chassis.work import Work
from jiayuan.contracts.check import FieldProblem

Works = Callable[[], AbstractContextManager[Work]]


def works() -> Works:
    """Transactions on the service's database; no broker is needed."""
    from jiayuan.chassis.service import Runtime

    from .. import handlers, store

    settings = load(Settings, "sla", {"JIAYUAN_AMQP_URI": "", **os.environ})
    return Runtime(settings, store.metadata, handlers.HANDLERS).work


def told(problems: list[FieldProblem]) -> None:
    """What is wrong, a line each."""
    for p in problems:
        click.echo(f"{p.field}: {p.problem}; allowed: {p.allowed}", err=True)


def recomputed(open_work: Works, why: str, wait: bool) -> None:
    """Computes the open clocks again, together with whatever replica is at it, and says how many moved."""
    from .. import handlers, store

    if not wait:
        click.echo("open clocks are computed again by the running service: jiayuan sla policy list")
        return
    while True:
        with open_work() as work:
            more = handlers.recompute(work)
        with open_work() as work:
            job: Any = next((j for j in store.recomputations(work) if j.why == why), None)
        if job is None or job.turn > 1 or job.done_at is not None:
            break
        if not more:
            time.sleep(0.2)  # another replica has the batch
    if job is not None:
        click.echo(f"{job.looked_at} open clocks were computed again, {job.moved} moved")
