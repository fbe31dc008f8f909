"""What clocks do by rules, calendars and ladders, and when their terms change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jiayuan.contracts.check import problems
from jiayuan.contracts.envelope import Event
from jiayuan.contracts.schemas.clock import ClockSpoke
from jiayuan.sla import calendar, policy
from jiayuan.sla.clock import (
    Clock,
    History,
    Key,
    Step,
    again,
    arm,
    case_of,
    clocks_of,
    extensions_of,
    facts_of,
    fire,
    promised,
    spans,
    spoken,
    steps,
)
from jiayuan.sla.explain import explained
from jiayuan.sla.policy import Book, Rules
from jiayuan.sla.time import due

pytestmark = pytest.mark.unit

Moment = Callable[[float], datetime]
TICK = timedelta(microseconds=1)
BASE: dict[str, Any] = {
    "version": "2",
    "zone": "Asia/Shanghai",
    "time": "natural",
    "warn": ["80%"],
    "pauses": ["response", "finish", "citizen", "report_in"],
    "extensions": ["finish"],
}
COUNTY = calendar.bundled("county")


def read(since: datetime | None = None, **change: Any) -> policy.Policy:
    return policy.read({**BASE, **change}, None, since)


class Memory:
    """Clocks kept in memory by the functions that the service uses."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.kept: dict[Key, Clock] = {}
        self.said: list[Step] = []

    def take(self, event: Event, now: datetime) -> None:
        changed = datetime.fromisoformat(event.data["change"]["at"])
        case = case_of(event.data)
        self._keep(steps(case, event.sequence, self.kept, now, self.rules, changed))

    def tick(self, now: datetime) -> None:
        while True:
            found = [s for c in self.kept.values() if (s := fire(c, now, self.rules)) is not None]
            if not found:
                return
            self._keep(found)

    def recompute(self, case: Any, now: datetime) -> int:
        history = History(
            case["street"],
            spans(case["pauses"]),
            extensions_of(case["extensions"]),
            self.rules,
            facts_of(case),
            self.kept,
            now,
        )
        before = {k: c.due_at for k, c in self.kept.items()}
        self._keep(again(self.kept, history, now))
        return sum(c.due_at != before[k] for k, c in self.kept.items())

    def _keep(self, done: list[Step]) -> None:
        for step in done:
            known = self.kept.get(step.clock.key)
            assert step.clock.sequence == (known.sequence if known else 0) + 1
            ahead = step.clock.state in ("armed", "warned") or step.clock.points is not None
            assert step.clock.next_at is None or ahead
            self.kept[step.clock.key] = step.clock
            if step.says:
                self.said.append(step)
                assert problems(ClockSpoke, spoken(step)) == []

    def one(self, kind: str) -> Clock:
        (found,) = [c for c in self.kept.values() if c.kind == kind]
        return found

    def told(self) -> list[tuple[str, str]]:
        """(event, point or step) of what was said."""
        out = []
        for s in self.said:
            more = dict(s.more or {})
            ladder = more.get("ladder")
            at = f"#{ladder['step']}" + (f".{ladder['again']}" if "again" in ladder else "") if ladder else ""
            out.append((s.says.removeprefix("clock."), at or more.get("point", "")))
        return out


# -- rules -------------------------------------------------------------------------------------------


def test_the_first_rule_that_matches_says_time_limit_and_points(life: Any, moment: Moment) -> None:
    rules = read(
        rules=[
            {"id": "red", "when": {"colour": ["red"]}, "then": {"limit": "10m"}},
            {
                "id": "lamps",
                "when": {"clock": ["finish"], "category": ["la"], "level": ["grid"], "assignee": ["person"]},
                "then": {"calendar": "county", "limit": "2wd"},
            },
            {"id": "off", "when": {"clock": ["citizen"], "street": ["350921"]}, "then": {"limit": "none"}},
        ]
    )
    case, memory = life(), Memory(rules)
    memory.take(case.assign(0), moment(0))
    finish, response = memory.one("finish"), memory.one("response")
    assert (finish.rule, finish.calendar, finish.limit_seconds) == ("lamps", "county@0", 2 * 27000)
    assert finish.due_at == due(moment(0), 2 * 27000, COUNTY)
    assert finish.given_seconds == 86400
    assert (response.rule, response.ordinary, response.limit_seconds) == ("", True, 900)
    assert {c.kind for c in memory.kept.values()} == {"finish", "response"}
    memory.take(case.tell("case.changed", 10, colour="red"), moment(10))
    assert {(c.kind, c.rule, c.limit_seconds) for c in memory.kept.values()} == {
        ("finish", "red", 600),
        ("response", "red", 600),
        ("citizen", "red", 600),
    }
    assert memory.one("finish").calendar == ""
    memory.take(case.tell("case.changed", 20, colour="blue"), moment(20))
    assert memory.one("response").rule == "*"
    assert memory.one("response").due_at == moment(900)
    assert memory.one("citizen").state == "cancelled"


