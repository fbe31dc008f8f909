"""Whether two reports are about one matter: keys, likeness, thresholds, and what speaks against it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jiayuan.intake import matters
from jiayuan.intake.matters import ASKED, JOINED, Matter, compare, keys, read

pytestmark = pytest.mark.unit

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
TEXT = "龙津社区听雨街的路灯坏了三盏，晚上漆黑一片，老人孩子出门很不方便，请尽快派人来修复。"
AGAIN = "听雨街的路灯坏了三盏，晚上漆黑一片，老人出门很不方便，盼尽快派人修复。"


def matter(text: str = TEXT, **fields: Any) -> Matter:
    given: dict[str, Any] = {
        "id": "r1",
        "kind": "problem",
        "title": "路灯不亮",
        "text": text,
        "category": "0102",
        "street": "350921001",
        "community": "350921001001",
        "grid": "",
        "reporter": "",
        "at": AT,
    }
    return Matter(**{**given, **fields})


def like(text: str = AGAIN, **fields: Any) -> matters.Likeness:
    return compare(read(matter(text, id="r2", **fields)), read(matter()), {"0102": "路灯照明"})


def test_the_same_in_other_words_at_the_same_place_is_joined_and_the_reason_says_why() -> None:
    found = like(at=AT + timedelta(hours=30))
    assert found.certain
    assert found.score >= JOINED
    assert "文字相近" in found.reason
    assert "同为路灯照明" in found.reason
    assert "相隔1天" in found.reason


def test_alike_texts_have_a_key_in_common_and_strangers_none() -> None:
    first, second = (set(keys(read(m))) for m in (matter(), matter(AGAIN, community="", street="")))
    stranger = set(keys(read(matter("菜场门口的垃圾桶满了没人收，臭气熏天", category="0301", title="垃圾"))))
    assert first & second
    assert not first & stranger


def test_keys_are_the_same_in_every_process() -> None:
    # Kept in a database: another number for the same text would find nothing any more.
    assert keys(read(matter("路灯坏了", title="", reporter="p1", street="", community=""))) == [
        ("band", n) for n in BANDS
    ] + [("reporter", REPORTER)]


BANDS = [
    3881096122809362140,
    6219493554818821699,
    -4989167757358325232,
    271913653711378395,
    -2546173102710820123,
]
REPORTER = -1176787015153505895


@pytest.mark.parametrize(
    ("text", "fields", "why"),
    [
        (TEXT, {"community": "350921001002"}, "地点不同"),
        (TEXT, {"street": "350921002", "community": ""}, "地点不同"),
        (TEXT, {"kind": "consultation"}, "类型不同"),
        (TEXT, {"danger": True}, "有危险迹象"),
        (
            TEXT,
            {"community": "", "street": "", "title": "", "text": TEXT.replace("听雨街", "街上")},
            "地点未能互证",
        ),
    ],
)
def test_what_is_in_doubt_is_asked_and_never_joined(text: str, fields: dict[str, Any], why: str) -> None:
    found = like(**{"text": text, **fields})
    assert why in found.reason
    assert not found.certain
    assert ASKED <= found.score < JOINED


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("听雨街3号楼的电梯停了两天，老人上不去", "听雨街5号楼的电梯停了两天，老人上不去"),
        (f"{TEXT}（第12件）", f"{TEXT}（第13件）"),
    ],
)
def test_what_differs_in_its_numbers_alone_is_another_matter(one: str, other: str) -> None:
    found = compare(read(matter(one)), read(matter(other)))
    assert found.score < ASKED
    assert "号不同" in found.reason


def test_another_matter_at_the_same_place_is_neither_joined_nor_asked_about() -> None:
    assert (
        like("听雨街的垃圾桶满了没人收，臭气熏天，苍蝇很多", title="垃圾满溢", category="0301").score < ASKED
    )


def test_one_persons_repetition_needs_no_proof_of_the_place() -> None:
    far = {"community": "", "street": "", "title": ""}
    again = matter(AGAIN.replace("听雨街", "我家门口"), id="r2", reporter="p1", **far)
    first = matter(TEXT.replace("龙津社区听雨街", "我家门口"), reporter="p1", **far)
    assert compare(read(again), read(first)).certain
    assert not compare(read(again), read(matter(first.text, reporter="p2", **far))).certain


def test_a_text_of_a_single_character_can_be_read() -> None:
    alone = read(matter("啊", title=""))
    assert compare(alone, alone).score > 0
    assert len(keys(alone)) >= 5
