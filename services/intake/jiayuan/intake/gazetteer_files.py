"""Reading a gazetteer from files: CSV, XLSX, GeoJSON, and documents in YAML or JSON; and checking it as a whole.

Whatever is wrong is a `Finding` that names the file and line or the code, what is wrong and what is allowed; reading
goes on, so that all of it is told at once.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

import yaml

from . import address, coordinates, gazetteer, service_points
from .area import Plane, geometry
from .gazetteer import GRIDS, KINDS, PARENTS, split
from .text import normal

_COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "code": ("code", "代码", "编码", "区划代码", "网格编码", "网格代码", "adcode"),
    "name": ("name", "名称", "网格名称"),
    "kind": ("kind", "类别", "类型", "级别"),
    "parent": ("parent", "streetcode", "上级", "上级代码", "所属社区", "所属街道"),
    "official": ("official", "全称"),
    "aliases": ("aliases", "别名", "俗称"),
    "old_names": ("old_names", "旧名", "曾用名", "原名"),
    "roads": ("roads", "道路", "街巷"),
    "hamlets": ("hamlets", "自然村"),
    "buildings": ("buildings", "楼栋", "楼号"),
    "lat": ("lat", "latitude", "纬度"),
    "long": ("long", "lng", "lon", "longitude", "经度"),
    "services": ("services", "服务", "服务项目"),
    "hours": ("hours", "开放时间", "服务时间"),
    "capacity": ("capacity", "容量", "可容纳", "同时接待"),
    "address": ("address", "地址"),
    "street": ("street", "街道代码"),
    "community": ("community", "社区代码"),
    "open_from": ("open_from", "启用日期"),
    "open_until": ("open_until", "停用日期"),
}  # fmt: skip
_KNOWN: Final = {name: field for field, names in _COLUMNS.items() for name in names}
_LISTS: Final = ("aliases", "old_names", "roads", "hamlets", "buildings", "services")
_OF_POINTS: Final = frozenset(("services", "hours", "capacity"))
_KIND_WORDS: Final = {
    "street": ("street", "街道", "镇", "乡", "街道办"),
    "community": ("community", "社区"),
    "village": ("village", "村", "行政村"),
    "compound": ("compound", "小区", "小区网格", "网格", "grid"),
    "building": ("building", "楼栋", "楼栋网格"),
}
_OVERLAP_M2: Final = 25.0  # what two drawings of one boundary differ by
_OVERLAP_PART: Final = 0.01
_OUTSIDE_PART: Final = 0.05


# What a file that has not the form it should have leads to, somewhere in the reading of it.
_BROKEN: Final = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RecursionError,
    yaml.YAMLError,
    csv.Error,
    BadZipFile,
)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong. A fatal one keeps the gazetteer from being imported."""

    where: str
    problem: str
    allowed: str = ""
    fatal: bool = True

    def __str__(self) -> str:
        """One line for a terminal."""
        said = f"{self.where}: {self.problem}" + (f" ({self.allowed})" if self.allowed else "")
        return said if self.fatal else f"{said} [warning]"


