"""What has to be read is asked for when it is sent, and said to be read when somebody confirms it, once."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jiayuan.chassis.testing.client import Client
from jiayuan.chassis.testing.models import examples
from jiayuan.contracts.check import problems
from jiayuan.contracts.ids import new_id
from jiayuan.contracts.registry import EVENTS
from jiayuan.contracts.times import iso
from jiayuan.notify import reading, rules

from .rigs import Rig

STREET = "350921001"


@given(st.uuids())
@settings(max_examples=examples(50), deadline=None)
def test_a_token_is_22_characters_and_leads_back_to_its_notice(id_: Any) -> None:
    token = reading.token(str(id_))
    assert len(token) == 22
    assert reading.notice_of(token) == str(id_)


@pytest.mark.parametrize("text", ["", "x", "!" * 22, "é" * 22, "_" * 22])
def test_what_is_no_token_leads_nowhere(text: str) -> None:
    found = reading.notice_of(text)
    assert found is None or reading.token(found) == text


def test_what_has_to_be_read_is_for_staff_and_never_in_a_digest() -> None:
    asked = [r for r in rules.bundled().all if r.read is not None]
    assert {r.name for r in asked} == {"called-in", "lead-whistled@red", "assistant-whistled@red"}
    assert all(r.role != "citizen" and r.digest == "never" for r in asked)


# -- in a database -----------------------------------------------------------------------------------


@pytest.fixture
def rig(work_for: Any, events: Any, wall: Any) -> Rig:
    """A unit that was whistled for, and told."""
    del wall
    made = Rig(work_for("notify"), events)
    made.person("U44", type="unit")
    made.person("worker-1")
    made.handle(events.case("case.whistled", colour="red", legs=[events.leg("unit", "U44", kind="lead")]))
    made.handle(events.case("case.assigned", id_="case-2", legs=[events.leg()]))
    made.sender().turn()
    return made


def said(rig: Rig, name: str) -> list[dict[str, Any]]:
    """The data of events of a name that went out, each checked against its schema."""
    found = [json.loads(row.body) for row in rig.opened.published if row.routing_key == name]
    for event in found:
        assert problems(EVENTS[name].schema, event["data"]) == []
    return [event["data"] for event in found]


def notice(rig: Rig, template: str) -> str:
    """The id of the notice of a template."""
    (row,) = rig.rows(f"SELECT CAST(id AS text) AS id FROM notice WHERE template = '{template}'")
    return str(row["id"])


@pytest.mark.store
def test_only_what_has_to_be_read_is_asked_for_when_it_was_sent(rig: Rig) -> None:
    (asked,) = said(rig, "notice.asked")
    assert (asked["recipient"], asked["recipient_type"], asked["case"]) == ("U44", "unit", "case-1")
    assert asked["notice"] == notice(rig, "whistled")
    assert "read_by" not in asked  # as sla's policy says
    texts = [r["text"] for r in rig.rows("SELECT text FROM sink_message ORDER BY recipient")]
    assert [f"/r/{reading.token(asked['notice'])}" in t for t in texts] == [True, False]


@pytest.mark.store
def test_who_is_called_in_has_half_an_hour_to_confirm(rig: Rig) -> None:
    rig.handle(rig.events.called(["worker-1"]))
    rig.sender().turn()
    asked = said(rig, "notice.asked")[-1]
    assert asked["read_by"] == iso(rig.opened.clock.time + timedelta(minutes=30))
    assert "case" not in asked


@pytest.mark.store
def test_opening_the_link_counts_for_nothing_and_confirming_counts_once(rig: Rig) -> None:
    client, id_ = Client(rig.opened), notice(rig, "whistled")
    path = f"/r/{reading.token(id_)}"
    status, _ = client("GET", path)
    page = client.content.decode()
    assert status == 200
    assert "工单 XP-2026-000871" in page
    assert "U44" not in page
    assert "<script" not in page
    assert client.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert said(rig, "notice.read") == []
    assert client("POST", path)[0] == 303
    assert client.headers["Location"] == "https://jiayuan.example/c/XP-2026-000871"
    client("POST", path)
    (read,) = said(rig, "notice.read")
    assert (read["notice"], read["recipient"], read["street"]) == (id_, "U44", STREET)
    client("GET", path)
    assert "已确认收到" in client.content.decode()


@pytest.mark.store
def test_a_program_confirms_by_the_link_and_is_told_when(rig: Rig) -> None:
    client = Client(rig.opened)
    path = f"/r/{reading.token(notice(rig, 'assigned'))}"
    status, found = client("POST", path, headers={"Accept": "application/json"})
    assert (status, found["read_at"]) == (200, iso(rig.opened.clock.time))
    # Of what needn't be read it is kept, and nobody else is told.
    assert said(rig, "notice.read") == []
    assert len(rig.rows("SELECT * FROM sending WHERE read_at IS NOT NULL")) == 1


@pytest.mark.store
def test_whoever_is_signed_in_acknowledges_what_is_to_them(rig: Rig) -> None:
    client, id_ = Client(rig.opened), notice(rig, "whistled")
    path = f"/notices/{id_}/read"
    assert client("POST", path, role="unit_clerk", unit="U05")[0] == 404
    assert client("POST", path, who="worker-1", role="grid_worker")[0] == 404
    assert client("POST", path, role="unit_clerk", unit="U44")[0] == 200
    assert client("POST", path, role="unit_clerk", unit="U44")[0] == 200
    assert len(said(rig, "notice.read")) == 1
    mine = f"/notices/{notice(rig, 'assigned')}/read"
    assert client("POST", mine, who="worker-1", role="grid_worker")[0] == 200


@pytest.mark.store
@pytest.mark.parametrize("token", ["x", reading.token(new_id()), "_" * 22], ids=("short", "nobody", "none"))
def test_a_link_to_nothing_is_a_page_that_says_so(rig: Rig, token: str) -> None:
    client = Client(rig.opened)
    assert client("GET", f"/r/{token}")[0] == 404
    assert client("POST", f"/r/{token}")[0] == 404
    assert "没有找到这条通知" in client.content.decode()
    assert client("POST", f"/r/{token}", headers={"Accept": "application/json"})[0] == 404
    assert client("POST", f"/notices/{token}/read", who="worker-1", role="grid_worker")[0] == 404


@pytest.mark.store
def test_what_was_never_sent_can_be_read_by_nobody(rig: Rig) -> None:
    rig.handle(
        rig.events.case(
            "case.whistled", id_="c3", colour="red", legs=[rig.events.leg("unit", "U99", kind="assist")]
        )
    )
    path = f"/r/{reading.token(notice(rig, 'assist'))}"
    assert Client(rig.opened)("POST", path)[0] == 404
