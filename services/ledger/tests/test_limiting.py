"""How often an address may ask."""

from __future__ import annotations

import pytest
from werkzeug.test import EnvironBuilder

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.web import Call
from jiayuan.ledger.limiting import Limit

pytestmark = pytest.mark.unit


def call(address: str) -> Call:
    return Call(EnvironBuilder(environ_base={"REMOTE_ADDR": address}).get_environ())


def test_an_address_may_do_so_much_and_others_go_on() -> None:
    now = [0.0]
    limit = Limit("test", most=3, seconds=30, clock=lambda: now[0])
    for _ in range(3):
        limit(call("192.0.2.1"))
    with pytest.raises(Problem) as refused:
        limit(call("192.0.2.1"))
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (429, "11")
    limit(call("192.0.2.2"))
    now[0] = 11.0
    limit(call("192.0.2.1"))
    with pytest.raises(Problem):
        limit(call("192.0.2.1"))


def test_who_is_refused_is_not_counted() -> None:
    now = [0.0]
    limit = Limit("test", most=1, seconds=10, clock=lambda: now[0])
    limit(call("192.0.2.1"))
    for _ in range(5):
        with pytest.raises(Problem):
            limit(call("192.0.2.1"))
    now[0] = 10.5
    limit(call("192.0.2.1"))
