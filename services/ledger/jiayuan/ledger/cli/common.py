"""What the commands share."""

from __future__ import annotations

import io
import os
import re
import sys
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import click
import orjson

from jiayuan.chassis.config import Settings, load
from jiayuan.chassis.work import Work
from jiayuan.chassis.work import reading as read_only

from .. import store
from ..closing import Period
from ..closing import period_of as read_period
from ..entry import SHANGHAI
from ..lists.quarter import Quarter
from ..lists.quarter import read as read_quarter

_SHOWN: Final = 20


class Year(click.ParamType):
    """2026."""

    name = "year"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The year."""
        if re.fullmatch("2[0-9]{3}", str(value)) is None:
            self.fail(f"{value!r} is no year (allowed: 2000 to 2999, as in 2026)", param, ctx)
        return int(value)


class PeriodType(click.ParamType):
    """2026 or 2026Q3."""

    name = "period"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Period:
        """The period."""
        try:
            return read_period(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class QuarterType(click.ParamType):
    """2026Q3."""

    name = "quarter"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Quarter:
        """The quarter."""
        try:
            return read_quarter(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Id(click.ParamType):
    """The id of an entry, a list, a claim, a meeting."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The id in its usual form."""
        try:
            return str(uuid.UUID(value))
        except ValueError:
            self.fail(f"{value!r} is no id (allowed: 32 hexadecimal digits with four hyphens)", param, ctx)


class OutFile(click.Path):
    """A file that is to be written: its folder must be there."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, dir_okay=False, writable=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if not path.parent.is_dir():
            self.fail(f"{value!r} can't be written: there is no folder {str(path.parent)!r}", param, ctx)
        if not path.exists() and not os.access(path.parent, os.W_OK):
            self.fail(f"{value!r} can't be written: nobody may write into {str(path.parent)!r}", param, ctx)
        return path


YEAR = click.argument("year", type=Year())
PERIOD = click.argument("period", type=PeriodType())
JSON = click.option("--json", "as_json", is_flag=True)
TOKEN = click.option(
    "--token",
    envvar="JIAYUAN_TOKEN",
    required=True,
    show_envvar=True,
    help="Who you are and your roles, as for HTTP: a bearer token.",
)


def _environment() -> dict[str, str]:
    return {"JIAYUAN_AMQP_URI": "", **os.environ}


def reading() -> AbstractContextManager[Work]:
    """The service's database, to look at; no broker is needed."""
    return read_only(load(Settings, "ledger", _environment()))


def known_street(work: Work, street: str | None) -> None:
    """BadParameter for a street that has no entry in any year: a mistyped code is no empty account."""
    if street is None or store.has_street(work, street):
        return
    found = store.streets(work)
    more = "、…" if len(found) > _SHOWN else ""
    allowed = "、".join(found[:_SHOWN]) + more if found else "none, as there is no entry at all"
    raise click.BadParameter(
        f"the account has no entry of a street {street!r} (allowed: {allowed})", param_hint="--street"
    )


def known_year(work: Work, year: int) -> None:
    """BadParameter for a year without an entry that isn't this one, where others have some."""
    years = store.years_with_entries(work)
    if years and year not in years and year != work.now.astimezone(SHANGHAI).year:
        allowed = "、".join(map(str, years))
        raise click.BadParameter(
            f"the account has no entry of {year} (allowed: {allowed})", param_hint="YEAR"
        )


def read_text(path: Path, hint: str) -> str:
    """What is in a text file. BadParameter for one that is no text."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = "is no text in UTF-8" if isinstance(error, UnicodeDecodeError) else str(error.strerror)
        raise click.BadParameter(f"{str(path)!r}: {why}", param_hint=hint) from None


class Moment(click.ParamType):
    """A day (its end, by Chinese time) or an RFC 3339 time."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The time, aware."""
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no day (2026-06-30) and no time (2026-06-30T12:00:00+08:00)", param, ctx)
        if len(value) == 10:
            return found.replace(hour=23, minute=59, second=59, microsecond=999999, tzinfo=SHANGHAI)
        if found.tzinfo is None:
            self.fail(f"{value!r} has no offset, as in +08:00", param, ctx)
        return found


def do(
    token: str,
    name: str,
    body: dict[str, Any] | None = None,
    *,
    key: str | None = None,
    query: dict[str, str] | None = None,
    content: bytes | None = None,
    **path: Any,
) -> Any:
    """Does what the entrypoint `name` does for whoever the token is of, in this process; its document.

    `content`: a body that is no JSON. The roles, the checks and the refusals are those of HTTP. The running service
    publishes what comes of it.
    """
    from jiayuan.chassis import tokens
    from jiayuan.chassis.service import Runtime
    from jiayuan.chassis.web import Call

    from .. import handlers
    from ..service import LedgerService, LedgerSettings

    settings = load(LedgerSettings, "ledger", _environment())
    runtime = Runtime(settings, store.metadata, handlers.HANDLERS)
    service = LedgerService()
    service.delivery = runtime  # type: ignore[assignment]
    method = getattr(service, name)
    (entrypoint,) = method.nameko_entrypoints
    sent = orjson.dumps(body or {}) if content is None else content
    environ: dict[str, Any] = {
        "REQUEST_METHOD": entrypoint.method,
        "wsgi.input": io.BytesIO(sent),
        "CONTENT_LENGTH": str(len(sent)),
        "QUERY_STRING": urlencode(query or {}),
    }
    if key:
        environ["HTTP_IDEMPOTENCY_KEY"] = key
    call = Call(environ)
    try:
        with refusals():
            call.who = tokens.verify(settings, token)
            call.need(*entrypoint.roles)
            found = method(call, **path)
    finally:
        runtime.engine.dispose()
    return found[1] if isinstance(found, tuple) else found


@contextmanager
def refusals() -> Iterator[None]:
    """Says what was refused, field by field, as HTTP would; exit code 1."""
    from jiayuan.chassis.errors import Problem

    try:
        yield
    except Problem as error:
        click.echo(f"jiayuan ledger: {error.title}" + (f": {error.detail}" if error.detail else ""), err=True)
        for p in error.problems:
            allowed = f" (allowed: {p.allowed})" if p.allowed else ""
            click.echo(f"  {p.field}: {p.problem}{allowed}", err=True)
        sys.exit(1)


def echo_json(document: Any) -> None:
    """Prints a document."""
    click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
