"""Turns are fair: in one process, in two, across overlapping places, and after a restart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random

import pytest

from jiayuan.routing.rotation import Rotation

pytestmark = pytest.mark.unit

GRIDS = {f"g{i}": [f"g{i}w{j}" for j in range(4)] for i in range(20)}
POOLS: dict[str, Sequence[str]] = {
    **GRIDS,
    "community": [w for ws in GRIDS.values() for w in ws],
    "empty": [],
}


def rotation(salt: str = "a", last: dict[str, int] | None = None) -> Rotation:
    return Rotation(lambda place: POOLS.get(place, ()), last or {}, salt)


def spread(given: Counter[str]) -> float:
    counts = [given[w] for w in POOLS["community"]]
    return (max(counts) - min(counts)) / (sum(counts) / len(counts))


def test_everybody_once_before_anybody_twice() -> None:
    order = rotation()
    first = [order.next("community", 1) for _ in range(80)]
    assert sorted(filter(None, first)) == sorted(POOLS["community"])
    assert [order.next("community", 1) for _ in range(80)] == first


def test_ten_thousand_cases_are_fair() -> None:
    order = rotation()
    given = Counter(order.next("community", t) for t in range(10_000))
    assert max(given.values()) - min(given.values()) <= 1


def test_two_replicas_are_fair_together() -> None:
    replicas, given, random = (rotation("a"), rotation("b")), Counter[str](), Random(1)
    for t in range(10_000):
        person = random.choice(replicas).next("community", t)
        assert person
        given[person] += 1
    assert spread(given) < 0.05


def test_replicas_that_hear_of_each_other_stay_in_step() -> None:
    replicas, given, known = (rotation("a"), rotation("b")), Counter[str](), dict[str, int]()
    for t in range(1, 10_001):
        here = replicas[t % 2]
        if t % 50 == 0:
            here.refresh(known)
        person = here.next("community", t)
        assert person
        known[person] = here.last_given(person)
        given[person] += 1
    assert spread(given) < 0.05


def test_places_that_overlap_share_their_turns() -> None:
    order, given, random = rotation(), Counter[str](), Random(2)
    for t in range(10_000):
        person = order.next("community" if random.random() < 0.5 else f"g{random.randrange(20)}", t)
        assert person
        given[person] += 1
    assert spread(given) < 0.2  # a grid's own cases fall where they fall; the community's make up for it


def test_a_restart_goes_on_where_the_order_was() -> None:
    order = rotation()
    given = [order.next("g0", t) for t in range(1, 4)]
    again = rotation("other", {w: order.last_given(w) for w in GRIDS["g0"]})
    fourth = again.next("g0", 4)
    assert fourth not in given


def test_nobody_there() -> None:
    assert rotation().next("empty", 1) is None
    assert rotation().next("unknown", 1) is None


def test_fresh_replicas_begin_with_different_people() -> None:
    assert len({rotation(salt).next("community", 1) for salt in "abcdefgh"}) > 1
