"""Services with something in them, and the one way in that leads to them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from werkzeug.wrappers import Response

from jiayuan.chassis.testing import pages
from jiayuan.chassis.testing.databases import Opened
from jiayuan.intake import keys
from jiayuan.notify import reading, wall
from services.ledger.tests.books import CODE, Books, intake
from services.ledger.tests.conftest import Stories
from services.notify.tests.conftest import Events, Wall
from services.notify.tests.rigs import Rig

WISHES_CODE = "JY-7K3M9Q"
_callers = itertools.count(1)


class Site:
    """Leads to the services as the proxy of deploy/compose does: by prefix, which is taken away.

    Everything comes from `caller`, an address of each site's own, as limits count by it. `forge` may change a page on
    its way.
    """

    direct = ("/u/", "/r/")

    def __init__(self) -> None:
        self.services: dict[str, Any] = {}
        self.address = ""
        number = next(_callers)
        self.caller = f"10.0.{number // 250}.{number % 250 + 1}"
        self.forge = lambda body: body

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        path, environ = environ["PATH_INFO"], environ | {"REMOTE_ADDR": self.caller}
        service, _, rest = path[1:].partition("/")
        if path.startswith(self.direct):
            service = "notify"
        else:
            environ["PATH_INFO"] = "/" + rest
        if service not in self.services:
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b""]
        answer = Response.from_app(self.services[service], environ)
        answer.set_data(self.forge(answer.get_data()))
        return answer(environ, start_response)


@contextmanager
def site() -> Iterator[Site]:
    """A site on the loopback address; services are put into `services`."""
    made = Site()
    with pages.served(made) as made.address:
        yield made


@contextmanager
def books(site: Site, opened: Opened) -> Iterator[Books]:
    """A ledger with a county's year, published; the tracking code CODE leads to a matter of it."""
    with intake(opened) as known:
        made = Books(opened, Stories)
        known[CODE] = (made.done.case["reports"][0]["id"], made.done.id)
        site.services["ledger"] = pages.app(opened)
        yield made


@contextmanager
def rig(site: Site, opened: Opened) -> Iterator[Rig]:
    """A notify that has told the citizen of WISHES_CODE, and a unit that has to confirm it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wall, "now", Wall())
        events = Events()
        made = Rig(opened, events)
        made.person("U44", type="unit")
        made.handle(events.report("r1", reporter="c1", contact=made.seal("c1"), code=WISHES_CODE))
        made.handle(events.case("case.whistled", colour="red", legs=[events.leg("unit", "U44", kind="lead")]))
        made.sender().turn()
        site.services["notify"] = pages.app(opened)
        yield made


@contextmanager
def export(site: Site, opened: Opened) -> Iterator[str]:
    """A citizen's own data, as a program gets it for him; at /export/."""
    keys.use(opened.settings)
    intake, phone = pages.client(opened), "13800138000"
    report = {
        "channel": "mini_program",
        "text": "例家巷路灯不亮",
        "contact": {"name": "例张三", "phone": phone},
    }
    said = intake.post("/reports", json=report).get_json()
    asked = {"code": said["tracking_code"], "phone": phone}

    def given(environ: dict[str, Any], start_response: Any) -> Any:
        path = f"/person/export?lang={environ['QUERY_STRING'].removeprefix('lang=')}"
        return intake.post(path, json=asked, headers={"Accept": "text/html"})(environ, start_response)

    site.services["export"] = given
    yield said["tracking_code"]


def token(rig: Rig, template: str = "whistled") -> str:
    """The token of a notice's link."""
    (row,) = rig.rows(f"SELECT CAST(id AS text) AS id FROM notice WHERE template = '{template}'")
    return reading.token(str(row["id"]))
