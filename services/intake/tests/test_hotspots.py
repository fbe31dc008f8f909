"""What many people say about one thing at one place."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from jiayuan.intake import hotspots
from jiayuan.intake.hotspots import DAY, Message, find

pytestmark = pytest.mark.unit

REAL = Path(__file__).resolve().parents[4] / "shared" / "data" / "messages_unlabelled.jsonl"
MIXER = (
    "{0}松涛花苑小区旁边的混凝土搅拌站噪音太大，{1}",
    "{0}搅拌站就建在松涛花苑门口，粉尘到处都是，{1}",
    "松涛花苑业主反映：旁边搅拌站彻夜施工，混凝土车进进出出，{0}{1}",
    "请查一查松涛花苑附近的混凝土搅拌站有没有手续，噪音粉尘扰民，{0}{1}",
)
OTHERS = (
    "路灯不亮",
    "井盖不见了",
    "公交车等了半小时",
    "社保卡怎么办理",
    "学校门口很堵",
    "菜价太贵",
    "电梯停了",
    "医院排队太久",
    "小狗没有拴绳",
    "快递放在门外",
    "宽带断了",
    "水压太小",
)


def noise(rng: random.Random, length: int) -> str:
    """Words of nobody's language, so that nothing but what a test writes is shared."""
    return "".join(chr(0x4E00 + rng.randrange(6000)) for _ in range(length))


def town(rng: random.Random, count: int = 300) -> list[Message]:
    """What a town writes in a year about everything."""
    return [
        Message(
            f"m{n}",
            f"p{n}",
            rng.randrange(365) * DAY,
            rng.choice(OTHERS),
            f"{noise(rng, 6)}小区业主反映{rng.choice(OTHERS)}，{noise(rng, 20)}，希望物业和有关部门尽快处理",
        )
        for n in range(count)
    ]


def mixer(rng: random.Random, people: int, day: int = 300, times: int = 1) -> list[Message]:
    """People about one matter, each of them several times."""
    return [
        Message(
            f"x{n}-{k}",
            f"q{n}",
            (day + n % 20 + k) * DAY,
            "搅拌站扰民",
            MIXER[n % len(MIXER)].format(noise(rng, 8), noise(rng, 12)),
        )
        for n in range(people)
        for k in range(times)
    ]


def test_it_is_found_and_named_and_holds_nothing_else() -> None:
    rng = random.Random(1)
    messages = [*town(rng), *mixer(rng, 15)]
    (found,) = find(messages)
    assert {messages[i].id[0] for i in found.members} == {"x"}
    assert found.people >= 13
    assert any("搅拌站" in word for word in found.words)
    assert any("松涛花苑" in word for word in found.words)
    assert not {"小区", "业主", "物业", "有关部门"} & set(found.words)


def test_who_writes_ninety_times_is_one_person() -> None:
    rng = random.Random(2)
    loud = [
        Message(f"l{n}", "loud", (100 + n) * DAY, "我家门口的垃圾站", f"龙首路垃圾站又臭了{noise(rng, 10)}")
        for n in range(92)
    ]
    messages = [*town(rng), *mixer(rng, 12), *loud]
    found = find(messages)
    assert found[0].people >= 10
    assert all(messages[i].person != "loud" for h in found for i in h.members)


def test_sudden_growth_stands_before_the_same_number_over_the_year() -> None:
    rng = random.Random(3)
    slow = [
        Message(
            f"s{n}",
            f"s{n}",
            n * 30 * DAY,
            "海晏桥限高杆",
            f"海晏桥的限高杆太低，货车过不去，{noise(rng, 15)}",
        )
        for n in range(12)
    ]
    first, second = find([*town(rng), *slow, *mixer(rng, 12)])[:2]
    assert any("搅拌" in word for word in first.words)
    assert first.growth > 2 * second.growth


def test_one_thing_at_many_places_is_no_hotspot() -> None:
    rng = random.Random(4)
    everywhere = [
        Message(f"e{n}", f"e{n}", n * DAY, "夜间施工扰民", f"{noise(rng, 4)}工地夜间施工，{noise(rng, 30)}")
        for n in range(30)
    ]
    assert find([*town(rng), *everywhere]) == []


def test_many_things_at_one_place_are_no_hotspot() -> None:
    rng = random.Random(5)
    village = [
        Message(f"v{n}", f"v{n}", n * DAY, f"春晓镇{what}", f"春晓镇村民反映{what}，{noise(rng, 30)}")
        for n, what in enumerate(OTHERS)
    ]
    assert find([*town(rng), *village]) == []


@pytest.mark.parametrize(
    "messages", [[], [Message("a", "", 0.0, "", "")], [Message(str(n), "", 0.0, "", "") for n in range(9)]]
)
def test_next_to_nothing_gives_nothing(messages: list[Message]) -> None:
    assert find(messages) == []


def test_a_document_of_it() -> None:
    rng = random.Random(1)
    messages = [*town(rng), *mixer(rng, 15)]
    (found,) = find(messages)
    told: dict[str, Any] = hotspots.document(found, messages)
    assert told["people"] == found.people
    assert len(told["messages"]) == len(found.members)
    assert told["first"] <= told["peak"] <= told["last"]


def test_the_five_largest_of_a_year_of_real_messages_are_single_matters() -> None:
    """Read one by one when this was written; the words that only its own messages hold stand for each."""
    if not REAL.exists():
        pytest.skip(f"{REAL.name} is not here")
    from jiayuan.intake.cli_matters import _EARLIEST, _messages, _time

    messages = list(_messages(REAL, None, _EARLIEST, _time("2021-01-01"), ""))
    found = find(messages, most=5)
    assert len(found) == 5
    about = (
        ("搅拌", "丽发新城"),
        ("滨河苑", "广铁", "车位"),
        ("魅力之城",),
        ("人才",),
        ("58车贷", "展星"),
    )
    for hotspot, words in zip(found, about, strict=True):
        for i in hotspot.members:
            said = messages[i].title + messages[i].text
            assert any(word in said for word in words), (words, messages[i].title)
