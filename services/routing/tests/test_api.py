"""HTTP: who may see and do what, and what they are told."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.store

TOGETHER = {"signs": [{"code": "fire", "call": "119"}]}  # U05 leads, U03 and U06 assist
DESK = {"role": "desk", "street": "350921001"}
OTHER_DESK = {"role": "desk", "street": "350921002"}


def clerk(unit: str) -> dict[str, str]:
    return {"role": "unit_clerk", "unit": unit, "who": f"clerk-{unit}"}


def worker(case: dict[str, Any]) -> dict[str, str]:
    return {"role": "grid_worker", "who": case["legs"][0]["assignee"]["id"]}


def unnamed(report: dict[str, Any]) -> dict[str, Any]:
    """Without the reporter's pseudonym, which no handler needs."""
    return {k: v for k, v in report.items() if k != "reporter"}


def leg_path(case: dict[str, Any], index: int = 0) -> str:
    return f"/cases/{case['number']}/legs/{case['legs'][index]['id']}"


# -- seeing ------------------------------------------------------------------------------------------


def test_who_sees_a_case(routing: Any, client: Any) -> None:
    case = routing.open(**TOGETHER)
    allowed = [
        clerk("U05"),
        clerk("U06"),
        DESK,
        {"role": "county"},
        {"role": "operator"},
        {"role": "service"},
    ]
    refused = [
        clerk("U49"),
        OTHER_DESK,
        {"role": "grid_worker", "who": "p00001"},
        {"role": "grid_chief", "who": "x"},
    ]
    for who in allowed:
        assert client("GET", f"/cases/{case['id']}", **who)[0] == 200, who
    for who in refused:
        assert client("GET", f"/cases/{case['id']}", **who)[0] == 403, who
    assert client("GET", f"/cases/{case['id']}", role="citizen")[0] == 403
    assert client("GET", f"/cases/{case['id']}")[0] == 401


def test_a_worker_sees_own_cases_and_the_chief_those_of_the_community(routing: Any, client: Any) -> None:
    case = routing.open()
    assert client("GET", f"/cases/{case['number']}", **worker(case))[0] == 200
    chiefs = dict(routing.rows("SELECT community, id FROM person WHERE role = 'chief'"))
    mine, other = chiefs["350921001001"], chiefs["350921001002"]
    assert client("GET", f"/cases/{case['number']}", role="grid_chief", who=mine)[0] == 200
    assert client("GET", f"/cases/{case['number']}", role="grid_chief", who=other)[0] == 403


def test_a_case_tells_its_steps_and_the_callers_moves(routing: Any, client: Any) -> None:
    case = routing.open()
    status, found = client("GET", f"/cases/{case['id']}", **worker(case))
    assert status == 200
    assert found["case"] == {**case, "reports": [unnamed(r) for r in case["reports"]]}
    assert found["moves"] == {case["legs"][0]["id"]: ["accept", "return"]}
    assert [s["action"] for s in found["steps"]] == ["open", "assign"]
    assert found["assignees"][case["legs"][0]["assignee"]["id"]].startswith("网格员例")
    assert client("GET", f"/cases/{case['id']}", **DESK)[1]["moves"] == {}


@pytest.mark.parametrize("name", ["350921001-260302-999999", "01a20868-e7b8-7018-ac54-827e2a68d8e1", "x'--"])
def test_no_such_case(client: Any, name: str) -> None:
    assert client("GET", f"/cases/{name}", role="county")[0] == 404
    assert client("POST", f"/cases/{name}/legs/L/accept", role="desk", street="350921001")[0] == 404


def test_the_case_of_a_report(routing: Any, client: Any) -> None:
    case = routing.open()
    assert client("GET", f"/cases?report={case['reports'][0]['id']}", role="county")[1]["case"] == case
    assert client("GET", "/cases?report=nowhere", role="county")[0] == 404
    assert client("GET", "/cases?report=", role="county")[0] == 422


