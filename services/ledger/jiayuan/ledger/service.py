"""The ledger's entrypoints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jiayuan.chassis.config import Settings
from jiayuan.chassis.service import Delivery, Service, every, http

from . import api, handlers, store

STAFF = ("grid_worker", "grid_leader", "grid_chief", "desk", "unit_clerk", "county", "operator", "service")


@dataclass(frozen=True)
class LedgerSettings(Settings):
    """`waiting_days`: for how many days of business time a breach waits for the entry of its case."""

    waiting_days: float = 30.0


class LedgerService(Service):
    """The annual livelihood account."""

    name = "ledger"
    settings_class = LedgerSettings
    delivery = Delivery(store.metadata, handlers.HANDLERS)

    @every(seconds=5.0, role="clock")
    def settle(self) -> bool:
        """Posts breaches that came before the entry of their case."""
        with self.delivery.work() as work:
            return handlers.settle(work, self.delivery.settings.waiting_days)

    @http("GET", "/accounts/<int:year>/summary")
    def summary(self, _call: Any, year: int) -> Any:
        """The public figures of a year."""
        return api.summary(self.delivery, year)

    @http("GET", "/accounts/<int:year>", roles=STAFF)
    def account(self, call: Any, year: int) -> Any:
        """The account of a year by street or unit: ?by=street|unit&street=CODE."""
        return api.account(self.delivery, call, year)

    @http("GET", "/entries", roles=STAFF)
    def entries(self, call: Any) -> Any:
        """Entries: ?case=…|street=…|year=…, &after=ID&limit=N."""
        return api.entries(self.delivery, call)

    @http("GET", "/entries/<string:entry>", roles=STAFF)
    def entry(self, _call: Any, entry: str) -> Any:
        """One entry with its postings."""
        return api.entry(self.delivery, entry)
