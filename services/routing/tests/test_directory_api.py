"""The directory over HTTP: grids as of a day, committees, who is on duty, the nearest open point."""

from __future__ import annotations

import io
import zipfile
from datetime import timedelta
from typing import Any

import openpyxl
import pytest

from jiayuan.routing import changes
from jiayuan.routing.directory import DirectoryError, bundled
from jiayuan.routing.directory.operations import split
from jiayuan.routing.seed import More, seed

from .conftest import T0, Client, small_places

pytestmark = pytest.mark.store

G1, NEW = "350921001001-G01", "350921001001-G09"
SEAT = {"role": "desk", "street": "350921001"}


@pytest.fixture
def full(own: Any) -> dict[str, Any]:
    """The small directory with everything there is, and one point of a service of its own."""
    more = More(14, 9, 6, ("2026-01-01", "2028-12-31"))
    document = seed(small_places(), bundled("units")["units"], 12, 60, 1, more)
    for i, (lat, hours) in enumerate(
        ((26.9, "每天 00:00-24:00"), (26.88, "周一至周五 09:00-12:00"), (26.89, "周六 09:00-12:00"))
    ):
        document["points"][i] |= {"lat": lat, "long": 120.0, "services": ["例服务"], "hours": hours}
    with own.work() as work:
        changes.change(work, own.opened.runtime.sealer, document, "test")
    return document


@pytest.fixture
def ask(own: Any, full: dict[str, Any]) -> Any:
    assert full
    return Client(own.opened)


def test_the_nearest_open_point_that_offers_it(ask: Any) -> None:
    # T0 is a Monday, 09:00 in Xiapu.
    status, found = ask("GET", "/directory/points/nearest?lat=26.8805&lon=120&service=例服务", role="citizen")
    assert status == 200
    assert (found["crs"], found["circle_minutes"]) == ("WGS-84", 15)
    assert [(p["lat"], p["open"], p["in_circle"]) for p in found["points"]] == [
        (26.88, True, True),
        (26.9, True, False),
    ]
    first = found["points"][0]
    assert (first["metres"], first["minutes"], first["closes_at"]) == (56, 1, "2026-03-02T04:00:00.000000Z")
    saturday = "&at=2026-03-07T10:00:00%2B08:00"
    found = ask(
        "GET", f"/directory/points/nearest?lat=26.88&lon=120&service=例服务{saturday}", role="citizen"
    )[1]
    assert [p["lat"] for p in found["points"]] == [26.89, 26.9]
    found = ask(
        "GET",
        f"/directory/points/nearest?lat=26.88&lon=120&service=例服务{saturday}&closed=true",
        role="citizen",
    )[1]
    assert [(p["lat"], p["open"]) for p in found["points"]] == [(26.89, True), (26.9, True), (26.88, False)]
    assert found["points"][2]["opens_at"] == "2026-03-09T01:00:00.000000Z"
    assert (
        ask("GET", "/directory/points/nearest?lat=26.88&lon=120&service=没有的", role="citizen")[1]["points"]
        == []
    )
    assert (
        len(
            ask("GET", "/directory/points/nearest?lat=26&lon=120&closed=true&limit=2", role="citizen")[1][
                "points"
            ]
        )
        == 2
    )


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("", {"lat", "lon"}),
        ("lat=nan&lon=inf", {"lat", "lon"}),
        ("lat=91&lon=181", {"lat", "lon"}),
        ("lat=1&lon=1&at=yesterday&limit=0&closed=maybe", {"at", "limit", "closed"}),
        ("lat=1&lon=1&limit=99999999999999999999", {"limit"}),
    ],
)
def test_wrong_questions_for_points(ask: Any, query: str, fields: set[str]) -> None:
    status, found = ask("GET", f"/directory/points/nearest?{query}", role="citizen")
    assert status == 422
    assert {e["field"] for e in found["errors"]} == fields
    assert all(e["allowed"] for e in found["errors"])


def test_who_is_on_duty_with_their_load(ask: Any, own: Any, full: dict[str, Any]) -> None:
    case = own.open(place={"grid": G1})
    holder = case["legs"][0]["assignee"]["id"]
    status, found = ask("GET", f"/directory/duty?place={G1}", **SEAT)
    assert status == 200
    loads = {p["id"]: p["load"] for p in found["people"]}
    assert loads[holder] == 1
    assert found["holds_until"] == "2026-03-02T04:00:00.000000Z"  # the office hours' noon
    roster = {r["who"]: r["spans"] for r in full["roster"]}
    assert all(roster[i] in (["06:00-14:00"], ["08:00-12:00", "14:30-18:00"]) for i in loads)
    night = ask("GET", f"/directory/duty?place={G1}&at=2026-03-03T00:00:00%2B08:00", **SEAT)[1]
    assert {tuple(roster[p["id"]]) for p in night["people"]} == {("22:00-06:00",)}
    assert "load" not in night["people"][0]
    assert len(night["people"]) + night["away"] == len(loads) + found["away"]
    for query, field in (("", "place"), (f"place={G1}&role=boss", "role"), (f"place={G1}&mode=x", "mode")):
        status, found = ask("GET", f"/directory/duty?{query}", **SEAT)
        assert (status, found["errors"][0]["field"]) == (422, field)
    assert ask("GET", f"/directory/duty?place={G1}&at=2020-01-01", **SEAT)[0] == 422
    assert ask("GET", "/directory/duty?place=nowhere", **SEAT)[0] == 404
    assert ask("GET", f"/directory/duty?place={G1}", role="citizen")[0] == 403


