"""What routing does by the clock, beside what sla tells it."""

from __future__ import annotations

from typing import Any

from jiayuan.chassis.service import every

from . import acting


class Timers:
    """The entrypoints."""

    delivery: Any

    @every(seconds=5.0, role="relay")
    def look_at_due(self) -> bool:
        """Approvals that nobody decided in time, dated pauses that are over; True when there may be more."""
        with self.delivery.work() as work:
            return acting.due(work)
