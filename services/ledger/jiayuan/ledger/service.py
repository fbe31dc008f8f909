"""The ledger's entrypoints."""

from __future__ import annotations

from dataclasses import dataclass

from jiayuan.chassis.openapi import OpenApi
from jiayuan.chassis.service import Delivery, Limiting, Service

from . import handlers, store
from .api.accounts import Accounts
from .api.acts import Acts
from .api.claims import Claims
from .api.closings import Closings
from .api.entries import Entries
from .api.lists import Lists
from .api.meetings import Meetings
from .api.proof import Proofs
from .api.public import Public
from .api.reports import Reports
from .proving import ProofSettings, signer_of
from .timers import Timers


@dataclass(frozen=True)
class LedgerSettings(ProofSettings):
    """`waiting_days`: for how many days of business time a breach waits for the entry of its case, and a correction
    for its breach.

    `intake_url`, `routing_url`: where hotspots and member units are read from for the lists; without one the draft
    says what it lacks. `neighbour_timeout`: how long to wait for them, seconds.
    """

    waiting_days: float = 30.0
    intake_url: str = ""
    routing_url: str = ""
    neighbour_timeout: float = 3.0


class Ledger(Delivery):
    """Delivery that reads the signing key before the first posting comes, in the processes that let the tree grow."""

    def setup(self) -> None:
        """Called once a process."""
        super().setup()
        settings = self.runtime.settings
        assert isinstance(settings, ProofSettings)
        if any(e.method_name == "grow" for e in self.container.entrypoints):
            signer_of(settings)


class LedgerService(
    Service,
    Limiting,
    Accounts,
    Entries,
    Acts,
    Closings,
    Lists,
    Claims,
    Meetings,
    OpenApi,
    Proofs,
    Public,
    Reports,
    Timers,
):
    """The annual livelihood account; each group brings its own entrypoints."""

    name = "ledger"
    settings_class = LedgerSettings
    delivery = Ledger(store.metadata, handlers.HANDLERS)
