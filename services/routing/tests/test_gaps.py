"""Every gap of a directory is named: one at a time, each by its kind and whose it is."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from jiayuan.routing.directory import bundled, phones, read
from jiayuan.routing.directory.duty import ZONE
from jiayuan.routing.directory.gaps import KINDS, MINOR, find
from jiayuan.routing.seed import More, seed

from .conftest import small_places

pytestmark = pytest.mark.unit

AT = datetime(2026, 12, 1, 9, tzinfo=ZONE)  # a Tuesday
G1 = "350921001001-G01"
HOUSE = f"{G1}-B01"


def whole() -> dict[str, Any]:
    """A directory in which nothing is missing."""
    more = More(14, 9, 6, ("2026-01-01", "2028-12-31"))
    document = seed(small_places(), bundled("units")["units"], 12, 60, 1, more)
    for unit in document["units"]:
        if unit["system"] == "bus":
            unit["partner"] = "department-systems"
        if unit["member"] == "part_time" and unit["kind"] != "association":
            seat = {"id": f"h{unit['code']}", "name": "例负责人", "seat": "part_time", "street": "350921001"}
            document["committee"].append({**seat, "unit": unit["code"], "phone": "00012345678"})
    return document


WHOLE = whole()


def gaps(document: dict[str, Any], units: frozenset[str] = frozenset()) -> set[tuple[str, str]]:
    return {(g.kind, g.key) for g in find(read(document), AT, 14, phones(document), units)}


def test_nothing_is_missing_in_a_whole_one() -> None:
    assert gaps(WHOLE) == set()


def one(rows: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    return next(r for r in rows if all(r.get(k) == v for k, v in fields.items()))


def workers(d: dict[str, Any]) -> list[dict[str, Any]]:
    return [p for p in d["people"] if p["grid"] == HOUSE and p["role"] == "worker"]


def roster(d: dict[str, Any], **fields: Any) -> None:
    """Gives the roster of the house's workers these fields."""
    ids = {w["id"] for w in workers(d)}
    for row in d["roster"]:
        if row["who"] in ids:
            row |= fields


def leave(d: dict[str, Any], person: str, stand_in: str = "") -> None:
    row = {"person": person, "from": "2026-12-03", "to": "2026-12-04"}
    d["leave"].append(row | ({"stand_in": stand_in} if stand_in else {}))


CHIEF = one(WHOLE["people"], role="chief")["id"]
LEADER = one(WHOLE["people"], role="leader", grid=G1)["id"]
POINT, TEAM = WHOLE["points"][0]["code"], WHOLE["teams"][0]["code"]


def _no_workers(d: dict[str, Any]) -> None:
    for worker in workers(d):
        worker["active"] = False


def _no_party_group(d: dict[str, Any]) -> None:
    one(d["grids"], code=G1)["party_group"] = ""


def _no_grid(d: dict[str, Any]) -> None:
    place = {"code": "350921001999", "name": "例新社区", "kind": "community"}
    d["streets"][0]["communities"].append(place)
    d["people"].append(
        {"id": "new", "name": "例", "role": "chief", "grid": "350921001999", "phone": "00012345678"}
    )


def _stand_in_away(d: dict[str, Any]) -> None:
    leave(d, LEADER, CHIEF)
    leave(d, CHIEF, LEADER)


MISSING: list[tuple[Callable[[dict[str, Any]], Any], set[tuple[str, str]]]] = [
    (_no_workers, {("no-worker", HOUSE)}),
    (lambda d: d["people"].remove(one(d["people"], id=LEADER)), {("no-leader", G1)}),
    (lambda d: one(d["people"], id=CHIEF).update(active=False), {("no-chief", "350921001001")}),
    (_no_grid, {("no-grid", "350921001999")}),
    (_no_party_group, {("no-party-group", G1)}),
    (lambda d: one(d["units"], code="U01").update(clerk=""), {("no-clerk", "U01")}),
    (lambda d: one(d["units"], code="U01").update(duties=[]), {("no-duty", "U01")}),
    (lambda d: one(d["units"], code="U01").update(escalation=[]), {("no-escalation", "U01")}),
    (lambda d: one(d["units"], code="U02").update(partner=""), {("no-partner", "U02")}),
    (lambda d: one(d["units"], code="U01").update(phone=None), {("no-phone", "U01")}),
    (lambda d: d["streets"][0].update(phone=None), {("no-phone", "desk-350921001")}),
    (lambda d: one(d["people"], id=LEADER).update(phone=None), {("no-phone", LEADER)}),
    (
        lambda d: d["committee"].remove(one(d["committee"], seat="convener", street="350921001")),
        {("no-convener", "350921001")},
    ),
    (
        lambda d: d.update(
            committee=[s for s in d["committee"] if (s["seat"], s["street"]) != ("full_time", "350921001")]
        ),
        {("no-full-time", "350921001")},
    ),
    (
        lambda d: d.update(committee=[s for s in d["committee"] if s.get("unit") != "U11"]),
        {("no-head", "U11")},
    ),
    (
        lambda d: d.update(
            mediators=[m for m in d["mediators"] if not m["grid"].startswith("350921002")],
            teams=[t for t in d["teams"] if t["place"] != "350921002"],
        ),
        {("no-mediator", "350921002")},
    ),
    (
        lambda d: d.update(points=[p for p in d["points"] if p["street"] != "350921002"]),
        {("no-point", "350921002")},
    ),
    (lambda d: d["points"][0].update(hours=None), {("point-without-hours", POINT)}),
    (lambda d: d["points"][0].update(services=[]), {("point-without-service", POINT)}),
    (lambda d: d["teams"][0].update(lead=""), {("team-without-lead", TEAM)}),
    (lambda d: d["teams"][0].update(lead="", members=[]), {("team-without-member", TEAM)}),
    (lambda d: roster(d, spans=["08:00-18:00"]), {("roster-hole", HOUSE)}),
    (lambda d: roster(d, to="2026-12-05"), {("roster-ends", w["id"]) for w in workers(WHOLE)}),
    (lambda d: leave(d, LEADER), {("leave-without-stand-in", LEADER)}),
    (lambda d: leave(d, LEADER, CHIEF), set()),
    (_stand_in_away, {("stand-in-away", LEADER), ("stand-in-away", CHIEF)}),
    (lambda d: leave(d, workers(d)[1]["id"]), {("roster-hole", HOUSE)}),  # who alone had that shift
]


@pytest.mark.parametrize(("change", "found"), MISSING)
def test_what_is_missing_is_named(change: Any, found: set[tuple[str, str]]) -> None:
    document = copy.deepcopy(WHOLE)
    change(document)
    assert gaps(document) == found


def test_units_that_the_policy_names() -> None:
    assert gaps(WHOLE, frozenset(("U01", "U99"))) == {("policy-unit", "U99")}


def test_every_kind_is_tried() -> None:
    assert {k for _, found in MISSING for k, _ in found} | {"policy-unit"} == set(KINDS)
    assert set(KINDS) > MINOR


def test_a_hole_says_from_when_to_when() -> None:
    document = copy.deepcopy(WHOLE)
    roster(document, spans=["08:00-18:00"])
    [gap] = find(read(document), AT, 14)
    assert str(gap).endswith("2026-12-01 18:00 至 2026-12-02 08:00")
