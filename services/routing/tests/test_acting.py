"""Moves by their actors on a database: what each way in gets, approvals, due things, marks, and many at once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from jiayuan.chassis.errors import Problem
from jiayuan.contracts.times import iso
from jiayuan.routing import acting, book
from jiayuan.routing.acting import Act
from jiayuan.routing.case import Actor

from .conftest import COMMUNITY, STREET, T0

pytestmark = pytest.mark.store

DESK = Actor("desk-person-1", ("desk",), street=STREET)
OTHER_DESK = Actor("desk-person-2", ("desk",), street=STREET)
COUNTY = Actor("county-1", ("county",))
OTHER_COUNTY = Actor("county-2", ("county",))
INSPECTOR = Actor("inspector-1", ("inspector",))


def worker(case: dict[str, Any], leg: int = -1) -> Actor:
    return Actor(case["legs"][leg]["assignee"]["id"], ("grid_worker",), community=COMMUNITY)


def act(routing: Any, who: Actor, case: dict[str, Any], move: str, at: float = 1, **more: Any) -> Any:
    """The case's document afterwards, and the names of the events."""
    how = {k: more.pop(k) for k in ("leg", "approval", "sequence") if k in more}
    with routing.work(at) as work:
        acting.act(work, book.of(work), who, Act(case["number"], move, words=more, **how))
        events = list(work.emitted)
    return routing.case(case["id"]), [e.name for e in events]


def refused(routing: Any, who: Actor, case: dict[str, Any], move: str, at: float = 1, **more: Any) -> Problem:
    with pytest.raises(Problem) as problem:
        act(routing, who, case, move, at, **more)
    return problem.value


def accepted(routing: Any) -> dict[str, Any]:
    case = routing.open()
    case, _ = act(routing, worker(case), case, "accept", 1)
    return case


def resolved(routing: Any) -> dict[str, Any]:
    case = accepted(routing)
    case, _ = act(routing, worker(case), case, "resolve", 2)
    return case


def steps(routing: Any, case: dict[str, Any]) -> list[tuple[str, str]]:
    rows = routing.rows(
        "SELECT action, actor FROM case_step WHERE case_id::text = :i ORDER BY id", i=case["id"]
    )
    return [tuple(r) for r in rows]


def test_a_whole_life_and_every_step_keeps_its_author(routing: Any) -> None:
    case = routing.open()
    me = worker(case)
    act(routing, me, case, "accept", 1)
    act(routing, me, case, "answer", 2, note="马上到")
    case, _ = act(routing, me, case, "resolve", 3, note="清了", evidence=["https://例.cn/1.jpg"])
    assert refused(routing, me, case, "inspect", 4, passed=True).status == 403
    case, events = act(routing, INSPECTOR, case, "inspect", 4, passed=True, note="干净", solved=True)
    assert events == ["case.inspected"]
    assert refused(routing, me, case, "close", 5, confirmed="satisfied", reason="回访").status == 403
    case, events = act(
        routing, DESK, case, "close", 5, confirmed="satisfied", satisfaction=5, reason="电话回访"
    )
    assert (events, case["state"], case["satisfaction"]) == (["case.closed"], "closed", 5)
    assert (case["solved"], case["inspection"]["solved"]) == (True, True)
    who = me.subject
    assert steps(routing, case)[2:] == [
        ("accept", who),
        ("answer", who),
        ("resolve", who),
        ("inspect", "inspector-1"),
        ("close", "desk-person-1"),
    ]


def test_a_return_after_acceptance_waits_for_the_desk_and_marks_the_rule(routing: Any) -> None:
    case = accepted(routing)
    case, events = act(routing, worker(case), case, "return", 2, note="不归网格管", misdirected=True)
    assert (events, case["state"]) == (["case.changed"], "accepted")
    (asked,) = case["approvals"]
    assert (asked["kind"], asked["of"]) == ("return", f"desk-{STREET}")
    assert refused(routing, worker(case), case, "decide", 3, approval=asked["id"], granted=True).status == 403
    case, events = act(routing, DESK, case, "decide", 3, approval=asked["id"], granted=True)
    assert events == ["case.returned"]
    assert [leg["state"] for leg in case["legs"]] == ["returned", "offered"]
    assert case["legs"][1]["assignee"]["id"] == f"desk-{STREET}"
    marks = routing.rows("SELECT rule, wrong FROM dispatch_mark")
    assert [tuple(m) for m in marks] == [(case["decision"]["rule"], True)]
    # The desk thinks again when it assigns: the newest mark of the leg holds.
    person = routing.rows("SELECT id FROM person WHERE role = 'worker' LIMIT 1")[0][0]
    to = {"type": "person", "id": person}
    case, _ = act(routing, DESK, case, "assign", 4, assignee=to, reason="还是网格的事", misdirected=False)
    with routing.work(5) as work:
        from jiayuan.routing import store

        assert store.wrong_dispatches(work) == []


