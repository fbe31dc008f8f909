"""Gazetteers from files, and everything that can be wrong with them; fallback points; hours of service points."""

from __future__ import annotations

import json
import re
import warnings
from datetime import datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jiayuan.intake import coordinates, fallbacks, measuring, place, service_points
from jiayuan.intake.booking import ZONE, Point
from jiayuan.intake.cli import intake as command
from jiayuan.intake.gazetteer_files import Draft

pytestmark = pytest.mark.unit

# Other people's data, which is not in the repository: beside the checkout, where somebody has put it.
DATA = Path(__file__).resolve().parents[4] / "shared" / "data"

STREETS = 'code,name,areaCode\n350921103,"溪南镇",350921\n350921200,"盐田畲族乡",350921\n'
VILLAGES = (
    "code,name,streetCode,areaCode\n"
    '350921103001,"溪南社区居委会",350921103,350921\n'
    '350921103201,"溪南村委会",350921103,350921\n'
    '350921103202,"下村村委会",350921103,350921\n'
    '350921200001,"利埕居委会",350921200,350921\n'
    '350921200219,"上村村民委员会",350921200,350921\n'
)
GRIDS = "网格编码,名称,上级代码,楼栋,别名\n350921103001-G01,海景花园,350921103001,1-6、8,海景小区\n"


def square(west: float, south: float, size: float = 0.002) -> list[list[list[float]]]:
    east, north = west + size, south + size
    return [[[west, south], [east, south], [east, north], [west, north], [west, south]]]


def feature(code: str, rings: Any, kind: str = "Polygon", **properties: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "properties": {"code": code, **properties},
        "geometry": {"type": kind, "coordinates": rings},
    }


def write(folder: Path, name: str, content: str | list[dict[str, Any]], encoding: str = "utf-8") -> Path:
    path = folder / name
    if isinstance(content, list):
        content = json.dumps({"type": "FeatureCollection", "features": content})
    path.write_bytes(content.encode(encoding))
    return path


def read(*files: Path, crs: str = coordinates.WGS84, fresh: bool = True) -> Draft:
    draft = Draft(place.document(), fresh=fresh)
    for file in files:
        draft.read(file, crs)
    return draft


def wrong(draft: Draft) -> list[str]:
    return [str(f) for f in draft.check() if f.fatal]


def test_lists_of_streets_villages_and_grids(tmp_path: Path) -> None:
    draft = read(
        write(tmp_path, "s.csv", STREETS),
        write(tmp_path, "v.csv", VILLAGES, "gb18030"),
        write(tmp_path, "g.csv", GRIDS, "utf-8-sig"),
    )
    assert wrong(draft) == []
    loaded = place.Gazetteer(draft.document("t"))
    assert {n.code: n.name for n in loaded.nodes.values()} == {
        "350921103": "溪南镇",
        "350921200": "盐田畲族乡",
        "350921103001": "溪南社区",
        "350921103201": "溪南村",
        "350921103202": "下村",
        "350921200001": "利埕社区",
        "350921200219": "上村",
        "350921103001-G01": "海景花园",
    }
    assert loaded.locate(text="溪南村委会不管").community == "350921103201"
    assert loaded.locate(text="溪南居委会不管").community == "350921103001"
    assert loaded.locate(text="盐田乡利埕的路灯").community == "350921200001"
    assert loaded.locate(text="海景小区8栋停电").grid == "350921103001-G01"


def test_a_workbook_is_read_like_a_list(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["代码", "名称", "别名"])
    book.active.append([350921103, "溪南镇", None])  # a spreadsheet takes codes for numbers
    book.active.append([350921103201.0, "溪南村委会", "溪南大队；老溪南"])
    book.save(tmp_path / "a.xlsx")
    draft = read(tmp_path / "a.xlsx")
    assert wrong(draft) == []
    assert draft.places["350921103201"]["aliases"] == ["溪南大队", "老溪南"]


def test_files_add_to_what_is_in_force(tmp_path: Path) -> None:
    draft = read(write(tmp_path, "s.csv", STREETS), write(tmp_path, "v.csv", VILLAGES), fresh=False)
    assert wrong(draft) == []
    loaded = place.Gazetteer(draft.document("t"))
    assert loaded.locate(text="龙津社区停电").community == "350921001001"
    assert loaded.locate(text="溪南村停电").community == "350921103201"