class Draft:
    """A gazetteer in the making: a base, and what files add to it or change in it, by code."""

    def __init__(self, base: Mapping[str, Any], *, fresh: bool = False) -> None:
        """`fresh`: only the county is taken from `base`."""
        flat = gazetteer.flat(base)
        self.county: dict[str, Any] = dict(flat["county"])
        self.county["code"] = str(self.county["code"])
        self.places: dict[str, dict[str, Any]] = {} if fresh else {p["code"]: dict(p) for p in flat["places"]}
        self.points: dict[str, dict[str, Any]] = {}
        self.findings: list[Finding] = []
        self._gone = {p["code"] for p in flat["places"]} if fresh else set()

    def note(self, where: str, problem: str, allowed: str = "", *, fatal: bool = True) -> None:
        """Adds a finding."""
        self.findings.append(Finding(where, problem, allowed, fatal))

    def read(self, path: Path, crs: str = coordinates.WGS84) -> None:
        """Adds what a file says. Coordinates in it are of `crs`."""
        reader = _READERS.get(path.suffix.lower())
        if reader is None:
            self.note(path.name, "is of no known kind", "an ending of " + ", ".join(sorted(_READERS)))
            return
        try:
            reader(self, path, crs)
        except _BROKEN as error:
            said = "" if isinstance(error, ValueError | OSError) else f"{type(error).__name__}: "
            self.note(path.name, f"can't be read: {said}{' '.join(str(error).split())[:300]}")

    def document(self, version: str) -> dict[str, Any]:
        """The flat document, places in the order of their kinds and codes."""
        order = {kind: n for n, kind in enumerate(KINDS)}
        places = sorted(self.places.values(), key=lambda p: (order.get(p["kind"], 9), p["code"]))
        return {"version": version, "county": self.county, "places": places}

    # -- rows --------------------------------------------------------------------------------------

    def rows(self, name: str, rows: Iterable[tuple[str, Mapping[str, Any]]], crs: str) -> None:
        """Adds rows of a table: (where, {column: cell})."""
        seen: dict[str, str] = {}
        for where, raw in rows:
            row = {
                field: value
                for column, cell in raw.items()
                if (field := _KNOWN.get(str(column or "").strip().lower())) and (value := _cell(cell))
            }
            if not row:
                continue
            code = row.get("code", "")
            if not code or not row.get("name"):
                self.note(f"{name} {where}", f"has no {'code' if not code else 'name'}", "both are needed")
                continue
            if code in seen:
                self.note(f"{name} {where}", f"code {code} is in {seen[code]} already", "a code once a file")
                continue
            seen[code] = where
            if _OF_POINTS & {_KNOWN.get(str(c or "").strip().lower()) for c in raw}:
                self.point(f"{name} {where}", row, crs)
            else:
                self.place(f"{name} {where}", row, crs)

    def place(self, where: str, row: Mapping[str, str], crs: str) -> None:
        """Adds or changes a place."""
        code, name = row["code"], row["name"]
        kind = self._kind(where, row)
        if kind is None:
            return
        plain = _plain_name(name, kind)
        entry = self.places.setdefault(code, {"code": code})
        entry |= {"name": plain, "kind": kind}
        if plain != name or row.get("official"):
            entry["official"] = row.get("official") or name
        if kind != "street":
            entry["parent"] = row.get("parent") or self._parent(code, kind)
        for field in _LISTS[:-1]:
            if row.get(field):
                entry[field] = split(row[field])
        if entry.get("roads"):
            entry["roads"] = [self._road(road) if isinstance(road, str) else road for road in entry["roads"]]
        where_is = self._position(where, row, crs)
        if where_is is not None:
            entry["centre"] = [where_is[1], where_is[0]]

    def _kind(self, where: str, row: Mapping[str, str]) -> str | None:
        code, word = row["code"], row.get("kind", "")
        if word:
            kind = next((k for k, words in _KIND_WORDS.items() if word in words), None)
            if kind is None:
                self.note(where, f"{word!r} is no kind of place", "街道、社区、村、小区、楼栋")
            return kind
        if code.isdigit() and len(code) == 9:
            return "street"
        if code.isdigit() and len(code) == 12:
            # 001 to 199 are communities, 200 to 399 villages: so the national codes say it.
            return "community" if code[9] in "01" else "village"
        parent = self.places.get(row.get("parent", ""))
        return "building" if parent is not None and parent["kind"] == "compound" else "compound"

    def _parent(self, code: str, kind: str) -> str:
        return code[:9] if kind in ("community", "village") else code[:12]

    @staticmethod
    def _road(written: str) -> str | dict[str, str]:
        """太康路(1-99单): a road with the numbers that are in the place."""
        name, mark, numbers = written.replace("（", "(").partition("(")
        return {"name": name.strip(), "numbers": numbers.rstrip("）) ")} if mark else written

    def _position(self, where: str, row: Mapping[str, str], crs: str) -> tuple[float, float] | None:
        given = [field for field in ("lat", "long") if row.get(field)]
        if not given:
            return None
        if len(given) == 1:
            self.note(where, f"has {given[0]} alone", "lat and long go together")
            return None
        try:
            lat, long = float(row["lat"]), float(row["long"])
        except ValueError:
            self.note(where, f"coordinates {row['lat']}, {row['long']} are no numbers", "degrees")
            return None
        lat, long = coordinates.to_wgs84(lat, long, crs)
        if not self._in_box(lat, long):
            swapped = self._in_box(long, lat)
            self.note(
                where,
                f"coordinates {lat:.6f}, {long:.6f} are outside the county"
                + ("; latitude and longitude are the wrong way round" if swapped else ""),
                f"longitude and latitude within {self.county['bbox']}",
            )
            return None
        return round(lat, 7), round(long, 7)

    def _in_box(self, lat: float, long: float) -> bool:
        west, south, east, north = self.county["bbox"]
        return bool(west <= long <= east and south <= lat <= north)

    def point(self, where: str, row: Mapping[str, Any], crs: str) -> None:
        """Adds a service point."""
        position = self._position(where, {k: str(v) for k, v in row.items() if k in ("lat", "long")}, crs)
        if position is None:
            if not (row.get("lat") or row.get("long")):
                self.note(where, "has no coordinates", "lat and long are needed to find the nearest")
            return
        out: dict[str, Any] = {
            "code": row["code"],
            "name": row["name"],
            "lat": position[0],
            "long": position[1],
        }
        reads: tuple[tuple[str, Callable[[Any], Any], Any], ...] = (
            ("kind", service_points.kind_of, row.get("kind") or ""),
            ("hours", service_points.hours_of, row.get("hours") or ""),
            ("capacity", _positive, row.get("capacity") or 1),
            ("open_from", _day, row.get("open_from")),
            ("open_until", _day, row.get("open_until")),
        )
        wrong = False
        for field, read, value in reads:
            try:
                out[field] = read(value)
            except ValueError as error:
                self.note(where, f"{field}: {error}")
                wrong = True
        if wrong:
            return
        services = row.get("services") or ()
        out["services"] = split(services) if isinstance(services, str) else [str(s) for s in services]
        for field in ("street", "community", "address"):
            out[field] = row.get(field) or ("" if field == "address" else None)
        if out["code"] in self.points:
            self.note(where, f"code {out['code']} is used by another service point", "a code once")
            return
        self.points[out["code"]] = out

    # -- polygons ----------------------------------------------------------------------------------

    def feature(self, where: str, feature: Mapping[str, Any], crs: str) -> None:
        """Adds a GeoJSON feature: an area of a place that is known by its code or is told whole, or a service point."""
        said = feature.get("properties") or {}
        row = {
            field: value
            for key, cell in said.items()
            if (field := _KNOWN.get(str(key).lower()))
            and (value := cell if isinstance(cell, list | dict) else _cell(cell))
        }
        shape = feature.get("geometry") or {}
        code = str(row.get("code") or feature.get("id") or "")
        if not code:
            self.note(where, "has no code", "a property code, adcode, 代码 or 网格编码")
            return
        row["code"] = code
        if shape.get("type") == "Point":
            long, lat = shape["coordinates"][:2]
            self.point(where, {**row, "lat": lat, "long": long, "name": row.get("name") or code}, crs)
            return
        area = _converted(shape, crs)
        try:
            geometry(area)
        except ValueError as error:
            self.note(f"{where} ({code})", f"its geometry {error}")
            return
        if code == self.county["code"]:
            self._outline(said, area, crs)
            return
        if code not in self.places:
            if not row.get("name"):
                self.note(
                    f"{where} ({code})",
                    "is in no list, and has no name",
                    "list it first, or give name and parent",
                )
                return
            self.place(f"{where} ({code})", {k: v for k, v in row.items() if isinstance(v, str)}, crs)
        if code in self.places:
            self.places[code]["area"] = area

    def _outline(self, said: Mapping[str, Any], area: dict[str, Any], crs: str) -> None:
        self.county["area"] = area
        west, south, east, north = geometry(area).bounds
        self.county["bbox"] = [round(v, 4) for v in (west - 0.02, south - 0.02, east + 0.02, north + 0.02)]
        # Maps open in the middle of the county: who sends that point has chosen none. It comes as the file has it and
        # as GPS would, since a client may take the one for the other.
        middles = [said[k] for k in ("center", "centroid", "cp") if isinstance(said.get(k), list)]
        points = {(round(float(m[1]), 6), round(float(m[0]), 6)) for m in middles}
        points |= {tuple(round(v, 6) for v in coordinates.to_wgs84(*p, crs)) for p in points}  # type: ignore[misc]
        self.county["defaults"] = [list(p) for p in sorted(points)]

    # -- all of it ---------------------------------------------------------------------------------

    def check(self) -> list[Finding]:
        """Everything that is wrong, with what was found while reading."""
        self._check_tree()
        self._check_words()
        self._check_areas()
        return self.findings

    def _check_tree(self) -> None:
        order = {kind: n for n, kind in enumerate(KINDS)}
        for code, place in sorted(self.places.items()):
            kind = place.get("kind")
            if kind not in order:
                self.note(code, f"{kind!r} is no kind of place", "、".join(KINDS))
                continue
            if not code.startswith(self.county["code"]):
                self.note(code, "is outside the county", f"{self.county['code']}…")
            if kind == "street":
                continue
            parent = self.places.get(place.get("parent") or "")
            if parent is None:
                gone = (
                    " (it is in the gazetteer in force, which --fresh leaves out)"
                    if place.get("parent") in self._gone
                    else ""
                )
                self.note(code, f"its parent {place.get('parent')!r} is unknown{gone}", "a code of the list")
            elif parent["kind"] not in PARENTS[kind]:
                self.note(
                    code,
                    f"a {kind} can't lie in the {parent['kind']} {parent['code']}",
                    " or ".join(PARENTS[kind]),
                )
            try:
                address.buildings_of(place.get("buildings") or ())
            except ValueError as error:
                self.note(code, f"buildings: {error}")

    def _check_words(self) -> None:
        said: dict[str, list[str]] = {}
        roads: dict[str, list[tuple[str, tuple[address.Range, ...]]]] = {}
        buildings: dict[tuple[str, str], str] = {}
        for code, place in sorted(self.places.items()):
            for word in {
                normal(w)
                for w in (place["name"], *(place.get("aliases") or ()), *(place.get("old_names") or ()))
            }:
                said.setdefault(word, []).append(code)
            for entry in place.get("roads") or ():
                try:
                    name, ranges = gazetteer.road(entry)
                except (ValueError, KeyError) as error:
                    self.note(code, f"roads: {error}")
                    continue
                roads.setdefault(name, []).append((code, ranges))
            if place["kind"] in GRIDS:
                try:
                    numbers = address.buildings_of(place.get("buildings") or ())
                except ValueError:
                    continue
                for number in sorted(numbers):
                    first = buildings.setdefault((place.get("parent") or "", number), code)
                    if first != code and self.places[first]["kind"] == place["kind"] == "building":
                        self.note(code, f"building {number} is in {first} too", "a building in one grid")
        for word, codes in sorted(said.items()):
            if len(codes) > 1:
                self.note(
                    "、".join(codes),
                    f"share the name {word}: without its street it is asked which",
                    fatal=False,
                )
        for name, uses in sorted(roads.items()):
            for n, (code, ranges) in enumerate(uses):
                for other, others in uses[n + 1 :]:
                    if any(a.meets(b) for a in ranges for b in others):
                        self.note(f"{code}、{other}", f"both have numbers of {name}", "a number in one place")

    def _check_areas(self) -> None:
        drawn = [p for p in self.places.values() if p.get("area")]
        if not drawn and not self.county.get("area"):
            return
        import shapely

        west, south, east, north = self.county["bbox"]
        plane = Plane((south + north) / 2, (west + east) / 2)
        shapes: dict[str, Any] = {}
        every = [(p["code"], p["area"]) for p in drawn]
        if self.county.get("area"):
            every.append((self.county["code"], self.county["area"]))
        for code, document in every:
            try:
                made = plane.project(geometry(document))
            except ValueError as error:
                self.note(code, f"its geometry {error}")
                continue
            if not made.is_valid:
                self.note(code, f"its polygon is invalid: {_why_invalid(document)}")
                continue
            shapes[code] = made
        for code, made in sorted(shapes.items()):
            place = self.places.get(code)
            above = place.get("parent") or self.county["code"] if place else ""
            if above in shapes:
                outside = made.difference(shapes[above].buffer(1.0)).area / made.area
                if outside > _OUTSIDE_PART:
                    self.note(code, f"{outside:.0%} of it lies outside of {above}", fatal=outside > 0.5)
        for kinds in (("street",), ("community", "village"), ("compound",), ("building",)):
            codes = sorted(c for c in shapes if c in self.places and self.places[c]["kind"] in kinds)
            tree = shapely.STRtree([shapes[c] for c in codes])
            for i, code in enumerate(codes):
                for j in sorted(tree.query(shapes[code], predicate="intersects")):
                    if j > i:
                        both = shapes[code].intersection(shapes[codes[j]]).area
                        part = both / min(shapes[code].area, shapes[codes[j]].area)
                        if both > _OVERLAP_M2 and part > _OVERLAP_PART:
                            self.note(
                                f"{code}、{codes[j]}", f"overlap by {both:.0f} m² ({part:.0%} of the smaller)"
                            )


