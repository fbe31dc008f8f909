"""Places by HTTP: looked up, asked, chosen by the reporter, decided by the desk; gazetteers imported and taken up."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text as sql
from werkzeug.test import EnvironBuilder

from jiayuan.chassis import tokens
from jiayuan.chassis.testing.databases import TOKEN_SECRET, Opened
from jiayuan.chassis.web import Call, dispatch
from jiayuan.intake import api, handlers, place, places, report
from jiayuan.intake.channels import places as channel
from jiayuan.intake.cli import intake as command
from jiayuan.intake.report import Submission
from jiayuan.intake.store import people as stored

pytestmark = pytest.mark.store
Send = Callable[..., Any]
SONGGANG, SONGCHENG = "350921002", "350921001"
# 东关 alone is a community and a village, both of 松港街道.
UNCLEAR = {"text": "路灯坏了三天", "place": {"text": "东关"}}
COMMUNITY, VILLAGE = "350921002001", "350921002200"


@pytest.fixture
def send(intake: Opened) -> Send:
    def send(handler: Any, *path: str, roles: tuple[str, ...] = (), street: str = "", **how: Any) -> Any:
        headers = dict(how.pop("headers", {}))
        if roles:
            headers["Authorization"] = f"Bearer {tokens.issue(TOKEN_SECRET, 'someone', roles, street=street)}"
        call = Call(EnvironBuilder(path="/x", headers=headers, **how).get_environ())
        needed = channel.DESKS if handler in (channel.undecided, channel.decide) else ()

        def run(call: Call) -> Any:
            takes_delivery = handler not in (channel.search, channel.locate)
            return handler(*((intake.runtime,) if takes_delivery else ()), call, *path)

        return dispatch({}, call, run, intake.settings, needed, "/x", "intake")

    return send


@pytest.fixture
def run(intake: Opened, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("JIAYUAN_INTAKE_DATABASE_URL", intake.url)
    monkeypatch.setenv("JIAYUAN_SEAL_KEYS", intake.settings.seal_keys)

    def run(*arguments: Any) -> Result:
        return CliRunner().invoke(command, ["gazetteer", *map(str, arguments)], catch_exceptions=False)

    return run


def _events(intake: Opened, name: str) -> list[Any]:
    with intake.engine.connect() as conn:
        rows = conn.execute(
            sql("SELECT body FROM outbox_event WHERE routing_key LIKE :name ORDER BY id"),
            {"name": f"{name}%"},
        )
        return [r.body for r in rows]


def _problem(response: Any, status: int, field: str = "") -> dict[str, Any]:
    assert response.status_code == status, response.get_data()
    document: dict[str, Any] = response.get_json()
    if field:
        assert [e["field"] for e in document["errors"]] == [field]
        assert document["errors"][0]["allowed"]
    return document


# -- looking up --------------------------------------------------------------------------------------


def test_search_gives_codes_to_choose_from(send: Send) -> None:
    found = send(channel.search, query_string={"q": "东关"}).get_json()["places"]
    assert [p["code"] for p in found[:2]] == [COMMUNITY, VILLAGE]  # before compounds that are called 东关…
    assert found[0]["full_name"] == "松港街道东关社区"
    assert len(send(channel.search, query_string={"q": "社区", "limit": "3"}).get_json()["places"]) == 3
    assert send(channel.search, query_string={"q": "東關"}).get_json()["places"] == found
    _problem(send(channel.search), 422, "q")
    _problem(send(channel.search, query_string={"q": "x" * 51}), 422, "q")
    _problem(send(channel.search, query_string={"q": "x", "limit": "many"}), 422, "limit")


def test_locate_tells_before_anything_is_sent(send: Send) -> None:
    sure = send(channel.locate, method="POST", json={"text": "龍津社區聽雨街路燈壞了"}).get_json()
    assert (sure["name"], sure["candidates"]) == ("松城街道龙津社区", [])
    unclear = send(channel.locate, method="POST", json=UNCLEAR).get_json()
    assert unclear["street"] == SONGGANG
    assert {c["code"]: c["name"] for c in unclear["candidates"]} == {
        COMMUNITY: "松港街道东关社区",
        VILLAGE: "松港街道东关村",
    }
    swapped = {"place": {"lat": 119.998, "long": 26.888, "crs": "gcj02"}}
    assert send(channel.locate, method="POST", json=swapped).get_json()["point"] == "swapped"
    _problem(send(channel.locate, method="POST", json={"place": {"lat": 26.9}}), 422, "place.long")
    _problem(send(channel.locate, method="POST", json={"place": {"crs": "mars"}}), 422, "place.crs")


# -- the reporter is asked ---------------------------------------------------------------------------


def test_a_reporter_is_asked_and_chooses(intake: Opened, send: Send) -> None:
    made = send(api.submit, method="POST", json=UNCLEAR).get_json()
    assert {c["code"] for c in made["place"]["candidates"]} == {COMMUNITY, VILLAGE}
    assert made["place"]["choose"]["path"] == f"/reports/{made['id']}/place"
    assert _questions(intake) == [("reporter", SONGGANG, "open", None)]
    assert send(channel.undecided, roles=("desk",), street=SONGGANG).get_json()["questions"] == []

    code = {"headers": {"X-Tracking-Code": made["tracking_code"], "Idempotency-Key": "k"}}
    chosen = send(channel.choose, made["id"], method="POST", json={"code": VILLAGE}, **code)
    assert chosen.status_code == 201
    assert chosen.get_json()["place"]["name"] == "松港街道东关村"
    again = send(channel.choose, made["id"], method="POST", json={"code": VILLAGE}, **code)
    assert (again.status_code, again.get_json()) == (200, chosen.get_json())

    shown = send(api.show, made["id"], headers={"X-Tracking-Code": made["tracking_code"]}).get_json()
    assert shown["place"]["community"] == VILLAGE
    assert _questions(intake) == [("reporter", SONGGANG, "decided", VILLAGE)]
    (event,) = _events(intake, "report.supplemented")
    assert event["data"]["place"]["community"] == VILLAGE
    assert event["data"]["text"] == "地点：松港街道东关村（报告人选定）"
    assert (event["street"], event["sequence"]) == (SONGGANG, 2)


def test_only_the_reporter_chooses_and_only_what_there_is(intake: Opened, send: Send) -> None:
    made = send(api.submit, method="POST", json=UNCLEAR).get_json()
    _problem(send(channel.choose, made["id"], method="POST", json={"code": VILLAGE}), 404)
    code = {"X-Tracking-Code": made["tracking_code"]}
    _problem(
        send(channel.choose, made["id"], method="POST", json={"code": "350921999"}, headers=code), 422, "code"
    )
    _problem(send(channel.choose, made["id"], method="POST", json={}, headers=code), 422, "code")
    assert _questions(intake) == [("reporter", SONGGANG, "open", None)]
    assert _events(intake, "report.supplemented") == []


def test_who_waits_too_long_is_decided_for(intake: Opened, send: Send) -> None:
    made = send(api.submit, method="POST", json=UNCLEAR).get_json()
    intake.clock.time += timedelta(minutes=31)
    (question,) = send(channel.undecided, roles=("desk",), street=SONGGANG).get_json()["questions"]
    assert (question["report"], question["asked"]) == (made["id"], "reporter")


# -- the desk is asked -------------------------------------------------------------------------------


def _questions(intake: Opened) -> list[tuple[Any, ...]]:
    with intake.engine.connect() as conn:
        rows = conn.execute(sql("SELECT asked, street, state, decided FROM place_question ORDER BY report"))
        return [tuple(r) for r in rows]


def _from_a_file(intake: Opened, *submissions: dict[str, Any]) -> list[str]:
    with intake() as work:
        receipts = handlers.receive(
            work, [Submission("file_import", **{"text": "路灯坏了", **s}) for s in submissions]
        )
    return [r.report for r in receipts]


def test_a_channel_without_dialogue_asks_the_desk(intake: Opened, send: Send) -> None:
    first, _, _ = _from_a_file(
        intake, {"place_text": "东关"}, {"place_text": "东关社区"}, {"place_text": "桥头"}
    )
    assert _questions(intake) == [("desk", SONGGANG, "open", None)] * 2
    questions = send(channel.undecided, roles=("desk",), street=SONGGANG).get_json()["questions"]
    assert len(questions) == 2
    question = next(q for q in questions if q["report"] == first)
    assert {c["code"] for c in question["candidates"]} == {COMMUNITY, VILLAGE}
    assert question["why"]
    assert question["text"] == "路灯坏了"
    assert send(channel.undecided, roles=("desk",), street=SONGCHENG).get_json()["questions"] == []
    assert len(send(channel.undecided, roles=("county",)).get_json()["questions"]) == 2

    how = {"roles": ("desk",), "street": SONGGANG, "method": "POST"}
    _problem(send(channel.decide, first, json={"code": COMMUNITY}, method="POST"), 401)
    _problem(
        send(channel.decide, first, json={"code": COMMUNITY}, method="POST", roles=("grid_worker",)), 403
    )
    other = {**how, "street": SONGCHENG}
    _problem(send(channel.decide, first, json={"code": COMMUNITY}, **other), 403)
    _problem(send(channel.decide, first, json={"code": None}, **how), 422, "reason")
    _problem(send(channel.decide, first, json={"code": "nowhere"}, **how), 422, "code")
    done = send(channel.decide, first, json={"code": COMMUNITY, "reason": "电话核实"}, **how)
    assert done.status_code == 201
    assert done.get_json()["place"]["community"] == COMMUNITY
    _problem(send(channel.decide, first, json={"code": VILLAGE}, **how), 409)
    assert len(send(channel.undecided, roles=("desk",), street=SONGGANG).get_json()["questions"]) == 1
    (event,) = _events(intake, "report.supplemented")
    assert event["data"]["place"]["community"] == COMMUNITY


def test_the_desk_may_say_that_none_fits(intake: Opened, send: Send) -> None:
    (first,) = _from_a_file(intake, {"place_text": "东关"})
    how = {"roles": ("desk",), "street": SONGGANG, "method": "POST"}
    done = send(channel.decide, first, json={"code": None, "reason": "在外县"}, **how).get_json()
    assert (done["place"], done["reason"]) == (None, "在外县")
    assert _events(intake, "report.supplemented") == []
    _problem(send(channel.decide, "0198c684-5e91-7831-b19e-89c4d656bdb8", json={"code": VILLAGE}, **how), 404)
    (clear,) = _from_a_file(intake, {"place_text": "龙津社区"})
    _problem(send(channel.decide, clear, json={"code": VILLAGE}, **how), 404)


def test_a_question_between_two_streets_goes_to_both_desks(intake: Opened, send: Send) -> None:
    (first,) = _from_a_file(intake, {"text": "龙津社区和东关社区都停电"})
    for street in (SONGCHENG, SONGGANG):
        (question,) = send(channel.undecided, roles=("desk",), street=street).get_json()["questions"]
        assert (question["report"], question["street"]) == (first, None)
    assert send(channel.undecided, roles=("desk",), street="350921003").get_json()["questions"] == []
    how = {"roles": ("desk",), "street": SONGGANG, "method": "POST"}
    done = send(channel.decide, first, json={"code": COMMUNITY}, **how).get_json()
    assert done["place"]["street"] == SONGGANG
    with intake.engine.connect() as conn:
        assert conn.execute(sql("SELECT street FROM report")).scalar_one() == SONGGANG


def test_what_is_withdrawn_is_not_asked(intake: Opened, send: Send) -> None:
    made = send(api.submit, method="POST", json=UNCLEAR).get_json()
    send(api.withdraw, made["id"], method="POST", json={}, headers={"X-Tracking-Code": made["tracking_code"]})
    intake.clock.time += timedelta(hours=1)
    assert send(channel.undecided, roles=("desk",), street=SONGGANG).get_json()["questions"] == []


def test_who_is_erased_leaves_no_address_behind(intake: Opened) -> None:
    (first,) = _from_a_file(intake, {"place_text": "东关", "lat": 26.8854, "long": 120.0008, "crs": "gcj02"})
    with intake() as work:
        stored.erase_words(work, [first], work.now)
    with intake.engine.connect() as conn:
        assert tuple(conn.execute(sql("SELECT lat, long, place_evidence FROM report")).one()) == (
            None,
            None,
            "",
        )
        why, candidates = conn.execute(sql("SELECT why, candidates FROM place_question")).one()
    assert why == ""
    assert {c["code"] for c in candidates} == {COMMUNITY, VILLAGE}
    assert {c["why"] for c in candidates} == {""}


# -- coordinates are kept ----------------------------------------------------------------------------


def test_points_are_kept_in_wgs84_with_what_they_are(intake: Opened) -> None:
    _from_a_file(
        intake,
        {"lat": 26.8854, "long": 120.0008, "crs": "gcj02"},
        {"lat": 0.0, "long": 0.0},
        {"lat": 39.9042, "long": 116.4074},
        {},
    )
    with intake.engine.connect() as conn:
        rows = conn.execute(sql("SELECT lat, long, point FROM report ORDER BY id")).all()
    assert [r.point for r in rows] == ["inside", "fallback", "outside", None]
    assert rows[0].lat == pytest.approx(26.8887, abs=1e-3)
    assert (rows[1].lat, rows[3].lat) == (0.0, None)


# -- gazetteers --------------------------------------------------------------------------------------

POINTS = (
    "code,name,kind,lat,long,services,hours,capacity,address\n"
    "P1,龙津党群服务中心,党群服务中心,26.8885,119.9985,社保咨询、老年食堂,工作日 8:00-12:00、14:30-17:30,4,听雨街1号\n"
    "P2,骑手驿站,驿站,26.8900,119.9990,充电,每天 0:00-24:00,20,\n"
)


def _write(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def _refresh(intake: Opened) -> bool:
    with intake() as work:
        return places.refresh(work)


def test_a_version_is_taken_up_by_who_runs_and_put_back_when_revoked(
    intake: Opened, run: Any, tmp_path: Path
) -> None:
    intake.clock.time = datetime.now(UTC)  # the command goes by the clock on the wall
    file = _write(tmp_path, "v.csv", "code,name\n350921103,溪南镇\n350921103201,芹头村委会\n")
    assert not _refresh(intake)
    result = run("import", "--name", "第一版", file)
    assert result.exit_code == 0, result.output
    assert "version 1 (第一版), in force now" in result.output
    places.forget()  # as another replica, which has the bundled list and hears of it by its timer
    assert report.rules().gazetteer.locate(text="芹头村停电").community is None
    intake.clock.time = datetime.now(UTC)
    assert _refresh(intake)
    assert not _refresh(intake)
    assert report.rules().gazetteer.locate(text="芹头村停电").community == "350921103201"
    assert report.rules().gazetteer.locate(text="龙津社区停电").community == "350921001001"
    _from_a_file(intake, {"text": "芹头村停电"})
    with intake.engine.connect() as conn:
        assert conn.execute(sql("SELECT community FROM report")).scalar_one() == "350921103201"

    same = run("import", file)
    assert "the list of places is as before" in same.output
    assert "* 1  第一版" in run("list").output
    assert run("revoke", "1", "--reason", "测试").exit_code == 0
    assert run("revoke", "1", "--reason", "测试").exit_code == 1
    assert "revoked" in run("list").output
    assert _refresh(intake)
    assert report.rules().gazetteer.locate(text="芹头村停电").community is None


def test_a_version_comes_into_force_on_its_day(intake: Opened, run: Any, tmp_path: Path) -> None:
    intake.clock.time = datetime.now(UTC)
    file = _write(tmp_path, "v.csv", "code,name\n350921103,溪南镇\n350921103201,芹头村委会\n")
    day = (intake.clock.time + timedelta(days=2)).date().isoformat()
    result = run("import", "--effective", day, file)
    assert f"in force from {day}" in result.output
    assert not _refresh(intake)
    intake.clock.time += timedelta(days=3)
    assert _refresh(intake)
    assert report.rules().gazetteer.locate(text="芹头村停电").community == "350921103201"
    bad = run("import", "--effective", "soon", file)
    assert bad.exit_code == 2
    assert "a day such as" in bad.output


def test_nothing_goes_in_when_something_is_wrong(intake: Opened, run: Any, tmp_path: Path) -> None:
    result = run("import", _write(tmp_path, "v.csv", "code,name\n350921103201,芹头村委会\n"))
    assert result.exit_code == 1
    assert "its parent '350921103' is unknown" in result.output
    with intake.engine.connect() as conn:
        assert conn.execute(sql("SELECT count(*) FROM gazetteer_version")).scalar_one() == 0


def test_service_points_near(intake: Opened, send: Send, run: Any, tmp_path: Path) -> None:
    result = run("import", _write(tmp_path, "p.csv", POINTS))
    assert result.exit_code == 0, result.output
    assert "2 service_points" in result.output
    here = {"lat": "26.8880", "long": "119.9980"}
    monday = {"at": "2026-03-02T09:30:00+08:00"}
    found = send(channel.near, query_string={**here, **monday}).get_json()["points"]
    assert [p["code"] for p in found] == ["P1", "P2"]
    assert found[0]["in_circle"]
    assert found[0]["open"]
    assert found[0]["closes_at"] == "2026-03-02T04:00:00.000000Z"
    night = {"at": "2026-03-02T22:00:00+08:00"}
    assert [p["code"] for p in send(channel.near, query_string={**here, **night}).get_json()["points"]] == [
        "P2"
    ]
    both = send(channel.near, query_string={**here, **night, "closed": "true"}).get_json()["points"]
    assert [(p["code"], p["open"]) for p in both] == [("P2", True), ("P1", False)]
    assert both[1]["opens_at"] == "2026-03-03T00:00:00.000000Z"
    social = send(channel.near, query_string={**here, **monday, "service": "社保咨詢"}).get_json()["points"]
    assert [p["code"] for p in social] == ["P1"]
    for field, query in (
        ("lat", {"long": "119.9"}),
        ("long", {"lat": "26.9", "long": "nan"}),
        ("crs", {**here, "crs": "mars"}),
        ("at", {**here, "at": "tomorrow"}),
        ("closed", {**here, "closed": "perhaps"}),
        ("limit", {**here, "limit": "0"}),
    ):
        _problem(send(channel.near, query_string=query), 422, field)

    head, _, second = POINTS.splitlines()
    changed = _write(tmp_path, "q.csv", f"{head}\n{second.replace('骑手驿站', '新驿站')}\n")
    assert "1 other service points close today" in run("import", "--whole-points", changed).output
    with intake.engine.connect() as conn:
        rows = conn.execute(
            sql("SELECT code, name, street, open_until FROM service_point ORDER BY code")
        ).all()
    assert [(r.code, r.name, r.street) for r in rows] == [
        ("P1", "龙津党群服务中心", SONGCHENG),
        ("P2", "新驿站", SONGCHENG),
    ]
    assert [r.open_until is None for r in rows] == [False, True]


# -- fallback points ---------------------------------------------------------------------------------


def test_fallbacks_are_learnt_from_what_came_in(intake: Opened, run: Any) -> None:
    names = [n.name for n in place.bundled().nodes.values() if n.kind == "community"][:12]
    at = {"lat": 26.88817, "long": 119.99813}
    _from_a_file(intake, *({"place_text": name, **at} for name in names))
    _from_a_file(intake, *({"place_text": names[0], "lat": 26.8901, "long": 119.9901} for _ in range(12)))
    found = run("fallbacks", "--since", "3650d", "--keep")
    assert found.exit_code == 0, found.output
    assert "24 reports with coordinates, 2 points" in found.output
    assert (
        "26.888170, 119.998130  12 reports (50.0%)  fallback: one point for 12 different places"
        in found.output
    )
    assert "1 kept, 0 were known" in found.output
    assert "0 kept, 1 were known" in run("fallbacks", "--since", "3650d", "--keep").output
    assert _refresh(intake)
    judged = report.rules().gazetteer.locate(text="路灯坏了", **at)
    assert (judged.point, judged.street) == ("fallback", None)
    assert "12 reports, 12 places" in run("fallbacks", "--known").output
    assert run("fallbacks", "--forget", "26.88817", "119.99813").exit_code == 0
    assert run("fallbacks", "--forget", "26.88817", "119.99813").exit_code == 1
    assert _refresh(intake)
    assert report.rules().gazetteer.locate(text="路灯坏了", **at).point == "inside"


def test_the_document_of_a_version_is_kept_whole(intake: Opened, run: Any, tmp_path: Path) -> None:
    shape = {
        "type": "Polygon",
        "coordinates": [[[120.0, 26.87], [120.01, 26.87], [120.01, 26.88], [120.0, 26.87]]],
    }
    area = {"type": "Feature", "properties": {"code": COMMUNITY}, "geometry": shape}
    file = _write(tmp_path, "a.geojson", json.dumps({"type": "FeatureCollection", "features": [area]}))
    assert run("import", file).exit_code == 0
    assert report.rules().gazetteer.locate(lat=26.872, long=120.008).community == COMMUNITY
    with intake.engine.connect() as conn:
        row = conn.execute(
            sql("SELECT document, counts, effective_from, imported_by FROM gazetteer_version")
        ).one()
    kept = next(p for p in row.document["places"] if p["code"] == COMMUNITY)
    assert kept["area"] == shape
    assert row.counts["polygons"] == 1
    assert row.imported_by
    assert isinstance(row.effective_from, datetime)
