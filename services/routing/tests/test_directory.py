"""The tree and its people; documents are checked as a whole."""

from __future__ import annotations

import copy
import re
from collections import Counter
from datetime import datetime
from typing import Any

import pytest

from jiayuan.routing import directory
from jiayuan.routing.case import Assignee
from jiayuan.routing.directory import EMPTY, DirectoryError
from jiayuan.routing.directory.duty import ZONE
from jiayuan.routing.directory.gaps import find
from jiayuan.routing.seed import More, seed

pytestmark = pytest.mark.unit

DOCUMENT: dict[str, Any] = {
    "county": {"code": "350921", "name": "例县"},
    "streets": [
        {
            "code": "350921001",
            "name": "例街道",
            "phone": "00000000001",
            "communities": [
                {"code": "350921001001", "name": "例社区", "kind": "community"},
                {"code": "350921001200", "name": "例村", "kind": "village"},
            ],
        }
    ],
    "grids": [
        # A building may stand before its compound.
        {"code": "350921001001-G01-B01", "name": "1号楼", "kind": "building", "parent": "350921001001-G01"},
        {"code": "350921001001-G01", "name": "小区", "kind": "compound", "parent": "350921001001"},
        {"code": "350921001200-G01", "name": "村一", "kind": "compound", "parent": "350921001200"},
    ],
    "people": [
        {"id": "chief", "name": "例一", "role": "chief", "grid": "350921001001"},
        {
            "id": "leader",
            "name": "例二",
            "role": "leader",
            "grid": "350921001001-G01",
            "phone": "00000000002",
        },
        {"id": "w1", "name": "例三", "role": "worker", "grid": "350921001001-G01"},
        {"id": "w2", "name": "例四", "role": "worker", "grid": "350921001001-G01-B01"},
        {"id": "w3", "name": "例五", "role": "worker", "grid": "350921001200-G01"},
        {"id": "gone", "name": "例六", "role": "worker", "grid": "350921001001-G01", "active": False},
    ],
    "units": [
        {
            "code": "U1",
            "name": "例局",
            "kind": "department",
            "member": "none",
            "system": "http",
            "duties": ["01"],
        }
    ],
}
KNOWN = directory.read(DOCUMENT)


def test_workers_of_every_place() -> None:
    assert KNOWN.workers("350921001001-G01-B01") == ["w2"]
    assert KNOWN.workers("350921001001-G01") == ["w1", "w2"]
    assert KNOWN.workers("350921001001") == ["w1", "w2"]
    assert KNOWN.workers("350921001") == ["w1", "w2", "w3"]
    assert KNOWN.workers("elsewhere") == ()


@pytest.mark.parametrize(
    ("person", "rungs"),
    [
        ("w2", [(1, "leader"), (2, "chief"), (3, "desk-350921001")]),
        ("w1", [(1, "leader"), (2, "chief"), (3, "desk-350921001")]),
        ("leader", [(2, "chief"), (3, "desk-350921001")]),
        ("chief", [(3, "desk-350921001")]),
        ("w3", [(3, "desk-350921001")]),
        ("nobody", [(3, "desk-350921000")]),
    ],
)
def test_ladders(person: str, rungs: list[tuple[int, str]]) -> None:
    assert [(r.step, r.assignee.id) for r in KNOWN.ladder(person)] == rungs


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (("350921001", None, None), ("350921001", None, None)),
        (("350921001", "350921001001", None), ("350921001", "350921001001", None)),
        ((None, "350921001200", None), ("350921001", "350921001200", None)),
        (
            ("350921001", None, "350921001001-G01-B01"),
            ("350921001", "350921001001", "350921001001-G01-B01"),
        ),
        (("350921001", "350921001001", "unknown"), ("350921001", "350921001001", None)),
        (("350921001", "350921999999", None), ("350921001", None, None)),
        ((None, None, None), ("350921000", None, None)),
        (("350921009", None, None), ("350921000", None, None)),
    ],
)
def test_where(given: tuple[str | None, ...], found: tuple[str | None, ...]) -> None:
    assert KNOWN.where(*given) == found


