"""A move by HTTP, by the command line and by a department's own system: the same rights and the same errors."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner

from jiayuan.contracts import ids
from jiayuan.routing.cli import routing as commands

pytestmark = pytest.mark.store

TOGETHER = {"signs": [{"code": "fire", "call": "119"}]}  # U05 leads, U03 and U06 assist
STREET = "350921001"
DESK = {"role": "desk", "street": STREET, "who": "d1"}
COUNTY = {"role": "county", "who": "k1"}


def clerk(unit: str) -> dict[str, str]:
    return {"role": "unit_clerk", "unit": unit, "who": f"clerk-{unit}"}


def legs(case: dict[str, Any]) -> dict[str, str]:
    return {leg["assignee"]["id"]: leg["id"] for leg in case["legs"]}


@pytest.fixture
def cli(routing: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`jiayuan routing case …`; gives the result."""
    monkeypatch.setenv("JIAYUAN_ROUTING_DATABASE_URL", routing.url)
    monkeypatch.setenv("JIAYUAN_SEAL_KEYS", routing.opened.settings.seal_keys)
    monkeypatch.setenv("JIAYUAN_TOKEN_SECRET", routing.opened.settings.token_secret)
    monkeypatch.delenv("JIAYUAN_TOKEN", raising=False)
    # The command's clock is the wall's; everything here happened long before.
    return lambda *arguments: CliRunner().invoke(
        commands, ["case", *map(str, arguments)], catch_exceptions=False
    )


# -- who was faster ----------------------------------------------------------------------------------


def test_whoever_comes_too_late_gets_the_case_as_it_is_now(routing: Any, client: Any) -> None:
    case = routing.open(**TOGETHER)
    mine = legs(case)
    assert (
        client("POST", f"/cases/{case['id']}/legs/{mine['U03']}/accept", {"note": "内部"}, **clerk("U03"))[0]
        == 200
    )
    path = f"/cases/{case['number']}/legs/{mine['U05']}/accept"
    for body, headers in (({"sequence": 2}, {}), ({}, {"If-Match": '"2"'}), ({}, {"If-Match": 'W/"2"'})):
        status, found = client("POST", path, body, headers=headers, **clerk("U05"))
        assert (status, found["sequence"], found["allowed"][:1]) == (409, 3, ["accept"])
        assert "you saw 2, it is at 3" in found["detail"]
        # The whole case as they may see it, and its version.
        now = client("GET", f"/cases/{case['id']}", **clerk("U05"))[1]
        assert {k: found[k] for k in ("case", "assignees", "moves", "case_moves")} == {
            k: now[k] for k in ("case", "assignees", "moves", "case_moves")
        }
        assert "内部" not in str(found)
    read = routing.rows("SELECT why FROM read_log WHERE who = 'clerk-U05' AND why LIKE '%refused%'")
    assert len(read) == 3
    status, _ = client("POST", path, {}, headers={"If-Match": '"3"'}, **clerk("U05"))
    assert (status, client.headers["ETag"], client.headers["Cache-Control"]) == (200, '"4"', "no-store")
    # What was done before is no error, however old the view.
    assert client("POST", path, {"sequence": 2}, **clerk("U05"))[0] == 200


def test_a_refusal_without_a_right_shows_nothing(routing: Any, client: Any) -> None:
    case = routing.open(**TOGETHER)
    status, found = client("POST", f"/cases/{case['id']}/legs/{legs(case)['U05']}/accept", **clerk("U49"))
    assert (status, "case" in found) == (403, False)
    assert case["title"] not in str(found)


