"""Intake's entrypoints."""

from __future__ import annotations

from datetime import timedelta

from jiayuan.chassis.service import Delivery, Limiting, Service, every
from jiayuan.chassis.work import together

from . import corrections, emergencies, handlers, joins, keys, limits, matters, places, report, store
from .channels import government_system, open311
from .channels.categories import Categories
from .channels.field import Field
from .channels.hotline import Hotline
from .channels.matters import Matters
from .channels.media import MediaFiles
from .channels.mini_program import MiniProgram
from .channels.open311 import Open311
from .channels.openapi import OpenApi
from .channels.places import Places
from .channels.privacy import Privacy
from .channels.public import Public
from .channels.reports import Reports
from .channels.sheets import Sheets
from .media_store import store_of


class Intake(Delivery):
    """Delivery that hands the keys to the handlers before the first message comes."""

    def setup(self) -> None:
        """Loads keys and rules; called once a process."""
        super().setup()
        settings = self.runtime.settings
        assert isinstance(settings, keys.IntakeSettings)
        keys.use(settings)
        limits.use(settings.limits)
        report.use_catalogue(settings.catalogue)
        # Before the first report, not soon after it: a restart must not match one with the list that comes with us.
        with self.runtime.work() as work:
            places.refresh(work)
            emergencies.refresh(work)
        open311.use(settings.open311)
        # A store that can't be meant stops the process here, and not the first photo.
        store_of(settings.media, settings.media_key, settings.media_secret)


class IntakeService(
    Service,
    Limiting,
    Reports,
    Categories,
    Public,
    MediaFiles,
    MiniProgram,
    Hotline,
    Field,
    Matters,
    Privacy,
    Sheets,
    Places,
    OpenApi,
    Open311,
):
    """Takes reports in from every channel and makes them clean; each channel brings its own entrypoints."""

    name = "intake"
    settings_class = keys.IntakeSettings
    delivery = Intake(
        store.metadata,
        together(
            handlers.HANDLERS,
            corrections.HANDLERS,
            emergencies.HANDLERS,
            government_system.HANDLERS,
            open311.HANDLERS,
        ),
    )
    refusals = open311.REFUSALS

    @every(seconds=10.0, role="any")
    def renew_places(self) -> None:
        """Takes up a gazetteer that has come into force, in every process."""
        with self.delivery.work() as work:
            places.refresh(work)

    @every(seconds=2.0, role="any")
    def renew_emergencies(self) -> None:
        """Takes up emergencies that another replica heard of, in every process."""
        with self.delivery.work() as work:
            emergencies.refresh(work)

    @every(seconds=600.0, role="relay")
    def forget_keys(self) -> bool:
        """Forgets old idempotency keys; True while there are more."""
        with self.delivery.work() as work:
            before = work.now - timedelta(days=self.delivery.settings.idempotency_days)
            return store.forget_keys(work, before) > 0

    @every(seconds=600.0, role="relay")
    def forget_matter_keys(self) -> bool:
        """Forgets where to look for the matters of reports that are too old to be joined; True while there are more."""
        with self.delivery.work() as work:
            return store.forget_matter_keys(work, joins.first_id(matters.WINDOW)) > 0
