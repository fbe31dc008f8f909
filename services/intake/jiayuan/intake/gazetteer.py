"""The gazetteer as a document: its form, where it is read from, and what can be wrong with it.

A document has a version, a county and a flat list of places, each with a code that is the key (names repeat: 东关社区,
东关村), a kind and a parent. It may be written nested, as `data/xiapu.yaml` is, and comes from several files at once:
lists of streets, communities and grids as CSV, polygons as GeoJSON. Coordinates in it are WGS-84 degrees.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from .address import Range, range_of

KINDS: Final = ("street", "community", "village", "compound", "building")
GRIDS: Final = ("compound", "building")
PARENTS: Final = {
    "street": (),
    "community": ("street",),
    "village": ("street",),
    "compound": ("community", "village"),
    "building": ("compound", "community", "village"),
}
_PEOPLES: Final = tuple(
    f"{people}族"
    for people in ("畲 回 满 苗 壮 侗 瑶 彝 藏 蒙古 土家 布依 朝鲜 白 傣 黎 水 羌 土 仡佬 各").split()  # noqa: SIM905
)


def grid_code(place: str, number: int) -> str:
    """The code of a compound's grid: that of its community, and its number in the gazetteer's order from 1."""
    return f"{place}-G{number:02}"


def stem(name: str) -> str:
    """What is left of a name without its suffix: 龙津 of 龙津社区, 盐田 of 盐田畲族乡."""
    for suffix in ("社区", "街道", "村", "镇", "乡"):
        if name.endswith(suffix) and len(name) > len(suffix):
            name = name.removesuffix(suffix)
            break
    for people in _PEOPLES:
        if name.endswith(people) and len(name) > len(people):
            return name.removesuffix(people)
    return name


def flat(document: Mapping[str, Any]) -> dict[str, Any]:
    """The flat form of a document: {version, county, places: [{code, name, kind, parent, …}, …]}."""
    if "places" in document:
        return dict(document)
    places: list[dict[str, Any]] = []
    for street in document.get("streets") or ():
        own = {k: v for k, v in street.items() if k != "places"}
        places.append({**own, "code": str(street["code"]), "kind": "street"})
        for place in street.get("places") or ():
            code = str(place["code"])
            kept = {k: v for k, v in place.items() if k != "compounds"}
            places.append({**kept, "code": code, "parent": str(street["code"])})
            for number, compound in enumerate(place.get("compounds") or (), 1):
                about = dict(compound) if isinstance(compound, Mapping) else {"name": compound}
                about.setdefault("code", grid_code(code, number))
                places.append({**about, "kind": "compound", "parent": code})
    return {"version": str(document["version"]), "county": dict(document["county"]), "places": places}


def road(entry: str | Mapping[str, Any]) -> tuple[str, tuple[Range, ...]]:
    """Name and number ranges of a road: `听雨街`, or {name: 听雨街, numbers: 1-99单、2-40双}. ValueError."""
    if isinstance(entry, str):
        return entry, ()
    numbers = entry.get("numbers") or ()
    items = split(numbers) if isinstance(numbers, str) else [str(n) for n in numbers]
    return str(entry["name"]), tuple(range_of(item) for item in items)


def split(cell: str) -> list[str]:
    """The items of a cell: they are separated by 、 ; ； | or line breaks."""
    return [item.strip() for item in re.split(r"[、;；|\n]", cell) if item.strip()]