def _why_invalid(document: Mapping[str, Any]) -> str:
    from shapely.validation import explain_validity

    return str(explain_validity(geometry(document)))  # in degrees, as in the file


def _converted(shape: Mapping[str, Any], crs: str) -> dict[str, Any]:
    def walk(value: Any) -> Any:
        if value and isinstance(value[0], int | float):
            lat, long = coordinates.to_wgs84(float(value[1]), float(value[0]), crs)
            return [round(long, 7), round(lat, 7)]
        return [walk(v) for v in value]

    return {"type": shape.get("type"), "coordinates": walk(shape.get("coordinates") or [])}


def _cell(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))  # a code that a spreadsheet took for a number
    return normal(str(cell))


def _plain_name(name: str, kind: str) -> str:
    """What people say of what is officially written: 竹江村 of 竹江村委会, 利埕社区 of 利埕居委会."""
    if kind not in ("community", "village"):
        return name
    plain = name
    for suffix in ("社区居民委员会", "社区居委会", "居民委员会", "居委会", "村民委员会", "村委会"):
        if plain.endswith(suffix) and len(plain) > len(suffix):
            plain = plain.removesuffix(suffix)
            break
    ending = "社区" if kind == "community" else "村"
    # 下村村委会 is the committee of 下村, 竹江村委会 that of 竹江村.
    return plain if plain.endswith(ending) else plain + ending


