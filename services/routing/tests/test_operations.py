"""Grids that are split, merged, handed over: no day of any grid and nobody of its people is ever lost."""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jiayuan.chassis.testing.models import examples
from jiayuan.routing.directory import DirectoryError, bundled, read
from jiayuan.routing.directory.duty import ZONE
from jiayuan.routing.directory.entries import Entry, Key, build, flatten, unflatten
from jiayuan.routing.directory.operations import hand_over, merge, merge_person, replace_person, split
from jiayuan.routing.seed import More, seed

from .conftest import small_places

pytestmark = pytest.mark.unit

BEGIN = datetime(2026, 1, 1, tzinfo=ZONE)
G1, G2 = "350921001001-G01", "350921001001-G02"


def small() -> dict[str, Any]:
    more = More(14, 9, 6, ("2026-01-01", "2028-12-31"))
    document = seed(small_places(), bundled("units")["units"], 30, 130, 1, more)
    document["teams"].append({"code": "TG", "name": "例网格队", "place": G1})
    document["roster"].append(
        {"who": G1, "role": "leader", "from": "2026-01-01", "to": "2026-12-31", "spans": ["08:00-18:00"]}
    )
    return document


DOCUMENT = small()


def ids_of(document: dict[str, Any], grid: str) -> set[str]:
    return {p["id"] for k in ("people", "cadres") for p in document[k] if p["grid"] == grid}


def below(document: dict[str, Any], grid: str) -> list[str]:
    return [g["code"] for g in document["grids"] if g["parent"] == grid]


def everybody(document: dict[str, Any]) -> Counter[str]:
    return Counter(p["id"] for k in ("people", "cadres", "volunteers", "mediators") for p in document[k])


def test_split_in_two_new_ones() -> None:
    building = below(DOCUMENT, G1)[0]
    leader = next(p["id"] for p in DOCUMENT["people"] if p["grid"] == G1 and p["role"] == "leader")
    worker = next(p["id"] for p in DOCUMENT["people"] if p["grid"] == G1 and p["role"] == "worker")
    a, b = "350921001001-G11", "350921001001-G12"
    after = split(DOCUMENT, G1, {a: "甲", b: "乙"}, {worker: b}, {building: b})
    known = read(after)
    assert G1 not in known.grids
    assert known.grids[a].predecessors == known.grids[b].predecessors == (G1,)
    assert known.leader(a) == leader
    assert known.people[worker].grid == b
    moved = f"{b}-{building.rpartition('-')[2]}"
    assert known.grids[moved].predecessors == (building,)
    assert ids_of(after, moved) == ids_of(DOCUMENT, building)
    assert everybody(after) == everybody(DOCUMENT)
    assert next(t["place"] for t in after["teams"] if t["code"] == "TG") == a
    assert [r["who"] for r in after["roster"] if r.get("role") == "leader"] == [a, b]
    read(DOCUMENT)  # nothing of it has changed


def test_split_off_a_part_and_go_on() -> None:
    new = "350921001001-G11"
    after = split(DOCUMENT, G1, {G1: "甲", new: "乙"})
    known = read(after)
    assert known.grids[G1].name == "甲"
    assert below(after, G1) == below(DOCUMENT, G1)
    assert ids_of(after, G1) == ids_of(DOCUMENT, G1)
    assert known.grids[new].predecessors == (G1,)


def test_merge_two_into_a_new_one_or_into_one_of_them() -> None:
    for into in ("350921001001-G11", G1):
        after = merge(DOCUMENT, [G1, G2], into, "合并网格")
        known = read(after)
        assert G2 not in known.grids
        assert set(known.grids[into].predecessors) == {G1, G2} - {into}
        assert ids_of(after, into) == ids_of(DOCUMENT, G1) | ids_of(DOCUMENT, G2)
        assert sum(p["role"] == "leader" for p in after["people"] if p["grid"] == into) == 1
        assert everybody(after) == everybody(DOCUMENT)
    other = next(p["id"] for p in DOCUMENT["people"] if p["grid"] == G2 and p["role"] == "worker")
    assert read(merge(DOCUMENT, [G1, G2], G1, "合", other)).leader(G1) == other


