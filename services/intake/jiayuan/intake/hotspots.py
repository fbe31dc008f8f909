"""What many people say about one thing at one place. Pure: texts in, hotspots out.

Nothing is taught and no word list is needed: a text is its runs of two to four characters, each weighted by how few
people use it. So 小区 or 物业, which everybody writes, count for nothing, and what names a place, a project or a
company counts most. People are counted and not messages or likes: whoever writes 92 times is one.
"""

from __future__ import annotations

import heapq
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

import numpy as np

DAY: Final = 86400.0
_CHINA: Final = timezone(timedelta(hours=8))
_RUN: Final = re.compile(r"[0-9a-z\u3400-\u9fff]+")
_CHARS: Final = 500  # of a text: the matter is said at the beginning
_FEATURES: Final = 160  # of a message, the weightiest
_TITLE: Final = 2.5
_COMMON: Final = 0.03  # what more of all people use says nothing
_MOST_DF: Final = 600  # of a feature that may bring two messages together: keeps the cost linear
_NEAR: Final = 0.12
_CENTRE: Final = 0.22
_NAMED: Final = 0.5  # of a group's people use its name
_ODD: Final = 0.45  # a member whose likeness is less than this part of it belongs to another matter
_ALIKE: Final = 0.09  # the mean likeness of messages about one thing, beside its name
_OWN: Final = 0.6  # of all who use the name are in the group
_OWN_AT_A_PLACE: Final = 0.2
_PROVEN: Final = 0.7
_LIFT: Final = 6.0  # how much oftener than elsewhere the topic is said
_PHRASE: Final = 9
# A division as anonymised data names it (A3区); real ones come as codes.
_EDGES: Final = re.compile(
    "^[的了是在和与及到要被把我不为有也都们个]|[的了是在和与及到要被把我不为有也都何]$"
)
_DIVISION: Final = re.compile(r"[a-z]\d{0,2}(?=[市区县])")


@dataclass(frozen=True, slots=True)
class Message:
    """One message: `person` is a pseudonym ("" when unknown), `at` Unix seconds, `where` codes of divisions."""

    id: str
    person: str
    at: float
    title: str
    text: str
    where: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class Hotspot:
    """What many say about one thing: `members` are indices into the messages, by time.

    `words`: what names it, the most telling first. `growth`: people in the densest stretch (a thirteenth of the period,
    at least a week; it begins at `peak`) over what an even spread would give; `rank` = people × growth.
    """

    words: tuple[str, ...]
    members: tuple[int, ...]
    people: int
    first: float
    last: float
    peak: float
    growth: float
    rank: float


def find(messages: Sequence[Message], *, least: int = 5, most: int = 20) -> list[Hotspot]:
    """The hotspots with at least `least` people, the first in rank first, at most `most`."""
    if len(messages) < least:
        return []
    corpus = _Corpus(messages, least)
    found = [corpus.describe(members) for members in corpus.groups()]
    found.sort(key=lambda h: (-h.rank, h.members))
    return found[:most]


# -- texts as weighted runs of characters -------------------------------------------------------------