def test_a_report_of_the_night_goes_to_who_is_there(own: Any, full: dict[str, Any]) -> None:
    roster = {r["who"]: r["spans"] for r in full["roster"]}
    for minutes, spans in ((15 * 60, ["22:00-06:00"]), (6 * 60, ["14:00-22:00"])):
        case = own.open(at=minutes, place={"grid": G1})
        given = roster[case["legs"][0]["assignee"]["id"]]
        assert given == spans or (minutes == 6 * 60 and given == ["08:00-12:00", "14:30-18:00"])


def test_what_a_grid_covers(ask: Any, own: Any, full: dict[str, Any]) -> None:
    ring = [[120.0, 26.8], [120.1, 26.8], [120.1, 26.9], [120.0, 26.8]]
    grids = [
        g | {"area": "东至例路", "boundary": {"type": "Polygon", "coordinates": [ring]}}
        if g["code"] == G1
        else g
        for g in full["grids"]
    ]
    with own.work(10) as work:
        changes.change(work, own.opened.runtime.sealer, {**full, "grids": grids}, "test")
    found = ask("GET", f"/directory/grids/{G1}/area", **SEAT)[1]
    assert found["geometry"]["coordinates"] == [ring]
    assert found["properties"]["area"] == "东至例路"
    assert ask("GET", f"/directory/grids/{full['grids'][1]['code']}/area", **SEAT)[1]["geometry"] is None
    assert ask("GET", "/directory/grids/nowhere/area", **SEAT)[0] == 404
    for wrong in (
        {"type": "Point", "coordinates": [120, 26]},
        {"type": "Polygon", "coordinates": [ring[:-1]]},
        {"type": "Polygon", "coordinates": [[*ring[:-1], [26.8, 120.0]]]},
        {"type": "Polygon", "coordinates": [[[999, 0], *ring[1:-1], [999, 0]]]},
        {"type": "Polygon", "coordinates": [[ring[0], *([ring[1]] * 4000), ring[0]]]},
    ):
        bad = [g | {"boundary": wrong} if g["code"] == G1 else g for g in full["grids"]]
        with pytest.raises(DirectoryError, match="boundary"), own.work(11) as work:
            changes.change(work, own.opened.runtime.sealer, {**full, "grids": bad}, "test")


def test_a_committee_with_its_parts(ask: Any, full: dict[str, Any]) -> None:
    status, found = ask("GET", "/directory/committees/350921001", **SEAT)
    assert status == 200
    assert [len(found[k]) for k in ("conveners", "full_time", "part_time", "organisations")] == [1, 2, 8, 3]
    assert all(s["unit"] for s in found["part_time"])
    assert "phone" not in found["conveners"][0]
    assert ask("GET", "/directory/committees/350921001001", **SEAT)[0] == 404
    units = ask("GET", "/directory/units", **SEAT)[1]["units"]
    assert [s["post"] for s in units[0]["escalation"]] == ["分管负责人", "主要负责人"]
    assert full


def test_a_grid_as_of_a_day_and_its_history(ask: Any, own: Any) -> None:
    before = {p["id"] for p in ask("GET", f"/directory/grids/{G1}", **SEAT)[1]["people"]}
    with own.work(60) as work:
        changes.operate(
            work,
            own.opened.runtime.sealer,
            lambda d: split(d, G1, {NEW: "甲", f"{G1}X": "乙"}),
            "me",
            T0 + timedelta(days=5),
            action="split",
        )
    assert ask("GET", f"/directory/grids/{G1}", **SEAT)[0] == 200
    assert ask("GET", f"/directory/grids/{NEW}", **SEAT)[0] == 404
    found = ask("GET", f"/directory/grids/{NEW}?at=2026-03-08", **SEAT)[1]
    assert {p["id"] for p in found["people"]} >= before - {"c00001", "c00013"}
    assert found["predecessors"] == [G1]
    assert ask("GET", f"/directory/grids/{G1}?at=2026-03-08", **SEAT)[0] == 404
    assert ask("GET", f"/directory/grids/{G1}?at=2026-03-06", **SEAT)[1]["children"]
    assert ask("GET", f"/directory/grids/{G1}?at=never", **SEAT)[0] == 422
    own.opened.clock.time = T0 + timedelta(days=6)
    status, gone = ask("GET", f"/directory/grids/{G1}", **SEAT)
    assert (status, gone["successors"], gone["since"]) == (
        404,
        [f"{G1}X", NEW],
        "2026-03-07T01:00:00.000000Z",
    )
    history = ask("GET", f"/directory/grids/{G1}/history", **SEAT)[1]
    assert history["grid"][-1]["valid_to"] == "2026-03-07T01:00:00.000000Z"
    assert {p["id"] for p in history["people"]} >= before
    assert ask("GET", "/directory/grids/nowhere/history", **SEAT)[0] == 404
    found = ask("GET", "/directory/versions?pending=true", role="organisation")[1]["versions"]
    assert [(v["action"], v["state"]) for v in found] == [("split", "pending")]
    with own.work(6 * 1440) as work:
        changes.tell_due(work)
    found = ask("GET", "/directory/versions", role="organisation")[1]["versions"]
    assert found[0]["state"] == "in_effect"
    assert ask("GET", "/directory/versions", **SEAT)[0] == 403
    assert ask("GET", "/directory/versions?pending=maybe", role="county")[0] == 422