@pytest.mark.parametrize(
    ("body", "headers", "field"),
    [
        ({}, {"If-Match": "3"}, "If-Match"),
        ({}, {"If-Match": '"x"'}, "If-Match"),
        ({"sequence": 2}, {"If-Match": '"3"'}, "If-Match"),
        ({"sequence": 0}, {}, "sequence"),
        ({"sequence": "2"}, {}, "sequence"),
        ({"sequence": True}, {}, "sequence"),
        ([1], {}, "body"),
    ],
)
def test_a_version_that_is_none(
    routing: Any, client: Any, body: Any, headers: dict[str, str], field: str
) -> None:
    case = routing.open(**TOGETHER)
    path = f"/cases/{case['id']}/legs/{legs(case)['U05']}/accept"
    status, found = client("POST", path, body, headers=headers, **clerk("U05"))
    assert (status, found["errors"][0]["field"]) == (422, field)
    assert client("POST", path, {}, headers={"If-Match": "*"}, **clerk("U05"))[0] == 200


# -- three ways --------------------------------------------------------------------------------------


def _by_http(client: Any, case: dict[str, Any], move: str, words: dict[str, Any]) -> Any:
    status, found = client(
        "POST", f"/cases/{case['id']}/legs/{legs(case)['U03']}/{move}", words, **clerk("U03")
    )
    return [] if status == 200 else [e["field"] for e in found.get("errors", [])] or [found["detail"]]


def _by_cli(cli: Any, case: dict[str, Any], move: str, words: dict[str, Any]) -> Any:
    options = [o for k, v in words.items() for o in (f"--{k}", v)]
    done = cli(
        move, case["number"], "--as", "clerk-U03", "--unit", "U03", "--why", "代报", "--json", *options
    )
    if done.exit_code == 0:
        return []
    found = json.loads(done.stderr)
    return [e["field"] for e in found.get("errors", [])] or [found["detail"]]


def _by_bus(routing: Any, case: dict[str, Any], move: str, words: dict[str, Any]) -> Any:
    said = {("note" if k == "reason" else k): v for k, v in words.items()}
    work = routing.handled(case["number"], "U03", move, 1, **said)
    if not work.refused:
        return []
    reasons = {"extend": "reason", "pause": "reason"}
    fields = [p.field.removeprefix("data.") for p in work.refused[0][1]]
    if fields == ["action"]:
        return [work.refused[0][1][0].problem]
    return [reasons.get(move, f) if f == "note" else f for f in fields]


WAYS = {
    "what may be done": ("accept", {"note": "收到"}, 0),
    "a return at once": ("return", {"note": "不归我局"}, 0),
    "a return without a reason": ("return", {}, 0),
    "not accepted yet": ("resolve", {"note": "办好了"}, 0),
    "more time before it is accepted": ("extend", {"reason": "等配件", "seconds": 86400}, 0),
    "more time": ("extend", {"reason": "等配件", "seconds": 86400}, 1),
    "more time without a reason": ("extend", {"seconds": 86400}, 1),
    "more time without a time": ("extend", {"reason": "等配件"}, 1),
    "a pause that is over before it began": (
        "pause",
        {"reason": "台风", "until": "2020-01-01T00:00:00+08:00"},
        1,
    ),
    "arriving": ("arrive", {"note": "到场"}, 1),
    "refusing": ("refuse", {"note": "无执法权"}, 0),
    "refusing what was accepted": ("refuse", {"note": "无执法权"}, 1),
    "resuming what isn't paused": ("resume", {}, 1),
}


@pytest.mark.parametrize("which", WAYS)
def test_the_same_answer_by_every_way(routing: Any, client: Any, cli: Any, which: str) -> None:
    move, words, accepted = WAYS[which]
    answers, states = [], []
    for way in ("http", "cli", "bus"):
        case = routing.open(**TOGETHER)
        if accepted:
            routing.move(case["id"], legs(case)["U03"], "accept", 1)
        if way == "http" and move == "resume":  # a move of the case has an address of its own
            status, found = client("POST", f"/cases/{case['id']}/resume", words, **clerk("U03"))
            answers.append([] if status == 200 else [found["detail"]])
        elif way == "http":
            answers.append(_by_http(client, case, move, words))
        elif way == "cli":
            answers.append(_by_cli(cli, case, move, words))
        else:
            answers.append(_by_bus(routing, case, move, words))
        now = routing.case(case["id"])
        states.append((now["state"], [leg["state"] for leg in now["legs"]], len(now.get("approvals", []))))
    assert answers[0] == answers[1] == answers[2], which
    assert states[0] == states[1] == states[2], which


