"""Claims by many at once: what came of a round is what some order of it gives, and no bound is ever broken."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.testing.databases import Databases, Opened
from jiayuan.chassis.testing.models import examples
from jiayuan.contracts.ids import new_id
from jiayuan.contracts.times import iso
from jiayuan.ledger import claiming, listing
from jiayuan.ledger.lists.quarter import Quarter
from jiayuan.ledger.store import claims as kept
from jiayuan.ledger.store import lists as rows

pytestmark = pytest.mark.store

NOW = datetime(2026, 10, 5, 1, 0, tzinfo=UTC)
LIMIT = NOW + timedelta(days=60)
PROBLEMS, UNITS = 5, ("U01", "U02", "U03")

Op = tuple[str, str, int, int]  # what, unit, number of the problem, takes


@dataclass
class Model:
    """One after the other: (unit, problem) → claimed or wanted; how many units each problem takes."""

    claims: dict[tuple[str, int], str] = field(default_factory=dict)
    takes: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(1, PROBLEMS + 1), 1))

    def copy(self) -> Model:
        return Model(dict(self.claims), dict(self.takes))

    def held(self, number: int) -> int:
        return sum(1 for (_, n), s in self.claims.items() if n == number and s == "claimed")

    def of_unit(self, unit: str) -> int:
        return sum(1 for (u, _), s in self.claims.items() if u == unit and s == "claimed")

    def do(self, op: Op) -> str:
        """What comes of it: the claim's state, or `refused`."""
        what, unit, number, takes = op
        key = (unit, number)
        state = self.claims.get(key)
        if what == "claim":
            if state is not None:
                return state
            if self.of_unit(unit) == 3:
                return "refused"
            self.claims[key] = "claimed" if self.held(number) < self.takes[number] else "wanted"
            return self.claims[key]
        if state is None or (what == "grant" and state != "wanted"):
            return "refused"
        if what == "release":
            del self.claims[key]
            return "released"
        if takes < self.held(number) or self.held(number) >= takes or self.of_unit(unit) == 3:
            return "refused"
        self.takes[number] = takes
        self.claims[key] = "claimed"
        return "claimed"


class Street:
    """A published service list of a quarter of its own, claimed from several threads."""

    def __init__(self, opened: Opened, quarter: Quarter) -> None:
        self.opened, self.quarter = opened, str(quarter)
        row = {"quarter": str(quarter), "street": "350921001", "community": "", "sequence": 1, "notes": []}
        row |= {"units": [], "drafted_at": iso(NOW), "drafted_by": "desk", "state": "published"}
        self.service, source = new_id(), new_id()
        with opened(now=NOW) as work:
            rows.add_list(work, {**row, "id": source, "kind": "problem"})
            rows.add_list(work, {**row, "id": self.service, "kind": "service"})
            problems = [
                listing._problem_row(source, n, "0102", f"第{n}件事") | {"state": "accepted"}
                for n in range(1, PROBLEMS + 1)
            ]
            rows.add_problems(work, problems)

    def do(self, op: Op) -> str:
        what, unit, number, takes = op
        try:
            with self.opened.runtime.work() as work:
                if what == "claim":
                    return claiming.claim(work, self.service, number, unit, "例王明", LIMIT, (), unit)[
                        0
                    ].state
                problem = listing.offered(work, rows.list_of(work, self.service))[number - 1]
                there = kept.claims_of_problem(work, problem.id)
                mine = next((c for c in there if c.unit == unit and c.state != "released"), None)
                if mine is None:
                    return "refused"
                if what == "release":
                    return claiming.release(work, mine.id, "职责不符", unit).state
                return claiming.grant(work, mine.id, takes, "desk").state
        except Problem as error:
            if error.status != 409:
                raise
            return "refused"

    def at_once(self, pool: ThreadPoolExecutor, ops: list[Op]) -> tuple[str, ...]:
        """What comes of operations that begin together, each in its own transaction."""
        gate = threading.Barrier(len(ops))

        def run(op: Op) -> str:
            gate.wait()
            return self.do(op)

        return tuple(pool.map(run, ops))

    def kept(self) -> tuple[dict[tuple[str, int], str], dict[int, int]]:
        """The claims and what each problem takes, and that no bound is broken."""
        with self.opened() as work:
            problems = listing.offered(work, rows.list_of(work, self.service))
            numbers = {p.id: p.number for p in problems}
            claims = [c for c in kept.claims_of(work, self.service) if c.state != "released"]
            slots = {u: kept.slots_of(work, self.quarter, u) for u in UNITS}
        for p in problems:
            assert sum(1 for c in claims if c.problem == p.id and c.state == "claimed") <= p.takes
        for unit, used in slots.items():
            assert len(used) == len(set(used)) <= 3
            assert len(used) == sum(1 for c in claims if c.unit == unit and c.state == "claimed")
        return {(c.unit, numbers[c.problem]): c.state for c in claims}, {p.number: p.takes for p in problems}


@pytest.fixture(scope="module")
def many(databases: Databases) -> Iterator[Callable[[], Street]]:
    """Makes streets, each with a quarter of its own, in one ledger."""
    opened = Opened("ledger", databases.fresh("ledger"))
    quarters = iter(Quarter(y, q) for y in range(2026, 2999) for q in (1, 2, 3, 4))
    yield lambda: Street(opened, next(quarters))
    opened.close()


OPS = st.tuples(
    st.sampled_from(("claim", "claim", "claim", "release", "grant")),
    st.sampled_from(UNITS),
    st.integers(1, PROBLEMS),
    st.integers(1, 3),
)


@settings(
    max_examples=examples(6), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rounds=st.lists(st.lists(OPS, min_size=1, max_size=3), min_size=4, max_size=7))
def test_a_round_of_claims_is_what_some_order_of_it_gives(
    many: Callable[[], Street], rounds: list[list[Op]]
) -> None:
    street, model = many(), Model()
    with ThreadPoolExecutor(3) as pool:
        for ops in rounds:
            came = street.at_once(pool, ops)
            claims, takes = street.kept()
            for order in permutations(range(len(ops))):
                after = model.copy()
                outcome: dict[int, Any] = {i: after.do(ops[i]) for i in order}
                if (tuple(outcome[i] for i in range(len(ops))), after.claims, after.takes) == (
                    came,
                    claims,
                    takes,
                ):
                    model = after
                    break
            else:
                raise AssertionError(f"{ops} at {model} gave {came}: {claims}, {takes}")


def test_twelve_clerks_of_a_unit_get_three_and_twelve_units_get_what_a_problem_takes(
    many: Callable[[], Street],
) -> None:
    street = many()
    with ThreadPoolExecutor(12) as pool:
        mine: list[Op] = [("claim", "U01", n % PROBLEMS + 1, 1) for n in range(12)]
        came = street.at_once(pool, mine)
        claims, _ = street.kept()
        assert sum(s == "claimed" for s in claims.values()) == 3
        assert len({n for _, n in claims}) == 3
        assert set(came) == {"claimed", "refused"}
        free = next(n for n in range(1, PROBLEMS + 1) if ("U01", n) not in claims)
        came = street.at_once(pool, [("claim", f"V{n:02}", free, 1) for n in range(12)])
        assert sorted(came) == ["claimed", *["wanted"] * 11]
