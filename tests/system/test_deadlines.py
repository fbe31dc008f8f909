"""Nobody answers: warned, breached, one rung up, again and again; a day at a department: the street looks over it."""

from __future__ import annotations

from typing import Any

import pytest
from town import Heard, Town

from jiayuan.chassis.testing.processes import until
from jiayuan.contracts.times import parse

pytestmark = pytest.mark.system

DAY = 24 * 3600


def _clocks(town: Town, case: str, name: str, leg: str) -> list[dict[str, Any]]:
    """What was said of the response clock of a leg."""
    said = [h.document["data"]["clock"] for h in town.listener.events(name, case=case)]
    return [c for c in said if c["kind"] == "response" and c["leg"] == leg]


def test_nobody_answers(fast_town: Town) -> None:
    town = fast_town
    receipt = town.report("龙津社区听雨街垃圾堆满没人清运", contact=town.somebody().contact)
    # Opened, assigned; then raised to the leader, the chief and the desk.
    id_ = town.case_of(receipt["id"])["id"]
    case = town.case_of(receipt["id"], at_least=5)
    worker, leader, chief, desk = case["legs"]
    people = {p["id"]: p for p in town.directory["people"]}
    assert [people[leg["assignee"]["id"]]["role"] for leg in (worker, leader, chief)] == [
        "worker",
        "leader",
        "chief",
    ]
    assert [leg["level"] for leg in case["legs"]] == ["grid", "grid", "community", "street"]
    assert [leg["step"] for leg in case["legs"]] == sorted(leg["step"] for leg in case["legs"])
    assert desk["assignee"] == {"type": "desk", "id": f"desk-{case['street']}"}
    assert [leg["state"] for leg in case["legs"]] == ["reassigned"] * 3 + ["offered"]
    assert [leg["response_limit"] for leg in case["legs"]] == [900, 900, 900, DAY]

    raised = until(lambda: len(r := _raised(town, id_)) == 3 and r, "three steps up are heard, and not more")
    assert [h.document["sequence"] for h in raised] == [3, 4, 5]
    for held, risen in zip((worker, leader, chief), (leader, chief, desk), strict=True):
        (warned,) = _clocks(town, id_, "clock.warned", held["id"])
        (breached,) = _clocks(town, id_, "clock.breached", held["id"])
        limit = 900
        since = (parse(warned["at"]) - parse(held["offered_at"])).total_seconds()
        assert warned["percent"] == 80
        assert since >= 0.8 * limit  # never before its time
        assert parse(breached["at"]) > parse(breached["due_at"])
        assert (parse(breached["due_at"]) - parse(held["offered_at"])).total_seconds() == limit
        # The breach is what raised the case, by one event.
        (step,) = [h for h in raised if h.document["data"]["change"]["leg"] == risen["id"]]
        (cause,) = [
            h for h in town.listener.events("clock.breached", case=id_)
            if h.document["data"]["clock"]["leg"] == held["id"]
        ]  # fmt: skip
        assert step.document["causationid"] == cause.document["id"]
    books = town.settled()
    told = [(n["role"], n["recipient"], n["step"]) for n in books.notices if n["matter"] == id_]
    assert len(told) == len(set(told))
    for leg in (leader, chief, desk):
        assert told.count(("supervisor", leg["assignee"]["id"], f"offered:{leg['id']}")) == 1
    assert sum(step.startswith("offered:") for *_, step in told) == 4
    warned_people = [who for role, who, step in told if step.startswith("warned:response:")]
    assert warned_people == [leg["assignee"]["id"] for leg in (worker, leader, chief)]


def _raised(town: Town, case: str) -> list[Heard]:
    return [
        h for h in town.listener.events("case.assigned", case=case)
        if h.document["data"]["change"]["action"] == "raise"
    ]  # fmt: skip


def test_a_day_at_a_department_that_nobody_watched(fast_town: Town) -> None:
    town = fast_town
    receipt = town.report("松城街道西关社区路面坑洼，坑很深", contact=town.somebody().contact)
    case = town.case_of(receipt["id"])
    (leg,) = case["legs"]
    assert (leg["assignee"]["type"], leg["response_limit"]) == ("unit", DAY)
    town.settled()

    # Everything is down while the day passes; what became due meanwhile is told once when it is up again.
    assert set(town.cluster.stop().values()) == {0}
    epoch = float(town.settings["JIAYUAN_CLOCK_EPOCH"]) - 1.01 * DAY / (60 - 1)
    town.cluster.settings["JIAYUAN_CLOCK_EPOCH"] = str(epoch)
    town.cluster.start_all()

    after = town.case_of(receipt["id"], at_least=3)
    held, over = after["legs"]
    assert (held["id"], held["state"]) == (leg["id"], "offered")  # whoever has it goes on
    assert (over["kind"], over["level"]) == ("supervise", "street")
    assert over["assignee"] == {"type": "desk", "id": f"desk-{case['street']}"}
    books = town.settled()
    (step,) = until(lambda: _raised(town, case["id"]), "the step up is heard")
    assert step.document["data"]["change"]["leg"] == over["id"]
    assert len(_clocks(town, case["id"], "clock.breached", leg["id"])) == 1
    told = [(n["recipient"], n["step"]) for n in books.notices if n["matter"] == case["id"]]
    assert told.count((over["assignee"]["id"], f"offered:{over['id']}")) == 1
    assert len(told) == len(set(told))
