"""Names of persons in a text in normal form, by rules that can be read: a cue, a surname, characters of given names.

Without a cue there is no name, whatever the characters: a mask over "高兴" or "安全" costs more understanding than it
protects. What the rules go by is data (`data/names.yaml`). Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any, Final

import yaml

from .words import Words, encoded

Place = tuple[int, int]
"""Where a name stands: offsets of its first character and of the one after its last."""

_CJK: Final = "\u3400-\u9fff\u3007"
_HARD: Final = re.compile(rf"[^{_CJK}]")
_LINK: Final = re.compile(r"[、 ,，]|和|与|及|以及")
# Before a name of two characters: what ends a phrase. A name of three speaks for itself.
_BEFORE: Final = frozenset(
    "的是由和与跟找叫给向请让被对为有及或即系任位名长员记席师生民人士在到见局村司院校所站队部会办社区组"
)
_SAYS: Final = re.compile(r"(?:是|叫做?|为|系)?[ :：,，、。(（\-]{0,2}")
_MAY: Final = re.compile(r"([:：] ?)|[ ,，(（]?")
_THANKS: Final = re.compile(rf"[!！。.,，~ \n]*([{_CJK}]{{2,4}})(?![{_CJK}])")
_SEX: Final = re.compile(r"[ ,，、。;；)）生性汉苗土]")
_DIGIT: Final = re.compile(r"(?:号码|号)?[ :：]*[0-9*+(（]")
_OPEN: Final = " ,，、:：(（"
_TAIL: Final = 40
_KINDS: Final = ("may_name", "says_name", "titles", "thanks", "identity", "phone", "sex")
_FOREIGN: Final = re.compile(rf"[{_CJK}]{{2,6}}(?:[·•・][{_CJK}]{{2,8}}){{1,2}}")


@dataclass(frozen=True, slots=True)
class Rules:
    """The data of `names.yaml`, ready for use."""

    double: frozenset[str]
    sure: frozenset[str]
    surnames: frozenset[str]
    given: frozenset[str]
    never: frozenset[str]
    not_names: frozenset[str]
    not_given: frozenset[str]
    places: frozenset[str]
    cues: Words
    after: re.Pattern[str]
    last: re.Pattern[str]
    run: re.Pattern[str]


@lru_cache(maxsize=1)
def bundled() -> Rules:
    """The rules that come with intake."""
    path = resources.files(__package__) / "data" / "names.yaml"
    return _rules(yaml.safe_load(path.read_text(encoding="utf-8")))


def _rules(data: dict[str, Any]) -> Rules:
    sure, doubtful = _characters(data["surnames"]), _characters(data["doubtful"])
    never = _characters(data["never"])
    given = _characters(data["given"]) - never
    third = "".join(sorted(given - _characters(data["places"])))
    three = f"[{''.join(sorted(sure))}][{''.join(sorted(given))}][{third}]"
    return Rules(
        double=frozenset(data["double"]),
        sure=sure,
        surnames=sure | doubtful,
        given=given,
        never=never,
        not_names=frozenset(data["not_names"]),
        not_given=frozenset(data["not_given"]),
        places=_characters(data["places"]),
        cues=Words({word: kind for kind in _KINDS for word in data[kind]}),
        after=re.compile(_any(data["after"])),
        # Two names of three characters with nothing else between the marks: a list of people, without any cue.
        run=re.compile(rf"[、,，](?={three}[、,，]{three}(?:[、,，。;；]|等))"),
        last=re.compile(
            rf"(?:^|[^{_CJK}])([{_CJK}]{{2,4}}?)(?:{_any(data['closing'])})?[ \n]*"
            rf"[,，.。!！()（）]*(?:[0-9*][0-9*年月日号.\-/:： \n]*)?$"
        ),
    )


def _characters(text: str) -> frozenset[str]:
    return frozenset(text.replace(" ", "").replace("\n", ""))


def _any(words: list[str]) -> str:
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))


def find(text: str) -> list[Place]:
    """Where names stand, in order, without overlaps."""
    rules = bundled()
    found: set[Place] = set()
    form = encoded(text)
    byte = char = 0
    for start, end, kind in rules.cues.longest(form):
        char += _length(form[byte:start])
        byte = start
        found.update(_around(text, char, char + _length(form[start:end]), kind, rules))
    for m in rules.run.finditer(text):
        place = _forward(text, m.end(), rules, sure=True)
        if place is not None:
            found.update(_listed(text, place, rules))
            before = _backward(text, m.start(), rules)
            if before is not None and before[1] - before[0] == 3:
                found.add(before)
    tail = max(0, len(text) - _TAIL)
    if (signed := rules.last.search(text, tail)) is not None:
        place = _forward(text, signed.start(1), rules, sure=True) or _exactly(text, signed.span(1), rules)
        if place == signed.span(1):
            found.add(place)
    if not found:
        return []
    for place in again(text, {text[a:b] for a, b in found}):
        found.update(_listed(text, place, rules))
    return _apart(found)


def _length(form: str) -> int:
    return len(form.encode("latin-1").decode("utf-8", "surrogatepass"))


def _around(text: str, start: int, end: int, kind: str, rules: Rules) -> Iterator[Place]:
    """Names that the cue from `start` to `end` speaks of."""
    place: Place | None
    if kind == "says_name":
        lead = _SAYS.match(text, end)
        assert lead is not None  # it may be empty
        place = _forward(text, lead.end(), rules, says=True)
    elif kind == "may_name":
        lead = _MAY.match(text, end)
        assert lead is not None
        place = _forward(text, lead.end(), rules, says=lead[1] is not None)
    elif kind == "thanks":
        thanked = _THANKS.match(text, end)
        place = _forward(text, thanked.start(1), rules, sure=True) if thanked else None
    else:
        if kind == "titles":
            before = _backward(text, start, rules)
            place = _forward(text, end + text.startswith("叫", end), rules)
        else:
            follows = _SEX if kind == "sex" else _DIGIT if kind == "phone" else None
            at = start
            while at and start - at < 2 and text[at - 1] in _OPEN:
                at -= 1
            if (follows is not None and follows.match(text, end) is None) or (kind == "sex" and at == start):
                return
            before, place = _backward(text, at, rules), None
        if before is not None:
            yield from _listed(text, before, rules)
    if place is not None:
        yield from _listed(text, place, rules)


def _exactly(text: str, span: Place, rules: Rules) -> Place | None:
    """The name that fills `span`, though words follow that a name can't be told from."""
    at, end = span
    first = at + (2 if text[at : at + 2] in rules.double else 1)
    sure = first == at + 2 or text[at] in rules.sure
    fits = sure and 1 <= end - first <= 2 and _fits(text, first, end - first, rules, False)
    return span if fits and _is_name(text, at, first, end, rules) else None


