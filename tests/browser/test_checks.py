"""The checks of this folder find what they look for."""

from __future__ import annotations

import pytest
from browsing import Browser
from places import Site
from werkzeug.wrappers import Response

pytestmark = pytest.mark.browser

PAGE = """<!doctype html><html><title>x</title><meta name="viewport" content="width=device-width">
<p style="width:500px">wide</p><input><div tabindex="-1">no key leads here</div><a href="#">here</a>
<script>console.error("wrong")</script><img src="http://192.0.2.1/picture">"""


def test_a_bad_page_fails_every_check(browser: Browser, site: Site) -> None:
    site.services["bad"] = Response(PAGE, content_type="text/html")
    browser.phone()
    browser.open(f"{site.address}/bad/")
    assert browser.wide() > 0
    assert {f.partition(":")[0] for f in browser.faults()} >= {"html-has-lang", "image-alt", "label"}
    (unreached,) = browser.unreached()
    assert "no key leads" in unreached
    told = browser.errors()
    assert any("wrong" in t for t in told)
    assert browser.elsewhere(site.address) == ["http://192.0.2.1/picture"]
    browser.forget()


def test_what_the_policy_forbids_is_told(browser: Browser, site: Site) -> None:
    headers = {"Content-Security-Policy": "default-src 'none'"}
    site.services["bad"] = Response(PAGE, content_type="text/html", headers=headers)
    browser.open(f"{site.address}/bad/")
    told = browser.errors()
    assert [t for t in told if "Content Security Policy" in t]
    browser.forget()
