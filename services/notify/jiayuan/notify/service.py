"""The notify service: tells people what became of their matter, and staff what is theirs to do."""

from __future__ import annotations

from jiayuan.chassis.openapi import OpenApi
from jiayuan.chassis.service import Delivery, Limiting, Service, every

from . import handlers, keeping, own, receiving, reconciling, replies, routes, sending, store
from .api.notices import Notices
from .api.operating import Operating
from .api.preferences import Preferences
from .api.reading import Reading
from .api.receipts import Receipts
from .api.replies import Replies
from .api.statistics import Statistics
from .api.unsubscribing import Unsubscribing
from .settings import NotifySettings


class Notify(Delivery):
    """Delivery that reads rules, texts and preferences first: what can't be used stops the start."""

    def setup(self) -> None:
        """Called once a process."""
        super().setup()
        own.use(routes.settings_of(self.runtime).data)


class NotifyService(
    Service,
    Limiting,
    Notices,
    Operating,
    Preferences,
    Reading,
    Receipts,
    Replies,
    Statistics,
    Unsubscribing,
    OpenApi,
):
    """Entrypoints only; each group brings its own."""

    name = "notify"
    settings_class = NotifySettings
    delivery = Notify(store.metadata, handlers.HANDLERS)

    @every(seconds=0.25, role="send")
    def send(self) -> bool:
        """Gives every provider what it has room for."""
        return sending.of(self.delivery).turn()

    @every(seconds=1.0, role="send")
    def find_stuck(self) -> bool:
        """Finds what is stuck and asks about it, follows the policy of channels, judges providers."""
        return sending.of(self.delivery).sweep()

    @every(seconds=5.0, role="send")
    def hear(self) -> bool:
        """Fetches receipts from providers that keep them, and looks again at those that came too early."""
        return receiving.of(self.delivery).turn()

    @every(seconds=3600.0, role="send")
    def forget_counts(self) -> bool:
        """Drops what was counted of people who are sent nothing any more."""
        return replies.forget(self.delivery)

    @every(seconds=5.0, role="send")
    def find_who_replied(self) -> bool:
        """Looks for the people who have answered 退订 by SMS."""
        return replies.turn(self.delivery)

    @every(seconds=60.0, role="send")
    def watch_budgets(self) -> None:
        """Raises an alarm where a budget is spent."""
        keeping.watch_budgets(self.delivery)

    @every(seconds=60.0, role="send")
    def forget(self) -> bool:
        """Drops notices of long ago; their sums stay."""
        return keeping.forget(self.delivery)

    @every(seconds=10.0, role="send")
    def reconcile(self) -> bool:
        """Holds our calls of yesterday against the providers' own lists."""
        return reconciling.turn(self.delivery)
