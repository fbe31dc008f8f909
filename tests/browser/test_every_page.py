"""What holds for every page: it fits a small phone with large letters, axe finds nothing, the keyboard is enough."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import places
import pytest
from browsing import Browser
from places import WISHES_CODE, Site, token

from jiayuan.chassis.testing.databases import Databases, Opened
from services.ledger.tests.books import CODE
from services.notify.tests.rigs import Rig

pytestmark = pytest.mark.browser
ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = {"zh": "zh-CN", "en": "en"}


@pytest.fixture(scope="module")
def _shared(databases: Databases) -> Iterator[tuple[Site, Rig]]:
    """One site for all pages: these tests only look."""
    ledger, notify, intake = (Opened(name, databases.fresh(name)) for name in ("ledger", "notify", "intake"))
    with (
        places.site() as made,
        places.books(made, ledger),
        places.export(made, intake),
        places.rig(made, notify) as rig,
    ):
        yield made, rig
    for opened in (ledger, notify, intake):
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


def _at(path: str, notice: str = "") -> Go:
    """`notice`: the template of the notice whose token ends the path."""

    def go(browser: Browser, site: str, lang: str, rig: Rig) -> None:
        browser.open(f"{site}{path}{token(rig, notice) if notice else ''}?lang={lang}")

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


WISHES, CONFIRM = _at(f"/u/{WISHES_CODE}"), _at("/r/", "whistled")
PAGES: dict[str, Go] = {
    "account": _at("/ledger/public/accounts/2026"),
    "matter": _mine(CODE),
    "no matter": _mine("XP7Q2N8M4K5X"),
    "report": _at("/ledger/public/reports/2026Q1/page"),
    "no account": _at("/ledger/public/accounts/1999"),
    "wishes": WISHES,
    "wishes kept": _press(WISHES, "button[value=stop]"),
    "no code": _at("/u/JY-XXXXXX"),
    "confirm": CONFIRM,
    "confirmed": _press(_at("/r/", "received"), "button"),
    "own data": _at("/export/"),
    "no notice": _at("/r/AAAAAAAAAAAAAAAAAAAAAA"),
}


def test_no_page_is_left_out() -> None:
    """The addresses of the services' documents that answer with a page are those that are looked at here."""
    found = {
        f"{method.upper()} {path}"
        for file in ROOT.glob("services/*/jiayuan/*/data/openapi.json")
        for path, methods in json.loads(file.read_text(encoding="utf-8"))["paths"].items()
        for method, operation in methods.items()
        if isinstance(operation, dict)
        and "text/html" in operation.get("responses", {}).get("200", {}).get("content", {})
    }
    assert found == {
        "GET /public/accounts/{name}",
        "POST /public/accounts/{name}/mine",
        "GET /public/reports/{period}/page",
        "GET /u/{code}",
        "POST /u/{code}",
        "GET /r/{token}",
        "POST /r/{token}",
        "POST /person/export",
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
