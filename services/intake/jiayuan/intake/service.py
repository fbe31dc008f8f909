"""Intake's entrypoints."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from jiayuan.chassis.service import Delivery, Service, every, http

from . import api, handlers, keys, store


class Intake(Delivery):
    """Delivery that hands the keys to the handlers before the first message comes."""

    def setup(self) -> None:
        """Loads keys and rules; called once a process."""
        super().setup()
        settings = self.runtime.settings
        assert isinstance(settings, keys.IntakeSettings)
        keys.use(settings)
        handlers.report.rules()


class IntakeService(Service):
    """Takes reports in from every channel and makes them clean."""

    name = "intake"
    settings_class = keys.IntakeSettings
    delivery = Intake(store.metadata, handlers.HANDLERS)

    @http("POST", "/reports")
    def report(self, call: Any) -> Any:
        """A new report."""
        return api.submit(self.delivery, call)

    @http("GET", "/reports", roles=api.FIND)
    def find(self, call: Any) -> Any:
        """A report by its tracking code, for staff whom somebody tells it."""
        return api.find(self.delivery, call)

    @http("GET", "/reports/<string:report>")
    def show(self, call: Any, report: str) -> Any:
        """A report, for whoever has its tracking code, and for staff."""
        return api.show(self.delivery, call, report)

    @http("POST", "/reports/<string:report>/supplements")
    def supplement(self, call: Any, report: str) -> Any:
        """The reporter adds something."""
        return api.supplement(self.delivery, call, report)

    @http("POST", "/reports/<string:report>/withdrawal")
    def withdraw(self, call: Any, report: str) -> Any:
        """The reporter takes it back."""
        return api.withdraw(self.delivery, call, report)

    @http("POST", "/reports/<string:report>/rating")
    def rate(self, call: Any, report: str) -> Any:
        """The reporter says whether it is solved."""
        return api.rate(self.delivery, call, report)

    @every(seconds=600.0, role="relay")
    def forget_keys(self) -> bool:
        """Forgets old idempotency keys; True while there are more."""
        with self.delivery.work() as work:
            before = work.now - timedelta(days=self.delivery.settings.idempotency_days)
            return store.forget_keys(work, before) > 0
