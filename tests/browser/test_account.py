"""The public account on a citizen's phone: the page, "is my matter in it?", the proof, the files."""

from __future__ import annotations

import pytest
from browsing import Browser
from places import Site

from services.ledger.tests.books import CODE

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("books")]


def account(site: Site) -> str:
    """Where the account is."""
    return f"{site.address}/ledger/public/accounts/2026"


def look(browser: Browser, code: str) -> None:
    """Asks for a tracking code."""
    browser.named("查询码").send_keys(code)
    browser.press("查询")


def test_a_citizen_finds_his_matter_and_the_browser_proves_it(browser: Browser, site: Site) -> None:
    browser.phone()
    browser.open(account(site))
    assert browser.find("h1").text == "全县2026年民生实事账本"
    look(browser, CODE)
    assert "在账上。本次公布的账目里有您的事" in browser.text
    said = browser.until(lambda: (t := browser.find("#verdict").text) and "正在" not in t and t, "a verdict")
    assert said.startswith("核对通过")