def test_emergency_and_leg_are_facts_too(life: Any, moment: Moment) -> None:
    rules = read(
        rules=[
            {"id": "em", "when": {"clock": ["finish"], "emergency": True}, "then": {"limit": "1h"}},
            {"id": "assist", "when": {"clock": ["finish"], "leg": ["assist"]}, "then": {"limit": "2h"}},
        ]
    )
    case, memory = life(), Memory(rules)
    memory.take(case.tell("case.assigned", 0, legs=[case.leg(0, kind="assist")]), moment(0))
    assert memory.one("finish").limit_seconds == 7200
    memory.take(case.tell("case.changed", 5, emergency="e-1"), moment(5))
    assert (memory.one("finish").limit_seconds, memory.one("finish").rule) == (3600, "em")


def test_working_time_on_a_clock(life: Any, moment: Moment) -> None:
    # Monday 2026-03-02 09:00 in China is where every life begins.
    rules = read(rules=[{"id": "w", "when": {"clock": ["response"]}, "then": {"calendar": "county"}}])
    case, memory = life(finish=None, citizen=None, response=4 * 3600), Memory(rules)
    memory.take(case.assign(0), moment(0))
    clock = memory.one("response")
    assert clock.due_at == moment(5.5 * 3600)  # lunch doesn't count
    assert clock.warn_at == moment(4.7 * 3600)
    memory.take(case.pause(3 * 3600), moment(3 * 3600))
    memory.take(case.resume(5 * 3600), moment(5 * 3600))  # half an hour of it is working time
    assert memory.one("response").due_at == moment(6 * 3600)
    memory.take(case.answer(6 * 3600), moment(7 * 3600))
    assert memory.told() == [("met", "")]
    assert memory.said[0].percent == 100
    assert spoken(memory.said[0])["clock"]["calendar"] == "county@0"
    assert spoken(memory.said[0])["clock"]["rule"] == "w"


# -- points and ladders ------------------------------------------------------------------------------

LADDER = {
    "grid": [
        {"step": 1, "at": "100%", "whom": "grid_leader", "do": "reassign"},
        {
            "step": 2,
            "at": "+30m",
            "whom": "grid_chief",
            "do": "notify",
            "repeat": {"every": "10m", "times": 2},
        },
        {"step": 3, "at": "200%", "whom": "desk", "do": "notify", "quiet": "09:30-10:30"},
    ]
}


def test_several_warnings_before_and_after_the_limit(life: Any, moment: Moment) -> None:
    case, memory = (
        life(finish=None, citizen=None),
        Memory(read(warn=["50%", "-2m", "80%", "150%", "+1h", "-1h"])),
    )
    memory.take(case.assign(0), moment(0))
    assert memory.one("response").next_at == moment(450)
    for second, said in (
        (449, []),
        (450, [("warned", "50%")]),
        (720, [("warned", "80%")]),
        (780, [("warned", "-2m")]),
        (900, []),
        (901, [("breached", "")]),
        (1350, [("escalated", "150%")]),
        (4500, [("escalated", "+1h")]),
        (10**6, []),
    ):
        before = len(memory.said)
        memory.tick(moment(second))
        assert memory.told()[before:] == said, second
    assert [s.percent for s in memory.said] == [50, 80, 86, 100, 150, 500]
    assert memory.one("response").next_at is None
    assert memory.one("response").state == "breached"


