"""What a link in a message leads to, on a phone: 确认收到, 通知设置与退订."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from browsing import Browser
from places import WISHES_CODE, Site, token
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from jiayuan.chassis.testing import pages
from services.notify.tests.rigs import Rig

pytestmark = pytest.mark.browser


@pytest.fixture(autouse=True)
def _on_a_phone(browser: Browser) -> None:
    browser.phone()


def read(rig: Rig) -> int:
    """How many notices were confirmed."""
    return len(rig.rows("SELECT * FROM sending WHERE read_at IS NOT NULL"))


@pytest.fixture
def staff(rig: Rig) -> Iterator[tuple[str, str]]:
    """Where staff work and where they sign in first: other sites than that of the links."""
    page = Response("请登录", content_type="text/html; charset=utf-8")
    with pages.served(page) as sign_in, pages.served(redirect(f"{sign_in}/sign-in")) as work:
        rig.settings(staff_url=f"{work}/c/")
        yield work, sign_in


def test_staff_confirm_and_go_on_to_the_case(
    rig: Rig, browser: Browser, site: Site, staff: tuple[str, str]
) -> None:
    browser.open(f"{site.address}/r/{token(rig)}")
    assert "工单 XP-2026-000871" in browser.text
    assert read(rig) == 0  # looking at it is not confirming it
    browser.press("确认收到并查看")
    assert browser.text == "请登录"
    assert read(rig) == 1
    browser.open(f"{site.address}/r/{token(rig)}?lang=en")
    assert browser.find("h1").text == "Confirmed"
    browser.press("Look at it")
    assert browser.text == "请登录"
    assert read(rig) == 1
    assert f"{staff[0]}/c/XP-2026-000871" in browser.elsewhere(site.address)
    assert browser.elsewhere(site.address, *staff) == []
    browser.forget()


def test_a_citizen_confirms_and_is_thanked(rig: Rig, browser: Browser, site: Site) -> None:
    browser.open(f"{site.address}/r/{token(rig, 'received')}")
    browser.key(Keys.TAB)
    browser.key(Keys.TAB)
    assert browser.focus.text == "确认收到并查看"
    browser.key_to_another_page(Keys.ENTER)
    assert "感谢您的确认" in browser.text
    assert read(rig) == 1


def wishes(browser: Browser, site: Site, lang: str = "zh") -> None:
    """Opens the page that the message names."""
    browser.open(f"{site.address}/u/{WISHES_CODE}?lang={lang}")


def test_a_citizen_says_what_he_does_not_wish_and_takes_it_back(
    rig: Rig, browser: Browser, site: Site
) -> None:
    del rig
    wishes(browser, site)
    assert "人身安全提示：事关安全，始终会通知您。" in browser.text
    assert browser.named("办理进展").is_selected()
    browser.named("办理进展").click()
    Select(browser.named("开始时间")).select_by_visible_text("22:00")
    Select(browser.named("结束时间")).select_by_visible_text("07:30")
    browser.press("保存")
    assert "以后不再向您发送：办理进展。免打扰时段：22:00 至 07:30。" in browser.text
    browser.press("返回修改")
    assert not browser.named("办理进展").is_selected()
    assert browser.named("办理结果").is_selected()
    assert Select(browser.named("开始时间")).first_selected_option.text == "22:00"
    browser.press("全部退订")
    assert "以后不再向您发送：受理通知、办理进展、办理结果。" in browser.text
    browser.press("返回修改")
    browser.press("恢复全部通知")
    assert "您将收到全部通知。" in browser.text


def test_the_keyboard_is_enough_to_refuse_and_english_stays_english(
    rig: Rig, browser: Browser, site: Site
) -> None:
    del rig
    wishes(browser, site)
    browser.press("English")
    while browser.focus.accessible_name != "what came of it":
        browser.key(Keys.TAB)
    browser.key(Keys.SPACE)
    while browser.focus.accessible_name != "Save":
        browser.key(Keys.TAB)
    browser.key_to_another_page(Keys.ENTER)
    assert "You won't be sent any more: what came of it." in browser.text
    browser.press("Change it again")
    assert not browser.named("what came of it").is_selected()


@pytest.mark.parametrize("path", ["/u/JY-XXXXXX", "/r/AAAAAAAAAAAAAAAAAAAAAA"], ids=["wishes", "notice"])
def test_a_link_that_was_cut_leads_to_a_sentence(path: str, rig: Rig, browser: Browser, site: Site) -> None:
    del rig
    browser.open(site.address + path)
    assert "没有找到这" in browser.text
    browser.refused(404)
