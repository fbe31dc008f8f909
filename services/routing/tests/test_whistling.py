"""A whistle from the first call to the end, by HTTP, the command line and departments' own systems at once."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from jiayuan.contracts.times import parse
from jiayuan.routing import store
from jiayuan.routing.case import whistle as whistles

from .conftest import COMMUNITY, CONVENER, STREET, Client

pytestmark = pytest.mark.store

DESK = {"role": "desk", "who": "desk-1", "street": STREET}
OTHER_DESK = {"role": "desk", "who": "desk-9", "street": "350921002"}
COUNTY = {"role": "county", "who": "county-1"}
SEAT = {"role": "convener", "who": CONVENER, "street": STREET}
REASON = "沿街占道反复回潮，街道劝离无效"
ASSIST = ["U02", "U03", "U04", "U05", "U07"]
DIGEST = "ab" * 32


def clerk(unit: str) -> dict[str, str]:
    return {"role": "unit_clerk", "unit": unit, "who": f"clerk-{unit}"}


def whistle(**more: Any) -> dict[str, Any]:
    return {"ground": "public_matter", "lead": "U01", "assistants": ASSIST, "reason": REASON, **more}


@pytest.fixture
def called(routing: Any, client: Any) -> dict[str, Any]:
    """A case of a grid worker for which six units were whistled."""
    case = routing.open()
    status, answer = client("POST", f"/cases/{case['number']}/whistle", whistle(), **DESK)
    assert status == 200, answer
    return answer["case"]  # type: ignore[no-any-return]


def leg(case: dict[str, Any], unit: str) -> str:
    return [x["id"] for x in case["legs"] if x["assignee"]["id"] == unit][-1]  # type: ignore[no-any-return]


def live(case: dict[str, Any]) -> dict[str, str]:
    """Who has a live leg, and as what."""
    return {
        x["assignee"]["id"]: x["kind"]
        for x in case["legs"]
        if x["state"] in ("offered", "accepted", "answered")
    }


def do(
    client: Any, case: dict[str, Any], unit: str, move: str, body: Any = None
) -> tuple[int, dict[str, Any]]:
    return client("POST", f"/cases/{case['number']}/legs/{leg(case, unit)}/{move}", body, **clerk(unit))  # type: ignore[no-any-return]


# -- calling -----------------------------------------------------------------------------------------


def test_a_desk_whistles_six_units_each_with_its_own_clock(called: dict[str, Any]) -> None:
    assert live(called) == {"U01": "lead", **dict.fromkeys(ASSIST, "assist")}
    units = [x for x in called["legs"] if x["assignee"]["type"] == "unit"]
    assert {x["report_in_limit"] for x in units} == {86400}
    assert {x["response_limit"] for x in units} == {86400}
    assert {x["finish_limit"] for x in units} == {called["legs"][0]["finish_limit"]}
    assert called["legs"][0]["state"] == "reassigned"
    assert called["whistle"]["by"] == "desk-1"


def test_an_emergency_is_answered_sooner(routing: Any, client: Any) -> None:
    case = routing.open()
    body = whistle(ground="emergency", reason="燃气泄漏")
    _, answer = client("POST", f"/cases/{case['number']}/whistle", body, **DESK)
    units = [x for x in answer["case"]["legs"] if x["assignee"]["type"] == "unit"]
    assert {(x["report_in_limit"], x["response_limit"]) for x in units} == {(600, 900)}


def test_the_policy_whistles_too(routing: Any) -> None:
    """A lead with assistants is a whistle; one unit alone is sent the case."""
    together = routing.open(signs=[{"code": "fire", "call": "119"}])
    assert {x["report_in_limit"] for x in together["legs"]} == {600}
    alone = routing.open(category={"code": "0102", "name": "路灯照明"})
    assert [x.get("report_in_limit") for x in alone["legs"]] == [None]


def test_whoever_assigns_units_whistles_with_the_same_clock(routing: Any, client: Any) -> None:
    case = routing.open()
    body = {
        "assignee": {"type": "unit", "id": "U01"},
        "assistants": ["U02"],
        "reason": REASON,
        "ground": "emergency",
    }
    _, answer = client("POST", f"/cases/{case['number']}/assignments", body, **DESK)
    assert [x.get("report_in_limit") for x in answer["case"]["legs"]] == [None, 600, 600]
    body = {"assignee": {"type": "unit", "id": "U02"}, "leg": leg(answer["case"], "U01"), "reason": "改派"}
    status, answer = client("POST", f"/cases/{case['number']}/assignments", body, **DESK)
    assert status == 409
    assert "has a leg of it already" in answer["detail"]


@pytest.mark.parametrize(
    ("more", "field", "allowed"),
    [
        ({"ground": "fun"}, "ground", "public_matter"),
        ({"reason": ""}, "reason", "1 to 500"),
        ({"reason": "占道"}, "reason", "at least 8 characters"),
        ({"lead": "U99"}, "lead", "the code of an active unit"),
        ({"assistants": ["U02", "U98"]}, "assistants", "the code of an active unit"),
        ({"assistants": ["U01"]}, "assistants", "other units than the lead"),
        ({"assistants": [f"U{i:02d}" for i in range(2, 15)]}, "assistants", "at most 12"),
        ({"units": []}, "units", ""),
    ],
)
def test_a_wrong_whistle_says_what_is_allowed(
    routing: Any, client: Any, more: dict[str, Any], field: str, allowed: str
) -> None:
    case = routing.open()
    status, answer = client("POST", f"/cases/{case['number']}/whistle", whistle(**more), **DESK)
    assert status == 422
    [problem] = answer["errors"]
    assert problem["field"] == field
    assert allowed in problem["allowed"]
    assert routing.case(case["id"]) == case


def test_who_may_whistle(routing: Any, client: Any) -> None:
    case = routing.open()
    path = f"/cases/{case['number']}/whistle"
    worker = {"role": "grid_worker", "who": case["legs"][0]["assignee"]["id"]}
    for who in (OTHER_DESK, SEAT, clerk("U01"), worker, {"role": "inspector", "who": "i"}):
        assert client("POST", path, whistle(), **who)[0] == 403, who
    assert client("POST", path, whistle())[0] == 401
    assert client("POST", path, whistle(), **COUNTY)[0] == 200


def test_a_chief_whistles_through_the_desk(routing: Any, client: Any) -> None:
    chiefs = dict(routing.rows("SELECT community, id FROM person WHERE role = 'chief'"))
    leaders = [
        r[0]
        for r in routing.rows("SELECT id FROM person WHERE role = 'leader' AND community = :c", c=COMMUNITY)
    ]
    chief = {"role": "grid_chief", "who": chiefs[COMMUNITY]}
    other = {"role": "grid_chief", "who": chiefs["350921001002"]}
    case = routing.open()
    path = f"/cases/{case['number']}/whistle"
    assert client("POST", path, whistle(), **other)[0] == 403
    status, answer = client("POST", path, whistle(), role="grid_leader", who=leaders[0])
    assert (status, "by the policy" in answer["detail"]) == (403, True)
    status, answer = client("POST", path, whistle(), **chief)
    assert status == 200
    [asked] = answer["case"]["approvals"]
    assert (asked["kind"], asked["of"], asked["limit"]) == ("whistle", f"desk-{STREET}", 3600)
    assert answer["case"]["whistle"] is None
    assert [a["id"] for a in client("GET", "/approvals", **DESK)[1]["approvals"]] == [asked["id"]]
    decision = f"/cases/{case['number']}/approvals/{asked['id']}/decision"
    assert client("POST", decision, {"granted": False}, **DESK)[0] == 422
    assert client("POST", decision, {"granted": True}, **OTHER_DESK)[0] == 403
    status, answer = client("POST", decision, {"granted": True, "note": "同意吹哨"}, **DESK)
    assert status == 200, answer
    assert answer["case"]["whistle"]["by"] == chiefs[COMMUNITY]
    assert live(answer["case"])["U01"] == "lead"
    assert client("GET", "/approvals", **DESK)[1]["approvals"] == []


# -- the whole way -----------------------------------------------------------------------------------


def test_six_units_to_the_end(client: Any, called: dict[str, Any]) -> None:
    path = f"/cases/{called['number']}"
    arrival = {"place": "沿江路口", "people": 6, "photos": [DIGEST], "note": "已到场，联系人13800000000"}
    status, answer = do(client, called, "U02", "arrive", arrival)
    assert status == 200, answer
    assert [
        (x["state"], "arrived_at" in x) for x in answer["case"]["legs"] if x["id"] == leg(called, "U02")
    ] == [("accepted", True)]
    assert do(client, called, "U03", "refuse", {"note": "该处不在本单位职责范围"})[0] == 200
    assert do(client, called, "U03", "accept")[0] == 409
    status, found = client("GET", f"{path}/whistle", **DESK)
    assert status == 200
    by_unit = {u["unit"]: u for u in found["units"]}
    assert by_unit["U02"]["arrival"] == {
        "by": "clerk-U02",
        "place": "沿江路口",
        "people": 6,
        "evidence": [DIGEST],
        "note": by_unit["U02"]["arrival"]["note"],
    }
    assert "13800000000" not in by_unit["U02"]["arrival"]["note"]
    assert (by_unit["U04"]["late"], by_unit["U04"]["reported_in_at"]) == (False, None)
    assert parse(by_unit["U04"]["report_in_by"]) > parse(called["opened_at"])
    [refusal] = found["refusals"]
    assert (refusal["unit"], refusal["of"], refusal["upheld"]) == ("U03", CONVENER, None)
    # The convener sees the case and names another unit.
    [waiting] = client("GET", "/legs", **SEAT)[1]["legs"]
    assert (waiting["leg"]["kind"], waiting["case"]["number"]) == ("convene", called["number"])
    decide = f"{path}/legs/{waiting['leg']['id']}/convene"
    assert client("POST", decide, {"decision": "name", "reason": "改由应急局"}, **SEAT)[0] == 422
    status, answer = client(
        "POST", decide, {"decision": "name", "unit": "U06", "reason": "改由应急局"}, **SEAT
    )
    assert status == 200, answer
    assert (
        client("POST", decide, {"decision": "name", "unit": "U06", "reason": "改由应急局"}, **SEAT)[0] == 200
    )
    case = answer["case"]
    assert live(case) == {
        "U01": "lead",
        "U02": "assist",
        **dict.fromkeys(("U04", "U05", "U06", "U07"), "assist"),
    }
    # More are called, the lead is handed over, one is let off.
    status, answer = client(
        "POST", f"{path}/call", {"units": ["U08", "U02"], "reason": "增加环保力量"}, **DESK
    )
    assert (status, live(answer["case"])["U08"]) == (200, "assist")
    status, answer = client(
        "POST", f"{path}/hand_over", {"unit": "U04", "keep": True, "reason": "职责调整"}, **SEAT
    )
    assert (status, answer["case"]["whistle"]["lead"]) == (200, "U04")
    case = answer["case"]
    for unit in ("U01", "U05"):
        release = f"{path}/legs/{leg(case, unit)}/release"
        assert client("POST", release, {"reason": "不必再来"}, **DESK)[0] == 200
    # It ends with the lead and every assistant.
    for unit in ("U04", "U02", "U06", "U07", "U08"):
        assert client("GET", path, **DESK)[1]["case"]["state"] != "resolved"
        do(client, case if unit != "U08" else answer["case"], unit, "accept")
        status, answer = do(client, answer["case"] if status == 200 else case, unit, "resolve")
        assert status == 200, answer
        answer["case"] = client("GET", path, **DESK)[1]["case"]
    assert client("GET", path, **DESK)[1]["case"]["state"] == "resolved"
    steps = [s["action"] for s in client("GET", path, **DESK)[1]["steps"]]
    assert steps[:10] == [
        "open",
        "assign",
        "whistle",
        "accept",
        "arrive",
        "refuse",
        "name",
        "call",
        "hand_over",
        "release",
    ]


def test_an_upheld_call_is_not_refused_again_by_any_way(
    routing: Any, client: Any, called: dict[str, Any]
) -> None:
    """U02's own system speaks over the bus."""
    done = routing.handled(called["number"], "U02", "refuse", 5, note="该处不在本单位职责范围")
    assert done.refused == []
    case = routing.case(called["id"])
    path = f"/cases/{called['number']}"
    convene = f"{path}/legs/{case['legs'][-1]['id']}/convene"
    body = {"decision": "uphold", "reason": "属于贵单位职责"}
    assert client("POST", convene, body, **clerk("U02"))[0] == 403
    assert client("POST", convene, body, **{**SEAT, "who": "other", "street": "350921002"})[0] == 403
    status, answer = client("POST", convene, body, **SEAT)
    assert (status, live(answer["case"])["U02"]) == (200, "assist")
    again = routing.handled(called["number"], "U02", "refuse", 7, note="该处不在本单位职责范围")
    [(_, [problem])] = again.refused
    assert problem.field == "data.action"
    assert "can't refuse any more" in problem.problem
    assert "accept" in problem.allowed
    returned = routing.handled(called["number"], "U02", "return", 7, note="不归我管")
    assert "can't refuse any more" in returned.refused[0][1][0].problem
    arrived = routing.handled(
        called["number"], "U02", "arrive", 8, place="沿江路", people=3, evidence=[DIGEST]
    )
    assert arrived.refused == []
    [row] = routing.rows("SELECT evidence FROM case_step WHERE action = 'arrive'")
    assert row[0][0] == DIGEST
    assert orjson.loads(row[0][1])["people"] == 3