def test_a_ladder_rises_repeats_and_keeps_quiet(life: Any, moment: Moment) -> None:
    rules = read(ladders=LADDER, ladder="grid")
    case, memory = life(finish=None, citizen=None), Memory(rules)
    memory.take(case.assign(0), moment(0))
    for second in range(0, 7200, 60):
        memory.tick(moment(second))
    assert memory.told() == [
        ("warned", "80%"),
        ("breached", "#1"),
        ("escalated", "#2"),
        ("escalated", "#2.1"),
        ("escalated", "#2.2"),
        ("escalated", "#3"),
    ]
    # 200 % is 09:30 in China, where it is quiet until 10:30.
    assert [s.at for s in memory.said[2:]] == [moment(s) for s in (2700, 3300, 3900, 5400)]
    assert dict(memory.said[1].more or {}) == {
        "ladder": {"name": "grid", "step": 1, "whom": "grid_leader", "do": "reassign"}
    }


def test_a_withdrawn_breach_names_whom_its_ladder_had_told(life: Any, moment: Moment) -> None:
    told = {}
    for second in (1000, 3000, 6000):
        case, memory = life(finish=None, citizen=None), Memory(read(ladders=LADDER, ladder="grid"))
        memory.take(case.assign(0), moment(0))
        for at in range(0, second + 1, 60):
            memory.tick(moment(at))
        memory.take(case.answer(800), moment(second))
        assert memory.said[-1].says == "clock.corrected"
        told[second] = (memory.said[-1].more or {}).get("told")
    # A step that hands over has told nobody: the case is elsewhere now, and says so itself.
    assert told == {1000: None, 3000: ["grid_chief"], 6000: ["grid_chief", "desk"]}


def test_after_an_hour_away_every_step_is_told_but_only_the_last_warning(life: Any, moment: Moment) -> None:
    case, memory = life(finish=None, citizen=None), Memory(read(warn=["50%", "60%", "70%", "110%", "120%"]))
    memory.take(case.assign(0), moment(0))
    memory.tick(moment(700))
    assert memory.told() == [("warned", "70%")]
    memory.tick(moment(3600))
    assert memory.told()[1:] == [("breached", ""), ("escalated", "120%")]

    case, memory = life(finish=None, citizen=None), Memory(read(ladders=LADDER, ladder="grid"))
    memory.take(case.assign(0), moment(0))
    memory.tick(moment(86400))
    assert memory.told() == [("breached", "#1"), *(("escalated", s) for s in ("#2", "#2.1", "#2.2", "#3"))]


def test_a_clock_that_stops_says_no_more_of_its_points(life: Any, moment: Moment) -> None:
    case, memory = (
        life(finish=None, citizen=None),
        Memory(read(warn=["50%", "80%"], ladders=LADDER, ladder="grid")),
    )
    memory.take(case.assign(0), moment(0))
    memory.tick(moment(1000))
    memory.take(case.answer(1001), moment(1001))
    memory.tick(moment(10**6))
    assert memory.told() == [("breached", "#1")]
    assert memory.one("response").next_at is None


def test_points_move_with_pauses_and_extensions_and_are_said_again(life: Any, moment: Moment) -> None:
    case, memory = life(response=None, citizen=None, finish=1000), Memory(read(warn=["50%", "80%", "120%"]))
    memory.take(case.assign(0), moment(0))
    memory.tick(moment(500))
    memory.take(case.pause(600), moment(600))
    memory.tick(moment(5000))
    assert memory.told() == [("warned", "50%")]
    memory.take(case.resume(5600), moment(5600))
    memory.take(
        case.extend(5650, 1000), moment(5650)
    )  # 2000 s now, of which 650 are gone: 50 % lies ahead again
    assert memory.one("finish").state == "armed"
    memory.tick(moment(6000))
    assert memory.told()[1:] == [("warned", "50%")]
    memory.tick(moment(6600))
    memory.tick(moment(7001))
    memory.tick(moment(7400))
    assert memory.told()[2:] == [("warned", "80%"), ("breached", ""), ("escalated", "120%")]


# -- terms that change -------------------------------------------------------------------------------


def test_a_limit_that_changes_in_time_moves_the_deadline(life: Any, moment: Moment) -> None:
    case, memory = life(finish=None, citizen=None), Memory(policy.current())
    memory.take(case.assign(0), moment(0))
    memory.take(case.tell("case.changed", 100, legs=case.last_leg(response_limit=300)), moment(100))
    assert memory.one("response").due_at == moment(300)
    memory.take(case.tell("case.changed", 300, legs=case.last_leg(response_limit=1800)), moment(300))
    memory.tick(moment(1000))
    assert memory.told() == []
    assert memory.one("response").due_at == moment(1800)


