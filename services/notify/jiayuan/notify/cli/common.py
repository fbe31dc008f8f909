"""What the commands share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import date, datetime, timedelta
from typing import Any, Final

import click

from jiayuan.chassis.config import load
from jiayuan.chassis.errors import Problem
from jiayuan.chassis.work import Work, reading
from jiayuan.contracts.times import parse

from .. import routes, wall
from ..providers.configuration import BadConfiguration, Outline
from ..settings import NotifySettings
from ..templates import ZONE

_SPANS: Final = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


class _Settings(NotifySettings):
    """Those of a command, which works also where the providers' secrets aren't at hand, and while their file is wrong:
    that is when somebody has to look and to stop something."""

    def check_providers(self) -> None:
        """Nothing is sent by a command."""


def settings() -> NotifySettings:
    """The settings of the environment; a command needs no broker."""
    return load(_Settings, "notify", {"JIAYUAN_AMQP_URI": "", **os.environ})


def configured() -> list[Outline]:
    """The configured providers; none, and a line on standard error, while their file is wrong: the rest is said all the
    same, for whoever has to look has no time to mend a file first."""
    try:
        return routes.outlines(settings())
    except BadConfiguration as error:
        click.echo(f"the providers' file is wrong: {error}", err=True)
        return []


def opened() -> AbstractContextManager[Work]:
    """The service's database, for looking only."""
    return reading(settings())


def reason(words: str) -> Any:
    """The option --reason of whatever changes something."""
    return click.option("--reason", required=True, callback=_said, help=words)


def _said(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    if not value.strip():
        raise click.BadParameter("must say why")
    return value.strip()


@contextmanager
def running() -> Iterator[Any]:
    """The service's runtime, for changing something; the running service publishes what is put into its outbox."""
    from jiayuan.chassis.service import Runtime

    from .. import handlers, store

    runtime = Runtime(settings(), store.metadata, handlers.HANDLERS)
    try:
        yield runtime
    finally:
        runtime.engine.dispose()


@contextmanager
def refusals() -> Iterator[None]:
    """A refusal is a sentence at the command line."""
    try:
        yield
    except Problem as error:
        fields = "".join(f"\n  {p.field}: {p.problem}; allowed: {p.allowed}" for p in error.problems or ())
        detail = f": {error.detail}" if error.detail else ""
        raise click.ClickException(f"{error.title}{detail}{fields}") from None


class Moment(click.ParamType):
    """A time as people write it: a day (its midnight in the county's zone), an RFC 3339 time, or 90m, 24h, 7d ago."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The time, aware."""
        text = str(value)
        try:
            if text[-1:] in _SPANS and text[:-1].isdigit():
                return wall.now() - int(text[:-1]) * _SPANS[text[-1]]
            if len(text) == len("2026-03-05"):
                return datetime.combine(date.fromisoformat(text), datetime.min.time(), ZONE)
            return parse(text)
        except (ValueError, OverflowError):
            self.fail(f"{text[:40]!r} is no day, no RFC 3339 time and no span as 90m, 24h, 7d", param, ctx)
