"""What follows a name in an address: building, unit and room of a compound, or the number on a road.

旺海花园3号楼2单元501室, 3栋501, 3-2-501, 二期A座; 太康路12-3号. Texts are in normal form. Only what stands right after
the name counts: a number elsewhere in a text is a price, a date or a bus. 3楼 is a floor and no building.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_DIGITS: Final = {c: n for n, c in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0}
_NUMBER: Final = r"(?:\d{1,4}|[一二两三四五六七八九十]{1,3}|[A-Za-z]\d{0,2}|[甲乙丙丁戊己庚辛壬癸])"
_PHASE: Final = rf"(?:第?(?P<phase>{_NUMBER})期)?[,，]?"
_BUILDING: Final = re.compile(
    rf"^[\s的]*{_PHASE}第?(?:"
    rf"(?P<building>{_NUMBER})(?:号楼|号栋|号幢|栋楼?|幢楼?|座楼?|#楼?|号院)"
    rf"(?:第?(?P<unit>{_NUMBER})(?:单元|梯|门))?(?:(?P<room>\d{{3,4}})(?:室|房|号)?)?"
    r"|(?P<b>\d{1,3})-(?:(?P<u>\d{1,2})-)?(?P<r>\d{3,4})(?![\d-])(?:室|房)?)"
)
_ON_ROAD: Final = re.compile(r"^[\s的]*(?P<number>\d{1,5})(?:[-之](?P<part>\d{1,3}))?号(?!线|口|桩|公交)")
_RANGE: Final = re.compile(r"^(\d{1,5})(?:[-~—至到](\d{1,5}))?(单|双)?$")
_HEAD: Final = 24  # characters that are looked at: longer is no address


@dataclass(frozen=True, slots=True)
class Address:
    """Parts of an address, each "" where it is not said; numbers in Arabic digits, letters in capitals."""

    building: str = ""
    unit: str = ""
    room: str = ""
    number: str = ""

    def __str__(self) -> str:
        """As it is written: 3号楼2单元501室."""
        parts = ((self.number, "号"), (self.building, "号楼"), (self.unit, "单元"), (self.room, "室"))
        return "".join(f"{value}{word}" for value, word in parts if value)


def in_compound(rest: str) -> Address | None:
    """The building, unit and room that `rest` begins with, or None."""
    found = _BUILDING.match(rest[:_HEAD])
    if found is None:
        return None
    part = found.group
    return Address(
        building=arabic(part("building") or part("b")),
        unit=arabic(part("unit") or part("u") or ""),
        room=part("room") or part("r") or "",
    )


def on_road(rest: str) -> Address | None:
    """The house number that `rest` begins with, or None; of 12-3号 it is 12."""
    found = _ON_ROAD.match(rest[:_HEAD])
    return Address(number=str(int(found["number"]))) if found else None


def arabic(number: str) -> str:
    """A number as it is compared: 十二 is 12, 03 is 3, a is A."""
    if not number:
        return ""
    if number.isascii():
        return str(int(number)) if number.isdigit() else number.upper()
    if "十" in number:
        tens, _, ones = number.partition("十")
        if (tens and tens not in _DIGITS) or (ones and ones not in _DIGITS):
            return number
        return str(_DIGITS.get(tens, 1) * 10 + (_DIGITS[ones] if ones else 0))
    if all(c in _DIGITS for c in number):
        return str(int("".join(str(_DIGITS[c]) for c in number)))
    return number


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from `low` to `high`, of one side of the road where `parity` is 0 (even) or 1 (odd)."""

    low: int
    high: int
    parity: int | None = None

    def __contains__(self, number: str) -> bool:
        """Whether a number, as `arabic` gives it, is one of them."""
        if not number.isdigit():
            return False
        value = int(number)
        return self.low <= value <= self.high and self.parity in (None, value % 2)

    def meets(self, other: Range) -> bool:
        """Whether both hold some number."""
        low, high = max(self.low, other.low), min(self.high, other.high)
        if self.parity is None and other.parity is None:
            return low <= high
        if None not in (self.parity, other.parity) and self.parity != other.parity:
            return False
        parity = self.parity if self.parity is not None else other.parity
        return low + (low % 2 != parity) <= high


def range_of(written: str) -> Range:
    """`1-99单`, `2-40双`, `12`; ValueError for anything else."""
    found = _RANGE.match(written.replace(" ", ""))
    if found is None:
        raise ValueError(f"{written!r} is no range of numbers; allowed: 12, 1-99, 1-99单, 2-98双")
    low, high = int(found[1]), int(found[2] or found[1])
    if high < low:
        raise ValueError(f"{written!r} ends before it begins")
    return Range(low, high, {"单": 1, "双": 0}.get(found[3] or ""))


def buildings_of(written: Iterable[str]) -> frozenset[str]:
    """The buildings of a grid, one by one: `1-6`, `8`, `A`, `十二`. ValueError where a range makes no sense."""
    out: set[str] = set()
    for item in written:
        plain = item.strip().removesuffix("号楼").removesuffix("栋").removesuffix("幢").removesuffix("座")
        if not plain:
            continue
        if any(c in plain for c in "-~—至到"):
            numbers = range_of(plain)
            if numbers.high - numbers.low > 500:
                raise ValueError(f"{item!r} is more than 500 buildings")
            step = 1 if numbers.parity is None else 2
            first = numbers.low if numbers.parity in (None, numbers.low % 2) else numbers.low + 1
            out.update(str(n) for n in range(first, numbers.high + 1, step))
        else:
            out.add(arabic(plain))
    return frozenset(out)
