"""What joint meetings decided: units are called once, as the convener would, and what can't be done is told."""

from __future__ import annotations

from typing import Any

import pytest

from jiayuan.contracts.envelope import Event
from jiayuan.contracts.ids import new_id
from jiayuan.contracts.times import iso
from jiayuan.routing import convening

from .conftest import CONVENER, STREET, T0
from .test_whistling import ASSIST, do, live, whistle

pytestmark = pytest.mark.store

DESK = {"role": "desk", "who": "desk-1", "street": STREET}


def held(routing: Any, *resolutions: dict[str, Any], street: str = STREET) -> Event:
    """A meeting with these decisions."""
    data = {
        "id": new_id(),
        "street": street,
        "held_at": iso(T0),
        "quarter": "2026Q1",
        "number": 1,
        "convener": CONVENER,
        "recorder": "desk-1",
        "decisions": [f"第{i}项由点名单位办理" for i in range(1, len(resolutions) + 1)],
        "resolutions": [
            {"id": new_id(), "number": i, "becomes": "whistle", **r}
            for i, r in enumerate(resolutions, start=1)
        ],
    }
    found: Event = routing.event("meeting.held", data, "/jiayuan/ledger", 1)
    return found


def told(routing: Any, *events: Event, at: float = 10) -> list[Event]:
    with routing.work(at) as work:
        convening.meeting_held(work, events)
        return list(work.emitted)


def answers(events: list[Event]) -> list[tuple[str, str | None]]:
    return [(e.data["outcome"], e.data.get("reason")) for e in events if e.name == "decision.answered"]


def test_a_decision_whistles_once_however_often_it_is_told(routing: Any) -> None:
    case = routing.open()
    event = held(routing, {"case": case["number"], "unit": "U01", "assistants": ["U02"]}, {"becomes": "text"})
    again = routing.event("meeting.held", event.data, "/jiayuan/ledger", 1)
    first = told(routing, event, again)
    assert [e.name for e in first] == ["decision.answered", "case.whistled"]
    assert answers(first) == [("done", None)]
    change = first[1].data["change"]
    assert (change["actor"], change["action"]) == (CONVENER, "whistle")
    assert change["reason"] == "联席会议第1项决定：第1项由点名单位办理"
    assert live(routing.case(case["id"])) == {"U01": "lead", "U02": "assist"}
    assert told(routing, again, at=11) == []
    assert (
        len(
            routing.rows(
                "SELECT FROM case_step WHERE case_id = CAST(:c AS uuid) AND action = 'whistle'", c=case["id"]
            )
        )
        == 1
    )


def test_a_case_that_nobody_takes_goes_to_whom_the_meeting_names(routing: Any, client: Any) -> None:
    case = routing.open()
    _, answer = client("POST", f"/cases/{case['number']}/whistle", whistle(), **DESK)
    called = answer["case"]
    do(client, called, "U01", "refuse", {"note": "本单位无执法权限"})
    ask = routing.case(called["id"])["legs"][-1]["id"]
    routing.breach(called, "response", ask, 1500)
    event = held(routing, {"case": called["id"], "unit": "U13"})
    assert answers(told(routing, event, at=1600)) == [("done", None)]
    now = routing.case(called["id"])
    assert live(now) == {"U13": "lead", **dict.fromkeys(ASSIST, "assist")}
    assert (now["whistle"]["meeting"], now["whistle"]["bound"]) == (event.data["id"], ["U13"])
    status, answer = do(client, now, "U13", "refuse", {"note": "仍然无法办理"})
    assert (status, "can't refuse any more" in answer["detail"]) == (409, True)


def test_what_cannot_be_done_is_told_and_costs_the_others_nothing(routing: Any, client: Any) -> None:
    led, free, elsewhere = routing.open(), routing.open(), routing.open(place={"street": "350921002"})
    client("POST", f"/cases/{led['number']}/whistle", whistle(), **DESK)
    event = held(
        routing,
        {"case": led["number"], "unit": "U13"},
        {"case": "350921001-260302-999999", "unit": "U13"},
        {"case": elsewhere["number"], "unit": "U13"},
        {"case": free["number"], "unit": "U99"},
        {"case": free["number"], "unit": "U13"},
    )
    found = told(routing, event)
    outcomes = answers(found)
    assert [o for o, _ in outcomes] == ["refused", "refused", "refused", "refused", "done"]
    reasons = [why or "" for _, why in outcomes]
    assert "U01 leads it already" in reasons[0]
    assert reasons[1] == "there is no case 350921001-260302-999999"
    assert reasons[2].startswith("Not allowed")
    assert "there is no unit U99" in reasons[3]
    assert live(routing.case(free["id"])) == {"U13": "lead"}
    kept = routing.rows("SELECT outcome, reason FROM meeting_decision WHERE meeting = :m", m=event.data["id"])
    assert sorted(map(str, map(tuple, kept))) == sorted(map(str, outcomes))


def test_only_meetings_that_whistle_concern_routing(routing: Any) -> None:
    before = {"id": new_id(), "street": STREET, "held_at": iso(T0), "decisions": ["加强巡查"]}
    assert not convening.concerns(routing.event("meeting.held", before, "/jiayuan/ledger", 1))
    assert not convening.concerns(held(routing, {"becomes": "entry", "unit": "U01"}))
    assert convening.concerns(held(routing, {"case": "x", "unit": "U01"}))


def test_the_ledger_reads_what_nobody_takes(client: Any) -> None:
    assert client("GET", f"/whistles/unclaimed?street={STREET}", role="service", who="ledger") == (
        200,
        {"cases": []},
    )