def _positive(value: Any) -> int:
    try:
        number = int(str(value))
    except ValueError:
        raise ValueError(f"{value!r} is no number; allowed: 1 and more") from None
    if number < 1:
        raise ValueError(f"{number} is too small; allowed: 1 and more")
    return number


def _day(value: Any) -> str | None:
    if not value:
        return None
    try:
        return date.fromisoformat(str(value)[:10].replace("/", "-")).isoformat()
    except ValueError:
        raise ValueError(f"{value!r} is no day; allowed: 2026-03-01") from None


# -- kinds of files ----------------------------------------------------------------------------------


def _csv(draft: Draft, path: Path, crs: str) -> None:
    raw = path.read_bytes()
    try:
        content = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        content = raw.decode("gb18030")
    reader = csv.DictReader(io.StringIO(content, newline=""))
    _check_columns(draft, path, reader.fieldnames or ())
    draft.rows(path.name, ((f"line {reader.line_num}", row) for row in reader), crs)


def _xlsx(draft: Draft, path: Path, crs: str) -> None:
    import openpyxl

    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    for sheet in book.worksheets:
        lines = sheet.iter_rows(values_only=True)
        head = next(lines, None)
        if head is None or all(c is None for c in head):
            continue
        columns = [str(c or "") for c in head]
        _check_columns(draft, path, columns)

        def rows(
            lines: Iterator[Sequence[Any]] = lines, columns: list[str] = columns
        ) -> Iterator[tuple[str, Any]]:
            for number, cells in enumerate(lines, 2):
                yield f"line {number}", dict(zip(columns, cells, strict=False))

        draft.rows(f"{path.name} {sheet.title}", rows(), crs)


