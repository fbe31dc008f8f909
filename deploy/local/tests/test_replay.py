"""What is replayed: where messages are said to be, how they come in, and what the services' contracts say of them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from jiayuan.contracts import check
from jiayuan.contracts.registry import INBOUND_EVENTS
from jiayuan.local import replay

pytestmark = pytest.mark.unit

DIRECTORY: dict[str, Any] = {
    "streets": [{"code": "350921001", "communities": [{"code": "350921001001"}, {"code": "350921001002"}]}],
    "grids": [{"code": "350921001001-G01"}, {"code": "350921001001-G01-B01"}, {"code": "350921001002-G01"}],
}
CODES = {"350921001", "350921001001", "350921001002", *(g["code"] for g in DIRECTORY["grids"])}


def real(n: int) -> list[dict[str, Any]]:
    """Messages as those of another city are: no channel, no place."""
    return [
        {"id": 100 + i, "user": f"A{i % 7}", "title": f"A市第{i}件事", "detail": f"正文{i}"} for i in range(n)
    ]


def test_a_plan_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    rows = real(200)
    one = replay.plan(rows, DIRECTORY, 20.0, 1)
    assert one == replay.plan(rows, DIRECTORY, 20.0, 1)
    assert one != replay.plan(rows, DIRECTORY, 20.0, 2)


def test_every_message_is_sent_once_in_time_and_keeps_its_text() -> None:
    rows = real(200)
    messages = replay.plan(rows, DIRECTORY, 20.0, 1)
    assert len({m.key for m in messages}) == 200
    assert [m.at for m in messages] == sorted(m.at for m in messages)
    assert all(0 <= m.at <= 20 for m in messages)
    assert {m.document["text"] for m in messages} == {r["detail"] for r in rows}


def test_messages_of_elsewhere_get_places_of_the_county_and_come_in_every_way() -> None:
    messages = replay.plan(real(400), DIRECTORY, 20.0, 1)
    codes = [m.document["place"]["code"] for m in messages if "place" in m.document]
    assert set(codes) == CODES
    assert 0 < len(messages) - len(codes) < 40, "a few don't say where"
    ways = Counter(m.way for m in messages)
    assert ways["http"] > ways["bus"] > 20
    assert ways["file"] > 20
    assert len({m.channel for m in messages}) >= 8
    assert 5 < sum(m.again for m in messages) < 40
    assert 20 < sum("contact" not in m.document for m in messages) < 90
    assert all(m.document["contact"]["phone"].startswith("000") for m in messages if "contact" in m.document)


def test_the_same_person_keeps_the_same_number() -> None:
    messages = replay.plan(real(100), DIRECTORY, 20.0, 1)
    people = {
        (m.document["contact"]["openid"], m.document["contact"]["phone"])
        for m in messages
        if "contact" in m.document
    }
    assert len(people) == 7


def test_our_own_reports_are_left_as_they_are_written() -> None:
    rows = [json.loads(line) for line in replay.BUNDLED.read_text(encoding="utf-8").splitlines()]
    messages = replay.plan(rows, DIRECTORY, 20.0, 1)
    by_text = {m.document["text"]: m for m in messages}
    for row in rows:
        sent = by_text[row["text"].strip()]
        assert sent.document.get("place", {}).get("code") == row.get("place_code")
        assert sent.document.get("place", {}).get("text") == row.get("place_text")
        assert sent.document.get("contact", {}).get("phone") == row.get("phone")
        assert sent.way == "file" or sent.channel == row["channel"]


@pytest.mark.parametrize("rows", ["real", "bundled"])
def test_what_goes_over_the_bus_keeps_the_contract(rows: str) -> None:
    given = real(300) if rows == "real" else replay.load(replay.BUNDLED, 400)
    sent = [m for m in replay.plan(given, DIRECTORY, 20.0, 1) if m.way == "bus"]
    assert sent
    for message in sent:
        data = {"external_id": message.key, **message.document}
        assert check.explain(INBOUND_EVENTS["report.submitted"].schema, data) == []


def test_a_file_holds_one_line_a_message(tmp_path: Path) -> None:
    messages = [m for m in replay.plan(real(100), DIRECTORY, 20.0, 1) if m.way == "file"]
    file = replay.write_file(messages, tmp_path / "x.jsonl")
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert [r["external_id"] for r in rows] == [m.key for m in messages]
    assert all("channel" not in r for r in rows)


def test_a_long_file_is_sampled_evenly_and_a_short_one_taken_whole(tmp_path: Path) -> None:
    file = tmp_path / "m.jsonl"
    file.write_text("\n".join(json.dumps({"text": str(i)}) for i in range(1000)), encoding="utf-8")
    assert [r["text"] for r in replay.load(file, 4)] == ["0", "250", "500", "750"]
    assert len(replay.load(file, 2000)) == 1000


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "holds no message"),
        ("{", "line 1 is not JSON"),
        ('{"text": "x"}\n{"title": "y"}', "line 2 has neither text nor detail"),
    ],
)
def test_data_that_cannot_be_used_is_refused_in_one_sentence(
    tmp_path: Path, content: str, words: str
) -> None:
    file = tmp_path / "m.jsonl"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(replay.DataError, match=words):
        replay.load(file, 10)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(replay.DataError, match=r"nowhere\.jsonl"):
        replay.load(tmp_path / "nowhere.jsonl", 10)
