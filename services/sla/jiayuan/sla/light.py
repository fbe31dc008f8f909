"""The timeliness light of a clock: green < 80 % of the limit, yellow 80 to 100 %, red past it.

It has nothing to do with the nature colour of a case. Pure, importable without a server.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal

from .time import Pause, elapsed

Light = Literal["green", "yellow", "red"]

YELLOW_PERCENT = 80
MOST_PERCENT = 1000  # what the contract of clock.* can say


def light(used: timedelta, limit_s: int) -> Light:
    """The light when `used` of a limit of `limit_s` seconds is gone. Exactly on the limit is in time."""
    limit = timedelta(seconds=limit_s)
    if used > limit:
        return "red"
    return "yellow" if used * 100 >= limit * YELLOW_PERCENT else "green"


def light_at(start: datetime, limit_s: int, at: datetime, pauses: Iterable[Pause] = ()) -> Light:
    """The light at the moment `at` of a clock that runs from `start`."""
    return light(elapsed(start, at, pauses=pauses), limit_s)


def percent(used: timedelta, limit_s: int) -> int:
    """The share of the limit that is gone, in whole per cent rounded down, 1000 at most."""
    return min(used * 100 // timedelta(seconds=limit_s), MOST_PERCENT)
