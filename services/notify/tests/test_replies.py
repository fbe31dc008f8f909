"""Answers by SMS: 退订 and 恢复 reach the people whose number it is, and nothing of what was written is kept."""

from __future__ import annotations

import contextlib
import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jiayuan.chassis.testing.client import Client
from jiayuan.chassis.testing.models import examples
from jiayuan.notify import receiving, replies, store

from .rigs import Rig

PHONES = ["13900001111", "13900002222", "13900003333"]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        *((t, "stop") for t in ("TD", "td", " T ", "ＴＤ", "退订", "【退订】", "退订。", "拒收", "STOP")),
        *((t, "start") for t in ("恢复", "DY", "订阅！")),
        *((t, None) for t in ("", "好的", "路灯还没修", "我要退订吗", "TDX")),
    ],
)
def test_what_an_answer_wants(text: str, word: str | None) -> None:
    assert replies.word_of(text) == word


@pytest.mark.parametrize("phone", ["13900001111", "+8613900001111", "8613900001111", "0086-139 0000 1111"])
def test_a_number_is_the_same_however_it_is_written(phone: str) -> None:
    assert replies.plain_number(phone) == "13900001111"


ALIYUN = [
    {
        "phone_number": PHONES[0],
        "send_time": "20260302090000",
        "content": "TD",
        "sign_name": "家园",
        "dest_code": "1234",
        "sequence_id": 1234567890,
    }
]
TENCENT = {
    "extend": "",
    "mobile": PHONES[0],
    "nationcode": "86",
    "sign": "家园",
    "text": "退订",
    "time": 1457336869,
}


def test_each_vendors_callback_is_read_and_answered_as_it_wants() -> None:
    found, answer = replies.parse(json.dumps(ALIYUN).encode())
    assert [(r.word, r.phone) for r in found] == [("stop", PHONES[0])]
    assert json.loads(answer) == {"code": 0, "msg": "接收成功"}
    found, answer = replies.parse(json.dumps(TENCENT).encode())
    assert [(r.word, r.phone) for r in found] == [("stop", PHONES[0])]
    assert json.loads(answer) == {"result": 0, "errmsg": "OK"}
    assert PHONES[0] not in repr(found)


@pytest.mark.parametrize("body", [b"", b"x", b"3", b'["a"]', b"{}", b'{"mobile": 1, "text": "TD"}'])
def test_what_no_vendor_can_have_sent_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError):
        replies.parse(body)


@given(st.binary(max_size=200))
@settings(max_examples=examples(50), deadline=None)
def test_no_body_breaks_it(body: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert replies.parse(body)[1].startswith(b"{")


# -- in a database -----------------------------------------------------------------------------------


@pytest.fixture
def rig(work_for: Any, events: Any, wall: Any) -> Rig:
    """Three citizens who were sent something, the first two by one number."""
    del wall
    made = Rig(work_for("notify"), events)
    made.settings(courtesy="on")
    for ref, phone in (("c1", PHONES[0]), ("c2", "+86" + PHONES[0]), ("c3", PHONES[1])):
        made.handle(events.report(f"r-{ref}", reporter=ref, contact=made.seal(ref, phone=phone)))
    made.sender().turn()
    return made


def wishes(rig: Rig) -> dict[str, Any]:
    """What everybody wishes."""
    return {r["ref"]: r["preferences"] for r in rig.rows("SELECT ref, preferences FROM recipient")}


def answer(rig: Rig, text: str, phone: str = PHONES[0], number: int = 1) -> None:
    """An answer comes and its people are looked for."""
    entry = ALIYUN[0] | {"content": text, "phone_number": phone, "sequence_id": number}
    found, _ = replies.parse(json.dumps([entry]).encode())
    replies.take(rig.runtime, "aliyun", found)
    while replies.turn(rig.runtime):
        pass


@pytest.mark.store
def test_everybody_with_the_number_is_left_alone_from_then_on(rig: Rig) -> None:
    answer(rig, "TD")
    assert wishes(rig) == {"c1": {"refused": ["all"]}, "c2": {"refused": ["all"]}, "c3": None}
    answer(rig, "恢复", number=2)
    assert wishes(rig) == {"c1": None, "c2": None, "c3": None}
    with rig.opened() as work:
        assert [c["how"] for c in store.wishes_changes(work, "citizen", "c1")] == ["reply", "reply"]


@pytest.mark.store
def test_the_number_is_forgotten_and_the_words_never_kept(rig: Rig) -> None:
    answer(rig, "TD")
    (row,) = rig.rows("SELECT * FROM reply")
    assert (row["phone"], row["found"], row["word"]) == (None, 2, "stop")
    assert PHONES[0] not in str(row)
    answer(rig, "我想说点别的", number=3)
    assert len(rig.rows("SELECT * FROM reply")) == 1


@pytest.mark.store
def test_the_same_answer_again_does_nothing(rig: Rig) -> None:
    answer(rig, "TD")
    answer(rig, "恢复", number=2)
    answer(rig, "TD")
    assert wishes(rig)["c1"] is None


@pytest.mark.store
def test_a_number_that_nobody_has_finds_nobody(rig: Rig) -> None:
    answer(rig, "TD", PHONES[2])
    assert set(wishes(rig).values()) == {None}


@pytest.mark.store
def test_many_people_are_gone_through_in_pieces(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replies, "_SIZE", 1)
    answer(rig, "TD", PHONES[1])
    assert wishes(rig) == {"c1": None, "c2": None, "c3": {"refused": ["all"]}}


@pytest.mark.store
def test_only_the_secret_path_lets_in(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    class Hearing:
        """Knows one path."""

        def provider(self, name: str, path: str) -> object | None:
            """The provider of that name and path."""
            return object() if (name, path) == ("aliyun", "s" * 30) else None

    monkeypatch.setattr(receiving, "of", lambda _runtime: Hearing())
    client, body = Client(rig.opened), json.dumps(ALIYUN).encode()
    assert client("POST", f"/replies/aliyun/{'x' * 30}", body)[0] == 404
    assert client("POST", f"/replies/aliyun/{'s' * 30}", b"?")[0] == 400
    assert rig.rows("SELECT * FROM reply") == []
    assert client("POST", f"/replies/aliyun/{'s' * 30}", body) == (200, {"code": 0, "msg": "接收成功"})
    assert len(rig.rows("SELECT * FROM reply WHERE phone IS NOT NULL")) == 1


@pytest.mark.store
def test_counts_and_answers_are_forgotten_when_nothing_needs_them(rig: Rig) -> None:
    answer(rig, "TD")
    assert replies.forget(rig.runtime) is False
    assert len(rig.rows("SELECT * FROM told")) == 3
    rig.opened.clock.time += timedelta(days=10)
    replies.forget(rig.runtime)
    assert rig.rows("SELECT * FROM told") == []
    assert len(rig.rows("SELECT * FROM reply")) == 1
    rig.opened.clock.time += timedelta(days=40)
    replies.forget(rig.runtime)
    assert rig.rows("SELECT * FROM reply") == []
