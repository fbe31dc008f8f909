"""The ledger's entrypoints."""

from __future__ import annotations

from dataclasses import dataclass

from jiayuan.chassis.service import Delivery, Service

from . import handlers, store
from .api.accounts import Accounts
from .api.acts import Acts
from .api.closings import Closings
from .api.entries import Entries
from .api.interface import OpenApi
from .proving import ProofSettings, signer_of
from .timers import Timers


@dataclass(frozen=True)
class LedgerSettings(ProofSettings):
    """`waiting_days`: for how many days of business time a breach waits for the entry of its case."""

    waiting_days: float = 30.0


class Ledger(Delivery):
    """Delivery that reads the signing key before the first posting comes, in the processes that let the tree grow."""

    def setup(self) -> None:
        """Called once a process."""
        super().setup()
        settings = self.runtime.settings
        assert isinstance(settings, ProofSettings)
        if any(e.method_name == "grow" for e in self.container.entrypoints):
            signer_of(settings)


class LedgerService(Service, Accounts, Entries, Acts, Closings, OpenApi, Timers):
    """The annual livelihood account; each group brings its own entrypoints."""

    name = "ledger"
    settings_class = LedgerSettings
    delivery = Ledger(store.metadata, handlers.HANDLERS)