def test_hand_over_to_another_community() -> None:
    to = "350921001002"
    after = hand_over(DOCUMENT, G1, to, f"{to}-G77")
    known = read(after)
    assert known.grids[f"{to}-G77"].community == to
    assert ids_of(after, f"{to}-G77") == ids_of(DOCUMENT, G1)
    for building in below(DOCUMENT, G1):
        assert known.grids[f"{to}-G77-{building.rpartition('-')[2]}"].predecessors == (building,)


def test_one_person_hands_over_to_another() -> None:
    old, new = sorted(p["id"] for p in DOCUMENT["people"] if p["grid"] == G1 and p["role"] == "worker")[:2]
    elsewhere = next(p["id"] for p in DOCUMENT["people"] if p["grid"] == G2 and p["role"] == "worker")
    after = replace_person(DOCUMENT, G1, old, elsewhere)
    known = read(after)
    assert old not in known.people
    assert known.people[elsewhere].grid == G1
    assert known.people[new].grid == G1
    assert not [r for r in after["roster"] if r["who"] == old]


def twice() -> tuple[dict[str, Any], str, str]:
    """A worker who is in the directory as a volunteer too, with a shift, leave and a team under either number."""
    document = copy.deepcopy(DOCUMENT)
    worker = next(p for p in document["people"] if p["role"] == "worker")
    helper, other = document["volunteers"][0], document["volunteers"][1]
    helper["name"] = worker["name"]
    worker["skills"], helper["skills"] = ["电工"], ["电工", "急救"]
    kept, gone = worker["id"], helper["id"]
    hours = {"from": "2026-05-01", "to": "2026-05-03"}
    document["roster"] = [{"who": id_, **hours, "spans": ["08:00-12:00"]} for id_ in (kept, gone)]
    document["roster"].append({"who": gone, **hours, "spans": ["14:00-18:00"], "name": "下午"})
    document["leave"] = [
        {"person": kept, "from": "2026-06-01", "to": "2026-06-02", "stand_in": gone},
        {"person": other["id"], "from": "2026-06-05", "to": "2026-06-06", "stand_in": gone},
    ]
    document["teams"] = [
        {"code": "T1", "name": "一队", "place": G1, "lead": gone, "members": [kept, gone, other["id"]]},
    ]
    return document, kept, gone


def test_two_records_of_one_person_become_one() -> None:
    document, kept, gone = twice()
    before = copy.deepcopy(document)
    after = merge_person(document, kept, gone)
    assert document == before
    known = read(after)
    assert gone not in str(after)
    assert everybody(before) - everybody(after) == Counter([gone])
    old = read(before).people[kept]
    assert known.people[kept] == replace(old, skills=("电工", "急救"))
    assert [(r["who"], r["spans"]) for r in after["roster"]] == [
        (kept, ["08:00-12:00"]),
        (kept, ["14:00-18:00"]),
    ]
    # Nobody stands in for himself, and whom the record stood in for has him still.
    assert [(r["person"] == kept, r.get("stand_in")) for r in after["leave"]] == [(True, None), (False, kept)]
    assert (known.teams["T1"].lead, known.teams["T1"].members[0]) == (kept, kept)
    assert len(known.teams["T1"].members) == 2


