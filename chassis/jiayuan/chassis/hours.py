"""Hours by weekday: what people write, one form to keep, and minutes to count with. Pure.

Service points, people on duty and offices have them. The form kept, in local time: {"mon": ["08:00-12:00",
"14:30-17:30"], …, "sun": []}.
A span that ends before it begins goes over midnight and belongs to the day on which it begins: ["22:00-06:00"].
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_NAMES: Final = "一二三四五六日"
_DAY_WORDS: Final = {c: i for i, c in enumerate(_NAMES)} | {"天": 6, "七": 6}
_DAY: Final = r"(?:周|星期|礼拜)?([一二三四五六日天])"
_DAYS: Final = re.compile(
    rf"(?:周|星期|礼拜)([一二三四五六日天])(?:\s*(?:至|到|-|~|—|–)+\s*{_DAY})?"
    r"|(每天|每日|全年|天天)|(工作日)|(周末|双休日)"
)
_SPAN: Final = re.compile(r"(\d{1,2})[:：](\d{2})\s*(?:-|~|—|–|至|到)+\s*(次日)?\s*(\d{1,2})[:：](\d{2})")
_WHOLE: Final = "00:00-24:00"

Hours = Mapping[str, Sequence[str]]
# By weekday from Monday: (from, until) in minutes; `until` is past 1,440 when the span goes over midnight.
Week = tuple[tuple[tuple[int, int], ...], ...]


def hours_of(written: str | Mapping[str, Any], *, overnight: bool = False) -> dict[str, list[str]]:
    """The kept form, from itself or from what people write: 周一至周五 08:00-12:00、14:30-17:30；周六 9:00-12:00.

    A part that names no day means every day. ValueError says what can't be read, and when nothing is ever open.
    """
    if isinstance(written, Mapping):
        unknown = sorted(map(str, set(written) - set(DAYS)))
        if unknown:
            raise ValueError(f"names days that there are not: {', '.join(unknown)[:60]}")
        out = {}
        for day in DAYS:
            given = written.get(day) or ()
            if isinstance(given, str) or not isinstance(given, Sequence):
                raise ValueError(f"has no list of spans for {day}")
            out[day] = sorted({span_of(item, overnight=overnight) for item in given})
    else:
        out = {day: list(spans) for day, spans in _written(written, overnight)}
    if not any(out.values()):
        raise ValueError("names no hours at all")
    return out


@lru_cache(maxsize=4096)  # thousands of people have the same few hours
def _written(written: str, overnight: bool) -> tuple[tuple[str, tuple[str, ...]], ...]:
    out: dict[str, list[str]] = {day: [] for day in DAYS}
    for part in re.split(r"[；;\n]", written):
        if not part.strip():
            continue
        spans = spans_of(part, overnight=overnight)
        closed = any(word in part for word in ("休息", "不开放", "闭馆"))
        if not spans and not closed:
            raise ValueError(f"names no time in {part.strip()[:40]!r}")
        for day in days_of(part):
            out[DAYS[day]] = [] if closed else sorted({*out[DAYS[day]], *spans})
    return tuple((day, tuple(spans)) for day, spans in out.items())


def days_of(part: str) -> list[int]:
    """The weekdays, 0 to 6, that words name; all when they name none."""
    out: list[int] = []
    for first, last, every, work, weekend in _DAYS.findall(part):
        if every:
            out += range(7)
        elif work:
            out += range(5)
        elif weekend:
            out += (5, 6)
        else:
            begin, end = _DAY_WORDS[first], _DAY_WORDS[last or first]
            out += range(begin, end + 1) if begin <= end else (*range(begin, 7), *range(end + 1))
    return sorted(set(out)) or list(range(7))


def spans_of(part: str, *, overnight: bool = False) -> list[str]:
    """The spans that words name, in their kept form. ValueError when one is none."""
    if "24小时" in part or "全天" in part:
        return [_WHOLE]
    return sorted({span_of(m[0], overnight=overnight) for m in _SPAN.finditer(part)})


def span_of(written: Any, *, overnight: bool = False) -> str:
    """One span, 08:00-12:00. ValueError."""
    return _span_of(str(written), overnight)


@lru_cache(maxsize=4096)
def _span_of(written: str, overnight: bool) -> str:
    found = _SPAN.fullmatch(written.strip())
    if found is None:
        raise ValueError(f"has {written[:40]!r}, which is no span of time")
    h1, m1, h2, m2 = (int(found[i]) for i in (1, 2, 4, 5))
    begin, end = h1 * 60 + m1, h2 * 60 + m2
    if m1 > 59 or m2 > 59 or begin >= 24 * 60 or end > 24 * 60 or begin == end:
        raise ValueError(f"has {written!r}, which is no span of a day")
    if (begin > end or found[3]) and not overnight:
        raise ValueError(f"has {written!r}, which ends before it begins")
    return f"{h1:02}:{m1:02}-{h2:02}:{m2:02}"


def minutes(span: str) -> tuple[int, int]:
    """(from, until) of a kept span."""
    begin, end = int(span[:2]) * 60 + int(span[3:5]), int(span[6:8]) * 60 + int(span[9:])
    return begin, end if end > begin else end + 24 * 60


@lru_cache(maxsize=4096)
def _week(key: tuple[tuple[str, ...], ...]) -> Week:
    return tuple(tuple(sorted(minutes(s) for s in day)) for day in key)


def week_of(hours: Hours) -> Week:
    """Kept hours as minutes; equal hours are one object."""
    return _week(tuple(tuple(hours.get(day) or ()) for day in DAYS))


def text_of(hours: Hours) -> str:
    """Kept hours as people write them, which `hours_of` reads back: 周一至周五 08:00-12:00；周六 09:00-12:00."""
    days = [tuple(hours.get(day) or ()) for day in DAYS]
    parts, i = [], 0
    while i < 7:
        j = i
        while j < 6 and days[j + 1] == days[i]:
            j += 1
        if days[i]:
            parts.append(f"{days_text(range(i, j + 1))} {'、'.join(days[i])}")
        i = j + 1
    return "；".join(parts)


def days_text(days: Sequence[int]) -> str:
    """Weekdays as people write them, which `days_of` reads back."""
    if len(days) == 7:
        return "每天"
    parts, i = [], 0
    while i < len(days):
        j = i
        while j + 1 < len(days) and days[j + 1] == days[j] + 1:
            j += 1
        first, last = f"周{_NAMES[days[i]]}", f"周{_NAMES[days[j]]}"
        parts.append(first if i == j else f"{first}至{last}" if j > i + 1 else f"{first}、{last}")
        i = j + 1
    return "、".join(parts)