@pytest.mark.parametrize("noticed", [True, False])
def test_a_limit_that_changes_too_late_leaves_the_breach(life: Any, moment: Moment, noticed: bool) -> None:
    case, memory = life(finish=None, citizen=None), Memory(policy.current())
    memory.take(case.assign(0), moment(0))
    if noticed:
        memory.tick(moment(901))
    # Noticed or not (the database was away for an hour): it was late before more time was given.
    memory.take(case.tell("case.changed", 950, legs=case.last_leg(response_limit=7200)), moment(3600))
    memory.tick(moment(3601))
    clock = memory.one("response")
    assert (clock.state, clock.due_at, clock.limit_seconds) == ("breached", moment(900), 900)
    assert [s.says for s in memory.said] == ["clock.breached"]
    memory.take(case.answer(4000), moment(4000))
    assert memory.one("response").state == "breached"


def test_late_news_of_a_limit_that_changed_in_time_withdraws_the_breach(life: Any, moment: Moment) -> None:
    case, memory = life(finish=None, citizen=None), Memory(policy.current())
    memory.take(case.assign(0), moment(0))
    memory.tick(moment(901))
    memory.take(case.tell("case.changed", 899, legs=case.last_leg(response_limit=7200)), moment(1000))
    assert [s.says for s in memory.said] == ["clock.breached", "clock.corrected"]
    assert memory.one("response").state == "armed"


def test_a_new_policy_recomputes_what_is_open_and_leaves_what_was_breached(life: Any, moment: Moment) -> None:
    old = read(version="1", rules=[{"id": "r", "when": {"clock": ["response"]}, "then": {"limit": "10m"}}])
    new = read(moment(700), version="2", rules=[{"id": "r", "when": {}, "then": {"limit": "2h"}}])
    case, memory = life(citizen=None), Memory(old)
    memory.take(case.assign(0), moment(0))
    memory.tick(moment(601))
    assert memory.one("response").state == "breached"
    memory.rules = Book([old, new])
    assert memory.recompute(case.case, moment(710)) == 1
    response, finish = memory.one("response"), memory.one("finish")
    assert (response.state, response.policy, response.due_at) == ("breached", "1", moment(600))
    assert (finish.policy, finish.limit_seconds, finish.due_at) == ("2", 7200, moment(7200))
    # Later news of the case find it the same.
    memory.take(case.tell("case.accepted", 720), moment(720))
    assert (memory.one("response").policy, memory.one("response").state) == ("1", "breached")
    # And the breach still falls when it turns out to have been answered in time.
    memory.take(case.answer(600), moment(800))
    assert memory.one("response").state == "met"
    assert dict(memory.said[-1].more or {})["corrected_policy"] == "1"


def test_what_was_over_before_a_new_policy_is_judged_by_the_old_one(life: Any, moment: Moment) -> None:
    old = read(version="1")
    new = read(moment(1000), version="2", rules=[{"id": "r", "when": {}, "then": {"limit": "10s"}}])
    case, memory = life(citizen=None, finish=None), Memory(Book([old, new]))
    memory.take(case.assign(0), moment(1100))
    memory.take(case.answer(800), moment(1200))
    assert memory.one("response").state == "met"
    assert memory.one("response").policy == "1"
    memory.take(case.tell("case.changed", 1300, colour="red"), moment(1300))
    assert memory.one("response").state == "met"


def test_a_policy_for_new_clocks_leaves_the_old_ones(life: Any, moment: Moment) -> None:
    old = read(version="1")
    rule = {"id": "r", "when": {}, "then": {"limit": "1h"}}
    new = read(version="2", effective_from=moment(500), applies_to="new", rules=[rule])
    book = Book([old, new])
    case, memory = life(citizen=None, finish=None), Memory(book)
    memory.take(case.assign(0), moment(0))
    memory.take(case.assign(600, "worker-2"), moment(600))
    running = {c.started_at: c for c in memory.kept.values()}
    assert (running[moment(600)].policy, running[moment(600)].limit_seconds) == ("2", 3600)
    assert memory.recompute(case.case, moment(610)) == 0
    assert running[moment(0)].policy == "1"