def test_everything_wrong_is_named_at_once(tmp_path: Path) -> None:
    rows = (
        "code,name,kind,parent,buildings,roads,lat,long\n"
        "350921103,溪南镇,,,,,,\n"
        "350921103001,溪南社区,,,,太康路(1-99单),,\n"
        "350921103201,溪南村,,,,太康路(50-60),,\n"
        "350921103001,又一个,,,,,,\n"  # 5: a code twice
        "350921999001,没有上级,,,,,,\n"
        "350981001,别的县,,,,,,\n"
        "350921103-X,大厦,飞机,,,,,\n"  # 8: a kind
        ",没有代码,,,,,,\n"  # 9
        "350921103001-G01,花园,小区,350921103001,6-1,,,\n"
        "350921103001-G02,嘉园,小区,350921103001,3,,119.99,26.88\n"  # 11: swapped
        "350921103001-G03,佳园,小区,350921103001,3,,26.88,\n"  # 12: lat alone
        "350921103001-B1,东片,楼栋,350921103001-G02,1-3,,,\n"
        "350921103001-B2,西片,楼栋,350921103001-G02,3-4,,,\n"
        "350921103001-G04,放错,小区,350921103,,,,\n"
    )
    found = wrong(read(write(tmp_path, "a.csv", rows)))
    expected = [
        ("a.csv line 5", "350921103001 is in line 3 already"),
        ("a.csv line 8", "'飞机' is no kind of place"),
        ("a.csv line 9", "has no code"),
        ("a.csv line 11", "the wrong way round"),
        ("a.csv line 12", "has lat alone"),
        ("350921999001", "its parent '350921999' is unknown"),
        ("350981001", "is outside the county"),
        ("350921103001-G01", "ends before it begins"),
        ("350921103001-B2", "building 3 is in 350921103001-B1 too"),
        ("350921103001-G04", "a compound can't lie in the street 350921103"),
        ("350921103001、350921103201", "both have numbers of 太康路"),
    ]
    for where, what in expected:
        assert any(line.startswith(f"{where}: ") and what in line for line in found), (where, found)
    assert len(found) == len(expected), found


def test_polygons_are_checked_and_converted(tmp_path: Path) -> None:
    lists = (
        write(tmp_path, "s.csv", STREETS),
        write(tmp_path, "v.csv", VILLAGES),
    )
    bow = [[[120.03, 26.85], [120.04, 26.86], [120.04, 26.85], [120.03, 26.86], [120.03, 26.85]]]
    features = [
        feature("350921103001", square(120.0, 26.85)),
        feature("350921103201", square(120.001, 26.85)),  # half of it over the first
        feature("350921103202", bow),
        feature("350921200001", square(26.85, 119.0)),  # the wrong way round
        feature("350921200001", square(120.01, 26.85)),
        feature("nobody", square(120.02, 26.85)),
        feature("350921200219", [[120.0, 26.8], [120.1, 26.8]], "LineString"),
        {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": []}},
        feature(
            "350921103001-G01",
            square(120.0301, 26.8501, 0.0005),
            name="海景花园",
            parent="350921103001",
        ),
    ]
    found = wrong(read(*lists, write(tmp_path, "a.geojson", features)))
    expected = [
        "a.geojson feature 4 (350921200001): its geometry leaves the range of degrees",
        "a.geojson feature 5: code 350921200001 is feature 4 already",
        "a.geojson feature 6 (nobody): is in no list, and has no name",
        "a.geojson feature 7 (350921200219): its geometry is a LineString",
        "a.geojson feature 8: has no code",
        "350921103202: its polygon is invalid: Self-intersection",
        "350921103001-G01: 100% of it lies outside of 350921103001",
        "350921103001、350921103201: overlap by",
    ]
    for line in expected:
        assert any(f.startswith(line) for f in found), (line, found)
    assert len(found) == len(expected), found

    good = write(tmp_path, "b.geojson", [feature("350921103001", square(120.0, 26.85))])
    draft = read(*lists, good, crs="gcj02")
    assert wrong(draft) == []
    lat, long = coordinates.to_wgs84(26.851, 120.001, "gcj02")
    loaded = place.Gazetteer(draft.document("t"))
    assert loaded.locate(lat=lat, long=long).community == "350921103001"
    assert loaded.locate(lat=26.8501, long=120.0, crs="wgs84").community is None


def test_the_outline_of_the_county_brings_the_middle_that_maps_open_at(tmp_path: Path) -> None:
    outline = feature(
        "", square(119.8, 26.5, 0.6), adcode=350921, name="霞浦县", center=[120.005214, 26.882068]
    )
    del outline["properties"]["code"]
    draft = read(write(tmp_path, "a.geojson", [outline]), crs="gcj02", fresh=False)
    assert wrong(draft) == []
    defaults = draft.document("t")["county"]["defaults"]
    assert [26.882068, 120.005214] in defaults
    assert len(defaults) == 2
    loaded = place.Gazetteer(draft.document("t"), [(lat, long) for lat, long in defaults])
    assert loaded.locate(lat=26.882068, long=120.005214, crs="gcj02").point == place.FALLBACK
    assert loaded.locate(lat=26.882068, long=120.005214).point == place.FALLBACK
    assert loaded.locate(lat=26.8825, long=120.0055).point == place.INSIDE


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.txt", "x", "is of no known kind"),
        ("a.geojson", "[]", "can't be read"),
        ("a.json", "{", "can't be read"),
        ("a.yaml", "places: []", "is no gazetteer document"),
        ("a.yaml", "a: [", "can't be read"),
        ("a.csv", "名称\n溪南镇\n", "has no column code"),
        ("a.xlsx", "no workbook", "can't be read"),
        (
            "a.geojson",
            '{"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": null}]}',
            "has no code",
        ),
    ],
)
def test_a_file_that_is_none_says_so(tmp_path: Path, name: str, content: str, said: str) -> None:
    found = wrong(read(write(tmp_path, name, content), fresh=False))
    assert any(said in line for line in found), found


