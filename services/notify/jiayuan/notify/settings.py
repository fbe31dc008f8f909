"""Notify's own settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from jiayuan.chassis.config import Settings
from jiayuan.chassis.errors import EXIT_CONFIG, StartError

from .providers import configuration
from .providers.calls import longest_batch
from .states import Pace

PROVIDERS: Final = ("sink", "http")
LEAST_KEPT: Final = 35
"""A dead letter that is replayed so late must still find that its notice was sent; a month's bill its messages."""
COURTESY: Final = ("auto", "on", "off")


@dataclass(frozen=True)
class NotifySettings(Settings):
    """Durations are seconds of the wall clock, except `give_up_hours`, which is business time."""

    providers: str = ""
    """A file of providers (docs/notify/providers.md); without one, the single `provider` counts."""
    provider: str = "sink"
    """sink | http"""
    provider_url: str = ""
    provider_secret: str = field(default="", repr=False)
    provider_timeout: float = 5.0
    provider_concurrency: int = 8
    citizen_url: str = "https://jiayuan.example/t/"
    """A tracking code is put behind it."""
    staff_url: str = "https://jiayuan.example/c/"
    """A case number is put behind it."""
    read_url: str = "https://jiayuan.example/r/"
    """Where notices that have to be read are confirmed: this service's `/r/`. What stands for the notice follows it."""
    data: str = ""
    """A folder with the county's own rules.yaml, templates.yaml, preferences.yaml, cascade.yaml; empty: this build"""
    unsubscribe_url: str = "https://jiayuan.example/u/"
    """Where a citizen says what he doesn't wish to be told: this service's `/u/`. A tracking code is put behind it."""
    worklist_url: str = "https://jiayuan.example/w/"
    """Where staff find what is theirs to do; digests lead there."""
    courtesy: str = "auto"
    """on | off | auto: whether quiet hours, the day's cap and digests hold. auto: unless all that is sent stays in our
    own database (the sink), where it disturbs nobody. What somebody refused isn't sent in any case."""
    send_batch: int = 200
    give_up_hours: float = 72.0
    """How long a notice may wait for its recipient to be known, or for its provider."""
    stuck_seconds: float = 45.0
    """After this long a submitted notice without a recorded answer counts as unknown; longer than any call."""
    wait_most: float = 60.0
    retry_first: float = 2.0
    retry_most: float = 600.0
    settle_seconds: float = 5.0
    """How long a provider gets before it is asked for a request whose answer was lost."""

    budget_day: float = 0.0
    """Yuan that a day's messages may cost before an alarm (at 80 % and at 100 %); 0: no budget."""
    budget_month: float = 0.0
    keep_days: int = 400
    """Notices are forgotten after so many days, with contacts that nothing else needs; their sums stay."""

    def __post_init__(self) -> None:
        """StartError (exit code 3) for what could never work, before anything is sent."""
        self.check_providers()
        if self.provider not in PROVIDERS:
            raise StartError(
                EXIT_CONFIG, f"provider is {self.provider!r}, it must be {' or '.join(PROVIDERS)}"
            )
        if self.courtesy not in COURTESY:
            raise StartError(
                EXIT_CONFIG, f"courtesy is {self.courtesy!r}, it must be {' or '.join(COURTESY)}"
            )
        if self.provider == "http" and not self.provider_url.startswith(("http://", "https://")):
            raise StartError(EXIT_CONFIG, "provider_url must be an http:// or https:// address")
        if self.keep_days < LEAST_KEPT:
            raise StartError(EXIT_CONFIG, f"keep_days is {self.keep_days}, it must be {LEAST_KEPT} or more")
        for name in ("budget_day", "budget_month"):
            if getattr(self, name) < 0:
                raise StartError(EXIT_CONFIG, f"{name} is {getattr(self, name):g}, it must be 0 or more")
        longest = longest_batch(self.provider_timeout)
        if self.provider == "http" and self.stuck_seconds <= longest:
            raise StartError(
                EXIT_CONFIG,
                f"stuck_seconds must be more than {longest:g}, how long a batch of calls may take",
            )

    def check_providers(self) -> None:
        """StartError for a file of providers that can't be used as it is, or whose secrets aren't there."""
        if self.providers:
            try:
                configuration.load(Path(self.providers))
            except configuration.BadConfiguration as error:
                raise StartError(EXIT_CONFIG, f"providers: {error}") from None

    def considerate(self, *, local: bool) -> bool:
        """Whether quiet hours, caps and digests hold; `local`: nothing leaves our database."""
        return self.courtesy == "on" or (self.courtesy == "auto" and not local)

    @property
    def pace(self) -> Pace:
        """When calls are tried again."""
        return Pace(self.retry_first, self.retry_most, self.settle_seconds)
