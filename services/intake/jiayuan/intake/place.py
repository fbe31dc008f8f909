"""Where a report is: street, community and grid from codes, names and coordinates, and on what evidence.

A wrong community sends a grid worker to the wrong door; an unknown one costs the street's desk a phone call.
So nothing is guessed: of two candidates of equal weight neither is taken.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from typing import Any, Final

import yaml

from .text import normal, shorten
from .words import Words, encoded

_MARGIN: Final = 0.06  # what a candidate must lead by
_MOST: Final = 0.97
_FIELDS: Final = (("地点", 1.0), ("标题", 0.95), ("正文", 0.9))
_OFFICIAL, _COMPOUND, _ALIAS, _STREET, _ROAD, _STEM = 0.9, 0.85, 0.75, 0.7, 0.65, 0.5
_SUFFIXES: Final = ("社区", "村")
# A short name before one of these is a part of another name: 龙津路 is not 龙津社区.
_GOES_ON: Final = tuple(map(encoded, "路街巷弄道桥镇乡县市省区湖河港湾山岛"))
_NEAR_KM: Final = 3.0


@dataclass(frozen=True, slots=True)
class Node:
    """A street, or a community or village of one."""

    code: str
    name: str
    kind: str
    street: str


@dataclass(frozen=True, slots=True)
class Found:
    """Codes as far as they are known, what speaks for them, and how sure (0 to 1)."""

    street: str | None = None
    community: str | None = None
    grid: str | None = None
    evidence: str = ""
    confidence: float = 0.0


@dataclass(frozen=True, slots=True)
class _Claim:
    """What a word says: which nodes it may mean and how strongly."""

    word: str
    weight: float
    nodes: tuple[Node, ...]
    grid: str | None = None  # of a compound, when it is in one place only
    short: bool = False  # a name without its suffix
    address_only: bool = False


@dataclass(slots=True)
class _Candidate:
    node: Node
    doubt: float = 1.0
    said: str = ""
    grids: set[str] = field(default_factory=set)

    @property
    def score(self) -> float:
        return min(_MOST, 1 - self.doubt)

    def support(self, weight: float, said: str) -> None:
        self.doubt *= 1 - weight
        self.said = self.said or said


class Gazetteer:
    """The county's list of places, ready to be matched. `document` is the parsed YAML."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.version = str(document["version"])
        county = document["county"]
        self.county, self.county_name = str(county["code"]), str(county["name"])
        self.box: tuple[float, float, float, float] = tuple(county["bbox"])
        self.nodes: dict[str, Node] = {}
        self._centres: list[tuple[Node, float, float]] = []
        self.grids: dict[str, tuple[str, Node]] = {}
        words: dict[str, list[tuple[float, Node, bool, bool]]] = {}
        compounds: dict[str, list[str]] = {}

        def add(word: str, weight: float, node: Node, *, short: bool = False, stem: bool = False) -> None:
            for form in {word, normal(word)}:
                words.setdefault(form, []).append((weight, node, short, stem))

        stems: dict[str, list[Node]] = {}
        for street in document["streets"]:
            top = Node(str(street["code"]), street["name"], "street", str(street["code"]))
            self.nodes[top.code] = top
            self._centres.append((top, *street["centre"]))
            add(top.name, _STREET, top)
            for alias in street.get("aliases") or ():
                add(alias, _STREET, top, short="街" not in alias)
            for place in street["places"]:
                node = Node(str(place["code"]), place["name"], place["kind"], top.code)
                self.nodes[node.code] = node
                for name in {place["name"], place["official"]}:
                    add(name, _OFFICIAL, node)
                for alias in place.get("aliases") or ():
                    full = alias.endswith((*_SUFFIXES, "委会", "委员会"))
                    add(alias, _OFFICIAL if full else _ALIAS, node, short=not full)
                for number, compound in enumerate(place.get("compounds") or (), 1):
                    add(compound, _COMPOUND, node)
                    self.grids[grid_code(node.code, number)] = (compound, node)
                    compounds.setdefault(normal(compound), []).append(grid_code(node.code, number))
                for road in place.get("roads") or ():
                    add(road, _ROAD, node)
                for suffix in _SUFFIXES:
                    if node.name.endswith(suffix):
                        stems.setdefault(node.name.removesuffix(suffix), []).append(node)
        for stem, nodes in stems.items():
            if len(nodes) > 1:  # a community and a village share it: it names neither, but perhaps the street
                for node in nodes:
                    add(stem, _STEM, node, short=True, stem=True)

        self._words = Words(
            {
                word: _claim(word, meanings, compounds.get(normal(word), ()))
                for word, meanings in words.items()
            }
        )

    # -- the question ------------------------------------------------------------------------------

    def locate(
        self,
        *,
        code: str = "",
        words: str = "",
        title: str = "",
        text: str = "",
        lat: float | None = None,
        long: float | None = None,
    ) -> Found:
        """The place of a report. Texts are in normal form; coordinates are WGS-84 degrees, both or none."""
        by_code, notes = self._by_code(code)
        if by_code is not None and by_code.community:
            return by_code
        near, note = self._near(lat, long)
        if note:
            notes.append(note)
        found = self._by_words((words, title, text), by_code.street if by_code else None)
        if by_code is not None:
            if found is None or found.community is None:
                return by_code
            return Found(by_code.street, found.community, found.grid, found.evidence, found.confidence)
        if found is None:
            found = near or Found()
        evidence = "；".join(filter(None, [found.evidence, *notes]))
        return Found(found.street, found.community, found.grid, shorten(evidence, 200), found.confidence)

    def _by_code(self, code: str) -> tuple[Found | None, list[str]]:
        if not code:
            return None, []
        node = self.nodes.get(code[:12])
        if node is not None and node.kind != "street":
            grid = code if len(code) > 12 else None
            return Found(node.street, node.code, grid, f"代码{code}→{node.name}", 0.98), []
        street = self.nodes.get(code[:9])
        if street is not None:
            sure = 0.98 if code == street.code else 0.8
            return Found(street.code, None, None, f"代码{code}→{street.name}", sure), []
        return None, [f"代码{code}不在名录"]

    def _near(self, lat: float | None, long: float | None) -> tuple[Found | None, str]:
        if lat is None or long is None:
            return None, ""
        west, south, east, north = self.box
        if not (west <= long <= east and south <= lat <= north):
            return None, f"坐标不在{self.county_name}范围，未采用"
        far = sorted((_km(lat, long, y, x), node.code, node) for node, x, y in self._centres)
        (first, _, node), (second, _, _) = far[0], far[1]
        if first > _NEAR_KM or second < 1.5 * first:
            return None, "坐标在县内，离各街道中心远近不分明"
        return Found(node.street, None, None, f"坐标离{node.name}中心{first:.1f}公里", 0.3), ""

    # -- names -------------------------------------------------------------------------------------

    def _by_words(self, fields: Iterable[str], within: str | None) -> Found | None:
        places: dict[str, _Candidate] = {}
        streets: dict[str, _Candidate] = {}
        for (label, factor), content in zip(_FIELDS, fields, strict=True):
            if not content:
                continue
            seen: set[str] = set()
            form = encoded(content)
            for _, end, claim in self._words.longest(form):
                if claim.word in seen or not _stands(claim, form, end, label):
                    continue
                seen.add(claim.word)
                for node in claim.nodes:
                    group = streets if node.kind == "street" else places
                    candidate = group.setdefault(node.code, _Candidate(node))
                    candidate.support(claim.weight * factor, f"{label}“{claim.word}”")
                    if claim.grid:
                        candidate.grids.add(claim.grid)
        if within is not None:
            streets = {within: _Candidate(self.nodes[within], 0.02, "代码")}
        if not places:
            return _street_alone(streets)
        named = _leader(streets.values())
        if named is not None:
            inside = {c: p for c, p in places.items() if p.node.street == named.node.code}
            if inside:
                places = inside
            elif within is not None:
                return None
        best = _leader(places.values())
        if best is None:
            return _undecided(places.values(), named)
        sure, said = best.score, f"{best.said}→{best.node.name}"
        if len(places) > 1:
            sure *= 0.9
        if named is not None and named.node.code == best.node.street:
            sure = min(_MOST, sure + 0.05)
        elif named is not None:
            sure *= 0.7
            said += f"（又提到{named.node.name}）"
        # Two compounds of one community: the community is sure, the grid isn't.
        grid = next(iter(best.grids)) if len(best.grids) == 1 else None
        return Found(best.node.street, best.node.code, grid, shorten(said, 200), round(sure, 2))


