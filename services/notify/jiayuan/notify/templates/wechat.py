"""What a field of a WeChat subscribe message may hold. Pure.

A field's name is its kind and a number (`thing1`). A value that breaks the kind's limit is answered with 47003 and the
message is lost, so a text that is too long is cut with an ellipsis, and what can't be cut is refused: when the
template is loaded, if that can be known then.

Source: 订阅消息参数值内容限制说明, at subscribeMessage.send,
https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/mp-message-management/subscribe-message/sendMessage.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from . import facts
from .length import units

_HAN: Final = "\u3400-\u4dbf\u4e00-\u9fff"
_CLOCK: Final = r"\d{1,2}:\d{2}(:\d{2})?"
_DAY: Final = r"(\d{4}年\d{1,2}月(\d{1,2}日)?|\d{1,2}月\d{1,2}日|\d{4}[-/.]\d{1,2}[-/.]\d{1,2})"


class Unfit(ValueError):
    """A value that a field can't hold and that can't be cut to fit; the text says why, without the value."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of field. `longest` in UTF-16 units; `ellipsis`: what ends a value that was cut, None: it can't be cut."""

    longest: int
    form: re.Pattern[str]
    said: str
    ellipsis: str | None = None


def _span(form: str) -> re.Pattern[str]:
    return re.compile(f"{form}(~{form})?")


_WHEN: Final = f"(({_DAY} ?)?{_CLOCK}|{_DAY})"
KINDS: Final[dict[str, Kind]] = {
    "thing": Kind(20, re.compile(r"[^\x00-\x1f\x7f]+"), "characters of any kind", "…"),
    "character_string": Kind(32, re.compile(r"[\x21-\x7e]+"), "letters, digits and symbols", "..."),
    "phrase": Kind(5, re.compile(f"[{_HAN}]+"), "Chinese characters only"),
    "number": Kind(32, re.compile(r"\d+(\.\d+)?"), "a number"),
    "letter": Kind(32, re.compile(r"[A-Za-z]+"), "letters only"),
    "symbol": Kind(5, re.compile(r"[^\w\s]+"), "symbols only"),
    "time": Kind(64, _span(_WHEN), "a time as 15:01 or 2019年10月1日 15:01, or two with ~ between"),
    "date": Kind(64, _span(f"({_DAY}( ?{_CLOCK})?)"), "a date as 2019年10月1日, with or without a time"),
    "amount": Kind(13, re.compile(r"[¥￥$€£]?\d{1,10}(\.\d+)?元?"), "an amount of at most 10 digits"),
    "phone_number": Kind(17, re.compile(r"[\d+()\- ]+"), "digits and symbols"),
    "car_number": Kind(8, re.compile(f"[{_HAN}A-Z0-9][A-Z0-9]*[{_HAN}A-Z0-9]"), "a number plate"),
    "name": Kind(20, re.compile(rf"[{_HAN}A-Za-z· .]+"), "10 Chinese characters or 20 letters"),
}
_FIELD: Final = re.compile(r"([a-z_]+)\d{1,2}")


def kind_of(field: str) -> Kind | None:
    """The kind of a field's name, or None when WeChat has none of that name."""
    found = _FIELD.fullmatch(field)
    return KINDS.get(found[1]) if found else None


def fit(field: str, value: str) -> str:
    """The value as the field takes it, cut politely where it is too long; Unfit where it can't be."""
    kind = kind_of(field)
    if kind is None:
        raise Unfit(f"there is no field {field}")
    if kind.form.fullmatch(value) is None:
        raise Unfit(f"{field} takes {kind.said}")
    longest = kind.longest
    if field.startswith("name") and re.search(f"[{_HAN}]", value):
        longest = 10
    if units(value) <= longest:
        return value
    if kind.ellipsis is None:
        raise Unfit(f"{field} takes at most {longest}")
    return cut(value, longest, kind.ellipsis)


def cut(value: str, longest: int, ellipsis: str = "…") -> str:
    """The beginning of a value with an ellipsis, together at most `longest` units; no character is cut in two."""
    room, kept = longest - units(ellipsis), ""
    for character in value:
        room -= units(character)
        if room < 0:
            break
        kept += character
    return kept + ellipsis


def say(name: str, value: str) -> str:
    """A fact as WeChat's fields want it: times with their year."""
    return facts.full(value) if facts.FACTS[name].kind == "time" else value
