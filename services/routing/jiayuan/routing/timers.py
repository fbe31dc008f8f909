"""What routing does by the clock, beside what sla tells it."""

from __future__ import annotations

from typing import Any

from jiayuan.chassis.service import every

from . import acting, book, reads


class Timers:
    """The entrypoints."""

    delivery: Any

    @every(seconds=5.0, role="relay")
    def look_at_due(self) -> bool:
        """Approvals that nobody decided in time, dated pauses that are over; True when there may be more."""
        with self.delivery.work() as work:
            return acting.due(work)

    @every(seconds=60.0, role="relay")
    def forget_reads(self) -> bool:
        """Drops old lines of the read log, a batch at a time; True when there may be more."""
        return reads.forget(self.delivery)

    @every(seconds=20.0, role="any")
    def count_hands(self) -> None:
        """How many cases every worker has on the hands, for whose turn it is: in every process."""
        with self.delivery.work() as work:
            book.recount(work)
