"""Where a report is."""

from __future__ import annotations

from typing import Any

import pytest

from jiayuan.intake import place
from jiayuan.intake.place import Gazetteer

pytestmark = pytest.mark.unit

DOCUMENT: dict[str, Any] = {
    "version": "t",
    "county": {"code": "350921", "name": "霞浦县", "bbox": [119.78, 26.48, 120.55, 27.12]},
    "streets": [
        {
            "code": "350921001",
            "name": "松城街道",
            "aliases": ["松城街道办", "松城"],
            "centre": [119.998, 26.888],
            "places": [
                {
                    "code": "350921001001",
                    "name": "龙津社区",
                    "official": "龙津社区居委会",
                    "kind": "community",
                    "aliases": ["龙津居委会", "龙津"],
                    "roads": ["听雨街"],
                    "compounds": ["星河小区", "聚福小区"],
                },
                {
                    "code": "350921001002",
                    "name": "西关社区",
                    "official": "西关社区居委会",
                    "kind": "community",
                    "roads": ["枇杷街"],
                    "compounds": ["玉兰华庭", "双名苑"],
                },
            ],
        },
        {
            "code": "350921002",
            "name": "松港街道",
            "aliases": ["松港"],
            "centre": [120.018, 26.878],
            "places": [
                {
                    "code": "350921002001",
                    "name": "东关社区",
                    "official": "东关社区居委会",
                    "kind": "community",
                    "compounds": ["双名苑"],
                },
                {"code": "350921002200", "name": "东关村", "official": "东关村委会", "kind": "village"},
                {
                    "code": "350921002005",
                    "name": "东昇社区",
                    "official": "东昇社区居委会",
                    "kind": "community",
                },
            ],
        },
        {
            "code": "350921003",
            "name": "松山街道",
            "centre": [120.2, 26.7],
            "places": [
                {"code": "350921003207", "name": "长沙村", "official": "长沙村委会", "kind": "village"}
            ],
        },
    ],
}


@pytest.fixture(scope="module")
def gazetteer() -> Gazetteer:
    return Gazetteer(DOCUMENT)


@pytest.mark.parametrize(
    ("text", "street", "community"),
    [
        ("龙津社区路灯坏了", "350921001", "350921001001"),
        ("龙津居委会不管", "350921001", "350921001001"),
        ("我们龙津这边路灯坏了", "350921001", "350921001001"),
        ("听雨街路灯坏了", "350921001", "350921001001"),
        ("星河小区3号楼漏水", "350921001", "350921001001"),
        ("东关社区门口", "350921002", "350921002001"),
        ("东关村口", "350921002", "350921002200"),
        ("东升社区", "350921002", "350921002005"),  # as the normal form spells it
        ("东昇社区", "350921002", "350921002005"),
        ("松城街道办的人", "350921001", None),
        ("松港的路", "350921002", None),
        ("长沙村码头", "350921003", "350921003207"),
        ("我在长沙打工", None, None),
        ("龙津路上堵车", None, None),  # another name that only begins like it
        ("龙津社区和西关社区交界处", "350921001", None),  # two of equal weight, one street
        ("龙津社区和东关社区都停电", None, None),  # two streets
        ("松城街道和松港街道", None, None),
        ("双名苑停水", None, None),  # a compound in two streets
        ("松港街道双名苑停水", "350921002", "350921002001"),
        ("松城双名苑停水", "350921001", "350921001002"),
        ("西关社区双名苑停水", "350921001", "350921001002"),
        ("东关的路灯坏了", None, None),  # community or village? and perhaps just a word
        ("没有地点", None, None),
        ("", None, None),
    ],
)
def test_names_in_a_text(gazetteer: Gazetteer, text: str, street: str | None, community: str | None) -> None:
    found = gazetteer.locate(text=text)
    assert (found.street, found.community) == (street, community), found
    assert (found.confidence > 0) == (street is not None)
    assert 0 <= found.confidence <= 0.97


def test_a_shared_stem_in_an_address_gives_the_street_only(gazetteer: Gazetteer) -> None:
    found = gazetteer.locate(words="东关")
    assert (found.street, found.community) == ("350921002", None)
    assert "东关社区" in found.evidence
    assert "东关村" in found.evidence
    assert found.confidence < 0.5