def test_desks_and_labels() -> None:
    assert KNOWN.desk("350921001").id == "desk-350921001"
    assert KNOWN.desk("350921009").id == "desk-350921000"
    assert KNOWN.label(Assignee("person", "leader")) == "网格长例二"
    assert KNOWN.label(Assignee("unit", "U1")) == "例局"
    assert KNOWN.label(Assignee("desk", "desk-350921001")) == "例街道工作台"
    assert KNOWN.label(Assignee("desk", "desk-350921000")) == "例县工作台"
    assert KNOWN.label(Assignee("person", "who")) == "who"
    assert KNOWN.person("gone") is None
    assert KNOWN.unit("U9") is None


def test_an_empty_directory_sends_everything_to_the_county() -> None:
    assert EMPTY.where("350921001", "350921001001", None) == ("350921000", None, None)
    assert EMPTY.desk("350921001").id == "desk-350921000"
    assert EMPTY.workers("350921001") == ()


@pytest.mark.parametrize(
    ("where", "row", "field", "says"),
    [
        (
            "people",
            {"id": "w1", "name": "例", "role": "worker", "grid": "350921001001-G01"},
            "people[6]",
            "twice",
        ),
        (
            "people",
            {"id": "x", "name": "例", "role": "worker", "grid": "350921001001"},
            "people[6].grid",
            "350921001001",
        ),
        (
            "people",
            {"id": "x", "name": "例", "role": "leader", "grid": "350921001001-G01-B01"},
            "people[6].grid",
            "B01",
        ),
        (
            "people",
            {"id": "x", "name": "例", "role": "chief", "grid": "350921001"},
            "people[6].grid",
            "350921001",
        ),
        ("people", {"id": "x", "name": "例", "role": "chief", "grid": "350921001001"}, "people", "two"),
        (
            "people",
            {"id": "x", "name": "", "role": "worker", "grid": "350921001001-G01"},
            "people[6].name",
            "''",
        ),
        (
            "people",
            {"id": "x y", "name": "例", "role": "boss", "grid": "350921001001-G01"},
            "people[6].role",
            "boss",
        ),
        ("people", {"id": "U1", "name": "例", "role": "worker", "grid": "350921001001-G01"}, "people", "U1"),
        (
            "people",
            {"id": "x", "name": "例", "role": "worker", "grid": "350921001001-G01", "phone": "call me"},
            "people[6].phone",
            "malformed",
        ),
        (
            "people",
            {"id": "x", "name": "例", "role": "worker", "grid": "350921001001-G01", "active": "no"},
            "people[6].active",
            "no",
        ),
        ("people", "me", "people[6]", "mapping"),
        (
            "grids",
            {"code": "X-G01", "name": "例", "kind": "compound", "parent": "350921001001"},
            "grids[3].code",
            "X-G01",
        ),
        (
            "grids",
            {"code": "X", "name": "例", "kind": "compound", "parent": "350921001"},
            "grids[3].parent",
            "350921001",
        ),
        (
            "grids",
            {"code": "X", "name": "例", "kind": "building", "parent": "350921001001"},
            "grids[3].parent",
            "3509",
        ),
        (
            "grids",
            {"code": "X", "name": "例", "kind": "tower", "parent": "350921001001"},
            "grids[3].kind",
            "tower",
        ),
        (
            "units",
            {"code": "U2", "name": "例", "kind": "x", "member": "none", "system": "http"},
            "units[1].kind",
            "x",
        ),
        (
            "units",
            {"code": "U2", "name": "例", "kind": "school", "member": "none", "system": "fax"},
            "units[1].system",
            "fax",
        ),
        (
            "units",
            {"code": "U2", "name": "例", "kind": "school", "member": "none", "system": "bus", "duties": "01"},
            "units[1].duties",
            "01",
        ),
        ("streets", {"code": "350921001", "name": "例", "communities": []}, "streets[1]", "twice"),
    ],
)
def test_what_is_wrong_is_said(where: str, row: Any, field: str, says: str) -> None:
    document = copy.deepcopy(DOCUMENT)
    document[where].append(row)
    with pytest.raises(DirectoryError) as refusal:
        directory.read(document)
    assert any(p.field == field and says in p.problem for p in refusal.value.problems), refusal.value.problems


def test_parts_that_are_missing() -> None:
    with pytest.raises(DirectoryError) as refusal:
        directory.read({"count": 1})
    assert {p.field for p in refusal.value.problems} == {
        "count",
        "county",
        "streets",
        "grids",
        "people",
        "units",
    }
    for text in ("[]", "a: [", ""):
        with pytest.raises(DirectoryError):
            directory.parse(text)