def test_a_departments_system_is_told_where_the_case_stands(routing: Any) -> None:
    case = routing.open(**TOGETHER)
    number, leg = case["number"], legs(case)["U03"]

    def outcome() -> dict[str, Any]:
        [sent] = [json.loads(o.body) for o in routing.opened.published if o.exchange == "jiayuan.outcomes"][
            -1:
        ]
        return sent["data"]

    work = routing.handled(number, "U03", "accept", 1, sequence=2)
    assert not work.refused
    found = outcome()
    assert found["outcome"] == "accepted"
    assert {k: found["current"][k] for k in ("number", "sequence", "state", "leg", "leg_state")} == {
        "number": number,
        "sequence": 3,
        "state": "assigned",
        "leg": leg,
        "leg_state": "accepted",
    }
    assert "answer" in found["current"]["allowed"]
    work = routing.handled(number, "U03", "answer", 2, sequence=2)
    [(_, [problem])] = work.refused
    assert (problem.field, problem.allowed) == ("data.sequence", "3")
    assert "you saw 2, it is at 3; the leg is accepted, the case assigned" in problem.problem
    assert outcome()["current"]["sequence"] == 3
    # Who has no leg is told nothing of it.
    work = routing.handled(number, "U49", "accept", 3)
    assert work.refused[0][1][0].field == "data.unit"
    assert "current" not in outcome()
    work = routing.handled(number, "U03", "answer", 4, leg=ids.new_id())
    assert work.refused[0][1][0].field == "data.leg"
    work = routing.handled(number, "U03", "extend", 5, note="等配件", seconds=3600, leg=leg)
    assert not work.refused
    assert routing.case(case["id"])["approvals"][0]["kind"] == "extension"


# -- the command line --------------------------------------------------------------------------------


def test_a_case_is_worked_at_the_command_line_and_it_is_kept(routing: Any, cli: Any) -> None:
    case = routing.open()
    me = case["legs"][0]["assignee"]["id"]
    done = cli("accept", case["number"], "--as", me, "--why", "网格员电话报来", "--operator", "op1")
    assert done.exit_code == 0, done.output
    assert done.output.startswith("done")
    assert "[answer, resolve, return" in done.output
    again = cli("accept", case["number"], "--as", me, "--why", "再报一次", "--operator", "op1")
    assert "it had been done before" in again.output
    wrong = cli("answer", case["number"], "--as", me, "--why", "x", "--sequence", "2", "--operator", "op1")
    assert wrong.exit_code == 1
    assert "you saw 2, it is at 3" in wrong.stderr
    assert "now: accepted，环节 accepted, sequence 3" in wrong.stderr
    assert "allowed: answer, resolve" in wrong.stderr
    other = cli("accept", case["number"], "--as", "desk-1", "--desk", STREET, "--why", "代办")
    assert other.exit_code == 1
    assert "you have no leg in case" in other.stderr
    steps = routing.rows("SELECT actor, action FROM case_step WHERE action = 'accept'")
    assert [tuple(s) for s in steps] == [(me, "accept")]
    kept = routing.rows("SELECT operator, who, action, outcome, sequence, why FROM acting ORDER BY id")
    assert [tuple(k)[:4] for k in kept[:3]] == [
        ("op1", me, "accept", "done"),
        ("op1", me, "accept", "nothing"),
        ("op1", me, "answer", "refused"),
    ]
    assert [k.outcome for k in kept] == ["done", "nothing", "refused", "refused"]
    log = cli("log", "--case", case["number"]).output
    assert log.count("\n") == 4
    assert f"op1 for {me} [grid_worker]  accept {case['number']}  done — 网格员电话报来" in log
    assert routing.rows("SELECT operator, via FROM read_log WHERE via = 'cli'")[0][0] == "op1"


