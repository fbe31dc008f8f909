"""One clock everywhere. Business time may run faster than the wall, for demonstrations and tests."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, slots=True)
class Clock:
    """Business time: `epoch + (wall - epoch) * speed`; with speed 1 it is the wall clock.

    All processes of one run are given the same `epoch` (Unix seconds) and `speed`, so they agree.
    """

    speed: float = 1.0
    epoch: float = 0.0

    def now(self) -> datetime:
        """The business time, aware, in UTC."""
        wall = time.time()
        return datetime.fromtimestamp(wall if self.speed == 1.0 else self.at(wall), UTC)

    def at(self, wall: float) -> float:
        """Business time as Unix seconds at a wall time."""
        return self.epoch + (wall - self.epoch) * self.speed

    def wall_seconds(self, span: timedelta) -> float:
        """How long a span of business time takes on the wall."""
        return span.total_seconds() / self.speed


class SetClock:
    """A clock that stands still until it is set; for tests."""

    def __init__(self, at: datetime) -> None:
        self.time = at

    def now(self) -> datetime:
        """The time it was set to."""
        return self.time

    def wall_seconds(self, span: timedelta) -> float:
        """Spans pass at the wall's pace."""
        return span.total_seconds()
