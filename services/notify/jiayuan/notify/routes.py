"""The ways that notices can go: providers with their weights and limits, and what is known of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

from jiayuan.chassis.service import Runtime

from .limits import Limit
from .providers import configuration
from .providers.base import Provider
from .providers.configuration import Entry, Outline
from .providers.http import HttpProvider
from .providers.sink import Sink
from .settings import NotifySettings


@dataclass(frozen=True, slots=True)
class Route:
    """A provider as it is used.

    `weight`: any positive number, shared by the providers of a channel. `price`: of a segment, in yuan. `local`: its
    calls don't leave our database, so that they are made where they are decided. `askable`: it can be asked what
    became of a request. `receipts`: it tells of deliveries. `path`: the secret end of its callbacks' address, if any.
    `kind`, `test`: as the file says.
    """

    provider: Provider
    weight: int = 1
    limits: tuple[Limit, ...] = ()
    price: Decimal | None = None
    local: bool = False
    askable: bool = True
    receipts: bool = False
    path: str = field(repr=False, default="")
    kind: str = ""
    test: bool = False

    def __post_init__(self) -> None:
        """ValueError for a weight that is none."""
        if self.weight < 1:
            raise ValueError(f"provider {self.provider.name}: weight is {self.weight}, it must be 1 or more")

    @property
    def name(self) -> str:
        """The provider's name."""
        return self.provider.name

    @property
    def channel(self) -> str:
        """The provider's channel."""
        return self.provider.channel

    @property
    def outline(self) -> Outline:
        """What can be said of it without secrets."""
        return Outline(self.name, self.kind or self.name, self.channel, self.test)


def of(runtime: Runtime) -> Sequence[Route]:
    """The routes that the settings name."""
    settings = settings_of(runtime)
    if settings.providers:
        return [_route(entry, runtime) for entry in configuration.load(Path(settings.providers))]
    if settings.provider == "sink":
        return [Route(Sink(runtime.work, settings.send_batch), local=True)]
    provider = HttpProvider(
        settings.provider_url,
        settings.provider_secret,
        timeout=settings.provider_timeout,
        concurrency=settings.provider_concurrency,
    )
    return [Route(provider)]


@lru_cache(maxsize=8)
def shared(runtime: Runtime) -> Sequence[Route]:
    """The routes of a process: one each, so that connections, and what a provider keeps in memory, are kept."""
    return of(runtime)


def _route(entry: Entry, runtime: Runtime) -> Route:
    return Route(
        configuration.build(entry, runtime.sealer, runtime.work),
        entry.weight,
        entry.limits,
        entry.price,
        local=entry.local,
        askable=entry.askable,
        receipts=entry.tells,
        path=entry.secrets.get("receipts", ""),
        kind=entry.kind,
        test=entry.test,
    )


def outlines(settings: NotifySettings) -> list[Outline]:
    """The providers that the settings name, without their secrets. BadConfiguration when their file can't be read."""
    if settings.providers:
        return configuration.outlines(Path(settings.providers))
    return [Outline(settings.provider, settings.provider, "sms")]


def settings_of(runtime: Runtime) -> NotifySettings:
    """Notify's own settings of a runtime."""
    settings = runtime.settings
    if not isinstance(settings, NotifySettings):
        raise TypeError("notify needs NotifySettings")
    return settings