def test_my_legs(routing: Any, client: Any) -> None:
    case = routing.open()
    status, found = client("GET", "/legs?state=offered", **worker(case))
    assert status == 200
    [row] = found["legs"]
    assert (row["leg"]["id"], row["case"]["number"], row["sequence"]) == (
        case["legs"][0]["id"],
        case["number"],
        2,
    )
    assert client("GET", "/legs?state=accepted", **worker(case))[1] == {"legs": []}
    whistled = routing.open(**TOGETHER)
    assert [r["case"]["id"] for r in client("GET", "/legs", **clerk("U06"))[1]["legs"]] == [whistled["id"]]
    assert client("GET", "/legs", **DESK)[1] == {"legs": []}
    routing.move(case["id"], case["legs"][0]["id"], "return", 5)
    assert [r["case"]["id"] for r in client("GET", "/legs", **DESK)[1]["legs"]] == [case["id"]]


def test_everybodys_legs_page_by_page(routing: Any, client: Any) -> None:
    routing.receive(*(routing.report() for _ in range(5)))  # all offered at the same time
    seen: list[str] = []
    after = ""
    while True:
        _, found = client("GET", f"/legs?of=county&state=offered&limit=2{after}", role="county")
        if not found["legs"]:
            break
        seen += [r["leg"]["id"] for r in found["legs"]]
        last = found["legs"][-1]["leg"]
        after = f"&after={last['offered_at']}&after_leg={last['id']}"
    assert len(seen) == len(set(seen)) == 5
    assert client("GET", "/legs?of=county", **DESK)[0] == 403


@pytest.mark.parametrize(
    "query", ["state=lost", "limit=0", "limit=9999", "limit=x", "after=soon", "after_leg=x"]
)
def test_a_wrong_query_names_the_field(client: Any, query: str) -> None:
    status, found = client("GET", f"/legs?{query}", role="county")
    assert status == 422
    assert found["errors"][0]["field"] == query.partition("=")[0]
    assert found["errors"][0]["allowed"]


def test_the_directory(client: Any) -> None:
    status, found = client("GET", "/directory/grids/350921001001-G01", role="desk", street="350921001")
    assert status == 200
    assert (found["kind"], found["community"], found["functions"][0]) == ("compound", "350921001001", "党建")
    assert {p["role"] for p in found["people"]} == {"leader", "worker"}
    assert all(c.startswith("350921001001-G01-B") for c in found["children"])
    assert client("GET", "/directory/grids/350921001001", role="county")[1]["people"][0]["role"] == "chief"
    assert client("GET", "/directory/grids/nowhere", role="county")[0] == 404
    units = client("GET", "/directory/units", role="county")[1]["units"]
    assert len(units) == 65
    assert "phone" not in units[0]
    assert "contact" not in units[0]
    assert client("GET", "/directory/units", role="citizen")[0] == 403


# -- moving ------------------------------------------------------------------------------------------


def test_only_the_assignee_moves(routing: Any, client: Any) -> None:
    case = routing.open(**TOGETHER)
    for who in (clerk("U49"), clerk("U03"), DESK, {"role": "county"}, {"role": "grid_worker", "who": "U05"}):
        assert client("POST", leg_path(case) + "/accept", **who)[0] == 403, who
    assert client("POST", leg_path(case) + "/accept", role="operator")[0] == 403
    assert client("POST", leg_path(case) + "/accept")[0] == 401
    status, found = client("POST", leg_path(case) + "/accept", **clerk("U05"))
    assert (status, found["sequence"], found["case"]["state"]) == (200, 3, "accepted")


def test_the_worker_goes_all_the_way_and_may_repeat(routing: Any, client: Any) -> None:
    case = routing.open()
    me = worker(case)
    for action, state, sequence in (
        ("accept", "accepted", 3),
        ("answer", "answered", 4),
        ("resolve", "resolved", 5),
    ):
        body = {"note": "电话13900001111", "evidence": ["https://example.invalid/1.jpg"]}
        for _ in range(2):
            status, found = client("POST", f"{leg_path(case)}/{action}", body, **me)
            assert (status, found["case"]["state"], found["sequence"]) == (200, state, sequence)
    steps = client("GET", f"/cases/{case['id']}", **me)[1]["steps"]
    assert [s["action"] for s in steps] == ["open", "assign", "accept", "answer", "resolve"]
    assert steps[2]["reason"] == "电话139****1111"
    assert steps[2]["evidence"] == ["https://example.invalid/1.jpg"]
    assert steps[2]["actor"] == me["who"]


