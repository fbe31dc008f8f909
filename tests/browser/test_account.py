"""The public account on a citizen's phone: the page, "is my matter in it?", the proof, the files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

import pytest
from browsing import Browser
from places import Site
from selenium.webdriver.common.keys import Keys

from services.ledger.tests.books import CODE, SIGNER, Books

pytestmark = pytest.mark.browser


@pytest.fixture(autouse=True)
def _on_a_phone(books: Books, browser: Browser, site: Site) -> None:
    del books
    browser.phone()
    browser.open(f"{site.address}/ledger/public/accounts/2026")


def look(browser: Browser, code: str = CODE) -> None:
    """Asks for a tracking code."""
    browser.named("查询码").send_keys(code)
    browser.press("查询")


def verdict(browser: Browser, *, after: str = "正在") -> str:
    """What the browser says of the proof, once it does."""
    return browser.until(lambda: (t := browser.find("#verdict").text) and after not in t and t, "a verdict")


def test_a_citizen_finds_his_matter_and_the_browser_proves_it(browser: Browser, books: Books) -> None:
    assert browser.find("h1").text == "全县2026年民生实事账本"
    look(browser)
    assert "在账上。本次公布的账目里有您的事" in browser.text
    assert verdict(browser) == f"核对通过：您的账目的 {len(books.done.events)} 笔记账都在已签名的账本里。"
    assert str(SIGNER.key) in browser.text
    browser.press("返回账本")
    browser.press("English")
    browser.named("Tracking code").send_keys(CODE, Keys.TAB)
    assert browser.focus.text == "Look"  # by the keyboard alone
    browser.key_to_another_page(Keys.ENTER)
    assert verdict(browser, after="checking").startswith("The proof holds")


def _changed(page: bytes, change: Callable[[dict[str, object]], None]) -> bytes:
    """The page with other proofs in its block of data."""
    start, end = b'id="proofs">', b"</script>"
    before, found, rest = page.partition(start)
    if not found:
        return page
    block, _, after = rest.partition(end)
    given = json.loads(block)
    change(given)
    return before + start + json.dumps(given).encode() + end + after


def _a_figure(given: dict[str, object]) -> None:
    given["proofs"][0]["leaf"]["kind"] = "written_off"  # type: ignore[index]


def _a_node(given: dict[str, object]) -> None:
    path = given["proofs"][-1]["proof"]  # type: ignore[index]
    path[0] = "00" * 32


def _the_checkpoint(given: dict[str, object]) -> None:
    one = given["proofs"][0]  # type: ignore[index]
    head, _, signature = one["checkpoint"].partition("\n\n")
    origin, size, *rest = head.split("\n")
    one["checkpoint"] = "\n".join([origin, str(int(size) + 1), *rest]) + "\n\n" + signature


def _nobodys_key(given: dict[str, object]) -> None:
    given["keys"] = []


@pytest.mark.parametrize(
    "change", [_a_figure, _a_node, _the_checkpoint, _nobodys_key], ids=["leaf", "path", "checkpoint", "key"]
)
def test_a_forged_proof_is_said_not_to_hold(
    change: Callable[[dict[str, object]], None], browser: Browser, site: Site
) -> None:
    site.forge = lambda page: _changed(page, change)
    look(browser)
    assert verdict(browser).startswith("核对不通过")


def test_a_code_that_leads_to_nothing_says_so_and_proves_nothing(browser: Browser) -> None:
    look(browser, "XP7Q2N8M4K5X")
    assert "本次公布的账目里没有这个查询码对应的事" in browser.text
    assert "核对" not in browser.text


def test_without_scripts_it_says_how_to_check(browser: Browser) -> None:
    browser.scripts(False)
    look(browser)
    assert "在账上。本次公布的账目里有您的事" in browser.text
    assert "用 verify.py 核对" in browser.find("#verdict").text


def test_without_webcrypto_it_claims_nothing(browser: Browser, site: Site) -> None:
    # As over plain HTTP from another machine, where browsers have no `crypto.subtle`.
    site.forge = lambda body: body.replace(
        b'"use strict";', b'Object.defineProperty(crypto, "subtle", {});', 1
    )
    look(browser)
    assert verdict(browser).startswith("您的浏览器不能核对证明")


@pytest.mark.parametrize("form", ["JSON", "CSV", "XLSX"])
def test_a_file_is_what_the_page_says_it_is(form: str, browser: Browser, books: Books) -> None:
    said = browser.find(f'li:has(a[href$="/{form.lower()}"]) code').text
    browser.named(form).click()
    file = browser.folder / f"account-{books.name}.{form.lower()}"
    browser.until(file.exists, "the file is there")
    assert hashlib.sha256(file.read_bytes()).hexdigest() == said.removeprefix("sha256:")
    file.unlink()


def test_the_reports_can_be_turned_and_lead_to_files(browser: Browser) -> None:
    browser.press("第1季度")
    assert browser.find("h1").text == "2026年第1季度民生实事报表"
    browser.press("责任单位")
    assert browser.find("tr:first-child th:first-child").text == "责任单位"
    browser.press("English")
    assert browser.find("h1").text == "Livelihood matters, quarter 1 of 2026"