_KEYS = [
    "type",
    "features",
    "geometry",
    "properties",
    "coordinates",
    "code",
    "name",
    "kind",
    "parent",
    "county",
    "places",
    "streets",
    "bbox",
    "version",
    "aliases",
    "roads",
    "buildings",
    "lat",
    "long",
    "hours",
]
_ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_KEYS), inner, max_size=4),
    max_leaves=12,
)


@given(document=_ODD, feature_=st.booleans(), raw=st.binary(max_size=60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
def test_no_file_breaks_the_reading_of_it(tmp_path: Path, document: Any, feature_: bool, raw: bytes) -> None:
    """Whatever is in a file, it is told what is wrong with it, or what it says can be loaded."""
    if feature_ and isinstance(document, dict):
        document = {"type": "FeatureCollection", "features": [document]}
    elif isinstance(document, dict):
        document = {"county": {}, **document}
    for name, content in (("a.json", json.dumps(document).encode()), ("a.csv", raw), ("a.geojson", raw)):
        path = tmp_path / name
        path.write_bytes(content)
        draft = read(path, fresh=False)
        if not wrong(draft):
            place.Gazetteer(draft.document("t"))


@pytest.mark.parametrize("county", [{"above": True}, {"aliases": [1]}, {"old_names": "a"}, {"official": 3}])
def test_names_of_the_county_are_names(tmp_path: Path, county: dict[str, Any]) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"county": county}), encoding="utf-8")
    (said,) = wrong(read(path, fresh=False))
    assert f"county.{next(iter(county))}" in said


_WORDS = st.lists(st.text(max_size=5) | _ODD, max_size=3)
_PLACES = st.lists(
    st.fixed_dictionaries(
        {
            "code": st.sampled_from(["350921103", "350921103001", "350921103001-G01", "350921001001", 7]),
            "name": st.sampled_from(["溪南镇", "溪南社区", "海景花园", "村", 7]),
            "kind": st.sampled_from(["street", "community", "compound", "building", "sea"]),
        },
        optional={
            "parent": st.sampled_from(["350921103", "350921103001", "350921001", None, 7]),
            "aliases": _WORDS | _ODD,
            "old_names": _WORDS,
            "hamlets": _WORDS | _ODD,
            "roads": _WORDS | _ODD,
            "buildings": st.lists(st.sampled_from(["1-3", "3-1", "A", "1-9999", "x-y", 5]), max_size=2)
            | _ODD,
            "centre": _ODD | st.just([120.0, 26.9]),
            "area": _ODD | st.just({"type": "Polygon", "coordinates": square(120.0, 26.9)}),
        },
    ),
    max_size=4,
)


