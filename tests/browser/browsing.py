"""Chromium without a window, and the one way in that leads to the services' pages."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

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
        self.errors()
        self.elsewhere()
        self._asked.clear()

    def phone(self, width: int = 360, height: int = 640) -> None:
        """A small phone."""
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
        before = self.find("html")
        self.named(name).click()
        self.turned(before)

    def turned(self, before: WebElement) -> None:
        """Waits until a page has made room for another one."""

        def there() -> bool:
            now = self.driver.find_elements(By.CSS_SELECTOR, "html")
            ready = self.driver.execute_script("return document.readyState") == "complete"
            return ready and bool(now) and now[0].id != before.id

        self.until(there, "another page")

    @property
    def text(self) -> str:
        """What can be read on the page."""
        return self.find("body").text

    # -- what must not be

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


class Site:
    """What leads to the services, as the proxy of deploy/compose does: by prefix, which is taken away."""

    def __init__(self) -> None:
        self.services: dict[str, Any] = {}
        self.direct: dict[str, str] = {"/u/": "notify", "/r/": "notify", "/track/": "intake"}
        self.address = ""

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        path = environ["PATH_INFO"]
        for prefix, service in self.direct.items():
            if path.startswith(prefix) and service in self.services:
                return self.services[service](environ, start_response)
        service, _, rest = path[1:].partition("/")
        if service in self.services:
            return self.services[service](environ | {"PATH_INFO": "/" + rest}, start_response)
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b""]


@contextmanager
def opened(folder: Path) -> Iterator[Browser]:
    """A browser for a while."""
    browser = Browser(folder)
    try:
        yield browser
    finally:
        browser.close()