# -- the workbook ------------------------------------------------------------------------------------

KEEPER = {"role": "organisation", "who": "zzb-1"}


def edited(content: bytes, change: Any) -> bytes:
    """A workbook as somebody sends it back."""
    book = openpyxl.load_workbook(io.BytesIO(content))
    change(book)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_an_organisation_department_takes_the_workbook_out_and_sends_it_back(
    ask: Any, own: Any, full: dict[str, Any]
) -> None:
    assert ask("GET", "/directory/workbook", **KEEPER)[0] == 200
    assert ask.headers["Content-Type"].endswith("spreadsheetml.sheet")
    assert ask.headers["Cache-Control"] == "no-store"
    content = ask.content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        inside = b"".join(archive.read(n) for n in archive.namelist())
    assert not [p for p in full["people"] if p["phone"].encode() in inside]
    status, found = ask("POST", "/directory/workbook?dry_run=true", content, **KEEPER)
    assert (status, found["changes"], found["version"]) == (200, {}, None)

    one = full["cadres"][0]["id"]

    def change(book: Any) -> None:
        sheet = book["报到干部"]
        row = next(r for r in range(2, sheet.max_row + 1) if sheet.cell(r, 1).value == one)
        sheet.cell(row, 2).value = "例改名"
        sheet.cell(row, 5).value = "00099999999"

    changed = edited(content, change)
    before = own.rows("SELECT version FROM directory")
    status, found = ask("POST", "/directory/workbook?dry_run=true&effective=2026-04-01", changed, **KEEPER)
    assert (status, found["state"], found["changes"]) == (200, "pending", {"person": {"changed": 1}})
    [difference] = found["differences"]
    assert (difference["key"], difference["fields"]["name"][1]) == (one, "例改名")
    assert "00099999999" not in str(found)
    assert own.rows("SELECT version FROM directory") == before
    path = "/directory/workbook?effective=2026-04-01&reason=%E8%B0%83%E6%95%B4"
    found = ask("POST", path, changed, **KEEPER)[1]
    assert (found["state"], found["effective_at"]) == ("pending", "2026-03-31T16:00:00.000000Z")
    version = found["version"]
    assert own.rows("SELECT made_by, reason FROM directory_version WHERE version = :v", v=version) == [
        ("zzb-1", "调整")
    ]
    cancel = f"/directory/versions/{version}/cancellation"
    assert ask("POST", cancel, {}, **KEEPER)[0] == 422
    assert ask("POST", cancel, {"reason": "不改了"}, **KEEPER)[1] == {
        "version": version,
        "state": "cancelled",
    }
    status, found = ask("POST", cancel, {"reason": "不改了"}, **KEEPER)
    assert (status, found["errors"][0]["problem"]) == (409, "was cancelled already")


def test_a_wrong_workbook_is_told_by_sheet_row_and_column(ask: Any, own: Any) -> None:
    ask("GET", "/directory/workbook", **KEEPER)
    before = own.rows("SELECT version FROM directory")
    wrong = edited(ask.content, lambda book: setattr(book["人员"].cell(3, 3), "value", "队长"))
    status, found = ask("POST", "/directory/workbook", wrong, **KEEPER)
    assert (status, found["errors"][0]["field"]) == (422, "人员 第3行 C列「职务」")
    for body, says in (
        (b"PK nothing", "is damaged"),
        (b"\x00\x01", "no workbook"),
        (b"\xff\xfea", "no workbook"),
        (b"[1]", "must be a mapping"),
    ):
        status, found = ask("POST", "/directory/workbook", body, **KEEPER)
        assert status == 422
        assert says in found["errors"][0]["problem"]
    assert ask("POST", "/directory/workbook", b"", **KEEPER)[0] == 400
    for query, field in (("effective=soon", "effective"), ("dry_run=1", "dry_run")):
        status, found = ask("POST", f"/directory/workbook?{query}", wrong, **KEEPER)
        assert (status, found["errors"][0]["field"]) == (422, field)
    assert own.rows("SELECT version FROM directory") == before
    for method in ("GET", "POST"):
        assert ask(method, "/directory/workbook", **SEAT)[0] == 403
