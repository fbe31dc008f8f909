"""Nobody who is off duty is handed a case, and nobody gets one back that they turned down."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from jiayuan.chassis.errors import Problem
from jiayuan.routing import acting, directory, enacting, handing, handlers, store
from jiayuan.routing import book as books
from jiayuan.routing import case as cases
from jiayuan.routing import policy as policies
from jiayuan.routing.imports import import_directory
from jiayuan.routing.moving import Moving

T0 = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
COMMUNITY = "350921001001"


class Roster:
    """The directory, with people who are away."""

    def __init__(self, known: Any) -> None:
        self._known = known
        self.away: set[str] = set()
        self.stand_ins: dict[str, str] = {}

    def workers(self, place: str) -> Any:
        return self._known.workers(place)

    def on_duty(self, person: str, _at: datetime) -> bool:
        return person not in self.away

    def stand_in(self, person: str, _at: datetime) -> str | None:
        return self.stand_ins.get(person)

    def skills(self, _person: str) -> Collection[str]:
        return ()

    languages = skills


# -- pure --------------------------------------------------------------------------------------------


@pytest.fixture
def known(document: dict[str, Any]) -> directory.Directory:
    return directory.read(document, 1)


@pytest.mark.unit
def test_the_nearest_places_come_first_and_no_other_community(known: directory.Directory) -> None:
    building = next(g for g in known.grids.values() if g.kind == "building")
    compound = known.grids[building.parent]
    street, community = building.street, building.community
    assert handing.chain(known, (street, community, building.code)) == (
        building.code,
        compound.code,
        community,
    )
    assert handing.chain(known, (street, community, compound.code)) == (compound.code, community)
    assert handing.chain(known, (street, community, None)) == (community,)
    assert handing.chain(known, (street, None, None)) == (street,)
    assert handing.chain(known, (known.county_street, None, None)) == ()


@pytest.mark.unit
def test_rungs_who_are_away_or_said_no(known: directory.Directory) -> None:
    roster = Roster(known)
    worker = next(p for p in known.people.values() if p.role == "worker" and p.community == COMMUNITY)
    ladder = known.ladder(worker.id)
    leader, chief, _ = (rung.assignee.id for rung in ladder)

    def left(*without: str) -> list[str]:
        return [r.assignee.id for r in handing.rungs(ladder, roster, T0, frozenset(without))]

    assert left() == [leader, chief, "desk-350921001"]
    assert left(leader) == [chief, "desk-350921001"]
    roster.away = {leader}
    assert left() == [chief, "desk-350921001"]
    roster.stand_ins = {leader: "p-other"}
    assert left() == ["p-other", chief, "desk-350921001"]
    assert left("p-other") == [chief, "desk-350921001"]
    roster.away = {leader, "p-other", chief}
    assert left() == ["desk-350921001"]


# -- the whole way -----------------------------------------------------------------------------------


@pytest.fixture
def roster(routing: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Roster]:
    made: list[Roster] = []

    def staff_of(known: Any, _emergencies: Any = None) -> Roster:
        if not made:
            made.append(Roster(known))
        return made[0]

    monkeypatch.setattr(books, "staff_of", staff_of)
    with routing.work() as work:
        books.begin_anew(work)
        books.of(work)
    yield made[0]
    with routing.work() as work:
        books.begin_anew(work)


def holder(case: dict[str, Any]) -> str:
    return str(case["legs"][-1]["assignee"]["id"])


def people(routing: Any) -> Any:
    with routing.work() as work:
        return books.of(work).directory


@pytest.mark.store
def test_from_the_building_up_to_the_desk(routing: Any, roster: Roster) -> None:
    known = people(routing)
    building = next(g for g in known.grids.values() if g.kind == "building" and g.community == COMMUNITY)
    where = {"street": building.street, "community": building.community, "grid": building.code}
    mine = set(known.workers(building.code))
    assert holder(routing.open(place=where)) in mine
    roster.away |= mine
    near = set(known.workers(building.parent)) - mine
    assert holder(routing.open(place=where, at=5)) in near
    roster.away |= near
    assert set(known.workers(COMMUNITY)) == mine | near
    case = routing.open(place=where, at=15)
    assert holder(case) == f"desk-{building.street}"
    assert "暂无网格员在岗" in case["decision"]["reason"]
    roster.away -= near
    assert holder(routing.open(place=where, at=20)) in near


@pytest.mark.store
def test_nobody_who_is_away_is_ever_handed_one(routing: Any, roster: Roster) -> None:
    workers = sorted(people(routing).workers("350921001"))
    seen: set[str] = set()
    for n in range(12):
        roster.away = set(workers[n % 3 :: 3])
        for event in routing.receive(*(routing.report() for _ in range(20)), at=n * 2):
            for leg in event.data["case"]["legs"]:
                assert leg["assignee"]["id"] not in roster.away
                seen.add(leg["assignee"]["id"])
    assert len(seen) > 5


@pytest.mark.store
def test_no_answer_goes_past_a_leader_who_is_away(routing: Any, roster: Roster) -> None:
    case = routing.open()
    leader, chief, desk = (r.assignee.id for r in people(routing).ladder(holder(case)))
    roster.away.add(leader)
    [event] = routing.breach(case, "response", case["legs"][0]["id"], 16)
    assert holder(event.data["case"]) == chief
    roster.away.clear()

    other = routing.open(at=20)
    leader, chief, desk = (r.assignee.id for r in people(routing).ladder(holder(other)))
    roster.away |= {leader, chief}
    [event] = routing.breach(other, "response", other["legs"][0]["id"], 40)
    assert holder(event.data["case"]) == desk


@pytest.mark.store
def test_a_stand_in_has_the_rung_and_the_case_goes_on_up_where_it_belongs(
    routing: Any, roster: Roster
) -> None:
    case = routing.open()
    known = people(routing)
    leader, chief, _ = (r.assignee.id for r in known.ladder(holder(case)))
    other = next(
        p.id for p in known.people.values() if p.role == "leader" and p.community not in (COMMUNITY, "")
    )
    roster.away.add(leader)
    roster.stand_ins[leader] = other
    [event] = routing.breach(case, "response", case["legs"][0]["id"], 16)
    case = event.data["case"]
    assert (holder(case), case["legs"][-1]["step"]) == (other, 1)
    [event] = routing.breach(case, "response", case["legs"][-1]["id"], 32)
    assert holder(event.data["case"]) == chief


@pytest.mark.store
def test_a_leader_who_returned_it_is_not_on_its_ladder(routing: Any) -> None:
    case = routing.open()
    leader, chief, _ = (r.assignee.id for r in people(routing).ladder(holder(case)))
    [event] = routing.breach(case, "response", case["legs"][0]["id"], 16)
    assert holder(event.data["case"]) == leader
    routing.move(case["id"], event.data["case"]["legs"][-1]["id"], "return", 20)
    # The desk gives it to another worker, who doesn't answer either.
    with routing.work(25) as work:
        book = books.of(work)
        moving = Moving(work, [case["id"]])
        found = moving.cases[case["id"]]
        assert handing.turned_down(found) == {leader}
        again = next(w for w in book.directory.workers(COMMUNITY) if w != case["legs"][0]["assignee"]["id"])
        offer = cases.Offer(cases.Assignee("person", again), "grid", 0, 900)
        moves = cases.assign(found, offer, (), "desk", work.now, "换人办理")
        moving.take(moves[-1].case, moves)
        moving.save()
        doc = cases.document(moves[-1].case)
    if people(routing).ladder(again)[0].assignee.id == leader:
        [event] = routing.breach(doc, "response", doc["legs"][-1]["id"], 60)
        assert holder(event.data["case"]) == chief


@pytest.mark.store
def test_open_cases_are_counted(routing: Any) -> None:
    case = routing.open()
    first = routing.open(at=1)
    with routing.work(2) as work:
        loads = store.loads(work)
    assert loads == {holder(case): 1, holder(first): 1}
    routing.move(case["id"], case["legs"][0]["id"], "accept", 3)
    routing.move(case["id"], case["legs"][0]["id"], "resolve", 4)
    with routing.work(5) as work:
        assert store.loads(work) == {holder(first): 1}


@pytest.mark.store
def test_a_count_of_open_cases_reaches_the_rotation(routing: Any) -> None:
    with routing.work() as work:
        books.recount(work)  # before anything was asked there is nothing to count for
        rotation = books.of(work).rotation
    case = routing.open()
    assert rotation.load(holder(case)) == 1
    routing.move(case["id"], case["legs"][0]["id"], "accept", 3)
    routing.move(case["id"], case["legs"][0]["id"], "resolve", 4)
    with routing.work(5) as work:
        books.recount(work)
    assert rotation.load(holder(case)) == 0


@pytest.mark.store
def test_the_command_line_shows_the_order_and_tries_the_promise(
    routing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from click.testing import CliRunner

    from jiayuan.routing.cli import routing as command

    monkeypatch.setenv("JIAYUAN_DATABASE_URL", routing.opened.settings.database_url)
    case = routing.open()

    def run(*words: str) -> Any:
        return CliRunner().invoke(command, ["rotation", "show", *words])

    workers = people(routing).workers(COMMUNITY)
    shown = run(COMMUNITY)
    lines = shown.output.splitlines()
    assert (shown.exit_code, len(lines)) == (0, len(workers)), shown.output
    assert holder(case) in lines[-1]
    assert "累计1件" in lines[-1]
    assert "在手1件" in lines[-1]
    tried = run(COMMUNITY, "--simulate", "1000", "--json")
    found = orjson.loads(tried.output)
    assert tried.exit_code == 0
    assert found["turns"].keys() == set(workers)
    assert (found["spread"] <= 1, found["apart"], found["bound"]) == (True, 1, 1)
    said = run(COMMUNITY, "--simulate", "300", "--replicas", "3", "--away", "0.3", "--hours", "1,4")
    assert (said.exit_code, "保证不超过3" in said.output) == (0, True), said.output
    assert run("350999").exit_code == 1
    assert run(COMMUNITY, "--simulate", "10", "--hours", "soon").exit_code == 2


# -- skill and language ------------------------------------------------------------------------------


@pytest.fixture
def skilled(own: Any, document: dict[str, Any]) -> Any:
    """Routing whose policy asks for a skill, and whose first worker of COMMUNITY has it; the second speaks 畲语."""
    workers = [p for p in document["people"] if p["role"] == "worker" and p["grid"].startswith(COMMUNITY)]
    workers[0]["skills"], workers[1]["languages"] = ["用电安全"], ["普通话", "畲语"]
    table = policies.bundled_document()
    table = {**table, "version": "skills", "effective_from": "2026-01-02T00:00:00+08:00"}
    rule = {
        "id": "electric",
        "priority": 40,
        "when": {"category": ["1502"]},
        "then": {"level": "grid", "skill": ["用电安全"]},
        "reason": "需要懂用电的网格员。",
    }
    # The small directory of the tests has no third street.
    table["rules"] = [rule, *(r for r in table["rules"] if "place" not in r["when"])]
    with own.work() as work:
        import_directory(work, own.opened.runtime.sealer, document, "me")
        enacting.import_policy(work, table, "me")
        enacting.judge(work, table["version"], "approved", "somebody else")
    own.able, own.speaks = workers[0]["id"], workers[1]["id"]
    return own


@pytest.mark.store
def test_a_rule_asks_for_a_skill(skilled: Any) -> None:
    assert {holder(skilled.open(at=n)) for n in range(4)} == {skilled.able}
    elsewhere = skilled.open(at=9, place={"street": "350921001", "community": "350921001002"})
    assert holder(elsewhere) == "desk-350921001"
    assert "无所需技能" in elsewhere["decision"]["reason"]


@pytest.mark.store
def test_who_speaks_the_language_is_asked_and_where_nobody_does_somebody_else(skilled: Any) -> None:
    barking = {"category": {"code": "1505", "name": "其他"}, "text": "她只会讲畲语，请上门看看"}
    with skilled.work() as work:
        assert books.of(work).policy(work.now).version == "skills"
    assert {holder(skilled.open(at=n, **barking)) for n in range(3)} == {skilled.speaks}
    elsewhere = skilled.open(at=9, place={"street": "350921001", "community": "350921001002"}, **barking)
    assert elsewhere["legs"][0]["assignee"]["id"].startswith("p")


@pytest.mark.unit
def test_a_skill_is_asked_of_grid_workers_only() -> None:
    table = policies.bundled_document()
    wrong = {"level": "department", "lead": "U03", "skill": ["x"]}
    table["rules"] = [
        {"id": "r", "priority": 40, "when": {"category": ["1502"]}, "then": wrong, "reason": "x"},
        *table["rules"],
    ]
    with pytest.raises(policies.PolicyError) as refused:
        policies.read(table)
    assert "asked of grid workers" in str(refused.value)


# -- the directory's own rosters ---------------------------------------------------------------------


@pytest.mark.store
def test_leave_in_the_directory_keeps_cases_away_and_a_stand_in_gets_them(
    own: Any, document: dict[str, Any]
) -> None:
    known = people(own)
    mine = sorted(known.workers(f"{COMMUNITY}-G01-B01"))
    other = next(w for w in known.workers("350921001002"))
    leave = [
        {"person": w, "from": "2026-03-02", "to": "2026-03-02", "kind": "leave", "stand_in": other}
        for w in mine
    ]
    with own.work() as work:
        import_directory(work, own.opened.runtime.sealer, {**document, "leave": leave}, "me")
    where = {"street": "350921001", "community": COMMUNITY, "grid": f"{COMMUNITY}-G01-B01"}
    assert {holder(own.open(place=where, at=n)) for n in range(3)} == {other}
    assert holder(own.open(place=where, at=24 * 60)) in mine


@pytest.mark.store
def test_the_desk_can_t_hand_a_case_to_somebody_off_duty(routing: Any, roster: Roster) -> None:
    case = routing.open()
    first, second, third = people(routing).workers(COMMUNITY)[:3]
    roster.away |= {first, second}
    roster.stand_ins[second] = third
    desk = cases.Actor("d1", ("desk",), "", "350921001")
    for who, allowed in ((first, "somebody who is on duty"), (second, f"{third}, who stands in")):
        words = {"assignee": {"type": "person", "id": who}, "reason": "请办理"}
        with routing.work(5) as work, pytest.raises(Problem) as refused:
            acting.act(work, books.of(work), desk, acting.Act(case["id"], "assign", words=words))
        [error] = refused.value.problems
        assert (error.field, error.problem, error.allowed) == ("assignee.id", f"{who} is off duty", allowed)
    assert routing.case(case["id"]) == case


# -- sla's ladder ------------------------------------------------------------------------------------


def step(whom: str, do: str = "reassign") -> dict[str, Any]:
    return {"ladder": {"name": "grid", "step": 1, "whom": whom, "do": do}, "point": "+30m"}


@pytest.mark.store
def test_a_step_of_slas_ladder_hands_over_to_the_rung_it_names(routing: Any, roster: Roster) -> None:
    case = routing.open()
    _, chief, desk = (r.assignee.id for r in people(routing).ladder(holder(case)))
    leg = case["legs"][0]["id"]
    assert routing.breach(case, "response", leg, 16, **step("grid_leader", "notify")) == []
    [event] = routing.breach(case, "response", leg, 17, **step("grid_chief"))
    case = event.data["case"]
    assert (holder(case), case["legs"][-1]["step"]) == (chief, 2)
    other = routing.open(at=20)
    _, chief, desk = (r.assignee.id for r in people(routing).ladder(holder(other)))
    roster.away.add(chief)
    [event] = routing.breach(other, "response", other["legs"][0]["id"], 40, **step("grid_chief"))
    assert holder(event.data["case"]) == desk
    third = routing.open(at=50)
    [event] = routing.breach(third, "response", third["legs"][0]["id"], 70, **step("county"))
    assert holder(event.data["case"]) == "desk-350921000"


@pytest.mark.store
def test_who_accepted_it_keeps_it_unless_the_ladder_says_otherwise(routing: Any) -> None:
    case = routing.open()
    leg = case["legs"][0]["id"]
    leader = people(routing).ladder(holder(case))[0].assignee.id
    routing.move(case["id"], leg, "accept", 1)
    [event] = routing.breach(case, "finish", leg, 5000, **step("grid_leader", "notify"))
    assert event.data["case"]["legs"][-1]["kind"] == "supervise"
    [event] = routing.breach(case, "finish", leg, 5030, **step("grid_leader"))
    now = event.data["case"]
    assert [(held["assignee"]["id"], held["state"]) for held in now["legs"] if held["kind"] == "handle"] == [
        (case["legs"][0]["assignee"]["id"], "reassigned"),
        (leader, "offered"),
    ]
    assert "上级接办" in now["legs"][-1]["reason"]


@pytest.mark.store
def test_only_steps_that_do_something_are_taken_from_the_bus(routing: Any) -> None:
    [handler] = [h for h in handlers.HANDLERS if h.pattern == "clock.escalated"]
    assert handler.wants is not None
    case = routing.open()
    base = {
        "id": "c",
        "kind": "finish",
        "state": "breached",
        "case": case["id"],
        "case_sequence": 2,
        "street": case["street"],
        "limit": 1,
        "started_at": case["opened_at"],
        "due_at": case["opened_at"],
        "percent": 101,
        "at": case["opened_at"],
    }
    for more, wanted in ((step("grid_leader"), True), (step("desk", "notify"), True), ({}, False)):
        event = routing.event("clock.escalated", {"clock": {**base, **more}}, "/jiayuan/sla")
        assert handler.wants(event) is wanted
