"""The routing service: entrypoints only."""

from __future__ import annotations

from jiayuan.chassis.openapi import OpenApi
from jiayuan.chassis.service import Delivery, Service, every

from . import catalogue, emergencies, handlers, store
from .api.cases import Cases
from .api.desk import DeskPages
from .api.directory import DirectoryPages
from .api.emergencies import EmergencyPages
from .api.explain import Explaining
from .api.gaming import GamingPages
from .api.helping import Helping
from .api.moves import Handling
from .api.policies import Policies
from .api.reads import Reading
from .api.whistles import Whistles
from .api.workbook import Workbook
from .timers import Timers


class Routing(Delivery):
    """Delivery that reads the catalogue before the first message comes: one that can't be used stops the start."""

    def setup(self) -> None:
        """Called once a process."""
        super().setup()
        settings = self.runtime.settings
        assert isinstance(settings, catalogue.RoutingSettings)
        catalogue.load(settings.catalogue)


class RoutingService(
    Service,
    Cases,
    DeskPages,
    DirectoryPages,
    EmergencyPages,
    Explaining,
    GamingPages,
    Handling,
    Helping,
    OpenApi,
    Policies,
    Reading,
    Timers,
    Whistles,
    Workbook,
):
    """Opens cases, hands them out, and takes what assignees do; each group brings its own entrypoints."""

    name = "routing"
    settings_class = catalogue.RoutingSettings
    delivery = Routing(store.metadata, handlers.HANDLERS)

    @every(seconds=0.5, role="relay")
    def keep_emergencies(self) -> bool:
        """Begins and ends emergencies whose time has come, brings their cases in line; True while there are more."""
        return emergencies.turn(self.delivery)
