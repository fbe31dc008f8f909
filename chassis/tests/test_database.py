"""Connections to the database: names are looked up by us, not by libpq."""

from __future__ import annotations

import socket
from typing import Any

import psycopg2
import pytest
from sqlalchemy.exc import OperationalError

from jiayuan.chassis import database
from jiayuan.chassis.config import Settings
from jiayuan.chassis.errors import is_transient

pytestmark = pytest.mark.unit


def _settings(host: str) -> Settings:
    return Settings("intake", amqp_uri="", database_url=f"postgresql://u:p@{host}:5/d")


def _asked(monkeypatch: pytest.MonkeyPatch, host: str) -> dict[str, Any]:
    """What libpq is asked to connect to."""
    seen: dict[str, Any] = {}

    def connect(*_: Any, **parameters: Any) -> None:
        seen.update(parameters)
        raise psycopg2.OperationalError("no")

    monkeypatch.setattr(psycopg2, "connect", connect)
    with pytest.raises(OperationalError):
        database.create(_settings(host)).connect()
    return seen


def test_every_address_of_a_name_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET6, 1, 6, "", ("::1", 0, 0, 0)), (socket.AF_INET, 1, 6, "", ("10.0.0.7", 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    seen = _asked(monkeypatch, "database")
    assert (seen["host"], seen["hostaddr"]) == ("database,database", "::1,10.0.0.7")


def test_a_name_that_nobody_knows_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> None:
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(OperationalError, match="could not translate host name 'database'") as caught:
        database.create(_settings("database")).connect()
    assert is_transient(caught.value)
