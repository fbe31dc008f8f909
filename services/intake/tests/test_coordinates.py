"""Conversions between coordinate systems: against another implementation, and there and back."""

from __future__ import annotations

from math import cos, hypot, radians

import pytest
from coordTransform import coordTransform as oracle  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from jiayuan.intake import coordinates
from jiayuan.intake.coordinates import Point

pytestmark = pytest.mark.unit

LAT = st.floats(4, 53.5, allow_nan=False)
LONG = st.floats(73.7, 135, allow_nan=False)


def _metres(a: Point, b: Point) -> float:
    return 6378245 * hypot(radians(a[0] - b[0]), radians(a[1] - b[1]) * cos(radians(a[0])))


@given(LAT, LONG)
def test_the_shifts_are_those_of_another_implementation(lat: float, long: float) -> None:
    theirs = oracle.wgs84_to_gcj02(long, lat)[::-1]
    assert _metres(coordinates.wgs84_to_gcj02(lat, long), theirs) < 1e-6
    theirs = oracle.gcj02_to_bd09(long, lat)[::-1]
    assert _metres(coordinates.gcj02_to_bd09(lat, long), theirs) < 1e-6
    theirs = oracle.wgs84_to_bd09(long, lat)[::-1]
    assert _metres(coordinates.wgs84_to_bd09(lat, long), theirs) < 1e-6


@given(LAT, LONG)
def test_the_inverses_leave_less_than_a_micrometre(lat: float, long: float) -> None:
    back = coordinates.wgs84_to_gcj02(*coordinates.to_wgs84(lat, long, coordinates.GCJ02))
    assert _metres(back, (lat, long)) < 1e-6
    back = coordinates.gcj02_to_bd09(*coordinates.bd09_to_gcj02(lat, long))
    assert _metres(back, (lat, long)) < 1e-6
    back = coordinates.wgs84_to_bd09(*coordinates.to_wgs84(lat, long, coordinates.BD09))
    assert _metres(back, (lat, long)) < 1e-6


@given(LAT, LONG)
def test_a_point_comes_back_from_either_map(lat: float, long: float) -> None:
    for system, there in (
        (coordinates.WGS84, (lat, long)),
        (coordinates.GCJ02, coordinates.wgs84_to_gcj02(lat, long)),
        (coordinates.BD09, coordinates.wgs84_to_bd09(lat, long)),
    ):
        assert _metres(coordinates.to_wgs84(*there, system), (lat, long)) < 1e-6, system


def test_the_usual_inverse_is_off_by_more_than_a_hand() -> None:
    lat, long = 26.882068, 120.005214  # Xiapu, as AMap's boundary files have it
    usual = oracle.gcj02_to_wgs84(long, lat)[::-1]
    assert _metres(usual, coordinates.to_wgs84(lat, long, "gcj02")) > 0.1
    assert _metres((lat, long), coordinates.to_wgs84(lat, long, "gcj02")) > 400


def test_elsewhere_nothing_is_shifted() -> None:
    boston = (42.3594, -71.0587)
    assert coordinates.wgs84_to_gcj02(*boston) == boston
    assert coordinates.to_wgs84(*boston, "gcj02") == boston


def test_an_unknown_system_is_named() -> None:
    with pytest.raises(ValueError, match=r"cgcs2000.*allowed: wgs84, gcj02, bd09"):
        coordinates.to_wgs84(26.9, 120.0, "cgcs2000")
