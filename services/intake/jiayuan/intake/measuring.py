"""Figures of the gazetteer: what is found, what is found wrongly, and how long it takes."""

from __future__ import annotations

import itertools
import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from . import gazetteer, people, text
from .area import Areas, Plane
from .place import Found, Gazetteer, Node

# How people write where something is: field of the report, and text. {town} is the street or town, {stem} the name
# without its suffix, {committee} its committee.
FORMS: Final[tuple[tuple[str, str], ...]] = (
    ("text", "{name}的路灯坏了三天没人修"),
    ("text", "家住{town}{name}，门口积水"),
    ("text", "福建省宁德市霞浦县{town}{name}12号门口积水"),
    ("text", "{town}{stem}那边的路坏了"),
    ("text", "希望{committee}管一管"),
    ("title", "关于{town}{name}饮水问题"),
    ("words", "{name}3号楼2单元"),
    ("words", "{town}{stem}"),
    ("words", "霞浦县{town}{committee}旁"),
)


def names(loaded: Gazetteer, *, show: bool = False) -> Iterator[str]:
    """Each community and village in each form: right, asked (it is among the candidates), street only, none, wrong."""
    places = [n for n in loaded.nodes.values() if n.kind in ("community", "village")]
    total: Counter[str] = Counter()
    for field, form in FORMS:
        found: Counter[str] = Counter()
        for node in places:
            said = form.format(
                name=node.name,
                town=loaded.nodes[node.street].name,
                stem=gazetteer.stem(node.name),
                committee=node.name + "居委会"
                if node.kind == "community"
                else gazetteer.stem(node.name) + "村委会",
            )
            arguments: dict[str, Any] = {field: text.normal(said)}
            verdict = _verdict(loaded.locate(**arguments), node)
            found[verdict] += 1
            if show and verdict == "wrong":
                yield f"  wrong: {said} → {loaded.locate(**arguments)}"
        total += found
        yield f"{field:<5} {form}: {_shares(found)}"
    yield f"all {total.total()} addresses of {len(places)} places: {_shares(total)}"


def _verdict(found: Found, node: Node) -> str:
    if found.community == node.code:
        return "right"
    if found.community is not None:
        return "wrong"
    if any(c.code == node.code for c in found.candidates):
        return "asked"
    if found.street is not None:
        return "street" if found.street == node.street else "wrong"
    return "none"


def _shares(found: Counter[str]) -> str:
    return ", ".join(f"{found[k]} {k}" for k in ("right", "asked", "street", "none", "wrong") if found[k])


def elsewhere(loaded: Gazetteer, messages: Path, *, show: bool = False) -> Iterator[str]:
    """Messages of another city, none of which may get a place of ours."""
    count = 0
    wrong: list[tuple[Found, str]] = []
    asked = 0
    with messages.open(encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            count += 1
            title = people.mask(text.one_line(record.get("title") or ""))
            content = people.mask(text.normal(record.get("detail") or record.get("text") or ""))
            found = loaded.locate(title=title, text=content)
            if found.street or found.community:
                wrong.append((found, title))
            asked += bool(found.candidates)
    community = sum(f.community is not None for f, _ in wrong)
    yield (
        f"{count} messages of another city: {len(wrong)} get a place ({community} a community), "
        f"{sum(f.confidence >= 0.6 for f, _ in wrong)} of them with a confidence of 0.6 and more; {asked} are asked"
    )
    if show:
        for found, title in wrong:
            yield f"  {found.evidence}  {found.confidence}  {title[:40]}"


def speed(loaded: Gazetteer) -> Iterator[str]:
    """µs of processor time a text: one without any place, one with two names, one with a point as well."""
    west, south, east, north = loaded.box
    node = next(n for n in loaded.nodes.values() if n.kind == "community")
    named = f"{node.name}的路灯坏了三天没人修，{loaded.nodes[node.street].name}打过电话了"
    none = "小区门口的路灯坏了三天没人修，物业说要等，孩子放学回来看不见路，请有关部门尽快处理。" * 8
    cases: tuple[tuple[str, dict[str, Any]], ...] = (
        (f"{len(none)} characters without a place", {"text": none}),
        (f"{len(named)} characters, two names", {"text": named}),
        ("the same and a point", {"text": named, "lat": (south + north) / 2, "long": (west + east) / 2}),
    )
    for what, arguments in cases:
        yield f"{what}: {_per_call(lambda a=arguments: loaded.locate(**a), 5000):.1f} µs"


def _per_call(call: Any, times: int) -> float:
    best = float("inf")
    for _ in range(3):
        started = time.process_time()
        for _ in range(times):
            call()
        best = min(best, time.process_time() - started)
    return best / times * 1e6


def invented(count: int, seed: int = 1) -> list[tuple[str, str, dict[str, Any]]]:
    """`count` polygons that cover a town without gap or overlap: cells with crooked sides, 20 corners each."""
    random_ = random.Random(seed)
    across = max(1, round(count**0.5))
    rows = -(-count // across)
    size = 0.12 / across
    corners = {
        (x, y): (
            120.0 + (x + random_.uniform(-0.3, 0.3)) * size,
            26.85 + (y + random_.uniform(-0.3, 0.3)) * size,
        )
        for x in range(across + 1)
        for y in range(rows + 1)
    }
    sides: dict[tuple[tuple[int, int], tuple[int, int]], list[tuple[float, float]]] = {}

    def side(a: tuple[int, int], b: tuple[int, int]) -> list[tuple[float, float]]:
        if (b, a) in sides:
            return sides[b, a][::-1]
        if (a, b) not in sides:
            (x1, y1), (x2, y2) = corners[a], corners[b]
            between = [
                (
                    x1 + (x2 - x1) * t / 5 + random_.uniform(-0.05, 0.05) * size,
                    y1 + (y2 - y1) * t / 5 + random_.uniform(-0.05, 0.05) * size,
                )
                for t in range(1, 5)
            ]
            sides[a, b] = [corners[a], *between, corners[b]]
        return sides[a, b]

    out: list[tuple[str, str, dict[str, Any]]] = []
    for n in range(count):
        x, y = n % across, n // across
        ring: list[tuple[float, float]] = []
        around = [(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1), (x, y)]
        for a, b in itertools.pairwise(around):
            ring += side(a, b)[:-1]
        out.append((f"G{n:05}", "compound", {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}))
    return out


def points(grids: int, count: int) -> Iterator[str]:
    """µs a look-up of a point, with a tenth, all, and ten times as many polygons."""
    random_ = random.Random(2)
    for many in (max(1, grids // 10), grids, grids * 10):
        polygons = invented(many)
        started = time.process_time()
        areas = Areas(Plane(26.9, 120.05), polygons)
        loaded = time.process_time() - started
        asked = [(random_.uniform(26.85, 26.97), random_.uniform(120.0, 120.12)) for _ in range(count)]
        started = time.process_time()
        inside = near = 0
        for lat, long in asked:
            hits = areas.at(lat, long)
            inside += bool(hits) and not hits[0].metres
            near += bool(hits) and bool(hits[0].metres)
        took = (time.process_time() - started) / count * 1e6
        started = time.process_time()
        for lat, long in asked[: count // 10]:
            areas.nearest(lat, long)
        nearest = (time.process_time() - started) / max(1, count // 10) * 1e6
        yield (
            f"{many} polygons, {count} points: {took:.1f} µs a point ({inside} inside, {near} beside), "
            f"nearest {nearest:.1f} µs; loaded in {loaded:.2f} s"
        )
