"""Rates: by hand on small tables, and properties."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jiayuan.contracts.schemas.common import CLOCK_KINDS
from jiayuan.sla import policy, rates
from jiayuan.sla.clock import Clock, Key, facts_of, steps
from jiayuan.sla.rates import BY, BY_NAME, FIGURES, Deadline, Period, Sum, Tally

ZONE = ZoneInfo("Asia/Shanghai")
START = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
ALL = Period(START - timedelta(days=400), START + timedelta(days=400))
DOC = Path(__file__).parents[3] / "docs/sla/rates.md"


def kept(events: list[Any]) -> tuple[rates.Case, list[Deadline]]:
    """What is kept of a case after its events came in this order, as the handler does it."""
    seen, clocks, newest = 0, {}, None
    for event in events:
        if event.sequence <= seen:
            continue
        seen, newest = event.sequence, event
        for step in steps(event.data["case"], seen, clocks, event.time, policy.current()):
            clocks[step.clock.key] = step.clock
    assert newest is not None
    return of(newest, clocks)


def of(event: Any, clocks: dict[Key, Clock]) -> tuple[rates.Case, list[Deadline]]:
    case = event.data["case"]
    measured = rates.measured(case, event.data["change"]["at"])
    found = rates.case_of(
        case["id"],
        case["street"],
        case["state"],
        facts_of(case),
        case["pauses"],
        case["extensions"],
        measured,
    )
    deadlines = [
        Deadline(c.leg_id, c.kind, c.due_at, c.state, c.paused, c.stopped_at, c.round)
        for c in clocks.values()
    ]
    return found, sorted(deadlines)


def shown(tally: Tally, group: str = "total") -> dict[str, Any]:
    sums = dict(tally.rows())[group]
    return {f.name: sums[f.name].shown(f) for f in FIGURES if f.name in sums}


def test_737_of_972_due() -> None:
    assert rates.percent(737, 972) == "75.82"


@pytest.mark.parametrize(
    ("hits", "over", "said"),
    [
        (0, 10, "0.00"),
        (10, 10, "100.00"),
        (1, 3, "33.33"),
        (2, 3, "66.67"),
        (1, 16, "6.25"),
        (1, 800, "0.13"),
    ],
)
def test_percent_is_rounded_half_up(hits: int, over: int, said: str) -> None:
    assert rates.percent(hits, over) == said


def test_small_denominators_are_counts() -> None:
    small, enough = Sum(over=9, hits=3), Sum(over=10, hits=3)
    assert small.shown(BY_NAME["solution"]) == {"hits": 3, "over": 9}
    assert enough.shown(BY_NAME["solution"]) == {"hits": 3, "over": 10, "percent": "30.00"}


def test_cases_counted_by_hand(life: Any) -> None:
    tally = Tally("street", ALL, ZONE)
    # In time, satisfied.
    one = life("c-1")
    one.assign(0), one.answer(600), one.resolve(5000), one.close(6000, solved=True)
    # Answered late, finished late, the reporter isn't satisfied.
    two = life("c-2")
    two.assign(0), two.answer(1000), two.resolve(90000), two.close(91000, "unsatisfied", solved=False)
    # Handed on before any limit, answered by the second; runs, and is late by now.
    three = life("c-3")
    three.assign(0), three.assign(300, "worker-2"), three.answer(700)
    # Nobody said anything; paused and extended on the way.
    four = life("c-4")
    four.assign(0), four.answer(900), four.pause(1000), four.resume(2000), four.extend(3000, 600)
    four.resolve(4000), four.close(5000, "lapsed")
    # Taken back before anybody was late.
    five = life("c-5")
    five.assign(0), five.close(10, "withdrawn")
    for case in (one, two, three, four, five):
        tally.add(*kept(case.events))
    found = shown(tally)
    assert found["registered"] == {"count": 5}
    # Responses due: c-1, c-2, c-3's second leg, c-4; called off: c-3's first leg and c-5.
    assert found["response"] == {"hits": 4, "over": 4, "excluded": {"called_off": 2}}
    assert found["on_time_response"] == {"hits": 3, "over": 4, "excluded": {"called_off": 2}}
    # Finishes due: c-1, c-2 (late), c-3's second (late), c-4.
    assert found["on_time_closing"] == {"hits": 2, "over": 4, "excluded": {"called_off": 2}}
    # Citizen clocks (5 days): c-1, c-2, c-4 kept, c-3 not; c-5 was taken back.
    assert found["on_time_citizen"] == {"hits": 3, "over": 4, "excluded": {"called_off": 1}}
    assert found["closed"] == {"count": 3, "excluded": {"withdrawn": 1}}
    assert found["satisfaction"] == {"hits": 1, "over": 2, "excluded": {"silent": 1, "withdrawn": 1}}
    assert found["solution"] == {"hits": 1, "over": 2, "excluded": {"unknown": 1, "withdrawn": 1}}
    assert found["extensions"] == {"count": 1, "mean": 600, "median": 600}
    assert found["pauses"] == {"count": 1, "mean": 1000, "median": 1000}
    # Done: c-1, c-2, c-4; c-3's first leg was handed on.
    assert found["returns"] == {"hits": 0, "over": 3, "excluded": {"reassigned": 1}}
    assert found["time_to_answer"] == {"count": 4, "mean": (600 + 1000 + 400 + 900) // 4, "median": 900}
    assert found["reopened"] == {"hits": 0, "over": 3, "excluded": {"withdrawn": 1}}


@pytest.mark.parametrize(
    ("confirmed", "solved", "solution", "satisfaction"),
    [
        ("satisfied", True, (1, 1), (1, 1)),
        ("unsatisfied", True, (1, 1), (0, 1)),  # what is solved may displease
        ("satisfied", False, (0, 1), (1, 1)),  # content although it couldn't be solved
        ("satisfied", None, (0, 0), (1, 1)),  # content, and unsure
        ("lapsed", True, (1, 1), (0, 0)),  # the reporter is silent, and an inspection saw it
        ("lapsed", False, (0, 1), (0, 0)),
        ("lapsed", None, (0, 0), (0, 0)),
        ("withdrawn", True, (0, 0), (0, 0)),
    ],
)
def test_solved_and_satisfied_are_two_things(
    life: Any, confirmed: str, solved: bool | None, solution: tuple[int, int], satisfaction: tuple[int, int]
) -> None:
    case = life()
    case.assign(0), case.resolve(10), case.close(20, confirmed, solved=solved)
    tally = Tally("street", ALL, ZONE)
    tally.add(*kept(case.events))
    found = shown(tally)
    for name, (hits, over) in (("solution", solution), ("satisfaction", satisfaction)):
        assert (found[name]["hits"], found[name]["over"]) == (hits, over), name


def test_reopened_reworked_returned(life: Any) -> None:
    case = life()
    case.assign(0)
    legs = case.last_leg(state="returned", ended_at=case.at(100))
    case.tell("case.returned", 100, legs=[*legs, case.leg(100, "desk-1")])
    case.resolve(200), case.reopen(300)
    case.case |= {"reopened": 1, "reworked": 2}
    tally = Tally("street", ALL, ZONE)
    tally.add(*kept(case.events))
    assert "closed" not in shown(tally)
    case.resolve(400), case.close(500)
    tally = Tally("street", ALL, ZONE)
    tally.add(*kept(case.events))
    found = shown(tally)
    assert found["reopened"] == {"hits": 1, "over": 1}
    assert found["rework"] == {"hits": 1, "over": 1}
    assert found["returns"] == {"hits": 1, "over": 3}


def test_a_deadline_counts_when_it_has_come_and_not_before(life: Any) -> None:
    case = life()
    case.assign(0), case.answer(60)
    case_, deadlines = kept(case.events)
    # Exactly at the end of the period it is not in it: the next one begins there.
    for second, over in ((900, 0), (900.000001, 1)):
        tally = Tally("street", Period(ALL.since, START + timedelta(seconds=second)), ZONE)
        tally.add(case_, deadlines)
        assert tally.total().get("on_time_response", Sum()).over == over


def test_a_period_that_is_over_does_not_see_what_came_later(life: Any) -> None:
    case = life()
    case.assign(0), case.answer(2000), case.pause(500)
    period = Period(ALL.since, START + timedelta(seconds=1000))
    tally = Tally("street", period, ZONE)
    tally.add(*kept([case.events[-1]]))
    found = shown(tally)
    assert found["pauses"] == {"count": 1, "mean": 500, "median": 500}
    case.resume(3000)
    tally = Tally("street", period, ZONE)
    tally.add(*kept(case.events[-1:]))
    assert shown(tally)["pauses"] == {"count": 1, "mean": 500, "median": 500}


def test_what_stands_still_is_left_out(life: Any) -> None:
    case = life()
    case.assign(0), case.pause(10)
    tally = Tally("street", ALL, ZONE)
    tally.add(*kept(case.events))
    assert shown(tally)["on_time_response"] == {"hits": 0, "over": 0, "excluded": {"paused": 1}}


def test_a_voided_case_counts_when_it_was_voided(life: Any) -> None:
    case = life()
    case.assign(0)
    case.tell("case.voided", 50, state="voided")
    tally = Tally("month", ALL, ZONE)
    tally.add(*kept(case.events))
    assert shown(tally)["closed"] == {"count": 0, "excluded": {"voided": 1}}


def test_units_and_desks_by_id_people_not_at_all(life: Any) -> None:
    case = life()
    unit = case.leg(0)
    unit |= {"id": "l-unit", "kind": "lead", "assignee": {"type": "unit", "id": "unit-water"}}
    helper = case.leg(0)
    helper |= {"id": "l-help", "kind": "assist", "assignee": {"type": "person", "id": "person-secret"}}
    event = case.tell("case.whistled", 0, state="assigned", legs=[unit, helper])
    measured = rates.measured(event.data["case"], case.at(0))
    assert "person-secret" not in str(measured)
    tally = Tally("unit", ALL, ZONE)
    tally.add(*kept([event]))
    assert {g for g, _ in tally.rows()} == {"unit-water", "grid", "total"}
    found = shown(tally, "grid")
    assert found["on_time_assisting"] == {"hits": 0, "over": 1}
    assert "on_time_closing" not in found
    assert shown(tally, "unit-water")["on_time_closing"] == {"hits": 0, "over": 1}


def test_months_and_quarters_are_of_the_zone(life: Any) -> None:
    # 16:30 UTC on 31 March is April in Shanghai.
    event = life().open(0)
    case, _ = kept([event])
    at = datetime(2026, 3, 31, 16, 30, tzinfo=UTC)
    entry = rates.Entry("registered", case.id, "", "grid", at, True)
    assert rates.group_of("month", case, entry, ZONE) == "2026-04"
    assert rates.group_of("quarter", case, entry, ZONE) == "2026Q2"
    assert rates.group_of("quarter", case, entry, ZoneInfo("UTC")) == "2026Q1"


def promise(matter: str, *deadlines: Deadline) -> tuple[rates.Case, list[Deadline]]:
    said = rates.measured_promise(matter, ("unit", "unit-water"), START)
    return rates.case_of(f"{matter}:1", "350921001", "open", {}, (), (), said), list(deadlines)


NOT_OF_CLOCKS = ("time_to_answer", "time_in_leg", "returns")


def test_every_kind_of_clock_is_in_a_figure_of_its_own(life: Any) -> None:
    resolved = life()
    resolved.assign(0)
    case, _ = kept([resolved.resolve(0)])
    found: dict[str, str] = {}
    for kind in CLOCK_KINDS:
        clock = Deadline(case.legs[0].id, kind, START, "met", False, START)
        of = [promise(matter, clock) for matter in ("service-list", "claim")] if kind == "claim" else []
        of = [promise("notice", clock)] if kind == "notice" else of or [(case, [clock])]
        for one in of:
            figures = {e.figure for e in rates.entries(*one, ALL.until)} - {
                "registered",
                "response",
                *NOT_OF_CLOCKS,
            }
            assert len(figures) == 1, kind
            assert figures.isdisjoint(found), kind
            found[figures.pop()] = kind
    by_clocks = {f.name for f in FIGURES if f.name.startswith("on_time_")} - {"on_time_assisting"}
    assert set(found) == by_clocks


def test_promises_counted_by_hand() -> None:
    day = timedelta(days=1)

    def at(n: int, state: str, kind: str = "claim") -> Deadline:
        return Deadline(f"p-{n}", kind, START + n * day, state, False, None)

    tally = Tally("unit", Period(ALL.since, START + 30 * day), ZONE)
    # The line itself is late, the first milestone was kept, the second given up; another's time has not come.
    tally.add(*promise("claim", at(10, "breached"), at(2, "met"), at(8, "cancelled"), at(40, "armed")))
    tally.add(*promise("claim", at(3, "met")))
    tally.add(*promise("service-list", at(10, "met")))
    tally.add(*promise("notice", at(1, "breached", "notice")))
    assert shown(tally) == {
        "on_time_claim": {"hits": 1, "over": 1},
        "on_time_promise": {"hits": 2, "over": 3, "excluded": {"called_off": 1}},
        "on_time_read": {"hits": 0, "over": 1},
    }
    assert [group for group, _ in tally.rows()] == ["unit-water", "total"]


def test_a_confirmation_counts_by_when_the_case_was_closed(life: Any) -> None:
    tally = Tally("street", ALL, ZONE)
    in_time, lapsed, again, twice = (life(f"c-{n}") for n in range(4))
    for case in (in_time, lapsed, again, twice):
        case.assign(0), case.resolve(10)
    in_time.close(10 + 259200), lapsed.close(11 + 259200, "lapsed")
    # Opened again, it is no resolution any more; the next one is.
    again.reopen(300000), twice.reopen(300000), twice.resolve(300010), twice.close(300020)
    for case in (in_time, lapsed, again, twice):
        tally.add(*kept(case.events))
    assert shown(tally)["on_time_confirmation"] == {"hits": 2, "over": 3}


def test_an_unknown_grouping_is_refused() -> None:
    with pytest.raises(ValueError, match="one of street"):
        Tally("colour", ALL, ZONE)


def test_every_formula_is_in_the_document() -> None:
    text = DOC.read_text(encoding="utf-8")
    for f in FIGURES:
        assert f"| `{f.name}` {f.chinese} | {f.form} | {f.moment} | {f.formula} | {f.excluded} |" in text


# -- properties --------------------------------------------------------------------------------------

MOVES = ("assign", "answer", "resolve", "close", "reopen", "extend", "pause")


@st.composite
def lives(draw: Any, make: Any, name: str) -> list[Any]:
    """The events of a case that something or other happens to."""
    case, second = make(name), 0
    case.case |= {
        "street": draw(st.sampled_from(("350921001", "350921002"))),
        "community": draw(st.sampled_from((None, "350921001001"))),
        "callback_limit": 86400,
        "reports": [
            {**case.case["reports"][0], "channel": draw(st.sampled_from(("hotline", "grid_worker")))}
        ],
    }
    case.assign(0, draw(st.sampled_from(("worker-1", "worker-2"))))
    for move in draw(st.lists(st.sampled_from(MOVES), max_size=8)):
        second += draw(st.integers(1, 90000))
        paused = bool(case.case["pauses"]) and case.case["pauses"][-1]["end"] is None
        state = case.case["state"]
        if move == "pause":
            case.resume(second) if paused else case.pause(second)
        elif move == "reopen":
            if state in ("resolved", "closed"):
                case.reopen(second)
        elif move == "close":
            if state == "resolved":
                case.close(second, draw(st.sampled_from(("satisfied", "unsatisfied", "lapsed"))))
        elif state in ("assigned", "answered"):
            args = {"assign": ("worker-3",), "extend": (600,)}.get(move, ())
            getattr(case, move)(second, *args)
    return case.events


def numbers(tally: Tally) -> Any:
    return [
        (g, n, s.over, s.hits, sorted(s.seconds), s.excluded)
        for g, sums in tally.rows()
        for n, s in sorted(sums.items())
    ]


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_a_case_that_is_over_is_in_no_figure_before_or_after_it(life: Any, data: Any) -> None:
    events = data.draw(lives(life, "case-1"))
    case, deadlines = kept(events)
    said = events[-1].data
    over_at = rates.over_at(said["case"], said["change"]["at"], [d.due_at for d in deadlines])
    assert (over_at is None) == (case.state not in ("closed", "voided", "merged"))
    for entry in rates.entries(case, deadlines, START + timedelta(days=1000)):
        assert entry.at >= case.received_at
        assert over_at is None or entry.at <= over_at


@settings(deadline=None, max_examples=40)
@given(data=st.data(), seed=st.integers(0, 2**32), by=st.sampled_from(BY), cut=st.integers(1, 500000))
def test_neither_the_order_of_events_nor_how_often_they_come_matters(
    life: Any, data: Any, seed: int, by: str, cut: int
) -> None:
    period = Period(ALL.since, START + timedelta(seconds=cut))
    cases = [data.draw(lives(life, f"c-{n}")) for n in range(3)]
    shuffle = random.Random(seed)
    in_order, shuffled = Tally(by, period, ZONE), Tally(by, period, ZONE)
    for events in cases:
        in_order.add(*kept(events))
    for events in shuffle.sample(cases, len(cases)):
        twice = [*events, *events]
        shuffle.shuffle(twice)
        shuffled.add(*kept(twice))
    assert numbers(in_order) == numbers(shuffled)


@settings(deadline=None, max_examples=40)
@given(data=st.data(), by=st.sampled_from(BY))
def test_the_sums_of_any_grouping_are_the_same_total(life: Any, data: Any, by: str) -> None:
    cases = [kept(data.draw(lives(life, f"c-{n}"))) for n in range(4)]
    grouped, other, parts = Tally(by, ALL, ZONE), Tally("street", ALL, ZONE), {}
    for case in cases:
        grouped.add(*case)
        other.add(*case)
        alone = Tally(by, ALL, ZONE)
        alone.add(*case)
        # Adding the totals of the cases one by one is computing all at once.
        for name, one in alone.total().items():
            parts.setdefault(name, Sum()).merge(one)
    total = grouped.total()
    for name in {*total, *other.total(), *parts}:
        a, b, c = total[name], other.total()[name], parts[name]
        assert (a.over, a.hits, a.excluded) == (b.over, b.hits, b.excluded) == (c.over, c.hits, c.excluded)
        assert sorted(a.seconds) == sorted(b.seconds) == sorted(c.seconds)
        assert a.hits <= a.over
    for name, one in total.items():
        assert sum(sums[name].over for g, sums in grouped.groups.items() if name in sums) == one.over