@given(places=_PLACES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=400, deadline=None)
def test_what_is_not_named_as_wrong_can_be_loaded(tmp_path: Path, places: list[Any]) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"county": {}, "places": places}), encoding="utf-8")
    draft = read(path, fresh=False)
    if not wrong(draft):
        place.Gazetteer(draft.document("t"))


# -- service points ----------------------------------------------------------------------------------


def test_service_points_are_read_and_their_faults_named(tmp_path: Path) -> None:
    rows = (
        "code,name,kind,lat,long,services,hours,capacity,address\n"
        "P1,旺海党群服务中心,党群服务中心,26.8801,120.0101,社保咨询、老年食堂,"
        "周一至周五 8:00-12:00、14:30-17:30；周六9:00-12:00,4,海滨路1号\n"
        "P2,骑手驿站,驿站,26.8811,120.0111,充电,每天 0:00-24:00,20,\n"
        "P3,没有种类,超市,26.88,120.01,x,每天 8:00-9:00,1,\n"
        "P4,时间不对,驿站,26.88,120.01,x,每天 9:00-8:00,1,\n"
        "P5,没有时间,驿站,26.88,120.01,x,看情况,1,\n"
        "P6,容量不对,驿站,26.88,120.01,x,每天 8:00-9:00,0,\n"
        "P7,在北京,驿站,39.9,116.4,x,每天 8:00-9:00,1,\n"
        "P8,没有坐标,驿站,,,x,每天 8:00-9:00,1,\n"
    )
    draft = read(write(tmp_path, "p.csv", rows))
    found = wrong(draft)
    assert sorted(draft.points) == ["P1", "P2"]
    first = draft.points["P1"]
    assert (first["kind"], first["capacity"]) == ("party_centre", 4)
    assert first["services"] == ["社保咨询", "老年食堂"]
    assert first["hours"]["mon"] == ["08:00-12:00", "14:30-17:30"]
    assert (first["hours"]["sat"], first["hours"]["sun"]) == (["09:00-12:00"], [])
    for line in (
        "line 4: kind:",
        "line 5: hours:",
        "line 6: hours:",
        "line 7: capacity:",
        "line 8: coord",
        "line 9: has no",
    ):
        assert any(line in f for f in found), (line, found)
    assert len(found) == 6


def _point(code: str, lat: float, long: float, services: tuple[str, ...], **hours: list[str]) -> Point:
    return Point(code, code, "station", lat, long, services, hours, 5)


def test_the_nearest_open_point_that_offers_it() -> None:
    week = {day: ["08:00-12:00"] for day in ("mon", "tue", "wed", "thu", "fri")}
    points = [
        _point("near", 26.881, 120.010, ("充电",), mon=["14:00-18:00"]),
        _point("offers", 26.885, 120.010, ("社保咨询",), **week),
        _point("far", 26.920, 120.010, ("社保咨询", "充电"), **week),
    ]
    monday = datetime(2026, 3, 2, 9, 30, tzinfo=ZONE)
    found = service_points.near(points, 26.880, 120.010, monday)
    assert [n.point.code for n in found] == ["offers", "far"]
    assert found[0].metres == pytest.approx(556, abs=1)
    assert found[0].minutes == 10
    assert found[0].closes_at == monday.replace(hour=12, minute=0)
    assert found[1].minutes > service_points.CIRCLE_MINUTES
    charging = service_points.near(points, 26.880, 120.010, monday, service="充电", closed_too=True)
    assert [(n.point.code, n.open) for n in charging] == [("far", True), ("near", False)]
    assert charging[1].opens_at == monday.replace(hour=14, minute=0)
    assert service_points.near(points, 26.880, 120.010, monday, service="理发") == []
    exactly = monday.replace(hour=12, minute=0)
    assert service_points.near(points, 26.880, 120.010, exactly) == []
    is_open, opens, _ = service_points.opening({"fri": ["08:00-09:00"]}, monday)
    assert (is_open, opens) == (False, datetime(2026, 3, 6, 8, 0, tzinfo=ZONE))
    assert service_points.opening({}, monday) == (False, None, None)