def _codes(text: str) -> NDArray[np.uint64]:
    """The characters of a text, 0 where a run ends; what is beyond the first plane ends one too."""

    runs = "\0".join(_RUN.findall(text))
    codes = np.frombuffer(runs.encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    codes[codes > 0xFFFF] = 0
    return codes


def _grams(codes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The different runs of 2 to 4 characters, 16 bits a character, so that each can be read again."""

    out = []
    for n in (2, 3, 4):
        if len(codes) < n:
            break
        gram, whole = codes[: len(codes) - n + 1].copy(), codes[: len(codes) - n + 1] != 0
        for k in range(1, n):
            piece = codes[k : len(codes) - n + 1 + k]
            gram |= piece << np.uint64(16 * k)
            whole &= piece != 0
        out.append(gram[whole])
    return np.unique(np.concatenate(out)) if out else np.empty(0, np.uint64)


_BITS: Final = 24


def _slot(grams: NDArray[np.uint64]) -> NDArray[np.intp]:

    mixed = grams * np.uint64(0x9E3779B97F4A7C15)
    return (mixed >> np.uint64(64 - _BITS)).astype(np.intp)


def _letters(gram: int) -> str:
    return "".join(chr(c) for k in range(4) if (c := gram >> 16 * k & 0xFFFF))


@dataclass(frozen=True, slots=True)
class _Phrase:
    """A phrase, how many people of a group write it, how many of all, and how telling that is."""

    text: str
    people: int
    df: int
    score: float


def _plain(message: Message) -> str:
    return f"{message.title}\n{message.text[:_CHARS]}".lower()


class _Corpus:
    """All messages as rows of a matrix, and what is asked of them together."""

    def __init__(self, messages: Sequence[Message], least: int) -> None:

        self.messages, self.least = messages, least
        self.plain = [_plain(m) for m in messages]
        names: dict[str, int] = {}
        self.person = np.array(
            [names.setdefault(m.person or f"\0{i}", len(names)) for i, m in enumerate(messages)], np.int64
        )
        self.people = len(names)
        self.where = [
            m.where | frozenset(_DIVISION.findall(p)) for m, p in zip(messages, self.plain, strict=True)
        ]
        everywhere = {
            code
            for code, count in Counter(c for w in self.where for c in w).items()
            if count > 0.2 * len(messages)
        }
        self.where = [w - everywhere for w in self.where]
        self.matrix = self._matrix()
        self.near = self._neighbours()

    def _matrix(self) -> csr_array:
        from scipy.sparse import csr_array

        titles = [_grams(_codes(m.title.lower())) for m in self.messages]
        texts = [_grams(_codes(p)) for p in self.plain]
        self.used = used = np.zeros(1 << _BITS, np.int32)
        self.vocabulary = np.zeros(1, np.uint64)
        order = np.argsort(self.person, kind="stable")
        for mine in np.split(order, np.nonzero(np.diff(self.person[order]))[0] + 1):
            grams = texts[mine[0]] if len(mine) == 1 else np.unique(np.concatenate([texts[i] for i in mine]))
            used[_slot(grams)] += 1
        least, most = max(self.least, 3), max(_COMMON * self.people, 20.0)
        rows, features, weights = [], [], []
        for i, (title, text) in enumerate(zip(titles, texts, strict=True)):
            df = used[_slot(text)]
            kept = (df >= least) & (df <= most)
            text, df = text[kept], df[kept]
            weight = np.log(self.people / df) ** 2
            weight[np.isin(text, title, assume_unique=True)] *= _TITLE
            if len(text) > _FEATURES:
                best = np.argpartition(-weight, _FEATURES)[:_FEATURES]
                text, weight = text[best], weight[best]
            rows.append(np.full(len(text), i))
            features.append(text)
            weights.append(weight / max(float(np.linalg.norm(weight)), 1e-9))
        if not any(len(f) for f in features):
            return csr_array((len(titles), 1), dtype=np.float32)
        vocabulary, columns = np.unique(np.concatenate(features), return_inverse=True)
        self.vocabulary = vocabulary
        data = np.concatenate(weights).astype(np.float32)
        return csr_array(
            (data, (np.concatenate(rows), columns)), shape=(len(titles), max(len(vocabulary), 1))
        )

    def _neighbours(self) -> csr_array:
        """Cosines of pairs that share a feature, where they are near; a block of rows at a time."""
        from scipy.sparse import csr_array, vstack

        df = np.bincount(self.matrix.indices, minlength=self.matrix.shape[1])
        bring = self.matrix.copy()
        bring.data[df[bring.indices] > _MOST_DF] = 0
        bring.eliminate_zeros()
        other = csr_array(bring.T)
        blocks = []
        for start in range(0, bring.shape[0], 2000):
            block = csr_array(bring[start : start + 2000] @ other)
            block.data[block.data < _NEAR] = 0
            block.eliminate_zeros()
            blocks.append(block)
        return csr_array(vstack(blocks))

    # -- groups --------------------------------------------------------------------------------------

    def groups(self) -> list[list[int]]:
        """Groups of messages near one centre and with one matter, each message in at most one."""

        free = np.ones(len(self.messages), bool)
        heap = [(-self._count(self._row(i)), i) for i in range(len(self.messages))]
        heapq.heapify(heap)
        out = []
        while heap:
            count, seed = heapq.heappop(heap)
            if -count < self.least:
                break
            if not free[seed]:
                continue
            near = self._row(seed)
            near = near[free[near]]
            now = self._count(near)
            if now < -count:  # some of its neighbours have found a group meanwhile
                heapq.heappush(heap, (-now, seed))
                continue
            members = self._one_matter(self._gather(near, free))
            if self._count(members) >= self.least:
                out.append(members.tolist())
                free[members] = False
            free[seed] = False
        return out

    def _row(self, i: int) -> NDArray[np.int32]:
        return self.near.indices[self.near.indptr[i] : self.near.indptr[i + 1]]

    def _count(self, members: Any) -> int:

        return len(np.unique(self.person[members]))

    def _gather(self, members: NDArray[Any], free: NDArray[np.bool_]) -> NDArray[Any]:
        """Moves a group's centre to where its members are, three times."""

        for _ in range(3):
            if not len(members):
                break
            around = np.unique(np.concatenate([self._row(i) for i in members]))
            around = around[free[around]]
            # One vote a person, or who writes 92 times is the centre.
            _, firsts = np.unique(self.person[members], return_index=True)
            centre = np.asarray(self.matrix[members[firsts]].sum(axis=0)).ravel()
            centre /= max(float(np.linalg.norm(centre)), 1e-9)
            members = around[self.matrix[around] @ centre >= _CENTRE]
        return members

    def _one_matter(self, members: NDArray[Any]) -> NDArray[Any]:
        """What is left of a group when it must share a name, something that is said of it, and a place."""

        members = self._one_place(members)
        if self._count(members) < self.least:
            return members
        phrases = self.phrases(members)
        matter = self._name_and_topic(members, phrases)
        if matter is None:
            return members[:0]
        name, topic = matter
        said = [name.text in self.plain[i] or topic.text in self.plain[i] for i in members]
        return self._one_thing(members[np.array(said)], name.text)

    def _one_thing(self, members: NDArray[Any], name: str) -> NDArray[Any]:
        """Those whose messages are alike beside the name: two wrongs at one place are two matters."""
        from scipy.cluster.hierarchy import fcluster, linkage

        if len(members) < 3:
            return members[:0]
        rows = self.matrix[members].toarray()
        rows[:, self._with_chars(np.nonzero(rows.any(axis=0))[0], name)] = 0
        rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
        alike = np.clip(rows @ rows.T, 0, 1)
        kept = self._alike(alike, members)
        if not len(kept):
            labels = fcluster(
                linkage(1 - alike[np.triu_indices(len(members), 1)], "average"), 1 - _ALIKE, "distance"
            )
            best = max(set(labels.tolist()), key=lambda label: self._count(members[labels == label]))
            part = np.nonzero(labels == best)[0]
            kept = part[self._alike(alike[np.ix_(part, part)], members[part])]
        return members[kept]

    def _alike(self, alike: NDArray[Any], members: NDArray[Any]) -> NDArray[Any]:
        """The rows of messages that are as alike as one thing makes them, without the odd ones; none if they aren't."""

        _, firsts = np.unique(self.person[members], return_index=True)
        if len(firsts) < self.least:
            return firsts[:0]
        to_people = alike[:, firsts].sum(axis=1) - np.isin(np.arange(len(members)), firsts)
        mean = to_people / (len(firsts) - 1)
        whole = float(mean[firsts].mean())
        if whole < _ALIKE:
            return firsts[:0]
        return np.nonzero(mean >= _ODD * whole)[0]

    def _with_chars(self, features: NDArray[Any], name: str) -> NDArray[Any]:
        """Of features those that hold a character of the name."""

        chars = np.array([ord(c) for c in set(name)], np.uint64)
        grams, bad = self.vocabulary[features], np.zeros(len(features), bool)
        for k in range(4):
            bad |= np.isin(grams >> np.uint64(16 * k) & np.uint64(0xFFFF), chars)
        return features[bad]

    def _one_place(self, members: NDArray[Any]) -> NDArray[Any]:
        votes = Counter(c for i in members for c in self.where[i])
        if not votes:
            return members
        place = votes.most_common(1)[0][0]
        return members[[not self.where[i] or place in self.where[i] for i in members]]

    def _same_place(self, members: NDArray[Any]) -> bool:
        """Whether codes prove that it is one place; where they don't, a name has to that is used nowhere else."""
        votes = Counter(c for i in members for c in self.messages[i].where)
        return bool(votes) and votes.most_common(1)[0][1] >= _PROVEN * len(members)

    def _name_and_topic(
        self, members: NDArray[Any], phrases: list[_Phrase]
    ) -> tuple[_Phrase, _Phrase] | None:
        total = self._count(members)
        own = _OWN_AT_A_PLACE if self._same_place(members) else _OWN
        names = [p for p in phrases if p.people >= _NAMED * total and p.people >= own * p.df]
        if not names:
            return None
        name = names[0]
        has = {int(i) for i in members if name.text in self.plain[i]}
        best, most = None, 0.0
        for phrase in phrases:
            if set(phrase.text) & set(name.text):
                continue
            both = self._count([i for i in has if phrase.text in self.plain[i]])
            lift = (both / len(has)) / (phrase.df / self.people)
            if both >= self.least and lift >= _LIFT:
                score = both * np.log(lift)
                if score > most:
                    best, most = phrase, score
        return (name, best) if best is not None else None

    def phrases(self, members: NDArray[Any]) -> list[_Phrase]:
        """What a group's people write and few others do, the most telling first; no phrase is a part of another."""
        least = max(self.least, int(0.2 * self._count(members)))
        counts = self._frequent(members, least)
        size = 4
        longest = {text for text in counts if len(text) == size}
        while longest and size < _PHRASE:
            # A longer phrase is frequent only where both of its halves are.
            people: dict[str, set[int]] = {}
            for i in members:
                for run in _RUN.findall(self.plain[i]):
                    starts = [k for k in range(len(run) - size + 1) if run[k : k + size] in longest]
                    for k, after in pairwise(starts):
                        if after == k + 1:
                            people.setdefault(run[k : k + size + 1], set()).add(int(self.person[i]))
            size += 1
            more = {text: len(who) for text, who in people.items() if len(who) >= least}
            counts.update(more)
            longest = set(more)
        whole: dict[str, int] = dict(counts)
        for text, count in counts.items():
            for part in (text[1:], text[:-1]):
                if whole.get(part, 0) and count >= 0.8 * counts[part]:
                    whole.pop(part)
        found = []
        for text, count in whole.items():
            df = max(self._df(text), count)
            if df <= 2 * _COMMON * self.people:
                score = count * (count / df) ** 0.5 * float(np.log(self.people / df))
                found.append(_Phrase(text, count, df, score))
        found.sort(key=lambda p: (-p.score, -len(p.text), p.text))
        return found

    def _frequent(self, members: NDArray[Any], least: int) -> dict[str, int]:
        """The features that at least `least` of a group's people use, and how many do."""

        rows = self.matrix[members]
        person = np.repeat(self.person[members], np.diff(rows.indptr))
        pairs = np.unique(np.stack([rows.indices.astype(np.int64), person]), axis=1)
        columns, counts = np.unique(pairs[0], return_counts=True)
        kept = counts >= least
        return {
            _letters(int(gram)): int(count)
            for gram, count in zip(self.vocabulary[columns[kept]], counts[kept], strict=True)
        }

    def _df(self, text: str) -> int:
        """How many people write a phrase, at most: the least of its runs of four."""

        codes = np.array([ord(c) for c in text], np.uint64)
        n = min(4, len(text))
        grams = codes[: len(codes) - n + 1].copy()
        for k in range(1, n):
            grams |= codes[k : len(codes) - n + 1 + k] << np.uint64(16 * k)
        return int(self.used[_slot(grams)].min())

    def describe(self, members: Sequence[int]) -> Hotspot:
        """A hotspot of a group."""

        times = np.array([self.messages[i].at for i in members])
        order = np.argsort(times, kind="stable")
        begin = min(m.at for m in self.messages)
        period = max(max(m.at for m in self.messages) - begin, DAY)
        stretch = max(period / 13, 7 * DAY)
        times = times[order]
        who = self.person[np.array(members)][order]
        best, peak = 0, float(times[0])
        for k, at in enumerate(times):
            n = len(set(who[k : np.searchsorted(times, at + stretch)].tolist()))
            if n > best:
                best, peak = n, float(at)
        people = len(set(who.tolist()))
        growth = best / max(people * min(stretch / period, 1.0), 1.0)
        words: list[str] = []
        for phrase in self.phrases(np.array(members)):
            if _EDGES.search(phrase.text):
                continue
            if phrase.people >= 0.4 * people and not any(set(phrase.text) & set(w) for w in words):
                words.append(phrase.text)
            if len(words) == 5:
                break
        return Hotspot(
            tuple(words),
            tuple(int(members[i]) for i in order),
            people,
            float(times[0]),
            float(times[-1]),
            peak,
            float(growth),
            float(people * growth),
        )


def document(hotspot: Hotspot, messages: Sequence[Message]) -> dict[str, Any]:
    """A hotspot with its messages, for JSON; times are RFC 3339."""

    def when(at: float) -> str:
        return datetime.fromtimestamp(at, _CHINA).isoformat(timespec="seconds")

    return {
        "words": list(hotspot.words),
        "people": hotspot.people,
        "messages": [
            {"id": messages[i].id, "at": when(messages[i].at), "title": messages[i].title}
            for i in hotspot.members
        ],
        "first": when(hotspot.first),
        "last": when(hotspot.last),
        "peak": when(hotspot.peak),
        "growth": round(hotspot.growth, 2),
        "rank": round(hotspot.rank, 1),
    }