def test_phones_by_the_id_that_notices_go_to() -> None:
    assert directory.phones(DOCUMENT) == {"leader": "00000000002", "desk-350921001": "00000000001"}


# -- the seeded one ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def seeded() -> dict[str, Any]:
    return seed(directory.bundled("places"), directory.bundled("units")["units"], 874, 3500)


def test_seeded_at_the_real_scale(seeded: dict[str, Any]) -> None:
    known = directory.read(seeded)
    assert (len(known.grids), len(known.people), len(known.units), len(known.streets())) == (874, 3500, 65, 3)
    communities = [p for p in known.places.values() if p.kind in ("community", "village")]
    roles = Counter(p.role for p in known.people.values())
    compounds = [g for g in known.grids.values() if g.kind == "compound"]
    assert roles["chief"] == len(communities)
    assert roles["leader"] == len(compounds)
    own = Counter(p.grid for p in known.people.values() if p.role == "worker")
    assert set(own) == set(known.grids)
    assert set(own.values()) <= {3, 4}
    for person in known.people.values():
        steps = [r.step for r in known.ladder(person.id)]
        assert steps == {"worker": [1, 2, 3], "leader": [2, 3], "chief": [3]}[person.role]


def test_seeded_people_are_clearly_invented(seeded: dict[str, Any]) -> None:
    assert all(p["name"].startswith("例") for p in seeded["people"])
    phones = list(directory.phones(seeded).values())
    assert len(phones) == len(set(phones)) == 3500 + 65 + 3 + 1
    assert all(re.fullmatch(r"000\d{8}", p) for p in phones)


def test_seeding_is_repeatable(seeded: dict[str, Any]) -> None:
    places, units = directory.bundled("places"), directory.bundled("units")["units"]
    assert seed(places, units, 874, 3500) == seeded
    assert seed(places, units, 874, 3500, 2) != seeded


@pytest.mark.parametrize(("grids", "workers"), [(10, 3500), (874, 1000)])
def test_too_few_to_seed(grids: int, workers: int) -> None:
    with pytest.raises(ValueError, match="at least"):
        seed(directory.bundled("places"), [], grids, workers)


def test_seeded_with_everything_at_the_real_scale() -> None:
    more = More(4000, 2000, 194, ("2026-01-01", "2028-12-31"))
    document = seed(directory.bundled("places"), directory.bundled("units")["units"], 874, 3500, 1, more)
    known = directory.read(document)
    roles = Counter(p.role for p in known.people.values())
    assert (roles["cadre"], roles["volunteer"], roles["mediator"]) == (4000, 2000, 194)
    assert all(known.convener(s.code) and known.committee(s.code).full_time for s in known.streets())
    lists = ("people", "cadres", "volunteers", "mediators", "committee")
    assert all(p["name"].startswith("例") for key in lists for p in document[key])
    assert all(p["name"].startswith("例") for p in document["points"])
    phones = list(directory.phones(document).values())
    assert len(phones) == len(set(phones))
    assert all(re.fullmatch(r"000\d{8}", p) for p in phones)
    # At any time somebody is there in every grid, and nothing is missing that a case would need.
    at = datetime(2026, 12, 4, 9, tzinfo=ZONE)
    assert [g for g in find(known, at, 3, directory.phones(document)) if not g.minor] == []
    assert sum(len(known.people_on_duty(s.code, "worker", at)) for s in known.streets()) < roles["worker"]


def test_nothing_else_without_being_asked(seeded: dict[str, Any]) -> None:
    assert set(seeded) == {"county", "streets", "grids", "people", "units"}


def test_a_leave_and_a_line_of_a_roster_that_name_nobody_are_told_of(document: dict[str, Any]) -> None:
    document["leave"] = [{"from": "2026-03-01", "to": "2026-03-05"}]
    document["roster"] = [{"from": "2026-03-01", "to": "2026-03-05", "spans": ["08:00-12:00"]}]
    with pytest.raises(DirectoryError) as refused:
        directory.read(document)
    assert {"leave[0].person", "roster[0].who"} <= {p.field for p in refused.value.problems}
