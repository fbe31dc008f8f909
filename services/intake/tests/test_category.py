"""What a report is about, and whether it is dangerous."""

from __future__ import annotations

from typing import Any

import pytest

from jiayuan.intake import category
from jiayuan.intake.category import Catalogue

pytestmark = pytest.mark.unit

DOCUMENT: dict[str, Any] = {
    "version": "t",
    "categories": [
        {"code": "01", "name": "市政", "livelihood": True, "importance": 2, "urgency": 2},
        {
            "code": "0102", "parent": "01", "name": "路灯照明", "livelihood": True, "importance": 2, "urgency": 2,
            "keywords": [{"word": "路灯", "weight": 4}, "漆黑"],
        },
        {"code": "02", "name": "住房", "livelihood": True, "importance": 2, "urgency": 2},
        {
            "code": "0204", "parent": "02", "name": "电梯故障", "livelihood": True, "importance": 3, "urgency": 3,
            "keywords": [{"word": "电梯", "weight": 2}, "困人"],
        },
        {
            "code": "0205", "parent": "02", "name": "加装电梯", "livelihood": True, "importance": 2, "urgency": 1,
            "keywords": [{"word": "加装电梯", "weight": 6}],
        },
        {"code": "15", "name": "综合", "livelihood": False, "importance": 1, "urgency": 1},
        {"code": "1599", "parent": "15", "name": "其他", "livelihood": False, "importance": 1, "urgency": 1},
    ],
    "danger_signs": [
        {"code": "fire", "name": "火情", "any": ["着火", "起火"], "none": ["怕着火", "着火怎么办"], "call": "119"},
        {"code": "drowning", "name": "溺水", "any": ["溺水"], "none": ["防溺水"], "call": "119"},
        {"code": "self_harm", "name": "轻生", "any": ["不想活"], "none": [], "call": "110"},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue(DOCUMENT)


def test_keywords_decide_and_say_why(catalogue: Catalogue) -> None:
    guess = catalogue.classify("路灯坏了", "晚上一片漆黑")
    assert (guess.category.code, guess.method) == ("0102", "keywords")
    assert guess.why == (("路灯", 8.0), ("漆黑", 1.0))  # the title counts double
    assert 0.5 < guess.confidence <= 0.85


def test_the_longest_word_speaks(catalogue: Catalogue) -> None:
    guess = catalogue.classify("", "申请加装电梯")
    assert (guess.category.code, guess.why) == ("0205", (("加装电梯", 6.0),))
    assert catalogue.classify("", "电梯困人").category.code == "0204"


def test_a_word_counts_once_however_often_it_is_said(catalogue: Catalogue) -> None:
    assert catalogue.classify("", "路灯" * 50).why == (("路灯", 4.0),)


def test_less_sure_when_two_matters_compete(catalogue: Catalogue) -> None:
    alone = catalogue.classify("", "路灯坏了")
    contested = catalogue.classify("", "路灯坏了，电梯也坏了")
    assert contested.category.code == "0102"
    assert contested.runner_up == "0204"
    assert contested.confidence < alone.confidence


def test_nothing_known_is_other_and_hardly_sure(catalogue: Catalogue) -> None:
    guess = catalogue.classify("你好", "在吗")
    assert (guess.category.code, guess.method) == ("1599", "none")
    assert guess.confidence <= 0.1


def test_a_given_code_is_believed(catalogue: Catalogue) -> None:
    guess = catalogue.classify("路灯坏了", "", given="0205")
    assert (guess.category.code, guess.method) == ("0205", "given")
    within = catalogue.classify("路灯坏了", "电梯困人", given="02")
    assert within.category.code == "0204"
    top = catalogue.classify("路灯坏了", "", given="02")
    assert (top.category.code, top.method) == ("02", "given")


@pytest.mark.parametrize(
    ("text", "signs"),
    [
        ("三楼着火了", ["fire"]),
        ("怕着火", []),
        ("楼道堆物，万一着火怎么办", []),
        ("怕着火，结果真的着火了", ["fire"]),
        ("水库旁请立防溺水的牌子", []),
        ("有人溺水", ["drowning"]),
        ("我不想活了，家里着火了", ["fire", "self_harm"]),
        ("路灯坏了", []),
    ],
)
def test_signs_of_danger(catalogue: Catalogue, text: str, signs: list[str]) -> None:
    assert [s.code for s in catalogue.signs(text)] == signs
    assert [s.code for s in catalogue.signs("标题", text)] == signs


def test_advice_names_the_numbers(catalogue: Catalogue) -> None:
    said = category.advice(catalogue.signs("着火了，不想活了"))
    assert "请立即拨打119、110" in said
    assert category.advice([]) == ""
    assert category.names(catalogue.signs("着火")) == [{"code": "fire", "call": "119"}]


def test_the_bundled_catalogue_agrees_with_a_plain_search() -> None:
    """Aho-Corasick on bytes finds what a plain search finds."""
    bundled = category.bundled()
    said = "消防通道被占，万一着火怎么办；昨晚隔壁着火了，有人晕倒，煤气味很重。孩子说不想活了。"
    assert {s.code for s in bundled.signs(said)} >= {"fire", "medical", "gas", "self_harm"}
    for sign in bundled.signs(said):
        assert all(word in said for word in sign.words)
    assert bundled.classify("路灯不亮", "").category.name == "路灯照明"
    assert bundled.categories[category.OTHER].name == "其他"
