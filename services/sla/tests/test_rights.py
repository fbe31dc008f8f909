"""Every address of sla with every role: who may try it at all, and that nobody else gets further."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jiayuan.chassis.testing import rights
from jiayuan.chassis.testing.client import Client
from jiayuan.chassis.testing.databases import Databases, Opened
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
TABLE = rights.table({"": WHOSE})
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
    rights.complete(interface(), TABLE)


@pytest.mark.parametrize("address", rights.guarded(TABLE))
def test_every_role_at_every_address(shared: Opened, address: str) -> None:
    rights.held(Client(shared), address, TABLE[address], QUERIES.get(address, ""))