@pytest.mark.parametrize(
    ("run", "field", "says"),
    [
        (lambda d: split(d, "nowhere", {"a": "a", "b": "b"}), "grid", "there is no grid nowhere"),
        (lambda d: split(d, G1, {"350921001001-G11": "a"}), "into", "fewer than two"),
        (lambda d: split(d, G1, {G1: "a", G2: "b"}), "into", f"there is a grid {G2} already"),
        (lambda d: split(d, G1, {G1: "a", f"{G1}1": "b"}, {"p00001": G2}), "people", "would go to"),
        (lambda d: split(d, G1, {G1: "a", f"{G1}1": "b"}, {"p00001": G1}), "people", "is not of"),
        (lambda d: split(d, G1, {G1: "a", f"{G1}1": "b"}, {}, {G2: G1}), "buildings", "is not below"),
        (lambda d: merge(d, [G1], G1, "x"), "grids", "fewer than two"),
        (lambda d: merge(d, [G1, "350921001002-G01"], G1, "x"), "grids", "different kinds or parents"),
        (lambda d: merge(d, [G1, G2], G1, "x", "p00001"), "leader", "of none of the grids"),
        (lambda d: hand_over(d, G1, "350921001001"), "to", "already"),
        (lambda d: hand_over(d, G1, "350921001002"), "into", "already"),
        (lambda d: replace_person(d, G1, "p00001", "p00002"), "person", "is not of"),
        (lambda d: merge_person(d, "nobody", "p00001"), "kept", "there is no nobody"),
        (lambda d: merge_person(d, "p00001", "nobody"), "gone", "there is no nobody"),
        (lambda d: merge_person(d, "p00001", "p00001"), "gone", "is p00001 as well"),
        (lambda d: merge_person(d, "p00001", "p00002"), "gone", "p00001 is .*, p00002 is "),
    ],
)
def test_what_can_not_be(run: Any, field: str, says: str) -> None:
    with pytest.raises(DirectoryError, match=says) as refusal:
        run(DOCUMENT)
    assert refusal.value.problems[0].field == field


# -- never a day lost --------------------------------------------------------------------------------


@dataclass
class Timeline:
    """What the database keeps, in memory: entries with their validity; each change adds and ends."""

    entries: list[Entry] = field(default_factory=list)

    def at(self, when: datetime) -> dict[Key, Entry]:
        return {
            e.id: e
            for e in self.entries
            if e.valid_from and e.valid_from <= when and (e.valid_to is None or e.valid_to > when)
        }

    def take(self, document: dict[str, Any], when: datetime) -> None:
        new, known = flatten(document, read(document)), self.at(when)
        for key, entry in known.items():
            if key not in new or not entry.same(new[key]):
                entry.valid_to = when
        for key, entry in new.items():
            if key not in known or not known[key].same(entry):
                entry.valid_from = when
                self.entries.append(entry)


@st.composite
def steps(draw: Any) -> list[tuple[int, str, int, int, int]]:
    """(days later, what, and numbers to choose grids and people by)."""
    one = st.tuples(
        st.integers(1, 40),
        st.sampled_from(["split", "off", "merge", "over", "person"]),
        st.integers(0, 10_000),
        st.integers(0, 10_000),
        st.integers(0, 10_000),
    )
    return list(draw(st.lists(one, min_size=1, max_size=6)))


def apply(document: dict[str, Any], what: str, a: int, b: int, c: int, fresh: str) -> dict[str, Any] | None:
    grids = sorted(document["grids"], key=lambda g: g["code"])
    grid = grids[a % len(grids)]
    code, parent = grid["code"], grid["parent"]
    workers = sorted(p["id"] for p in document["people"] if p["grid"] == code and p["role"] == "worker")
    inner = sorted(below(document, code))
    if what in ("split", "off"):
        into = {f"{parent}-{fresh}A": "甲", f"{parent}-{fresh}B": "乙"}
        if what == "off":
            into = {code: grid["name"], f"{parent}-{fresh}": "丙"}
        codes = list(into)
        return split(
            document,
            code,
            into,
            {w: codes[(b + i) % 2] for i, w in enumerate(workers)},
            {w: codes[(c + i) % 2] for i, w in enumerate(inner)},
        )
    if what == "merge":
        others = [g["code"] for g in grids if g["parent"] == parent and g["code"] != code]
        if not others:
            return None
        other = others[b % len(others)]
        return merge(document, [code, other], code if c % 2 else f"{parent}-{fresh}", "合")
    if what == "over":
        parents = [g["code"] for g in grids if g["kind"] == "compound"]
        if grid["kind"] == "compound":
            parents = [i["code"] for s in document["streets"] for i in s["communities"]]
        parents = [p for p in parents if p != parent]
        to = parents[b % len(parents)]
        return hand_over(document, code, to, f"{to}-{fresh}")
    elsewhere = sorted(p["id"] for p in document["people"] if p["grid"] != code and p["role"] == "worker")
    if not workers or not elsewhere:
        return None
    return replace_person(document, code, workers[b % len(workers)], elsewhere[c % len(elsewhere)])


