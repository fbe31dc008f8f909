"""Which clocks a case has, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jiayuan.contracts.check import problems
from jiayuan.contracts.envelope import Event
from jiayuan.contracts.schemas.clock import ClockSpoke
from jiayuan.sla import policy
from jiayuan.sla.clock import Clock, Key, Step, Wanted, case_of, clocks_of, fire, spoken, steps

pytestmark = pytest.mark.unit
TICK = timedelta(microseconds=1)

Moment = Callable[[float], datetime]


class Memory:
    """Clocks kept in memory by the same pure functions that the service uses."""

    def __init__(self) -> None:
        self.clocks: dict[str, dict[Key, Clock]] = {}
        self.seen: dict[str, int] = {}
        self.said: list[Step] = []

    def take(self, event: Event, now: datetime) -> None:
        case = case_of(event.data)
        if event.sequence <= self.seen.get(case["id"], 0):
            return
        self.seen[case["id"]] = event.sequence
        kept = self.clocks.setdefault(case["id"], {})
        self._keep(steps(case, event.sequence, kept, now, policy.current()))

    def tick(self, now: datetime) -> None:
        for kept in self.clocks.values():
            while True:
                due = [s for c in kept.values() if (s := fire(c, now, policy.current())) is not None]
                if not due:
                    break
                self._keep(due)

    def _keep(self, done: Sequence[Step]) -> None:
        for step in done:
            known = self.clocks[step.clock.case_id].get(step.clock.key)
            assert step.clock.sequence == (known.sequence if known else 0) + 1
            assert (step.clock.next_at is None) or step.clock.state in ("armed", "warned")
            self.clocks[step.clock.case_id][step.clock.key] = step.clock
            if step.says:
                self.said.append(step)
                assert problems(ClockSpoke, spoken(step)) == []

    def states(self) -> dict[str, str]:
        return {
            f"{c.kind} {c.leg_id}".strip(): c.state for kept in self.clocks.values() for c in kept.values()
        }

    def names(self) -> list[tuple[str, str]]:
        return [(s.clock.kind, s.says) for s in self.said]


def wanted(case: Any) -> dict[str, Wanted]:
    return {f"{w.kind} {w.leg_id}".strip(): w for w in clocks_of(case, policy.current())}


def outcomes(case: Any) -> dict[str, str]:
    return {k: w.outcome for k, w in wanted(case).items()}


# -- which clocks ------------------------------------------------------------------------------------


def test_a_case_that_nobody_holds_has_the_citizens_clock_alone(life: Any, moment: Moment) -> None:
    case = life()
    case.open()
    found = wanted(case.case)
    assert list(found) == ["citizen"]
    assert (found["citizen"].started_at, found["citizen"].due_at) == (moment(0), moment(432000))
    assert found["citizen"].warn_at == moment(345600)


def test_a_leg_has_a_response_and_a_finish_clock_from_its_offer(life: Any, moment: Moment) -> None:
    case = life()
    case.assign(100)
    found = wanted(case.case)
    response, finish = found["response case-1-leg-1"], found["finish case-1-leg-1"]
    assert (response.due_at, finish.due_at) == (moment(1000), moment(86500))
    assert (response.assignee_type, response.assignee_id) == ("person", "worker-1")


REPORT_IN = "report_in case-1-leg-1"


def whistled(life: Any, **leg: Any) -> Any:
    """A case whose unit was whistled and owes its report-in within 600 s."""
    case = life()
    unit = case.leg(0, kind="lead", report_in_limit=600, **leg) | {"assignee": {"type": "unit", "id": "U02"}}
    case.tell("case.whistled", 0, state="assigned", legs=[unit])
    return case


def test_a_whistled_unit_has_a_report_in_clock_of_its_own(life: Any, moment: Moment) -> None:
    case = whistled(life)
    found = wanted(case.case)
    assert set(found) == {"citizen", "response case-1-leg-1", "finish case-1-leg-1", REPORT_IN}
    assert (found[REPORT_IN].started_at, found[REPORT_IN].due_at) == (moment(0), moment(600))
    assert (found[REPORT_IN].assignee_type, found[REPORT_IN].assignee_id) == ("unit", "U02")


def test_a_report_in_alone_is_a_clock(life: Any) -> None:
    case = whistled(life, response_limit=None, finish_limit=None)
    assert set(wanted(case.case)) == {"citizen", REPORT_IN}


@pytest.mark.parametrize("said", ["accepted_at", "arrived_at", "answered_at", "done_at"])
@pytest.mark.parametrize(("second", "outcome"), [(600, "met"), (601, "breached")])
def test_whoever_accepts_comes_answers_or_finishes_has_reported_in(
    life: Any, said: str, second: int, outcome: str
) -> None:
    case = whistled(life)
    case.tell("case.accepted", 700, legs=case.last_leg(state="accepted", **{said: case.at(second)}))
    assert outcomes(case.case)[REPORT_IN] == outcome


def test_a_report_in_is_met_by_the_first_sign_of_the_unit(life: Any, moment: Moment) -> None:
    case = whistled(life)
    times = {"accepted_at": case.at(300), "arrived_at": case.at(900), "done_at": case.at(950)}
    case.tell("case.accepted", 950, legs=case.last_leg(state="done", **times))
    found = wanted(case.case)[REPORT_IN]
    assert (found.outcome, found.stopped_at) == ("met", moment(300))


@pytest.mark.parametrize(("second", "outcome"), [(600, "cancelled"), (601, "breached")])
def test_a_unit_that_refuses_owes_no_report_in_any_more(life: Any, second: int, outcome: str) -> None:
    case = whistled(life)
    case.tell("case.returned", second, legs=case.last_leg(state="refused", ended_at=case.at(second)))
    assert outcomes(case.case)[REPORT_IN] == outcome


def test_a_report_in_that_does_not_come_warns_and_breaches_for_itself(life: Any, moment: Moment) -> None:
    case, memory = whistled(life, response_limit=None, finish_limit=None), Memory()
    memory.take(case.events[-1], moment(0))
    memory.tick(moment(480))
    memory.tick(moment(600))
    assert memory.names() == [("report_in", "clock.warned")]
    memory.tick(moment(600) + TICK)
    assert memory.names()[1:] == [("report_in", "clock.breached")]


def test_a_report_in_waits_while_the_case_is_paused(life: Any, moment: Moment) -> None:
    case = whistled(life)
    span = {"start": case.at(100), "end": case.at(200)}
    case.tell("case.resumed", 200, pauses=[span])
    assert wanted(case.case)[REPORT_IN].due_at == moment(700)


@pytest.mark.parametrize("limit", [None, 0])
def test_no_limit_is_no_clock(life: Any, limit: int | None) -> None:
    case = life(response=limit, finish=limit, citizen=limit, confirmation=limit)
    case.assign(0)
    case.resolve(10)
    assert wanted(case.case) == {}


@pytest.mark.parametrize(("second", "outcome"), [(900, "met"), (900.000001, "breached")])
def test_exactly_on_the_limit_is_in_time(life: Any, second: float, outcome: str) -> None:
    case = life()
    case.assign(0)
    case.answer(second)
    assert outcomes(case.case)["response case-1-leg-1"] == outcome


def test_finishing_answers_too(life: Any) -> None:
    case = life()
    case.assign(0)
    legs = case.last_leg(state="done", done_at=case.at(60))
    case.tell("case.answered", 60, legs=legs)
    assert outcomes(case.case)["response case-1-leg-1"] == "met"


@pytest.mark.parametrize("state", ["returned", "refused", "reassigned", "released"])
@pytest.mark.parametrize(("second", "outcome"), [(900, "cancelled"), (901, "breached")])
def test_a_leg_that_ended_unanswered(life: Any, state: str, second: int, outcome: str) -> None:
    case = life()
    case.assign(0)
    case.tell("case.returned", second, legs=case.last_leg(state=state, ended_at=case.at(second)))
    found = outcomes(case.case)
    assert found["response case-1-leg-1"] == outcome
    assert found["finish case-1-leg-1"] == "cancelled"


@pytest.mark.parametrize("state", ["voided", "merged"])
def test_a_case_that_was_none(life: Any, state: str) -> None:
    case = life()
    case.assign(0)
    event = case.tell(f"case.{state}", 60, state=state)
    assert set(outcomes(case_of(event.data)).values()) == {"cancelled"}


def test_a_report_taken_back_calls_every_clock_off(life: Any) -> None:
    case = life()
    case.assign(0)
    case.close(60, "withdrawn")
    assert set(outcomes(case.case).values()) == {"cancelled"}


def test_a_leg_left_open_by_a_resolved_case_owes_nothing(life: Any) -> None:
    case = life()
    case.assign(0)
    case.tell("case.resolved", 60, state="resolved", resolved_at=case.at(60))
    assert outcomes(case.case) == {
        "response case-1-leg-1": "cancelled",
        "finish case-1-leg-1": "cancelled",
        "citizen": "met",
        "confirmation": "running",
    }


def test_confirmation_waits_from_each_resolution(life: Any, moment: Moment) -> None:
    case = life()
    case.assign(0)
    case.resolve(100)
    first = wanted(case.case)["confirmation"]
    assert first.due_at == moment(100 + 259200)
    case.reopen(200)
    assert "confirmation" not in wanted(case.case)
    case.resolve(300)
    assert wanted(case.case)["confirmation"].round != first.round
    case.close(400)
    assert outcomes(case.case)["confirmation"] == "met"


def test_reopening_starts_the_citizens_clock_again_where_it_was(life: Any, moment: Moment) -> None:
    case = life()
    case.assign(0)
    case.resolve(100)
    assert outcomes(case.case)["citizen"] == "met"
    case.reopen(200)
    citizen = wanted(case.case)["citizen"]
    assert (citizen.outcome, citizen.due_at) == ("running", moment(432000))


def test_pauses_hold_up_legs_and_citizen_but_no_confirmation(life: Any, moment: Moment) -> None:
    case = life()
    case.assign(0)
    case.pause(100)
    frozen = wanted(case.case)["response case-1-leg-1"]
    assert (frozen.paused, frozen.warn_at, frozen.due_at) == (True, None, moment(900))
    case.resume(400)
    found = wanted(case.case)
    assert found["response case-1-leg-1"].due_at == moment(1200)
    assert found["response case-1-leg-1"].warn_at == moment(1020)
    assert found["citizen"].due_at == moment(432300)
    case.resolve(500)
    case.pause(600)
    assert not wanted(case.case)["confirmation"].paused


def test_an_extension_is_for_the_finish_of_its_leg(life: Any, moment: Moment) -> None:
    case = life()
    case.assign(0)
    case.extend(100, 3600)
    found = wanted(case.case)
    finish = found["finish case-1-leg-1"]
    assert (finish.due_at, finish.limit_seconds) == (moment(90000), 90000)
    assert finish.warn_at == moment(72000)
    assert found["response case-1-leg-1"].due_at == moment(900)


# -- what becomes of them ----------------------------------------------------------------------------


def test_warned_then_breached_each_once(life: Any, moment: Moment) -> None:
    case, memory = life(finish=None, citizen=None), Memory()
    memory.take(case.assign(0), moment(0))
    memory.tick(moment(720) - TICK)
    assert memory.said == []
    memory.tick(moment(720))
    memory.tick(moment(900))
    assert memory.names() == [("response", "clock.warned")]
    memory.tick(moment(900) + TICK)
    memory.tick(moment(5000))
    assert memory.names() == [("response", "clock.warned"), ("response", "clock.breached")]
    warned, breached = memory.said
    assert (warned.percent, warned.clock.sequence, warned.clock.state) == (80, 2, "warned")
    assert (breached.percent, breached.clock.sequence, breached.clock.state) == (100, 3, "breached")


def test_a_warning_that_would_come_after_the_breach_is_dropped(life: Any, moment: Moment) -> None:
    case, memory = life(finish=None, citizen=None), Memory()
    memory.take(case.assign(0), moment(0))
    memory.tick(moment(901))
    assert memory.names() == [("response", "clock.breached")]
    assert next(iter(memory.clocks["case-1"].values())).warned_at is None


def test_stopped_late_is_told_once(life: Any, moment: Moment) -> None:
    case, memory = life(finish=None, citizen=None), Memory()
    memory.take(case.assign(0), moment(0))
    memory.take(case.answer(901), moment(901))
    memory.tick(moment(2000))
    assert memory.names() == [("response", "clock.breached")]
    assert memory.said[0].clock.stopped_at == moment(901)

    case, memory = life(finish=None, citizen=None), Memory()
    memory.take(case.assign(0), moment(0))
    memory.tick(moment(901))
    memory.take(case.answer(902), moment(902))
    assert memory.names() == [("response", "clock.breached")]


def test_late_news_of_a_timely_answer_corrects_the_breach(life: Any, moment: Moment) -> None:
    case, memory = life(finish=None, citizen=None), Memory()
    memory.take(case.assign(0), moment(0))
    memory.tick(moment(1000))
    memory.take(case.answer(900), moment(1001))
    assert memory.names() == [("response", "clock.breached"), ("response", "clock.corrected")]
    clock = memory.said[-1].clock
    assert (clock.state, clock.breached_at, clock.met_at) == ("met", moment(1000), moment(900))
    assert clock.sequence > memory.said[0].clock.sequence
    assert (memory.said[-1].at, memory.said[-1].percent) == (moment(900), 100)


def test_late_news_of_a_timely_return_corrects_the_breach(life: Any, moment: Moment) -> None:
    case, memory = life(finish=None, citizen=None), Memory()
    memory.take(case.assign(0), moment(0))
    memory.tick(moment(1000))
    legs = case.last_leg(state="returned", ended_at=case.at(800))
    memory.take(case.tell("case.returned", 800, legs=legs), moment(1001))
    assert [s.clock.state for s in memory.said] == ["breached", "cancelled"]


def test_late_news_of_a_timely_extension_takes_the_breach_back(life: Any, moment: Moment) -> None:
    case, memory = life(response=None, citizen=None), Memory()
    memory.take(case.assign(0), moment(0))
    memory.tick(moment(86401))
    memory.take(case.extend(86400, 86400), moment(86500))
    assert set(memory.states().values()) == {"armed"}
    memory.tick(moment(172801))
    assert memory.names() == [
        ("finish", "clock.breached"),
        ("finish", "clock.corrected"),
        ("finish", "clock.breached"),
    ]
    assert (
        spoken(memory.said[1])["clock"]
        | {
            "correction": True,
            "corrected_policy": "2026.1",
            "breached_at": case.at(86401),
            "state": "armed",
        }
        == spoken(memory.said[1])["clock"]
    )


def test_more_time_after_the_breach_does_not_undo_it(life: Any, moment: Moment) -> None:
    case, memory = life(response=None, citizen=None), Memory()
    memory.take(case.assign(0), moment(0))
    memory.take(case.extend(86401, 86400), moment(86401))
    memory.tick(moment(86402))
    memory.take(case.pause(86403), moment(86403))
    assert set(memory.states().values()) == {"breached"}
    assert memory.names() == [("finish", "clock.breached")]


def test_an_extension_after_the_warning_warns_again_later(life: Any, moment: Moment) -> None:
    case, memory = life(response=None, citizen=None), Memory()
    memory.take(case.assign(0), moment(0))
    memory.tick(moment(70000))
    memory.take(case.extend(70000, 86400), moment(70001))
    assert set(memory.states().values()) == {"armed"}
    memory.tick(moment(138239))
    assert len(memory.said) == 1
    memory.tick(moment(138240))
    assert memory.names() == [("finish", "clock.warned")] * 2


def test_nothing_is_said_in_a_pause(life: Any, moment: Moment) -> None:
    case, memory = life(response=900, finish=None, citizen=None), Memory()
    memory.take(case.assign(0), moment(0))
    memory.take(case.pause(800), moment(800))  # past the warning, before the deadline
    memory.tick(moment(801))
    memory.tick(moment(10000))
    assert memory.names() == [("response", "clock.warned")]
    memory.take(case.resume(20000), moment(20000))
    memory.tick(moment(20100))
    assert len(memory.said) == 1
    memory.tick(moment(20100) + TICK)
    assert memory.names()[-1] == ("response", "clock.breached")


def test_reassigning_cancels_the_old_clocks_and_arms_new_ones(life: Any, moment: Moment) -> None:
    case, memory = life(), Memory()
    memory.take(case.assign(0), moment(0))
    memory.take(case.assign(300, "worker-2"), moment(300))
    assert memory.states() == {
        "response case-1-leg-1": "cancelled",
        "finish case-1-leg-1": "cancelled",
        "response case-1-leg-2": "armed",
        "finish case-1-leg-2": "armed",
        "citizen": "armed",
    }
    assert memory.said == []


def test_a_citizens_clock_breaches_after_a_reopening_and_stays(life: Any, moment: Moment) -> None:
    case, memory = life(response=None, finish=None, confirmation=None), Memory()
    memory.take(case.assign(0), moment(0))
    memory.take(case.resolve(1000), moment(1000))
    memory.take(case.reopen(2000), moment(2000))
    memory.tick(moment(432001))
    memory.take(case.resolve(432100), moment(432100))
    assert memory.names() == [("citizen", "clock.met"), ("citizen", "clock.breached")]
    assert memory.states() == {"citizen": "breached"}


def test_a_lapsed_confirmation_stays_breached_and_a_reopening_calls_it_off(life: Any, moment: Moment) -> None:
    case, memory = life(response=None, finish=None, citizen=None), Memory()
    memory.take(case.assign(0), moment(0))
    memory.take(case.resolve(100), moment(100))
    memory.tick(moment(259301))
    assert memory.names() == [("confirmation", "clock.breached")]
    memory.take(case.close(259302, "lapsed"), moment(259302))
    assert len(memory.said) == 1

    case, memory = life(response=None, finish=None, citizen=None), Memory()
    memory.take(case.assign(0), moment(0))
    memory.take(case.resolve(100), moment(100))
    memory.take(case.reopen(200), moment(200))
    assert memory.states() == {"confirmation": "cancelled"}
    memory.tick(moment(10**6))
    assert memory.said == []


def test_a_step_that_moves_no_clock_changes_nothing(life: Any, moment: Moment) -> None:
    case, memory = life(), Memory()
    memory.take(case.assign(0), moment(0))
    before = dict(memory.clocks["case-1"])
    legs = case.last_leg(state="accepted", accepted_at=case.at(60))
    memory.take(case.tell("case.accepted", 60, state="accepted", legs=legs), moment(60))
    assert memory.clocks["case-1"] == before


# -- the order of news doesn't matter ----------------------------------------------------------------

MOVES = ("assign", "answer", "resolve", "close", "reopen", "extend", "pause", "resume", "void")


def live(case: Any, moves: Sequence[tuple[str, int]]) -> float:
    """Lets moves happen to a case as far as they are possible; the second at which it ends."""
    second = 0.0
    case.open()
    case.assign(0)
    for move, pause in moves:
        second += pause
        state, leg = case.case["state"], case.case["legs"][-1]["state"]
        paused = bool(case.case["pauses"]) and case.case["pauses"][-1]["end"] is None
        held = state not in ("resolved", "closed", "voided") and leg in ("offered", "answered")
        if (
            (move in ("assign", "answer", "resolve") and held)
            or (move == "close" and state == "resolved")
            or (move == "reopen" and state in ("resolved", "closed"))
        ):
            getattr(case, move)(second)
        elif move == "extend" and held:
            case.extend(second, 500)
        elif (move == "pause" and held and not paused) or (move == "resume" and paused):
            getattr(case, move)(second)
        elif move == "void" and state != "voided":
            case.tell("case.voided", second, state="voided")
    return second


def final(memory: Memory, newest: Event) -> dict[Key, Clock]:
    """The clocks as they ended, without what only says when something was noticed.

    A confirmation of an earlier resolution is known only from news that may have been overtaken.
    """
    current = {w.key for w in clocks_of(case_of(newest.data), policy.current())}
    return {
        c.key: replace(c, id="", sequence=0, case_sequence=0, warned_at=None, breached_at=None, met_at=None)
        for c in memory.clocks["case-1"].values()
        if c.key in current
    }


@given(
    st.lists(st.tuples(st.sampled_from(MOVES), st.integers(1, 600)), max_size=12),
    st.lists(st.integers(0, 12), max_size=6),
    st.integers(0, 2**32),
    st.sets(st.integers(0, 19), max_size=8),
)
def test_any_order_any_repetition_any_ticking_ends_the_same(
    life: Any,
    moment: Moment,
    moves: list[tuple[str, int]],
    repeated: list[int],
    seed: int,
    ticks: set[int],
) -> None:
    case = life(response=300, finish=900, citizen=1500, confirmation=400)
    last = live(case, moves)
    told = case.events

    plain = Memory()
    for event in told:
        plain.take(event, event.time)
    plain.tick(moment(last + 1))

    other = Memory()
    shuffled = [*told, *(told[i] for i in repeated if i < len(told))]
    Random(seed).shuffle(shuffled)
    for i, event in enumerate(shuffled):
        now = moment(last + 1 + i / 100)
        other.take(event, now)
        if i in ticks:
            other.tick(now)
    plain.tick(moment(last + 2))
    other.tick(moment(last + 2))
    assert final(other, told[-1]) == final(plain, told[-1])


@given(
    st.lists(st.tuples(st.sampled_from(MOVES), st.integers(1, 600)), max_size=12),
    st.lists(st.integers(0, 300), min_size=0, max_size=20),
)
def test_a_clock_says_each_thing_once_a_version_and_never_warns_past_its_deadline(
    life: Any, moment: Moment, moves: list[tuple[str, int]], delays: list[int]
) -> None:
    case = life(response=300, finish=900, citizen=1500, confirmation=400)
    last = live(case, moves)
    memory = Memory()
    now = moment(0)
    for i, event in enumerate(case.events):
        now = max(now, event.time + timedelta(seconds=delays[i] if i < len(delays) else 0))
        memory.tick(now)
        memory.take(event, now)
    memory.tick(max(now, moment(last + 3000)))
    versions = [(s.clock.id, s.clock.sequence) for s in memory.said]
    assert len(versions) == len(set(versions))
    for step in memory.said:
        if step.says == "clock.warned":
            assert step.at is not None
            assert step.clock.paused or step.at <= step.clock.due_at
    for step in memory.said:
        earlier = [s for s in memory.said if s.clock.id == step.clock.id and s is not step]
        if step.says == "clock.breached":
            twice = [s for s in earlier if s.says == "clock.breached" and s.clock.due_at == step.clock.due_at]
            assert all(_taken_back(memory, step.clock.id, s, step) for s in twice)


def _taken_back(memory: Memory, id_: str, one: Step, other: Step) -> bool:
    first, second = sorted((one.clock.sequence, other.clock.sequence))
    return any(
        s.clock.id == id_ and first < s.clock.sequence < second and s.says in ("clock.met", "clock.corrected")
        for s in memory.said
    )