DAYS = st.dictionaries(
    st.dates(date(2026, 3, 2), date(2026, 3, 20)).map(str),
    st.sampled_from(({"holiday": "停工"}, {"workday": "调休"}, {"hours": ["09:00-10:00"]})),
)


@given(
    first=DAYS,
    then=DAYS,
    days=st.integers(1, 9),
    seconds=st.integers(1, 20 * 86400),
    edited=st.integers(1, 3000),
)
@settings(deadline=None, max_examples=60)
def test_an_edited_calendar_moves_working_days_and_no_moment_that_was_named(
    moment: Moment, first: dict[str, Any], then: dict[str, Any], days: int, seconds: int, edited: int
) -> None:
    rule = {
        "id": "w",
        "when": {},
        "then": {"calendar": "county", "limit": f"{days}wd", "warn": ["50%", "-1h"]},
    }
    start, named = moment(0), moment(seconds) + TICK
    document = calendar.bundled_documents()["county"]

    def rules(version: int, said: dict[str, Any]) -> Book:
        read_ = calendar.read({**document, "days": said}, version, moment(edited if version else 0))
        found = policy.read({**BASE, "rules": [rule]}, {"county": read_})
        return Book([found], {read_.mark: read_})

    def history(rules: Rules, now: datetime, kept: dict[Key, Clock]) -> History:
        return History("350921001", (), {}, rules, {}, kept, now)

    def wanted(limit: int | datetime, known: History) -> Any:
        return promised("claim", "p-1", ("unit", "U02"), start, limit, (None, None), known)

    before, after, now = rules(0, first), rules(1, then), moment(edited)
    for limit in (1, named):
        new = wanted(limit, history(before, start, {}))
        old = arm(new, "id", "claim:1", 1, start).clock
        steps_ = again({old.key: old}, history(after, now, {old.key: old}), now)
        moved = steps_[0].clock if steps_ else old
        if isinstance(limit, datetime):
            assert (old.due_at, moved.due_at, moved.calendar) == (named, named, "")
            continue
        anew = arm(wanted(limit, history(after, now, {})), "id", "claim:1", 1, now).clock
        assert (
            moved.due_at
            == anew.due_at
            == due(start, moved.limit_seconds, after.policies[0].rules[0].terms["claim"].calendar)
        )
        assert (moved.limit_seconds, moved.calendar, moved.next_at) == (
            anew.limit_seconds,
            "county@1",
            anew.next_at,
        )


def test_an_edited_day_moves_open_clocks_and_no_breach(life: Any, moment: Moment) -> None:
    document = calendar.bundled_documents()["county"]
    typhoon = calendar.read(
        {**document, "days": {"2026-03-03": {"holiday": "台风停工"}}}, 1, moment(86400 + 36000)
    )
    rule = {"id": "w", "when": {}, "then": {"calendar": "county"}}
    before = policy.read({**BASE, "rules": [rule]}, {"county": COUNTY})
    after = policy.read({**BASE, "rules": [rule]}, {"county": typhoon})
    case, memory = life(citizen=None, response=4 * 3600, finish=10 * 3600), Memory(before)
    memory.take(case.assign(0), moment(0))
    memory.tick(moment(8 * 3600))
    assert memory.one("response").state == "breached"
    memory.rules = Book([after], {COUNTY.mark: COUNTY, typhoon.mark: typhoon})
    # Finish is due on Tuesday at 11:30, which was late when the day was declared on Tuesday at 19:00.
    assert memory.recompute(case.case, moment(86400 + 36001)) == 0
    assert memory.one("finish").calendar == "county@0"
    early = calendar.read({**document, "days": {"2026-03-03": {"holiday": "台风停工"}}}, 1, moment(36000))
    memory.rules = Book([policy.read({**BASE, "rules": [rule]}, {"county": early})], {COUNTY.mark: COUNTY})
    assert memory.recompute(case.case, moment(36001)) == 1
    assert memory.one("finish").due_at == due(moment(0), 36000, early)
    assert (memory.one("finish").calendar, memory.one("response").calendar) == ("county@1", "county@0")


