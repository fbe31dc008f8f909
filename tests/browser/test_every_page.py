"""What holds for every page: it fits a small phone with large letters, axe finds nothing, the keyboard is enough."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import places
import pytest
from browsing import Browser
from places import WISHES_CODE, Site, token

from jiayuan.chassis.testing.databases import Databases, Opened
from services.ledger.tests.books import CODE
from services.notify.tests.rigs import Rig

pytestmark = pytest.mark.browser
LANGUAGES = {"zh": "zh-CN", "en": "en"}


@pytest.fixture(scope="module")
def _shared(databases: Databases) -> Iterator[tuple[Site, Rig]]:
    """One site for all pages: these tests only look."""
    ledger, notify = (Opened(name, databases.fresh(name)) for name in ("ledger", "notify"))
    with places.site() as made, places.books(made, ledger), places.rig(made, notify) as rig:
        yield made, rig
    for opened in (ledger, notify):
        opened.close()
        databases.forget(opened.url)


@pytest.fixture
def site(_shared: tuple[Site, Rig]) -> Site:
    """The way in."""
    return _shared[0]


@pytest.fixture
def rig(_shared: tuple[Site, Rig]) -> Rig:
    """The notify behind it."""
    return _shared[1]


Go = Callable[[Browser, str, str, Rig], None]


def _at(path: str) -> Go:
    def go(browser: Browser, site: str, lang: str, rig: Rig) -> None:
        browser.open(site + path.replace("TOKEN", token(rig)) + f"?lang={lang}")

    return go


def _press(first: Go, button: str) -> Go:
    def go(browser: Browser, site: str, lang: str, rig: Rig) -> None:
        first(browser, site, lang, rig)
        browser.send(button)

    return go


def _mine(code: str) -> Go:
    def go(browser: Browser, site: str, lang: str, rig: Rig) -> None:
        _at("/ledger/public/accounts/2026")(browser, site, lang, rig)
        browser.find("input[name=code]").send_keys(code)
        browser.send("button")

    return go


WISHES, CONFIRM = _at(f"/u/{WISHES_CODE}"), _at("/r/TOKEN")
PAGES: dict[str, Go] = {
    "account": _at("/ledger/public/accounts/2026"),
    "matter": _mine(CODE),
    "no matter": _mine("XP7Q2N8M4K5X"),
    "report": _at("/ledger/public/reports/2026Q1/page"),
    "wishes": WISHES,
    "wishes kept": _press(WISHES, "button[value=stop]"),
    "no code": _at("/u/JY-XXXXXX"),
    "confirm": CONFIRM,
    "no notice": _at("/r/AAAAAAAAAAAAAAAAAAAAAA"),
}


@pytest.mark.parametrize("name", PAGES)
def test_anybody_can_use_it_on_a_small_phone(name: str, browser: Browser, site: Site, rig: Rig) -> None:
    browser.phone()
    for lang, tag in LANGUAGES.items():
        browser.letters(16)
        PAGES[name](browser, site.address, lang, rig)
        assert browser.find("html").get_attribute("lang") == tag
        assert browser.faults() == []
        assert browser.unreached() == []
        assert browser.wide() <= 0
        usual = browser.size
        browser.letters(28)
        browser.until(lambda: browser.size > 1.7 * usual, "letters as large as their reader wants them")  # noqa: B023
        assert browser.wide() <= 0
    if name.startswith("no "):
        browser.refused(404, len(LANGUAGES) if name != "no matter" else 0)