# -- fallback points ---------------------------------------------------------------------------------


def _rows(count: int, lat: float, long: float, said: str = "{n}号街") -> list[fallbacks.Row]:
    return [fallbacks.Row(lat, long, said.format(n=chr(0x4E00 + n)), f"p{n}") for n in range(count)]


def test_a_point_of_many_addresses_is_a_fallback_and_one_of_many_reports_is_not() -> None:
    spread = [fallbacks.Row(26.80001 + n / 7000, 120.00001 + n / 9000, f"路{n}", f"q{n}") for n in range(300)]
    hall = _rows(80, 26.8801, 120.0101, "市政府")
    compound = [fallbacks.Row(26.8702, 120.0102, f"旺海花园{n}号楼{n}0{n % 4}室", f"r{n}") for n in range(40)]
    found = fallbacks.learn([*spread, *hall, *compound, *_rows(60, 26.9001, 120.0001)])
    assert [(s.lat, s.long, s.verdict) for s in found] == [(26.9001, 120.0001, fallbacks.FALLBACK)]
    assert (found[0].reports, found[0].places) == (60, 60)
    assert found[0].share == pytest.approx(60 / 480)
    assert len(found[0].examples) == 3


def test_zero_and_whole_degrees_are_fallbacks() -> None:
    spread = [fallbacks.Row(26.80001 + n / 7000, 120.00001 + n / 9000, f"路{n}") for n in range(50)]
    found = fallbacks.learn([*spread, *_rows(2, 0.0, 0.0), *_rows(3, 27.0, 120.0)])
    assert {(s.lat, s.long): s.why for s in found} == {
        (27.0, 120.0): "whole or tenth degrees among exact points",
        (0.0, 0.0): "zero",
    }
    rough = [fallbacks.Row(round(26 + n / 10, 1), 120.0, f"路{n}") for n in range(9)]
    assert fallbacks.learn(rough) == []  # all of this system's points are rough: it says nothing


def test_many_people_at_one_point_without_a_word_of_where_are_possible() -> None:
    spread = [fallbacks.Row(26.80001 + n / 7000, 120.00001 + n / 9000, "", f"q{n}") for n in range(200)]
    many = [fallbacks.Row(26.8801, 120.0101, "", f"p{n}") for n in range(40)]
    one_person = [fallbacks.Row(26.8601, 120.0101, "", "x")] * 40
    (found,) = fallbacks.learn([*spread, *many, *one_person])
    assert (found.lat, found.verdict) == (26.8801, fallbacks.POSSIBLE)
    assert fallbacks.learn([]) == []


# -- commands that need no database ------------------------------------------------------------------


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, ["gazetteer", *map(str, arguments)], catch_exceptions=False)


def test_check_says_what_is_wrong_and_exits_with_1(tmp_path: Path) -> None:
    streets, villages = write(tmp_path, "s.csv", STREETS), write(tmp_path, "v.csv", VILLAGES)
    result = run("check", "--fresh", streets, villages)
    assert result.exit_code == 0, result.output
    assert "2 street, 2 community, 3 village: 0 wrong, 0 warnings" in result.output
    alone = run("check", "--fresh", villages)
    assert alone.exit_code == 1
    assert "350921103001: its parent '350921103' is unknown" in alone.output
    assert "5 wrong" in alone.output


def test_fallbacks_of_a_file(tmp_path: Path) -> None:
    lines = [f"{26.8 + n / 7000:.5f},{120 + n / 9000:.5f},路{n}" for n in range(100)]
    lines += [f"26.90010,120.00010,{chr(0x4E00 + n)}街" for n in range(25)]
    lines += [",,没有坐标"]
    file = write(tmp_path, "a.csv", "纬度,经度,地址\n" + "\n".join(lines))
    result = run("fallbacks", file)
    assert result.exit_code == 0, result.output
    assert "125 reports with coordinates, 101 points" in result.output
    assert (
        "26.900100, 120.000100  25 reports (20.0%)  fallback: one point for 25 different places"
        in result.output
    )
    named = run("fallbacks", write(tmp_path, "b.csv", "y,x\n26.9,120.0\n"))
    assert named.exit_code == 2
    assert "has no column for --lat; it has y, x" in named.output
    assert run("fallbacks", "--lat", "y", "--long", "x", tmp_path / "b.csv").exit_code == 0
    assert run("fallbacks", write(tmp_path, "c.csv", "lat,long\nnorth,east\n")).exit_code == 2
    assert run("fallbacks").exit_code == 2


