"""One town for the whole folder; whoever needs a faster clock makes a second one."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jiayuan.local.servers import Servers

sys.path.append(str(Path(__file__).parent))  # at the end: other folders have a conftest.py too
from town import Town


@pytest.fixture(scope="session")
def towns() -> list[Town]:
    """Every town of this run."""
    return []


@pytest.fixture(scope="session")
def town(servers: Servers, towns: list[Town], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """The five services on a clock that runs as it should."""
    town = Town(servers, tmp_path_factory.mktemp("town"))
    towns.append(town)
    try:
        yield town.open()
    finally:
        town.close()


@pytest.fixture(scope="session")
def fast_town(
    servers: Servers, towns: list[Town], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Town]:
    """The same on a clock on which a quarter of an hour takes 15 seconds, and the warning comes 3 before its end."""
    settings = {"JIAYUAN_CLOCK_SPEED": "60", "JIAYUAN_CLOCK_EPOCH": str(time.time())}
    town = Town(servers, tmp_path_factory.mktemp("fast_town"), settings)
    towns.append(town)
    try:
        yield town.open()
    finally:
        town.close()
