"""What is wanted, whose means match, who mediates, and which point has room: pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jiayuan.chassis.hours import hours_of, week_of
from jiayuan.routing import appointments, directory, matching, mediation
from jiayuan.routing.directory import Directory, ServicePoint
from jiayuan.routing.matching import Wanted, matches

pytestmark = pytest.mark.unit

T0 = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)  # Monday, 09:00 in Xiapu
STREET, COMMUNITY = "350921001", "350921001001"
BUILDING = f"{COMMUNITY}-G01-B01"
WHERE = (STREET, COMMUNITY, BUILDING)


def helper(id_: str, grid: str = COMMUNITY, **fields: Any) -> dict[str, Any]:
    return {"id": id_, "name": f"例{id_}", "grid": grid, **fields}


def known(document: dict[str, Any], **lists: Any) -> Directory:
    return directory.read({**document, **lists}, 1)


# -- what is wanted ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "needs", "languages", "times"),
    [
        ("奶奶行动不便，想请人上门理发，她只会讲闽东话", ["理发"], ["闽东话"], 0),
        ("周末想有人陪诊，去医院复诊", ["陪诊"], [], 1),
        ("孩子作业没人辅导，晚上七点以后有空", ["课业辅导"], [], 1),
        ("家里水龙头坏了，也想有人聊聊天", ["家电维修", "心理疏导"], [], 0),
        ("想要一面锦旗", [], [], 0),
    ],
)
def test_what_a_wish_asks_for(text: str, needs: list[str], languages: list[str], times: int) -> None:
    want = matching.wanted("微心愿", text)
    assert [n[0] for n in want.needs] == needs
    assert list(want.languages) == languages
    assert len(want.times) == times
    assert matching.wanted_from(want.document()) == want


def test_what_a_dispute_is_about() -> None:
    assert "物业纠纷" in matching.dispute_skills("0201", "物业费涨价", "与物业公司争执")
    assert "婚姻家庭" in matching.dispute_skills("1501", "夫妻争吵", "")
    assert matching.dispute_skills("9999", "两人争执", "") == ()


def test_which_service_is_asked() -> None:
    assert matching.service_of("1505", "预约", "想去长者食堂吃饭") == "老年助餐"
    assert matching.service_of("0804", "预约办理", "") == "医保"
    assert matching.service_of("9999", "预约", "") == ""


# -- who matches -------------------------------------------------------------------------------------


def test_the_best_match_has_the_skill_is_near_free_and_speaks_the_language(document: dict[str, Any]) -> None:
    found = matches(
        known(
            document,
            volunteers=[
                helper("far", STREET, skills=["理发"], languages=["闽东话"]),
                helper("near", BUILDING, skills=["理发"], languages=["闽东话"]),
                helper("mute", BUILDING, skills=["理发"]),
                helper("unskilled", BUILDING, skills=["维修"]),
                helper("evening", BUILDING, skills=["理发"], languages=["闽东话"], hours="每天 19:00-21:00"),
            ],
        ),
        Wanted((("理发",),), ("闽东话",)),
        WHERE,
        T0,
    )
    assert [m.id for m in found] == ["near", "evening", "mute", "far"]
    assert found[0].score == 100
    assert found[0].reasons == ("会理发", "同一楼栋网格", "会说闽东话", "现在有空")
    assert "两天内有空" in found[1].reasons
    assert "不会闽东话" in found[2].reasons


def test_without_a_skill_only_the_neighbourhood_is_asked(document: dict[str, Any]) -> None:
    volunteers = [helper("here"), helper("street", STREET), helper("elsewhere", "350921002")]
    found = matches(known(document, volunteers=volunteers), Wanted(), WHERE, T0)
    assert [m.id for m in found] == ["here", "street"]
    skilled = [helper("elsewhere", "350921002", skills=["手语"])]
    found = matches(known(document, volunteers=skilled), Wanted((("手语",),)), WHERE, T0)
    assert [m.id for m in found] == ["elsewhere"]


def test_times_that_are_wanted(document: dict[str, Any]) -> None:
    volunteers = [
        helper("workdays", skills=["陪诊"], hours="工作日 08:00-18:00"),
        helper("weekend", skills=["陪诊"], hours="周末 08:00-18:00"),
    ]
    want = matching.wanted("微心愿", "周末想有人陪诊")
    found = matches(known(document, volunteers=volunteers), want, WHERE, T0)
    assert [m.id for m in found] == ["weekend", "workdays"]
    assert "所需时段没空" in found[1].reasons


def test_full_hands_weigh_and_of_equals_whoever_waited_longest_is_first(document: dict[str, Any]) -> None:
    volunteers = [helper(f"v{n}", skills=["理发"]) for n in range(3)]
    there, want = known(document, volunteers=volunteers), Wanted((("理发",),))
    last = {"v0": 5, "v1": 3, "v2": 4}
    assert [m.id for m in matches(there, want, WHERE, T0, last=lambda i: last[i])] == ["v1", "v2", "v0"]
    load = {"v1": 2}
    found = matches(there, want, WHERE, T0, last=lambda i: last[i], load=lambda i: load.get(i, 0))
    assert [m.id for m in found] == ["v2", "v0", "v1"]
    assert "手头2件" in found[2].reasons
    assert [m.id for m in matches(there, want, WHERE, T0, without=("v2",))] == ["v0", "v1"]


def test_who_is_on_leave_is_not_asked(document: dict[str, Any]) -> None:
    there = known(
        document,
        volunteers=[helper("v1", skills=["理发"]), helper("v2", skills=["理发"])],
        leave=[{"person": "v1", "from": "2026-03-01", "to": "2026-03-05", "kind": "leave"}],
    )
    assert [m.id for m in matches(there, Wanted((("理发",),)), WHERE, T0)] == ["v2"]


def test_social_organisations_at_the_street_s_table_by_category(document: dict[str, Any]) -> None:
    seat = {"id": "o1", "name": "例社工", "seat": "organisation", "street": STREET, "unit": "U65"}
    assert matches(known(document), Wanted(), WHERE, T0, category="1503") == []
    found = matches(known(document, committee=[seat]), Wanted(), WHERE, T0, category="1503")
    assert [(m.id, m.type) for m in found] == [("U65", "unit")]
    assert "本街道大工委的社会组织" in found[0].reasons
    assert (
        matches(known(document, committee=[seat]), Wanted(), ("350921002", None, None), T0, category="1503")
        == []
    )


SKILLS = ("理发", "陪诊", "维修")


@settings(max_examples=50, deadline=None)
@given(
    people=st.lists(
        st.tuples(
            st.sets(st.sampled_from(SKILLS)),
            st.sampled_from((BUILDING, f"{COMMUNITY}-G01", COMMUNITY, STREET, "350921002", "350921")),
            st.integers(0, 9),
        ),
        max_size=8,
    ),
    wanted=st.sets(st.sampled_from(SKILLS)),
)
def test_scores_are_within_bounds_and_more_means_never_score_less(
    people: list[tuple[set[str], str, int]], wanted: set[str]
) -> None:
    from jiayuan.routing.seed import seed

    places = directory.bundled("places")
    places["streets"] = [
        {**s, "communities": s["communities"][:n]} for s, n in zip(places["streets"], (3, 1), strict=False)
    ]
    document = seed(places, directory.bundled("units")["units"], 12, 60)
    volunteers = [
        helper(f"v{n}", place, skills=sorted(skills)) for n, (skills, place, _) in enumerate(people)
    ]
    there = known(document, volunteers=volunteers)
    want = Wanted(tuple((s,) for s in sorted(wanted)))
    load = {f"v{n}": hands for n, (_, _, hands) in enumerate(people)}
    found = matches(there, want, WHERE, T0, load=lambda i: load.get(i, 0))
    assert all(0 <= m.score <= 100 and m.reasons for m in found)
    for match in found:
        assert not wanted or wanted & set(there.skills(match.id))
    order = [(-m.score, m.id) for m in found]
    assert order == sorted(order)
    scores = {m.id: m.score for m in found}
    for a, (skills, place, hands) in enumerate(people):
        for b, (more, other, full) in enumerate(people):
            better = place == other and full <= hands and wanted & skills < wanted & more
            if better and f"v{a}" in scores:
                assert scores[f"v{b}"] >= scores[f"v{a}"]


# -- who mediates ------------------------------------------------------------------------------------


def test_a_team_that_knows_such_disputes_by_its_lead_or_who_is_on_duty(document: dict[str, Any]) -> None:
    there = known(
        document,
        mediators=[helper("m1"), helper("m2", hours="每天 19:00-21:00"), helper("m3")],
        teams=[
            {"code": "T1", "name": "社区评理团", "place": COMMUNITY, "lead": "m1", "members": ["m1"]},
            {
                "code": "T2",
                "name": "街道家事调解室",
                "place": STREET,
                "lead": "m2",
                "members": ["m2", "m3"],
                "skills": ["婚姻家庭"],
            },
        ],
    )

    def asked(*skills: str, without: tuple[str, ...] = (), at: datetime = T0) -> tuple[str, str] | None:
        found = mediation.team_for(there, there, WHERE, skills, at, without)
        return (found[0].code, found[1]) if found else None

    assert asked() == ("T1", "m1")
    assert asked("婚姻家庭") == ("T2", "m3")  # its lead is off duty in the morning
    assert asked("婚姻家庭", at=T0 + timedelta(hours=10, minutes=30)) == ("T2", "m2")
    assert asked(without=("m1",)) == ("T2", "m3")
    assert asked(without=("m1", "m3")) is None


# -- which point -------------------------------------------------------------------------------------


def point(
    code: str, community: str = COMMUNITY, hours: str = "工作日 08:00-12:00", **fields: Any
) -> ServicePoint:
    defaults: dict[str, Any] = {
        "services": ("老年助餐", "医保"),
        "capacity": 2,
        "street": community[:9],
        "lat": 26.88,
        "long": 120.0,
    }
    return ServicePoint(
        code=code,
        name=f"站点{code}",
        kind="station",
        week=week_of(hours_of(hours)),
        community=community,
        **{**defaults, **fields},
    )


def chosen(
    points: list[ServicePoint], at: datetime = T0, taken: dict[Any, int] | None = None, **more: Any
) -> Any:
    found = appointments.choose(
        points,
        "医保",
        WHERE,
        at,
        lambda code, day: (taken or {}).get((code, day), 0),
        days=7,
        slot=1800,
        **more,
    )
    return (found.point.code, found.day, found.room) if found else None


MONDAY = date(2026, 3, 2)


def test_the_nearest_open_point_that_offers_it() -> None:
    near, far = point("near"), point("far", "350921002001")
    assert chosen([far, near]) == ("near", MONDAY, 12)  # six slots left of the morning, two seats each
    other = point("near", services=("托管",))
    assert chosen([far, other]) == ("far", MONDAY, 12)
    assert chosen([other]) is None


def test_open_now_before_nearer_but_closed() -> None:
    near, far = point("near", hours="工作日 14:00-18:00"), point("far", "350921001002")
    assert chosen([near, far])[0] == "far"
    assert chosen([near])[:2] == ("near", MONDAY)
    closed = T0 + timedelta(hours=10)
    assert chosen([near, far], at=closed)[:2] == ("near", date(2026, 3, 3))
    friday = datetime(2026, 3, 6, 11, 0, tzinfo=UTC)
    assert chosen([near], at=friday)[1] == date(2026, 3, 9)


def test_a_full_point_sends_on_and_a_full_week_says_so() -> None:
    near, far = point("near"), point("far", "350921001002")
    assert chosen([near, far], taken={("near", MONDAY): 12})[0] == "far"
    assert chosen([near, far], taken={("near", MONDAY): 11})[::2] == ("near", 1)
    full = {("near", MONDAY + timedelta(days=n)): 99 for n in range(8)}
    assert chosen([near], taken=full) is None
    assert chosen([near, far], without=frozenset(("near",)))[0] == "far"


def test_seats_are_those_still_ahead() -> None:
    near = point("near")
    assert appointments.seats(near, MONDAY, T0 - timedelta(hours=3), 1800) == 16
    assert appointments.seats(near, MONDAY, T0 + timedelta(minutes=10), 1800) == 10
    assert appointments.seats(near, MONDAY + timedelta(days=1), T0, 1800) == 16
    assert appointments.seats(near, MONDAY + timedelta(days=5), T0, 1800) == 0
    gone = point("gone", open_until=date(2026, 3, 1))
    assert appointments.seats(gone, MONDAY, T0, 1800) == 0
