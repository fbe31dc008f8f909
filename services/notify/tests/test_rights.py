"""Every address of notify with every role: who may try it at all, and that nobody else gets further."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jiayuan.chassis.testing import rights
from jiayuan.chassis.testing.client import Client
from jiayuan.chassis.testing.databases import Databases, Opened
from jiayuan.chassis.tokens import ROLES
from jiayuan.notify.interface.document import interface

pytestmark = pytest.mark.store

_OF = "/preferences/<any(citizen, person, unit, desk):type>/<string:id>"
_CODE = "<string(maxlength=40):code>"
# An address that isn't here is refused by the first test: whose it is has to be decided.
WHOSE: dict[str, dict[str, str]] = {
    "": {f"GET {path}": "" for path in ("/healthz", "/readyz", "/metrics", "/openapi.json")},
    "by the tracking code": {
        f"{method} {path}": ""
        for path, methods in {f"/u/{_CODE}": "GET POST", f"/preferences/code/{_CODE}": "GET PUT"}.items()
        for method in methods.split()
    },
    "by the secret path": {
        f"{method} /receipts/<string(maxlength=32):provider>/<string(maxlength=128):secret>": ""
        for method in ("GET", "POST")
    },
    "by a secret path": {"POST /replies/<string(maxlength=32):provider>/<string(maxlength=128):secret>": ""},
    "one's own": {
        f"{method} /preferences/me": " ".join(r for r in ROLES if r not in ("operator", "service"))
        for method in ("GET", "PUT")
    },
    "at somebody's wish": {f"{method} {_OF}": "desk county" for method in ("GET", "PUT")},
    "by a notice's link": {f"{method} /r/<string(maxlength=22):token>": "" for method in ("GET", "POST")},
    "to me": {
        "POST /notices/<string(maxlength=36):notice>/read": " ".join(
            r for r in ROLES if r not in ("operator", "service")
        )
    },
    "running it": {
        f"POST {path}": "operator"
        for path in (
            "/stops",
            "/stops/<any(provider, channel, template):kind>/<string(maxlength=64):name>/start",
            "/alarms/clear",
            "/reconciliation/<int:id>/settle",
        )
    },
    "how it runs": {
        f"GET {p}": "county operator" for p in ("/providers", "/statistics", "/budget", "/reconciliation")
    },
    "sent again": {"POST /notices/<string(maxlength=36):notice>/resend": "desk county operator"},
    "reading": {"GET /notices": "desk county operator service"},
}
TABLE = rights.table(WHOSE)


@pytest.fixture(scope="module")
def opened(databases: Databases) -> Iterator[Opened]:
    """One database for the whole table."""
    made = Opened("notify", databases.fresh("notify"))
    yield made
    made.close()


def test_the_table_is_complete() -> None:
    """A new address: a line in WHOSE."""
    rights.complete(interface(), TABLE)


@pytest.mark.parametrize("address", rights.guarded(TABLE))
def test_every_role_at_every_address(opened: Opened, address: str) -> None:
    rights.held(Client(opened), address, TABLE[address])
