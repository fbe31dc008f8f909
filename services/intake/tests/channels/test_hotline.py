"""Hotline and counter: what an agent takes down for somebody."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from sqlalchemy import text as sql

from jiayuan.chassis.testing.databases import Opened
from jiayuan.intake import api, store
from jiayuan.intake.channels import hotline

pytestmark = pytest.mark.store

BODY = {
    "work_order": "12345-2026-000371",
    "via": "phone",
    "text": "西关社区井盖没了，来电13800138000",
    "contact": {"name": "例张三", "phone": "13800138000"},
    "callback": "0593-8880000",
    "recording": "rec/000371.wav",
    "consent": "2026-1",
}
AGENT: dict[str, Any] = {"roles": ("agent",), "subject": "agent-7", "unit": "hotline-12345"}


def _row(intake: Opened) -> Any:
    with intake.engine.connect() as conn:
        return conn.execute(store.report.select()).one()


def test_the_report_is_the_citizens_and_the_agent_is_its_submitter(intake: Opened, send: Any) -> None:
    answer = send(hotline.submit, json=BODY, **AGENT)
    assert answer.status_code == 201
    row = _row(intake)
    assert (row.channel, row.submitter, row.external_id) == ("hotline", "agent-7", BODY["work_order"])
    assert row.source_system == "hotline:hotline-12345"
    assert (row.facts, row.consent) == ({"via": "phone", "recording": "rec/000371.wav"}, "2026-1")
    assert row.reporter is not None
    with intake.engine.connect() as conn:
        events = [r.body for r in conn.execute(sql("SELECT body FROM outbox_event"))]
    for number in ("13800138000", "8880000", "例张三", "000371.wav"):
        assert number not in answer.get_data(as_text=True)
        assert number not in str(events)
    for value in row._mapping.values():
        assert "8880000" not in str(value)


def test_sent_again_it_is_the_same_report(send: Any) -> None:
    first, again = (send(hotline.submit, json=BODY, **AGENT) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.get_json() == first.get_json()
    # Another agent of the same hotline has the same numbers; another hotline has its own.
    colleague = send(hotline.submit, json=BODY, **{**AGENT, "subject": "agent-8"})
    assert (colleague.status_code, colleague.get_json()) == (200, first.get_json())
    elsewhere = send(hotline.submit, json=BODY, **{**AGENT, "unit": "counter-2"})
    assert elsewhere.status_code == 201


def test_a_number_with_another_text_is_refused_and_names_the_report(send: Any) -> None:
    first = send(hotline.submit, json=BODY, **AGENT).get_json()
    other = send(hotline.submit, json={**BODY, "text": "别的事"}, **AGENT)
    assert other.status_code == 409
    assert other.get_json()["report"] == first["id"]
    assert other.get_json()["errors"][0]["field"] == "work_order"


def test_at_once_from_four_lines_it_is_one_report(intake: Opened, send: Any) -> None:
    start, answers = threading.Barrier(4), []

    def line() -> None:
        start.wait(10)
        answers.append(send(hotline.submit, json=BODY, **AGENT))

    threads = [threading.Thread(target=line) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(30)
    assert sorted(a.status_code for a in answers) == [200, 200, 200, 201]
    assert len({str(a.get_json()) for a in answers}) == 1
    assert _row(intake).external_id == BODY["work_order"]


def test_danger_is_told_again_when_it_is_sent_again(send: Any) -> None:
    body = {"work_order": "1", "text": "龙津社区三楼着火了"}
    first, again = (send(hotline.submit, json=body, **AGENT).get_json() for _ in range(2))
    assert "119" in first["advice"]
    assert first == again


@pytest.mark.parametrize("roles", [(), ("citizen",), ("grid_worker",), ("unit_clerk",)])
def test_others_may_not(send: Any, roles: tuple[str, ...]) -> None:
    answer = send(hotline.submit, json=BODY, roles=roles)
    assert answer.status_code == (403 if roles else 401)
    assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"work_order": None}, "work_order"),
        ({"via": "pigeon"}, "via"),
        ({"callback": "ring me"}, "callback"),
        ({"channel": "rider"}, "channel"),
        ({"text": "\u200b"}, "text"),
        ({"category": "9999"}, "category"),
    ],
)
def test_what_is_wrong_is_named(send: Any, change: dict[str, Any], field: str) -> None:
    answer = send(hotline.submit, json={**BODY, **change}, **AGENT)
    assert answer.status_code == 422
    assert [e["field"] for e in answer.get_json()["errors"]] == [field]


def test_a_citizen_may_not_claim_the_hotline(intake: Opened, send: Any) -> None:
    answer = send(api.submit, json={"text": "路灯坏了", "channel": "hotline"})
    assert answer.status_code == 403
    assert answer.get_json()["errors"][0]["field"] == "channel"
    claimed = send(api.submit, json={"text": "路灯坏了", "channel": "hotline"}, **AGENT)
    assert claimed.status_code == 201
    assert _row(intake).submitter == "agent-7"


def test_staff_read_how_it_was_taken_and_the_reporter_does_not(send: Any) -> None:
    made = send(hotline.submit, json=BODY, **AGENT).get_json()
    staff = send(api.show, made["id"], method="GET", roles=("county",)).get_json()
    assert (staff["submitter"], staff["facts"]["recording"]) == ("agent-7", "rec/000371.wav")
    assert "tracking_code" not in staff
    reporter = send(api.show, made["id"], method="GET", query={"code": made["tracking_code"]}).get_json()
    assert "facts" not in reporter
    assert "submitter" not in reporter
