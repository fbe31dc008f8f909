"""Whether two reports are about the same matter (並案), by text, place and time. Pure: no database, no clock.

A report has keys: what it has in common with another about the same matter, likely enough that nothing else needs to be
looked at. Reports with a key in common are candidates, and only those are compared, so the cost of a report doesn't
grow with how many there are. What speaks for a join is said in words, and a person can undo it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Final

import numpy as np
from numpy.typing import NDArray

# The thresholds, as measured by `jiayuan intake joins evaluate` (docs/joins.md has the figures).
JOINED: Final = 0.75
ASKED: Final = 0.5
LIKELY: Final = 0.35
WINDOW: Final = timedelta(days=60)

# A wish, a booking or thanks is its sender's own, however alike two of them are.
KINDS: Final = frozenset(("problem", "information", "dispute", "consultation"))

_MOST_TEXT: Final = 800
_BANDS: Final = 5
_ROWS: Final = 3
_MOST_NAMES: Final = 2
_READ_NAMES: Final = 12
_RUN: Final = re.compile(r"[0-9a-z\u3400-\u9fff]+")
_NUMBER: Final = re.compile(r"[0-9]+")
_HOUSE: Final = ("号", "栋", "幢", "座", "单元", "室", "组", "期", "楼", "弄", "巷", "路", "线", "#")
# What a place, a firm or a school is called after; of its name the two characters before are taken. Divisions aren't
# names here: their codes are compared.
_DIVISIONS: Final = frozenset(("社区", "街道"))
_SUFFIX: Final = re.compile(
    "社区|街道|花园|公寓|家园|新村|新城|广场|大厦|中学|小学|幼儿园|学院|大学|医院|公司|集团|大道|路|街|巷|桥|公园|市场|楼盘|"
    "苑|府|湾|郡|园|国际|城|小区|村|站"
)
_NAMELESS: Final = frozenset("的个条是在和与")
# Two characters that stand before such a word and name nothing.
_NO_NAME: Final = frozenset(
    re.findall(
        "..",
        "们的一条这条那条两条几个个小住宅我们本村各个老旧附近旁边该小住在在我一个整个这个居民马路道路全村本小属于有限分公开发"
        "物业管理上班经过每个其他其它别的各大安置回迁",
    )
)


@dataclass(frozen=True, slots=True)
class Matter:
    """What is compared of a report. `reporter` is a pseudonym or ""; `danger`: it has signs of danger."""

    id: str
    kind: str
    title: str
    text: str
    category: str
    street: str
    community: str
    grid: str
    reporter: str
    at: datetime
    danger: bool = False


@dataclass(frozen=True, slots=True)
class Print:
    """A matter and what its text comes down to: runs of three characters, names, numbers."""

    matter: Matter
    grams: NDArray[np.uint64] = field(repr=False)
    runs: frozenset[int] = field(repr=False)  # the same
    names: tuple[str, ...] = ()
    numbers: frozenset[str] = frozenset()
    houses: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Likeness:
    """How likely two reports are about one matter (0 to 1), and what speaks for it and against it.

    `certain`: alone enough to join them; otherwise a person is to look, however high the score.
    """

    score: float
    reason: str
    certain: bool = False


def read(matter: Matter) -> Print:
    """The print of a matter; its texts are in normal form."""
    text = f"{matter.title}\n{matter.text[:_MOST_TEXT]}".lower()
    numbers, houses = set(), set()
    for match in _NUMBER.finditer(text):
        numbers.add(match[0])
        if text.startswith(_HOUSE, match.end()):
            houses.add(match[0])
    names, rest = _names(text)
    grams = _grams(rest)
    return Print(matter, grams, frozenset(grams.tolist()), names, frozenset(numbers), frozenset(houses))


def _names(text: str) -> tuple[tuple[str, ...], str]:
    """What in a text looks like the name of a place, a firm or a school, in its order; and the text without.

    Names are compared as names: in a short text they would be half of what two reports from one street have in common.
    """
    names: dict[str, None] = {}
    rest, end = [], 0
    for match in _SUFFIX.finditer(text):
        start = match.start() - 2
        before = text[start : match.start()] if start >= end else ""
        if len(before) < 2 or not ("\u4e00" <= before[0] <= "\u9fff" and "\u4e00" <= before[1] <= "\u9fff"):
            continue
        rest.append(text[end:start])
        end = match.end()
        if match[0] not in _DIVISIONS and before not in _NO_NAME and before[1] not in _NAMELESS:
            names[before + match[0]] = None
    rest.append(text[end:])
    return tuple(names)[:_READ_NAMES], "\0".join(rest)


def _grams(text: str) -> NDArray[np.uint64]:
    """The different runs of three characters, sorted, 16 bits a character; of a shorter text, one for the whole."""
    runs = "\0".join(_RUN.findall(text))
    codes = np.frombuffer(runs.encode("utf-16-le", "replace"), dtype=np.uint16).astype(np.uint64)
    if len(codes) >= 3:
        first, second, third = codes[:-2], codes[1:-1], codes[2:]
        grams = (first | second << _16 | third << _32)[first * second * third != 0]
        if len(grams):
            grams.sort()
            return grams[np.append(True, grams[1:] != grams[:-1])]
    return np.array([int.from_bytes(blake2b(runs.encode(), digest_size=7).digest(), "big")], np.uint64)


_16, _32 = np.uint64(16), np.uint64(32)


def _multipliers(name: str) -> NDArray[np.uint64]:
    # From a digest and no random generator: keys are kept, and must be the same with every release of numpy.
    count = _BANDS * _ROWS
    numbers = [
        int.from_bytes(blake2b(f"{name}{n}".encode(), digest_size=8).digest(), "big") | 1
        for n in range(count)
    ]
    return np.array(numbers, np.uint64)[:, None]


_MULTIPLY: Final = _multipliers("multiply")
_AGAIN: Final = _multipliers("again")


def keys(print_: Print) -> list[tuple[str, int]]:
    """The report's keys, at most 9: what kind each is of, and a signed 64-bit number.

    band: texts that are alike share some of five; name: a place, firm or school that the text names; place: the
    community (else the street) with the category; reporter: the person.
    """
    mixed = print_.grams[None, :] * _MULTIPLY
    mixed ^= mixed >> _32
    least = (mixed * _AGAIN).min(axis=1).reshape(_BANDS, _ROWS)
    out = [("band", _key(b"%d:%b" % (n, row.tobytes()))) for n, row in enumerate(least)]
    matter = print_.matter
    where = matter.community or matter.street
    if where:
        out.append(("place", _key(f"place:{where}:{matter.category}".encode())))
    title = matter.title.lower()
    names = (
        print_.names
        if len(print_.names) <= _MOST_NAMES
        else sorted(print_.names, key=lambda n: n not in title)
    )
    out += [("name", _key(f"name:{name}".encode())) for name in names[:_MOST_NAMES]]
    if matter.reporter:
        out.append(("reporter", _key(f"reporter:{matter.reporter}".encode())))
    return out


def _key(what: bytes) -> int:
    return int.from_bytes(blake2b(what, digest_size=8).digest(), "big", signed=True)


# -- two reports ---------------------------------------------------------------------------------------

_SAME_GRID, _SAME_NAME, _SAME_COMMUNITY = 0.25, 0.25, 0.15
_SAME_CATEGORY, _SAME_PERSON, _FEW_DAYS = 0.1, 0.2, 0.05
_SHORT_PART: Final = (
    0.85  # a short text that is a part of a long one says less than two whole ones that are alike
)
_LEAST_GRAMS: Final = 15
_COPY: Final = 0.8  # texts that are alike so far differ in what a template leaves blank
_OTHER_MATTER: Final = 0.45
_UNSURE: Final = JOINED - 0.01


def compare(
    new: Print, old: Print, named: Mapping[str, str] | None = None, joined: float = JOINED
) -> Likeness:
    """How likely `new` is about the matter of `old`; `named`: names of places and categories by code.

    `joined`: from which score on it is certain, if nothing speaks against it; lower while an emergency is on. The
    reason is said of what is likely at all; of the rest it is empty.
    """
    a, b = new.matter, old.matter
    text = _text(new.runs, old.runs)
    place, apart = _place(new, old)
    days = abs((a.at - b.at).total_seconds()) / 86400
    person = bool(a.reporter) and a.reporter == b.reporter
    score = (
        text + place + (_SAME_PERSON if person else 0) + (_SAME_CATEGORY if a.category == b.category else 0)
    )
    if days <= 3:
        score += _FEW_DAYS
    elif days > 30:
        score -= _FEW_DAYS
    if score < LIKELY:
        return Likeness(round(max(score, 0.0), 3), "")
    limit, against = _against(new, old, text, apart)
    if not against and not place and not person:
        limit, against = _UNSURE, "地点未能互证"
    if a.danger:
        # It has a case of its own, red and at once; whether that is one with another a person decides.
        limit, against = min(limit, _UNSURE), "；".join(filter(None, (against, "有危险迹象，不自动并案")))
    score = round(max(min(score, limit), 0.0), 3)
    said = (
        f"文字相近{text:.0%}",
        _where(new, old, named or {}) if place else "",
        "同一反映人" if person else "",
        f"同为{named[a.category]}" if named and a.category == b.category and a.category in named else "",
        "相隔不到1天" if days < 1 else f"相隔{days:.0f}天",
        against,
    )
    # However low the threshold: what a person is to look at is never joined by itself.
    return Likeness(score, "；".join(filter(None, said)), score >= joined and limit > _UNSURE)


def _text(a: frozenset[int], b: frozenset[int]) -> float:
    shared = len(a & b)
    less = min(len(a), len(b))
    whole = shared / (len(a) + len(b) - shared)
    return max(whole, _SHORT_PART * shared / less) if less >= _LEAST_GRAMS else whole


def _place(new: Print, old: Print) -> tuple[float, bool]:
    """What the places are worth, and whether they are apart."""
    a, b = new.matter, old.matter
    if a.grid and a.grid == b.grid:
        return _SAME_GRID, False
    if a.community and b.community and a.community != b.community:
        return 0.0, True
    if a.street and b.street and a.street != b.street:
        return 0.0, True
    if any(name in old.names for name in new.names):
        return _SAME_NAME, False
    return (_SAME_COMMUNITY if a.community and a.community == b.community else 0.0), False


def _where(new: Print, old: Print, named: Mapping[str, str]) -> str:
    a, b = new.matter, old.matter
    if a.grid and a.grid == b.grid:
        return f"同在网格{a.grid}"
    if a.community and a.community == b.community:
        return f"同在{named.get(a.community, a.community)}"
    return "同一地名"


def _against(new: Print, old: Print, text: float, apart: bool) -> tuple[float, str]:
    """What the score can't exceed, and why."""
    if apart:
        return (_UNSURE if text >= _COPY else 0.25), "但地点不同"
    if new.houses and old.houses and not new.houses & old.houses:
        return _OTHER_MATTER, "但门牌号不同"
    if text >= _COPY and new.numbers - old.numbers and old.numbers - new.numbers:
        return _OTHER_MATTER, "但只有编号不同"
    if new.matter.kind != old.matter.kind:
        return _UNSURE, "但类型不同"
    return 0.99, ""