def test_a_move_that_is_not_allowed_says_what_is(routing: Any, client: Any) -> None:
    case = routing.open()
    status, found = client("POST", leg_path(case) + "/resolve", {}, **worker(case))
    assert status == 409
    assert (found["state"], found["leg_state"], found["allowed"]) == (
        "assigned",
        "offered",
        ["accept", "return"],
    )
    assert "not been accepted" in found["detail"]
    routing.move(case["id"], case["legs"][0]["id"], "return", 5)
    status, found = client("POST", leg_path(case) + "/accept", {}, **worker(case))
    assert (status, found["allowed"]) == (409, [])


def test_an_old_view_is_refused(routing: Any, client: Any) -> None:
    case = routing.open(**TOGETHER)
    assert client("POST", leg_path(case, 1) + "/accept", {"sequence": 2}, **clerk("U03"))[0] == 200
    status, found = client("POST", leg_path(case) + "/accept", {"sequence": 2}, **clerk("U05"))
    assert (status, found["sequence"]) == (409, 3)
    assert client("POST", leg_path(case) + "/accept", {"sequence": 3}, **clerk("U05"))[0] == 200
    assert (
        client("POST", leg_path(case) + "/accept", {"sequence": 3}, **clerk("U05"))[0] == 200
    )  # done before


@pytest.mark.parametrize(
    ("action", "body", "field"),
    [
        ("return", {}, "note"),
        ("accept", {"notes": "x"}, "notes"),
        ("accept", {"evidence": "x"}, "evidence"),
        ("accept", {"sequence": "3"}, "sequence"),
        ("accept", {"note": "x" * 1001}, "note"),
    ],
)
def test_a_wrong_body_names_the_field(routing: Any, client: Any, action: str, body: Any, field: str) -> None:
    case = routing.open()
    status, found = client("POST", f"{leg_path(case)}/{action}", body, **worker(case))
    assert (status, found["errors"][0]["field"]) == (422, field)


def test_no_such_leg(routing: Any, client: Any) -> None:
    case = routing.open()
    assert client("POST", f"/cases/{case['id']}/legs/nowhere/accept", **worker(case))[0] == 404


# -- the desk ----------------------------------------------------------------------------------------


def test_the_desk_gives_a_returned_case_on(routing: Any, client: Any) -> None:
    case = routing.open()
    client("POST", leg_path(case) + "/return", {"note": "不归网格管"}, **worker(case))
    path = f"/cases/{case['id']}/assignments"
    body = {"assignee": {"type": "unit", "id": "U02"}, "assistants": ["U03"], "reason": "请联合执法"}
    body |= {"ground": "joint_enforcement"}
    assert client("POST", path, body, **OTHER_DESK)[0] == 403
    assert client("POST", path, body, **worker(case))[0] == 403
    status, found = client("POST", path, body, **DESK)
    assert (status, found["sequence"]) == (200, 4)
    assert found["case"]["whistle"] == {"ground": "joint_enforcement", "lead": "U02", "assistants": ["U03"]}
    assert client("GET", f"/cases/{case['id']}", **clerk("U03"))[0] == 200
    lead = next(leg for leg in found["case"]["legs"] if leg["kind"] == "lead")
    assert (lead["response_limit"], lead["level"]) == (86400, "department")
    other = next(leg for leg in found["case"]["legs"] if leg["kind"] == "assist")
    release = f"/cases/{case['id']}/legs/{other['id']}/release"
    assert client("POST", release, {"reason": "不再需要"}, **clerk("U02"))[0] == 403
    status, found = client("POST", release, {"reason": "不再需要"}, **DESK)
    assert status == 200
    assert [leg["state"] for leg in found["case"]["legs"]][-1] == "released"
    assert client("POST", f"/cases/{case['id']}/legs/{lead['id']}/release", {"reason": "x"}, **DESK)[0] == 409