def test_a_clerk_sees_who_works_beside_and_not_what_they_wrote(
    routing: Any, client: Any, called: dict[str, Any]
) -> None:
    do(client, called, "U02", "arrive", {"place": "沿江路口", "people": 6, "note": "内部说明"})
    do(client, called, "U03", "refuse", {"note": "该处不在本单位职责范围"})
    _, found = client("GET", f"/cases/{called['number']}/whistle", **clerk("U04"))
    by_unit = {u["unit"]: u for u in found["units"]}
    assert by_unit["U02"]["arrived_at"]
    assert "arrival" not in by_unit["U02"]
    assert found["refusals"] == []
    assert "reason" not in found["whistle"]
    assert client("GET", f"/cases/{called['number']}/whistle", **clerk("U40"))[0] == 403
    other = routing.open()
    assert client("GET", f"/cases/{other['number']}/whistle", **DESK)[0] == 404


# -- clocks and the meeting --------------------------------------------------------------------------


def test_a_unit_that_does_not_report_in_is_looked_over(routing: Any, called: dict[str, Any]) -> None:
    [event] = routing.breach(called, "report_in", leg(called, "U05"), 1441)
    case = event.data["case"]
    assert (case["legs"][-1]["kind"], case["legs"][-1]["assignee"]["id"]) == ("supervise", f"desk-{STREET}")
    assert routing.breach(called, "report_in", leg(called, "U07"), 1442) == []