def _check_columns(draft: Draft, path: Path, columns: Iterable[str]) -> None:
    known = {_KNOWN.get(str(c).strip().lower()) for c in columns}
    for needed in ("code", "name"):
        if needed not in known:
            draft.note(path.name, f"has no column {needed}", " or ".join(_COLUMNS[needed]))


def _json(draft: Draft, path: Path, crs: str) -> None:
    document = json.loads(path.read_bytes())
    if not isinstance(document, dict):
        raise ValueError("it holds no object; allowed: GeoJSON, or a gazetteer document")
    if document.get("type") == "Feature":
        document = {"type": "FeatureCollection", "features": [document]}
    if document.get("type") != "FeatureCollection":
        _document(draft, path, document, crs)
        return
    seen: dict[str, int] = {}
    for number, feature in enumerate(document.get("features") or (), 1):
        said = feature.get("properties") or {}
        code = str(
            next((said[k] for k in said if _KNOWN.get(str(k).lower()) == "code"), feature.get("id") or "")
        )
        if code and code in seen:
            draft.note(
                f"{path.name} feature {number}", f"code {code} is feature {seen[code]} already", "a code once"
            )
            continue
        seen[code] = number
        draft.feature(f"{path.name} feature {number}", feature, crs)


def _yaml(draft: Draft, path: Path, crs: str) -> None:
    document = yaml.load(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    _document(draft, path, document, crs)


def _document(draft: Draft, path: Path, document: Any, crs: str) -> None:
    if not isinstance(document, dict) or "county" not in document:
        raise ValueError("it is no gazetteer document; allowed: version, county, streets or places")
    if crs != coordinates.WGS84:
        raise ValueError("a document's coordinates are WGS-84; --crs is for lists and GeoJSON")
    flat = gazetteer.flat({"version": "", **document})
    county = draft.county | flat["county"]
    west, south, east, north = county["bbox"]
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise ValueError(
            f"county.bbox {county['bbox']} is none; allowed: [west, south, east, north] in degrees"
        )
    if not isinstance(county.get("official") or "", str):
        raise ValueError(f"county.official {county['official']!r} is no name")
    for field in ("aliases", "old_names", "above"):
        names = county.get(field) or []
        if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
            raise ValueError(f"county.{field} {names!r} is no list of names")
    draft.county = county | {"code": str(county["code"]), "name": str(county["name"])}
    seen: set[str] = set()
    for place in flat["places"]:
        code = str(place.get("code") or "")
        wrong = _malformed(place)
        if wrong:
            draft.note(f"{path.name} {code or place.get('name') or '?'}", *wrong)
            continue
        if code in seen:
            draft.note(path.name, f"code {code} is there twice", "a code once")
        seen.add(code)
        draft.places[code] = draft.places.get(code, {}) | {**place, "code": code}
    for point in document.get("service_points") or ():
        draft.point(f"{path.name} {point.get('code')}", point, crs)


def _malformed(place: Mapping[str, Any]) -> tuple[str, str] | None:
    """What is wrong with the form of a document's place, and what is allowed."""
    for field in ("code", "name", "kind", "parent"):
        value = place.get(field)
        if field == "parent" and value is None:
            continue
        if not value or not isinstance(value, str):
            return f"{field} is {value!r}", "a text"
    for field in (*_LISTS[:-1], "hamlets"):
        items = place.get(field) or []
        if not isinstance(items, list):
            return f"{field} is no list", "a list of texts"
        for item in items:
            named = item.get("name") if field == "roads" and isinstance(item, dict) else item
            if not named or not isinstance(named, str) or not named.strip():
                return f"{field} holds {item!r}", "texts; a road may be {name, numbers, grid}"
    centre = place.get("centre")
    if centre is not None and not (
        isinstance(centre, list)
        and len(centre) == 2
        and all(isinstance(c, int | float) and abs(c) <= 180 for c in centre)
    ):
        return f"centre is {centre!r}", "[longitude, latitude]"
    if not isinstance(place.get("area") or {}, dict):
        return "area is no GeoJSON geometry", "a Polygon or MultiPolygon"
    return None


_READERS: Final[dict[str, Callable[[Draft, Path, str], None]]] = {
    ".csv": _csv,
    ".xlsx": _xlsx,
    ".geojson": _json,
    ".json": _json,
    ".yaml": _yaml,
    ".yml": _yaml,
}
