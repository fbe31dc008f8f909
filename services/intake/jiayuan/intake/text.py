"""The normal form of what people write: one width, simplified characters, no invisible ones.

The classifier, the gazetteer and the masks all read the normal form; the original is kept elsewhere, sealed.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

import opencc

MAX_TEXT: Final = 8000
MAX_TITLE: Final = 200
_DERIVED_TITLE: Final = 40

_T2S: Final = opencc.OpenCC("t2s")

# Of NFKC only what is a matter of width or of code point is wanted. Left alone: Chinese punctuation, which people
# read; circled numbers, since "①3号楼" must not become "13号楼"; and units and fractions (㎡, ½), which would lose
# their meaning as "m2" and "1⁄2".
_KEEP: Final = frozenset("，：；！？（）、。…—～〈〉《》℃℉²³¹")
_KEEP_RANGES: Final = ((0xBC, 0xBE), (0x2150, 0x215F), (0x2460, 0x24FF), (0x3200, 0x33FF), (0x1F100, 0x1F1FF))
_FOLD_RANGES: Final = (
    (0xA0, 0x33FF),
    (0xF900, 0xFFEF),
    (0x1D400, 0x1D7FF),
    (0x2F800, 0x2FA1F),
)


def _folding() -> dict[str, str]:
    out: dict[str, str] = {}
    for first, last in _FOLD_RANGES:
        for code in range(first, last + 1):
            if any(low <= code <= high for low, high in _KEEP_RANGES):
                continue
            char = chr(code)
            form = unicodedata.normalize("NFKC", char)
            if form != char and char not in _KEEP:
                out[char] = form
    return out


_FOLD: Final = _folding()
# Two searches: a class within the first plane is one look-up a character, one that reaches beyond it a walk.
_TO_FOLD: Final = re.compile("[" + "".join(re.escape(c) for c in sorted(_FOLD) if c < "\U00010000") + "]")
_TO_FOLD_FAR: Final = re.compile("[\U0001d400-\U0001d7ff\U0002f800-\U0002fa1f]")

_NEWLINE: Final = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
# Controls, zero-width and direction marks (which reorder what is read), byte order marks, tags, surrogates that
# stand alone, noncharacters.
_INVISIBLE: Final = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200c"
    "\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\uffff\ud800-\udfff]"
)
_TAGS: Final = re.compile("[\U000e0000-\U000e0fff]")
# A joiner inside an emoji is part of it; anywhere else it only hides words from the classifier.
_JOINER: Final = re.compile("(?<![\u2190-\u2bff\ufe0f\U0001f000-\U0001faff])\u200d")
# OpenCC leaves 著, which is a simplified character too; but outside of a few words it stands for 着, and 著火 is
# a fire.
_ZHE: Final = re.compile(
    "(?<![显顯专專名原土编編巨卓昭合遗遺译譯论論拙较較新旧])著(?![名作称稱者述录錄书書])"
)
_BLANKS: Final = re.compile(r"[ \t]{2,}|\t")
_EDGES: Final = re.compile(r" \n ?|\n ")
_GAPS: Final = re.compile(r"\n{3,}")
_SENTENCE_END: Final = re.compile(r"[。！？!?；;\n]")
_ODD: Final = re.compile("[^\x20-\x7e\u3001\u3002\u201c\u201d\u4e00-\u9fff，：；！？（）]|  ")


def normal(text: str) -> str:
    """The normal form of a text; paragraphs stay, at most one empty line between them."""
    if _ODD.search(text) is not None:
        text = _INVISIBLE.sub("", _NEWLINE.sub("\n", text))
        if "\u200d" in text:
            text = _JOINER.sub("", text)
        text = _TO_FOLD.sub(_folded, text)
        if not text.isascii() and max(text) > "\uffff":
            text = _TAGS.sub("", _TO_FOLD_FAR.sub(_folded, text))
        if not unicodedata.is_normalized("NFC", text):
            text = unicodedata.normalize("NFC", text)
        if "\t" in text or "  " in text:
            text = _BLANKS.sub(" ", text)
        if "\n" in text:
            text = _GAPS.sub("\n\n", _EDGES.sub("\n", text))
    if "著" in text:
        text = _ZHE.sub("着", text)
    # No look for traditional characters first: OpenCC takes 5 µs for 200 characters, no longer than the look.
    return _T2S.convert(text.strip())


def _folded(match: re.Match[str]) -> str:
    return _FOLD.get(match[0], match[0])


def one_line(text: str) -> str:
    """The normal form of a title or a name: a single line."""
    return normal(text).replace("\n", " ")


def shorten(text: str, most: int) -> str:
    """At most `most` characters, with an ellipsis where something was cut."""
    return text if len(text) <= most else text[: most - 1] + "…"


def title_of(text: str) -> str:
    """A title for a report that has none: its first sentence, shortened."""
    first = next(filter(None, (s.strip() for s in _SENTENCE_END.split(text, maxsplit=4))), text)
    return shorten(first.replace("\n", " "), _DERIVED_TITLE)
