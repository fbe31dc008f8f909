"""What looks like gaming, what only seems to, and the thresholds as data."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jiayuan.contracts.times import iso
from jiayuan.routing import gaming, policy
from jiayuan.routing.gaming import Closing, Evidence, Habit, Record, Use

pytestmark = pytest.mark.unit

T0 = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
CLERK = {"type": "person", "id": "clerk-U02"}


@pytest.fixture(scope="module")
def of() -> gaming.Thresholds:
    found = policy.bundled().gaming
    assert found is not None
    return found


def evidence(
    n: int = 0, minutes: float = 0, actor: str = "clerk-U02", case: str = "", **more: Any
) -> Evidence:
    case = case or f"C{n}"
    return Evidence(case, f"N-{case}", 5, "resolve", actor, T0 + timedelta(minutes=minutes), more)


def closings(count: int, used: float = 0.95, matter: str = "") -> list[Closing]:
    return [Closing(evidence(i, i), used, matter or f"m{i % 3}") for i in range(count)]


NEVER = Habit(0, 0.0, 0, None)
QUIET = Habit(40, 1.2, 3, 0.1)


# -- mass closing ------------------------------------------------------------------------------------


def test_many_closed_shortly_before_their_limits(of: gaming.Thresholds) -> None:
    found = gaming.mass_closing(CLERK, closings(12), QUIET, of)
    assert found is not None
    assert found.look
    assert found.numbers == {
        "closed": 12,
        "near_limit": 12,
        "near_share": 1.0,
        "usual": 1.2,
        "usual_most": 3,
        "usual_windows": 40,
        "usual_near_share": 0.1,
        "ratio": 10.0,
        "window_seconds": 1800,
    }
    assert (found.since, found.until) == (T0, T0 + timedelta(minutes=11))
    assert len(found.evidence) == 12
    assert found.says == "30分钟内办结12件，其中12件在时限用去80%以后；平时1.2件"


def test_an_honest_batch_is_not_listed(of: gaming.Thresholds) -> None:
    """One repair settles many cases, long before their limits; late ones aren't "just before the limit" either."""
    assert gaming.mass_closing(CLERK, closings(40, used=0.2), QUIET, of) is None
    assert gaming.mass_closing(CLERK, closings(40, used=1.3), QUIET, of) is None
    assert gaming.mass_closing(CLERK, closings(7), QUIET, of) is None
    some = [*closings(4), *closings(8, used=0.3)]
    assert gaming.mass_closing(CLERK, some, QUIET, of) is None
    unlimited = [Closing(evidence(i), None) for i in range(20)]
    assert gaming.mass_closing(CLERK, unlimited, QUIET, of) is None


def test_who_always_closes_in_batches_is_listed_apart(of: gaming.Thresholds) -> None:
    found = gaming.mass_closing(CLERK, closings(12), Habit(60, 9.5, 14, 0.9), of)
    assert found is not None
    assert not found.look
    assert found.explained == ("平时同样时长内也办结9.5件（60个时段，最多14件），与平时相差不到3倍",)
    assert found.numbers["ratio"] == 1.26


def test_one_matter_that_settles_many_cases_is_listed_apart(of: gaming.Thresholds) -> None:
    found = gaming.mass_closing(CLERK, closings(12, matter="350921001001 0102"), QUIET, of)
    assert found is not None
    assert found.explained == ("12件都是同一社区的同一类事项，一次处理即可办结",)


def test_whoever_has_no_habit_yet_is_looked_at(of: gaming.Thresholds) -> None:
    found = gaming.mass_closing(CLERK, closings(8), NEVER, of)
    assert found is not None
    assert (found.look, found.numbers["ratio"]) == (True, None)


def test_the_limit_that_is_used_leaves_out_pauses_and_counts_extensions() -> None:
    leg = {"id": "L", "offered_at": iso(T0), "finish_limit": 1000}
    at = T0 + timedelta(seconds=900)
    assert gaming.share_used({}, leg, at) == 0.9
    assert gaming.share_used({}, leg | {"finish_limit": None}, at) is None
    pauses = [
        {"start": iso(T0 - timedelta(seconds=100)), "end": iso(T0 + timedelta(seconds=200))},
        {"start": iso(T0 + timedelta(seconds=800)), "end": None},
    ]
    assert gaming.share_used({"pauses": pauses}, leg, at) == 0.6
    longer = {"extensions": [{"leg": "L", "seconds": 800}, {"leg": "other", "seconds": 99999}]}
    assert gaming.share_used(longer, leg, at) == 0.5


@given(st.lists(st.integers(0, 600), max_size=60), st.integers(1, 60))
def test_the_densest_windows_never_overlap(minutes: list[int], width: int) -> None:
    window = timedelta(minutes=width)
    times = [T0 + timedelta(minutes=m) for m in minutes]
    counted = [(t, sum(t <= o <= t + window for o in times)) for t in times]
    found = gaming.bursts(counted, window)
    assert all(a[1] < b[0] for a, b in pairwise(found))
    if times:
        densest = max(counted, key=lambda c: (c[1], -c[0].timestamp()))
        assert (densest[0], densest[0] + window) in found
        assert all(any(a <= t <= b or a <= t + window <= b for a, b in found) for t in times)


