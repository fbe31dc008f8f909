"""Intake's entrypoints."""

from __future__ import annotations

from datetime import timedelta

from jiayuan.chassis.service import Delivery, Service, every

from . import handlers, keys, store
from .channels.reports import Reports


class Intake(Delivery):
    """Delivery that hands the keys to the handlers before the first message comes."""

    def setup(self) -> None:
        """Loads keys and rules; called once a process."""
        super().setup()
        settings = self.runtime.settings
        assert isinstance(settings, keys.IntakeSettings)
        keys.use(settings)
        handlers.report.rules()


class IntakeService(Service, Reports):
    """Takes reports in from every channel and makes them clean; each channel brings its own entrypoints."""

    name = "intake"
    settings_class = keys.IntakeSettings
    delivery = Intake(store.metadata, handlers.HANDLERS)

    @every(seconds=600.0, role="relay")
    def forget_keys(self) -> bool:
        """Forgets old idempotency keys; True while there are more."""
        with self.delivery.work() as work:
            before = work.now - timedelta(days=self.delivery.settings.idempotency_days)
            return store.forget_keys(work, before) > 0