def test_the_desk_gives_it_to_a_person_or_handles_it(routing: Any, client: Any) -> None:
    case = routing.open()
    client("POST", leg_path(case) + "/return", {"note": "不归网格管"}, **worker(case))
    [(leader,)] = routing.rows("SELECT id FROM person WHERE grid = '350921001001-G01' AND role = 'leader'")
    body = {"assignee": {"type": "person", "id": leader}, "reason": "请办理"}
    status, found = client("POST", f"/cases/{case['id']}/assignments", body, role="county")
    assert (status, found["case"]["level"]) == (200, "grid")
    assert client("GET", "/legs", role="grid_leader", who=leader)[1]["legs"][0]["case"]["id"] == case["id"]
    again = client("POST", f"/cases/{case['id']}/assignments", body, **DESK)
    assert (again[0], again[1]["sequence"]) == (200, found["sequence"])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"assignee": {"type": "unit", "id": "U99"}, "reason": "请办"}, "assignee.id"),
        ({"assignee": {"type": "person", "id": "nobody"}, "reason": "请办"}, "assignee.id"),
        ({"assignee": {"type": "desk", "id": "desk-350921001"}, "reason": "请办"}, "assignee.type"),
        ({"assignee": {"type": "unit", "id": "U02"}, "assistants": ["U99"], "reason": "请办"}, "assistants"),
        (
            {"assignee": {"type": "person", "id": "p00001"}, "assistants": ["U02"], "reason": "请办"},
            "assistants",
        ),
        ({"assignee": {"type": "unit", "id": "U02"}, "ground": "anger", "reason": "请办"}, "ground"),
        ({"assignee": {"type": "unit", "id": "U02"}}, "reason"),
        ({"reason": "请办"}, "assignee"),
    ],
)
def test_a_wrong_assignment_names_the_field(routing: Any, client: Any, body: Any, field: str) -> None:
    case = routing.open()
    status, found = client("POST", f"/cases/{case['id']}/assignments", body, **DESK)
    assert status == 422
    assert field in {e["field"] for e in found["errors"]}


def test_nothing_is_assigned_once_it_is_over(routing: Any, client: Any) -> None:
    case = routing.open()
    routing.said("report.withdrawn", case["reports"][0]["id"], 5)
    body = {"assignee": {"type": "unit", "id": "U02"}, "reason": "请办"}
    status, found = client("POST", f"/cases/{case['id']}/assignments", body, **DESK)
    assert (status, found["state"]) == (409, "closed")


def test_the_trace_of_a_request_goes_on_in_the_event(routing: Any, client: Any) -> None:
    case = routing.open()
    client("POST", leg_path(case) + "/accept", {}, **worker(case))
    [(body,)] = routing.rows("SELECT body FROM outbox_event WHERE routing_key = 'case.accepted'")
    assert body["traceparent"].startswith("00-")


@pytest.fixture
def files(tmp_path: Any, own: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    settings = own.opened.settings
    monkeypatch.setenv("JIAYUAN_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("JIAYUAN_SEAL_KEYS", settings.seal_keys)
    return tmp_path


def test_the_command_line(own: Any, files: Any) -> None:
    from click.testing import CliRunner

    from jiayuan.routing.cli import routing as command

    def run(*words: str) -> Any:
        return CliRunner().invoke(command, list(words))

    file = files / "directory.json"
    assert run("directory", "seed", "--grids", "60", "--workers", "200", "--out", str(file)).exit_code == 0
    assert "60 grids, 200 people, 65 units" in run("directory", "check", str(file)).output
    done = run("directory", "import", str(file), "--who", "me")
    assert (done.exit_code, "directory version 2" in done.output) == (0, True), done.output
    assert run("directory", "seed", "--grids", "1").exit_code == 2
    case = own.open()
    said = run("explain", case["number"])
    assert (said.exit_code, said.output.startswith(case["number"])) == (0, True), said.output
    assert run("explain", "350921001-000000-000000").exit_code == 1
    (files / "bad.yaml").write_text("rules: []", encoding="utf-8")
    for words in (("directory", "check"), ("directory", "import"), ("policy", "check"), ("policy", "import")):
        wrong = run(*words, str(files / "bad.yaml"))
        assert wrong.exit_code == 1
        assert "nothing was changed" in wrong.output