# -- the same photo ----------------------------------------------------------------------------------

DIGEST = "ab" * 32


def use(n: int, minutes: float = 0, actor: str = "w1", **where: str) -> Use:
    place = {"root": f"C{n}", "community": f"community-{n}", "category": "0102", **where}
    return Use(evidence(n, minutes, actor), **place)


def test_one_photo_for_several_cases(of: gaming.Thresholds) -> None:
    found = gaming.same_photo(DIGEST, [use(1), use(2, 60 * 24 * 30, "w2"), use(2, 60 * 24 * 31, "w2")], of)
    assert found is not None
    assert found.look
    assert found.subject == {"type": "photo", "id": DIGEST}
    assert found.numbers == {"cases": 2, "matters": 2, "uses": 3, "actors": ["w1", "w2"], "hours": 744.0}
    assert [e.case for e in found.evidence] == ["C1", "C2", "C2"]


def test_one_photo_for_several_steps_of_one_case_is_nothing(of: gaming.Thresholds) -> None:
    assert gaming.same_photo(DIGEST, [use(1), use(1, 30)], of) is None


@pytest.mark.parametrize(
    ("uses", "why"),
    [
        ([use(1, root="C9"), use(2, 60 * 24 * 30, root="C9")], "并案"),
        ([use(n, community="c", category=str(n), emergency="E1") for n in (1, 2)], "同一次应急"),
        ([use(n, 60 * n, community="c") for n in (1, 2, 3)], "未并案的同一件事"),
    ],
)
def test_a_photo_of_one_flood_is_listed_apart(uses: list[Use], why: str, of: gaming.Thresholds) -> None:
    found = gaming.same_photo(DIGEST, uses, of)
    assert found is not None
    assert not found.look
    assert why in found.explained[0]


@pytest.mark.parametrize(
    "uses",
    [
        [use(1, community="c"), use(2, 60 * 25, community="c")],  # the next day
        [use(1, community="c"), use(2, 60, community="d")],  # elsewhere
        [use(1, community="c"), use(2, 60, community="c", category="0103")],  # another matter
        [use(1, community=""), use(2, 60, community="")],  # nobody knows where
        [
            use(1, community="c", emergency="E1", category="1"),
            use(2, 0, community="d", emergency="E1", category="1"),
        ],
    ],
)
def test_what_only_resembles_one_matter_is_looked_at(uses: list[Use], of: gaming.Thresholds) -> None:
    found = gaming.same_photo(DIGEST, uses, of)
    assert found is not None
    assert found.look


# -- ping-pong ---------------------------------------------------------------------------------------


def a_case(*path: str, states: dict[int, str] | None = None) -> dict[str, Any]:
    legs = []
    for i, who in enumerate(path):
        kind = "supervise" if who.startswith("over-") else "assist" if who.startswith("+") else "lead"
        type_ = "desk" if who.startswith(("desk", "over-")) else "person" if who.startswith("p") else "unit"
        state = (states or {}).get(i, "returned" if i < len(path) - 1 else "offered")
        legs.append(
            {
                "kind": "handle" if type_ != "unit" and kind == "lead" else kind,
                "assignee": {"type": type_, "id": who.removeprefix("+")},
                "state": state,
                "offered_at": iso(T0 + timedelta(hours=i)),
            }
        )
    return {"id": "C1", "number": "N1", "legs": legs}


def test_a_case_thrown_to_and_fro(of: gaming.Thresholds) -> None:
    case = a_case("U1", "desk-1", "U2", "desk-1", "U1", "over-desk", "+U7", "U2")
    found = gaming.ping_pong(case, [evidence(1)], of)
    assert found is not None
    assert found.look
    assert found.numbers["path"] == ["U1", "U2", "U1", "U2"]
    assert found.numbers["transfers"] == 3
    assert found.numbers["again"] == ["U1", "U2"]
    assert found.numbers["given_back"] == {"U1": 2, "U2": 1}
    assert found.says == "在2个单位之间流转3次，又回到U1、U2"


@pytest.mark.parametrize(
    "path",
    [
        ("U1", "desk-1", "U2", "desk-1", "U1"),  # two transfers
        ("U1", "desk-1", "U2", "desk-1", "U3", "desk-1", "U4"),  # looking for the right one
        ("U1", "U1", "U1", "U1", "U1"),  # called again
        ("p1", "p2", "p3", "p1", "p2"),  # the ladder of a grid
        (),
    ],
)
def test_a_way_that_is_no_ping_pong(path: tuple[str, ...], of: gaming.Thresholds) -> None:
    assert gaming.ping_pong(a_case(*path), [], of) is None


def test_a_case_opened_again_after_each_result_is_listed_apart(of: gaming.Thresholds) -> None:
    case = a_case("U1", "desk-1", "U2", "desk-1", "U1", "U2", states={0: "done", 2: "done", 4: "done"})
    found = gaming.ping_pong(case, [], of)
    assert found is not None
    assert not found.look


