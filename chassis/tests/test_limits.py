"""Limits: when somebody may try again, what replicas let through together, and how much memory it takes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder

from jiayuan.chassis import limits
from jiayuan.chassis.errors import Problem
from jiayuan.chassis.host import service_class
from jiayuan.chassis.limits import Counts, Limit, Limited, Rule
from jiayuan.chassis.service import Limiting
from jiayuan.chassis.testing.databases import Opened, WorkFor
from jiayuan.chassis.web import Call
from jiayuan.contracts import names

START = 1_800_000_000.0


class At:
    """A clock that is set."""

    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def refused(by: Counts, rule: Rule, subject: str = "a") -> Problem | None:
    try:
        by.take([(subject, rule)])
    except Problem as problem:
        return problem
    return None


# -- one process -------------------------------------------------------------------------------------


@pytest.mark.unit
def test_the_refusal_says_when_to_try_again_and_then_lets_in() -> None:
    clock, rule = At(START + 30), Rule(3, 60)
    by = Counts(b"s", clock)
    assert [refused(by, rule) for _ in range(3)] == [None] * 3
    problem = refused(by, rule)
    assert problem is not None
    assert (problem.status, problem.headers["Retry-After"]) == (429, str(problem.extra["retry_after"]))
    assert problem.extra["retry_at"] in problem.detail
    again = datetime.fromisoformat(problem.extra["retry_at"]).timestamp()
    assert clock.now < again <= clock.now + 120
    for _ in range(20):  # who hammers at the door is not kept out longer for it
        assert refused(by, rule) is not None
    assert refused(by, rule, "b") is None
    clock.now = again
    assert refused(by, rule) is None


@pytest.mark.unit
@given(
    most=st.integers(1, 5),
    seconds=st.integers(1, 50),
    steps=st.lists(st.floats(0, 30), min_size=1, max_size=60),
)
def test_whenever_one_comes_the_time_he_is_told_is_kept(most: int, seconds: int, steps: list[float]) -> None:
    clock, rule = At(), Rule(most, seconds)
    by = Counts(b"s", clock)
    let_in: list[float] = []
    for step in steps:
        clock.now += step
        problem = refused(by, rule)
        if problem is not None:
            clock.now = datetime.fromisoformat(problem.extra["retry_at"]).timestamp()
            assert refused(by, rule) is None
        let_in.append(clock.now)
    for at in let_in:  # no two windows' worth in any window, however the boundary lies
        assert sum(at - seconds < other <= at for other in let_in) <= 2 * most


@pytest.mark.unit
def test_a_refused_try_uses_nothing_up_of_the_other_limits() -> None:
    by, one, two = Counts(b"s", At()), Rule(1, 60), Rule(2, 60)
    by.take([("a", one), ("b", two)])
    for _ in range(5):
        with pytest.raises(Problem):
            by.take([("a", one), ("b", two)])
    by.take([("b", two)])


@pytest.mark.unit
def test_where_nobody_is_let_in_no_time_is_told() -> None:
    problem = refused(Counts(b"s", At()), Rule(0, 60))
    assert problem is not None
    assert (problem.status, problem.headers) == (403, {})


@pytest.mark.unit
def test_asking_counts_nothing_and_what_is_counted_later_counts() -> None:
    clock, wanted = At(), [("a", Rule(2, 60))]
    by = Counts(b"s", clock)
    for _ in range(5):
        by.ask(wanted)
    assert len(by) == 0
    for _ in range(3):  # of those that were under way when the limit was reached
        by.add(wanted)
    with pytest.raises(Problem) as refusal:
        by.ask(wanted)
    clock.now = datetime.fromisoformat(refusal.value.extra["retry_at"]).timestamp()
    by.ask(wanted)


@pytest.mark.unit
def test_many_strangers_do_not_fill_the_memory() -> None:
    clock, rule = At(), Rule(2, 60)
    by = Counts(b"s", clock, kept=100)
    assert [refused(by, rule, "busy") for _ in range(2)] == [None, None]
    most = 0
    for n in range(300):
        refused(by, rule, f"stranger {n}")
        most = max(most, len(by))
    assert most == 100
    assert refused(by, rule, "busy") is not None  # who has done most is the last to be forgotten
    clock.now += 120
    for n in range(100):
        refused(by, rule, f"later {n}")
    assert len(by) <= 100
    assert refused(by, rule, "busy") is None


# -- by address --------------------------------------------------------------------------------------


@pytest.fixture
def counts() -> Iterator[Counts]:
    """The counters of the process, with a clock that stands."""
    before = limits.current()
    yield limits.use(Counts(b"s", At()))
    limits.use(before)


def from_address(address: str) -> Call:
    return Call(EnvironBuilder(environ_base={"REMOTE_ADDR": address}).get_environ())


@pytest.mark.unit
@pytest.mark.usefixtures("counts")
def test_an_address_may_do_so_much_and_others_go_on() -> None:
    limit = Limit("test", most=2, seconds=60)
    for _ in range(2):
        limit(from_address("192.0.2.1"))
    with pytest.raises(Problem):
        limit(from_address("192.0.2.1"))
    limit(from_address("192.0.2.2"))
    Limit("another", most=2, seconds=60)(from_address("192.0.2.1"))


@pytest.mark.unit
@pytest.mark.usefixtures("counts")
def test_one_household_of_ipv6_is_one_address() -> None:
    limit = Limit("test", most=1, seconds=60)
    limit(from_address("2001:db8::1"))
    with pytest.raises(Problem):
        limit(from_address("2001:db8::2:1"))
    limit(from_address("2001:db8:0:1::1"))


@pytest.mark.unit
def test_no_address_is_kept_in_clear(counts: Counts) -> None:
    Limit("test", most=1, seconds=60)(from_address("192.0.2.77"))
    kept = repr([*counts._counts, *counts.unsent()])
    assert "test:address:" in kept
    assert "192.0.2.77" not in kept
    assert counts.hidden("192.0.2.77") != Counts(b"another").hidden("192.0.2.77")


# -- several -----------------------------------------------------------------------------------------

TEN = Rule(10, 60)


@pytest.fixture
def opened(work_for: WorkFor) -> Opened:
    """The database of a service that has limits."""
    return work_for("ledger")


@pytest.fixture
def two() -> tuple[Counts, Counts]:
    """The counters of two replicas."""
    clock = At()
    return Counts(b"s", clock), Counts(b"s", clock)


@pytest.mark.store
def test_replicas_of_a_service_know_addresses_by_the_same_names(opened: Opened) -> None:
    one, other = (Counts(limits.secret_of(opened.settings)) for _ in range(2))
    assert one.hidden("192.0.2.1") == other.hidden("192.0.2.1")


@pytest.mark.store
def test_replicas_count_together(opened: Opened, two: tuple[Counts, Counts]) -> None:
    one, other = two
    assert [refused(one, TEN) for _ in range(6)] == [None] * 6
    assert [refused(other, TEN) for _ in range(2)] == [None] * 2
    for by in (one, other, one):
        limits.share(by, opened.runtime)
    assert [refused(other, TEN) for _ in range(2)] == [None] * 2
    assert refused(other, TEN) is not None
    # The first one has not heard of these two yet: what comes between two tellings is what may be too many.
    assert [refused(one, TEN) for _ in range(4)] == [None] * 4
    limits.share(other, opened.runtime)
    limits.share(one, opened.runtime)
    assert refused(one, TEN) is not None
    assert refused(other, TEN, "b") is None


@pytest.mark.store
def test_what_could_not_be_told_is_told_later(opened: Opened, two: tuple[Counts, Counts]) -> None:
    class Away:
        def work(self) -> Any:
            raise OSError("the database is away")

    one, other = two
    for _ in range(7):
        refused(one, TEN)
    with pytest.raises(OSError, match="away"):
        limits.share(one, Away())
    limits.share(one, opened.runtime)
    refused(other, TEN)
    limits.share(other, opened.runtime)
    assert [refused(other, TEN) for _ in range(3)].count(None) == 2


@pytest.mark.store
def test_use_that_no_window_covers_is_forgotten(opened: Opened, two: tuple[Counts, Counts]) -> None:
    one, _ = two
    refused(one, TEN)
    limits.share(one, opened.runtime)
    with opened() as work:
        assert limits.forget(work, START + 60) == 0
        assert limits.forget(work, START + 200) == 1


@pytest.mark.store
def test_a_service_shares_what_its_entrypoints_count(opened: Opened, counts: Counts) -> None:
    service: Any = service_class("ledger")()
    service.delivery = opened.runtime
    other = Counts(counts.secret, counts.clock)
    counts.take([("a", TEN)])
    service.share_limits()
    refused(other, TEN)
    limits.share(other, opened.runtime)
    assert [refused(other, TEN) for _ in range(9)].count(None) == 8
    counts.clock.now += 200  # type: ignore[attr-defined]
    assert service.forget_limits() is True
    assert service.forget_limits() is False


@pytest.mark.unit
@pytest.mark.parametrize("name", names.SERVICES)
def test_whoever_counts_has_the_timers_and_the_table(name: str) -> None:
    service = service_class(name)
    counting = [
        e.url
        for member in dir(service)
        for e in getattr(getattr(service, member), "nameko_entrypoints", ())
        if isinstance(getattr(e, "before", None), Limited)
    ]
    shares = issubclass(service, Limiting)
    assert shares is ("limit_use" in service.delivery.metadata.tables)
    assert shares or not counting
