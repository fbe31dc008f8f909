"""Where a report is: street, community and grid from codes, names, addresses and coordinates, on what evidence.

A wrong community sends a grid worker to the wrong door; an unknown one costs the street's desk a phone call.
So nothing is guessed: of two candidates of equal weight neither is taken, and both are named, for a person to choose.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib import resources
from string import ascii_letters
from typing import Any, Final

import yaml

from . import address, coordinates, gazetteer
from .area import NEAR_M, Areas, Hit, Outline, Plane
from .gazetteer import grid_code
from .text import normal, shorten
from .words import Words, encoded

__all__ = ["Choice", "Found", "Gazetteer", "Node", "bundled", "grid_code"]

_MARGIN: Final = 0.06  # what a candidate must lead by
_MOST: Final = 0.97
_ADDRESS: Final = "地点"
_FIELDS: Final = ((_ADDRESS, 1.0), ("标题", 0.95), ("正文", 0.9))
# A building says more than a compound, a compound's name is rarer than a village's; a name in two words than in one.
_OFFICIAL, _COMPOUND, _NUMBERED, _OLD, _ALIAS = 0.9, 0.85, 0.8, 0.8, 0.75
_STREET, _HAMLET, _ROAD, _STEM = 0.7, 0.7, 0.65, 0.5
_SUFFIXES: Final = ("社区", "村")
# A short name before one of these is a part of another name: 龙津路 is not 龙津社区.
_GOES_ON: Final = tuple(map(encoded, "路街巷弄道桥镇乡县市省区湖河港湾山岛"))
# Stems that are everyday words: 合并后的中心村, 唐田新村, 村里村民, 我们组上村民. They need their town before them, as
# every stem of one character does.
_EVERYDAY: Final = frozenset(("中心", "村里", "路口", "门口", "关门", "一层"))
_NEAR_KM: Final = 3.0
_SLACK_M: Final = 500.0
_INSIDE, _AT_EDGE, _BESIDE, _NEAR_CENTRE = 0.9, 0.7, 0.5, 0.3
INSIDE, OUTSIDE, FALLBACK, SWAPPED = "inside", "outside", "fallback", "swapped"

# What stands before a name when a place is written from the top down: …县, …镇, …乡, …街道. Anything else that only
# ends like one (小区, 城市, 超市, 家乡, 全县) says nothing of where it is.
_PARENT: Final = re.compile(
    r"(?:街道|街道办|街道办事处|(?<![城乡村集古全本我该各重])镇|(?<![老家故城下返本我全该各侨])乡|(?<![全本我该各外贵])县"
    r"|(?<![城超菜夜门集股全本我该各都])市|(?<![外全本我该各])省|(?<![小社景园片校城地郊山库灾老厂院辖街住牧林矿湖新旧特专宿禁])区)"
    r"(?:的|辖区|下辖|境内)?[\s,，]?\Z"
)
_TOWN_NAMED: Final = re.compile(
    r"[A-Z]\d{0,2}[市区县]"
    r"|(?<![\u4e00-\u9fff])[\u4e00-\u9fff]{2,3}(?<![城超菜夜门集股全本我该各都])市(?![场民区值面容])"
)
# The last characters of what _PARENT finds, as they stand in an encoded text.
_MAY_END_PARENT: Final = tuple(map(encoded, "道办处镇乡县市省区的辖内，"))
# The first characters of what address.in_compound and on_road find.
_MAY_BEGIN_ADDRESS: Final = tuple(
    map(encoded, "0123456789第一二两三四五六七八九十甲乙丙丁戊己庚辛壬癸的 ,，" + ascii_letters)
)
_LOOK_BACK: Final = 3 * 14  # bytes before a name


@dataclass(frozen=True, slots=True)
class Node:
    """A place of the list: kind is street, community, village, compound or building. Grids have a `community`."""

    code: str
    name: str
    kind: str
    street: str
    community: str | None = None

    @property
    def grid(self) -> str | None:
        """Its code, when it is a grid within a community."""
        return self.code if self.kind in gazetteer.GRIDS else None


@dataclass(frozen=True, slots=True)
class Choice:
    """A place that a report may mean, how sure (0 to 1) and why."""

    code: str
    name: str
    kind: str
    street: str
    confidence: float
    why: str


@dataclass(slots=True)  # not frozen: one is made a report, and frozen ones take three times as long to make
class Found:
    """Codes as far as they are known, what speaks for them, and how sure (0 to 1).

    `candidates` has two or more when a person has to choose. `point` says what the coordinates are (inside, outside,
    fallback, swapped; None without any), `lat` and `long` are them in WGS-84, whatever they are.
    """

    street: str | None = None
    community: str | None = None
    grid: str | None = None
    evidence: str = ""
    confidence: float = 0.0
    candidates: tuple[Choice, ...] = ()
    point: str | None = None
    lat: float | None = None
    long: float | None = None


@dataclass(frozen=True, slots=True)
class _Meaning:
    """One of the places that a word may mean, and where the word must stand to mean it."""

    node: Node
    weight: float
    short: bool = False  # a name without its suffix
    bound: bool = False  # only right after its town, or at the beginning of an address
    common: bool = False  # a road's or a compound's name, which other cities have too
    numbers: address.Range | None = None  # of the road
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Claim:
    word: str
    meanings: tuple[_Meaning, ...]
    road: bool
    bound: bool  # some meaning is
    short: bool  # the same


@dataclass(slots=True)
class _Candidate:
    node: Node
    doubt: float = 1.0
    said: str = ""
    grids: set[str] = field(default_factory=set)
    proper: bool = False  # named by its full name, not only by a road, a compound or a short name

    @property
    def score(self) -> float:
        return min(_MOST, 1 - self.doubt)

    def support(self, weight: float, said: str) -> None:
        self.doubt *= 1 - weight
        self.said = self.said or said


class Gazetteer:
    """The county's list of places, ready to be matched.

    `document` is a gazetteer document, nested as the bundled YAML or flat as `gazetteer.flat` makes it. `fallbacks`
    are WGS-84 points (lat, long; six decimals) that mean nothing.
    """

    def __init__(
        self, document: Mapping[str, Any], fallbacks: Iterable[tuple[float, float]] = (), number: int = 0
    ) -> None:
        flat = gazetteer.flat(document)
        self.version, self.number = str(flat["version"]), number
        county = flat["county"]
        self.county, self.county_name = str(county["code"]), str(county["name"])
        self.box: tuple[float, float, float, float] = tuple(county["bbox"])
        self.fallbacks = frozenset(fallbacks)
        self.nodes: dict[str, Node] = {}
        self.grids: dict[str, tuple[str, Node]] = {}  # of a grid: its name, and the community that it is in
        self._parents: dict[str, str] = {}
        self._buildings: dict[str, dict[str, list[str]]] = {}
        self._centres: list[tuple[Node, float, float]] = []
        self._load(flat["places"])
        self._above = self._names_above(flat)
        self._home = _names(county)
        streets = (p for p in flat["places"] if p["kind"] == "street")
        self._street_names = tuple(dict.fromkeys(name for street in streets for name in _names(street)))
        self._claims = self._claims_of(flat["places"])
        self._words = Words(self._claims)
        self._find: list[tuple[str, Node]] = []
        west, south, east, north = self.box
        plane = Plane((south + north) / 2, (west + east) / 2)
        areas = [(p["code"], p["kind"], p["area"]) for p in flat["places"] if p.get("area")]
        self._areas = Areas(plane, areas) if areas else None
        self._outline = Outline(plane, county["area"], _SLACK_M) if county.get("area") else None

    # -- loading -----------------------------------------------------------------------------------

    def _load(self, places: Sequence[Mapping[str, Any]]) -> None:
        order = {kind: n for n, kind in enumerate(gazetteer.KINDS)}
        for place in sorted(places, key=lambda p: order[p["kind"]]):
            code, kind, parent = place["code"], place["kind"], place.get("parent") or ""
            if kind == "street":
                node = Node(code, place["name"], kind, code)
                if place.get("centre"):
                    self._centres.append((node, *place["centre"]))
            else:
                above = self.nodes[parent]
                community = (above.community or above.code) if kind in gazetteer.GRIDS else None
                node = Node(code, place["name"], kind, above.street, community)
                self._parents[code] = parent
            self.nodes[code] = node
            if community := node.community:
                self.grids[code] = (node.name, self.nodes[community])
                for building in address.buildings_of(place.get("buildings") or ()):
                    # Found from the grid itself, from the compound it is in, and from the community.
                    for owner in {code, parent, community}:
                        self._buildings.setdefault(owner, {}).setdefault(building, []).append(code)

    def _names_above(self, flat: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
        """For each place the names that may stand before its own: of its community, street, county."""
        names = {p["code"]: _names(p) for p in flat["places"]}
        home = _names(flat["county"])
        out: dict[str, tuple[str, ...]] = {}
        for code in self.nodes:
            above, up = list(home), self._parents.get(code)
            while up:
                above += names[up]
                up = self._parents.get(up)
            out[code] = tuple(dict.fromkeys(above))
        return out

    def _claims_of(self, places: Sequence[Mapping[str, Any]]) -> dict[str, _Claim]:
        words: dict[str, list[_Meaning]] = {}
        roads: set[str] = set()

        def add(word: str, meaning: _Meaning) -> None:
            for form in {word, normal(word)}:
                words.setdefault(form, []).append(meaning)

        for place in places:
            node = self.nodes[place["code"]]
            for word, meaning in _meanings(place, node):
                add(word, meaning)
            for road in place.get("roads") or ():
                name, ranges = gazetteer.road(road)
                target = self.nodes[road["grid"]] if isinstance(road, Mapping) and road.get("grid") else node
                for numbers in ranges or (None,):
                    add(name, _Meaning(target, _ROAD, common=True, numbers=numbers))
                roads.update({name, normal(name)})
        self._add_stems(add, words)
        return {
            word: _Claim(
                word,
                tuple(dict.fromkeys(meanings)),
                word in roads,
                any(m.bound for m in meanings),
                any(m.short for m in meanings),
            )
            for word, meanings in words.items()
        }

    def _add_stems(self, add: Any, words: Mapping[str, Any]) -> None:
        """A name without its suffix means the place only where that can't be an everyday word. Where a community and
        a village share it, it names neither, but perhaps the street."""
        stems: dict[str, list[Node]] = {}
        for node in self.nodes.values():
            for suffix in _SUFFIXES:
                if node.kind in ("community", "village") and node.name.endswith(suffix):
                    stems.setdefault(node.name.removesuffix(suffix), []).append(node)
        for stem, nodes in stems.items():
            weight = _STEM if len(nodes) > 1 else _HAMLET
            for node in nodes:
                if len(stem) < 2 or any(m.node is node for m in words.get(stem, ())):
                    continue
                add(stem, _Meaning(node, weight, short=True, bound=True))

    def centre(self, code: str) -> tuple[float, float] | None:
        """Latitude and longitude, WGS-84, of the middle of a street; None where it isn't known."""
        return next(((lat, long) for node, long, lat in self._centres if node.code == code), None)

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
        crs: str = coordinates.WGS84,
    ) -> Found:
        """The place of a report. Texts are in normal form; coordinates are degrees of `crs`, both or none."""
        if lat is None or long is None:
            return self._locate(code, words, title, text, None, "")
        if crs != coordinates.WGS84:
            lat, long = coordinates.to_wgs84(lat, long, crs)
        point, note = self.judge(lat, long)
        near = self._near(lat, long) if point == INSIDE else None
        found = self._locate(code, words, title, text, near, note)
        found.point, found.lat, found.long = point, round(lat, 7), round(long, 7)
        return found

    def _locate(self, code: str, words: str, title: str, text: str, near: Found | None, note: str) -> Found:
        by_code, notes = self._by_code(code)
        if by_code is not None and by_code.community:
            return by_code
        if note:
            notes.append(note)
        found = self._by_words((words, title, text), by_code.street if by_code else None)
        if by_code is not None:
            if found is None or found.community is None:
                return self._refined(by_code, near) if near else by_code
            found = replace(found, street=by_code.street)
        if near is not None:
            found = self._together(found, near, bool(words))
        elif found is None:
            found = Found()
        for more in notes:
            found.evidence = _joined(found.evidence, more)
        return found

    def _by_code(self, code: str) -> tuple[Found | None, list[str]]:
        if not code:
            return None, []
        node = self.nodes.get(code)
        if node is not None and node.community:
            return Found(node.street, node.community, code, f"代码{code}→{node.name}", 0.98), []
        node = self.nodes.get(code[:12])
        if node is not None and node.kind != "street":
            grid = code if len(code) > 12 else None
            return Found(node.street, node.code, grid, f"代码{code}→{node.name}", 0.98), []
        street = self.nodes.get(code[:9])
        if street is not None:
            sure = 0.98 if code == street.code else 0.8
            return Found(street.code, None, None, f"代码{code}→{street.name}", sure), []
        return None, [f"代码{code}不在名录"]

    # -- coordinates -------------------------------------------------------------------------------

    def judge(self, lat: float, long: float) -> tuple[str, str]:
        """What a WGS-84 point is (inside, outside, fallback, swapped), and what to say of it when it is no place."""
        if self._inside(lat, long):
            if (round(lat, 6), round(long, 6)) in self.fallbacks:
                return FALLBACK, "坐标是已知的默认点，未采用"
            if round(lat, 1) == lat and round(long, 1) == long:
                return FALLBACK, "坐标只到一位小数，是默认点，未采用"
            return INSIDE, ""
        if abs(lat) < 0.01 and abs(long) < 0.01:
            return FALLBACK, "坐标为零，是默认点，未采用"
        if (round(lat, 6), round(long, 6)) in self.fallbacks:
            return FALLBACK, "坐标是已知的默认点，未采用"
        if self._inside(long, lat):
            return SWAPPED, "坐标的经纬度颠倒了，未采用"
        return OUTSIDE, f"坐标不在{self.county_name}范围，未采用"

    def _inside(self, lat: float, long: float) -> bool:
        west, south, east, north = self.box
        if not (west <= long <= east and south <= lat <= north):
            return False
        return self._outline is None or self._outline.holds(lat, long)

    def _near(self, lat: float, long: float) -> Found:
        """The place of a point in the county."""
        hits = self._areas.at(lat, long) if self._areas is not None else []
        if hits:
            return self._by_area(hits)
        if len(self._centres) < 2:
            return Found(evidence="坐标在县内，名录没有边界")
        far = sorted((_km(lat, long, y, x), node.code, node) for node, x, y in self._centres)
        (first, _, node), (second, _, _) = far[0], far[1]
        if first > _NEAR_KM or second < 1.5 * first:
            return Found(evidence="坐标在县内，离各街道中心远近不分明")
        said = f"坐标离{node.name}中心{first:.1f}公里"
        return Found(node.street, None, None, said, _NEAR_CENTRE)

    def _by_area(self, hits: list[Hit]) -> Found:
        choices = []
        for hit in hits:
            node = self.nodes[hit.code]
            if hit.metres:
                sure, said = _BESIDE * (1 - hit.metres / (2 * NEAR_M)), f"坐标离{node.name}{hit.metres:.0f}米"
            elif hit.edge:
                sure, said = _AT_EDGE, f"坐标在{node.name}内，靠近边界"
            else:
                sure, said = _INSIDE, f"坐标在{node.name}内"
            choices.append(self._choice(node, round(sure, 2), said))
        best = choices[0]
        rivals = [c for c in choices if best.confidence - c.confidence < _MARGIN]
        if len(rivals) == 1:
            return self._found(best)
        return self._open(rivals, "坐标在重叠或相邻的范围：")

    def _together(self, named: Found | None, near: Found, in_address: bool) -> Found:
        """What the words say and what the point says, together.

        Who reports from home gives the point of the home and the name of the place; so names of an address, and
        full names anywhere, go before the point, which then only says which of the candidates or which grid it is.
        """
        if named is None or (named.street is None and not named.candidates):
            note = named.evidence if named else ""
            return replace(near, evidence=shorten("；".join(filter(None, [near.evidence, note])), 200))
        if near.street is None or near.confidence < _BESIDE / 2:
            return replace(named, evidence=_joined(named.evidence, near.evidence))
        if named.candidates:
            return self._settled(named, near)
        if named.community is None:
            if near.street == named.street:
                return self._refined(named, near)
            return self._conflict(named, near, in_address)
        if near.community is None:
            if near.street == named.street:
                return replace(named, evidence=_joined(named.evidence, near.evidence))
            return self._conflict(named, near, in_address)
        if near.community == named.community:
            sure = min(_MOST, 1 - (1 - named.confidence) * (1 - near.confidence / 2))
            grid = named.grid or near.grid
            said = near.evidence if named.grid in (None, near.grid) else f"{near.evidence}，以文字为准"
            return replace(
                named, grid=grid, confidence=round(sure, 2), evidence=_joined(named.evidence, said)
            )
        return self._conflict(named, near, in_address)

    def _settled(self, named: Found, near: Found) -> Found:
        """Of the candidates of the words the one that the point lies in."""
        for choice in named.candidates if near.community else ():
            if near.grid == choice.code or near.community in (choice.code, self.nodes[choice.code].community):
                said = f"{choice.why}；{near.evidence}"
                sure = max(choice.confidence, near.confidence)
                found = self._found(replace(choice, confidence=round(min(_MOST, sure), 2), why=said))
                return replace(found, grid=found.grid or near.grid)
        inside = [c for c in named.candidates if c.street == near.street]
        if near.community is None and len(inside) == 1:
            return self._found(replace(inside[0], why=f"{inside[0].why}；{near.evidence}"))
        return replace(named, evidence=_joined(named.evidence, near.evidence))

    def _refined(self, street: Found, near: Found) -> Found:
        if near.street != street.street or near.community is None:
            return street
        return replace(near, evidence=_joined(street.evidence, near.evidence))

    def _conflict(self, named: Found, near: Found, in_address: bool) -> Found:
        if in_address or named.confidence >= 0.8 or near.confidence < _AT_EDGE:
            said = f"{near.evidence}，以文字为准"
            return replace(
                named, confidence=round(0.85 * named.confidence, 2), evidence=_joined(named.evidence, said)
            )
        choices = [
            self._choice(self.nodes[f.grid or f.community or f.street or ""], f.confidence, f.evidence)
            for f in (named, near)
        ]
        return self._open(choices, "文字与坐标不一致：")

    # -- names -------------------------------------------------------------------------------------

    def _by_words(self, fields: Sequence[str], within: str | None) -> Found | None:
        places: dict[str, _Candidate] = {}
        streets: dict[str, _Candidate] = {}
        dropped = ""
        for (label, factor), content in zip(_FIELDS, fields, strict=True):
            if not content:
                continue
            seen: set[str] = set()
            form = encoded(content)
            for start, end, claim in self._words.longest(form):
                if claim.word in seen:
                    continue
                meanings, foreign = self._standing(claim, form, start, end, label)
                if not meanings:
                    dropped = dropped or foreign
                    continue
                seen.add(claim.word)
                self._support(places, streets, claim, meanings, form[end : end + 3 * 24], label, factor)
        if within is not None:
            streets = {within: _Candidate(self.nodes[within], 0.02, "代码")}
        elif places or streets:
            said = [*places.values(), *streets.values()]
            if not any(c.proper for c in said) and self._elsewhere("\n".join(fields)):
                return Found(evidence=f"{said[0].said}各地都有，文中说的是别的城市，未采用")
        if not places:
            return _street_alone(streets) or (Found(evidence=dropped) if dropped else None)
        named = _leader(streets.values())
        if named is not None:
            inside = {c: p for c, p in places.items() if p.node.street == named.node.code}
            if inside:
                places = inside
            elif within is not None:
                return None
        best = _leader(places.values())
        if best is None:
            return self._undecided(places.values(), named)
        sure, why = best.score, f"{best.said}→{best.node.name}"
        if len(places) > 1:
            sure *= 0.9
        if named is not None and named.node.code == best.node.street:
            sure = min(_MOST, sure + 0.05)
        elif named is not None:
            sure *= 0.7
            why += f"（又提到{named.node.name}）"
        # Two compounds of one community: the community is sure, the grid isn't.
        grid = self._one_grid(best.grids)
        return Found(best.node.street, best.node.code, grid, shorten(why, 200), round(sure, 2))

    def _one_grid(self, grids: set[str]) -> str | None:
        """The grid that is meant: the only one, or the one that lies within all the others."""
        if len(grids) <= 1:
            return next(iter(grids), None)
        for grid in grids:
            above = {grid}
            up = self._parents.get(grid)
            while up:
                above.add(up)
                up = self._parents.get(up)
            if grids <= above:
                return grid
        return None

    def _standing(
        self, claim: _Claim, form: str, start: int, end: int, label: str
    ) -> tuple[Sequence[_Meaning], str]:
        """The meanings that the word has where it stands, and why it has none."""
        before, parent = "", False
        if start and (claim.bound or form.startswith(_MAY_END_PARENT, start - 3) or form[start - 1] in " ,"):
            before = form[max(0, start - _LOOK_BACK) : start].encode("latin-1").decode("utf-8", "ignore")
            parent = _PARENT.search(before) is not None
        if not (parent or claim.bound or claim.short):
            return claim.meanings, ""
        out: list[_Meaning] = []
        foreign = ""
        for m in claim.meanings:
            if m.short and form.startswith(_GOES_ON, end):
                continue
            if m.bound or parent:
                own = _ends_with(before, self._above[m.node.code])
                if m.bound and not own and not (label == _ADDRESS and start == 0):
                    continue
            if parent and not own and not _ends_with(before, self._street_names):
                foreign = f"“{claim.word}”前是别处的地名，未采用"
                continue
            out.append(m)
        return out, foreign

    def _elsewhere(self, content: str) -> bool:
        """Whether a text names another city and nothing of this county."""
        if any(name in content for name in self._home):
            return False
        return _TOWN_NAMED.search(content) is not None

    def _support(
        self,
        places: dict[str, _Candidate],
        streets: dict[str, _Candidate],
        claim: _Claim,
        meanings: Sequence[_Meaning],
        after: str,
        label: str,
        factor: float,
    ) -> None:
        rest = ""
        if after.startswith(_MAY_BEGIN_ADDRESS):
            rest = after.encode("latin-1").decode("utf-8", "ignore")
        said = f"{label}“{claim.word}”"
        if rest and claim.road and any(m.numbers for m in meanings) and (house := address.on_road(rest)):
            meant = [m for m in meanings if m.numbers is not None and house.number in m.numbers]
            if meant:
                meanings = [replace(m, weight=_NUMBERED) for m in meant]
                said = f"{label}“{claim.word}”及门牌号"
        inside = address.in_compound(rest) if rest and not claim.road else None
        if len(meanings) == 1 and inside is None:
            m = meanings[0]
            node = self.nodes[m.node.community] if m.node.community else m.node
            group = streets if node.kind == "street" else places
            candidate = group.get(node.code)
            if candidate is None:
                candidate = group[node.code] = _Candidate(node)
            candidate.support(m.weight * factor, said + m.note)
            candidate.proper = candidate.proper or not (m.common or m.short)
            if m.node.grid:
                candidate.grids.add(m.node.grid)
            return
        weights: dict[str, float] = {}
        grids: dict[str, set[str]] = {}
        nodes: dict[str, Node] = {}
        proper: set[str] = set()
        notes = ""
        for m in meanings:
            node, grid = m.node, m.node.grid
            if node.community:
                node = self.nodes[node.community]
            if inside is not None and m.node.kind != "street":
                in_building = self._buildings.get(m.node.code, {}).get(inside.building, ())
                if len(in_building) == 1:
                    grid = in_building[0]
            nodes[node.code] = node
            weights[node.code] = max(weights.get(node.code, 0.0), m.weight)
            if grid:
                grids.setdefault(node.code, set()).add(grid)
            notes = notes or m.note
            if not (m.common or m.short):
                proper.add(node.code)
        if inside is not None:
            # The building and no more: whoever lives in room 501 is nobody else's business.
            said = f"{label}“{claim.word}{inside.building}号楼”"
        said += notes
        for code, node in nodes.items():
            group = streets if node.kind == "street" else places
            candidate = group.setdefault(code, _Candidate(node))
            candidate.support(weights[code] * factor, said)
            candidate.proper = candidate.proper or code in proper
            candidate.grids |= grids.get(code, set())

    def _undecided(self, places: Iterable[_Candidate], named: _Candidate | None) -> Found:
        """Several places with equal weight: their common street, if they have one, with less confidence."""
        ranked = sorted(places, key=lambda c: (-c.score, c.node.code))
        level = [c for c in ranked if ranked[0].score - c.score < _MARGIN]
        choices = tuple(
            self._choice(self.nodes[self._one_grid(c.grids) or c.node.code], round(c.score, 2), c.said)
            for c in level
        )
        names = [c.node.name for c in level]
        if len(set(names)) < len(names):
            names = [self.full_name(c.node.code) for c in level]
        said = shorten(f"{level[0].said}可指{'、'.join(names)}，未定", 190)
        streets = {c.node.street for c in level}
        if len(streets) == 1:
            sure = round(0.6 * level[0].score, 2)
            return Found(streets.pop(), None, None, said, sure, choices)
        if named is not None:
            return Found(named.node.code, None, None, said, round(0.6 * named.score, 2), choices)
        return Found(None, None, None, said, 0.0, choices)

    # -- choices -----------------------------------------------------------------------------------

    def _choice(self, node: Node, confidence: float, why: str) -> Choice:
        return Choice(node.code, node.name, node.kind, node.street, confidence, why)

    def _found(self, choice: Choice) -> Found:
        node = self.nodes[choice.code]
        community = node.community or (node.code if node.kind != "street" else None)
        return Found(node.street, community, node.grid, shorten(choice.why, 200), choice.confidence)

    def _open(self, choices: Sequence[Choice], why: str) -> Found:
        """Nobody can tell which: what they have in common, and the choices."""
        nodes = [self.nodes[c.code] for c in choices]
        communities = {n.community or (n.code if n.kind != "street" else None) for n in nodes}
        streets = {n.street for n in nodes}
        street = streets.pop() if len(streets) == 1 else None
        community = communities.pop() if len(communities) == 1 else None
        sure = round(0.6 * max(c.confidence for c in choices), 2) if street else 0.0
        if community:
            sure = max(c.confidence for c in choices)
        said = shorten(why + "、".join(c.why for c in choices), 200)
        return Found(street, community, None, said, sure, tuple(choices))

    def chosen(self, code: str, by: str) -> Found | None:
        """The place of a code that a person has chosen; None for one that isn't in the list."""
        node = self.nodes.get(code)
        if node is None:
            return None
        return self._found(self._choice(node, 0.99, f"{by}选定→{self.full_name(code)}"))

    # -- looking things up -------------------------------------------------------------------------

    def full_name(self, code: str) -> str:
        """松港街道旺海社区旺海花园: the names from the street down."""
        names: list[str] = []
        at: str | None = code
        while at in self.nodes:
            names.append(self.nodes[at].name)
            at = self._parents.get(at)
        return "".join(reversed(names))

    def search(self, query: str, most: int = 20) -> list[Node]:
        """Places whose name, or another word for them, holds what somebody typed; what begins with it first.

        A name of a street or community before it narrows: 松港东关.
        """
        typed = normal(query).replace(" ", "").replace("\n", "")
        if not typed:
            return []
        if not self._find:
            self._find = sorted(
                {(word, m.node) for word, claim in self._claims.items() for m in claim.meanings},
                key=lambda pair: (len(pair[0]), pair[0], pair[1].code),
            )
        ranked: dict[str, tuple[int, int, str]] = {}
        for word, node in self._find:
            at = word.find(typed)
            if at < 0:
                head = max((n for n in self._above[node.code] if typed.startswith(n)), key=len, default="")
                tail = typed[len(head) :]
                if not head or not tail or not word.startswith(tail):
                    continue
                at = 0
            rank = (0 if word == typed else 1 if at == 0 else 2, len(word), node.code)
            if node.code not in ranked or rank < ranked[node.code]:
                ranked[node.code] = rank
        return [self.nodes[code] for code in sorted(ranked, key=ranked.__getitem__)[:most]]


