"""Where tests get their servers and their fixtures from."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jiayuan.local.servers import Servers, provide

pytest_plugins = ["jiayuan.chassis.testing.fixtures"]


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """RabbitMQ and PostgreSQL: given, in containers or private native ones; never a skip."""
    with provide() as chosen:
        yield chosen


@pytest.fixture(scope="session")
def own_servers(servers: Servers) -> Iterator[Servers]:
    """Servers that may be killed: the session's, or private ones when those were given."""
    if servers.chosen != "given":
        yield servers
    else:
        with pytest.MonkeyPatch.context() as environment:
            environment.delenv("JIAYUAN_SERVERS", raising=False)
            with provide(prefer="native") as own:
                yield own
