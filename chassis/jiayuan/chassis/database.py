"""The database of a service: one engine, transactions, and what a broken connection means."""

from __future__ import annotations

import socket
from typing import Any

import orjson
import psycopg2
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, make_url

from .config import Settings


def driver_url(url: str) -> URL:
    """The URL for psycopg2, the one driver that is cooperative under eventlet."""
    return make_url(url).set(drivername="postgresql+psycopg2")


def create(settings: Settings) -> Engine:
    """The engine: a small pool, UTC, and limits so that nothing waits for ever."""
    options = "-c timezone=UTC -c statement_timeout=60000 -c lock_timeout=15000"
    # Compiling a statement takes longer than any of a service's runs.
    options += " -c idle_in_transaction_session_timeout=60000 -c jit=off"
    engine = create_engine(
        driver_url(settings.database_url),
        pool_size=settings.database_pool,
        max_overflow=0,
        pool_timeout=30,
        pool_use_lifo=True,
        pool_reset_on_return="rollback",
        json_deserializer=_loads,
        json_serializer=_dumps,
        connect_args={
            "application_name": f"jiayuan-{settings.service}",
            "options": options,
            "connect_timeout": 5,
            "keepalives_idle": 10,
            "keepalives_interval": 3,
            "keepalives_count": 3,
            "tcp_user_timeout": 15000,
        },
    )
    event.listen(engine, "do_connect", _look_up)
    return engine


def _look_up(_dialect: Any, _record: Any, _arguments: Any, parameters: dict[str, Any]) -> None:
    """Gives libpq the addresses behind a host's name.

    libpq would ask for them itself, and while no name server answers (a container that is stopped has no name)
    the whole process would stand still for 20 seconds; the socket module is patched and lets others work.
    """
    host = parameters.get("host", "")
    if not host or "hostaddr" in parameters or host.startswith("/") or "," in host:
        return
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise psycopg2.OperationalError(
            f"could not translate host name {host!r} to address: {error}"
        ) from None
    addresses = list(dict.fromkeys(str(f[4][0]) for f in found))
    parameters["hostaddr"] = ",".join(addresses)
    parameters["host"] = ",".join([host] * len(addresses))


def _loads(value: str) -> object:
    return orjson.loads(value)


def _dumps(value: object) -> str:
    return orjson.dumps(value).decode()
