"""The sla service's entrypoints."""

from __future__ import annotations

from typing import Any

from jiayuan.chassis.openapi import OpenApi
from jiayuan.chassis.service import Delivery, Service, every, http

from . import api, api_rates, books, feed, handlers, store, watching


class SlaService(Service, OpenApi):
    """Keeps the clocks of legs and cases: arms, warns, breaches."""

    name = "sla"
    delivery = Delivery(store.metadata, handlers.HANDLERS)

    @http("GET", "/clocks", roles=api.STAFF)
    def clocks(self, call: Any) -> Any:
        """The clocks of a case."""
        return api.of_case(self.delivery, call)

    @http("GET", "/clocks/explained", roles=api.STAFF)
    def clocks_explained(self, call: Any) -> Any:
        """The clocks of a case, with why each is due when it is."""
        return api.explanation(self.delivery, call)

    @http("GET", "/clocks/due", roles=api.STAFF)
    def clocks_due(self, call: Any) -> Any:
        """The clocks of a street that go red next."""
        return api.due(self.delivery, call)

    @http("GET", "/rates", roles=api_rates.READERS)
    def rates(self, call: Any) -> Any:
        """How much of what was due was done, in time, and to whose satisfaction."""
        return api_rates.rates(self.delivery, call)

    @http("GET", "/rates/cases", roles=api_rates.READERS)
    def rates_cases(self, call: Any) -> Any:
        """The cases behind a figure."""
        return api_rates.cases(self.delivery, call)

    @http("GET", "/feed", roles=api.STAFF)
    def feed(self, call: Any) -> Any:
        """What is about to go red in a street, as server-sent events."""
        return feed.feed(self.delivery, call)

    @every(seconds=0.1, role="clock")
    def tick(self) -> bool:
        """Lets the clocks speak that are due."""
        return handlers.tick(self.delivery)

    @every(seconds=2.0, role="any")
    def renew_policies(self) -> None:
        """Takes up policies and calendars that were imported, in every process."""
        with self.delivery.work() as work:
            books.refresh(work)

    @every(seconds=1.0, role="clock")
    def recompute(self) -> bool:
        """Computes open clocks again after a policy or a calendar has changed; True while there are more."""
        with self.delivery.work() as work:
            return handlers.recompute(work)

    @every(seconds=60.0, role="clock")
    def watch(self) -> None:
        """Says it when the holidays of a calendar in use are not known far enough, or this machine's clock is wrong."""
        with self.delivery.work() as work:
            watching.measure(work)
