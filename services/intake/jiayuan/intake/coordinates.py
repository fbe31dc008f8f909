"""Coordinates of China's maps: WGS-84 (GPS), GCJ-02 (AMap, Tencent, WeChat) and BD-09 (Baidu).

GCJ-02 shifts a point by 100 to 700 m, BD-09 shifts that once more. The formulas are those that have been public since
2012 (eviltransform, PRCoords); nobody publishes an inverse, and the usual one, which subtracts the shift of the
shifted point, is off by a metre or two. Here it is iterated to the end of a double's precision. Latitudes and
longitudes are degrees; outside of China's box nothing is shifted.
"""

from __future__ import annotations

from collections.abc import Callable
from math import atan2, cos, hypot, pi, sin, sqrt
from typing import Final

WGS84: Final = "wgs84"
GCJ02: Final = "gcj02"
BD09: Final = "bd09"
SYSTEMS: Final = (WGS84, GCJ02, BD09)

_A: Final = 6378245.0  # Krasovsky 1940: half of the greater axis, in metres
_EE: Final = 0.00669342162296594323
_X_PI: Final = pi * 3000.0 / 180.0
# Degrees, some 0.1 µm on the ground: below what doubles of this size can tell apart twice over.
_ENOUGH: Final = 1e-12
_MOST_STEPS: Final = 30

Point = tuple[float, float]


def in_china(lat: float, long: float) -> bool:
    """Whether the shift is applied. It is a box, generous at the edges; what it adds to China is sea and neighbours."""
    return 72.004 <= long <= 137.8347 and 0.8293 <= lat <= 55.8271


def to_wgs84(lat: float, long: float, system: str) -> Point:
    """(lat, long) in WGS-84 of a point in one of SYSTEMS. ValueError names an unknown system."""
    if system == WGS84:
        return lat, long
    if system == GCJ02:
        return gcj02_to_wgs84(lat, long)
    if system == BD09:
        return gcj02_to_wgs84(*bd09_to_gcj02(lat, long))
    raise ValueError(f"{system!r} is no known coordinate system; allowed: {', '.join(SYSTEMS)}")


def from_wgs84(lat: float, long: float, system: str) -> Point:
    """(lat, long) in one of SYSTEMS of a point in WGS-84. ValueError names an unknown system."""
    if system == WGS84:
        return lat, long
    if system == GCJ02:
        return wgs84_to_gcj02(lat, long)
    if system == BD09:
        return wgs84_to_bd09(lat, long)
    raise ValueError(f"{system!r} is no known coordinate system; allowed: {', '.join(SYSTEMS)}")


def wgs84_to_gcj02(lat: float, long: float) -> Point:
    """Shifts a GPS point as Chinese maps do."""
    if not in_china(lat, long):
        return lat, long
    x, y = long - 105.0, lat - 35.0
    root = 0.1 * sqrt(abs(x))
    waves = 20.0 * sin(6.0 * x * pi) + 20.0 * sin(2.0 * x * pi)
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 2.0 * root
    north += (
        waves
        + 20.0 * sin(y * pi)
        + 40.0 * sin(y / 3.0 * pi)
        + 160.0 * sin(y / 12.0 * pi)
        + 320.0 * sin(y / 30.0 * pi)
    ) * (2.0 / 3.0)
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + root
    east += (
        waves
        + 20.0 * sin(x * pi)
        + 40.0 * sin(x / 3.0 * pi)
        + 150.0 * sin(x / 12.0 * pi)
        + 300.0 * sin(x / 30.0 * pi)
    ) * (2.0 / 3.0)
    slope = lat / 180.0 * pi
    magic = 1.0 - _EE * sin(slope) ** 2
    north = north * 180.0 / (_A * (1.0 - _EE) / (magic * sqrt(magic)) * pi)
    east = east * 180.0 / (_A / sqrt(magic) * cos(slope) * pi)
    return lat + north, long + east


def gcj02_to_bd09(lat: float, long: float) -> Point:
    """Baidu's second shift."""
    z = hypot(long, lat) + 0.00002 * sin(lat * _X_PI)
    angle = atan2(lat, long) + 0.000003 * cos(long * _X_PI)
    return z * sin(angle) + 0.006, z * cos(angle) + 0.0065


def wgs84_to_bd09(lat: float, long: float) -> Point:
    """Both shifts."""
    return gcj02_to_bd09(*wgs84_to_gcj02(lat, long))


def gcj02_to_wgs84(lat: float, long: float) -> Point:
    """The GPS point of a point on a Chinese map, exact to the precision of a double."""
    if not in_china(lat, long):
        return lat, long
    return _inverse(wgs84_to_gcj02, lat, long)


def bd09_to_gcj02(lat: float, long: float) -> Point:
    """Takes Baidu's second shift off, exact to the precision of a double."""
    return _inverse(gcj02_to_bd09, lat, long)


def _inverse(shift: Callable[[float, float], Point], lat: float, long: float) -> Point:
    """The point that `shift` brings to (lat, long): the shift hardly changes within its own length, so that each step
    of the fixed-point iteration gains three digits or more."""
    y, x = lat, long
    for _ in range(_MOST_STEPS):
        north, east = shift(y, x)
        dy, dx = north - lat, east - long
        y, x = y - dy, x - dx
        if abs(dy) < _ENOUGH and abs(dx) < _ENOUGH:
            break
    return y, x
