"""What the desk decides: what a case is about, where it is, its colour; and why a case is where it is."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner

from jiayuan.contracts.times import iso

from .conftest import STREET, T0, Client, Routing
from .test_correcting import OTHER, UNSURE, decisions, holders

pytestmark = pytest.mark.store

DESK = {"who": "desk-9", "role": "desk", "street": STREET}


def send(client: Client, case: dict[str, Any], what: str, body: dict[str, Any], **who: str) -> Any:
    return client("POST", f"/cases/{case['id']}/{what}", body, **(who or DESK))


# -- colour ------------------------------------------------------------------------------------------


def test_a_person_gives_another_colour_with_a_reason_and_limits_follow(
    routing: Routing, client: Client
) -> None:
    case = routing.open(kind="dispute", category={"code": "15"})  # five days, yellow
    leg = case["legs"][0]
    assert (case["colour"], leg["finish_limit"]) == ("yellow", 5 * 86400)
    routing.move(case["id"], leg["id"], "accept", 5)
    status, said = send(client, case, "colour", {"colour": "red", "reason": "老人摔倒，电话13800138000"})
    assert status == 200
    assert said["case"]["colour"] == "red"
    now = routing.case(case["id"])
    assert now["legs"][0]["finish_limit"] == 86400
    assert (now["legs"][0]["offered_at"], now["legs"][0]["accepted_at"]) == (
        leg["offered_at"],
        iso(T0 + timedelta(minutes=5)),
    )
    assert (now["legs"][0]["response_limit"], now["citizen_limit"]) == (
        leg["response_limit"],
        case["citizen_limit"],
    )
    (told,) = routing.rows("SELECT body FROM outbox_event WHERE routing_key = 'case.changed'")
    change = told.body["data"]["change"]
    assert (change["action"], change["actor"]) == ("recolour", "desk-9")
    assert "13800138000" not in json.dumps(told.body)
    row = decisions(routing, case["id"])[-1]
    assert (row.cause, row.by, row.colour, row.finish_limit) == ("recolour", "desk-9", "red", 86400)
    assert row.more["before"] == {"colour": "yellow"}
    ((colour,),) = routing.rows('SELECT colour FROM "case"')
    assert colour == "red"


def test_the_same_colour_again_changes_nothing(routing: Routing, client: Client) -> None:
    case = routing.open()
    first = send(client, case, "colour", {"colour": "red", "reason": "急"})
    assert send(client, case, "colour", {"colour": "red", "reason": "急"}) == first
    assert len(decisions(routing, case["id"])) == 2


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"colour": "red"}, 422, "reason"),
        ({"colour": "red", "reason": ""}, 422, "reason"),
        ({"colour": "red", "reason": " "}, 422, "reason"),
        ({"colour": "purple", "reason": "x"}, 422, "colour"),
        ({"colour": "red", "reason": "x", "sequence": 1}, 409, None),
    ],
)
def test_a_wrong_colour_says_what_is_wrong(
    routing: Routing, client: Client, body: dict[str, Any], status: int, field: str | None
) -> None:
    case = routing.open()
    got, said = send(client, case, "colour", body)
    assert got == status
    if field:
        assert [e["field"] for e in said["errors"]] == [field]
    assert routing.case(case["id"])["colour"] == case["colour"]


def test_only_the_desk_and_the_county_give_colours(routing: Routing, client: Client) -> None:
    case = routing.open()
    body = {"colour": "red", "reason": "急"}
    worker = {"who": case["legs"][0]["assignee"]["id"], "role": "grid_worker"}
    assert send(client, case, "colour", body, **worker)[0] == 403
    assert send(client, case, "colour", body, who="d", role="desk", street=OTHER)[0] == 403
    assert send(client, {"id": "nowhere"}, "colour", body)[0] == 404
    assert send(client, case, "colour", body, who="c", role="county")[0] == 200


def test_what_is_over_keeps_its_colour(routing: Routing, client: Client) -> None:
    case = routing.open(id="r1")
    routing.said("report.withdrawn", "r1", 2)
    assert send(client, case, "colour", {"colour": "red", "reason": "急"})[0] == 409


def test_the_colour_is_never_the_timeliness_light(routing: Routing) -> None:
    """Clocks pass their limits, legs rise up the ladder, the street supervises: the colour stays what it was, and the
    case says nothing of a light."""
    case = routing.open()
    for kind, minute in (("response", 16), ("finish", 10_000), ("citizen", 30_000)):
        leg = routing.case(case["id"])["legs"][-1]["id"] if kind != "citizen" else None
        routing.breach(case, kind, leg, minute)
    now = routing.case(case["id"])
    assert len(now["legs"]) > 1  # it has risen
    assert now["colour"] == case["colour"] == "yellow"
    assert "light" not in json.dumps(now)
    (row,) = decisions(routing, case["id"])
    assert row.colour == "yellow"


def test_a_colour_that_a_person_gave_survives_a_correction(routing: Routing, client: Client) -> None:
    from .test_correcting import to_lamps

    case = routing.open(id="r1")
    send(client, case, "colour", {"colour": "orange", "reason": "人多"})
    to_lamps(routing, "r1", 2)
    now = routing.case(case["id"])
    assert (now["category"]["code"], now["colour"]) == ("0102", "orange")
    # three days by the rule, and no more for the more urgent colour
    assert now["legs"][-1]["finish_limit"] == 72 * 3600


# -- triage ------------------------------------------------------------------------------------------


def test_the_desk_sees_what_it_has_to_decide_with_where_it_would_go(routing: Routing, client: Client) -> None:
    thought = [
        {"code": "1502", "name": "犬类与宠物", "confidence": 0.2, "why": ["狗"]},
        {"code": "0102", "name": "路灯照明", "why": ["灯"]},
    ]
    first = routing.open(category=UNSURE, candidates=thought)
    routing.open(at=1)  # sure enough
    other = routing.open(at=2, category=UNSURE, place={"street": OTHER})
    status, said = client("GET", "/triage", **DESK)
    assert status == 200
    assert [c["case"] for c in said["cases"]] == [first["number"]]
    (one,) = said["cases"]
    assert (one["doubt"], one["confidence"], one["title"]) == ("confidence", 0.2, first["title"])
    assert "0.2低于政策要求的0.3" in one["words"]
    assert [(c["code"], c["rule"], c["lead"]) for c in one["candidates"]] == [
        ("1502", "neighbours-grid", None),
        ("0102", "street-lamps", "U49"),
    ]
    county = {"who": "c", "role": "county"}
    _, page = client("GET", "/triage?limit=1", **county)
    assert [c["case"] for c in page["cases"]] == [first["number"]]
    _, page = client("GET", f"/triage?limit=1&cursor={page['next']}", **county)
    assert ([c["case"] for c in page["cases"]], page["next"]) == ([other["number"]], None)
    assert client("GET", f"/triage?street={OTHER}", **DESK)[0] == 403
    assert client("GET", "/triage?cursor=x", **DESK)[0] == 422
    assert client("GET", "/triage", who="w", role="grid_worker")[0] == 403


def test_what_the_desk_decides_goes_where_the_policy_says_and_is_told(
    routing: Routing, client: Client
) -> None:
    case = routing.open(category=UNSURE)
    status, said = send(client, case, "triage", {"category": "0102", "reason": "是路灯"})
    assert status == 200
    assert said["case"]["category"] == {
        "code": "0102",
        "name": "路灯照明",
        "confidence": 1.0,
        "method": "desk",
    }
    assert holders(routing.case(case["id"])) == ["U49"]
    told = routing.rows("SELECT body FROM outbox_event WHERE routing_key = 'case.changed'")
    assert [t.body["data"]["change"]["action"] for t in told] == ["recategorise"]
    first, last = decisions(routing, case["id"])
    assert (last.cause, last.by, last.category, last.confidence, last.doubt) == (
        "triage",
        "desk-9",
        "0102",
        1.0,
        None,
    )
    assert client("GET", "/triage", **DESK)[1]["cases"] == []
    assert send(client, case, "triage", {"category": "0102", "reason": "是路灯"})[0] == 200  # again: nothing
    assert len(decisions(routing, case["id"])) == 2
    assert first.doubt == "confidence"


def test_to_confirm_what_was_thought_is_a_decision_too(routing: Routing, client: Client) -> None:
    case = routing.open(category=UNSURE)
    assert send(client, case, "triage", {"reason": "就是养狗的事"})[0] == 200
    now = routing.case(case["id"])
    assert (now["category"]["method"], now["level"]) == ("desk", "grid")
    assert decisions(routing, case["id"])[-1].cause == "triage"


def test_the_desk_says_where_it_is(routing: Routing, client: Client) -> None:
    case = routing.open(place={})
    county = {"who": "county-1", "role": "county"}
    assert send(client, case, "triage", {"place": OTHER, "reason": "是松港的"}, **county)[0] == 200
    now = routing.case(case["id"])
    assert (now["street"], now["level"]) == (OTHER, "grid")
    told = routing.rows("SELECT body FROM outbox_event WHERE routing_key = 'case.changed' ORDER BY id")
    assert {t.body["data"]["change"]["action"] for t in told} == {"recategorise", "relocate"}


def test_the_desk_says_to_whom_it_goes(routing: Routing, client: Client) -> None:
    case = routing.open(category=UNSURE)
    to = {"assignee": {"type": "unit", "id": "U02"}, "assistants": ["U20"], "ground": "joint_enforcement"}
    assert send(client, case, "triage", {"category": "0105", "reason": "几家一起看", **to})[0] == 200
    now = routing.case(case["id"])
    assert (holders(now), now["whistle"]["ground"]) == (["U02", "U20"], "joint_enforcement")


def test_after_acceptance_triage_changes_the_record_only(routing: Routing, client: Client) -> None:
    case = routing.open()
    routing.move(case["id"], case["legs"][0]["id"], "accept", 2)
    assert send(client, case, "triage", {"category": "0102", "reason": "是路灯"})[0] == 200
    now = routing.case(case["id"])
    assert (now["category"]["code"], now["state"], holders(now)) == ("0102", "accepted", holders(case))
    assert client("GET", "/triage", **DESK)[1]["cases"] == []


def test_what_intakes_desk_put_right_too_late_is_shown_to_the_streets_desk(
    routing: Routing, client: Client
) -> None:
    from .test_correcting import to_lamps

    case = routing.open(id="r1")
    routing.move(case["id"], case["legs"][0]["id"], "accept", 2)
    to_lamps(routing, "r1", 2)
    (one,) = client("GET", "/triage", **DESK)[1]["cases"]
    assert (one["case"], one["doubt"]) == (case["number"], "accepted")
    assert "请街道留意" in one["words"]


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"category": "0102"}, 422, "reason"),
        ({"category": "9999", "reason": "x"}, 422, "category"),
        ({"place": "350921999", "reason": "x"}, 422, "place"),
        ({"place": "350921", "reason": "x"}, 422, "place"),
        ({"assignee": {"type": "unit", "id": "U99"}, "reason": "x"}, 422, "assignee.id"),
        ({"assistants": ["U02"], "reason": "x"}, 422, "assignee"),
        ({"category": "0102", "reason": "x", "sequence": 1}, 409, None),
    ],
)
def test_a_wrong_decision_says_what_is_wrong(
    routing: Routing, client: Client, body: dict[str, Any], status: int, field: str | None
) -> None:
    case = routing.open(category=UNSURE)
    got, said = send(client, case, "triage", body)
    assert got == status
    if field:
        assert [e["field"] for e in said["errors"]] == [field]
    assert len(decisions(routing, case["id"])) == 1


def test_only_the_desk_of_the_street_decides(routing: Routing, client: Client) -> None:
    case = routing.open(category=UNSURE)
    body = {"category": "0102", "reason": "x"}
    assert send(client, case, "triage", body, who="d", role="desk", street=OTHER)[0] == 403
    assert send(client, case, "triage", body, who="w", role="grid_worker")[0] == 403


def test_a_desk_that_gives_a_case_to_another_street_sees_no_more_of_it(
    routing: Routing, client: Client
) -> None:
    case = routing.open(category=UNSURE)
    status, said = send(client, case, "triage", {"place": OTHER, "reason": "是松港的"})
    assert (status, set(said["case"])) == (200, {"id", "number", "street"})


# -- why ---------------------------------------------------------------------------------------------


def test_explained_with_what_nearly_decided(routing: Routing, client: Client) -> None:
    case = routing.open(category={"code": "1304", "name": "海洋生态", "confidence": 0.81})
    status, said = client("GET", f"/cases/{case['number']}/explain", **DESK)
    assert status == 200
    assert said["sentence"].startswith(case["number"])
    (one,) = said["decisions"]
    assert (one["rule"], one["confidence"], one["inputs"]["category"]) == ("sea-rubbish", 0.81, "1304")
    assert one["outcome"]["assistants"] == ["U08"]
    near = {n["rule"]: n["why"] for n in said["near"]}
    assert near["sea-rubbish-songshan"] == "地点是龙津社区，而该条只管350921003"
    assert "danger-fire" not in near
    _, english = client("GET", f"/cases/{case['number']}/explain?lang=en", **DESK)
    assert "is blue" in english["sentence"] or "is yellow" in english["sentence"]
    assert {n["rule"]: n["why"] for n in english["near"]}["sea-rubbish-songshan"].startswith("the place is")
    assert client("GET", f"/cases/{case['number']}/explain?lang=fr", **DESK)[0] == 422
    assert client("GET", "/cases/nowhere/explain", **DESK)[0] == 404
    assert client("GET", f"/cases/{case['id']}/explain", who="d", role="desk", street=OTHER)[0] == 403


def test_a_rule_of_lower_priority_that_matches_as_well_is_named(routing: Routing, client: Client) -> None:
    case = routing.open(kind="information", category={"code": "0101", "name": "道路破损"})
    _, said = client("GET", f"/cases/{case['id']}/explain", **DESK)
    assert said["near"][0] | {"lead_name": ""} == {
        "rule": "road-damage",
        "failed": None,
        "why": "也符合，但优先级较低（0低于50）",
        "level": "department",
        "lead": "U02",
        "lead_name": "",
    }


def test_who_may_not_see_a_leg_is_not_told_of_it(routing: Routing, client: Client) -> None:
    case = routing.open(signs=[{"code": "fire", "call": "119"}])
    send(client, case, f"legs/{case['legs'][2]['id']}/release", {"reason": "不用来了"})
    clerk = {"who": "k", "role": "unit_clerk", "unit": "U06"}
    _, seen = client("GET", f"/cases/{case['id']}", **clerk)
    _, said = client("GET", f"/cases/{case['id']}/explain", **clerk)
    shown = {leg["assignee"]["id"] for leg in seen["case"]["legs"]}
    assert "U06" in shown
    assert "县应急管理局" not in said["sentence"]  # it owes nothing any more
    for unit, name in (("U05", "县消防救援大队"), ("U03", "县公安局")):
        assert (name in said["sentence"]) <= (unit in shown)


def test_the_desk_by_command(
    routing: Routing, client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    from jiayuan.routing.cli import routing as command

    settings = routing.opened.settings
    monkeypatch.setenv("JIAYUAN_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("JIAYUAN_SEAL_KEYS", settings.seal_keys)

    def run(*words: str, code: int = 0) -> str:
        done = CliRunner().invoke(command, list(words))
        assert done.exit_code == code, done.output
        return done.output

    thought = [{"code": "0105", "name": "垃圾清运与公厕", "why": ["垃圾"]}]
    case = routing.open(category=UNSURE, candidates=thought)
    said = run("explain", case["number"])
    assert "把握0.2低于政策要求的0.3" in said
    assert "候选 0105 垃圾清运与公厕（垃圾）" in said
    english = run("explain", case["number"], "--lang", "en")
    assert "candidate 0105" in english
    assert json.loads(run("explain", case["number"], "--json"))["case"] == case["number"]
    done = run("triage", case["number"], "--category", "0102", "--reason", "是路灯", "--who", "desk-9")
    assert "0102" in done
    assert "U49" in done
    assert "red" in run("colour", case["number"], "red", "--reason", "急", "--who", "desk-9")
    assert "reason" in run("colour", case["number"], "red", "--reason", " ", "--who", "x", code=1)
    assert "街道研判（desk-9）" in run("explain", case["number"])
    out = tmp_path / "out.jsonl"
    assert "2 decisions" in run("decisions", "export", "--since", "2026-03-02", "--out", str(out))
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert sorted(line["cause"] for line in lines) == ["recolour", "triage"]
    (learned,) = [line for line in lines if line["cause"] == "triage"]
    assert (learned["category"], learned["before"]["category"]) == ("0102", "1502")
    assert learned["reports"] == [case["reports"][0]["id"]]
    everything = run("decisions", "export", "--since", "2026-03-02", "--all")
    assert len([line for line in everything.splitlines() if line.startswith("{")]) == 3
    assert client("GET", "/triage", **DESK)[1]["cases"] == []
