"""Machines whose clocks differ or jump, and a database that was away; docs/sla/time.md says what happens."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from jiayuan.chassis.testing.databases import Opened, WorkFor
from jiayuan.sla import handlers, store, watching

pytestmark = pytest.mark.store
Moment = Callable[[float], datetime]
HOUR = 3600


@pytest.fixture
def open_work(work_for: WorkFor) -> Opened:
    return work_for("sla")


def take(open_work: Opened, now: datetime, *events: Any) -> list[tuple[str, str]]:
    with open_work(now=now) as work:
        handlers.case_changed(work, events)
        return [(e.name, e.data["clock"]["kind"]) for e in work.emitted]


def tick(open_work: Opened, now: datetime) -> list[tuple[str, str]]:
    out: list[tuple[str, str]] = []
    while True:
        with open_work(now=now) as work:
            if not handlers.speak(work):
                return out
            out += [(e.name, e.data["clock"]["kind"]) for e in work.emitted]


def states(open_work: Opened) -> dict[str, str]:
    with open_work() as work:
        return {
            r.kind: r.state for r in work.execute("SELECT kind, state FROM clock ORDER BY started_at, id")
        }


def test_an_answer_before_its_offer_took_no_time(open_work: Opened, life: Any, moment: Moment) -> None:
    case = life(finish=None, citizen=None)
    take(open_work, moment(0), case.assign(0))
    with open_work(now=moment(1)) as work:
        handlers.case_changed(work, [case.answer(-1)])
        (met,) = work.emitted
    assert (met.name, met.data["clock"]["percent"], met.data["clock"]["state"]) == ("clock.met", 0, "met")


@pytest.mark.parametrize("jump", [HOUR, -HOUR, 5.5])
def test_a_machine_whose_clock_has_jumped_tells_nothing(
    open_work: Opened, life: Any, moment: Moment, monkeypatch: pytest.MonkeyPatch, caplog: Any, jump: float
) -> None:
    take(open_work, moment(0), life(finish=None, citizen=None).assign(0))
    real = time.time
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: real() + jump)
        assert tick(open_work, moment(HOUR)) == []
        with open_work() as work:
            assert abs(store.skew(work) - jump) < 1
            watching.measure(work)
    assert "tells no deadline until they agree" in caplog.text
    assert tick(open_work, moment(HOUR)) == [("clock.breached", "response")]


def test_a_jump_forward_is_taken_back_by_the_next_news(open_work: Opened, life: Any, moment: Moment) -> None:
    case = life(finish=None, citizen=None)
    take(open_work, moment(0), case.assign(0))
    assert tick(open_work, moment(24 * HOUR)) == [("clock.breached", "response")]
    # The clocks are right again; two minutes have passed in truth.
    assert take(open_work, moment(120), case.answer(120)) == [("clock.corrected", "response")]
    assert states(open_work) == {"response": "met"}


def test_a_jump_back_tells_nothing_twice(open_work: Opened, life: Any, moment: Moment) -> None:
    case = life(citizen=None)
    take(open_work, moment(0), case.assign(0))
    assert tick(open_work, moment(901)) == [("clock.breached", "response")]
    for second in (-HOUR, 0, 720, 901, 2000):
        assert tick(open_work, moment(second)) == []
    assert tick(open_work, moment(86400 * 0.8)) == [("clock.warned", "finish")]
    take(open_work, moment(100), case.tell("case.accepted", 100))
    assert tick(open_work, moment(86400 * 0.8)) == []
    assert states(open_work) == {"response": "breached", "finish": "warned"}


@pytest.mark.parametrize("ticker_first", [True, False])
def test_an_hour_away_ends_the_same_whoever_comes_first(
    open_work: Opened, life: Any, moment: Moment, ticker_first: bool
) -> None:
    timely, late, silent = life("timely"), life("late"), life("silent")
    take(open_work, moment(0), *(c.assign(0) for c in (timely, late, silent)))
    back = moment(HOUR + 600)
    events = [timely.answer(600), late.answer(1000)]
    if ticker_first:
        first, second = tick(open_work, back), take(open_work, back, *events)
        assert first == [("clock.breached", "response")] * 3
        assert second == [("clock.corrected", "response")]
    else:
        first, second = take(open_work, back, *events), tick(open_work, back)
        assert sorted(first) == [("clock.breached", "response"), ("clock.met", "response")]
        assert second == [("clock.breached", "response")]
    assert tick(open_work, back + timedelta(seconds=1)) == []
    with open_work() as work:
        found = work.execute("SELECT case_id, state FROM clock WHERE kind = 'response'")
        assert {r.case_id: r.state for r in found} == {
            "timely": "met",
            "late": "breached",
            "silent": "breached",
        }
