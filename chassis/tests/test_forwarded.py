"""Whose address it is when proxies stand between."""

from __future__ import annotations

import pytest
from werkzeug.test import EnvironBuilder

from jiayuan.chassis import web
from jiayuan.chassis.config import Settings, load
from jiayuan.chassis.errors import Problem, StartError
from jiayuan.chassis.forwarded import client, household

pytestmark = pytest.mark.unit

OURS = "10.0.0.0/8, 2001:db8:1::/48, 192.168.1.7"


@pytest.mark.parametrize(
    ("peer", "header", "address"),
    [
        ("203.0.113.9", None, "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),  # anybody may write this header
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.1", "198.51.100.1"),  # 6.6.6.6 is what the caller wrote himself
        ("10.0.0.1", "6.6.6.6, 198.51.100.1, 10.2.3.4", "198.51.100.1"),
        ("10.0.0.1", "6.6.6.6, 10.9.9.9, 198.51.100.1", "198.51.100.1"),
        ("192.168.1.7", "198.51.100.1:4711", "198.51.100.1"),
        ("192.168.1.8", "198.51.100.1", "192.168.1.8"),
        ("10.0.0.1", "[2001:db8:2::1]:4711", "2001:db8:2::1"),
        ("10.0.0.1", "2001:db8:2::1, 2001:db8:1::5", "2001:db8:2::1"),
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "unknown", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1, <script>", "10.0.0.1"),
        ("10.0.0.1", ",".join(["10.1.1.1"] * 500), "10.1.1.1"),
        ("", "198.51.100.1", ""),
    ],
)
def test_only_what_trusted_proxies_say_is_believed(peer: str, header: str | None, address: str) -> None:
    assert client(peer, header, OURS) == address


def test_without_trusted_proxies_nobody_is_believed() -> None:
    assert client("10.0.0.1", "198.51.100.1", "") == "10.0.0.1"


def test_a_call_knows_its_address() -> None:
    builder = EnvironBuilder(
        headers={"X-Forwarded-For": "198.51.100.1"}, environ_base={"REMOTE_ADDR": "10.0.0.1"}
    )
    call = web.Call(builder.get_environ())
    assert call.address == "10.0.0.1"
    call.proxies = OURS
    assert call.address == "198.51.100.1"


def test_households() -> None:
    assert household("192.0.2.1") == "192.0.2.1"
    assert household("2001:db8::1") == household("2001:db8::ffff:1") != household("2001:db8:0:1::1")
    assert household("") == ""


def test_malformed_networks_stop_the_start() -> None:
    environ = {"JIAYUAN_AMQP_URI": "a", "JIAYUAN_DATABASE_URL": "b", "JIAYUAN_TRUSTED_PROXIES": "10.0.0.0/99"}
    with pytest.raises(StartError, match="trusted_proxies"):
        load(Settings, "intake", environ)


def test_a_problems_headers_and_members_go_out() -> None:
    answer = web.problem(
        Problem(429, "Too many", headers={"Retry-After": "7"}, type="urn:x", retry_at="2026-03-02T01:00:00Z")
    )
    assert answer.headers["Retry-After"] == "7"
    assert (answer.get_json()["type"], answer.get_json()["retry_at"]) == ("urn:x", "2026-03-02T01:00:00Z")
    assert web.problem(Problem(503, "Later")).headers["Retry-After"] == "2"
    assert web.problem(Problem(401, "Who")).headers["WWW-Authenticate"] == "Bearer"


def test_a_file_is_for_the_caller_alone_and_tells_of_its_rows() -> None:
    answer = web.download(b"PK", "lists.xlsx", "application/zip", {"added": 2, "wrong": 0})
    assert (answer.get_data(), answer.content_type) == (b"PK", "application/zip")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="lists.xlsx"'
    assert answer.headers["Cache-Control"] == "no-store"
    assert (answer.headers["Rows-Added"], answer.headers["Rows-Wrong"]) == ("2", "0")


def test_a_body_that_is_a_file_is_not_empty() -> None:
    assert web.Call(EnvironBuilder(method="POST", data=b"PK").get_environ()).file_body() == b"PK"
    with pytest.raises(Problem) as refused:
        web.Call(EnvironBuilder(method="POST").get_environ()).file_body()
    assert refused.value.status == 400


@pytest.mark.parametrize("address", [{"query_string": "street=%00"}, {"path": "/track/%00"}])
def test_no_address_with_a_nul_gets_in(address: dict[str, str]) -> None:
    """PostgreSQL can't store it, and a handler that looks for it would fail with 500."""
    settings = Settings("any", "", "")
    asked: list[web.Call] = []
    call = web.Call(EnvironBuilder(**address).get_environ())
    answer = web.dispatch({}, call, asked.append, settings, (), "/any", "any")
    assert (answer.status_code, answer.content_type) == (400, "application/problem+json")
    assert asked == []