def _listed(text: str, place: Place, rules: Rules) -> Iterator[Place]:
    """A name and those that are listed with it: "王某、李某和张某"."""
    yield place
    start, end = place
    while start and text[start - 1] in "、和与" and (before := _backward(text, start - 1, rules)) is not None:
        yield before
        start = before[0]
    while (link := _LINK.match(text, end)) is not None:
        following = _forward(text, link.end(), rules, sure=True)
        if following is None:
            return
        yield following
        end = following[1]


def _forward(text: str, at: int, rules: Rules, *, says: bool = False, sure: bool = False) -> Place | None:
    """The name that begins at `at`, if one does.

    `says`: the cue leaves hardly a doubt, so unusual characters are names too. `sure`: there is hardly a cue, so only
    the end of the name may follow, or what follows a name.
    """
    if says and (foreign := _FOREIGN.match(text, at)) is not None:
        return foreign.span()
    double = text[at : at + 2] in rules.double
    if not double and text[at : at + 1] not in rules.surnames:
        return None
    doubtful = not double and text[at] not in rules.sure
    first = at + (2 if double else 1)
    loose = says and not doubtful
    ends = [first + n for n in (1, 2) if _fits(text, first, n, rules, loose)]
    ends = [e for e in ends if _is_name(text, at, first, e, rules)]
    for end in ends:
        if end == len(text) or _HARD.match(text, end):
            return None if doubtful and not says and end == first + 1 else (at, end)
    best: Place | None = None
    for end in ends:
        word = rules.after.match(text, end)
        if word is None or (end == first + 1 and (sure or (doubtful and not says))):
            continue
        if len(word[0]) > 1:
            return at, end
        if best is None or end == first + 2:
            best = at, end
    whole = first + 2 in ends and _fits(text, first, 2, rules, False)
    place = not says and text[first + 2 : first + 3] in rules.places
    if best is None and whole and not sure and not doubtful and not place:
        return at, first + 2
    return best


def _is_name(text: str, at: int, first: int, end: int, rules: Rules) -> bool:
    """Whether what looks like a name is none of the words that do."""
    return (
        text[at:end] not in rules.not_names
        and text[at : at + 2] not in rules.not_names
        and text[first:end] not in rules.not_given
        and text[at:end] not in rules.double
    )


def _fits(text: str, at: int, count: int, rules: Rules, loose: bool) -> bool:
    """Whether `count` characters from `at` can be a given name."""
    given = text[at : at + count]
    if len(given) < count:
        return False
    if loose:
        return all(c not in rules.never and "\u3400" <= c <= "\u9fff" for c in given)
    return all(c in rules.given for c in given)


def _backward(text: str, end: int, rules: Rules) -> Place | None:
    """The name that ends at `end`, if one does."""
    for count in (2, 1):
        first = end - count
        if first < 1 or not _fits(text, first, count, rules, False):
            continue
        if text[first - 2 : first] in rules.double:
            return first - 2, end
        at = first - 1
        if text[at] not in rules.surnames or not _is_name(text, at, first, end, rules):
            continue
        free = at == 0 or text[at - 1] in _BEFORE or _HARD.match(text, at - 1) is not None
        if count == 2 and (free or text[at] in rules.sure):
            return at, end
        if count == 1 and free and text[at] in rules.sure:
            return at, end
    return None


def again(text: str, names: set[str]) -> set[Place]:
    """Where names that are known stand, without a cue."""
    sure = bundled().sure
    out = set()
    for name in names:
        if len(name) == 2 and name[0] not in sure:
            continue
        at = text.find(name)
        while at >= 0:
            out.add((at, at + len(name)))
            at = text.find(name, at + len(name))
    return out


def masked(name: str) -> str:
    """What stands in a text in its place: the surname, as one speaks of people."""
    kept = 2 if name[:2] in bundled().double else 1
    return name[:kept] + "".join(c if c in "·•・" else "*" for c in name[kept:])


def _apart(places: set[Place]) -> list[Place]:
    """In order; of those that overlap the longest."""
    out: list[Place] = []
    for place in sorted(places, key=lambda p: (p[0], -p[1])):
        if out and place[0] < out[-1][1]:
            if place[1] - place[0] > out[-1][1] - out[-1][0]:
                out[-1] = place
            continue
        out.append(place)
    return out