def test_the_address_outweighs_the_text_and_repetition_counts(gazetteer: Gazetteer) -> None:
    assert gazetteer.locate(words="西关社区", text="龙津社区来的人").community == "350921001002"
    twice = gazetteer.locate(title="西关社区路灯", text="西关社区的路灯，不是龙津社区的")
    assert twice.community == "350921001002"
    assert twice.confidence < gazetteer.locate(title="西关社区路灯", text="西关社区的路灯").confidence


def test_another_street_lowers_the_confidence(gazetteer: Gazetteer) -> None:
    sure = gazetteer.locate(text="龙津社区")
    less = gazetteer.locate(text="龙津社区的路，松港街道说不归他们管")
    assert less.community == sure.community
    assert less.confidence < sure.confidence
    assert "松港街道" in less.evidence


@pytest.mark.parametrize(
    ("code", "street", "community", "grid"),
    [
        ("350921001001", "350921001", "350921001001", None),
        ("350921001001-G02", "350921001", "350921001001", "350921001001-G02"),
        ("350921001", "350921001", None, None),
        ("350921001999", "350921001", None, None),
        ("350921101", None, None, None),
    ],
)
def test_codes(
    gazetteer: Gazetteer, code: str, street: str | None, community: str | None, grid: str | None
) -> None:
    found = gazetteer.locate(code=code, text="没有名称")
    assert (found.street, found.community, found.grid) == (street, community, grid)
    assert code in found.evidence


def test_a_code_of_a_street_and_a_name_in_it(gazetteer: Gazetteer) -> None:
    assert gazetteer.locate(code="350921001", text="龙津社区").community == "350921001001"
    elsewhere = gazetteer.locate(code="350921001", text="东关社区")
    assert (elsewhere.street, elsewhere.community) == ("350921001", None)
    known = gazetteer.locate(code="350921001001", text="东关社区")
    assert known.community == "350921001001"


def test_a_code_that_is_not_in_the_list_leaves_it_to_the_names(gazetteer: Gazetteer) -> None:
    found = gazetteer.locate(code="350921101", text="龙津社区")
    assert found.community == "350921001001"
    assert "350921101" in found.evidence


def test_a_compound_gives_its_grid(gazetteer: Gazetteer) -> None:
    assert (
        gazetteer.locate(text="聚福小区停水").grid == "350921001001-G02" == place.grid_code("350921001001", 2)
    )
    assert gazetteer.grids["350921001001-G02"][0] == "聚福小区"
    both = gazetteer.locate(text="聚福小区和星河小区都停水")
    assert (both.community, both.grid) == ("350921001001", None)
    assert gazetteer.locate(text="龙津社区停水").grid is None
    assert gazetteer.locate(text="松港街道双名苑").grid == "350921002001-G01"  # the other one is in 松城街道


def test_coordinates(gazetteer: Gazetteer) -> None:
    near = gazetteer.locate(lat=26.8885, long=119.9975)
    assert (near.street, near.community) == ("350921001", None)
    assert near.confidence <= 0.3
    between = gazetteer.locate(lat=26.883, long=120.008)
    assert between.street is None
    outside = gazetteer.locate(lat=39.9, long=116.4)
    assert outside.street is None
    assert "霞浦县" in outside.evidence
    # Names say more than a point on the map.
    named = gazetteer.locate(text="东关社区", lat=26.8885, long=119.9975)
    assert named.community == "350921002001"
    ignored = gazetteer.locate(text="东关社区", lat=39.9, long=116.4)
    assert ignored.community == "350921002001"
    assert "未采用" in ignored.evidence


def test_evidence_is_short(gazetteer: Gazetteer) -> None:
    everything = "".join(n.name for n in gazetteer.nodes.values())
    assert len(gazetteer.locate(words=everything, title=everything, text=everything).evidence) <= 200


def test_every_place_of_xiapu_is_found_by_its_names() -> None:
    bundled = place.bundled()
    assert len(bundled.nodes) > 50
    for node in bundled.nodes.values():
        found = bundled.locate(text=f"{node.name}的路灯坏了")
        expected = (node.street, None if node.kind == "street" else node.community or node.code, node.grid)
        assert (found.street, found.community, found.grid) == expected, node
    for code, (name, node) in bundled.grids.items():
        found = bundled.locate(text=f"{name}停水三天")
        assert (found.community, found.grid) == (node.code, code), name
