"""The notify service: tells people what became of their matter, and staff what is theirs to do."""

from __future__ import annotations

from typing import Any

from jiayuan.chassis.service import Delivery, Service, every, http
from jiayuan.chassis.web import Call

from . import api, handlers, sending, store
from .settings import NotifySettings


class NotifyService(Service):
    """Entrypoints only."""

    name = "notify"
    settings_class = NotifySettings
    delivery = Delivery(store.metadata, handlers.HANDLERS)

    @every(seconds=0.25, role="send")
    def send(self) -> bool:
        """Gives every provider what it has room for."""
        return sending.of(self.delivery).turn()

    @every(seconds=1.0, role="send")
    def find_stuck(self) -> bool:
        """Finds what is stuck and asks about it, follows the policy of channels, judges providers."""
        return sending.of(self.delivery).sweep()

    @http("GET", "/notices", roles=api.STAFF)
    def notices(self, call: Call) -> Any:
        """The notices on a case or a report."""
        return api.notices(self.delivery, call)