def _ends_with(before: str, names: tuple[str, ...]) -> bool:
    return before.rstrip(" ,，的").removesuffix("辖区").removesuffix("下辖").endswith(names)


def _names(place: Mapping[str, Any]) -> tuple[str, ...]:
    """All that a place is called, in normal form."""
    given = (
        place["name"],
        place.get("official") or "",
        *(place.get("aliases") or ()),
        *(place.get("old_names") or ()),
        *(place.get("above") or ()),
        *(_written(place["name"], place["kind"]) if "kind" in place else ()),
    )
    return tuple(dict.fromkeys(form for name in given if name for form in (name, normal(name))))


def _meanings(place: Mapping[str, Any], node: Node) -> Iterable[tuple[str, _Meaning]]:
    """The words that mean a place, other than roads and what is left of names without their suffix."""
    kind, name = place["kind"], place["name"]
    aliases, old = place.get("aliases") or (), place.get("old_names") or ()
    if kind == "street":
        for word in {name, *_written(name, kind)}:
            yield word, _Meaning(node, _STREET)
        for word in aliases:
            yield word, _Meaning(node, _STREET, short=not word.endswith(_FULL_STREET))
        for word in old:
            yield word, _Meaning(node, _OLD * _STREET, short=not word.endswith(_FULL_STREET), note="（旧名）")
        stem = gazetteer.stem(name)
        if stem not in aliases and len(stem) > 1:
            yield stem, _Meaning(node, _STEM, short=True, bound=True)
    elif kind in gazetteer.GRIDS:
        for word in (name, *aliases, *old):
            if address.in_compound(word) is None and len(word) > 1:  # "3号楼" alone is the name of nothing
                yield word, _Meaning(node, _COMPOUND, common=True, note="（旧名）" if word in old else "")
    else:
        stem = gazetteer.stem(name)
        everyday = len(stem) == 1 or stem in _EVERYDAY
        for word in {name, place.get("official") or name, *_written(name, kind)}:
            yield word, _Meaning(node, _OFFICIAL, bound=everyday)
        for word in aliases:
            full = word.endswith((*_SUFFIXES, "委会", "委员会"))
            yield word, _Meaning(node, _OFFICIAL if full else _ALIAS, short=not full)
        for word in old:
            yield word, _Meaning(node, _OLD, short=not word.endswith(_SUFFIXES), note="（旧名）")
        for word in place.get("hamlets") or ():
            bare = word.removesuffix("自然村")
            yield bare + "自然村", _Meaning(node, _OLD, note="（自然村）")
            yield bare, _Meaning(node, _HAMLET, short=True, bound=True, note="（自然村）")