def grid_code(place: str, number: int) -> str:
    """The code of a compound's grid: that of its community, and its number in the gazetteer's order from 1."""
    return f"{place}-G{number:02}"


def _claim(word: str, meanings: Iterable[tuple[float, Node, bool, bool]], grids: Sequence[str]) -> _Claim:
    weights, nodes, shorts, stems = zip(*meanings, strict=True)
    grid = grids[0] if len(grids) == 1 else None
    return _Claim(word, max(weights), tuple(dict.fromkeys(nodes)), grid, all(shorts), all(stems))


def _stands(claim: _Claim, form: str, end: int, label: str) -> bool:
    if claim.address_only and label != _FIELDS[0][0]:
        return False
    return not (claim.short and form.startswith(_GOES_ON, end))


def _leader(candidates: Iterable[_Candidate]) -> _Candidate | None:
    """The one candidate that is ahead of all others, or None."""
    ranked = sorted(candidates, key=lambda c: (-c.score, c.node.code))
    if not ranked or (len(ranked) > 1 and ranked[0].score - ranked[1].score < _MARGIN):
        return None
    return ranked[0]


def _street_alone(streets: Mapping[str, _Candidate]) -> Found | None:
    if not streets:
        return None
    named = _leader(streets.values())
    if named is None:
        said = "、".join(s.node.name for s in sorted(streets.values(), key=lambda s: s.node.code))
        return Found(None, None, None, f"提到{said}，未能确定", 0.0)
    return Found(named.node.code, None, None, f"{named.said}→{named.node.name}", round(named.score, 2))


def _undecided(places: Iterable[_Candidate], named: _Candidate | None) -> Found:
    """Several places with equal weight: their common street, if they have one, with less confidence."""
    ranked = sorted(places, key=lambda c: (-c.score, c.node.code))
    level = [c for c in ranked if ranked[0].score - c.score < _MARGIN]
    said = shorten(f"{level[0].said}可指" + "、".join(c.node.name for c in level) + "，未定", 190)
    streets = {c.node.street for c in level}
    if len(streets) == 1:
        return Found(streets.pop(), None, None, said, round(0.6 * level[0].score, 2))
    if named is not None:
        return Found(named.node.code, None, None, said, round(0.6 * named.score, 2))
    return Found(None, None, None, said, 0.0)


def _km(lat1: float, long1: float, lat2: float, long2: float) -> float:
    """Distance on the ground; flat is good enough within a county."""
    x = math.radians(long2 - long1) * math.cos(math.radians((lat1 + lat2) / 2))
    return 6371.0 * math.hypot(x, math.radians(lat2 - lat1))


@lru_cache(maxsize=1)
def bundled() -> Gazetteer:
    """The gazetteer that comes with intake: Xiapu's three streets."""
    source = resources.files("jiayuan.intake").joinpath("data/xiapu.yaml").read_bytes()
    return Gazetteer(yaml.load(source, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