# -- reopening ---------------------------------------------------------------------------------------


def test_a_leg_that_is_opened_again_stood_still_meanwhile(life: Any, moment: Moment) -> None:
    case, memory = life(response=None, citizen=None, confirmation=None, finish=1000), Memory(policy.current())
    memory.take(case.assign(0), moment(0))
    memory.take(case.resolve(400), moment(400))
    assert memory.one("finish").state == "met"
    legs = case.last_leg(state="accepted", done_at=None)
    reopened = case.tell("case.reopened", 5000, state="accepted", legs=legs, resolved_at=None)
    memory.take(reopened, moment(5000))
    finish = memory.one("finish")
    assert (finish.state, finish.due_at, finish.stopped_at) == ("armed", moment(5600), None)
    memory.take(case.tell("case.accepted", 5010), moment(5010))
    assert memory.one("finish").due_at == moment(5600)
    # A second time, and a pause over the same span counts once.
    memory.take(case.resolve(5500), moment(5500))
    legs = case.last_leg(state="accepted", done_at=None)
    pause = {"start": case.at(5400), "end": case.at(5800), "reason": "等", "approver": "desk-1"}
    change = {"state": "accepted", "legs": legs, "resolved_at": None, "pauses": [pause]}
    memory.take(case.tell("case.reopened", 6000, **change), moment(6000))
    finish = memory.one("finish")
    assert finish.due_at == moment(1000 + 4600 + 600)
    shown = explained(finish, case.case["pauses"], [], moment(6100), policy.current())
    assert (shown["elapsed"], shown["remaining"]) == (400 + 400 + 100, 100)
    memory.tick(moment(6200) + TICK)
    assert memory.told()[-1] == ("breached", "")
    assert memory.recompute(case.case, moment(6201)) == 0


def test_a_breach_stays_when_its_leg_is_opened_again(life: Any, moment: Moment) -> None:
    case, memory = life(response=None, citizen=None, confirmation=None, finish=1000), Memory(policy.current())
    memory.take(case.assign(0), moment(0))
    memory.take(case.resolve(1400), moment(1400))
    legs = case.last_leg(state="accepted", done_at=None)
    memory.take(case.tell("case.reopened", 5000, state="accepted", legs=legs, resolved_at=None), moment(5000))
    memory.tick(moment(6000))
    assert memory.one("finish").state == "breached"
    assert memory.told() == [("breached", "")]


# -- other promises ----------------------------------------------------------------------------------


def asked(case: Any, second: float, **more: Any) -> dict[str, Any]:
    return {
        "id": "a-1",
        "kind": "extension",
        "leg": "case-1-leg-1",
        "asked_by": "worker-1",
        "asked_at": case.at(second),
        "reason": "等配件",
        "of": "desk-350921001",
        "limit": 3600,
        **more,
    }


@pytest.mark.parametrize(("second", "outcome"), [(3700, "met"), (3701, "breached")])
def test_an_approval_is_to_be_decided_in_time(life: Any, moment: Moment, second: int, outcome: str) -> None:
    case, memory = life(response=None, finish=None, citizen=None), Memory(policy.current())
    case.assign(0)
    memory.take(case.tell("case.changed", 100, approvals=[asked(case, 100)]), moment(100))
    clock = memory.one("approval")
    assert (clock.due_at, clock.assignee_type, clock.assignee_id) == (moment(3700), "desk", "desk-350921001")
    decided = asked(case, 100, decided_at=case.at(second), decided_by="d-1", granted=True)
    memory.take(case.tell("case.extended", second, approvals=[decided]), moment(second))
    assert memory.one("approval").state == outcome
    said = spoken(memory.said[0])["clock"]
    assert (said["about"], said["leg"], said["kind"]) == ("a-1", None, "approval")


