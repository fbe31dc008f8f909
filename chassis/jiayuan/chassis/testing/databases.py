"""A migrated database for each test, copied from a template made once a session."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TypeVar

from sqlalchemy import Engine, MetaData, NullPool, create_engine, text
from sqlalchemy.engine import make_url

from ..clock import SetClock
from ..config import Settings
from ..database import driver_url
from ..delivery import Deliveries
from ..host import service_class
from ..migrations import prepare
from ..seal import new_key
from ..service import Runtime
from ..transaction import Result, Transaction
from ..work import Outgoing, Work

S = TypeVar("S", bound=Settings)
SEAL_KEYS = new_key("test")
TOKEN_SECRET = "for tests only, thirty-two or more characters"


class Databases:
    """Makes databases on a server; `drop` removes them all."""

    def __init__(self, admin_url: str) -> None:
        self.admin_url = admin_url
        self._admin = create_engine(driver_url(admin_url), poolclass=NullPool, isolation_level="AUTOCOMMIT")
        self._run = secrets.token_hex(3)
        self._templates: dict[str, str] = {}
        self._made: list[str] = []
        self._count = 0

    def fresh(self, service: str) -> str:
        """The address, with the service's own role, of an empty database at the service's newest migration."""
        template = self._templates.get(service) or self._template(service)
        self._count += 1
        name = f"{template}_{self._count}"
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        self._made.append(name)
        url = make_url(self.admin_url).set(
            database=name, username=template, password=template, drivername="postgresql"
        )
        return url.render_as_string(hide_password=False)

    def admin(self, url: str) -> str:
        """The same database with the administrator's login."""
        return (
            make_url(self.admin_url)
            .set(database=make_url(url).database)
            .render_as_string(hide_password=False)
        )

    def _template(self, service: str) -> str:
        name = f"jy_{self._run}_{service}"
        prepare(self.admin_url, service, service_class(service).delivery.metadata, name, database=name)
        self._templates[service] = name
        return name

    def _execute(self, sql: str) -> None:
        with self._admin.connect() as conn:
            conn.execute(text(sql))

    def forget(self, url: str) -> None:
        """Drops one database."""
        name = make_url(url).database
        self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self._made = [n for n in self._made if n != name]

    def drop(self) -> None:
        """Drops everything that was made."""
        for name in [*self._made, *self._templates.values()]:
            self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        for role in self._templates.values():
            self._execute(f'DROP ROLE IF EXISTS "{role}"')
        self._admin.dispose()


class Opened:
    """A service's database opened for a test, with a clock that stands until it is set."""

    def __init__(self, service: str, url: str) -> None:
        cls = service_class(service)
        self.service, self.url = service, url
        self.settings = settings(cls.settings_class, service, url)
        self.clock = SetClock(datetime(2026, 3, 2, 1, 0, tzinfo=UTC))
        self.runtime = Runtime(self.settings, cls.delivery.metadata, cls.delivery.handlers)
        self.runtime.clock = self.clock  # type: ignore[assignment]
        self.runtime.deliveries.clock = self.clock
        self.published: list[Outgoing] = []
        self.runtime.deliveries.publish = self.published.extend

    @property
    def engine(self) -> Engine:
        """The engine, as the service's role."""
        return self.runtime.engine

    @property
    def deliveries(self) -> Deliveries:
        """For feeding raw messages."""
        return self.runtime.deliveries

    @property
    def metadata(self) -> MetaData:
        """The service's tables."""
        return self.runtime.metadata

    @contextmanager
    def __call__(self, now: datetime | None = None) -> Iterator[Work]:
        """A transaction, at `now` if it is given."""
        if now is not None:
            self.clock.time = now
        with self.runtime.work() as work:
            yield work

    def close(self) -> None:
        """Gives the connections back."""
        self.engine.dispose()


def settings(cls: type[S], service: str, url: str, amqp_uri: str = "amqp://nowhere/") -> S:
    """Settings for tests."""
    return cls(
        service=service,
        amqp_uri=amqp_uri,
        database_url=url,
        seal_keys=SEAL_KEYS,
        token_secret=TOKEN_SECRET,
        startup_timeout=20,
    )


@contextmanager
def round_trips() -> Iterator[list[str]]:
    """What units of work ask of databases inside the block, a text a round trip; preparing is left out."""
    seen: list[str] = []
    send = Transaction._send

    def note(transaction: Transaction, *last: bytes) -> Result:
        seen.append(b";".join([*transaction._kept, *last]).decode())
        return send(transaction, *last)

    Transaction._send = note  # type: ignore[method-assign,assignment]
    try:
        yield seen
    finally:
        Transaction._send = send  # type: ignore[method-assign]


WorkFor = Callable[[str], Opened]
__all__ = ["SEAL_KEYS", "TOKEN_SECRET", "Databases", "Opened", "WorkFor", "round_trips", "settings"]


def wait_for_a_waiter(opened: Opened) -> None:
    """Until somebody waits for a lock in this database; AssertionError after half a minute."""
    sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    for _ in range(600):
        with opened() as work:
            if work.execute(sql).scalar():
                return
        threading.Event().wait(0.05)
    raise AssertionError("nobody waits")
