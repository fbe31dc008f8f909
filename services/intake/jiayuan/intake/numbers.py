"""Numbers that name somebody, found in a text in normal form: phones, identity numbers, bank cards, plates, accounts.

Each kind has its own proof: a checksum, a cue in front, or a form that nothing else has. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Final, NamedTuple

from jiayuan.chassis import redact


class Span(NamedTuple):
    """What was found: kind (phone, identity, card, plate, email, account), first offset, offset after the last."""

    kind: str
    start: int
    end: int


# Seven digits, each perhaps with one separator: nothing that is looked for by its digits is shorter.
_DIGITS: Final = re.compile(r"[0-9](?:[ .\-_/\u2010-\u2015]?[0-9]){6}")
_NOT_NUMBER: Final = re.compile(r"[^0-9]")

# What the chassis' masks leave, because in logs it would be an id more often than a number: phones glued to
# letters, spelt with a separator after any digit, and local numbers after a word that says they are phones.
# Bounded on both sides, so that no piece of a longer number (a bank card in groups of four) is taken for one.
_MOBILE: Final = re.compile(
    r"(?<![0-9])(?<![0-9][ .\-])(?:\+?86[ .\-]?)?1[ .\-_/]?[3-9](?:[ .\-_/]?[0-9]){9}(?![ .\-]?[0-9])"
)
_LOCAL: Final = re.compile(
    r"(?:电话|座机|手机|热线|联系方式|[Tt][Ee][Ll])[^0-9\n]{0,6}([2-9][0-9]{2,3}[ \-]?[0-9]{4})(?![0-9]|[.\-][0-9])"
)
_EXTENSION: Final = re.compile(r"[ ,，]?(?:转|分机|转分机|[Ee]xt\.?)(?:号|机)?[ :：]?[0-9]{1,6}(?![0-9])")
_CARD: Final = re.compile(
    r"(?<![0-9A-Za-z.\-])[3-6][0-9]{3}(?:[ \-]?[0-9]{4}){2,3}(?:[ \-]?[0-9]{1,3})?(?![0-9A-Za-z])"
)
_CARD_CUE: Final = re.compile(r"卡号|账号|帐号|账户|帐户|银行|存折|卡|工行|农行|建行|中行|信用社|信用合作")
# Bank cards by who issues them: UnionPay and older debit cards of 16 to 19 digits, Visa and Mastercard of 16.
_CARD_FORM: Final = re.compile(r"(?:62|60|9558)[0-9]{14,17}|(?:4[0-9]|5[1-5]|22)[0-9]{14}")
# Numbers of things: what stands after one of these is no person's, unless its checksum says otherwise.
_THING: Final = re.compile(
    r"单号|编号|订单|流水|案号|文号|合同|发票|快递|条码|序列|信用代码|统一代码|批次|型号|受理号|工单|凭证|设备号|户号|表号|项目"
)
_AROUND: Final = 14
_PROVINCES: Final = frozenset(
    str(code)
    for first, last in (
        (11, 15),
        (21, 23),
        (31, 37),
        (41, 46),
        (50, 54),
        (61, 65),
        (71, 71),
        (81, 83),
        (91, 91),
    )
    for code in range(first, last + 1)
)
_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)

# GA 36: province, an authority's letter, five characters without I and O; six for new energy, D or F class first
# (small) or last (large); 挂学警港澳 at the end.
_PLATE: Final = re.compile(
    r"[京津冀晋蒙辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川贵云藏陕甘青宁新][A-HJ-NP-Za-hj-np-z][ ·•.\-]?"
    r"(?:[A-HJKa-hjk][0-9A-HJ-NP-Za-hj-np-z][0-9]{4}|[0-9]{5}[A-HJKa-hjk]"
    r"|[0-9A-HJ-NP-Za-hj-np-z]{4}[0-9A-HJ-NP-Za-hj-np-z挂学警港澳])(?![0-9A-Za-z])"
)
_EMAIL: Final = re.compile(
    r"[0-9A-Za-z][0-9A-Za-z._%+\-]{0,63}@[0-9A-Za-z][0-9A-Za-z\-]*(?:\.[0-9A-Za-z\-]+)+"
)
_WORD: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z_\-]{4,24}")
_SAYS_ACCOUNT: Final = re.compile(
    r"(?:微信|威信|薇信|[Ww]e[Cc]hat|[Ww]ei[Xx]in|(?<![0-9A-Za-z])(?:[VvWw][Xx]|[Qq][Qq])|扣扣)(?P<number>账号|帐号|号码|号)?"
    r"[ :：是为]{0,3}$"
)
_SAYS_DOCUMENT: Final = re.compile(r"(?:护照|通行证|台胞证|居留证|军官证|士兵证)(?:号码|号)?[ :：是为]{0,3}$")
_DOCUMENT: Final = re.compile(r"[A-Za-z]{0,2}[0-9]{7,10}")
_GLUED: Final = re.compile(r"(?:[VvWw][Xx]|[Qq][Qq])(?=[0-9A-Za-z_\-]*[0-9])")


def find(text: str) -> list[Span]:
    """Everything found, in order, without overlaps."""
    found: list[Span] = []
    for m in _PLATE.finditer(text):
        if sum(c.isdigit() for c in m[0]) >= 2:
            found.append(Span("plate", *m.span()))
    if "@" in text:
        found += [Span("email", *m.span()) for m in _EMAIL.finditer(text)]
    if _DIGITS.search(text) is not None:
        found += _by_digits(text)
    found += _accounts(text)
    return apart(found)


def _accounts(text: str) -> Iterator[Span]:
    for m in _WORD.finditer(text):
        before = _before(text, m.start())
        said = _SAYS_ACCOUNT.search(before)
        if said is not None:
            # "微信APP", "QQ音乐": an account has a digit or a mark in it, or is said to be one.
            if said["number"] or any(c in "0123456789_-" for c in m[0]):
                yield Span("account", *m.span())
        elif (glued := _GLUED.match(m[0])) is not None and m.end() - m.start() >= 7:
            yield Span("account", m.start() + glued.end(), m.end())
        elif _SAYS_DOCUMENT.search(before) is not None and _DOCUMENT.fullmatch(m[0]) is not None:
            yield Span("account", *m.span())


def _by_digits(text: str) -> Iterator[Span]:
    taken: list[tuple[int, int]] = []

    def free(start: int, end: int) -> bool:
        return all(end <= a or b <= start for a, b in taken)

    phones = []
    for kind, start, end in redact.find(text):
        if kind == "identity":
            # Left alone or not, it is nothing else than what it looks like.
            taken.append((start, end))
            if _is_identity(text, start, end):
                yield Span("identity", start, end)
        else:
            phones.append((start, end))
    for m in _CARD.finditer(text):
        if free(*m.span()) and _is_card(text, m):
            taken.append(m.span())
            yield Span("card", *m.span())
    phones += [m.span() for m in _MOBILE.finditer(text)] + [m.span(1) for m in _LOCAL.finditer(text)]
    for start, end in sorted(phones, key=lambda p: (p[0], -p[1])):
        if free(start, end):
            more = _EXTENSION.match(text, end)
            taken.append((start, more.end() if more else end))
            yield Span("phone", *taken[-1])


def _is_identity(text: str, start: int, end: int) -> bool:
    """An identity number with a wrong checksum is most often one with a slip; but things have numbers too."""
    number = "".join(c for c in text[start:end] if c.isalnum()).upper()
    born = number[6:14] if len(number) == 18 else "19" + number[6:12]
    try:
        real = number[:2] in _PROVINCES and date(int(born[:4]), int(born[4:6]), int(born[6:]))
    except ValueError:
        real = False
    if not real:
        return "身份" in _before(text, start)
    if len(number) == 18 and checksum(number[:17]) == number[17]:
        return True
    return _THING.search(_before(text, start)) is None


def checksum(first: str) -> str:
    """The last character of an identity number with these first 17 digits (GB 11643, ISO 7064 MOD 11-2)."""
    return "10X98765432"[sum(int(d) * w for d, w in zip(first, _WEIGHTS, strict=True)) % 11]


def luhn(digits: str) -> bool:
    """Whether a card number's last digit fits the others."""
    total = 0
    for place, d in enumerate(reversed(digits)):
        value = int(d) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _is_card(text: str, m: re.Match[str]) -> bool:
    digits = _NOT_NUMBER.sub("", m[0])
    before = _before(text, m.start())
    if _CARD_CUE.search(before) is not None:
        return len(digits) >= 13
    return _CARD_FORM.fullmatch(digits) is not None and luhn(digits) and _THING.search(before) is None


def _before(text: str, start: int) -> str:
    return text[max(0, start - _AROUND) : start]


def apart(spans: list[Span]) -> list[Span]:
    """In order, without overlaps: of two the one that begins first, then the longer."""
    out: list[Span] = []
    for span in sorted(spans, key=lambda s: (s.start, -s.end)):
        if not out or span.start >= out[-1].end:
            out.append(span)
    return out


def masked(kind: str, found: str) -> str:
    """What stands in a text in its place: enough to talk about it, too little to use it."""
    if kind == "plate":
        return found[:2] + "*" * (len(found) - 4) + found[-2:]
    if kind == "email":
        name, at, host = found.partition("@")
        return f"{name[0]}***{at}{host}"
    if kind == "account":
        return found[:1] + "*" * (len(found) - 2) + found[-1:]
    number = "".join(c for c in found if c.isdigit() or c in "Xx")
    if kind == "phone":
        head, tail = (3, 4) if len(number) >= 11 else (2, 2) if len(number) <= 8 else (3, 2)
    else:
        head, tail = (4, 4) if kind == "card" else (4, 2)
    return number[:head] + "*" * (len(number) - head - tail) + number[-tail:]