def test_a_case_is_shown_and_listed_as_somebody_sees_it(routing: Any, cli: Any) -> None:
    case = routing.open(**TOGETHER)
    shown = cli("show", case["number"], "--as", "clerk-U03", "--unit", "U03", "--why", "核实")
    assert shown.exit_code == 0, shown.output
    assert case["number"] in shown.output
    assert legs(case)["U03"] in shown.output
    assert cli("show", case["number"], "--as", "x", "--unit", "U49").exit_code == 1
    assert case["number"] in cli("list", "--as", "d1", "--desk", STREET).output
    assert cli("list", "--as", "d1", "--desk", "350921002").output == ""
    assert cli("list", "--as", "x", "--county", "--state", "lost").exit_code == 1
    found = json.loads(cli("list", "--as", "x", "--county", "--of-unit", "U06", "--json").output)
    assert [c["case"]["number"] for c in found["cases"]] == [case["number"]]
    [row] = routing.rows("SELECT who, via, why FROM read_log")
    assert tuple(row) == ("clerk-U03", "cli", "assignee: 核实")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give --as"),
        (["--as", "nobody"], "there is nobody with the id nobody"),
        (["--as", "x", "--unit", "U999"], "there is no unit U999"),
        (["--as", "x", "--desk", "1"], "there is no street 1"),
    ],
)
def test_who_is_acted_for_is_named(routing: Any, cli: Any, arguments: list[str], said: str) -> None:
    case = routing.open()
    done = cli("show", case["number"], *arguments)
    assert (done.exit_code, said in done.stderr) == (1, True)


def test_a_token_says_who_it_is(routing: Any, cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from jiayuan.chassis import tokens

    case = routing.open()
    secret = routing.opened.settings.token_secret
    monkeypatch.setenv("JIAYUAN_TOKEN", tokens.issue(secret, "d7", ("desk",), street=STREET))
    done = cli("urge", case["number"], "--why", "群众来电", "--reason", "已三天未到场")
    assert done.exit_code == 0, done.stderr
    assert routing.case(case["id"])["urged"][0]["by"] == "d7"


def test_a_desk_goes_through_its_moves_at_the_command_line(routing: Any, cli: Any) -> None:
    case = routing.open()
    number, me = case["number"], case["legs"][0]["assignee"]["id"]
    desk = ("--as", "d1", "--desk", STREET, "--why", "值班代录")
    for arguments in (
        ("supervise", number, *desk, "--reason", "领导批示"),
        ("unsupervise", number, *desk),
        ("accept", number, "--as", me, "--why", "电话"),
        (
            "pause",
            number,
            "--as",
            me,
            "--why",
            "电话",
            "--reason",
            "台风",
            "--until",
            "2099-01-01T00:00:00+08:00",
        ),
    ):
        done = cli(*arguments)
        if arguments[0] == "pause":  # longer than a pause may be
            assert (done.exit_code, "until" in done.stderr) == (1, True)
        else:
            assert done.exit_code == 0, (arguments, done.stderr)
    assert (
        cli(
            "extend", number, "--as", me, "--why", "电话", "--reason", "等配件", "--seconds", "7200"
        ).exit_code
        == 0
    )
    [asked] = routing.case(case["id"])["approvals"]
    done = cli("approve", number, *desk, "--approval", asked["id"], "--granted")
    assert done.exit_code == 0, done.stderr
    assert routing.case(case["id"])["extensions"][0]["seconds"] == 7200
    done = cli("assign", number, *desk, "--to", "unit:U02", "--assistant", "U03", "--reason", "联合执法")
    assert done.exit_code == 0, done.stderr
    assert routing.case(case["id"])["whistle"]["assistants"] == ["U03"]
    helped = cli("assign", "--help").output
    assert "--to" in helped
    assert "派单" in helped
