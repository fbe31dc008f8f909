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
