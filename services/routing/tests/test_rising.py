"""Whom a step of the ladder of clocks tells, and whom the withdrawal of a breach."""

from __future__ import annotations

from typing import Any

import pytest

from jiayuan.contracts.check import problems
from jiayuan.contracts.schemas.case import LadderReached
from jiayuan.routing import handlers
from jiayuan.routing import store as rows

pytestmark = pytest.mark.store


def spoke(routing: Any, name: str, case: dict[str, Any], **more: Any) -> list[Any]:
    """What comes of a clock's event about a case."""
    leg = case["legs"][0]
    clock = {
        "id": "clock-1",
        "kind": "finish",
        "state": "breached",
        "case": case["id"],
        "case_sequence": 2,
        "leg": leg["id"],
        "assignee": leg["assignee"],
        "street": case["street"],
        "limit": 3600,
        "started_at": case["opened_at"],
        "due_at": case["opened_at"],
        "percent": 101,
        "at": case["opened_at"],
        **more,
    }
    event = routing.event(name, {"clock": clock}, "/jiayuan/sla", 3)
    [handler] = [h for h in handlers.HANDLERS if h.pattern == name]
    if handler.wants is not None and not handler.wants(event):
        return []
    with routing.work(100) as work:
        handler.run(work, [event])
        said = [e for e in work.emitted if e.name == "ladder.reached"]
    assert all(problems(LadderReached, e.data) == [] and e.sequence == 3 for e in said)
    return said


def told(whom: str, do: str = "notify", **more: Any) -> dict[str, Any]:
    return {"ladder": {"name": "l", "step": 2, "whom": whom, "do": do, **more}}


def directory(routing: Any) -> Any:
    with routing.work() as work:
        return rows.read_directory(work)


@pytest.mark.parametrize("name", ["clock.breached", "clock.escalated"])
def test_each_role_is_who_has_it_by_the_directory(routing: Any, name: str) -> None:
    case = routing.open()
    known, holder = directory(routing), case["legs"][0]["assignee"]
    leader, chief, desk = (rung.assignee for rung in known.ladder(holder["id"]))
    found = {}
    for whom in ("assignee", "grid_leader", "grid_chief", "desk", "county", "convener", "unit_clerk"):
        [event] = spoke(routing, name, case, **told(whom))
        assert (event.data["number"], event.data["whom"], event.data["step"]) == (case["number"], whom, 2)
        found[whom] = [to["id"] for to in event.data["to"]]
    convener = known.convener(case["street"])
    assert found == {
        "assignee": [holder["id"]],
        "grid_leader": [leader.id],
        "grid_chief": [chief.id],
        "desk": [desk.id],
        "county": [known.desk(known.county_street).id],
        "convener": [convener.id] if convener is not None else [],
        "unit_clerk": [],
    }


def test_a_units_own_clock_tells_its_clerk_and_whoever_answers_for_the_place(routing: Any) -> None:
    case = routing.open()
    unit = {"type": "unit", "id": "U02"}
    [event] = spoke(routing, "clock.escalated", case, assignee=unit, **told("unit_clerk"))
    assert event.data["to"] == [unit]
    [event] = spoke(routing, "clock.escalated", case, assignee=None, **told("grid_chief"))
    chief = directory(routing).ladder(case["legs"][0]["assignee"]["id"])[1].assignee
    assert event.data["to"] == [{"type": "person", "id": chief.id}]


def test_a_withdrawn_breach_is_taken_back_from_each_that_was_told(routing: Any) -> None:
    case = routing.open()
    said = spoke(
        routing, "clock.corrected", case, state="armed", correction=True, told=["desk", "grid_chief"]
    )
    assert [(e.data["whom"], e.data["withdrawn"], e.data.get("step")) for e in said] == [
        ("desk", True, None),
        ("grid_chief", True, None),
    ]
    assert spoke(routing, "clock.corrected", case, state="armed", correction=True) == []


def test_what_hands_over_or_has_no_ladder_tells_nobody_here(routing: Any) -> None:
    case = routing.open()
    assert spoke(routing, "clock.escalated", case, **told("desk", "reassign")) == []
    assert spoke(routing, "clock.breached", case) == []


def test_a_promise_that_is_in_no_case_rises_too(routing: Any) -> None:
    case = routing.open()
    promise = {"kind": "notice", "about": "n-1", **told("grid_chief")}
    [event] = spoke(routing, "clock.escalated", {**case, "id": "notice:n-1"}, **promise)
    chief = directory(routing).ladder(case["legs"][0]["assignee"]["id"])[1].assignee
    assert (event.data["number"], event.data["to"]) == (None, [{"type": "person", "id": chief.id}])
