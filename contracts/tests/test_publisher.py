"""The publisher, as far as it needs no broker."""

from __future__ import annotations

from typing import Any

import pytest

from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.publisher import Draft, Invalid, Publisher, Unreachable, main

pytestmark = pytest.mark.unit
URI = "amqps://hotline-12345:s3cret@broker.example/jiayuan"
GOOD = {"external_id": "1", "text": "路灯不亮"}


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "broker.example",
        "http://a:b@c/d",
        "amqp://",
        "amqp://host/vhost",
        "amqp://:s3cret@host/vhost",
        "amqp://a:pa/ss@host:5671/vhost",
        "amqp://a:s3cret@host:port/vhost",
        "amqp://a:s3cret@[::1/vhost",
    ],
)
def test_a_uri_that_is_none(uri: str) -> None:
    with pytest.raises(Invalid, match="amqp") as error:
        Publisher(uri)
    assert "s3cret" not in str(error.value)


def test_the_partner_is_the_login() -> None:
    assert Publisher(URI, partner="hotline-12345").partner == Publisher(URI).partner == "hotline-12345"
    with pytest.raises(Invalid, match="city-management"):
        Publisher(URI, partner="city-management")
    assert repr(Publisher(URI)) == "<Publisher hotline-12345 at broker.example:5671/jiayuan>"


@pytest.mark.parametrize(
    ("draft", "field"),
    [
        (Draft("report.submitted", {"external_id": "1"}), "data.text"),
        (Draft("report.submitted", {**GOOD, "txt": "x"}), "data.txt"),
        (Draft("report.submitted", {**GOOD, "occurred_at": "2026-08-19 08:00"}), "data.occurred_at"),
        (Draft("report.submitted", {**GOOD, "place": {"lat": 1}}), "data.place.long"),
        (Draft("report.submitted", GOOD, id="x" * 257), "id"),
        (Draft("report.submitted", GOOD, lane="fast"), "lane"),  # type: ignore[arg-type]
        (Draft("report.submitted", [1]), "data"),  # type: ignore[arg-type]
        (Draft("case.opened", GOOD), "name"),
        (Draft("report.submitted", {**GOOD, "text": "\ud800"}), "data"),
    ],
)
def test_what_breaks_the_contract_is_not_sent(draft: Draft, field: str) -> None:
    with Publisher(URI, attempts=1) as p:
        (found,) = p.send_many([draft])
        assert isinstance(found, Invalid)
        assert field in [x.field for x in found.problems]
        assert field in str(found) or field == "name"
        with pytest.raises(Invalid):
            p.send(draft.name, draft.data, id=draft.id, lane=draft.lane)


def test_too_large_and_u0000() -> None:
    with Publisher(URI, attempts=1) as p:
        evidence = ["https://files.example/" + "字" * 270] * 20
        handling = {
            "external_id": "1",
            "case": "c",
            "unit": "u",
            "action": "resolve",
            "at": "2026-08-19T08:00:00Z",
        }
        (small, nul) = p.send_many(
            [("report.withdrawn", {}), ("report.submitted", {**GOOD, "text": "a\x00"})]
        )
        assert isinstance(small, Invalid)
        assert isinstance(nul, Invalid)
        assert "U+0000" in str(nul)
        assert p._letter(Draft("handling.reported", {**handling, "evidence": evidence})).body


def test_pauses_grow_and_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    p = Publisher(URI)
    monkeypatch.setattr(p._closed, "wait", lambda seconds: waited.append(seconds))
    for nth in range(1, 10):
        p._rest(nth)
    full = [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert all(f / 2 <= w <= f for w, f in zip(waited, full, strict=True))
    assert waited != full


def test_closed_means_closed() -> None:
    p = Publisher(URI)
    p.close()
    with pytest.raises(Unreachable, match="was closed"):
        p.report_submitted(GOOD)


def test_problems_are_of_one_kind_everywhere() -> None:
    with Publisher(URI) as p:
        (found,) = p.send_many([("report.submitted", {"external_id": "1"})])
    assert isinstance(found, Invalid)
    assert found.problems == [
        FieldProblem("data.text", "Missing data for required field.", "text; 1 to 8000 characters")
    ]


def test_the_command_needs_an_address(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.delenv("JIAYUAN_PARTNER_URI", raising=False)
    with pytest.raises(SystemExit) as done:
        main(["x.jsonl", "--type", "report.submitted"])
    assert done.value.code == 2
    assert "JIAYUAN_PARTNER_URI" in capsys.readouterr().err
    assert main(["x.jsonl", "--type", "report.submitted", "--uri", "nonsense"]) == 1