def test_a_refused_return_leaves_the_leg_as_it_was(routing: Any) -> None:
    case = accepted(routing)
    case, _ = act(routing, worker(case), case, "return", 2, note="不归网格管")
    approval = case["approvals"][0]["id"]
    assert refused(routing, DESK, case, "decide", 3, approval=approval, granted=False).status == 422
    case, events = act(routing, DESK, case, "decide", 3, approval=approval, granted=False, note="归网格管")
    assert (events, case["legs"][0]["state"]) == (["case.changed"], "accepted")
    case, _ = act(routing, worker(case), case, "resolve", 4)
    assert case["state"] == "resolved"


def test_an_extension_is_asked_for_once_a_leg_and_told_to_the_clocks(routing: Any) -> None:
    case = accepted(routing)
    case, _ = act(routing, worker(case), case, "extend", 2, seconds=86400, reason="等配件")
    again, events = act(routing, worker(case), case, "extend", 2.5, seconds=86400, reason="等配件")
    assert (events, again) == ([], case)
    case, events = act(routing, DESK, case, "decide", 3, approval=case["approvals"][0]["id"], granted=True)
    assert events == ["case.extended"]
    assert [(e["seconds"], e["approver"]) for e in case["extensions"]] == [(86400, "desk-person-1")]
    no = refused(routing, worker(case), case, "extend", 4, seconds=60, reason="再等等")
    assert (no.status, "once a leg" in no.detail) == (409, True)
    assert "answer" in no.extra["allowed"]


def test_a_dated_pause_ends_by_itself_and_is_told_once(routing: Any) -> None:
    case = accepted(routing)
    until = iso(T0 + timedelta(minutes=60))
    case, _ = act(routing, worker(case), case, "pause", 2, until=until, reason="等天晴")
    case, events = act(routing, DESK, case, "decide", 3, approval=case["approvals"][0]["id"], granted=True)
    assert (events, case["pauses"][0]["end"]) == (["case.paused"], until)
    assert due(routing, 59) == []
    assert due(routing, 61) == ["case.resumed"]
    assert due(routing, 62) == []
    assert routing.case(case["id"])["pauses"][0]["end"] == until


def due(routing: Any, at: float) -> list[str]:
    with routing.work(at) as work:
        assert acting.due(work) is False
        return [e.name for e in work.emitted]


def test_a_resumed_pause_is_not_told_again_at_its_date(routing: Any) -> None:
    case = accepted(routing)
    until = iso(T0 + timedelta(minutes=60))
    case, _ = act(routing, worker(case), case, "pause", 2, until=until, reason="等天晴")
    case, _ = act(routing, DESK, case, "decide", 3, approval=case["approvals"][0]["id"], granted=True)
    case, events = act(routing, worker(case), case, "resume", 10)
    assert (events, case["pauses"][0]["end"]) == (["case.resumed"], iso(T0 + timedelta(minutes=10)))
    assert due(routing, 61) == []


def test_what_nobody_decides_is_decided_by_the_clock(routing: Any) -> None:
    case = accepted(routing)
    act(routing, worker(case), case, "return", 2, note="不归网格管")
    case, _ = act(routing, worker(case), case, "extend", 3, seconds=86400, reason="等配件")
    assert due(routing, 4 * 60) == []
    assert due(routing, 4 * 60 + 2) == ["case.returned"]
    case = routing.case(case["id"])
    assert [(a["kind"], a["granted"]) for a in case["approvals"]] == [("return", True), ("extension", False)]
    assert [leg["state"] for leg in case["legs"]] == ["returned", "offered"]
    assert due(routing, 99999) == []


