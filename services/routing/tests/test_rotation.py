"""Turns are fair: in one process, in several, whoever comes and goes; and nobody who is away is handed a case."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jiayuan.routing.fairness import leaves, simulate
from jiayuan.routing.rotation import ABOVE, Need, Rotation

pytestmark = pytest.mark.unit

T0 = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
GRIDS = {f"g{i}": [f"g{i}w{j}" for j in range(4)] for i in range(20)}
POOLS: dict[str, Sequence[str]] = {
    **GRIDS,
    "community": [w for ws in GRIDS.values() for w in ws],
    "empty": [],
}


def at(n: float) -> datetime:
    """That many minutes later."""
    return T0 + timedelta(minutes=n)


class Team:
    """People as the directory tells of them; `away` can be changed on the way."""

    def __init__(
        self,
        away: Collection[str] = (),
        stand_ins: Mapping[str, str] | None = None,
        skills: Mapping[str, Collection[str]] | None = None,
        languages: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        self.away, self.stand_ins = set(away), stand_ins or {}
        self._skills, self._languages = skills or {}, languages or {}

    def workers(self, place: str) -> Sequence[str]:
        return POOLS.get(place, ())

    def on_duty(self, person: str, _at: datetime) -> bool:
        return person not in self.away

    def stand_in(self, person: str, _at: datetime) -> str | None:
        return self.stand_ins.get(person)

    def skills(self, person: str) -> Collection[str]:
        return self._skills.get(person, ())

    def languages(self, person: str) -> Collection[str]:
        return self._languages.get(person, ())


def rotation(salt: str = "a", last: dict[str, int] | None = None, team: Team | None = None) -> Rotation:
    return Rotation(team or Team(), last or {}, salt)


def take(order: Rotation, place: str, n: int, since: float = 0) -> list[str | None]:
    return [order.next(place, at(since + i)) for i in range(n)]


# -- the order ---------------------------------------------------------------------------------------


def test_everybody_once_before_anybody_twice() -> None:
    order = rotation()
    first = take(order, "community", 80)
    assert sorted(filter(None, first)) == sorted(POOLS["community"])
    assert take(order, "community", 80, 80) == first


def test_a_batch_has_one_time_and_still_an_order() -> None:
    order = rotation()
    assert len({order.next("community", T0) for _ in range(80)}) == 80


def test_a_turn_in_a_wider_place_goes_past_those_who_had_one_in_a_narrower() -> None:
    order = rotation()
    busy = take(order, "g0", 4)
    assert not set(busy) & set(take(order, "community", 76, 4))
    assert set(take(order, "community", 4, 80)) == set(busy)


def test_a_restart_goes_on_where_the_order_was() -> None:
    order = rotation()
    given = take(order, "g0", 3)
    again = rotation("other", {w: order.last_given(w) for w in GRIDS["g0"]})
    assert again.next("g0", at(4)) not in given


def test_a_directory_that_changes_leaves_the_order_as_it_was() -> None:
    order = rotation()
    first = take(order, "g0", 4)
    order.take_directory(Team(), dict.fromkeys(GRIDS["g0"], 1))
    assert take(order, "g0", 4, 4) == first


def test_nobody_there() -> None:
    assert rotation().next("empty", T0) is None
    assert rotation().next("unknown", T0) is None


def test_fresh_replicas_begin_with_different_people() -> None:
    assert len({rotation(salt).next("community", T0) for salt in "abcdefgh"}) > 1


# -- who is passed over ------------------------------------------------------------------------------


def test_whoever_is_off_duty_is_passed_over_and_then_is_next_once() -> None:
    team = Team(away={"g0w0"})
    order = rotation(team=team)
    assert set(take(order, "g0", 30)) == {"g0w1", "g0w2", "g0w3"}
    team.away.clear()
    assert take(order, "g0", 8, 30).count("g0w0") == 2
    team.away.update(GRIDS["g0"])
    assert order.next("g0", at(40)) is None


def test_going_off_duty_counts_at_once() -> None:
    team = Team()
    order = rotation(team=team)
    order.next("g0", T0)
    team.away.update(("g0w0", "g0w1", "g0w2"))
    assert {order.next("g0", T0) for _ in range(5)} == {"g0w3"}


def test_a_stand_in_from_outside_has_the_place_of_whoever_is_away_and_no_more() -> None:
    team = Team(away={"g0w0", "g0w1"}, stand_ins={"g0w0": "g1w0", "g0w1": "g1w0"})
    order = rotation(team=team)
    assert Counter(take(order, "g0", 300)) == {"g0w2": 100, "g0w3": 100, "g1w0": 100}
    team.away.add("g1w0")
    assert set(take(order, "g0", 10, 300)) == {"g0w2", "g0w3"}
    team.away.clear()
    assert set(take(order, "g0", 8, 320)) == set(GRIDS["g0"])


def test_a_stand_in_of_the_same_place_has_one_turn_and_not_two() -> None:
    order = rotation(team=Team(away={"g0w0"}, stand_ins={"g0w0": "g0w1"}))
    assert Counter(take(order, "g0", 300)) == {"g0w1": 100, "g0w2": 100, "g0w3": 100}


def test_a_grid_whose_only_hands_are_a_stand_ins() -> None:
    order = rotation(team=Team(away=GRIDS["g0"], stand_ins={"g0w2": "g5w1"}))
    assert set(take(order, "g0", 5)) == {"g5w1"}


def test_whoever_turned_it_down_is_not_asked_again_and_stays_next() -> None:
    order = rotation()
    first = order.next("g0", T0)
    second = order.next("g0", T0, without={first or ""})
    assert second != first
    head = next(s.person for s in order.order("g0", T0))
    assert order.next("g0", T0, without={head}) not in (head, None)
    assert order.next("g0", T0) == head
    assert order.next("g0", T0, without=GRIDS["g0"]) is None


def test_skill_and_language() -> None:
    team = Team(
        skills={"g0w0": {"lift"}, "g0w1": {"lift", "gas"}},
        languages={"g0w1": {"she"}, "g0w2": {"she"}},
    )
    order = rotation(team=team)
    lift, she = frozenset({"lift"}), frozenset({"she"})
    assert Counter(order.next("g0", at(i), Need(lift)) for i in range(10)) == {"g0w0": 5, "g0w1": 5}
    assert order.next("g0", at(20), Need(lift, she)) == "g0w1"
    assert order.next("g0", at(21), Need(frozenset({"diving"}))) is None
    # Turns that a skill brought count among all: the others are next.
    assert set(take(order, "g0", 2, 22)) == {"g0w2", "g0w3"}


def test_full_hands_are_passed_over_until_the_others_have_as_much() -> None:
    order = rotation()
    order.take_loads({"g0w0": ABOVE + 2})
    given = take(order, "g0", 6)
    assert "g0w0" not in given
    assert "g0w0" in take(order, "g0", 4, 6)  # the others have two each now


def test_the_least_loaded_gets_it_when_the_others_turned_it_down() -> None:
    order = rotation()
    order.take_loads({"g0w0": 20, "g0w1": 30})
    assert order.next("g0", T0, without=("g0w2", "g0w3")) == "g0w0"


def test_hands_never_get_fuller_than_the_bound() -> None:
    order, hands, random = rotation(), dict.fromkeys(GRIDS["g1"], 0), Random(3)
    for n in range(5000):
        for worker, slow in zip(hands, (1, 2, 4, 8), strict=True):
            if hands[worker] and random.random() < 0.4 / slow:
                hands[worker] -= 1
        order.take_loads(hands)
        least = min(hands.values())
        person = order.next("g1", at(n))
        assert person
        assert hands[person] <= least + ABOVE
        hands[person] += 1


# -- provably fair -----------------------------------------------------------------------------------

WORKERS = [f"w{n}" for n in range(40)]
SPAN = timedelta(minutes=10_000)


def test_ten_thousand_cases_are_spread_evenly() -> None:
    found = simulate(WORKERS, 10_000, start=T0)
    assert set(found.turns.values()) == {250}
    assert found.spread == 0
    assert found.apart == found.bound == 1


@pytest.mark.parametrize("replicas", [1, 2, 3, 5])
def test_replicas_add_at_most_one_each(replicas: int) -> None:
    found = simulate(WORKERS, 10_000, start=T0, replicas=replicas)
    assert found.spread <= found.apart <= found.bound == replicas


@pytest.mark.parametrize("replicas", [1, 3])
def test_leaves_don_t_favour_anybody(replicas: int) -> None:
    away = leaves(WORKERS, 0.3, T0, SPAN)
    found = simulate(WORKERS, 10_000, start=T0, replicas=replicas, away=away)
    assert found.apart <= found.bound == replicas
    assert found.off_duty == found.nobody == 0
    assert (
        found.spread > 20
    )  # those away longer did get fewer: what is promised is not that everybody has as many


def test_a_restart_adds_at_most_one() -> None:
    found = simulate(WORKERS, 10_000, start=T0, replicas=2, restarts=4)
    assert found.apart <= found.bound == 6


@pytest.mark.parametrize("replicas", [1, 2])
def test_different_loads(replicas: int) -> None:
    hours = {w: 10.0 if n % 2 else 40.0 for n, w in enumerate(WORKERS)}
    found = simulate(WORKERS, 10_000, start=T0, replicas=replicas, hours=hours)
    assert found.apart <= found.bound == replicas
    assert found.turns["w0"] < found.turns["w1"]  # whoever takes longer is passed over with full hands
    assert found.hands[0] - found.hands[1] <= 2 * ABOVE


@settings(max_examples=40, deadline=None)
@given(
    workers=st.integers(2, 9),
    replicas=st.integers(1, 4),
    restarts=st.integers(0, 3),
    share=st.floats(0, 0.6),
    seed=st.integers(0, 10_000),
)
def test_the_bound_holds_whatever_comes(
    workers: int, replicas: int, restarts: int, share: float, seed: int
) -> None:
    team = WORKERS[:workers]
    away = leaves(team, share, T0, timedelta(minutes=300), seed)
    found = simulate(team, 300, start=T0, replicas=replicas, restarts=restarts, away=away, seed=seed)
    assert found.apart <= found.bound
    assert found.off_duty == 0
    assert sum(found.turns.values()) + found.nobody == 300


def test_a_rotation_that_favours_somebody_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Rotation.next

    def unfair(self: Rotation, place: str, when: datetime) -> str | None:
        return "w0" if when.minute % 10 == 0 else honest(self, place, when)

    monkeypatch.setattr(Rotation, "next", unfair)
    found = simulate(WORKERS, 2_000, start=T0)
    assert found.apart > found.bound