_FULL_STREET: Final = ("街道", "街办", "街道办", "办事处", "镇", "乡", "政府")


def _written(name: str, kind: str) -> tuple[str, ...]:
    """How the full name of a street, community or village is written as well."""
    stem = gazetteer.stem(name)
    if kind == "community":
        return (f"{name}居委会", f"{name}居民委员会", f"{stem}居委会")
    if kind == "village":
        return (f"{stem}村委会", f"{name}民委员会", f"{name}村委会", f"{name}村民委员会")
    if kind != "street":
        return ()
    if name.endswith("街道"):
        return (f"{name}办事处", f"{name}办", f"{stem}街办")
    plain = stem + name[-1]
    return (plain, f"{plain}政府", f"{plain}人民政府", f"{name}人民政府")


def _leader(candidates: Iterable[_Candidate]) -> _Candidate | None:
    """The one candidate that is ahead of all others, or None."""
    ranked = list(candidates)
    if len(ranked) > 1:
        ranked.sort(key=lambda c: (-c.score, c.node.code))
        if ranked[0].score - ranked[1].score < _MARGIN:
            return None
    return ranked[0] if ranked else None


def _street_alone(streets: Mapping[str, _Candidate]) -> Found | None:
    if not streets:
        return None
    named = _leader(streets.values())
    if named is None:
        said = "、".join(s.node.name for s in sorted(streets.values(), key=lambda s: s.node.code))
        return Found(None, None, None, shorten(f"提到{said}，未能确定", 200), 0.0)
    return Found(named.node.code, None, None, f"{named.said}→{named.node.name}", round(named.score, 2))


def _joined(first: str, second: str) -> str:
    return shorten("；".join(filter(None, [first, second])), 200)


def _km(lat1: float, long1: float, lat2: float, long2: float) -> float:
    """Distance on the ground; flat is good enough within a county."""
    x = math.radians(long2 - long1) * math.cos(math.radians((lat1 + lat2) / 2))
    return 6371.0 * math.hypot(x, math.radians(lat2 - lat1))


@lru_cache(maxsize=1)
def document() -> dict[str, Any]:
    """The gazetteer document that comes with intake: Xiapu's three streets."""
    source = resources.files("jiayuan.intake").joinpath("data/xiapu.yaml").read_bytes()
    loaded: dict[str, Any] = yaml.load(source, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return loaded


@lru_cache(maxsize=1)
def bundled() -> Gazetteer:
    """The gazetteer that comes with intake."""
    return Gazetteer(document())
