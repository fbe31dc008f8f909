"""Reports about one matter are one case (並案), and come out of it again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jiayuan.chassis.testing.databases import round_trips
from jiayuan.contracts import envelope
from jiayuan.contracts.envelope import Event
from jiayuan.contracts.times import iso
from jiayuan.routing import handlers

T0 = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)

pytestmark = pytest.mark.store

WHY = "文字相近76%；同在龙首社区"


def received(routing: Any, report: dict[str, Any], into: str | None = None) -> Event:
    joined = {"report": into, "score": 0.9, "reason": WHY}
    data = {"report": report} | ({"joined": joined} if into else {})
    return routing.event("report.received", data)


def take(routing: Any, *events: Event, at: float = 0) -> list[Event]:
    with routing.work(at) as work:
        handlers.report_received(work, events)
        return list(work.emitted)


def said(routing: Any, name: str, data: dict[str, Any], sequence: int = 2, at: float = 30) -> list[Event]:
    subject = data["report"] if isinstance(data["report"], str) else data["report"]["id"]
    event = envelope.make(name, "/jiayuan/intake", data, at=T0, subject=subject, sequence=sequence)
    envelope.encode(event)
    with routing.work(at) as work:
        getattr(handlers, name.replace(".", "_"))(work, [event])
        return list(work.emitted)


def join(routing: Any, report: str, into: str, sequence: int = 2, at: float = 30) -> list[Event]:
    joined = {"report": into, "score": 0.6, "reason": WHY}
    data = {"report": report, "joined": joined, "by": "desk-1", "at": iso(T0 + timedelta(minutes=at))}
    return said(routing, "report.joined", data, sequence, at)


def separate(routing: Any, report: dict[str, Any], sequence: int = 3, at: float = 60) -> list[Event]:
    when = iso(T0 + timedelta(minutes=at))
    data = {"report": report, "separated": "r", "by": "desk-1", "at": when, "reason": "是另一盏路灯"}
    return said(routing, "report.separated", data, sequence, at)


def homes(routing: Any) -> dict[str, str]:
    return dict(routing.rows("SELECT report_id, case_id::text FROM case_report"))


def states(routing: Any) -> list[str]:
    return sorted(r[0] for r in routing.rows('SELECT state FROM "case"'))


def test_a_joined_report_goes_into_the_case_of_the_earlier_one(routing: Any) -> None:
    first, second = routing.report(), routing.report(reporter="c2", channel="grid_worker")
    take(routing, received(routing, first))
    (merged,) = take(routing, received(routing, second, first["id"]), at=20)
    case, change = merged.data["case"], merged.data["change"]
    assert (merged.name, merged.sequence) == ("case.merged", 3)
    assert [r["reporter"] for r in case["reports"]] == ["c1", "c2"]
    assert (change["action"], change["reason"], change["reports"]) == ("merge", WHY, [second["id"]])
    assert len(case["legs"]) == 1
    assert homes(routing) == {first["id"]: case["id"], second["id"]: case["id"]}
    assert take(routing, received(routing, second, first["id"]), at=25) == []


def test_in_one_batch_the_first_opens_the_case_and_the_others_go_in(routing: Any) -> None:
    reports = [routing.report(reporter=f"c{n}") for n in range(3)]
    first = reports[0]["id"]
    events = take(
        routing,
        received(routing, reports[1], first),
        received(routing, reports[0]),
        received(routing, reports[2], first),
    )
    assert [e.name for e in events] == ["case.opened", "case.assigned", "case.merged", "case.merged"]
    assert {r["id"] for r in events[-1].data["case"]["reports"]} == {r["id"] for r in reports}
    assert len(set(homes(routing).values())) == 1
    assert routing.case(events[0].subject) == events[-1].data["case"]


def test_one_that_comes_before_the_earlier_one_is_joined_when_that_has_come(routing: Any) -> None:
    first, second = routing.report(), routing.report(reporter="c2")
    opened = take(routing, received(routing, second, first["id"]))
    assert [e.name for e in opened] == ["case.opened", "case.assigned"]
    events = take(routing, received(routing, first), at=1)
    assert [e.name for e in events][-2:] == ["case.merged", "case.merged"]
    assert states(routing) == ["assigned", "merged"]
    assert len(set(homes(routing).values())) == 1


@pytest.mark.parametrize("move", ["resolved", "withdrawn"])
def test_to_what_is_settled_nothing_is_joined(routing: Any, move: str) -> None:
    first, second = routing.report(), routing.report(reporter="c2")
    case = take(routing, received(routing, first))[-1].data["case"]
    if move == "withdrawn":
        routing.said("report.withdrawn", first["id"], 5)
    else:
        routing.move(case["id"], case["legs"][0]["id"], "accept", 5)
        routing.move(case["id"], case["legs"][0]["id"], "resolve", 6)
    events = take(routing, received(routing, second, first["id"]), at=10)
    assert [e.name for e in events] == ["case.opened", "case.assigned"]
    assert len(set(homes(routing).values())) == 2


def test_the_desk_joins_two_cases_and_one_goes_on(routing: Any) -> None:
    first, second = routing.report(), routing.report(reporter="c2")
    take(routing, received(routing, first), received(routing, second))
    kept, gone = join(routing, second["id"], first["id"])
    assert [r["id"] for r in kept.data["case"]["reports"]] == [first["id"], second["id"]]
    assert kept.data["change"]["reports"] == [second["id"]]
    assert gone.data["case"]["state"] == "merged"
    assert kept.data["case"]["number"] in gone.data["change"]["reason"]
    assert {leg["state"] for leg in gone.data["case"]["legs"]} == {"released"}
    assert set(homes(routing).values()) == {kept.subject}
    assert join(routing, second["id"], first["id"], sequence=3) == []


def test_of_two_cases_the_more_urgent_one_goes_on(routing: Any) -> None:
    calm = routing.report()
    gas = routing.report(
        reporter="c2",
        importance=3,
        urgency=3,
        category={"code": "0901", "name": "燃气"},
        signs=[{"code": "gas", "call": "119"}],
    )
    take(routing, received(routing, calm), received(routing, gas))
    urgent = homes(routing)[gas["id"]]
    assert routing.case(urgent)["colour"] == "red"
    kept, _ = join(routing, gas["id"], calm["id"])
    assert kept.subject == urgent
    assert kept.data["case"]["colour"] == "red"
    assert {r["id"] for r in kept.data["case"]["reports"]} == {calm["id"], gas["id"]}


def test_a_separated_report_has_a_case_of_its_own_again(routing: Any) -> None:
    first, second = routing.report(), routing.report(reporter="c2")
    take(routing, received(routing, first))
    (merged,) = take(routing, received(routing, second, first["id"]))
    opened, assigned, out = separate(routing, second)
    assert (out.name, out.subject) == ("case.separated", merged.subject)
    assert [r["id"] for r in out.data["case"]["reports"]] == [first["id"]]
    assert out.data["change"]["reports"] == [second["id"]]
    assert (opened.name, assigned.name) == ("case.opened", "case.assigned")
    assert assigned.data["case"]["first_received_at"] == second["received_at"]
    assert homes(routing) == {first["id"]: merged.subject, second["id"]: opened.subject}
    assert separate(routing, second) == []


def test_the_newer_of_joining_and_separating_holds_whatever_comes_first(routing: Any) -> None:
    first, second = routing.report(), routing.report(reporter="c2")
    take(routing, received(routing, first), received(routing, second))
    assert separate(routing, second, sequence=3) == []
    assert join(routing, second["id"], first["id"], sequence=2) == []
    assert len(set(homes(routing).values())) == 2


def test_one_that_was_separated_before_it_came_is_not_joined(routing: Any) -> None:
    first, second = routing.report(), routing.report(reporter="c2")
    take(routing, received(routing, first))
    assert separate(routing, second) == []
    events = take(routing, received(routing, second, first["id"]), at=5)
    assert [e.name for e in events] == ["case.opened", "case.assigned"]


def test_a_case_takes_so_many_reports_that_its_events_fit(routing: Any) -> None:
    first = routing.report()
    take(routing, received(routing, first))
    many = [routing.report(reporter=f"c{n}" + "x" * 30) for n in range(210)]
    events = take(routing, *(received(routing, r, first["id"]) for r in many))
    full = max((e for e in events if e.name == "case.merged"), key=lambda e: len(e.data["case"]["reports"]))
    assert len(full.data["case"]["reports"]) == handlers.cases.MOST_REPORTS
    assert sum(e.name == "case.opened" for e in events) == 211 - handlers.cases.MOST_REPORTS
    assert len(homes(routing)) == 211


def test_few_round_trips_a_batch_with_joined_reports(routing: Any) -> None:
    first = routing.report()
    take(routing, received(routing, first))
    with round_trips() as asked:
        take(
            routing,
            *(received(routing, routing.report(), first["id"] if n % 2 else None) for n in range(100)),
        )
    assert len(asked) <= 6


def test_a_merged_case_comes_back_under_its_number_when_the_join_is_undone(routing: Any) -> None:
    first, second = routing.report(), routing.report(reporter="c2")
    events = take(routing, received(routing, first), received(routing, second))
    own = next(e.data["case"] for e in events if e.data["case"]["reports"][0]["id"] == second["id"])
    kept, gone = join(routing, second["id"], first["id"])
    assert (gone.subject, gone.data["case"]["merged_into"]) == (own["id"], kept.subject)
    back, out = sorted(separate(routing, second), key=lambda e: e.name, reverse=True)
    assert (out.name, back.name, back.subject) == ("case.reopened", "case.separated", kept.subject)
    case = routing.case(own["id"])
    assert (case["number"], case["state"], case["opened_at"]) == (own["number"], "assigned", own["opened_at"])
    assert "merged_into" not in case
    assert "closed_at" not in case
    assert [leg["state"] for leg in case["legs"]] == ["released", "offered"]
    assert homes(routing) == {first["id"]: kept.subject, second["id"]: own["id"]}
    assert separate(routing, second, sequence=4) == []
