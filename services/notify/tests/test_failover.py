"""Weights: away from trouble ten points at a time, and back to exactly where they rested."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jiayuan.chassis.testing.models import examples
from jiayuan.notify.failover import (
    ERRORS_MOST,
    PAUSE,
    QUIET,
    STEP,
    WHOLE,
    Health,
    Share,
    choose,
    judge,
    rests,
)

pytestmark = pytest.mark.unit
AT = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
WELL = Health(0, 1000, 0)
DOWN = Health(ERRORS_MOST + 1, 0, 0)


def shares(**points: int) -> list[Share]:
    """Providers at rest."""
    return [Share(name, n, n) for name, n in points.items()]


def now_of(found: list[Share]) -> dict[str, int]:
    """Points by provider."""
    return {s.provider: s.now for s in found}


@pytest.mark.parametrize(
    ("health", "trouble"),
    [
        (Health(50), ""),
        (Health(51), "51 errors in 60 s"),
        (Health(0, 100, 14), ""),
        (Health(0, 100, 15), "15 of 100 slower than 5 minutes"),
        (Health(0, 9, 9), ""),  # too few to say anything
        (Health(0, 0, 0), ""),
    ],
)
def test_what_trouble_is(health: Health, trouble: str) -> None:
    assert health.trouble == trouble


def test_trouble_moves_ten_points_at_most_once_a_minute() -> None:
    found = shares(a=70, b=30)
    sick = {"a": DOWN, "b": WELL}
    found, moves = judge(found, sick, AT)
    assert [(m.provider, m.before, m.after, m.reason) for m in moves] == [
        ("a", 70, 60, "51 errors in 60 s"),
        ("b", 30, 40, "a: 51 errors in 60 s"),
    ]
    found, moves = judge(found, sick, AT + PAUSE - timedelta(seconds=1))
    assert moves == []
    found, moves = judge(found, sick, AT + PAUSE)
    assert now_of(found) == {"a": 50, "b": 50}


def test_when_all_are_in_trouble_nothing_moves() -> None:
    found, moves = judge(shares(a=70, b=30), {"a": DOWN, "b": DOWN}, AT)
    assert (now_of(found), moves) == ({"a": 70, "b": 30}, [])


def test_recovery_takes_quiet_minutes_and_ends_exactly_at_rest() -> None:
    found, at = shares(a=65, b=35), AT
    for _ in range(7):
        found, _ = judge(found, {"a": DOWN, "b": WELL}, at)
        at += PAUSE
    assert now_of(found) == {"a": 0, "b": 100}
    seen = []
    for _ in range(200):
        at += timedelta(minutes=1)
        found, moves = judge(found, {"a": WELL, "b": WELL}, at)
        if moves:
            seen.append(now_of(found)["a"])
            assert moves[0].reason == "15 quiet minutes"
    assert seen == [10, 20, 30, 40, 50, 60, 65]
    assert now_of(found) == {"a": 65, "b": 35}


def test_a_simulated_outage_of_half_an_hour() -> None:
    """Provider A is down for half an hour at 50 notices a second: its weight decides how many errors it makes."""
    found, at, on_b = shares(a=50, b=50), AT, []
    for minute in range(300):
        points = now_of(found)
        errors = points["a"] * 30 if minute < 30 else 0
        found, _ = judge(found, {"a": Health(errors, 1, 0), "b": WELL}, at)
        on_b.append(points["b"])
        at += timedelta(minutes=1)
    assert on_b[10] >= 90
    assert min(on_b[10:30]) >= 90
    assert now_of(found) == {"a": 50, "b": 50}


def test_weights_are_made_points_that_add_up() -> None:
    assert rests({"a": 7, "b": 3}) == {"a": 70, "b": 30}
    assert rests({"a": 1, "b": 1, "c": 1}) == {"a": 34, "b": 33, "c": 33}
    assert rests({"only": 5}) == {"only": 100}


def test_the_choice_follows_the_points() -> None:
    points = {"a": 70, "b": 30, "c": 0}
    chosen = Counter(choose(points, n / 1000) for n in range(1000))
    assert chosen == {"a": 700, "b": 300}
    assert choose({}, 0.5) is None
    assert {choose({"a": 0, "b": 0}, n / 10) for n in range(10)} == {"a", "b"}


_health = st.builds(Health, st.integers(0, 200), st.integers(0, 100), st.integers(0, 30)) | st.just(WELL)


@settings(max_examples=examples(150), deadline=None)
@given(data=st.data(), weights=st.dictionaries(st.sampled_from("abcd"), st.integers(1, 100), min_size=1))
def test_whatever_happens_points_add_up_move_by_ten_and_come_back(
    data: st.DataObject, weights: dict[str, int]
) -> None:
    rest = rests(weights)
    found, at = [Share(p, n, n) for p, n in rest.items()], AT
    last_moved: dict[str, datetime] = {}
    for _ in range(data.draw(st.integers(0, 30))):
        at += timedelta(seconds=data.draw(st.integers(1, 600)))
        health = {p: data.draw(_health) for p in rest}
        before = now_of(found)
        found, moves = judge(found, health, at)
        after = now_of(found)
        assert sum(after.values()) == WHOLE
        assert min(after.values()) >= 0
        for share in found:
            name, trouble = share.provider, health[share.provider].trouble
            assert not trouble or after[name] <= before[name]  # nobody in trouble gains
        for move in moves:
            if move.reason == health[move.provider].trouble:
                assert 0 < move.before - move.after <= STEP
                assert at - last_moved.get(move.provider, at - PAUSE) >= PAUSE
                last_moved[move.provider] = at
        assert {m.provider for m in moves} >= {p for p in rest if before[p] != after[p]}
    for _ in range(len(rest) * (WHOLE // STEP + 1)):
        at += QUIET
        found, _ = judge(found, dict.fromkeys(rest, WELL), at)
    assert now_of(found) == rest
    assert judge(found, dict.fromkeys(rest, WELL), at + QUIET)[1] == []
