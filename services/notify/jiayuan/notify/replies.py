"""Answers by SMS (上行短信): 退订 refuses what may be refused, 恢复 takes that back; other words are not read here.

A provider names the phone number and not the message that was answered, and phones are sealed. So an answer is kept
with its number sealed, and the people who were sent something lately are gone through until the number is found. The
words themselves aren't kept.

Sources: Aliyun SmsUp (an array), https://help.aliyun.com/zh/sms/developer-reference/smsup-2 ; Tencent Cloud SMS Reply
(one object), https://www.tencentcloud.com/document/product/382/43548
"""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Literal

import orjson

from jiayuan.chassis.seal import SealError
from jiayuan.chassis.service import Runtime
from jiayuan.contracts.ids import new_id

from . import store, wishing
from .preferences import Wishes

log = logging.getLogger("jiayuan.notify")

Word = Literal["stop", "start"]
STOP: Final = frozenset({"td", "t", "n", "stop", "退订", "退", "拒收", "取消", "不要", "td退订"})
START: Final = frozenset({"dy", "start", "恢复", "订阅", "继续"})
LATELY: Final = timedelta(days=7)
"""So long after the last message an answer still finds its person."""
KEPT: Final = timedelta(days=30)
"""So long after it was done the same answer again is known to be the same."""
_SIZE: Final = 500
_FORGOTTEN: Final = 2000
_MOST: Final = 1000
_ANSWERS: Final[dict[bool, bytes]] = {
    True: b'{"code":0,"msg":"\xe6\x8e\xa5\xe6\x94\xb6\xe6\x88\x90\xe5\x8a\x9f"}',
    False: b'{"result":0,"errmsg":"OK"}',
}


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer: what it wants, from which number, and what tells it from others."""

    word: Word
    phone: str = field(repr=False)
    key: str = ""


def word_of(text: str) -> Word | None:
    """What an answer wants; None where it is about something else."""
    plain = re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", text).casefold())
    return "stop" if plain in STOP else "start" if plain in START else None


def plain_number(phone: str) -> str:
    """A phone number without a country code of China and without anything but digits."""
    digits = re.sub(r"\D", "", phone)
    return re.sub(r"^(?:0086|86)(?=1\d{10}$)", "", digits)


def parse(body: bytes) -> tuple[list[Reply], bytes]:
    """The answers in a callback, those that want nothing of this left out, and what the vendor wants to hear.

    ValueError for what no vendor can have sent.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise ValueError("not JSON") from None
    many = isinstance(document, list)
    entries = document if many else [document]
    if len(entries) > _MOST or not all(isinstance(e, Mapping) for e in entries):
        raise ValueError(f"not an object, nor a list of at most {_MOST}")
    return [reply for entry in entries if (reply := _reply(entry))], _ANSWERS[many]


def _reply(entry: Mapping[str, Any]) -> Reply | None:
    if "phone_number" in entry:
        phone, text = entry["phone_number"], entry.get("content")
        key = str(entry.get("sequence_id") or entry.get("send_time") or "")
    elif "mobile" in entry:
        phone, text = entry["mobile"], entry.get("text")
        key = f"{entry.get('time') or ''}"
    else:
        raise ValueError("neither phone_number nor mobile")
    if not isinstance(phone, str) or not isinstance(text, str):
        raise ValueError("the number or the text isn't text")
    word = word_of(text)
    return Reply(word, plain_number(phone), key[:64]) if word else None


# -- what follows ------------------------------------------------------------------------------------


def take(runtime: Runtime, provider: str, found: list[Reply]) -> int:
    """Keep answers until their people are found; the same one again is one. How many were new."""
    rows = []
    for reply in found:
        id_ = new_id()
        rows.append(
            {
                "id": id_,
                "provider": provider,
                "key": runtime.sealer.digest(f"{reply.phone} {reply.key} {reply.word}", "notify reply"),
                "word": reply.word,
                "phone": runtime.sealer.seal({"phone": reply.phone}, id_),
            }
        )
    if not rows:
        return 0
    with runtime.work() as work:
        return store.replies.put(work, [{**row, "at": work.now, "after": ""} for row in rows])


def turn(runtime: Runtime) -> bool:
    """Go through some of the people for one answer. True when there is more to do."""
    with runtime.work() as work:
        reply = store.replies.claim(work)
        if reply is None:
            return False
        try:
            wanted = runtime.sealer.open(reply["phone"], reply["id"])["phone"]
        except SealError as error:
            log.error("an answer's number can't be opened", extra={"reply": reply["id"], "error": str(error)})
            store.replies.done(work, reply["id"], reply["found"])
            return True
        people = store.replies.people(work, reply["after"], (work.now - LATELY).date(), _SIZE)
        matched = [row["ref"] for row in people if _has(runtime, row, wanted)]
        for ref in matched:
            _apply(work, ref, reply["word"])
        found = reply["found"] + len(matched)
        if len(people) < _SIZE:
            store.replies.done(work, reply["id"], found)
        else:
            store.replies.go_on(work, reply["id"], people[-1]["ref"], found)
    return True


def forget(runtime: Runtime) -> bool:
    """Drop counts of people who weren't sent anything lately, and answers that are done. True when there are more."""
    with runtime.work() as work:
        since = work.now - LATELY
        counts = store.forget_told(work, (since - timedelta(days=1)).date(), _FORGOTTEN)
        return max(counts, store.replies.forget(work, since - KEPT, _FORGOTTEN)) == _FORGOTTEN


def _has(runtime: Runtime, row: Mapping[str, Any], wanted: str) -> bool:
    try:
        phone = runtime.sealer.open(row["contact"], row["ref"]).get("phone")
    except SealError:
        return False
    return isinstance(phone, str) and plain_number(phone) == wanted


def _apply(work: Any, ref: str, word: Word) -> None:
    if word == "stop":
        wishing.refuse_all(work, "citizen", ref, "reply")
        return
    found = store.wishes(work, "citizen", ref)
    now = Wishes.of(found["preferences"] if found else None)
    wishing.change(work, "citizen", ref, Wishes(frozenset(), now.own, now.quiet), "reply")