def test_measure_finds_every_name_of_the_bundled_list(tmp_path: Path) -> None:
    messages = write(tmp_path, "m.jsonl", json.dumps({"title": "路灯", "detail": "A3区东关村没有路灯"}))
    result = run("measure", "--messages", messages, "--grids", "40", "--points", "200")
    assert result.exit_code == 0, result.output
    assert "wrong" not in result.output
    assert "1 messages of another city: 0 get a place" in result.output
    assert "400 polygons, 200 points" in result.output


def test_explain_shows_candidates_and_what_the_coordinates_are() -> None:
    def explain(*arguments: str) -> str:
        return CliRunner().invoke(command, ["explain", *arguments], catch_exceptions=False).output

    said = explain("路灯坏了", "--place", "东关")
    assert "候选     350921002001 松港街道东关社区" in said
    assert "候选     350921002200 松港街道东关村" in said
    assert "在县内" in explain("路灯坏了", "--lat", "26.8854", "--long", "120.0008", "--crs", "gcj02")
    assert "经纬度颠倒" in explain("路灯坏了", "--lat", "119.998", "--long", "26.888")


# -- on real data ------------------------------------------------------------------------------------


def _real(*names: str) -> list[Path] | None:
    files = [DATA / name for name in names]
    if all(f.is_file() for f in files):
        return files
    warnings.warn(f"{', '.join(names)}: not here, checked on invented data", stacklevel=2)
    return None


def test_no_name_of_the_county_is_taken_for_another(tmp_path: Path) -> None:
    files = _real("xiapu_350921_streets.csv", "xiapu_350921_villages.csv")
    draft = read(*files or (write(tmp_path, "s.csv", STREETS), write(tmp_path, "v.csv", VILLAGES)))
    assert wrong(draft) == []
    loaded = place.Gazetteer(draft.document("t"))
    total = list(measuring.names(loaded, show=True))[-1]
    assert "wrong" not in total
    right, every = int(total.split(": ")[1].split()[0]), int(total.split()[1])
    assert right >= (0.96 if files else 0.7) * every, total


def test_messages_of_another_city_get_no_place_here(tmp_path: Path) -> None:
    files = _real("xiapu_350921_streets.csv", "xiapu_350921_villages.csv", "messages_unlabelled.jsonl")
    if files:
        draft = read(*files[:2])
        loaded, messages = place.Gazetteer(draft.document("t")), files[2]
    else:
        loaded = place.bundled()
        said = ("A7县春华镇东关村没有路灯", "B市桥头村的路", "福州市台江区海滨路", "新村中心的上村民")
        lines = "".join(json.dumps({"title": "路灯", "detail": words}) + "\n" for words in said)
        messages = write(tmp_path, "m.jsonl", lines)
    (line,) = measuring.elsewhere(loaded, messages)
    assert ": 0 get a place" in line


@pytest.mark.parametrize(
    ("file", "points"),
    [
        ("boston_311_2015-06.csv", {(42.3594, -71.0587): 1089}),
        ("baltimore_311.csv", {(39.0, -77.0): 555, (39.0, -76.0): 6}),
    ],
)
def test_the_fallback_points_of_real_cities(
    tmp_path: Path, file: str, points: dict[tuple[float, float], int]
) -> None:
    files = _real(file)
    if files is None:
        streets = [f"{chr(0x4E00 + n)} St" for n in range(12)]
        rows = [f"{lat},{long},{street}" for (lat, long), n in points.items() for street in (streets * n)[:n]]
        rows += [f"{42.301 + n / 7000:.6f},{-71.0586 - n / 7000:.6f},1 City Hall {n}" for n in range(700)]
        rows += ["42.360123,-71.057912,1 City Hall Plz"] * 38
        files = [write(tmp_path, "cases.csv", "latitude,longitude,address\n" + "\n".join(rows))]
    found = run("fallbacks", files[0]).output
    said = {
        tuple(map(float, m[:2])): int(m[2])
        for m in re.findall(r"^(-?[\d.]+), (-?[\d.]+)  (\d+) reports", found, re.M)
    }
    assert said == points, found
