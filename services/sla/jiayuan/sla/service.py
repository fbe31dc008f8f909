"""The sla service's entrypoints."""

from __future__ import annotations

from typing import Any

from jiayuan.chassis.service import Delivery, Service, every, http

from . import api, handlers, store


class SlaService(Service):
    """Keeps the clocks of legs and cases: arms, warns, breaches."""

    name = "sla"
    delivery = Delivery(store.metadata, handlers.HANDLERS)

    @http("GET", "/clocks", roles=api.STAFF)
    def clocks(self, call: Any) -> Any:
        """The clocks of a case."""
        return api.of_case(self.delivery, call)

    @http("GET", "/clocks/due", roles=api.STAFF)
    def clocks_due(self, call: Any) -> Any:
        """The clocks of a street that go red next."""
        return api.due(self.delivery, call)

    @every(seconds=0.1, role="clock")
    def tick(self) -> bool:
        """Lets the clocks speak that are due."""
        return handlers.tick(self.delivery)