def test_two_approvals_have_two_clocks_and_a_case_that_ends_calls_them_off(life: Any, moment: Moment) -> None:
    case, memory = life(response=None, finish=None, citizen=None), Memory(policy.current())
    case.assign(0)
    other = asked(case, 100, id="a-2", of="convener-9", limit=600)
    both = [asked(case, 100), other, asked(case, 1, id="a-3", limit=None)]
    memory.take(case.tell("case.changed", 100, approvals=both), moment(100))
    assert {(k[0], c.assignee_type) for k, c in memory.kept.items()} == {("a-1", "desk"), ("a-2", "person")}
    memory.take(case.resolve(200), moment(200))
    assert {c.state for c in memory.kept.values() if c.kind == "approval"} == {"cancelled"}


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({}, "running"),
        ({"inspection": {"at": 1600, "by": "i-1", "passed": True}}, "met"),
        ({"inspection": {"at": 1601, "by": "i-1", "passed": True}}, "breached"),
        ({"inspection": {"at": 900, "by": "i-1", "passed": True}}, "running"),  # of an earlier resolution
        ({"state": "closed", "confirmed": "satisfied", "closed_at": 1200}, "met"),
        ({"state": "closed", "confirmed": "lapsed", "closed_at": 1200}, "running"),
        ({"state": "closed", "confirmed": "withdrawn", "closed_at": 1200}, "cancelled"),
    ],
)
def test_the_callback_after_a_resolution(life: Any, change: dict[str, Any], outcome: str) -> None:
    case = life(response=None, finish=None, citizen=None, confirmation=None)
    case.assign(0)
    case.resolve(1000)
    for name in ("closed_at",):
        if name in change:
            change = {**change, name: case.at(change[name])}
    if "inspection" in change:
        change = {"inspection": {**change["inspection"], "at": case.at(change["inspection"]["at"])}}
    case.tell("case.changed", 2000, callback_limit=600, **change)
    (found,) = clocks_of(case.case, policy.current())
    assert (found.kind, found.outcome) == ("callback", outcome)


# -- explained ---------------------------------------------------------------------------------------


def test_explained_adds_up(life: Any, moment: Moment) -> None:
    rules = read(
        warn=["50%", "80%"],
        rules=[{"id": "w", "when": {"clock": ["finish"]}, "then": {"calendar": "county", "limit": "2wd"}}],
    )
    case, memory = life(response=None, citizen=None), Memory(rules)
    memory.take(case.assign(0), moment(0))
    memory.take(case.pause(3600), moment(3600))
    memory.take(case.resume(7200), moment(7200))
    memory.take(case.extend(7300, 3600), moment(7300))
    memory.take(case.extend(10**6, 3600), moment(10**6))
    finish = memory.one("finish")
    now = moment(8 * 3600)
    found = explained(finish, case.case["pauses"], case.case["extensions"], now, rules)
    assert (found["given"], found["limit"], found["calendar"], found["rule"]) == (
        86400,
        57600,
        "county@0",
        "w",
    )
    assert [e["in_time"] for e in found["extensions"]] == [True, False]
    counted = sum(s["seconds"] for s in found["timeline"] if s["counted"])
    ahead = sum(s["seconds"] for s in found["ahead"] if s["counted"])
    assert (counted, ahead) == (found["elapsed"], found["remaining"])
    assert {s["why"] for s in found["timeline"]} == {"", "paused", "outside hours"}
    assert [w["point"] for w in found["warns"]] == ["50%", "80%"]
    assert found["known_until"] == "2026-12-31"
    far = replace(finish, due_at=datetime(2027, 1, 4, 2, tzinfo=UTC))
    assert "2026-12-31" in explained(far, [], [], now, rules)["beyond"]


def test_in_working_time_the_light_is_red_after_the_days_end(life: Any, moment: Moment) -> None:
    rules = read(rules=[{"id": "w", "when": {}, "then": {"calendar": "county"}}])
    case, memory = life(response=None, citizen=None, finish=27000), Memory(rules)
    memory.take(case.assign(0), moment(0))
    finish = memory.one("finish")
    assert finish.due_at == moment(9 * 3600)
    lights = [
        explained(finish, [], [], moment(s), rules)["light"] for s in (0, 8 * 3600, 9 * 3600, 9 * 3600 + 1)
    ]
    assert lights == ["green", "yellow", "yellow", "red"]


# -- recomputed from history and kept step by step: the same -----------------------------------------

MOVES = ("assign", "answer", "extend", "pause", "resume", "recolour", "limits")
RULED = read(
    version="1",
    warn=["50%", "80%", "120%"],
    rules=[
        {"id": "red", "when": {"colour": ["red"], "clock": ["finish"]}, "then": {"calendar": "county", "limit": "1wd"}},
        {"id": "resp", "when": {"clock": ["response"]}, "then": {"warn": ["-60s"]}},
    ],
)  # fmt: skip


