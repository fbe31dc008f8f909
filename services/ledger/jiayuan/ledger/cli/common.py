"""What the commands share."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import click
import orjson

from jiayuan.chassis.config import Settings, load
from jiayuan.chassis.work import Work
from jiayuan.chassis.work import reading as read_only

from ..entry import SHANGHAI

YEAR = click.argument("year", type=click.IntRange(2000, 2999))
JSON = click.option("--json", "as_json", is_flag=True)
TOKEN = click.option(
    "--token",
    envvar="JIAYUAN_TOKEN",
    required=True,
    help="Who you are and your roles, as for HTTP: a bearer token.",
)


def _environment() -> dict[str, str]:
    return {"JIAYUAN_AMQP_URI": "", **os.environ}


def reading() -> AbstractContextManager[Work]:
    """The service's database, to look at; no broker is needed."""
    return read_only(load(Settings, "ledger", _environment()))


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

    from .. import handlers, store
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