def test_two_replicas_decide_what_is_due_once(routing: Any, replica: Any) -> None:
    case = accepted(routing)
    act(routing, worker(case), case, "return", 2, note="不归网格管")
    with routing.work(300) as one:
        assert acting.due(one) is False
        assert len(one.emitted) == 1
    with replica.work(300) as two:
        assert acting.due(two) is False
        assert two.emitted == []


def test_what_does_not_pass_is_done_again_by_the_same(routing: Any) -> None:
    case = resolved(routing)
    assert refused(routing, DESK, case, "close", 3, confirmed="satisfied", reason="回访").status == 409
    assert refused(routing, INSPECTOR, case, "inspect", 3, passed=False).problems[0].field == "note"
    case, events = act(routing, INSPECTOR, case, "inspect", 3, passed=False, note="没扫干净")
    assert events == ["case.inspected", "case.reopened"]
    assert (case["state"], case["reworked"], "resolved_at" in case) == ("assigned", 1, False)
    assert case["legs"][0]["assignee"] == case["legs"][1]["assignee"]
    me = worker(case)
    act(routing, me, case, "accept", 4)
    case, _ = act(routing, me, case, "resolve", 5)
    # The first inspector may look again; who inspected doesn't close.
    case, _ = act(routing, OTHER_DESK, case, "inspect", 6, passed=True)
    assert refused(routing, OTHER_DESK, case, "close", 7, confirmed="satisfied", reason="回访").status == 403
    case, _ = act(routing, DESK, case, "close", 7, confirmed="satisfied", reason="回访")
    assert case["state"] == "closed"


def test_opened_again_within_days_only(routing: Any) -> None:
    case = resolved(routing)
    act(routing, INSPECTOR, case, "inspect", 3, passed=True)
    case, _ = act(routing, DESK, case, "close", 4, confirmed="satisfied", reason="回访")
    late = 4 + 30 * 24 * 60 + 1
    assert refused(routing, DESK, case, "reopen", late, reason="又堆上了").status == 409
    case, events = act(routing, DESK, case, "reopen", late - 1, reason="又堆上了")
    assert (events, case["state"], case["reopened"]) == (["case.reopened"], "assigned", 1)
    assert "closed_at" not in case
    assert "confirmed" not in case


def test_a_reporter_who_let_it_lapse_can_still_say_that_it_is_not_solved(routing: Any) -> None:
    case = resolved(routing)
    started = case["resolved_at"]
    routing.breach(case, "confirmation", None, 5000, started_at=started)
    assert routing.case(case["id"])["confirmed"] == "lapsed"
    report = case["reports"][0]["id"]
    (event,) = routing.said("report.rated", report, 6000, solved=False, satisfaction=1)
    assert event.name == "case.reopened"
    assert routing.said("report.rated", report, 6001, solved=True, satisfaction=5) == []


def test_voided_by_the_county_with_approval_of_another(routing: Any) -> None:
    case = accepted(routing)
    assert refused(routing, worker(case), case, "void", 2, reason="测试单").status == 403
    case, _ = act(routing, COUNTY, case, "void", 2, reason="测试单")
    approval = case["approvals"][0]["id"]
    assert refused(routing, COUNTY, case, "decide", 3, approval=approval, granted=True).status == 403
    assert refused(routing, DESK, case, "decide", 3, approval=approval, granted=True).status == 403
    case, events = act(routing, OTHER_COUNTY, case, "decide", 3, approval=approval, granted=True)
    assert (events, case["state"]) == (["case.voided"], "voided")
    assert {leg["state"] for leg in case["legs"]} == {"released"}