@settings(max_examples=examples(4), deadline=None)
@given(steps())
def test_no_day_of_any_grid_and_nobody_is_ever_lost(made: list[tuple[int, str, int, int, int]]) -> None:
    timeline, when = Timeline(), BEGIN
    timeline.take(copy.deepcopy(DOCUMENT), when)
    left: dict[str, datetime] = {}
    changes = [when]
    for i, (days, what, a, b, c) in enumerate(made):
        when += timedelta(days=days)
        now = unflatten(timeline.at(when).values())
        after = apply(now, what, a, b, c, f"N{i}")
        if after is None:
            continue
        timeline.take(after, when)
        changes.append(when)
        left |= dict.fromkeys(everybody(now) - everybody(after), when)
        assert len(left) == sum(w == "person" for _, w, *_ in made[: i + 1]) or what != "person"
    ends = changes[-1] + timedelta(days=1)
    began = dict.fromkeys(everybody(DOCUMENT), BEGIN)
    day = BEGIN
    while day <= ends:
        document = unflatten(timeline.at(day).values())
        known = read(document)  # every day is a directory that holds together
        # Everybody who hasn't handed over is there, once.
        there = everybody(document)
        assert there == Counter(p for p in began if left.get(p, ends) > day or p not in left)
        # Every grid of the beginning is there, or what came of it is: nothing is nowhere.
        held = build(_newest(timeline, day), 1, day)
        for code in (g["code"] for g in DOCUMENT["grids"]):
            assert _covered(held, code), (code, day)
        # And who reports from a grid of the beginning reaches its street, or the one that it was handed to.
        for grid in known.grids.values():
            assert held.where(None, None, grid.code)[2] == grid.code
        day += timedelta(days=7)
    # The days of a thing don't overlap, and those of one code follow each other.
    by_key: dict[Key, list[Entry]] = {}
    for entry in timeline.entries:
        by_key.setdefault(entry.id, []).append(entry)
    for entries in by_key.values():
        for one, two in pairwise(entries):
            assert one.valid_to is not None
            assert two.valid_from is not None
            assert one.valid_to <= two.valid_from
    # What ends is followed, on the same day, by what names it as its predecessor.
    for key, entries in by_key.items():
        last = entries[-1]
        if key.kind == "grid" and last.valid_to is not None:
            assert [
                e
                for e in timeline.entries
                if e.kind == "grid"
                and e.valid_from == last.valid_to
                and key.key in e.doc.get("predecessors", ())
            ], key


def _newest(timeline: Timeline, day: datetime) -> list[Entry]:
    newest: dict[Key, Entry] = {}
    for entry in timeline.entries:
        if entry.valid_from and entry.valid_from <= day:
            newest[entry.id] = entry
    return list(newest.values())


def _covered(held: Any, code: str, seen: frozenset[str] = frozenset()) -> bool:
    if code in held.grids:
        return True
    gone = held.retired.get(code)
    return gone is not None and any(
        _covered(held, s, seen | {code}) for s in gone.successors if s not in seen
    )


def test_who_was_worker_on_a_day() -> None:
    timeline = Timeline()
    timeline.take(copy.deepcopy(DOCUMENT), BEGIN)
    later = BEGIN + timedelta(days=10)
    a, b = "350921001001-G11", "350921001001-G12"
    timeline.take(split(unflatten(timeline.at(later).values()), G1, {a: "甲", b: "乙"}), later)
    before, after = timeline.at(later - timedelta(seconds=1)), timeline.at(later)
    workers = {k.key for k, e in before.items() if k.kind == "person" and e.doc["grid"] == G1}
    assert workers
    assert not [e for e in after.values() if e.kind == "person" and e.doc["grid"] == G1]
    assert {k.key for k, e in after.items() if k.kind == "person" and e.doc["grid"] == a} == workers
    assert date(2026, 1, 11) == later.date()
