"""What is done from time to time: budgets are watched, and notices of long ago are forgotten."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Final

from jiayuan.chassis.service import Runtime

from . import metrics, routes, statistics, store, wall

log = logging.getLogger("jiayuan.notify")

_SIZE: Final = 500


def watch_budgets(runtime: Runtime) -> None:
    """Show what is spent, and raise an alarm where a budget's level is reached for the first time."""
    with runtime.work() as work:
        found, said = statistics.watch(work, routes.settings_of(runtime), wall.now())
    metrics.spend({period: (one["spent"], one["budget"]) for period, one in found.items()})
    for words in said:
        log.error("budget", extra={"why": words})


def forget(runtime: Runtime) -> bool:
    """Drop a batch of what is older than `keep_days`. True when there may be more."""
    before = wall.now() - timedelta(days=routes.settings_of(runtime).keep_days)
    with runtime.work() as work:
        gone = store.forgetting.forget(work, before, _SIZE)
    if gone:
        log.info("notices forgotten", extra={"count": gone})
    return gone == _SIZE
