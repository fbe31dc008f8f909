"""The routing service: entrypoints only."""

from __future__ import annotations

from jiayuan.chassis.service import Delivery, Service

from . import handlers, store
from .api.cases import Cases
from .api.directory import DirectoryPages
from .api.moves import Handling
from .api.reads import Reading


class RoutingService(Service, Cases, Handling, DirectoryPages, Reading):
    """Opens cases, hands them out, and takes what assignees do; each group brings its own entrypoints."""

    name = "routing"
    delivery = Delivery(store.metadata, handlers.HANDLERS)
