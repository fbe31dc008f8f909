"""One browser for each process of tests, empty for each test, and a site of the test's own services."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jiayuan.chassis.testing import pages

sys.path.append(str(Path(__file__).parent))  # at the end: other folders have a conftest.py too
import browsing
from browsing import Browser, Site


@pytest.fixture(scope="session")
def _browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browsing.opened(tmp_path_factory.mktemp("downloads")) as browser:
        yield browser


@pytest.fixture
def site() -> Iterator[Site]:
    """The way in; services are put into `site.services`."""
    made = Site()
    with pages.served(made) as made.address:
        yield made


@pytest.fixture
def browser(_browser: Browser, site: Site) -> Iterator[Browser]:
    """A browser; at the end its console has told nothing, and nobody else was asked for anything."""
    _browser.fresh()
    yield _browser
    assert _browser.errors() == []
    assert _browser.elsewhere(site.address) == []
