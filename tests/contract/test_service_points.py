"""Intake books slots at service points, routing sends people there: both mean the same by their words."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from jiayuan.intake import booking, place, service_points
from jiayuan.intake.gazetteer_files import Draft
from jiayuan.routing.directory import POINT_KINDS, bundled, read
from jiayuan.routing.directory import points as routing_points
from jiayuan.routing.directory.sheets import BY_NAME
from jiayuan.routing.directory.workbook import save
from jiayuan.routing.seed import More, seed

pytestmark = pytest.mark.unit


def test_kinds_and_their_names() -> None:
    assert set(POINT_KINDS) == set(service_points.KINDS)
    kind = next(c for c in BY_NAME["服务点"].columns if c.name == "kind")
    assert dict(kind.words) == service_points.KIND_NAMES


def test_far_and_open_are_the_same() -> None:
    assert routing_points.CIRCLE_MINUTES == service_points.CIRCLE_MINUTES
    document = seed(bundled("places"), bundled("units")["units"], 120, 600, 1, More())
    ours = read(document).points.values()
    theirs = [
        booking.Point(
            p["code"],
            p["name"],
            p["kind"],
            p["lat"],
            p["long"],
            tuple(p["services"]),
            service_points.hours_of(p["hours"]),
            p["capacity"],
        )
        for p in document["points"]
    ]
    for hour in (0, 1, 7, 11, 13):
        at = datetime(2026, 3, 7, hour, 30, tzinfo=UTC)
        mine = routing_points.nearest(ours, 26.88, 120.0, at, closed_too=True, most=50)
        other = service_points.near(theirs, 26.88, 120.0, at, closed_too=True, most=50)
        assert [(n.point.code, n.metres, n.minutes, n.open) for n in mine] == [
            (n.point.code, n.metres, n.minutes, n.open) for n in other
        ]


def test_intake_takes_the_sheet_of_service_points_as_it_is(tmp_path: Path) -> None:
    document = seed(bundled("places"), bundled("units")["units"], 120, 600, 1, More())
    save(tmp_path / "points.xlsx", document, {}, ["服务点"])
    draft = Draft(place.document())
    draft.read(tmp_path / "points.xlsx")
    assert set(draft.points) == {p["code"] for p in document["points"]}
    assert draft.findings == []
