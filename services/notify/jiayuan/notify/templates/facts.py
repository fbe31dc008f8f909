"""What a text may name: a code, a link, a time, a count; nothing personal and nothing of a case's text. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from jiayuan.contracts.times import parse

ZONE: Final = ZoneInfo("Asia/Shanghai")


@dataclass(frozen=True, slots=True)
class Fact:
    """A placeholder. `longest`: the longest value that a template is checked with; a time is RFC 3339 until it is said.

    `kind`: code (letters, digits, hyphens), link, time, count, words (Chinese).
    """

    kind: str
    longest: str
    meaning: str


FACTS: Final[dict[str, Fact]] = {
    "tracking_code": Fact("code", "JY-20260819-7K3M9Q", "the report's tracking code"),
    "number": Fact("code", "XP-2026-00087123", "the case's number"),
    "link": Fact("link", "https://jiayuan.example/" + "t/JY-20260819-7K3M9QWXYZ", "where to look and to act"),
    "unsubscribe": Fact(
        "link",
        "https://jiayuan.example/u/JY-20260819-7K3M9Q",
        "where to say what one doesn't wish to be told",
    ),
    "receipt": Fact(
        "code", "x" * 22, "what stands for the notice where the mini-program says that it was read"
    ),
    "call": Fact("words", "110、119、120、122", "the emergency numbers of the danger signs"),
    "due": Fact("time", "2026-12-31T15:59:00Z", "by when"),
    "count": Fact("count", "9999", "how many notices a digest stands for"),
    "items": Fact("words", "此前超时更9999件、此前超时更9999件等", "what a digest stands for, by kind"),
}


def local(at: str) -> str:
    """An RFC 3339 time as people in Xiapu read it: `3月5日14:05`."""
    when = _local(at)
    return f"{when.month}月{when.day}日{when:%H:%M}"


def full(at: str) -> str:
    """The same with its year, as WeChat's fields of the kinds time and date want it: `2026年3月5日 14:05`."""
    when = _local(at)
    return f"{when.year}年{when.month}月{when.day}日 {when:%H:%M}"


def _local(at: str) -> datetime:
    return parse(at).astimezone(ZONE)
