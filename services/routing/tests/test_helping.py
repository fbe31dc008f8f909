"""From a report to a mediator, to those whose means match, to a service point; and what they do with it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from jiayuan.contracts import ids
from jiayuan.routing import book, helping, store
from jiayuan.routing.interface import helping as told

pytestmark = pytest.mark.store

STREET, COMMUNITY = "350921001", "350921001001"
OTHER = "350921001002"
DESK = {"role": "desk", "street": STREET, "who": "d1"}
DIGEST = "ab" * 32
HAIR = {
    "kind": "wish",
    "title": "微心愿",
    "text": "奶奶行动不便，想请人上门理发",
    "category": {"code": "1503"},
}
QUARREL = {
    "kind": "dispute",
    "title": "楼上漏水",
    "text": "楼上漏水，与邻居争执",
    "category": {"code": "1501"},
    "importance": 2,
}
MEAL = {
    "kind": "appointment",
    "title": "预约",
    "text": "老人想预约助餐",
    "category": {"code": "1505"},
    "importance": 1,
    "urgency": 1,
}


def holders(case: dict[str, Any], *states: str) -> list[str]:
    return [
        leg["assignee"]["id"] for leg in case["legs"] if leg["state"] in (states or ("offered", "accepted"))
    ]


def leg_of(case: dict[str, Any], who: str) -> str:
    return str(next(leg["id"] for leg in reversed(case["legs"]) if leg["assignee"]["id"] == who))


def volunteer(who: str) -> dict[str, str]:
    return {"role": "cadre" if who.startswith("c") else "volunteer", "who": who}


# -- wishes ------------------------------------------------------------------------------------------


def test_a_wish_is_offered_to_three_whose_means_match(helped: Any) -> None:
    case = helped.open(**HAIR)
    assert len(holders(case)) == 3
    assert set(holders(case)) <= {"v1", "v2", "v3", "v4", "v5", "c1"}
    assert [o["id"] for o in case["offered_to"]] == holders(case)
    assert {leg["response_limit"] for leg in case["legs"]} == {86400}
    assert "先认领者办理" in case["decision"]["reason"]
    with helped.work() as work:
        rows = store.offers_of(work, case["id"])
        assert store.wish_of(work, case["id"])["needs"][0] == ["理发"]
    assert all(r["score"] == 90 and "会理发" in r["reasons"] and r["state"] == "offered" for r in rows)


def test_nobody_fits_and_the_grid_has_it_as_before(helped: Any) -> None:
    case = helped.open(**{**HAIR, "text": "想请人教我开飞机"}, place={"street": "350921002"})
    assert "offered_to" not in case
    assert case["legs"][0]["assignee"]["id"].startswith("p")


def test_offers_go_round(helped: Any) -> None:
    first, second = (set(holders(helped.open(at=n, **HAIR))) for n in (0, 1))
    assert not first & second
    assert len(first | second) == 6


def test_the_first_to_take_it_has_it(helped: Any, helped_client: Any) -> None:
    case = helped.open(**HAIR)
    first, second, third = holders(case)
    path = f"/cases/{case['id']}/offers/take"
    status, found = helped_client("GET", "/offers", **volunteer(first))
    assert (status, [o["case"]["id"] for o in found["offers"]]) == (200, [case["id"]])
    assert told.MyOffers().validate(found) == {}
    status, found = helped_client("POST", path, {}, **volunteer(second))
    assert status == 200, found
    now = helped.case(case["id"])
    assert now["state"] == "accepted"
    assert holders(now, "accepted") == [second]
    assert set(holders(now, "released")) == {first, third}
    assert [o["id"] for o in now["offered_to"] if o.get("took_at")] == [second]
    status, refused = helped_client("POST", path, {}, **volunteer(first))
    assert (status, refused["state"]) == (409, "accepted")
    assert helped_client("POST", path, {}, **volunteer(second))[0] == 200  # again is no error
    assert helped_client("GET", "/offers", **volunteer(first))[1] == {"offers": []}
    outsider = next(v for v in ("v1", "v2", "v3", "v4") if v not in (first, second, third))
    assert helped_client("POST", path, {}, **volunteer(outsider))[0] == 403


def test_of_many_at_once_one_has_it(helped: Any, helped_client: Any) -> None:
    for _ in range(5):
        case = helped.open(**HAIR)
        who = holders(case)
        with ThreadPoolExecutor(3) as pool:
            path = f"/cases/{case['id']}/offers/take"
            got = list(pool.map(lambda w, p=path: helped_client("POST", p, {}, **volunteer(w))[0], who))
        assert sorted(got) == [200, 409, 409]
        now = helped.case(case["id"])
        assert holders(now, "accepted") == [who[got.index(200)]]
        assert len(holders(now, "released")) == 2


def test_lapsed_offers_go_to_the_next_and_then_to_the_party_group(helped: Any) -> None:
    case = helped.open(**HAIR)
    asked = set(holders(case))
    for n, leg in enumerate([leg["id"] for leg in case["legs"]]):
        case = helped.breach(case, "response", leg, 1441 + n)[-1].data["case"]
    # Six cut hair: the other three are asked now.
    second = set(holders(case))
    assert len(second) == 3
    assert not second & asked
    assert len(case["offered_to"]) == 6
    for n, leg in enumerate([leg["id"] for leg in case["legs"] if leg["state"] == "offered"]):
        case = helped.breach(case, "response", leg, 2900 + n)[-1].data["case"]
    [last] = [leg for leg in case["legs"] if leg["state"] == "offered"]
    with helped.work() as work:
        people = book.of(work).directory.people
        assert people[last["assignee"]["id"]].role == "chief"  # of a place known to the community only
    assert "党小组" in last["reason"]
    assert len(case["legs"]) == 7
    # And it goes on up from there as every case.
    [event] = helped.breach(case, "response", last["id"], 2930)
    assert holders(event.data["case"])[-1] == f"desk-{STREET}"


def test_a_lapse_that_comes_twice_or_late_does_nothing(helped: Any) -> None:
    case = helped.open(**HAIR)
    first = case["legs"][0]["id"]
    assert len(helped.breach(case, "response", first, 1441)) == 1
    assert helped.breach(case, "response", first, 1442) == []
    helped.move(case["id"], case["legs"][1]["id"], "accept", 1443)
    assert helped.breach(case, "response", case["legs"][2]["id"], 1444) == []


def test_declined_offers_go_to_the_next_and_nobody_is_asked_twice(helped: Any, helped_client: Any) -> None:
    case = helped.open(**HAIR)
    asked = holders(case)
    for who in asked:
        path = f"/cases/{case['id']}/offers/decline"
        assert helped_client("POST", path, {}, **volunteer(who))[0] == 422  # a reason is needed
        status, found = helped_client("POST", path, {"note": "这周没空"}, **volunteer(who))
        assert status == 200, found
    now = helped.case(case["id"])
    assert holders(now, "refused") == asked
    assert len(holders(now, "offered")) == 3
    assert not set(holders(now, "offered")) & set(asked)


def test_who_took_it_and_cant_gives_it_to_the_next(helped: Any) -> None:
    case = helped.open(**HAIR)
    who = holders(case)[0]
    helped.move(case["id"], leg_of(case, who), "accept", 5)
    events = helped.move(case["id"], leg_of(case, who), "return", 10)
    now = events[-1].data["case"]
    assert len(holders(now, "offered")) == 3
    assert who not in holders(now, "offered")


def test_a_unit_s_own_system_declines_and_takes_as_people_do(helped: Any) -> None:
    case = helped.open(**HAIR)
    with helped.work(5) as work:
        known = book.of(work)
        from jiayuan.routing.moving import Moving

        moving = Moving(work, [case["id"]])
        found = moving.cases[case["id"]]
        moves = helping.offered(
            work, known, found, helping.matching.Wanted(), "d1", "请单位认领", ["U02"], None
        )
        moving.take(moves[-1].case, moves)
        moving.save()
    assert holders(helped.case(case["id"]), "offered") == ["U02"]
    work = helped.handled(case["id"], "U02", "accept", 10)
    assert work.refused == []
    assert holders(helped.case(case["id"]), "accepted") == ["U02"]


def test_done_by_a_volunteer(helped: Any, helped_client: Any) -> None:
    case = helped.open(**HAIR)
    who = holders(case)[1]
    leg = leg_of(case, who)
    for action in ("accept", "answer", "resolve"):
        status, found = helped_client(
            "POST", f"/cases/{case['id']}/legs/{leg}/{action}", {"note": "已约好"}, **volunteer(who)
        )
        assert status == 200, found
    assert helped.case(case["id"])["state"] == "resolved"


def test_the_desk_sees_who_matches_and_has_anything_offered(helped: Any, helped_client: Any) -> None:
    case = helped.open()  # a problem that a grid worker has been given
    path = f"/cases/{case['id']}"
    assert told.Matches().validate(helped_client("GET", f"{path}/matches?need=理发", **DESK)[1]) == {}
    status, found = helped_client("GET", f"{path}/matches?need=x", **DESK)
    assert (status, found["matches"]) == (200, [])
    body = {"needs": ["理发"], "languages": ["闽东话"], "most": 2, "reason": "独居老人需要上门理发"}
    status, found = helped_client("POST", f"{path}/offers", body, **DESK)
    assert status == 201, found
    now = helped.case(case["id"])
    assert holders(now, "offered")[0] == "v1"
    assert len(holders(now, "offered")) == 2
    assert holders(now, "released") == [case["legs"][0]["assignee"]["id"]]
    status, found = helped_client("GET", f"{path}/offers", **DESK)
    assert [o["helper"] for o in found["offers"]] == holders(now, "offered")
    assert told.Offers().validate(found) == {}
    assert "会说闽东话" in found["offers"][0]["reasons"]
    mine = helped_client("GET", f"{path}/offers", **volunteer("v1"))[1]["offers"]
    assert [o["helper"] for o in mine] == ["v1"]
    assert helped_client("POST", f"{path}/offers", body, role="desk", street="350921002")[0] == 403
    status, refused = helped_client("POST", f"{path}/offers", {"to": ["nobody"], "reason": "请认领"}, **DESK)
    assert (status, refused["errors"][0]["field"]) == (422, "to")
    helped.move(case["id"], leg_of(now, "v1"), "accept", 5)
    assert helped_client("POST", f"{path}/offers", body, **DESK)[0] == 409


# -- disputes ----------------------------------------------------------------------------------------


def test_a_dispute_goes_to_a_mediator_in_turn(helped: Any) -> None:
    cases = [
        helped.open(at=n, **{**QUARREL, "category": {"code": "1506"}, "text": "两人争执", "title": "争执"})
        for n in range(4)
    ]
    assert [holders(c) for c in cases] in ([["m1"], ["m2"]] * 2, [["m2"], ["m1"]] * 2)
    assert all(c["mediation"]["mediator"] == holders(c)[0] for c in cases)
    assert "已请评理员" in cases[0]["decision"]["reason"]
    assert cases[0]["legs"][0]["response_limit"] == 4 * 3600


def test_who_knows_such_disputes_is_asked_first_and_a_great_one_goes_to_a_team(helped: Any) -> None:
    family = helped.open(**{**QUARREL, "title": "赡养", "text": "兄弟为赡养老人争执"})
    assert holders(family) == ["m3"]
    assert "team" not in family["mediation"]
    great = helped.open(at=1, **{**QUARREL, "importance": 3})
    assert (great["mediation"]["team"], holders(great)) == ("T1", ["m3"])
    elsewhere = helped.open(at=2, **QUARREL, place={"street": "350921002"})
    assert "mediation" not in elsewhere  # nobody mediates there: the grid has it, as before


def test_no_answer_of_a_mediator_goes_up_the_ladder(helped: Any) -> None:
    case = helped.open(**QUARREL)
    [event] = helped.breach(case, "response", case["legs"][0]["id"], 300)
    with helped.work() as work:
        assert book.of(work).directory.people[holders(event.data["case"])[0]].role == "chief"


@pytest.fixture
def accepted(helped: Any, helped_client: Any) -> Any:
    """A dispute that its mediator has accepted: (case, a call as the mediator)."""
    case = helped.open(**QUARREL)
    who = {"role": "mediator", "who": holders(case)[0]}

    def call(method: str, path: str, body: Any = None, **other: str) -> Any:
        return helped_client(method, f"/cases/{case['id']}{path}", body, **(other or who))

    assert (
        call("POST", "/mediation/sessions", {"at": "2026-03-03T09:30:00+08:00", "place": "评理室"})[0] == 409
    )
    assert call("POST", f"/legs/{case['legs'][0]['id']}/accept", {})[0] == 200
    return case, call


SESSION = {"at": "2026-03-02T09:30:00+08:00", "point": "SP1"}
AGREED = {
    "parties": 2,
    "present": ["party-a", "party-b"],
    "minutes": DIGEST,
    "outcome": "agreed",
    "reason": "楼上承担维修，楼下不再追究，请联系13900000000",
    "agreement": {"digest": DIGEST, "perform_by": "2026-03-20"},
}


def test_a_session_an_agreement_and_a_look_whether_it_was_done(
    helped: Any, accepted: Any, helped_client: Any
) -> None:
    case, call = accepted
    status, found = call("POST", "/mediation/sessions", SESSION)
    assert (status, found["number"], found["sessions"][0]["state"]) == (201, 1, "fixed")
    assert told.Fixed().validate(found) == {}
    helped.opened.clock.time = helped.opened.clock.time.replace(hour=3)
    status, found = call("POST", "/mediation/sessions/1/outcome", AGREED)
    assert (status, found["state"], found["outcome"]) == (200, "resolved", "agreed"), found
    assert told.Concluded().validate(found) == {}
    assert told.Mediation().validate(call("GET", "/mediation")[1]) == {}
    assert found["agreement"] == {
        "digest": DIGEST,
        "perform_by": "2026-03-20",
        "check_on": "2026-03-27",
        "performed": None,
        "checked_at": None,
        "checked_by": None,
    }
    [held] = found["sessions"]
    assert (held["state"], held["parties"], held["present"]) == ("held", 2, ["party-a", "party-b"])
    now = helped.case(case["id"])
    assert "13900000000" not in str(now) + str(found)
    assert (now["mediation"]["outcome"], now["mediation"]["agreement"]) == ("agreed", DIGEST)
    assert now["mediation"]["sessions"][0]["place"] == "例近邻中心1"
    assert call("POST", "/mediation/sessions/1/outcome", AGREED)[0] == 409  # it has been held

    due = helped_client("GET", "/mediations/due?until=2026-03-27", **DESK)[1]["mediations"]
    assert [d["number"] for d in due] == [case["number"]]
    assert told.Due().validate({"mediations": due}) == {}
    assert helped_client("GET", "/mediations/due?until=2026-03-26", **DESK)[1] == {"mediations": []}
    other = {"role": "desk", "street": "350921002"}
    assert helped_client("GET", "/mediations/due?until=2026-03-27", **other)[1] == {"mediations": []}
    status, found = call("POST", "/mediation/follow-up", {"performed": "no", "note": "尚未维修"})
    assert (status, found["reopened"], found["state"]) == (200, True, "assigned")
    assert told.FollowedUp().validate(found) == {}
    assert holders(helped.case(case["id"]), "offered") == [f"desk-{STREET}"]
    assert helped_client("GET", "/mediations/due?until=2026-12-31", **DESK)[1] == {"mediations": []}


def test_adjourned_then_failed_and_on_to_the_justice_bureau(helped: Any, accepted: Any) -> None:
    case, call = accepted
    assert call("POST", "/mediation/sessions", SESSION)[0] == 201
    helped.opened.clock.time = helped.opened.clock.time.replace(hour=3)
    again = {"at": "2026-03-04T09:30:00+08:00", "place": "社区评理室"}
    body = {"parties": 1, "outcome": "adjourned", "reason": "一方未到", "again": again}
    status, found = call("POST", "/mediation/sessions/1/outcome", body)
    assert (status, [s["state"] for s in found["sessions"]]) == (200, ["held", "fixed"]), found
    assert helped.case(case["id"])["state"] == "accepted"
    helped.opened.clock.time = helped.opened.clock.time.replace(day=4)
    body = {"parties": 2, "outcome": "failed", "reason": "分歧较大"}
    status, refused = call("POST", "/mediation/sessions/2/outcome", body)
    assert (status, refused["errors"][0]["field"]) == (422, "next")
    body["next"] = {"step": "justice_office", "unit": "U27"}
    status, found = call("POST", "/mediation/sessions/2/outcome", body)
    assert (status, found["next_step"], found["next_unit"]) == (200, "justice_office", "U27"), found
    now = helped.case(case["id"])
    assert holders(now, "offered") == ["U27"]
    assert "司法所" in now["legs"][-1]["reason"]


def test_failed_with_advice_only_is_done(helped: Any, accepted: Any) -> None:
    case, call = accepted
    assert call("POST", "/mediation/sessions", SESSION)[0] == 201
    helped.opened.clock.time = helped.opened.clock.time.replace(hour=3)
    body = {"parties": 2, "outcome": "failed", "reason": "分歧较大", "next": {"step": "court"}}
    assert call("POST", "/mediation/sessions/1/outcome", body)[0] == 200
    assert helped.case(case["id"])["state"] == "resolved"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"agreement": None}, "agreement"),
        ({"agreement": {"digest": DIGEST, "perform_by": "2026-02-30"}}, "agreement.perform_by"),
        ({"agreement": {"digest": DIGEST, "perform_by": "2026-01-01"}}, "agreement.perform_by"),
        (
            {"agreement": {"digest": DIGEST, "perform_by": "2026-03-20", "check_on": "2026-03-19"}},
            "agreement.check_on",
        ),
        ({"agreement": {"digest": "AB", "perform_by": "2026-03-20"}}, "agreement.digest"),
        ({"next": {"step": "court"}}, "next"),
        ({"outcome": "settled"}, "outcome"),
        ({"parties": -1}, "parties"),
        ({"present": ["例王明"]}, "present.0"),
        ({"held_at": "2027-01-01T00:00:00Z"}, "held_at"),
        ({"outcome": "failed", "agreement": None, "next": {"step": "court", "unit": "U999"}}, "next.unit"),
        (
            {
                "outcome": "adjourned",
                "agreement": None,
                "again": {"at": "2020-01-01T00:00:00Z", "place": "x"},
            },
            "again.at",
        ),
    ],
)
def test_what_is_refused_names_the_field(
    helped: Any, accepted: Any, change: dict[str, Any], field: str
) -> None:
    case, call = accepted
    assert call("POST", "/mediation/sessions", SESSION)[0] == 201
    helped.opened.clock.time = helped.opened.clock.time.replace(hour=3)
    before = helped.case(case["id"])
    status, refused = call("POST", "/mediation/sessions/1/outcome", {**AGREED, **change})
    assert status == 422
    assert field in [e["field"] for e in refused["errors"]], refused
    assert helped.case(case["id"]) == before


def test_who_may_mediate(helped: Any, accepted: Any) -> None:
    case, call = accepted
    mine = holders(case)[0]
    other = "m2" if mine == "m1" else "m1"
    assert call("POST", "/mediation/sessions", SESSION, role="mediator", who=other)[0] == 403
    assert call("POST", "/mediation/sessions", SESSION, role="desk", street="350921002")[0] == 403
    assert call("POST", "/mediation/sessions", SESSION, **DESK)[0] == 201
    assert call("GET", "/mediation", **DESK)[1]["mediator"] == mine
    [read] = helped.rows("SELECT who, subject, why FROM read_log WHERE why LIKE '%mediation'")
    assert tuple(read) == ("d1", case["number"], f"desk of {STREET}: mediation")
    assert call("GET", "/mediation", role="grid_worker", who="p00001")[0] == 403
    assert call("POST", "/mediation/sessions", {**SESSION, "sequence": 1}, **DESK)[0] == 409
    status, refused = call("POST", "/mediation/sessions/9/outcome", AGREED)
    assert (status, refused["errors"][0]["field"]) == (422, "number")
    status, refused = call("POST", "/mediation/follow-up", {"performed": "yes", "note": "已修好"})
    assert (status, refused["errors"][0]["problem"]) == (422, "there is no agreement to look after")


def test_what_is_no_dispute_has_no_mediation(helped: Any, helped_client: Any) -> None:
    case = helped.open(**HAIR)
    helped.move(case["id"], case["legs"][0]["id"], "accept", 1)
    assert helped_client("GET", f"/cases/{case['id']}/mediation", **DESK)[0] == 404
    assert helped_client("POST", f"/cases/{case['id']}/mediation/sessions", SESSION, **DESK)[0] == 409


# -- appointments ------------------------------------------------------------------------------------


def test_an_appointment_goes_to_the_nearest_point_with_room(helped: Any) -> None:
    case = helped.open(**MEAL)
    assert case["point"] == "SP1"
    assert "例近邻中心1：提供老年助餐，同一社区，现在开放" in case["decision"]["reason"]
    with helped.work() as work:
        worker = book.of(work).directory.people[holders(case)[0]]
        assert (worker.role, worker.community) == ("worker", COMMUNITY)
    assert helped.open(at=1, **MEAL, place={"street": STREET, "community": OTHER})["point"] == "SP2"


def test_room_is_never_given_twice(helped: Any, helped_replica: Any) -> None:
    # Six slots of one seat are ahead at nine o'clock at each of the two points.
    def many(process: Any) -> list[str]:
        return [process.open(**MEAL)["point"] + str(process.open(**MEAL).get("point")) for _ in range(6)]

    with ThreadPoolExecutor(2) as pool:
        for _ in pool.map(many, (helped, helped_replica)):
            pass
    rows = helped.rows(
        "SELECT point, day, count(*), count(DISTINCT number) FROM visit GROUP BY 1, 2 ORDER BY 2, 1"
    )
    assert sum(r[2] for r in rows) == 24
    assert [tuple(r)[2:] for r in rows[:2]] == [(6, 6), (6, 6)]
    assert all(r[2] == r[3] <= 8 for r in rows)


def test_a_booked_seat_stays_what_was_booked(helped: Any, helped_client: Any) -> None:
    booked = {"point": "SP2", "service": "老年助餐", "starts_at": "2026-03-04T01:30:00.000000Z"}
    case = helped.open(**MEAL, appointment=booked)
    assert case["point"] == "SP2"
    with helped.work() as work:
        assert book.of(work).directory.people[holders(case)[0]].community == OTHER
    status, found = helped_client("GET", "/points/SP2/visits?day=2026-03-04", **DESK)
    assert status == 200
    assert [(v["case"], v["starts_at"]) for v in found["visits"]] == [(case["number"], booked["starts_at"])]
    assert found["room"] == 7
    assert told.Visits().validate(found) == {}
    assert helped_client("GET", "/points/SP2/visits", role="desk", street="350921002")[0] == 403
    assert helped_client("GET", "/points/SP9/visits", **DESK)[0] == 404
    assert helped_client("GET", "/points/SP2/visits?day=2026-02-30", **DESK)[0] == 422
    # Who takes it back needs no place any more.
    helped.said("report.withdrawn", case["reports"][0]["id"], 5, reason="不去了")
    found = helped_client("GET", "/points/SP2/visits?day=2026-03-04", **DESK)[1]
    assert (found["visits"], found["room"]) == ([], 8)


def test_a_booked_point_that_routing_doesn_t_know(helped: Any) -> None:
    booked = {"point": "SP-NEW", "service": "老年助餐", "starts_at": "2026-03-04T01:30:00.000000Z"}
    case = helped.open(**MEAL, appointment=booked)
    assert case["point"] == "SP-NEW"
    assert case["legs"][0]["assignee"]["id"].startswith("p")


def test_to_another_point(helped: Any, helped_client: Any) -> None:
    case = helped.open(**MEAL)
    worker = {"role": "grid_worker", "who": holders(case)[0]}
    path = f"/cases/{case['id']}/point"
    status, found = helped_client("POST", path, {"reason": "离女儿家近", "service": "助餐"}, **worker)
    assert (status, found["case"]["point"]) == (200, "SP2"), found
    assert (
        helped_client("POST", path, {"reason": "改回", "point": "SP1"}, **DESK)[1]["case"]["point"] == "SP1"
    )
    assert helped_client("POST", path, {"reason": "改", "point": "SP9"}, **DESK)[0] == 422
    stranger = next(p for p in ("p00020", "p00021") if p != worker["who"])
    assert helped_client("POST", path, {"reason": "改"}, role="grid_worker", who=stranger)[0] == 403
    assert helped.rows("SELECT count(*) FROM visit")[0][0] == 1


def test_danger_and_what_is_a_department_s_is_not_offered(helped: Any) -> None:
    fire = [{"code": "fire", "call": "119"}]
    for fields in (HAIR, QUARREL, MEAL):
        case = helped.open(**{**fields, "signs": fire})
        assert case["legs"][0]["assignee"] == {"type": "unit", "id": "U05"}
        assert not {"offered_to", "mediation", "point"} & case.keys()


def test_a_batch_of_all_kinds_at_once(helped: Any) -> None:
    reports = [helped.report(id=ids.new_id(), **f) for f in (HAIR, QUARREL, MEAL, HAIR, MEAL, {})]
    events = helped.receive(*reports)
    assert len(events) == 12
    assert {len(e.data["case"]["legs"]) for e in events if e.sequence == 2} == {1, 3}


# -- the command line --------------------------------------------------------------------------------


def test_the_command_line(helped: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from jiayuan.routing.cli import routing as command

    monkeypatch.setenv("JIAYUAN_DATABASE_URL", helped.opened.settings.database_url)

    def run(*words: str, code: int = 0) -> str:
        done = CliRunner().invoke(command, list(words))
        assert done.exit_code == code, (words, done.output)
        return done.output

    wish = helped.open(**HAIR)
    assert "3 match" in run("wish", "match", wish["number"])
    assert run("wish", "offers", wish["id"]).count("第1轮") == 3
    body = '{"to": ["v1"], "reason": "请认领"}'
    assert "offered to v1" in run("wish", "offer", wish["number"], "--json", body)
    assert "--json" in run("wish", "offer", wish["number"], "--json", "{", code=1)
    assert "reason" in run("wish", "offer", wish["number"], "--json", "{}", code=1)
    quarrel = helped.open(at=1, **QUARREL)
    assert "before no mediator" in run("mediation", "show", wish["number"], code=1)
    session = '{"at": "2099-03-03T09:30:00+08:00", "place": "评理室"}'
    run("mediation", "session", quarrel["number"], "--json", session, code=1)  # not accepted yet
    helped.move(quarrel["id"], quarrel["legs"][0]["id"], "accept", 2)
    assert "session 1" in run("mediation", "session", quarrel["number"], "--json", session)
    assert '"state": "fixed"' in run("mediation", "show", quarrel["number"])
    wrong = '{"parties": 2, "outcome": "agreed", "reason": "x"}'
    assert "agreement: is missing" in run(
        "mediation", "outcome", quarrel["number"], "1", "--json", wrong, code=1
    )
    assert "0 due" in run("mediation", "due")
    follow = '{"performed": "yes", "note": "已履行"}'
    assert "no agreement" in run("mediation", "follow-up", quarrel["number"], "--json", follow, code=1)
    assert "SP1" in run("point", "find", COMMUNITY, "--service", "助餐").splitlines()[0]
    assert "no service point offers" in run("point", "find", COMMUNITY, "--service", "潜水", code=1)
    booked = {"point": "SP2", "service": "助餐", "starts_at": "2026-03-04T01:30:00.000000Z"}
    helped.open(at=3, **MEAL, appointment=booked)
    assert "09:30" in run("point", "visits", "SP2", "--day", "2026-03-04")
    assert run("point", "visits", "SP2", "--day", "soon", code=2)
