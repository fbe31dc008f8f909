"""pytest fixtures; the root conftest adds `servers`, which says where the servers are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from . import watching
from .brokers import Broker
from .databases import Databases, Opened, WorkFor


@pytest.fixture(scope="session")
def databases(servers: Any) -> Iterator[Databases]:
    """Makes databases; all are dropped at the end."""
    made = Databases(servers.database_url)
    yield made
    made.drop()


@pytest.fixture
def database(databases: Databases) -> Iterator[Callable[[str], str]]:
    """`database("routing")` → the address of a fresh, migrated database of that service."""
    made: list[str] = []

    def make(service: str) -> str:
        made.append(databases.fresh(service))
        return made[-1]

    yield make
    for url in made:
        databases.forget(url)


@pytest.fixture
def work_for(database: Callable[[str], str]) -> Iterator[WorkFor]:
    """`open_work = work_for("sla")`; then `with open_work(now=…) as work:` is a transaction of that service."""
    opened: list[Opened] = []

    def make(service: str, url: str | None = None) -> Opened:
        opened.append(Opened(service, url or database(service)))
        return opened[-1]

    yield make
    for o in opened:
        o.close()


@pytest.fixture
def broker(servers: Any) -> Iterator[Broker]:
    """A virtual host of its own with the whole topology."""
    made = Broker(servers.amqp_uri, servers.management_url)
    yield made
    made.delete()


@pytest.fixture(scope="session")
def watch() -> watching.Watch:
    """What is logged during the session and must not be."""
    return watching.begin()


@pytest.fixture(autouse=True)
def _nothing_personal_is_logged(watch: watching.Watch, request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test: no number of a phone or an identity card, no openid, no token in any log of any process."""
    yield
    found = watch.take()
    assert not found or request.node.get_closest_marker("leaks"), "\n".join(found[:5])
