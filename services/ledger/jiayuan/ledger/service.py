"""The ledger's entrypoints."""

from __future__ import annotations

from dataclasses import dataclass

from jiayuan.chassis.config import Settings
from jiayuan.chassis.service import Delivery, Service, every

from . import handlers, store
from .api.accounts import Accounts
from .api.entries import Entries
from .api.interface import OpenApi


@dataclass(frozen=True)
class LedgerSettings(Settings):
    """`waiting_days`: for how many days of business time a breach waits for the entry of its case."""

    waiting_days: float = 30.0


class LedgerService(Service, Accounts, Entries, OpenApi):
    """The annual livelihood account; each group brings its own entrypoints."""

    name = "ledger"
    settings_class = LedgerSettings
    delivery = Delivery(store.metadata, handlers.HANDLERS)

    @every(seconds=5.0, role="clock")
    def settle(self) -> bool:
        """Posts breaches that came before the entry of their case."""
        with self.delivery.work() as work:
            return handlers.settle(work, self.delivery.settings.waiting_days)
