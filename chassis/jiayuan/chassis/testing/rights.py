"""Who may try an address at all: a service's `test_rights.py` holds a table of its own against its entrypoints."""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from typing import Any

from ..openapi import Interface
from ..tokens import ROLES

Table = Mapping[str, Set[str]]
"""Address ("GET /cases/<string:case>") → the roles that are let in; none: everybody."""


def table(whose: Mapping[str, Mapping[str, str]]) -> Table:
    """The table of groups of addresses, each with its roles as words of one text."""
    return {address: set(roles.split()) for group in whose.values() for address, roles in group.items()}


def guarded(table: Table) -> list[str]:
    """The addresses for which a role is needed."""
    return [address for address, roles in table.items() if roles]


def complete(interface: Interface, table: Table) -> None:
    """Asserts that the table has every address of the service with the roles that its entrypoint names."""
    there = {f"{method} {path}": set(e.roles) for method, path, e, _ in interface.entrypoints()}
    assert there.keys() == table.keys()
    assert {a: r for a, r in there.items() if r != table[a]} == {}


def held(client: Any, address: str, allowed: Set[str], query: str = "") -> None:
    """Asserts that an address lets in these roles only, and nobody who isn't signed in. What it then says of a request
    for nothing that there is may be anything but a failure of ours. `query`: one that ends, for a stream."""
    method, path = _path(address)
    status, _ = client(method, path)
    assert status == 401
    body: dict[str, str] | None = {} if method in ("POST", "PUT", "PATCH") else None
    for role in ROLES:
        status, found = client(method, path + query, body, role=role, street="350921001", unit="U02")
        turned_away = status == 403 and "needs one of the roles" in found.get("detail", "")
        assert turned_away is (role not in allowed), (role, status, found)
        assert status < 500, (role, found)


def _path(address: str) -> tuple[str, str]:
    """An address as it may be called: the first word of a choice, 1 for a number, else `nowhere`."""
    method, _, path = address.partition(" ")
    path = re.sub(r"<any\((\w+)[^>]*>", r"\1", path)
    path = re.sub(r"<string\(length=(\d+)\):\w+>", lambda m: "x" * int(m[1]), path)
    return method, re.sub(r"<int:\w+>", "1", re.sub(r"<string(\(\w+=\d+\))?:\w+>", "nowhere", path))