def test_overlays_lie_over_the_handling_and_end_with_it(routing: Any) -> None:
    case = accepted(routing)
    chief = Actor("chief", ("grid_chief",), community=COMMUNITY)
    stranger = Actor("chief-2", ("grid_chief",), community="350921001002")
    case, events = act(routing, chief, case, "urge", 2, reason="居民又来电")
    assert (events, len(case["urged"])) == (["case.changed"], 1)
    assert refused(routing, stranger, case, "urge", 2).status == 403
    act(routing, DESK, case, "supervise", 3, reason="盯着")
    case, _ = act(routing, COUNTY, case, "supervise", 3, reason="县级督办")
    assert [s["by"] for s in case["supervised"]] == ["desk-person-1", "county-1"]
    assert refused(routing, OTHER_DESK, case, "unsupervise", 4).status == 409
    case, _ = act(routing, DESK, case, "unsupervise", 4)
    case, _ = act(routing, DESK, case, "recolour", 5, colour="red", reason="有人受伤")
    assert routing.rows('SELECT colour FROM "case" WHERE id::text = :i', i=case["id"])[0][0] == "red"
    act(routing, worker(case), case, "resolve", 6)
    act(routing, INSPECTOR, case, "inspect", 7, passed=True)
    case, _ = act(routing, DESK, case, "close", 8, confirmed="lapsed", reason="无法联系")
    assert all(s["ended_at"] for s in case["supervised"])


def test_somebody_was_faster_and_one_gets_the_state_back(routing: Any) -> None:
    case = routing.open()
    seen = 2
    act(routing, worker(case), case, "accept", 1, sequence=seen)
    no = refused(routing, worker(case), case, "answer", 2, sequence=seen)
    assert no.status == 409
    assert no.extra == {
        "state": "accepted",
        "sequence": 3,
        "leg_state": "accepted",
        "allowed": ["answer", "resolve", "return", "extend", "pause"],
    }
    act(routing, worker(case), case, "accept", 3, sequence=seen)  # done before: no error


def test_many_at_once_each_for_itself(routing: Any) -> None:
    first, second = routing.open(), accepted(routing)
    with routing.work(5) as work:
        acts = [
            Act(first["number"], "urge"),
            Act("350921001-000000-000000", "urge"),
            Act(second["id"], "recolour", words={"colour": "purple", "reason": "?"}),
            Act(second["id"], "urge"),
        ]
        out = acting.act_on_all(work, book.of(work), DESK, acts)
        assert [o.status if isinstance(o, Problem) else o.moves[0].change.action for o in out] == [
            "urge",
            404,
            422,
            "urge",
        ]
    assert len(routing.case(second["id"])["urged"]) == 1


def test_an_emergency_pauses_and_resumes_many_and_leaves_other_pauses(routing: Any) -> None:
    first, second, done = accepted(routing), routing.open(), resolved(routing)
    until = iso(T0 + timedelta(days=30))
    act(routing, worker(first), first, "pause", 3, until=until, reason="等配件")
    approval = routing.case(first["id"])["approvals"][0]["id"]
    act(routing, DESK, first, "decide", 4, approval=approval, granted=True)
    ids = [first["id"], second["id"], done["id"]]
    with routing.work(5) as work:
        paused = acting.pause_all(work, ids, "台风", "county-1", emergency="E1")
        assert sorted(paused) == sorted(ids[:2])
    with routing.work(6) as work:
        assert acting.pause_all(work, ids, "台风", "county-1", emergency="E1") == []
    with routing.work(9) as work:
        back = acting.resume_all(work, ids, "county-1", "解除", emergency="E1")
        assert sorted(back) == sorted(ids[:2])
    spans = routing.case(first["id"])["pauses"]
    assert [s["end"] for s in spans] == [until, iso(T0 + timedelta(minutes=9))]


def test_the_bus_has_the_same_rights_and_the_same_errors(routing: Any) -> None:
    case = routing.open(category={"code": "0101", "name": "道路"})
    unit = case["legs"][0]["assignee"]["id"]
    assert case["legs"][0]["assignee"]["type"] == "unit"
    clerk = Actor("clerk-1", ("unit_clerk",), unit)
    case, _ = act(routing, clerk, case, "accept", 1)
    assert case["legs"][0]["hands"] == ["clerk-1"]
    case, events = act(routing, acting.unit_actor(unit), case, "return", 2, note="不归本单位")
    assert events == ["case.changed"]
    assert refused(routing, Actor("clerk-9", ("unit_clerk",), "U99"), case, "resolve", 3).status == 404
    no = refused(
        routing, Actor("clerk-9", ("unit_clerk",), "U99"), case, "resolve", 3, leg=case["legs"][0]["id"]
    )
    assert no.status == 403
