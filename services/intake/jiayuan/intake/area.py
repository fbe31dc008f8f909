"""Which grid a point lies in: polygons of streets, communities and grids, and the nearest of them.

shapely is imported with the first polygon and not before: it brings numpy along (21 MB, 0.2 s), which a county that
has drawn no polygons yet shouldn't pay for. Geometries are projected to metres around the middle of the county, so
that distances are true: a degree of longitude is a tenth shorter there than one of latitude.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

DEEPEST: Final = ("building", "compound", "village", "community", "street", "county")
EDGE_M: Final = 12.0  # what a telephone's position is off by under an open sky
NEAR_M: Final = 60.0  # a point this far out of every grid is still on its pavement
_EARTH: Final = 6371008.8


@dataclass(frozen=True, slots=True)
class Hit:
    """A polygon at or near a point: its code, 0 when the point is inside, else how many metres away it is."""

    code: str
    metres: float
    edge: bool = False  # inside, but so near to another one that a telephone can't tell


class Plane:
    """Degrees to metres and back, flat around (lat, long): true to a thousandth within 60 km."""

    def __init__(self, lat: float, long: float) -> None:
        self.lat, self.long = lat, long
        self._y = math.radians(1) * _EARTH
        self._x = self._y * math.cos(math.radians(lat))

    def metres(self, lat: float, long: float) -> tuple[float, float]:
        """(east, north) of the middle."""
        return (long - self.long) * self._x, (lat - self.lat) * self._y

    def project(self, geometry: Any) -> Any:
        """A shapely geometry of degrees (x is longitude) in metres."""
        import shapely

        return shapely.transform(
            geometry, lambda c: (c - (self.long, self.lat)) * (self._x, self._y), include_z=False
        )


def geometry(document: Mapping[str, Any]) -> Any:
    """A shapely polygon of a GeoJSON geometry. ValueError says what else it is, or what is wrong with it."""
    import shapely
    from shapely.geometry import shape

    kind = document.get("type")
    if kind not in ("Polygon", "MultiPolygon"):
        raise ValueError(f"is a {kind}; allowed: Polygon, MultiPolygon")
    try:
        made = shape(document)
    except (TypeError, ValueError, IndexError, AttributeError, shapely.errors.ShapelyError) as error:
        raise ValueError(f"can't be read: {error}") from None
    if made.is_empty:
        raise ValueError("is empty")
    west, south, east, north = made.bounds
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise ValueError("leaves the range of degrees; GeoJSON has the longitude first")
    return made


class Areas:
    """All polygons of a gazetteer: an STR-tree a level, the deepest asked first."""

    def __init__(self, plane: Plane, polygons: Iterable[tuple[str, str, Mapping[str, Any]]]) -> None:
        """`polygons`: (code, kind, GeoJSON geometry in WGS-84)."""
        import shapely

        self._shapely = shapely
        self._plane = plane
        levels: dict[str, tuple[list[str], list[Any]]] = {}
        for code, kind, document in polygons:
            codes, shapes = levels.setdefault(kind, ([], []))
            made = plane.project(geometry(document))
            shapely.prepare(made)
            codes.append(code)
            shapes.append(made)
        self._levels = [
            (codes, shapes, shapely.STRtree(shapes))
            for kind in DEEPEST
            for codes, shapes in [levels.get(kind, ([], []))]
            if codes
        ]
        self.kinds = frozenset(levels)

    def at(self, lat: float, long: float) -> list[Hit]:
        """The polygons that hold the point, of the deepest level that has one: several where they overlap. When
        there is none, what is within NEAR_M, nearest first. WGS-84 degrees."""
        shapely = self._shapely
        x, y = self._plane.metres(lat, long)
        for codes, shapes, tree in self._levels:
            # The boxes of what is near; then prepared polygons, whose cost hardly grows with their corners.
            close = tree.query(shapely.box(x - EDGE_M, y - EDGE_M, x + EDGE_M, y + EDGE_M))
            inside = [i for i in close if shapely.intersects_xy(shapes[i], x, y)]
            if inside:
                edge = False
                if len(close) > 1:
                    point = shapely.points(x, y)
                    edge = any(i not in inside and shapely.dwithin(shapes[i], point, EDGE_M) for i in close)
                return [Hit(codes[i], 0.0, edge) for i in sorted(inside)]
        return self._near(x, y)

    def _near(self, x: float, y: float) -> list[Hit]:
        shapely = self._shapely
        point = shapely.points(x, y)
        for codes, shapes, tree in self._levels:
            close = tree.query(point, predicate="dwithin", distance=NEAR_M)
            if len(close):
                found = [Hit(codes[i], float(shapely.distance(shapes[i], point))) for i in close]
                return sorted(found, key=lambda h: (h.metres, h.code))
        return []

    def nearest(self, lat: float, long: float) -> Hit | None:
        """The nearest polygon of the deepest level, however far."""
        if not self._levels:
            return None
        codes, shapes, tree = self._levels[0]
        point = self._shapely.points(*self._plane.metres(lat, long))
        index = int(tree.nearest(point))
        return Hit(codes[index], float(self._shapely.distance(shapes[index], point)))


class Outline:
    """The county's boundary, with `slack` metres around: outlines are drawn with a broad pen, and people fish."""

    def __init__(self, plane: Plane, document: Mapping[str, Any], slack: float) -> None:
        import shapely

        self._shapely, self._plane = shapely, plane
        self._shape = plane.project(geometry(document)).buffer(slack, quad_segs=2)
        shapely.prepare(self._shape)

    def holds(self, lat: float, long: float) -> bool:
        """Whether the point is in the county."""
        return bool(self._shapely.intersects_xy(self._shape, *self._plane.metres(lat, long)))
