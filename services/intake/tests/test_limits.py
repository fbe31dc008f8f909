"""Limits: who may do how much, when they may try again, and what replicas let through together."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jiayuan.chassis.errors import Problem, StartError
from jiayuan.chassis.testing.databases import Opened
from jiayuan.chassis.tokens import Principal
from jiayuan.intake import limits, store
from jiayuan.intake.limits import Limiter, Rule

CITIZEN = Principal("p1", ("citizen",))
DESK = Principal("d1", ("desk",))
START = 1_800_000_000.0


class At:
    """A clock that is set."""

    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def limiter(clock: At, **rules: list[tuple[int, int]]) -> Limiter:
    return Limiter(
        {"default": {"write": {k: tuple(Rule(*r) for r in v) for k, v in rules.items()}}}, b"s", clock
    )


def refused(by: Limiter, who: Principal | None = None, address: str = "192.0.2.1") -> Problem | None:
    try:
        by.check("any", "write", who, address)
    except Problem as problem:
        return problem
    return None


@pytest.mark.unit
def test_the_refusal_says_when_to_try_again_and_then_lets_in() -> None:
    clock = At(START + 30)
    by = limiter(clock, address=[(3, 60)])
    assert [refused(by) for _ in range(3)] == [None] * 3
    problem = refused(by)
    assert problem is not None
    assert (problem.status, problem.headers["Retry-After"]) == (429, str(problem.extra["retry_after"]))
    assert problem.extra["retry_at"] in problem.detail
    again = datetime.fromisoformat(problem.extra["retry_at"]).timestamp()
    assert clock.now < again <= clock.now + 120
    for _ in range(20):  # who hammers at the door is not kept out longer for it
        assert refused(by) is not None
    clock.now = again
    assert refused(by) is None


@pytest.mark.unit
@given(
    most=st.integers(1, 5),
    seconds=st.integers(1, 50),
    steps=st.lists(st.floats(0, 30), min_size=1, max_size=60),
)
def test_whenever_one_comes_the_time_he_is_told_is_kept(most: int, seconds: int, steps: list[float]) -> None:
    clock = At()
    by = limiter(clock, address=[(most, seconds)])
    let_in: list[float] = []
    for step in steps:
        clock.now += step
        problem = refused(by)
        if problem is not None:
            clock.now = datetime.fromisoformat(problem.extra["retry_at"]).timestamp()
            assert refused(by) is None
        let_in.append(clock.now)
    for at in let_in:  # no two windows' worth in any window, however the boundary lies
        assert sum(at - seconds < other <= at for other in let_in) <= 2 * most


@pytest.mark.unit
def test_persons_addresses_and_staff_are_counted_each_for_themselves() -> None:
    by = limiter(At(), person=[(2, 60)], address=[(5, 60)], staff=[(4, 60)])
    assert [refused(by, CITIZEN) for _ in range(2)] == [None] * 2
    assert refused(by, CITIZEN) is not None
    other = Principal("p2", ("citizen",))
    assert [refused(by, other) for _ in range(2)] == [None] * 2
    assert refused(by) is None
    assert refused(by) is not None  # five from this address, whoever they were
    assert refused(by, address="192.0.2.2") is None
    assert [refused(by, DESK) for _ in range(4)] == [
        None
    ] * 4  # no address counts for those who write for many
    assert refused(by, DESK) is not None


@pytest.mark.unit
def test_a_refused_try_uses_nothing_up_of_the_other_limits() -> None:
    by = limiter(At(), person=[(1, 60)], address=[(2, 60)])
    assert refused(by, CITIZEN) is None
    for _ in range(5):
        assert refused(by, CITIZEN) is not None
    assert refused(by) is None


@pytest.mark.unit
def test_one_household_of_ipv6_is_one_address() -> None:
    by = limiter(At(), address=[(1, 60)])
    assert refused(by, address="2001:db8::1") is None
    assert refused(by, address="2001:db8::2:1") is not None
    assert refused(by, address="2001:db8:0:1::1") is None


@pytest.mark.unit
def test_no_address_is_kept_in_clear() -> None:
    by = limiter(At(), address=[(1, 60)])
    refused(by, address="192.0.2.77")
    assert "192.0.2.77" not in repr([*by._counts, *by.unsent()])


@pytest.mark.unit
def test_many_strangers_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_KEPT", 100)
    by = limiter(At(), address=[(2, 60)])
    assert [refused(by) for _ in range(2)] == [None, None]
    for n in range(300):
        refused(by, address=f"198.51.{n // 250}.{n % 250}")
    by.unsent()
    assert len(by._counts) <= 100
    assert refused(by) is not None  # who has done most is the last to be forgotten


@pytest.mark.unit
def test_what_comes_with_intake_is_well_formed_and_off_is_off() -> None:
    rules = limits.load("")
    assert set(rules["default"]) == set(limits.DEEDS)
    assert limits.load(limits.OFF) == {}
    Limiter({}).check("any", "write", None, "192.0.2.1")


BAD = [
    ("[]", "channels must be a mapping that has a default"),
    ("channels: {reports: {}}", "has a default"),
    ("channels: {default: {wriet: {}}}", "default must be a mapping of sign_in, write, add, read"),
    ("channels: {default: {write: {people: []}}}", "default.write must be a mapping of person"),
    ("channels: {default: {write: {person: [[1]]}}}", r"default.write.person: \[1\] is not"),
    ("channels: {default: {write: {person: [[1, 0]]}}}", "is not"),
    ("channels: {default: {write: {person: [[true, 60]]}}}", "is not"),
    ("channels: {default: {write: {person: [[1, 60], [2, 60]]}}}", "two limits for the same seconds"),
    ("channels: {", "expected"),
]


@pytest.mark.unit
@pytest.mark.parametrize(("text", "said"), BAD)
def test_malformed_limits_stop_the_start_and_say_where(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "limits.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(StartError, match=re.compile(said)):
        limits.use(str(file), b"")


@pytest.fixture
def two() -> tuple[Limiter, Limiter]:
    clock = At()
    return limiter(clock, address=[(10, 60)]), limiter(clock, address=[(10, 60)])


def _share(intake: Opened, by: Limiter) -> None:
    used = by.unsent()
    if used:
        with by.telling(used), intake() as work:
            totals = store.count_together(work, used)
        by.told(totals)


@pytest.mark.store
def test_replicas_count_together(intake: Opened, two: tuple[Limiter, Limiter]) -> None:
    one, other = two
    assert [refused(one) for _ in range(6)] == [None] * 6
    assert [refused(other) for _ in range(2)] == [None] * 2
    for by in (one, other, one):
        _share(intake, by)
    assert [refused(other) for _ in range(2)] == [None] * 2
    assert refused(other) is not None
    # The first one has not heard of these two yet: what comes between two tellings is what may be too many.
    assert [refused(one) for _ in range(4)] == [None] * 4
    _share(intake, other)
    _share(intake, one)
    assert refused(one) is not None
    assert refused(other, address="192.0.2.9") is None


@pytest.mark.store
def test_what_could_not_be_told_is_told_later(intake: Opened, two: tuple[Limiter, Limiter]) -> None:
    one, other = two
    for _ in range(7):
        refused(one)
    used = one.unsent()
    with pytest.raises(OSError, match="away"), one.telling(used):
        raise OSError("the database is away")
    _share(intake, one)
    refused(other)
    _share(intake, other)
    assert [refused(other) for _ in range(3)].count(None) == 2


@pytest.mark.store
def test_use_that_no_window_covers_is_forgotten(intake: Opened, two: tuple[Limiter, Limiter]) -> None:
    one, _ = two
    refused(one)
    _share(intake, one)
    with intake() as work:
        assert store.forget_use(work, START + 60) == 0
        assert store.forget_use(work, START + 200) == 1
