"""Work that would hold up every other greenlet: pictures to decode, disks to wait for."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import eventlet.tpool
from eventlet import patcher
from eventlet.semaphore import Semaphore

P = ParamSpec("P")
T = TypeVar("T")
# Each decoded picture may take a hundred megabytes: no more at a time than there is memory for.
_SLOTS = Semaphore(2)


def aside(run: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Runs it in a native thread and waits, while other greenlets go on; outside of a service it is just run.

    It may not touch the database, the bus, or anything else that is cooperative. Two at a time.
    """
    if not patcher.is_monkey_patched("thread"):
        return run(*args, **kwargs)
    with _SLOTS:
        result: T = eventlet.tpool.execute(run, *args, **kwargs)
        return result
