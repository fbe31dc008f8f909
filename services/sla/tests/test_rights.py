"""Every address of sla with every role: who may try it at all, and that nobody else gets further."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jiayuan.chassis.testing.client import Client
from jiayuan.chassis.testing.databases import Databases, Opened
from jiayuan.chassis.tokens import ROLES
from jiayuan.sla.interface.document import interface

pytestmark = pytest.mark.store

STAFF = "grid_worker grid_leader grid_chief desk unit_clerk county operator service"
RATES = "county operator desk unit_clerk"

# An address that isn't here is refused by the first test: whose it is has to be decided.
WHOSE: dict[str, str] = {
    "GET /healthz": "",
    "GET /readyz": "",
    "GET /metrics": "",
    "GET /openapi.json": "",
    "GET /clocks": STAFF,
    "GET /clocks/explained": STAFF,
    "GET /clocks/due": STAFF,
    "GET /feed": STAFF,
    "GET /rates": RATES,
    "GET /rates/cases": RATES,
}
TABLE = {address: set(roles.split()) for address, roles in WHOSE.items()}
# Good enough to be let in; a stream would not end, so its query is one that is refused.
QUERIES = {
    "GET /clocks": "?case=nowhere",
    "GET /clocks/explained": "?case=nowhere",
    "GET /feed": "?minutes=0",
    "GET /rates/cases": "?figure=response",
}


@pytest.fixture(scope="module")
def shared(databases: Databases) -> Iterator[Opened]:
    """A database that these tests share: they only knock at the doors."""
    opened = Opened("sla", databases.fresh("sla"))
    yield opened
    opened.close()


def test_the_table_is_complete() -> None:
    """A new address: a line in WHOSE."""
    there = {f"{method} {path}": set(e.roles) for method, path, e, _ in interface().entrypoints()}
    assert there == TABLE


@pytest.mark.parametrize("address", [a for a in TABLE if TABLE[a]])
def test_every_role_at_every_address(shared: Opened, address: str) -> None:
    client = Client(shared)
    method, _, path = address.partition(" ")
    status, _ = client(method, path)
    assert status == 401
    for role in ROLES:
        found_at = path + QUERIES.get(address, "")
        status, found = client(method, found_at, role=role, street="350921001", unit="U02")
        turned_away = status == 403 and "needs one of the roles" in found.get("detail", "")
        assert turned_away is (role not in TABLE[address]), (role, status, found)
        assert status < 500, (role, found)
