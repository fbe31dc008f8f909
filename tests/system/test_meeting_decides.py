"""A joint meeting over the real bus: its decisions are an entry and a whistle, each exactly once."""

from __future__ import annotations

import json
from typing import Any

import pika
import pytest
from town import Town

from jiayuan.chassis.testing.processes import until
from jiayuan.contracts import names
from jiayuan.contracts.ids import new_id

pytestmark = pytest.mark.system

STREET = "350921001"


def _decisions(town: Town, path: str, token: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = town.call("ledger", "GET", path, token=token).json()["decisions"]
    return found


def _outcomes(town: Town, path: str, token: str) -> list[str]:
    return [d["outcome"] for d in _decisions(town, path, token)]


def _tell_again(town: Town, name: str, subject: str) -> None:
    """The event once more as it was, and once more as if it were another one."""
    told = until(
        lambda: [h for h in town.listener.events(name) if h.document["subject"] == subject],
        f"{name} was told",
    )
    other = json.dumps({**told[0].document, "id": new_id()}).encode()
    connection = pika.BlockingConnection(pika.URLParameters(town.broker.uri("admin")))
    try:
        channel = connection.channel()
        channel.confirm_delivery()
        properties = pika.BasicProperties(content_type=names.CONTENT_TYPE, delivery_mode=2)
        for body in (told[0].body, other):
            channel.basic_publish(names.EVENTS_EXCHANGE, told[0].key, body, properties, mandatory=True)
    finally:
        connection.close()


def test_decisions_are_an_entry_and_a_whistle_once_also_when_told_twice(town: Town) -> None:
    who = town.somebody()
    report = town.report("龙津社区听雨街垃圾堆满没人清运", contact=who.contact)["id"]
    case = town.case_of(report)
    desk = town.cluster.token("desk-1", "desk", street=STREET)
    seat = town.cluster.token("seat-1", "convener", street=STREET)

    def do(path: str, body: Any, token: str = desk, service: str = "ledger") -> dict[str, Any]:
        answer = town.call(service, "POST", path, body, token=token)
        assert answer.status_code in (200, 201), answer.text
        found: dict[str, Any] = answer.json()
        return found

    meeting = do("/meetings", {"street": STREET, "quarter": "2026Q3"})["id"]
    path = f"/meetings/{meeting}"
    do(path, {"begins_at": "2026-10-12T15:00:00+08:00"})
    do(f"{path}/attendance", {"people": [{"part": "attended", "unit": "U02", "name": "例王明"}]})
    entry = {"text": "增设路灯三盏", "becomes": "entry", "unit": "U02", "category": "0102"}
    do(f"{path}/decisions", {**entry, "due_at": "2026-12-20T15:59:59Z"})
    whistle = {
        "text": "垃圾由城市管理局牵头清运",
        "becomes": "whistle",
        "case": case["number"],
        "unit": "U02",
    }
    do(f"{path}/decisions", {**whistle, "assistants": ["U33"]})
    lost = {**whistle, "text": "无此工单的哨令", "case": f"{STREET}-200101-000001"}
    digest = do(f"{path}/decisions", lost)["digest"]
    do(f"{path}/signatures", {"part": "recorder", "digest": digest})
    decisions = do(f"{path}/signatures", {"part": "convener", "digest": digest}, seat)["decisions"]
    assert [d["outcome"] for d in decisions] == ["done", "waiting", "waiting"]
    until(
        lambda: _outcomes(town, path, desk) == ["done", "done", "refused"],
        lambda: str(_decisions(town, path, desk)),
    )
    _tell_again(town, "meeting.held", meeting)
    for answered in decisions[1:]:
        _tell_again(town, "decision.answered", answered["id"])
    town.settled()

    assert _outcomes(town, path, desk) == ["done", "done", "refused"]
    reasons = [d["reason"] for d in _decisions(town, path, desk)]
    assert reasons == [None, None, f"there is no case {STREET}-200101-000001"]
    made = town.rows("ledger", f"SELECT id FROM entry WHERE source_id = '{decisions[0]['id']}'")
    assert [row["id"] for row in made] == [_decisions(town, path, desk)[0]["entry"]]
    steps = town.rows(
        "routing", f"SELECT actor FROM case_step WHERE case_id = '{case['id']}' AND action = 'whistle'"
    )
    assert [row["actor"] for row in steps] == ["seat-1"]
    now = town.case_of(report)
    assert (now["whistle"]["lead"], now["whistle"]["assistants"]) == ("U02", ["U33"])
    posted = (
        "SELECT p.note FROM posting p JOIN entry e ON e.id = p.entry_id"
        f" WHERE e.case_id = '{case['id']}' AND p.facts ->> 'step' = 'case.whistled'"
    )
    assert len(town.rows("ledger", posted)) == 1
