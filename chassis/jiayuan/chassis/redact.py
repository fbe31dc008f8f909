"""Finding and masking phone and identity numbers in text, for reports and for logs."""

from __future__ import annotations

import re
from typing import Final, NamedTuple


class Span(NamedTuple):
    """A number found: kind `phone` or `identity`, and where (character offsets, end exclusive)."""

    kind: str
    start: int
    end: int


_GAP: Final = r"[ \-\u2010-\u2015]?"
_NUMBER: Final = re.compile(
    r"(?<![0-9A-Za-z.])(?:"
    rf"(?P<identity>[1-9]\d{{5}}{_GAP}(?:18|19|20)\d{{2}}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]){_GAP}\d{{3}}[0-9Xx]"
    r"|[1-9]\d{5}\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3})"
    rf"|(?P<mobile>(?:\+?86{_GAP})?1[3-9]\d{_GAP}\d{{4}}{_GAP}\d{{4}})"
    rf"|(?P<landline>(?:\(0\d{{2,3}}\)|0\d{{2,3}}){_GAP}[2-9]\d{{6,7}}(?:(?:转|-)\d{{1,6}})?)"
    r")(?![0-9A-Za-z])"
)
_DIGIT: Final = re.compile(r"\d")


def find(text: str) -> list[Span]:
    """Every phone and identity number in `text`, which should be in NFKC form (ASCII digits)."""
    if not _DIGIT.search(text):
        return []
    return [
        Span("identity" if m.lastgroup == "identity" else "phone", m.start(), m.end())
        for m in _NUMBER.finditer(text)
    ]


def mask(text: str) -> str:
    """`text` with every number found shortened: a phone keeps 3 and 4 digits, an identity number 4 and 2."""
    spans = find(text)
    if not spans:
        return text
    out, at = [], 0
    for kind, start, end in spans:
        number = re.sub(r"[^0-9A-Za-z]", "", text[start:end])
        head, tail = (4, 2) if kind == "identity" else (3, 4 if len(number) >= 11 else 2)
        out += [text[at:start], number[:head], "*" * (len(number) - head - tail), number[-tail:]]
        at = end
    return "".join(out) + text[at:]
