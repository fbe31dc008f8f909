"""A lane: few calls at a time, none that holds up another provider, and no answer lost."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rigs import Scripted, until

from jiayuan.chassis.errors import Transient
from jiayuan.contracts.ids import new_id
from jiayuan.notify import wall
from jiayuan.notify.failover import ERRORS_MOST
from jiayuan.notify.providers.base import Message
from jiayuan.notify.routes import Route
from jiayuan.notify.rules import CHANNELS
from jiayuan.notify.sending import lane as lanes
from jiayuan.notify.sending.groups import Groups
from jiayuan.notify.sending.lane import Done, Item, Lane, Sent, pause
from jiayuan.notify.states import Outcome

pytestmark = pytest.mark.unit


def items(count: int) -> list[Item]:
    """Calls to be made."""
    out = []
    for _ in range(count):
        message = Message(new_id(), "c1", "sms", "13900000000")
        sent = Sent({"id": new_id()}, message.request_id, 1, 1)
        out.append(Item("send", sent, message, wall.now()))
    return out


class Book:
    """Takes what a lane records; fails as often as told first."""

    def __init__(self, failures: int = 0) -> None:
        self.done: list[Done] = []
        self.failures = failures

    def __call__(self, _name: str, done: Sequence[Done]) -> None:
        if self.failures:
            self.failures -= 1
            raise Transient("the database is away")
        self.done += done

    @property
    def kinds(self) -> list[str]:
        """What came of the calls, sorted."""
        return sorted(d.outcome.kind if d.outcome else "never" for d in self.done)


def test_calls_are_few_at_a_time_and_all_are_recorded() -> None:
    provider, book = Scripted(concurrency=3), Book()
    lane = Lane(Route(provider), book, lease=30)
    provider.gate = threading.Event()
    assert lane.room == 6
    lane.give(items(6))
    assert provider.wait_for(3)
    assert (lane.room, lane.wants, lane.idle) == (0, False, False)
    provider.gate.set()
    assert lane.rest(10)
    assert provider.most_at_once == 3
    assert book.kinds == ["accepted"] * 6
    assert (lane.room, lane.wants, lane.idle) == (6, True, True)


def test_one_that_hangs_leaves_the_other_places_free() -> None:
    provider, book = Scripted(concurrency=2), Book()
    hung = threading.Event()
    first = items(1)
    provider.stuck[first[0].sent.request_id] = hung
    lane = Lane(Route(provider), book, lease=30)
    lane.give(first)
    for turn in range(5):
        lane.give(items(2))
        assert provider.wait_for(3 + 2 * turn)
        assert until(lambda: lane.room == 3)
    hung.set()
    assert lane.rest(10)
    assert book.kinds == ["accepted"] * 11


def test_a_call_that_outlasts_every_time_out_is_given_up_and_its_answer_ignored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    provider, book = Scripted(concurrency=1), Book()
    provider.gate = threading.Event()
    lane = Lane(Route(provider), book, lease=30)
    lane.give(items(2))
    assert provider.wait_for(1)
    monkeypatch.setattr(lanes, "_MARGIN", -provider.longest)
    lane.reap()
    monkeypatch.undo()
    assert provider.wait_for(2)  # another thread has its place
    provider.gate.set()
    assert lane.rest(10)
    assert book.kinds == ["accepted", "unknown"]


def test_answers_wait_for_the_database_and_nothing_new_is_taken_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried = threading.Event()
    monkeypatch.setattr(lanes.time, "sleep", lambda _s: tried.wait(10))
    provider, book = Scripted(concurrency=2), Book(failures=2)
    lane = Lane(Route(provider), book, lease=30)
    lane.give(items(4))
    assert provider.wait_for(4)
    assert provider.quiet()
    assert lane.room == 0
    tried.set()
    assert lane.rest(10)
    assert book.kinds == ["accepted"] * 4


def test_what_was_not_called_in_time_is_not_called_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    provider, book = Scripted(), Book()
    lane = Lane(Route(provider), book, lease=30)
    old = items(2)
    late = wall.now() + timedelta(seconds=31)
    monkeypatch.setattr(wall, "now", lambda: late)
    lane.give(old)
    assert lane.rest(10)
    assert (book.kinds, provider.calls) == (["never"] * 2, [])


def test_at_its_end_a_lane_finishes_its_calls_and_gives_the_rest_back() -> None:
    provider, book = Scripted(concurrency=2), Book()
    provider.gate = threading.Event()
    lane = Lane(Route(provider), book, lease=30)
    lane.give(items(4))
    assert provider.wait_for(2)
    closing = threading.Thread(target=lane.close, args=(10,))
    closing.start()
    while lane.room or not lane._closing:
        pass
    provider.gate.set()
    closing.join(10)
    assert book.kinds == ["accepted", "accepted", "never", "never"]
    assert len(provider.calls) == 2


def test_a_client_that_fails_is_an_unknown_answer(caplog: Any) -> None:
    provider, book = Scripted(), Book()
    provider.answer = lambda _m: 1 / 0  # type: ignore[assignment,return-value]
    lane = Lane(Route(provider), book, lease=30)
    lane.give(items(2))
    assert lane.rest(10)
    assert book.kinds == ["unknown"] * 2
    assert "a provider's client failed" in caplog.text


def test_errors_make_it_pause_and_a_success_ends_that() -> None:
    lane = Lane(Route(Scripted(concurrency=2)), Book(), lease=30)
    lane.note(True, 1.0)
    assert lane.paused
    lane.note(False, 1.0)
    assert not lane.paused


@given(errors=st.integers(1, 1000), concurrency=st.integers(1, 64), chance=st.floats(0, 1))
def test_no_pause_keeps_a_provider_that_is_down_from_losing_its_weight(
    errors: int, concurrency: int, chance: float
) -> None:
    seconds = pause(errors, concurrency, chance)
    assert 0 < seconds <= 5
    assert concurrency * 60 / seconds > ERRORS_MOST


def test_a_provider_without_points_gets_nothing_however_busy_the_other_is() -> None:
    lanes_ = [Lane(Route(Scripted(name)), Book(), lease=30) for name in "ab"]
    groups = Groups(lanes_)
    (group,) = groups.all
    group.points = {"a": 0, "b": 100}
    assert groups.ready(group) == {"b": 100}
    lanes_[1].note(True, 1.0)
    assert groups.ready(group) == {}
    groups.stopped = frozenset({("provider", "b")})
    assert groups.ready(group) == {"a": 0}  # there is nobody else


def test_channels_without_a_provider_are_looked_after_by_one_group() -> None:
    def groups(*routes: Route) -> dict[str, tuple[set[str], frozenset[str]]]:
        made = Groups([Lane(route, Book(), lease=30) for route in routes])
        return {g.channel: (set(g.claims), g.takes) for g in made.all}

    sms = Route(Scripted("sms"))
    assert groups(sms) == {"sms": (set(CHANNELS), frozenset({"sms"}))}
    wechat = Route(Scripted("wechat", channel="mini_program"))
    found = groups(sms, wechat)
    assert found["mini_program"] == ({"mini_program"}, frozenset({"mini_program"}))
    assert found["sms"][0] == set(CHANNELS) - {"mini_program"}
    local = groups(Route(Scripted("sink"), local=True))
    assert local["sms"] == (set(CHANNELS), frozenset(CHANNELS))  # what stays with us may be anything


def test_an_outcome_is_of_the_call_it_belongs_to() -> None:
    provider, book = Scripted(concurrency=4), Book()
    provider.answer = lambda m: Outcome("accepted", f"ref-{m.request_id}")
    lane = Lane(Route(provider), book, lease=30)
    lane.give(items(8))
    assert lane.rest(10)
    assert all(d.outcome and d.outcome.ref == f"ref-{d.item.sent.request_id}" for d in book.done)
    assert len(book.done) == 8