def live(case: Any, moves: list[tuple[str, int]]) -> float:
    second = 0.0
    case.assign(0)
    for move, wait in moves:
        second += wait
        paused = bool(case.case["pauses"]) and case.case["pauses"][-1]["end"] is None
        if move == "recolour":
            case.tell("case.changed", second, colour="red" if case.case["colour"] == "blue" else "blue")
        elif move == "limits":
            case.tell("case.changed", second, legs=case.last_leg(finish_limit=40000))
        elif move == "extend":
            case.extend(second, 500)
        elif (move == "pause" and not paused) or (move == "resume" and paused) or move == "assign":
            getattr(case, move)(second)
        elif move == "answer" and case.case["legs"][-1]["state"] == "offered":
            case.answer(second)
    return second


@given(st.lists(st.tuples(st.sampled_from(MOVES), st.integers(1, 3000)), max_size=8))
@settings(deadline=None, max_examples=60)
def test_recomputed_from_history_is_what_was_kept_step_by_step(
    life: Any, moment: Moment, moves: list[tuple[str, int]]
) -> None:
    case = life(response=100_000, finish=200_000, citizen=400_000)
    last = live(case, moves)
    now = moment(last + 1)
    kept, anew = Memory(RULED), Memory(RULED)
    for event in case.events:
        kept.take(event, event.time)
    anew.take(case.events[-1], now)

    def facts(memory: Memory) -> Any:
        return {
            k: (c.due_at, c.limit_seconds, c.state, c.next_at, c.paused, c.calendar, c.given)
            for k, c in memory.kept.items()
            if c.state in ("armed", "warned")
        }

    assert facts(kept) == facts(anew)
    before = dict(kept.kept)
    assert kept.recompute(case.case, now) == 0
    assert kept.kept == before
    # Under another policy, and back again.
    other = read(now, version="2", rules=[{"id": "w", "when": {}, "then": {"calendar": "county"}}])
    back = policy.read(
        {**BASE, "version": "3", "warn": ["50%", "80%", "120%"], "rules": RULED_RULES}, None, now + 2 * TICK
    )
    kept.rules = Book([RULED, other])
    kept.recompute(case.case, now + TICK)
    kept.rules = Book([RULED, other, back])
    kept.recompute(case.case, now + 2 * TICK)
    assert facts(kept) == facts(anew)


RULED_RULES = [
    {"id": "red", "when": {"colour": ["red"], "clock": ["finish"]}, "then": {"calendar": "county", "limit": "1wd"}},
    {"id": "resp", "when": {"clock": ["response"]}, "then": {"warn": ["-60s"]}},
]  # fmt: skip


@given(
    st.lists(
        st.tuples(st.sampled_from(("assign", "answer", "extend", "pause", "resume")), st.integers(1, 3000)),
        max_size=8,
    ),
    st.randoms(),
)
@settings(deadline=None, max_examples=60)
def test_in_working_time_too_the_order_of_events_does_not_matter(
    life: Any, moment: Moment, moves: list[tuple[str, int]], random: Random
) -> None:
    rule = {"id": "w", "when": {}, "then": {"calendar": "county", "warn": ["50%", "80%", "+1h"]}}
    rules = read(version="1", rules=[rule])
    case = life(response=6000, finish=20_000, citizen=40_000)
    last = live(case, moves)
    end = moment(last + 1)
    plain, other = Memory(rules), Memory(rules)
    for event in case.events:
        plain.take(event, event.time)
        plain.tick(event.time)
    shuffled = [*case.events, *case.events[:2]]
    random.shuffle(shuffled)
    newest = 0
    for event in shuffled:
        if event.sequence > newest:  # what is older is ignored by the handler
            newest = event.sequence
            other.take(event, end)
            other.tick(end)
    for memory in (plain, other):
        memory.tick(end + timedelta(seconds=1))

    def facts(memory: Memory) -> Any:
        return {
            k: (
                c.due_at,
                c.limit_seconds,
                "running" if c.state in ("armed", "warned") else c.state,
                c.stopped_at,
                c.paused,
            )
            for k, c in memory.kept.items()
        }

    assert facts(plain) == facts(other)
