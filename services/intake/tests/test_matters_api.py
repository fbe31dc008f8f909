"""`/reports/likely`, `/joins` and `/hotspots` through the chassis' dispatch, and the same by command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from werkzeug.test import EnvironBuilder

from jiayuan.chassis import tokens
from jiayuan.chassis.testing.databases import SEAL_KEYS, TOKEN_SECRET, Opened
from jiayuan.chassis.web import Call, dispatch
from jiayuan.intake import cli, handlers, matters_api, people
from jiayuan.intake.report import Submission

pytestmark = pytest.mark.store

LAMP = "龙津社区听雨街的路灯坏了三盏，晚上漆黑一片，老人孩子出门很不方便，请尽快派人来修复。"
PERHAPS = "龙津社区听雨街路灯坏了，晚上漆黑一片，老人不敢出门。"
STREET = "350921001"
Ask = Callable[..., Any]


@pytest.fixture
def ask(intake: Opened) -> Ask:
    def ask(handler: Any, *path: str, json: Any = None, roles: tuple[str, ...] = (), **how: Any) -> Any:
        headers = {}
        if roles:
            token = tokens.issue(TOKEN_SECRET, "desk-1", roles, street=how.get("street", ""))
            headers["Authorization"] = f"Bearer {token}"
        method = "POST" if json is not None else "GET"
        builder = EnvironBuilder(
            method=method, path="/joins", json=json, headers=headers, query_string=how.get("query")
        )
        return dispatch(
            {},
            Call(builder.get_environ()),
            lambda c: handler(intake.runtime, c, *path),
            intake.settings,
            roles and (matters_api.HOTSPOTS if handler is matters_api.hotspots else matters_api.DESK),
            "/joins",
            "intake",
        )

    return ask


def take(intake: Opened, *texts: str) -> list[str]:
    """Reports of different people, each in a batch of its own; their ids."""
    out = []
    for n, text in enumerate(texts):
        with intake() as work:
            contact = people.Contact(phone=f"1380000000{n}")
            (receipt,) = handlers.receive(work, [Submission("hotline", text, contact=contact)])
            out.append(receipt.report)
    return out


def test_a_draft_shows_what_it_may_repeat_and_nothing_private(intake: Opened, ask: Ask) -> None:
    take(intake, LAMP)
    answer = ask(matters_api.likely, json={"text": PERHAPS})
    assert answer.status_code == 200
    (found,) = answer.json["likely"]
    assert found["place"]["name"].endswith("龙津社区")
    assert found["words"] == "受理中"
    assert "听雨街" not in answer.get_data(as_text=True)
    assert ask(matters_api.likely, json={"text": "菜市场的秤不准"}).json == {"likely": []}
    danger = ask(matters_api.likely, json={"text": "听雨街煤气泄漏，味道很大"})
    assert "119" in danger.json["advice"]
    assert ask(matters_api.likely, json={"txet": "x"}).status_code == 422


def test_the_desk_of_the_street_answers_its_questions_and_no_other_desk(intake: Opened, ask: Ask) -> None:
    first, second = take(intake, LAMP, PERHAPS)
    mine, theirs = {"roles": ("desk",), "street": STREET}, {"roles": ("desk",), "street": "350921002"}
    (asked,) = ask(matters_api.listed, **mine).json["joins"]
    assert (asked["report"], asked["first"]["report"], asked["state"]) == (second, first, "asked")
    assert asked["reason"]
    assert ask(matters_api.listed, **theirs).json["joins"] == []
    assert ask(matters_api.decide, second, json={"join": True}, **theirs).status_code == 403
    assert ask(matters_api.decide, second, json={"join": "maybe"}, **mine).status_code == 422
    answer = ask(matters_api.decide, second, json={"join": True, "note": "同一盏灯"}, **mine)
    assert answer.json == {"report": second, "state": "joined"}
    assert ask(matters_api.listed, **mine).json["joins"] == []
    (joined,) = ask(matters_api.listed, query={"state": "joined"}, **mine).json["joins"]
    assert joined["decided_by"] == "desk-1"
    undone = ask(matters_api.undo, second, json={"reason": "另一盏"}, **mine)
    assert undone.json == {"report": second, "state": "separated"}
    body = {"report": second, "matter": first, "reason": "还是同一盏"}
    assert ask(matters_api.join, json=body, **theirs).status_code == 403
    assert ask(matters_api.join, json=body, **mine).status_code == 201
    assert ask(matters_api.join, json=body, **mine).status_code == 200


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"state": "x"}, "state"),
        ({"limit": "0"}, "limit"),
        ({"strete": "1"}, "strete"),
    ],
)
def test_a_query_that_is_wrong_names_the_field(ask: Ask, query: dict[str, str], field: str) -> None:
    answer = ask(matters_api.listed, query=query, roles=("county",))
    assert answer.status_code == 422
    assert [e["field"].rsplit(".", 1)[-1] for e in answer.json["errors"]] == [field]
    assert ask(matters_api.listed, query={"after": "x"}, roles=("county",)).status_code == 404


def test_pages_of_questions_hold_each_once(intake: Opened, ask: Ask) -> None:
    take(intake, LAMP, PERHAPS, PERHAPS.replace("老人", "孩子"), PERHAPS.replace("不敢", "不便"))
    seen, after = [], ""
    while True:
        page = ask(matters_api.listed, query={"limit": "1", "after": after}, roles=("county",)).json
        seen += [j["report"] for j in page["joins"]]
        after = page["next"] or ""
        if not after:
            break
    assert len(seen) == len(set(seen)) >= 1


@pytest.mark.parametrize("handler", [matters_api.decide, matters_api.undo])
def test_a_report_about_which_nothing_is_asked_is_not_found(ask: Ask, handler: Any) -> None:
    body = {"join": True} if handler is matters_api.decide else {"reason": "x"}
    for id_ in ("x", "019a0000-0000-7000-8000-000000000000"):
        assert ask(handler, id_, json=body, roles=("county",)).status_code == 404


@pytest.fixture
def run(intake: Opened, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.setenv("JIAYUAN_DATABASE_URL", intake.url)
    monkeypatch.setenv("JIAYUAN_SEAL_KEYS", SEAL_KEYS)
    monkeypatch.setenv("JIAYUAN_TOKEN_SECRET", TOKEN_SECRET)

    def run(*words: str) -> Any:
        return CliRunner().invoke(cli.intake, list(words), catch_exceptions=False)

    return run


def test_the_same_by_command(intake: Opened, run: Callable[..., Any]) -> None:
    _, second = take(intake, LAMP, PERHAPS)
    listed = run("joins", "list")
    assert second in listed.output
    assert "1 asked" in listed.output
    assert run("joins", "decide", second, "--join", "--by", "desk-1").output == "joined\n"
    assert run("joins", "undo", second, "--by", "desk-1", "--reason", "另一盏").output == "separated\n"
    again = run("joins", "decide", second, "--join", "--by", "desk-1")
    assert again.exit_code == 1
    assert "separated" in again.output


def test_hotspots_are_kept_by_command_and_read_by_http(
    intake: Opened, ask: Ask, run: Callable[..., Any]
) -> None:
    assert ask(matters_api.hotspots, roles=("county",)).status_code == 404
    take(intake, *(f"{LAMP}{chr(0x4E00 + n)}{chr(0x5E00 + n)}" for n in range(8)))
    done = run("hotspots", "--since", "2026-03-01", "--until", "2026-03-04", "--keep")
    assert done.exit_code == 0, done.output
    assert "8 messages" in done.output
    answer = ask(matters_api.hotspots, roles=("county",))
    assert answer.json["reports"] == 8
    for hotspot in answer.json["hotspots"]:
        assert all(m["title"] and m["category"] and "community" in m for m in hotspot["messages"])
    assert ask(matters_api.hotspots, roles=("service",)).json == answer.json
    assert ask(matters_api.hotspots, roles=("desk",), street=STREET).status_code == 404
    assert run("hotspots").exit_code == 2
    assert run("hotspots", "--since", "gestern").exit_code == 2


def test_how_well_joining_does_is_a_command(tmp_path: Path, run: Callable[..., Any]) -> None:
    texts = [LAMP, LAMP.replace("三盏", "三四盏"), "菜市场的秤不准，请查一查", "孩子入学需要什么材料"]
    file, groups = tmp_path / "messages.jsonl", tmp_path / "groups.csv"
    lines = [
        json.dumps({"row": n, "title": "", "detail": t, "user": f"u{n}", "time": None})
        for n, t in enumerate(texts)
    ]
    file.write_text("\n".join(lines).replace("null", "NaN"), encoding="utf-8")
    groups.write_text("row,group\n0,0\n1,0\n2,2\n3,3\n", encoding="utf-8")
    done = run("joins", "evaluate", str(file), "--groups", str(groups))
    assert done.exit_code == 0, done.output
    assert "4 messages" in done.output
    (line,) = [x for x in done.output.splitlines() if "joined from here" in x]
    assert line.split()[:4] == ["0.75", "1", "1.000", "1.000"]
    assert run("joins", "evaluate", str(tmp_path / "none.jsonl")).exit_code == 2
