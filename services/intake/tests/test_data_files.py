"""The data that intake ships holds together: the catalogue of matters, the danger signs, the gazetteer."""

from __future__ import annotations

from collections import Counter
from importlib import resources
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.unit

DANGERS = {
    "fire",
    "gas",
    "collapse",
    "drowning",
    "electric",
    "self_harm",
    "violence",
    "medical",
    "missing_person",
}


def _load(name: str) -> Any:
    text = (resources.files("jiayuan.intake") / "data" / name).read_text(encoding="utf-8")
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


@pytest.fixture(scope="module")
def catalogue() -> Any:
    return _load("catalogue.yaml")


@pytest.fixture(scope="module")
def leaves(catalogue: Any) -> list[dict[str, Any]]:
    return [c for c in catalogue["categories"] if "parent" in c]


@pytest.fixture(scope="module")
def gazetteer() -> Any:
    return _load("xiapu.yaml")


@pytest.fixture(scope="module")
def places(gazetteer: Any) -> list[dict[str, Any]]:
    return [p for s in gazetteer["streets"] for p in s["places"]]


def _twice(words: list[str]) -> list[str]:
    return [w for w, n in Counter(words).items() if n > 1]


def _words(leaf: dict[str, Any]) -> list[str]:
    return [k if isinstance(k, str) else k["word"] for k in leaf["keywords"]]


def test_codes_are_unique_and_parents_exist(catalogue: Any, leaves: list[dict[str, Any]]) -> None:
    codes = [c["code"] for c in catalogue["categories"]]
    tops = {c["code"] for c in catalogue["categories"] if "parent" not in c}
    assert _twice(codes) == []
    assert tops == {f"{n:02d}" for n in range(1, 16)}
    assert 90 <= len(leaves) <= 120
    for leaf in leaves:
        assert leaf["parent"] in tops
        assert leaf["code"].startswith(leaf["parent"])
        assert len(leaf["code"]) == 4
    assert {leaf["parent"] for leaf in leaves} == tops


def test_every_category_is_complete(catalogue: Any) -> None:
    for category in catalogue["categories"]:
        assert category["name"], category
        assert category["name_en"].isascii(), category
        assert type(category["livelihood"]) is bool, category
        assert category["importance"] in (1, 2, 3), category
        assert category["urgency"] in (1, 2, 3), category
    assert any(c["code"] == "1599" for c in catalogue["categories"])


def test_names_are_not_used_twice(leaves: list[dict[str, Any]]) -> None:
    assert _twice([leaf["name"] for leaf in leaves]) == []


def test_a_keyword_belongs_to_one_leaf(leaves: list[dict[str, Any]]) -> None:
    assert _twice([w for leaf in leaves for w in _words(leaf)]) == []
    for leaf in leaves:
        assert 3 <= len(leaf["keywords"]) <= 30, leaf["code"]
        for keyword in leaf["keywords"]:
            if isinstance(keyword, dict):
                assert set(keyword) == {"word", "weight"}, keyword
                assert 1 <= keyword["weight"] <= 10, keyword


def test_keywords_are_in_the_form_that_texts_are_brought_to(leaves: list[dict[str, Any]]) -> None:
    from jiayuan.intake.text import normal

    words = [w for leaf in leaves for w in _words(leaf)]
    assert [w for w in words if normal(w) != w] == []


def test_danger_signs_are_the_known_ones(catalogue: Any) -> None:
    from jiayuan.intake.text import normal

    signs = catalogue["danger_signs"]
    assert {s["code"] for s in signs} == DANGERS
    for sign in signs:
        assert sign["name"]
        assert sign["call"] in ("110", "119", "120")
        assert len(sign["any"]) >= 3
        phrases = sign["any"] + sign["none"]
        assert _twice(phrases) == [], sign["code"]
        assert [p for p in phrases if normal(p) != p] == [], sign["code"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("三楼着火了，快来", "fire"),
        ("后厨起火，冒浓烟", "fire"),
        ("消防通道被堵，三楼着火了", "fire"),
        ("一屋子煤气味", "gas"),
        ("隔壁的墙塌了", "collapse"),
        ("有人落水", "drowning"),
        ("电线断了掉在水里", "electric"),
        ("他说不想活了", "self_harm"),
        ("门口有人拿刀", "violence"),
        ("大爷晕倒，叫不醒", "medical"),
        ("老人一夜未归", "missing_person"),
    ],
)
def test_a_danger_is_seen(text: str, code: str) -> None:
    from jiayuan.intake.category import bundled

    assert code in [s.code for s in bundled().signs(text)]


