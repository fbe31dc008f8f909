"""One browser for each process of tests, empty for each test, and a site of the test's own services."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jiayuan.chassis.testing.databases import WorkFor
from services.ledger.tests.books import Books
from services.notify.tests.rigs import Rig

sys.path.append(str(Path(__file__).parent))  # at the end: other folders have a conftest.py too
import browsing
import places
from browsing import Browser
from places import Site


@pytest.fixture(scope="session")
def _browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browsing.opened(tmp_path_factory.mktemp("downloads")) as browser:
        yield browser


@pytest.fixture
def site() -> Iterator[Site]:
    """The way in."""
    with places.site() as made:
        yield made


@pytest.fixture
def books(work_for: WorkFor, site: Site) -> Iterator[Books]:
    """A ledger behind it."""
    with places.books(site, work_for("ledger")) as made:
        yield made


@pytest.fixture
def rig(work_for: WorkFor, site: Site) -> Iterator[Rig]:
    """A notify behind it."""
    with places.rig(site, work_for("notify")) as made:
        yield made


@pytest.fixture
def browser(_browser: Browser, site: Site) -> Iterator[Browser]:
    """A browser; at the end its console has told nothing, and nobody else was asked for anything."""
    _browser.fresh()
    yield _browser
    assert _browser.errors() == []
    assert _browser.elsewhere(site.address) == []