def test_what_the_convener_leaves_goes_to_the_meeting(
    routing: Any, client: Any, called: dict[str, Any]
) -> None:
    path = f"/cases/{called['number']}"
    do(client, called, "U01", "refuse", {"note": "本单位无执法权限"})
    case = routing.case(called["id"])
    ask = case["legs"][-1]["id"]
    assert client("GET", "/whistles/unclaimed", **DESK)[1] == {"cases": []}
    [event] = routing.breach(called, "response", ask, 1500)
    assert (event.name, event.data["change"]["action"]) == ("case.changed", "unclaimed")
    assert routing.breach(called, "response", ask, 1501) == []
    [item] = client("GET", "/whistles/unclaimed", **SEAT)[1]["cases"]
    assert {k: item[k] for k in ("number", "why", "missing", "refused_by", "meeting")} == {
        "number": called["number"],
        "why": "undecided",
        "missing": "lead",
        "refused_by": ["U01"],
        "meeting": None,
    }
    assert item["at_work"] == ASSIST
    assert client("GET", "/whistles/unclaimed", **OTHER_DESK)[1] == {"cases": []}
    assert client("GET", f"/whistles/unclaimed?street={STREET}", **OTHER_DESK)[0] == 403
    agenda = {"meeting": "2026Q1-350921001", "reason": "列入一季度例会"}
    assert client("POST", f"{path}/agenda", agenda, **DESK)[0] == 403
    assert client("POST", f"{path}/agenda", agenda, **SEAT)[0] == 200
    assert client("GET", "/whistles/unclaimed", **COUNTY)[1]["cases"][0]["meeting"] == "2026Q1-350921001"
    body = {**agenda, "unit": "U13", "reason": "会议议定由林业局牵头"}
    status, answer = client("POST", f"{path}/meeting", {**body, "unit": "U99"}, **SEAT)
    assert (status, answer["errors"][0]["field"]) == (422, "unit")
    status, answer = client("POST", f"{path}/meeting", body, **SEAT)
    assert status == 200, answer
    assert answer["case"]["whistle"]["lead"] == "U13"
    assert answer["case"]["whistle"]["meeting"] == "2026Q1-350921001"
    assert live(answer["case"]) == {"U13": "lead", **dict.fromkeys(ASSIST, "assist")}
    assert client("GET", "/whistles/unclaimed", **COUNTY)[1] == {"cases": []}
    status, answer = do(client, answer["case"], "U13", "refuse", {"note": "仍然无法办理"})
    assert (status, "can't refuse any more" in answer["detail"]) == (409, True)