@pytest.mark.parametrize(
    "text",
    [
        "火锅店占着消防通道",
        "热水器打不着火",
        "引起火灾的隐患很多",
        "要装漏电保护开关",
        "请办一次防溺水讲座",
        "包工头玩失踪",
        "我家的猫走失了，小区要不要管",
        "这么吵，年轻生命都熬坏了",
        "天都要塌了一样难受",
    ],
)
def test_a_figure_of_speech_is_no_danger(text: str) -> None:
    from jiayuan.intake.category import bundled

    assert [s.code for s in bundled().signs(text)] == []


@pytest.mark.parametrize(
    "text",
    [
        "楼道堆满杂物，一旦夜里起火后果不堪设想",
        "如果哪天燃气泄漏就来不及了",
        "这里以前有过孩子落水了的事",
        "请避免有人触电",
        "随着火车站附近的车流增大",
        "一年发生两三起火灾，请检查",
        "没有呼吸机可用",
        "我的邮包就失踪了",
    ],
)
def test_what_is_feared_or_long_over_is_no_danger(text: str) -> None:
    from jiayuan.intake.category import bundled

    assert [s.code for s in bundled().signs(text)] == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("以前没事，现在起火了", "fire"),
        ("去年修的线路刚刚起火", "fire"),
        ("一旦起火就完了，三楼已经起火了", "fire"),
        ("如果不还钱我就不想活了", "self_harm"),
        ("如果报警他就拿刀砍人", "violence"),
        ("担心是燃气泄漏，味道很大", "gas"),
        ("曾先生家着火了", "fire"),
        ("我感觉老人要昏倒", "medical"),
        ("怎么办，家里着火", "fire"),
    ],
)
def test_doubt_and_threats_stay_dangers(text: str, code: str) -> None:
    from jiayuan.intake.category import bundled

    assert code in [s.code for s in bundled().signs(text)]


def test_words_around_signs_are_in_the_form_that_texts_are_brought_to(catalogue: Any) -> None:
    from jiayuan.intake.text import normal

    context = catalogue["danger_context"]
    assert set(context) == {"never", "before", "after", "now"}
    assert set(context["never"]) <= DANGERS
    for words in (context["before"], context["after"], context["now"]):
        assert _twice(words) == []
        assert [w for w in words if normal(w) != w] == []


def test_the_streets_are_whole(gazetteer: Any) -> None:
    assert gazetteer["county"]["code"] == "350921"
    assert {s["name"]: (s["code"], len(s["places"])) for s in gazetteer["streets"]} == {
        "松城街道": ("350921001", 18),
        "松港街道": ("350921002", 29),
        "松山街道": ("350921003", 12),
    }
    west, south, east, north = gazetteer["county"]["bbox"]
    for street in gazetteer["streets"]:
        lon, lat = street["centre"]
        assert west < lon < east, street["name"]
        assert south < lat < north, street["name"]


def test_place_codes_are_unique_and_of_their_street(gazetteer: Any, places: list[dict[str, Any]]) -> None:
    assert _twice([p["code"] for p in places]) == []
    for street in gazetteer["streets"]:
        for place in street["places"]:
            assert len(place["code"]) == 12
            assert place["code"].isdigit()
            assert place["code"].startswith(street["code"])
            # 001 to 199 are communities, 200 to 399 villages: so the national codes say it.
            assert place["kind"] == ("community" if place["code"][9] in "01" else "village")
            assert place["name"].endswith("社区" if place["kind"] == "community" else "村")
            assert place["official"].startswith(place["name"])


def test_a_word_names_one_place(gazetteer: Any, places: list[dict[str, Any]]) -> None:
    words = [w for s in gazetteer["streets"] for w in (s["name"], *s["aliases"])]
    words += [w for p in places for w in (p["name"], *p["aliases"], *p["compounds"], *p["roads"])]
    assert _twice(words) == []
    for place in places:
        assert 5 <= len(place["compounds"]) + len(place["roads"]) <= 10, place["name"]


def test_a_name_that_two_places_share_is_nobodys_alias(places: list[dict[str, Any]]) -> None:
    stems = Counter(p["name"].removesuffix("社区").removesuffix("村") for p in places)
    shared = {s for s, n in stems.items() if n > 1}
    assert shared == {"东关", "桥头"}
    assert [p["name"] for p in places if shared & set(p["aliases"])] == []
