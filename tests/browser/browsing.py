"""Chromium without a window, as its user has it before him."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from jiayuan.chassis.testing.node import installed

T = TypeVar("T")
MISSING = "chromium and chromedriver were not found: `tools/programs.sh` says what to install."
# Nothing but this machine can be reached, whatever a page or the browser itself would like to.
_SWITCHES = (
    "--headless=new",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--lang=zh-CN",
)
_WAIT = 15.0
# Numbers what can be used on a page: those numbers ("all"), or that of what has the focus ("" for none of them).
_WHERE = """
const every = [...document.querySelectorAll("a[href],button,input,select,textarea,[tabindex]")];
const name = (e) => every.indexOf(e) + " " + e.tagName + " " + (e.name || e.textContent.slice(0, 20));
if (arguments[0] === "all") return every.map(name);
return every.includes(document.activeElement) ? name(document.activeElement) : "";
"""


@lru_cache(maxsize=1)
def axe() -> str:
    """The script of axe."""
    folder = installed(Path(__file__).parent / "axe", "axe-core")
    return (folder / "axe.min.js").read_text(encoding="utf-8")


class Browser:
    """A browser as its user has it before him. `errors` and `elsewhere` say what went wrong since `fresh`."""

    def __init__(self, folder: Path) -> None:
        chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
        if not chromium or not driver:
            pytest.fail(MISSING)
        options = ChromeOptions()
        options.binary_location = chromium
        for switch in _SWITCHES:
            options.add_argument(switch)
        if os.getuid() == 0:
            options.add_argument("--no-sandbox")
        options.add_experimental_option("prefs", {"download.default_directory": str(folder)})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.folder = folder
        self.driver = Chrome(options=options, service=ChromeService(driver))
        self.driver.set_page_load_timeout(_WAIT)
        self._asked: list[str] = []
        self.width = 0

    def close(self) -> None:
        """Ends it."""
        self.driver.quit()

    # -- what it looks like

    def fresh(self) -> None:
        """An empty page, as on a desk; nothing noted yet."""
        self.driver.get("about:blank")
        self.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        self.letters(16)
        self.scripts(True)
        self.forget()

    def phone(self, width: int = 360, height: int = 640) -> None:
        """A small phone."""
        self.width = width
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 2, "mobile": True},
        )

    def letters(self, pixels: int) -> None:
        """How large its user has set the letters; 16 is the usual."""
        sizes = {"standard": pixels, "fixed": pixels * 13 // 16}
        self.driver.execute_cdp_cmd("Page.setFontSizes", {"fontSizes": sizes})

    def scripts(self, allowed: bool) -> None:
        """Whether pages may run scripts."""
        self.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not allowed})

    # -- what its user does

    def open(self, address: str) -> None:
        """Goes to an address."""
        self.driver.get(address)

    def until(self, condition: Callable[[], T], what: str) -> T:
        """Waits for a condition and gives its value."""
        found: T = WebDriverWait(self.driver, _WAIT, 0.05).until(lambda _: condition(), what)
        return found

    def find(self, selector: str) -> WebElement:
        """The one element of a selector."""
        (found,) = self.driver.find_elements(By.CSS_SELECTOR, selector)
        return found

    def named(self, name: str) -> WebElement:
        """The one field, button or link that a screen reader calls so."""
        every = self.driver.find_elements(By.CSS_SELECTOR, "a,button,input,select,textarea")
        (found,) = [e for e in every if e.accessible_name == name]
        return found

    def press(self, name: str) -> None:
        """Presses the button or link of a name, and waits for the page that it leads to."""
        self._turn(self.named(name).click)

    def send(self, selector: str) -> None:
        """The same for the one button of a selector."""
        self._turn(self.find(selector).click)

    def key_to_another_page(self, key: str) -> None:
        """Presses a key that sends a form or follows a link."""
        self._turn(lambda: self.key(key))

    def _turn(self, do: Callable[[], None]) -> None:
        before = self.find("html")
        do()

        def there() -> bool:
            now = self.driver.find_elements(By.CSS_SELECTOR, "html")
            ready = self.driver.execute_script("return document.readyState") == "complete"
            return ready and bool(now) and now[0].id != before.id

        self.until(there, "another page")

    @property
    def size(self) -> float:
        """Of the page's letters, in pixels."""
        return float(self.find("body").value_of_css_property("font-size").removesuffix("px"))

    @property
    def text(self) -> str:
        """What can be read on the page."""
        return self.find("body").text

    def key(self, key: str) -> None:
        """Presses a key, wherever the focus is."""
        ActionChains(self.driver).send_keys(key).perform()

    @property
    def focus(self) -> WebElement:
        """What the next key goes to."""
        return self.driver.switch_to.active_element

    def walk(self) -> list[str]:
        """What Tab leads to from the top of the page, by its selector's name, until it leaves the page."""
        self.driver.execute_script("document.activeElement.blur(); scrollTo(0, 0)")
        seen: list[str] = []
        while True:
            self.key(Keys.TAB)
            at = str(self.driver.execute_script(_WHERE, "focus"))
            if not at or at in seen:
                return seen
            seen.append(at)

    # -- what must not be

    def forget(self) -> None:
        """What the console told and who was asked up to now was looked at."""
        self.errors()
        self.elsewhere()
        self._asked.clear()

    def wide(self) -> int:
        """By how many pixels the page is wider than the window."""
        across = self.driver.execute_script("return document.scrollingElement.scrollWidth")
        return int(across) - self.width

    def faults(self) -> list[str]:
        """What axe finds wrong: of rule, element and why."""
        self.driver.execute_script(axe())
        found = self.driver.execute_async_script(
            "axe.run().then(arguments[0], (e) => arguments[0]({fails: String(e)}))"
        )
        assert "fails" not in found, found
        assert found["passes"], "axe looked at nothing"
        return [
            f"{rule['id']}: {node['target']} {node['failureSummary']}"
            for rule in found["violations"]
            for node in rule["nodes"]
        ]

    def unreached(self) -> list[str]:
        """What can be used with a finger and not with the keyboard alone."""
        every = self.driver.execute_script(_WHERE, "all")
        walked = self.walk()
        return [one for one in every if one not in walked]

    def refused(self, status: int, times: int = 1) -> None:
        """The console has told that so many answers had a status, and nothing else."""
        told = self.errors()
        assert [t for t in told if f"responded with a status of {status}" not in t] == []
        assert len(told) == times

    def errors(self) -> list[str]:
        """What its console told since the last time."""
        return [str(e["message"]) for e in self.driver.get_log("browser")]

    def elsewhere(self, *own: str) -> list[str]:
        """Requests since the last time that did not go to one of our own addresses."""
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                self._asked.append(message["params"]["request"]["url"])
        return [
            url
            for url in self._asked
            if urlsplit(url).scheme not in ("data", "about", "blob", "chrome") and not url.startswith(own)
        ]


@contextmanager
def opened(folder: Path) -> Iterator[Browser]:
    """A browser for a while."""
    browser = Browser(folder)
    try:
        yield browser
    finally:
        browser.close()
