"""What the ledger does by the clock."""

from __future__ import annotations

from typing import Any

from jiayuan.chassis.service import every

from . import handlers, proving, publishing
from .store import leaves


class Timers:
    """The entrypoints."""

    delivery: Any

    @every(seconds=5.0, role="clock")
    def settle(self) -> bool:
        """Posts breaches that came before the entry of their case, and corrections that came before their breach."""
        with self.delivery.work() as work:
            return handlers.settle(work, self.delivery.settings.waiting_days)

    @every(seconds=1.0, role="clock")
    def grow(self) -> bool:
        """Puts what was posted into the tree and signs it now and then; True while there is more.

        Once a second, not with each posting: a turn costs the same for one leaf and for hundreds.
        """
        return proving.grow(self.delivery)

    @every(seconds=30.0, role="clock")
    def measure_tree(self) -> None:
        """Sets the gauges of the tree."""
        with self.delivery.work() as work:
            proving.measure(work)

    @every(seconds=2.0, role="clock")
    def publish(self) -> bool:
        """Publishes an account that was ordered, with a checkpoint; True while there may be more."""
        settings = self.delivery.settings
        with self.delivery.work() as work:
            return publishing.publish(work, proving.signer_of(settings), settings.tree_hash) is not None

    @every(seconds=60.0, role="any")
    def renew_hash(self) -> None:
        """Learns, in every process, when a tree with another algorithm was begun."""
        with self.delivery.work() as work:
            leaves.refresh(work)