def test_a_case_that_all_were_let_go_from_is_listed_until_somebody_takes_it(
    routing: Any, client: Any
) -> None:
    case = routing.open()
    path = f"/cases/{case['number']}"
    client("POST", f"{path}/whistle", whistle(assistants=[]), **DESK)
    case = routing.case(case["id"])
    do(client, case, "U01", "refuse", {"note": "本单位无执法权限"})
    case = routing.case(case["id"])
    convene = f"{path}/legs/{case['legs'][-1]['id']}/convene"
    _, answer = client("POST", convene, {"decision": "release", "reason": "理由成立"}, **SEAT)
    assert live(answer["case"]) == {f"desk-{STREET}": "handle"}
    [item] = client("GET", "/whistles/unclaimed", **DESK)[1]["cases"]
    assert (item["why"], item["refused_by"], item["missing"]) == ("released", ["U01"], "lead")
    worker = case["legs"][0]["assignee"]["id"]
    body = {"assignee": {"type": "person", "id": worker}, "reason": "请网格员先维持秩序"}
    assert client("POST", f"{path}/assignments", body, **DESK)[0] == 200
    assert client("GET", "/whistles/unclaimed", **DESK)[1] == {"cases": []}


# -- the command line --------------------------------------------------------------------------------


@pytest.fixture
def run(routing: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`jiayuan routing whistle …`"""
    from click.testing import CliRunner

    from jiayuan.routing.cli import routing as command

    monkeypatch.setenv("JIAYUAN_DATABASE_URL", routing.opened.settings.database_url)
    return lambda *words: CliRunner().invoke(command, ["whistle", *words], catch_exceptions=False)


def test_the_command_line_whistles_and_shows(routing: Any, run: Any) -> None:
    case = routing.open()
    desk = ("--as", "desk-1", "--desk", STREET, "--operator", "例运维", "--why", "工作台电话要求")
    blow = ("blow", case["number"], "--ground", "public_matter", "--lead", "U01", "--assistant", "U04", *desk)
    refused = run(*blow, "--reason", "占道")
    assert refused.exit_code == 1
    assert "reason: is too short for public_matter" in refused.output
    assert run(*blow, "--reason", REASON).exit_code == 0
    case = routing.case(case["id"])
    seat = ("--as", CONVENER, "--convener", STREET, "--operator", "例运维", "--why", "召集人电话答复")
    clerk_ = ("--as", "clerk-U01", "--unit", "U01", "--operator", "例运维", "--why", "单位来电")
    assert run("refuse", case["number"], "--note", "本单位无执法权限", *clerk_).exit_code == 0
    shown = run("show", case["number"]).output
    assert "牵头 U01 县住房和城乡建设局  refused" in shown
    assert f"U01 拒绝：本单位无执法权限（待{CONVENER}裁定）" in shown
    assert run("unclaimed").output == "none\n"
    ask = routing.case(case["id"])["legs"][-1]["id"]
    routing.breach(case, "response", ask, 1500)
    listed = run("unclaimed", "--street", STREET).output
    assert "召集人到时未决定，无牵头" in listed
    assert "拒绝：U01" in listed
    meeting = ("--meeting", "2026Q1", "--reason", "会议议定", *seat)
    assert run("agenda", case["number"], *meeting).exit_code == 0
    assert "已列入 2026Q1" in run("unclaimed").output
    assert run("meeting", case["number"], "--to-unit", "U13", *meeting).exit_code == 0
    assert run("unclaimed").output == "none\n"
    assert "牵头 U13" in run("show", case["number"]).output
    assert (
        run(
            "arrive",
            case["number"],
            "--people",
            "4",
            "--place",
            "河边",
            "--as",
            "c",
            "--unit",
            "U13",
            *clerk_[4:],
        ).exit_code
        == 0
    )
    assert "河边 4人" in run("show", case["number"]).output
    assert run("show", "350921001-260302-999999").exit_code == 1


# -- everybody at once -------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_six_units_two_replicas_and_the_bus_at_once(routing: Any, replica: Any, seed: int) -> None:
    """Clerks, units' own systems, the desk and the convener, in any order and several times: each unit has one live leg
    at most, one leads, nothing closes while anybody owes, and every event is one sequence on."""
    case = routing.open()
    one, two = Client(routing.opened), Client(replica.opened)
    path = f"/cases/{case['number']}"
    assert one("POST", f"{path}/whistle", whistle(), **DESK)[0] == 200
    units = ["U01", *ASSIST]
    chance = random.Random(seed)
    seen: list[dict[str, Any]] = []
    lock = threading.Lock()

    def by_http(unit: str, client: Client, moves: list[str]) -> None:
        for move in moves:
            now = client("GET", path, **COUNTY)[1]["case"]
            mine = [x for x in now["legs"] if x["assignee"]["id"] == unit]
            if not mine:
                continue
            body = {"note": "本单位无此职责"} if move == "refuse" else None
            status, answer = client("POST", f"{path}/legs/{mine[-1]['id']}/{move}", body, **clerk(unit))
            assert status in (200, 403, 409), answer
            if status == 200 and answer.get("case"):
                with lock:
                    seen.append(client("GET", path, **COUNTY)[1]["case"])

    def by_bus(unit: str, where: Any, moves: list[str]) -> None:
        for minute, move in enumerate(moves):
            where.handled(
                case["number"],
                unit,
                move,
                minute + 1,
                **({"note": "本单位无此职责"} if move == "refuse" else {}),
            )

    def convener(client: Client) -> None:
        for _ in range(6):
            now = client("GET", path, **COUNTY)[1]["case"]
            for waiting in [x for x in now["legs"] if x["kind"] == "convene" and x["state"] == "offered"]:
                body = {
                    "decision": chance.choice(["uphold", "release", "name"]),
                    "unit": "U08",
                    "reason": "决定",
                }
                status, answer = client("POST", f"{path}/legs/{waiting['id']}/convene", body, **SEAT)
                assert status in (200, 409), answer

    def desk(client: Client) -> None:
        for body in ({"unit": "U04", "keep": True}, {"unit": "U01"}):
            status, answer = client("POST", f"{path}/hand_over", {**body, "reason": "职责调整"}, **DESK)
            assert status in (200, 409), answer
            status, answer = client(
                "POST", f"{path}/call", {"units": ["U09", "U03"], "reason": "加派"}, **DESK
            )
            assert status in (200, 409), answer

    work = [
        ["accept", "arrive", "answer", "resolve"],
        ["refuse", "accept", "resolve"],
        ["accept", "refuse", "resolve"],
    ]
    runs: list[Callable[[], Any]] = []
    for unit in units:
        moves = chance.choice(work)
        if unit in ("U02", "U03"):
            runs.append(lambda u=unit, m=moves: by_bus(u, replica, m))
        else:
            client = chance.choice([one, two])
            runs.append(lambda u=unit, c=client, m=moves: by_http(u, c, m))
    runs += [lambda: convener(two), lambda: desk(one)]
    _together(runs)
    final = routing.case(case["id"])
    for doc in [*seen, final]:
        called = [
            x for x in doc["legs"] if x["kind"] in ("lead", "assist") and x["assignee"]["type"] == "unit"
        ]
        holding = [x["assignee"]["id"] for x in called if x["state"] in ("offered", "accepted", "answered")]
        assert len(holding) == len(set(holding))
        assert (
            sum(
                x["kind"] == "lead"
                and x["assignee"]["id"] in holding
                and x["state"] in ("offered", "accepted", "answered")
                for x in called
            )
            <= 1
        )
        owing = [x for x in doc["legs"] if x["state"] in ("offered", "accepted", "answered")]
        assert doc["state"] != "resolved" or not owing
    _finish(one, path, final["id"], routing)


def _together(runs: list[Callable[[], Any]]) -> None:
    failures: list[BaseException] = []
    gate = threading.Barrier(len(runs))

    def go(run: Callable[[], Any]) -> None:
        gate.wait()
        try:
            run()
        except BaseException as error:  # noqa: BLE001  raised below
            failures.append(error)

    threads = [threading.Thread(target=go, args=(r,)) for r in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def _finish(client: Client, path: str, case_id: str, routing: Any) -> None:
    """Whoever still owes does his part: then, and only then, the case is resolved, and its steps have no gap."""
    for _ in range(30):
        case = client("GET", path, **COUNTY)[1]["case"]
        if case["state"] == "resolved":
            break
        owing = [
            x
            for x in case["legs"]
            if x["state"] in ("offered", "accepted", "answered") and x["kind"] != "supervise"
        ]
        assert owing
        for x in owing:
            here = f"{path}/legs/{x['id']}"
            if x["kind"] == "convene":
                body = {"decision": "uphold", "reason": "决定"}
                assert client("POST", f"{here}/convene", body, **SEAT)[0] == 200
                continue
            who = DESK if x["assignee"]["type"] == "desk" else clerk(x["assignee"]["id"])
            client("POST", f"{here}/accept", None, **who)
            assert client("POST", f"{here}/resolve", None, **who)[0] == 200
    case = routing.case(case_id)
    assert case["state"] == "resolved"
    sequences = [
        r[0]
        for r in routing.rows(
            "SELECT sequence FROM case_step WHERE case_id::text = :i ORDER BY sequence", i=case_id
        )
    ]
    assert sequences == list(range(1, len(sequences) + 1))
    with routing.opened() as work:
        found = store.read_case(work, case_id)
    assert found is not None
    assert whistles.unclaimed(found) is None
