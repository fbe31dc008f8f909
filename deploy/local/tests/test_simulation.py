"""Simulated people: what they do follows from the seed, all sorts of them are there, and in the right shares."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from jiayuan.local import simulation
from jiayuan.local.simulation import HOUR, MINUTE, TEMPERS, deeds, sort_of, verdict

pytestmark = pytest.mark.unit


def leg(n: int, type_: str = "person", **fields: Any) -> dict[str, Any]:
    """A leg as routing lists it."""
    return {
        "id": f"leg-{n}",
        "kind": "handle" if type_ != "unit" else "lead",
        "step": 0,
        "assignee": {"type": type_, "id": "x"},
        "response_limit": 24 * 3600 if type_ == "unit" else 900,
        "finish_limit": 72 * 3600,
        **fields,
    }


def test_the_sorts_of_people() -> None:
    assert sort_of(leg(1)) == "worker"
    assert sort_of(leg(1, step=1)) == sort_of(leg(1, step=2)) == "head"
    assert sort_of(leg(1, "unit")) == "unit"
    assert sort_of(leg(1, "unit", kind="assist")) == "assistant"
    assert sort_of(leg(1, "desk", step=3)) == "desk"


def test_what_people_do_follows_from_the_seed_and_the_leg_alone() -> None:
    assert [deeds(leg(n), 1) for n in range(50)] == [deeds(leg(n), 1) for n in range(50)]
    assert [deeds(leg(n), 1) for n in range(50)] != [deeds(leg(n), 2) for n in range(50)]


@pytest.mark.parametrize(
    ("make", "sort"),
    [(lambda n: leg(n), "worker"), (lambda n: leg(n, "unit"), "unit"), (lambda n: leg(n, step=1), "head")],
)
def test_most_are_in_time_some_late_some_return_some_never_answer(make: Any, sort: str) -> None:
    found: Counter[str] = Counter()
    total = 4000
    for n in range(total):
        plan, limit = deeds(make(n), 1), make(n)["response_limit"]
        if not plan:
            found["silent"] += 1
        elif plan[0].action == "return":
            assert plan[0].note
            found["returns"] += 1
        else:
            answered = next(d.after for d in plan if d.action == "answer") / limit
            found["late" if answered > 1 else "slow" if answered > 0.8 else "prompt"] += 1
    for temper, share in TEMPERS[sort].items():
        assert abs(found[temper] / total - share) < 0.02, (temper, found)


def test_what_is_done_is_done_in_order_and_taken_before_anybody_else_gets_it() -> None:
    for n in range(2000):
        for one in (
            leg(n),
            leg(n, "unit"),
            leg(n, "unit", kind="assist"),
            leg(n, step=2),
            leg(n, "desk", step=3),
        ):
            plan = deeds(one, 1)
            assert [d.after for d in plan] == sorted(d.after for d in plan)
            if [d.action for d in plan] == ["accept", "answer", "resolve"]:
                assert plan[0].after < one["response_limit"]
            else:
                assert [d.action for d in plan] in ([], ["return"])


def test_a_desk_always_acts_and_a_supervising_one_leaves_the_work_to_others() -> None:
    for n in range(500):
        assert deeds(leg(n, "desk", step=3), 1)
        watching = deeds(leg(n, "desk", step=3, kind="supervise", finish_limit=None), 1)
        assert [d.action for d in watching] == ["accept", "answer"]


def test_on_the_last_day_no_department_lets_a_day_pass() -> None:
    for n in range(2000):
        plan = deeds(leg(n, "unit"), 1, last_day=True)
        assert plan
        assert plan[-1].after < 26 * HOUR
    assert any(not deeds(leg(n), 1, last_day=True) for n in range(200)), "grid workers may still be silent"


def test_short_finish_limits_are_outrun_now_and_then() -> None:
    late = [
        n for n in range(3000) if (d := deeds(leg(n, finish_limit=24 * 3600), 1)) and d[-1].after > 24 * HOUR
    ]
    assert 0 < len(late) < 120


def test_citizens_are_mostly_content_some_not_some_say_nothing() -> None:
    said = [verdict(f"r{n}", 0, 1) for n in range(4000)]
    solved = sum(1 for s in said if s and s[1]["solved"]) / 4000
    unsolved = sum(1 for s in said if s and not s[1]["solved"]) / 4000
    assert abs(solved - 0.6) < 0.03
    assert abs(unsolved - 0.1) < 0.02
    assert all(5 * MINUTE <= s[0] <= 2 * HOUR for s in said if s)
    assert said == [verdict(f"r{n}", 0, 1) for n in range(4000)]
    assert said != [verdict(f"r{n}", 1, 1) for n in range(4000)]


def test_shares_sum_up_to_one() -> None:
    for shares in (*TEMPERS.values(), *simulation.VERDICTS):
        assert sum(shares.values()) == pytest.approx(1.0)
