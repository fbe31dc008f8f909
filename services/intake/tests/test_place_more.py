"""Addresses, names that repeat, other cities' names, coordinates and polygons: where a report is, or whom to ask."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from jiayuan.intake import address, coordinates, measuring
from jiayuan.intake.area import Areas, Plane
from jiayuan.intake.place import FALLBACK, INSIDE, OUTSIDE, SWAPPED, Gazetteer

pytestmark = pytest.mark.unit


def square(west: float, south: float, size: float = 0.002) -> dict[str, Any]:
    east, north = west + size, south + size
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


DOCUMENT: dict[str, Any] = {
    "version": "t",
    "county": {
        "code": "350921",
        "name": "霞浦县",
        "aliases": ["霞浦"],
        "above": ["宁德市", "福建省"],
        "bbox": [119.78, 26.48, 120.55, 27.12],
    },
    "places": [
        {"code": "350921002", "name": "松港街道", "kind": "street"},
        {"code": "350921201", "name": "水门畲族乡", "kind": "street", "old_names": ["水门公社"]},
        {"code": "350921106", "name": "三沙镇", "kind": "street"},
        {
            "code": "350921002003",
            "name": "旺海社区",
            "kind": "community",
            "parent": "350921002",
            "old_names": ["渔业大队"],
            "roads": [{"name": "太康路", "numbers": "1-99单"}, "海滨路"],
            "area": square(120.010, 26.880),
        },
        {
            "code": "350921002004",
            "name": "靖海社区",
            "kind": "community",
            "parent": "350921002",
            "roads": [{"name": "太康路", "numbers": "2-98双"}],
            "area": square(120.012, 26.880),
        },
        {"code": "350921002216", "name": "桥头村", "kind": "village", "parent": "350921002"},
        {"code": "350921201206", "name": "桥头村", "kind": "village", "parent": "350921201"},
        {"code": "350921106001", "name": "中心社区", "kind": "community", "parent": "350921106"},
        {"code": "350921106201", "name": "中心村", "kind": "village", "parent": "350921106"},
        {
            "code": "350921106220",
            "name": "东山村",
            "kind": "village",
            "parent": "350921106",
            "hamlets": ["后坑", "下宅自然村"],
        },
        {
            "code": "350921002003-G01",
            "name": "旺海花园",
            "kind": "compound",
            "parent": "350921002003",
            "aliases": ["海景公寓"],
            "area": square(120.010, 26.880, 0.001),
        },
        {
            "code": "350921002003-G02",
            "name": "旺海花园南区",
            "kind": "compound",
            "parent": "350921002003",
            "buildings": ["11-15", "A"],
            "area": square(120.011, 26.880, 0.001),
        },
        {
            "code": "350921002003-G01-B1",
            "name": "旺海花园东片",
            "kind": "building",
            "parent": "350921002003-G01",
            "buildings": ["1-3"],
        },
        {
            "code": "350921002003-G01-B2",
            "name": "旺海花园西片",
            "kind": "building",
            "parent": "350921002003-G01",
            "buildings": ["4", "五", "六"],
        },
    ],
}
WANGHAI, JINGHAI = "350921002003", "350921002004"


@pytest.fixture(scope="module")
def gazetteer() -> Gazetteer:
    return Gazetteer(DOCUMENT, fallbacks=[(26.8815, 120.0115)])


@pytest.mark.parametrize(
    ("text", "community", "grid"),
    [
        ("旺海社区3号楼漏水", WANGHAI, "G01-B1"),
        ("旺海社区13号楼漏水", WANGHAI, "G02"),
        ("旺海社区33号楼漏水", WANGHAI, None),  # nobody's
        ("旺海花园3号楼2单元501室漏水", WANGHAI, "G01-B1"),
        ("旺海花园第五栋漏水", WANGHAI, "G01-B2"),
        ("旺海花园6-2-501漏水", WANGHAI, "G01-B2"),
        ("旺海花园9号楼漏水", WANGHAI, "G01"),  # no such building: the compound is right all the same
        ("旺海花园3楼的灯不亮", WANGHAI, "G01"),  # a floor
        ("海景公寓2幢停水", WANGHAI, "G01-B1"),
        ("旺海花园南区A座停电", WANGHAI, "G02"),
        ("太康路15号门口积水", WANGHAI, None),
        ("太康路16-3号门口积水", JINGHAI, None),
        ("海滨路有个坑", WANGHAI, None),
        ("渔业大队的水渠堵了", WANGHAI, None),  # its old name
        ("三沙镇后坑没水", "350921106220", None),
        ("后坑自然村没水", "350921106220", None),
        ("下宅自然村没水", "350921106220", None),
        ("水门乡桥头村断电", "350921201206", None),
        ("水门公社的桥头村断电", "350921201206", None),
        ("松港街道桥头村断电", "350921002216", None),
        ("三沙镇中心村断电", "350921106201", None),
        ("三沙镇，中心社区断电", "350921106001", None),
    ],
)
def test_addresses(gazetteer: Gazetteer, text: str, community: str, grid: str | None) -> None:
    found = gazetteer.locate(text=text)
    assert (found.community, found.grid) == (community, f"{WANGHAI}-{grid}" if grid else None), found
    assert found.candidates == ()


def test_the_evidence_names_the_building_and_no_room(gazetteer: Gazetteer) -> None:
    said = gazetteer.locate(words="旺海花园3号楼2单元501室").evidence
    assert "旺海花园3号楼" in said
    assert "501" not in said
    assert "单元" not in said


@pytest.mark.parametrize(
    "text",
    [
        "合并后的中心村没有路灯",  # an everyday word
        "小区保安不管",
        "A7县春华镇东山村没有路灯",  # another town's
        "长沙市岳麓区东山村没有路灯",
        "在福州市海滨路堵车",  # every city has one
        "L12市旺海花园停水",
        "水门口堵了",
    ],
)
def test_what_is_not_here_gets_no_place(gazetteer: Gazetteer, text: str) -> None:
    found = gazetteer.locate(text=text)
    assert (found.street, found.community, found.candidates) == (None, None, ()), found


@pytest.mark.parametrize(
    "text", ["东山村没有路灯", "我们村是东山村", "小区里，东山村也是", "霞浦县东山村", "全县都知道东山村"]
)
def test_what_only_looks_like_another_town_is_ours(gazetteer: Gazetteer, text: str) -> None:
    assert gazetteer.locate(text=text).community == "350921106220"


def test_a_name_of_two_villages_is_asked(gazetteer: Gazetteer) -> None:
    found = gazetteer.locate(text="桥头村断电")
    assert (found.street, found.community) == (None, None)
    assert [c.code for c in found.candidates] == ["350921002216", "350921201206"]
    assert all(c.why for c in found.candidates)
    assert "松港街道桥头村" in found.evidence
    assert "水门畲族乡桥头村" in found.evidence


def test_a_road_without_a_number_is_asked_within_its_street(gazetteer: Gazetteer) -> None:
    found = gazetteer.locate(text="太康路有个坑")
    assert (found.street, found.community) == ("350921002", None)
    assert {c.code for c in found.candidates} == {WANGHAI, JINGHAI}


# -- coordinates -------------------------------------------------------------------------------------


def test_a_point_gives_its_grid_and_says_so(gazetteer: Gazetteer) -> None:
    found = gazetteer.locate(text="路灯坏了", lat=26.8805, long=120.0105)
    assert (found.street, found.community, found.grid) == ("350921002", WANGHAI, f"{WANGHAI}-G01")
    assert (found.point, found.confidence) == (INSIDE, 0.9)
    assert "坐标在旺海花园内" in found.evidence
    elsewhere = gazetteer.locate(text="路灯坏了", lat=26.8815, long=120.013)
    assert (elsewhere.community, elsewhere.grid) == (JINGHAI, None)  # no grid is drawn there


def test_a_point_near_a_boundary_is_less_sure(gazetteer: Gazetteer) -> None:
    edge = gazetteer.locate(lat=26.8805, long=120.01095)  # 5 m from the next grid
    assert edge.grid == f"{WANGHAI}-G01"
    assert edge.confidence < 0.9
    beside = gazetteer.locate(lat=26.8805, long=120.0097)  # 30 m out of everything
    assert beside.grid == f"{WANGHAI}-G01"
    assert 0 < beside.confidence < 0.5
    far = gazetteer.locate(lat=26.8805, long=120.0080)
    assert (far.street, far.point) == (None, INSIDE)


def test_points_of_chinese_maps_are_converted(gazetteer: Gazetteer) -> None:
    lat, long = 26.8805, 120.0105
    for crs, point in (
        ("gcj02", coordinates.wgs84_to_gcj02(lat, long)),
        ("bd09", coordinates.wgs84_to_bd09(lat, long)),
    ):
        found = gazetteer.locate(lat=point[0], long=point[1], crs=crs)
        assert found.grid == f"{WANGHAI}-G01", crs
        assert found.lat == pytest.approx(lat, abs=1e-7)
        assert found.long == pytest.approx(long, abs=1e-7)
    assert gazetteer.locate(lat=lat, long=long, crs="bd09").grid != f"{WANGHAI}-G01"


def test_a_point_chooses_among_names(gazetteer: Gazetteer) -> None:
    found = gazetteer.locate(text="太康路有个坑", lat=26.8815, long=120.013)
    assert (found.community, found.candidates) == (JINGHAI, ())
    assert "太康路" in found.evidence
    assert "坐标" in found.evidence


def test_a_point_that_only_says_the_street_chooses_none_of_its_places() -> None:
    centred = [
        p | {"centre": [120.01, 26.88] if p["code"] == "350921002" else [120.3, 26.9]}
        if p["kind"] == "street"
        else {k: v for k, v in p.items() if k != "area"}
        for p in DOCUMENT["places"]
    ]
    loaded = Gazetteer({**DOCUMENT, "places": centred})
    between = loaded.locate(text="太康路有个坑", lat=26.8801, long=120.0101)
    assert (between.street, between.community) == ("350921002", None)
    assert {c.code for c in between.candidates} == {WANGHAI, JINGHAI}
    other = loaded.locate(text="桥头村停电", lat=26.8801, long=120.0101)
    assert (other.community, other.candidates) == ("350921002216", ())  # the only one in that street


def test_point_and_name_together_are_surer(gazetteer: Gazetteer) -> None:
    named = gazetteer.locate(text="旺海社区停水")
    both = gazetteer.locate(text="旺海社区停水", lat=26.8805, long=120.0105)
    assert both.grid == f"{WANGHAI}-G01"
    assert both.confidence > named.confidence


def test_names_go_before_the_point_of_whoever_reports_from_home(gazetteer: Gazetteer) -> None:
    found = gazetteer.locate(text="靖海社区停水", lat=26.8805, long=120.0105)
    assert (found.community, found.grid) == (JINGHAI, None)
    assert found.confidence < gazetteer.locate(text="靖海社区停水").confidence
    assert "以文字为准" in found.evidence


def test_a_weak_name_against_a_point_is_asked(gazetteer: Gazetteer) -> None:
    found = gazetteer.locate(text="海滨路停水", lat=26.8815, long=120.013)
    assert found.community is None
    assert {c.code for c in found.candidates} == {WANGHAI, JINGHAI}
    assert "不一致" in found.evidence


def test_overlapping_grids_are_asked() -> None:
    places = [
        *DOCUMENT["places"],
        {
            "code": f"{WANGHAI}-G03",
            "name": "旺海商铺",
            "kind": "compound",
            "parent": WANGHAI,
            "area": square(120.0105, 26.8803, 0.0004),
        },
    ]
    found = Gazetteer({**DOCUMENT, "places": places}).locate(lat=26.8805, long=120.0107)
    assert (found.community, found.grid) == (WANGHAI, None)
    assert {c.code for c in found.candidates} == {f"{WANGHAI}-G01", f"{WANGHAI}-G03"}


@pytest.mark.parametrize(
    ("lat", "long", "point"),
    [
        (26.8805, 120.0105, INSIDE),
        (0.0, 0.0, FALLBACK),
        (26.9, 120.0, FALLBACK),  # one decimal: 11 km
        (26.8815, 120.0115, FALLBACK),  # a known one
        (120.0105, 26.8805, SWAPPED),
        (39.9042, 116.4074, OUTSIDE),
        (26.0745, 119.2965, OUTSIDE),  # Fuzhou
    ],
)
def test_what_is_no_place_is_known_as_such_and_never_used(
    gazetteer: Gazetteer, lat: float, long: float, point: str
) -> None:
    found = gazetteer.locate(text="路灯坏了", lat=lat, long=long)
    assert found.point == point
    if point != INSIDE:
        assert (found.street, found.confidence) == (None, 0.0)
        assert "未采用" in found.evidence
        named = gazetteer.locate(text="靖海社区路灯坏了", lat=lat, long=long)
        assert named.community == JINGHAI
        assert "未采用" in named.evidence
    assert (found.lat, found.long) == (lat, long)


def test_the_outline_says_what_is_in_the_county() -> None:
    county = {**DOCUMENT["county"], "area": square(119.9, 26.8, 0.3)}
    inside = Gazetteer({**DOCUMENT, "county": county})
    assert inside.judge(26.8805, 120.0105)[0] == INSIDE
    assert inside.judge(26.8805, 120.2040)[0] == INSIDE  # 400 m out: outlines are drawn with a broad pen
    assert inside.judge(26.5505, 120.0105)[0] == OUTSIDE  # in the box, not in the county
    assert inside.judge(120.0105, 26.8805)[0] == SWAPPED


# -- areas -------------------------------------------------------------------------------------------


def test_every_point_is_in_the_polygon_that_a_plain_ray_says() -> None:
    polygons = measuring.invented(100)
    areas = Areas(Plane(26.9, 120.05), polygons)
    hits = 0
    for n in range(400):
        lat, long = 26.851 + 0.1 * (n % 20) / 20 + n * 1e-5, 120.001 + 0.1 * (n // 20) / 20 + n * 1e-5
        plain = {code for code, _, shape in polygons if _holds(shape["coordinates"][0], long, lat)}
        found = {h.code for h in areas.at(lat, long) if not h.metres}
        assert found == plain
        hits += len(found)
    assert hits > 300


def _holds(ring: list[tuple[float, float]], x: float, y: float) -> bool:
    inside = False
    for (x1, y1), (x2, y2) in itertools.pairwise(ring):
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            inside = not inside
    return inside


def test_the_nearest_polygon_is_found_however_far() -> None:
    areas = Areas(
        Plane(26.9, 120.0), [("a", "compound", square(120.0, 26.9)), ("b", "compound", square(120.1, 26.9))]
    )
    near = areas.nearest(26.901, 120.09)
    assert near is not None
    assert near.code == "b"
    assert near.metres == pytest.approx(992, abs=5)  # a hundredth of a degree of longitude at this latitude
    assert areas.at(26.901, 120.09) == []


# -- looking up, choosing ----------------------------------------------------------------------------


def test_search(gazetteer: Gazetteer) -> None:
    assert [n.code for n in gazetteer.search("桥头")] == ["350921002216", "350921201206"]
    assert [n.code for n in gazetteer.search("水门乡桥头")] == ["350921201206"]
    assert gazetteer.search("旺海")[0].code == WANGHAI
    assert gazetteer.search("渔业大")[0].code == WANGHAI
    assert gazetteer.search("旺海花园", most=1)[0].code == f"{WANGHAI}-G01"
    assert gazetteer.search("没有这里") == []
    assert gazetteer.search("  ") == []


def test_chosen(gazetteer: Gazetteer) -> None:
    found = gazetteer.chosen(f"{WANGHAI}-G01-B1", "街道")
    assert found is not None
    assert (found.street, found.community, found.grid) == ("350921002", WANGHAI, f"{WANGHAI}-G01-B1")
    assert "街道选定" in found.evidence
    street = gazetteer.chosen("350921002", "街道")
    assert street is not None
    assert (street.street, street.community) == ("350921002", None)
    assert gazetteer.chosen("nowhere", "街道") is None


@pytest.mark.parametrize(
    ("rest", "building", "unit", "room"),
    [
        ("3号楼", "3", "", ""),
        ("第十二栋", "12", "", ""),
        ("A座1203室", "A", "", "1203"),
        ("b2幢3单元", "B2", "3", ""),
        ("二期5号楼2单元501", "5", "2", "501"),
        ("3-2-501", "3", "2", "501"),
        ("3-501室", "3", "", "501"),
        ("的6#楼", "6", "", ""),
    ],
)
def test_buildings(rest: str, building: str, unit: str, room: str) -> None:
    found = address.in_compound(rest)
    assert found is not None
    assert (found.building, found.unit, found.room) == (building, unit, room)


@pytest.mark.parametrize(
    "rest", ["3楼漏水", "第3次反映", "2024年", "12-25晚上", "三天没水", "", "15号停水", "3公里外"]
)
def test_what_is_no_building(rest: str) -> None:
    assert address.in_compound(rest) is None


def test_ranges() -> None:
    odd, even, all_ = (address.range_of(r) for r in ("1-99单", "2-98双", "50-60"))
    assert "15" in odd
    assert "16" not in odd
    assert "101" not in odd
    assert not odd.meets(even)
    assert odd.meets(all_)
    assert even.meets(all_)
    assert not address.range_of("1-3").meets(address.range_of("4-8"))
    assert not address.range_of("2").meets(odd)
    for wrong in ("九到十", "9-1", ""):
        with pytest.raises(ValueError):
            address.range_of(wrong)
    assert address.buildings_of(["1-3", "8号楼", "A", "十二"]) == {"1", "2", "3", "8", "A", "12"}
