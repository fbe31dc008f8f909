"""Runs one service in this process: settings, checks, nameko's container, signals."""

from __future__ import annotations

import gc
import importlib
import logging
import signal
import sys
import time
import traceback
from typing import Any

import eventlet
import greenlet
from eventlet.event import Event as Signal
from nameko.containers import ServiceContainer
from nameko.extensions import Extension
from sqlalchemy.exc import SQLAlchemyError

from . import config, database, logs, migrations
from .broker import check_topology
from .errors import EXIT_SCHEMA, EXIT_UNREACHABLE, StartError, is_transient
from .service import ROLES, Service
from .web import Server

log = logging.getLogger("jiayuan.host")


def service_class(name: str) -> type[Service]:
    """The service class of `jiayuan.<name>.service`."""
    module = importlib.import_module(f"jiayuan.{name}.service")
    found = [
        v
        for v in vars(module).values()
        if isinstance(v, type) and issubclass(v, Service) and getattr(v, "name", None) == name
    ]
    if len(found) != 1:
        raise StartError(EXIT_SCHEMA, f"jiayuan.{name}.service must hold exactly one service called {name}")
    return found[0]


class Container(ServiceContainer):
    """Nameko's container with the entrypoints of some roles only."""

    def __init__(self, service_cls: type[Service], settings: config.Settings, roles: frozenset[str]) -> None:
        super().__init__(
            service_cls,
            {"settings": settings, "max_workers": settings.max_workers, "AMQP_URI": settings.amqp_uri},
        )
        for entrypoint in list(self.entrypoints):
            if getattr(entrypoint, "role", "serve") not in roles | {"any"}:
                self.entrypoints.discard(entrypoint)
        self.ready = False

    def extension(self, kind: type[Extension]) -> Any:
        """The one bound extension of a class."""
        return next(e for e in self.extensions if isinstance(e, kind))


def check_schema(settings: config.Settings, timeout: float) -> None:
    """Waits for the database and compares its migration; StartError 5 or 6."""
    engine = database.create(settings)
    until = time.monotonic() + timeout
    try:
        while True:
            try:
                with engine.connect() as conn:
                    migrations.check(conn, settings.service)
                return
            except StartError:
                raise
            except SQLAlchemyError as error:
                if not is_transient(error):
                    raise StartError(
                        EXIT_UNREACHABLE, f"the database of {settings.service} refuses: {error}"
                    ) from None
                if time.monotonic() > until:
                    url = engine.url
                    raise StartError(
                        EXIT_UNREACHABLE,
                        f"no database answers at {url.host}:{url.port}/{url.database} after {timeout:g} s",
                    ) from None
                eventlet.sleep(0.5)
    finally:
        engine.dispose()


def start(cls: type[Service], roles: frozenset[str], settings: config.Settings) -> Container:
    """Checks broker and database and starts a service; gives its container, started."""
    name = cls.name
    unknown = roles - set(ROLES)
    if unknown:
        raise StartError(2, f"unknown role {', '.join(sorted(unknown))}; known: {', '.join(ROLES)}")
    check_schema(settings, settings.startup_timeout)
    if settings.topology_check:
        check_topology(settings.amqp_uri, name, settings.startup_timeout)
    container = Container(cls, settings, roles)
    container.start()
    # What is loaded by now stays for the life of the process; don't look at it again and again.
    gc.collect()
    gc.freeze()
    # A batch makes some hundred thousand objects and leaves none: looking at it every 700 finds nothing.
    gc.set_threshold(20_000, 20, 20)
    return container


def run(name: str, roles: frozenset[str]) -> int:
    """Runs until SIGTERM or SIGINT; the exit code."""
    return run_class(service_class(name), roles)


def run_class(cls: type[Service], roles: frozenset[str]) -> int:
    """`run` for a class at hand; what keeps it from starting is one sentence and an exit code."""
    try:
        return _run(cls, roles)
    except StartError as error:
        print(f"jiayuan: {error}", file=sys.stderr, flush=True)  # noqa: T201  for the operator at a terminal
        return error.code


def _show_greenlets(_number: int, _frame: Any) -> None:
    """`kill -USR2`: writes to the log where every greenlet stands, for a process that seems to do nothing."""
    gc.unfreeze()
    for g in [o for o in gc.get_objects() if isinstance(o, greenlet.greenlet) and o.gr_frame is not None]:
        log.warning("greenlet", extra={"stack": "".join(traceback.format_stack(g.gr_frame)[-12:])})
    gc.freeze()


def _run(cls: type[Service], roles: frozenset[str]) -> int:
    name = cls.name
    settings = config.load(cls.settings_class, name)
    logs.configure(name, settings.log_level)
    container = start(cls, roles, settings)
    address = container.extension(Server).address
    log.info("started", extra={"roles": ",".join(sorted(roles)), "address": address})
    asked: Signal = Signal()

    def ask(_number: int, _frame: Any) -> None:
        if not asked.ready():
            eventlet.spawn_n(asked.send)

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    signal.signal(signal.SIGUSR2, _show_greenlets)

    def died() -> None:
        try:
            container.wait()
        except Exception:
            log.exception("the service died")
            failed.append(True)
        if not asked.ready():
            asked.send()

    failed: list[bool] = []
    eventlet.spawn_n(died)
    asked.wait()
    if failed:
        return 1
    log.info("stopping")
    container.stop()
    log.info("stopped")
    sys.stdout.flush()
    return 0