# -- closed and reopened -----------------------------------------------------------------------------


def record(who: str, resolved: int, reopened: int, type_: str = "unit") -> Record:
    steps = tuple(evidence(i, i, case=f"{who}-{i}") for i in range(reopened))
    return Record({"type": type_, "id": who}, resolved, steps)


def test_whose_results_do_not_hold(of: gaming.Thresholds) -> None:
    found = gaming.reopened(
        [record("U1", 40, 12), record("U2", 200, 6), record("U3", 200, 8)], T0, T0 + timedelta(days=30), of
    )
    assert [f.subject["id"] for f in found] == ["U1"]
    numbers = found[0].numbers
    assert (numbers["rate"], numbers["others_rate"]) == (0.3, 0.035)
    assert numbers["by_chance"] < 1e-6
    assert found[0].says == "办结40件，其中12件被重新打开（30.0%），其他同类办理人为3.5%"


@pytest.mark.parametrize(
    "records",
    [
        [record("U1", 100, 4), record("U2", 200, 7), record("U3", 200, 8)],  # like the others
        [record("U1", 12, 2), record("U2", 200, 6)],  # two may be chance
        [record("U1", 20, 3), record("U2", 100, 9)],  # a little more, of few
        [record("U1", 9, 5), record("U2", 200, 6)],  # too few to say
        [record("U1", 50, 30)],  # nobody to compare with
        [record("U1", 50, 30), record("p1", 200, 1, "person")],  # grids are no units
        [],
    ],
)
def test_whose_results_hold_as_well_as_others(records: list[Record], of: gaming.Thresholds) -> None:
    assert gaming.reopened(records, T0, T0 + timedelta(days=30), of) == []


def test_a_case_that_was_closed_twice_in_vain(of: gaming.Thresholds) -> None:
    assert gaming.repeated("C1", "N1", [evidence(1)], of) is None
    found = gaming.repeated("C1", "N1", [evidence(1, 9), evidence(1, 3)], of)
    assert found is not None
    assert (found.numbers, found.says) == ({"reopened": 2}, "同一工单办结后被重新打开2次")


@pytest.mark.parametrize(
    ("hits", "tries", "rate", "expected"),
    [(0, 10, 0.1, 1.0), (1, 2, 0.5, 0.75), (10, 10, 0.5, 2**-10), (3, 10, 0.0, 0.0), (3, 10, 1.0, 1.0)],
)
def test_chance(hits: int, tries: int, rate: float, expected: float) -> None:
    assert gaming.chance(hits, tries, rate) == pytest.approx(expected)


def test_chance_of_many_tries_is_finite() -> None:
    assert 0 < gaming.chance(5200, 100_000, 0.05) < 0.01
    assert gaming.chance(4800, 100_000, 0.05) > 0.99


# -- findings and thresholds -------------------------------------------------------------------------


def test_a_finding_keeps_its_name_and_says_only_so_much(of: gaming.Thresholds) -> None:
    one = gaming.mass_closing(CLERK, closings(70), QUIET, of)
    two = gaming.mass_closing(CLERK, list(reversed(closings(75))), NEVER, of)
    assert one is not None
    assert two is not None
    assert one.id == two.id
    document = one.document()
    assert len(document["evidence"]) == gaming.MOST_EVIDENCE
    assert document["numbers"]["closed"] == 70
    assert document["evidence"][0]["number"] == "N-C0"


def test_every_threshold_has_a_reason(of: gaming.Thresholds) -> None:
    names = {f"{s}.{n}" for s, part in policy.bundled_document()["gaming"].items() for n in part}
    assert set(of.reasons) == names
    assert len(names) == 15


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        (("mass_closing",), None, "gaming.mass_closing"),
        (("mass_closing", "least"), 8, "gaming.mass_closing.least"),
        (("mass_closing", "least", "value"), "8", "gaming.mass_closing.least.value"),
        (("mass_closing", "least", "value"), True, "gaming.mass_closing.least.value"),
        (("mass_closing", "least", "value"), 1, "gaming.mass_closing.least.value"),
        (("mass_closing", "window", "value"), "soon", "gaming.mass_closing.window.value"),
        (("mass_closing", "window", "value"), "2d", "gaming.mass_closing.window.value"),
        (("mass_closing", "window", "reason"), "", "gaming.mass_closing.window.reason"),
        (("mass_closing", "windows"), {"value": 1, "reason": "x"}, "gaming.mass_closing.windows"),
        (("punish",), {}, "gaming.punish"),
    ],
)
def test_a_wrong_threshold_names_its_field(path: tuple[str, ...], value: Any, where: str) -> None:
    document = copy.deepcopy(policy.bundled_document())
    part = document["gaming"]
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    with pytest.raises(policy.PolicyError) as refusal:
        policy.read(document)
    assert [p.field for p in refusal.value.problems] == [where]
    assert refusal.value.problems[0].allowed


def test_a_policy_of_before_has_none() -> None:
    document = policy.bundled_document()
    del document["gaming"], document["whistle"]
    read = policy.read(document)
    assert read.gaming is None
    assert read.whistle.chief == "asks"
