"""What is of the same kind: texts of one category that are alike. Pure.

A text is its runs of two and three characters, each weighted by how few texts have it, as intake weighs them among
hotspots: 小区 or 反映, which everybody writes, count for little, and what names a place or a thing counts most. Texts
join the group whose mean they are likest to, from a likeness (cosine) on. It is a suggestion; people decide.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

_RUN: Final = re.compile(r"[0-9a-z\u3400-\u9fff]+")
_MOST_CHARACTERS: Final = 200
# Of a run that may lead from a text to a group: keeps the cost near linear in the number of texts.
_MOST_GROUPS: Final = 200

# By titles alone. Of 6,285 messages of a whole province in seven categories (shared/data/messages_labelled.jsonl) 0.25
# makes 5,627 groups, the largest of nine, and brings 57 % of the near-duplicates together; in one community and one
# leaf category there is less to confuse. Rather two lines that people join than one that hides two matters.
ALIKE: Final = 0.25
# A street's problem is wider than one lamp: the same category and some of the same words.
SAME_KIND: Final = 0.25
# How much of what one place alone says stands against likeness.
_NAME: Final = 0.4


@dataclass(frozen=True, slots=True)
class Text:
    """Something to be grouped: its key, the category (only the same one joins) and what it says.

    `group`: the key of the group that it is in already, and stays in. `place`: where it is said.
    """

    key: str
    category: str
    says: str
    group: str | None = None
    place: str = ""


@dataclass(slots=True)
class Group:
    """A group: `key` of one that there was before (None: it is new), its members, and the one likest to all."""

    key: str | None
    category: str
    members: list[Text] = field(default_factory=list)
    added: list[Text] = field(default_factory=list)
    _sum: dict[str, float] = field(default_factory=dict)
    _norm: float = 0.0


def runs(says: str) -> frozenset[str]:
    """The runs of two and three characters of a text in its normal form."""
    plain = unicodedata.normalize("NFKC", says).lower()[:_MOST_CHARACTERS]
    return frozenset(
        part[i : i + n] for part in _RUN.findall(plain) for n in (2, 3) for i in range(len(part) - n + 1)
    )


def group(texts: Iterable[Text], alike: float, *, across: bool = False) -> list[Group]:
    """Groups of texts, in the order of their first members; those that were in a group before come first.

    `alike`: the least likeness (0 to 1) of a text to the mean of the group that it joins. `across`: what one place
    alone says brings nothing together, since that is most often a name, and no kind of matter.
    """
    said = list(texts)
    each = [runs(t.says) for t in said]
    names = _names(said, each) if across else frozenset()
    vectors = _vectors(each, names)
    groups: list[Group] = []
    by_key: dict[str, int] = {}
    by_run: dict[tuple[str, str], list[int]] = {}
    order = sorted(range(len(said)), key=lambda i: said[i].group is None)
    for i in order:
        text, vector = said[i], vectors[i]
        # A name stands in the lengths of both, and in the likeness of nothing.
        telling = {run: w for run, w in vector.items() if run not in names}
        at = by_key.get(text.group) if text.group else _likest(text.category, telling, groups, by_run, alike)
        if at is None:
            at = len(groups)
            groups.append(Group(text.group, text.category))
            if text.group is not None:
                by_key[text.group] = at
        _join(groups[at], text, vector)
        for run in telling:
            known = by_run.setdefault((text.category, run), [])
            if len(known) < _MOST_GROUPS and (not known or known[-1] != at):
                known.append(at)
    return groups


def middle(group_: Group) -> Text:
    """The member that is likest to all of its group: what the group may be called."""
    if len(group_.members) == 1:
        return group_.members[0]
    vectors = _vectors([runs(m.says) for m in group_.members])
    total: dict[str, float] = {}
    for vector in vectors:
        for run, weight in vector.items():
            total[run] = total.get(run, 0.0) + weight
    best = max(range(len(vectors)), key=lambda i: (_dot(vectors[i], total), -i))
    return group_.members[best]


def _names(said: Sequence[Text], each: Sequence[frozenset[str]]) -> frozenset[str]:
    """The runs that one place alone says."""
    where: dict[str, set[str]] = {}
    for text, found in zip(said, each, strict=True):
        for run in found:
            where.setdefault(run, set()).add(text.place)
    return frozenset(run for run, places in where.items() if len(places) == 1)


def _vectors(each: Sequence[frozenset[str]], names: frozenset[str] = frozenset()) -> list[dict[str, float]]:
    frequency = Counter(run for found in each for run in found)
    out = []
    for found in each:
        weights = {
            run: math.log(1 + len(each) / frequency[run]) * (_NAME if run in names else 1.0) for run in found
        }
        norm = math.sqrt(sum(w * w for w in weights.values())) or 1.0
        out.append({run: w / norm for run, w in weights.items()})
    return out


def _dot(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    return sum(w * other[run] for run, w in one.items() if run in other)


def _likest(
    category: str,
    vector: dict[str, float],
    groups: Sequence[Group],
    by_run: dict[tuple[str, str], list[int]],
    alike: float,
) -> int | None:
    candidates = {g for run in vector for g in by_run.get((category, run), ())}
    best, found = alike, None
    for g in sorted(candidates):
        near = _dot(vector, groups[g]._sum) / groups[g]._norm if groups[g]._norm else 0.0
        if near >= best and (found is None or near > best):
            best, found = near, g
    return found


def _join(group_: Group, text: Text, vector: dict[str, float]) -> None:
    group_.members.append(text)
    if text.group is None:
        group_.added.append(text)
    for run, weight in vector.items():
        group_._sum[run] = group_._sum.get(run, 0.0) + weight
    group_._norm = math.sqrt(sum(w * w for w in group_._sum.values()))
