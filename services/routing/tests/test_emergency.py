"""Emergencies without a server: the table of modes, which one holds, and what it does to a case."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from jiayuan.contracts.times import iso, parse
from jiayuan.routing import case as cases
from jiayuan.routing import emergency as modes
from jiayuan.routing.book import staff_of
from jiayuan.routing.case import Assignee, Case, Moves
from jiayuan.routing.directory import Directory, Person, Place
from jiayuan.routing.directory.duty import Shift
from jiayuan.routing.emergency import Emergencies, Emergency, EmergencyPolicyError, Kept, follow, to_call

pytestmark = pytest.mark.unit

T0 = datetime(2026, 8, 19, 4, 0, tzinfo=UTC)
STREET, COMMUNITY, GRID = "350921001", "350921001002", "350921001002-G01-B02"
HOUR = 3600

DOCUMENT: dict[str, Any] = {
    "version": "t1",
    "effective_from": "2026-01-01T00:00:00+08:00",
    "longest": "7d",
    "modes": [
        {
            "code": "storm",
            "name": "防台",
            "rank": 4,
            "lasts": "24h",
            "who": ["county"],
            "word": "应急期间暂缓办理。",
            "pause": [
                {"colour": ["green", "blue"], "not_category": ["0107"]},
                {"kind": ["praise"], "colour": ["yellow"]},
                {"category": ["15"], "colour": ["yellow"]},
            ],
            "limits": {
                "response": {"red": {"at_most": "10m"}, "yellow": {"at_least": "1h"}},
                "finish": {"red": {"at_most": "4h"}, "yellow": {"at_least": "10d"}},
            },
            "joins": {"joined": 0.65, "asked": 0.45},
            "roster": "emergency",
            "call": {"roles": ["cadre", "volunteer"], "skills": ["急救", "防汛"], "within": "1h", "most": 3},
        },
        {
            "code": "heat",
            "name": "高温",
            "rank": 2,
            "lasts": "24h",
            "who": ["county", "desk"],
            "word": "暂缓。",
        },
    ],
    "alerts": [
        {"event": ["台风"], "severity": ["red", "orange"], "mode": "storm"},
        {"event": ["高温"], "severity": ["blue"], "mode": None},
        {"event": ["高温"], "severity": ["red"], "mode": "heat"},
    ],
}
POLICY = modes.read(DOCUMENT)


def at(hours: float) -> datetime:
    return T0 + timedelta(hours=hours)


def emergency(
    mode: str = "storm", id_: str = "e1", starts: float = 0, ends: float = 24, **fields: Any
) -> Emergency:
    given = {"area": (STREET,), "by": "county-desk", "reason": "台风红色预警", **fields}
    return Emergency(id_, POLICY.modes[mode], starts_at=at(starts), ends_at=at(ends), **given)


def case(colour: str = "red", offered: float = -1, **fields: Any) -> Case:
    leg = cases.new_leg("handle", "grid", 0, Assignee("person", "p1"), iso(at(offered)), 900, 72 * HOUR)
    made = Case(
        id="c1",
        number="n1",
        sequence=2,
        state="assigned",
        kind="problem",
        title="",
        category={"code": "0102"},
        livelihood=True,
        colour=colour,
        level="grid",
        street=STREET,
        community=COMMUNITY,
        grid=GRID,
        decision={},
        reports=(),
        first_received_at=iso(at(offered)),
        opened_at=iso(at(offered)),
        legs=(leg,),
        citizen_limit=15 * 24 * HOUR,
    )
    return replace(made, **fields)


def limits(case: Case) -> list[tuple[int | None, int | None]]:
    return [(leg.response_limit, leg.finish_limit) for leg in case.legs]


def event(moves: Moves) -> str:
    assert len(moves) <= 1
    return moves[0].change.event if moves else ""


# -- the table ---------------------------------------------------------------------------------------


def test_the_bundled_table_is_good_and_no_mode_slows_down_what_is_urgent() -> None:
    table = modes.bundled()
    for terms in table.modes.values():
        for colour in ("red", "orange"):
            assert not terms.pauses(colour, "problem", "0102")
            assert terms.limit("finish", colour, HOUR) <= HOUR
    assert table.mode_of("台风", "red") == "storm-1"
    assert table.mode_of("台风蓝色", "blue") is None
    assert not table.modes["storm-1"].pauses("green", "problem", "0107")  # a tree across the road


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda d: d.pop("version"), "version"),
        (lambda d: d.update(longest="a week"), "longest"),
        (lambda d: d.update(modes=[]), "modes"),
        (lambda d: d.update(colour="red"), "colour"),
        (lambda d: d["modes"][0].update(rank=0), "modes.storm.rank"),
        (lambda d: d["modes"][0].update(lasts="8d"), "modes.storm.lasts"),
        (lambda d: d["modes"][0].update(who=["desk"]), "modes.storm.who"),
        (lambda d: d["modes"][0].update(word=""), "modes.storm.word"),
        (lambda d: d["modes"][0]["pause"].append({"colour": ["orange"]}), "pause[3].colour"),
        (lambda d: d["modes"][0]["pause"].append({"kind": ["praise"]}), "pause[3].colour"),
        (lambda d: d["modes"][0]["pause"].append({"colour": ["pink"]}), "pause[3].colour"),
        (lambda d: d["modes"][0]["limits"].update(report_in={}), "limits.report_in"),
        (lambda d: d["modes"][0]["limits"]["finish"].update(orange={"at_least": "9d"}), "orange.at_least"),
        (lambda d: d["modes"][0]["limits"]["finish"].update(blue={}), "finish.blue"),
        (
            lambda d: d["modes"][0]["limits"]["finish"].update(blue={"at_most": "1h", "at_least": "2h"}),
            "blue",
        ),
        (lambda d: d["modes"][0].update(joins={"joined": 0.6, "asked": 0.7}), "joins.asked"),
        (lambda d: d["modes"][0].update(joins={"joined": 0.1}), "joins.joined"),
        (lambda d: d["modes"][0].update(roster="night"), "roster"),
        (lambda d: d["modes"][0]["call"].update(roles=["poet"]), "call.roles"),
        (lambda d: d["modes"][0]["call"].update(most=0), "call.most"),
        (lambda d: d["modes"].append(d["modes"][0]), "modes.storm"),
        (lambda d: d["alerts"][0].update(mode="war"), "alerts[0].mode"),
        (lambda d: d["alerts"][0].update(severity=["purple"]), "alerts[0].severity"),
        (lambda d: d["alerts"][0].pop("event"), "alerts[0].event"),
    ],
)
def test_a_wrong_table_is_refused_when_it_is_loaded_with_the_field(change: Any, word: str) -> None:
    document = copy.deepcopy(DOCUMENT)
    change(document)
    with pytest.raises(EmergencyPolicyError) as error:
        modes.read(document)
    assert any(word in p.field for p in error.value.problems), error.value.problems


def test_a_table_that_is_no_yaml_or_no_mapping_is_refused() -> None:
    for text in ("a: [", "- 1"):
        with pytest.raises(EmergencyPolicyError):
            modes.load(text)
    assert modes.load(yaml.safe_dump(DOCUMENT)).version == "t1"


def test_the_first_line_that_matches_says_what_a_warning_turns_on() -> None:
    assert POLICY.mode_of("强台风“例”", "orange") == "storm"
    assert POLICY.mode_of("高温", "blue") is None
    assert POLICY.mode_of("高温", "red") == "heat"
    assert POLICY.mode_of("冰雹", "red") is None


# -- which one holds ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("area", "covered"),
    [
        *((code, True) for code in ("350921", STREET, COMMUNITY, GRID, "350921001002-G01")),
        *((code, False) for code in ("350921002", "350921001001", "350921001002-G0", "350922")),
    ],
)
def test_an_area_covers_what_is_under_its_codes(area: str, covered: bool) -> None:
    assert emergency(area=(area,)).covers(STREET, COMMUNITY, GRID) is covered


def test_it_is_on_from_its_beginning_to_before_its_end() -> None:
    e = emergency(starts=1, ends=2)
    assert [e.on(at(h)) for h in (0.9, 1, 1.9, 2)] == [False, True, True, False]


def test_of_several_the_highest_rank_holds_wholly_of_equals_the_one_that_began_first() -> None:
    low, high = emergency("heat", "low", 0, 24), emergency("storm", "high", 1, 3)
    late = emergency("storm", "late", 2, 24)
    known = Emergencies([low, late, high])
    found = [known.at(STREET, COMMUNITY, GRID, at(h)) for h in (0.5, 1.5, 2.5, 3.5, 25)]
    assert [e.id if e else None for e in found] == ["low", "high", "high", "late", None]
    assert known.roster(STREET, None, None, at(0.5)) == "normal"
    assert known.roster(STREET, None, None, at(1.5)) == "emergency"
    assert known.at("350921002", None, None, at(1.5)) is None


# -- what it does ------------------------------------------------------------------------------------


def test_a_minor_matter_stands_still_and_goes_on_with_the_limits_that_it_had() -> None:
    before = case("green")
    on, moves, kept = follow(before, emergency(), {}, at(0))
    assert (event(moves), moves[0].change.action, on.emergency, on.sequence) == (
        "case.paused",
        "pause",
        "e1",
        3,
    )
    assert moves[0].change.reason == "应急期间暂缓办理。"
    (span,) = on.pauses
    assert (span["start"], span.get("end"), span["emergency"], span["approver"]) == (
        iso(at(0)),
        None,
        "e1",
        "county-desk",
    )
    off, moves, kept = follow(on, None, kept, at(5))
    assert (event(moves), off.emergency, off.pauses[0]["end"]) == ("case.resumed", None, iso(at(5)))
    assert limits(off) == limits(before)
    assert kept == {}


@pytest.mark.parametrize(
    ("colour", "kind", "category", "paused"),
    [
        ("green", "problem", "0102", True),
        ("blue", "dispute", "0102", True),
        ("green", "problem", "0107", False),
        ("yellow", "problem", "0102", False),
        ("yellow", "praise", "0102", True),
        ("yellow", "problem", "1503", True),
        ("orange", "praise", "1503", False),
        ("red", "problem", "0102", False),
    ],
)
def test_what_is_paused_is_what_the_mode_says(colour: str, kind: str, category: str, paused: bool) -> None:
    one, _, _ = follow(case(colour, kind=kind, category={"code": category}), emergency(), {}, at(0))
    assert bool(one.pauses) is paused


def test_a_shorter_limit_counts_from_its_beginning_and_the_old_one_comes_back() -> None:
    before = case("red", offered=-0.1)  # offered six minutes before
    on, moves, kept = follow(before, emergency(), {}, at(0))
    assert (event(moves), moves[0].change.action) == ("case.changed", "limits")
    assert limits(on) == [(900, 360 + 4 * HOUR)]  # the response would be due sooner in peace: that holds
    assert kept == {on.legs[0].id: [900, 72 * HOUR]}
    off, moves, kept = follow(on, None, kept, at(1))
    assert event(moves) == "case.changed"
    assert limits(off) == [(900, 72 * HOUR)]
    assert (kept, off.emergency) == ({}, None)


def test_a_new_leg_of_an_urgent_matter_has_the_emergencys_limits() -> None:
    on, _, kept = follow(case("red", offered=2), emergency(), {}, at(2))
    assert limits(on) == [(600, 4 * HOUR)]
    assert kept == {on.legs[0].id: [900, 72 * HOUR]}


def test_a_longer_limit_counts_from_the_offer_and_the_old_one_from_the_lifting() -> None:
    on, _, kept = follow(case("yellow", offered=-0.1), emergency(), {}, at(0))
    assert limits(on) == [(HOUR, 240 * HOUR)]
    off, _, _ = follow(on, None, kept, at(0.5))
    # Half an hour and six minutes are spent: the quarter of an hour of peace counts from now, so that nothing is late
    # in hindsight; ten days less than the three of peace from now would be no gift.
    assert limits(off) == [(36 * 60 + 900, 36 * 60 + 72 * HOUR)]


def test_what_is_breached_stays_breached_when_it_begins_and_when_it_is_lifted() -> None:
    late = case("yellow", offered=-0.5)  # the response was due a quarter of an hour before
    on, _, kept = follow(late, emergency(), {}, at(0))
    assert limits(on)[0][0] == 900
    red, _, kept = follow(case("red", offered=0), emergency(), {}, at(0))
    off, _, _ = follow(red, None, kept, at(5))  # its four hours were over after four
    assert limits(off) == [(600, 4 * HOUR)]


def test_an_answered_leg_keeps_its_response_limit_and_an_ended_one_everything() -> None:
    answered = case("red", offered=0)
    answered = replace(
        answered, legs=(replace(answered.legs[0], state="answered", answered_at=iso(at(0.1))),)
    )
    on, _, _ = follow(answered, emergency(), {}, at(0.2))
    assert limits(on)[0][0] == 900
    ended = replace(answered.legs[0], state="returned", ended_at=iso(at(0.1)))
    other = cases.new_leg("handle", "street", 3, Assignee("desk", "d"), iso(at(0.1)), 900, 72 * HOUR)
    on, _, _ = follow(replace(answered, legs=(ended, other)), emergency(), {}, at(0.2))
    assert limits(on)[0] == (900, 72 * HOUR)


def test_a_leg_that_took_its_limit_over_from_another_gets_that_ones_back() -> None:
    on, _, kept = follow(case("red", offered=0), emergency(), {}, at(0))
    old = replace(on.legs[0], state="returned", ended_at=iso(at(1)))
    desk = cases.new_leg("handle", "street", 3, Assignee("desk", "d"), iso(at(1)), 86400, old.finish_limit)
    on, _, kept = follow(replace(on, legs=(old, desk)), emergency(), kept, at(1))
    assert limits(on)[1] == (600, 4 * HOUR)
    off, _, kept = follow(on, None, kept, at(1.1))
    assert limits(off) == [(600, 4 * HOUR), (86400, 72 * HOUR)]
    assert kept == {}


def test_a_leg_to_which_a_person_granted_more_time_is_not_shortened() -> None:
    before = case("red", offered=-1)
    granted = {"leg": before.legs[0].id, "seconds": HOUR, "reason": "", "approver": "d", "at": iso(at(-0.5))}
    on, _, _ = follow(replace(before, extensions=(granted,)), emergency(), {}, at(0))
    assert limits(on)[0][1] == 72 * HOUR


@pytest.mark.parametrize("state", [*cases.OVER, "resolved"])
def test_a_case_that_is_resolved_or_over_stays_as_it_is(state: str) -> None:
    done = case("green", state=state)
    assert follow(done, emergency(), {}, at(0)) == (done, (), {})
    under, kept = replace(done, emergency="e1"), {"leg": [900, 3600]}
    assert follow(under, None, kept, at(0)) == (under, (), kept)


def test_whoever_resumes_a_matter_by_hand_is_not_overruled_by_the_same_emergency() -> None:
    on, _, kept = follow(case("green"), emergency(), {}, at(0))
    resumed = cases.resume(on, "desk", at(1), "有老人独居，先办")[-1].case
    assert follow(resumed, emergency(), kept, at(1))[1] == ()
    # Another emergency is another matter.
    assert event(follow(resumed, emergency(id_="e2"), kept, at(2))[1]) == "case.paused"


def test_a_matter_that_becomes_urgent_goes_on_at_once_with_the_emergencys_limits() -> None:
    on, _, kept = follow(case("green", offered=-0.05), emergency(), {}, at(0))
    red, moves, kept = follow(replace(on, colour="red"), emergency(), kept, at(1))
    assert event(moves) == "case.resumed"
    assert limits(red) == [
        (180 + 600, 180 + 4 * HOUR)
    ]  # what was spent before the pause, and the mode's limits


def test_a_persons_pause_is_left_alone() -> None:
    mine = {"start": iso(at(-1)), "reason": "等配件", "approver": "desk"}
    on, moves, kept = follow(case("green", pauses=(mine,)), emergency(), {}, at(0))
    assert (event(moves), len(on.pauses)) == ("case.paused", 2)
    off, _, _ = follow(on, None, kept, at(1))
    assert off.pauses[0] == mine


def test_when_another_emergency_takes_over_a_pause_goes_on_and_limits_change() -> None:
    on, _, kept = follow(case("green"), emergency(id_="e1"), {}, at(0))
    other, moves, kept = follow(on, emergency(id_="e2"), kept, at(1))
    assert (event(moves), other.emergency, other.pauses) == ("case.changed", "e2", on.pauses)
    red, _, kept = follow(case("red", offered=0), emergency(id_="e1"), {}, at(0))
    mild, moves, kept = follow(red, emergency("heat", "e2"), kept, at(0.1))
    assert (event(moves), limits(mild), mild.emergency) == ("case.changed", [(900, 72 * HOUR)], "e2")
    again, _, kept = follow(mild, emergency(id_="e1"), kept, at(0.1))
    assert limits(again) == [(900, 360 + 4 * HOUR)]


# -- every clock tells the truth: a plain reference --------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(("red", "orange", "yellow", "blue", "green")),
    st.lists(
        st.tuples(st.integers(1, 600), st.sampled_from(("storm", "heat", "none", "other storm"))),
        min_size=1,
        max_size=8,
    ),
    st.integers(0, 600),
)
def test_whatever_comes_and_goes_no_clock_is_breached_or_mended_in_hindsight(
    colour: str, changes: list[tuple[int, str]], before: int
) -> None:
    """After any sequence of emergencies: asked again nothing changes; no step moves a deadline from one side of its own
    moment to the other; and once all is lifted, pauses are ended and limits are those of peace or, where a step had to
    give time, later; what was breached keeps the deadline that it was breached by."""
    now = T0
    one, kept = case(colour, offered=-before / 60), dict[str, Any]()
    peace = limits(one)[0]
    start = parse(one.legs[0].offered_at)
    on = {
        "storm": emergency(id_="a", ends=99),
        "heat": emergency("heat", "b"),
        "other storm": emergency(id_="c"),
    }
    for minutes, mode in [*changes, (1, "none")]:
        now += timedelta(minutes=minutes)
        new, _, new_kept = follow(one, on.get(mode), kept, now)
        assert follow(new, on.get(mode), new_kept, now)[1] == ()
        for old_limit, new_limit in zip(limits(one)[0], limits(new)[0], strict=True):
            assert _late(start, old_limit, one, now) == _late(start, new_limit, new, now)
            if _late(start, old_limit, one, now):
                assert old_limit == new_limit
        one, kept = new, new_kept
    assert one.emergency is None
    assert kept == {}
    assert all(p.get("end") for p in one.pauses)
    for peaceful, limit in zip(peace, limits(one)[0], strict=True):
        assert limit is not None
        assert peaceful is not None
        assert limit >= peaceful or _late(start, limit, one, now)


def _late(start: datetime, limit: int | None, case: Case, now: datetime) -> bool:
    """Whether the limit is past at this moment, by counting minutes: in a pause no time passes."""
    minutes = set(range(_minute(start), _minute(now)))
    for pause in case.pauses:
        minutes -= set(range(_minute(parse(pause["start"])), _minute(parse(pause.get("end") or iso(now)))))
    assert limit is not None
    return len(minutes) * 60 > limit


def _minute(moment: datetime) -> int:
    return round((moment - T0).total_seconds() / 60)


# -- who is called in --------------------------------------------------------------------------------


class People:
    """Helpers of one street."""

    def __init__(self, skills: dict[str, tuple[str, ...]], away: tuple[str, ...] = ()) -> None:
        self._skills, self._away = skills, away

    def members(self, place: str, role: str) -> list[str]:
        return [p for p in self._skills if p.startswith(role[0])] if place == STREET else []

    def skills(self, person_id: str) -> tuple[str, ...]:
        return self._skills[person_id]

    def on_leave(self, person_id: str, at: datetime) -> bool:  # noqa: ARG002
        return person_id in self._away


def test_those_whose_skills_match_are_called_each_once_the_best_first_and_no_more_than_it_says() -> None:
    people = People(
        {
            "v1": ("急救",),
            "v2": ("书法",),
            "v3": ("急救", "防汛"),
            "c1": ("防汛",),
            "v4": ("急救",),
            "w1": ("急救",),
        }
    )
    called = [c.person for c in to_call(emergency(area=(STREET, STREET)), people, at(0))]
    assert called == ["v3", "c1", "v1"]


def test_nobody_is_called_who_is_on_leave_or_called_already() -> None:
    people = People({"v1": ("急救",), "v2": ("急救",), "v3": ("急救",)}, away=("v1",))
    assert [c.person for c in to_call(emergency(), people, at(0), called={"v2"})] == ["v3"]


def test_a_mode_that_calls_nobody_calls_nobody() -> None:
    assert to_call(emergency("heat"), People({"v1": ()}), at(0)) == []


def test_kept_limits_are_plain_data() -> None:
    kept: Kept = follow(case("red", offered=0), emergency(), {}, at(0))[2]
    assert all(isinstance(v, list) and len(v) == 2 for v in kept.values())


# -- rosters -----------------------------------------------------------------------------------------


def test_where_an_emergency_holds_its_roster_says_who_is_on_duty() -> None:
    day = T0.date()
    always = tuple(range(7))
    shifts = (
        Shift("w1", day, day, always, ((0, 60),)),  # in peace: the first hour of the day
        Shift("w1", day, day, always, ((0, 1440),), mode="emergency"),
    )
    people = {w: Person(w, w, "worker", GRID, COMMUNITY, STREET) for w in ("w1", "w2")}
    places = {STREET: Place(STREET, "街道", "street", "350921")}
    directory = Directory(1, Place("350921", "县", "county", ""), places, {}, people, {}, shifts=shifts)
    peace, storm = staff_of(directory), staff_of(directory, Emergencies([emergency(starts=0, ends=2)]))
    assert not peace.on_duty("w1", at(1))
    assert storm.on_duty("w1", at(1))
    assert not storm.on_duty("w1", at(3))  # it is over
    assert not storm.on_duty("nobody", at(1))
    elsewhere = staff_of(directory, Emergencies([emergency(area=("350921002",))]))
    assert not elsewhere.on_duty("w1", at(1))
