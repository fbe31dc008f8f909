"""History decided again: the same table changes nothing, another one exactly what it says."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jiayuan.routing import deciding, policy
from jiayuan.routing.policy import Desk, Matter, Policy
from jiayuan.routing.policy.simulate import Simulation

from .test_policy_analysis import ALL, RULE, table

pytestmark = pytest.mark.unit


def stored(by: Policy, matter: Matter, confidence: float | None, number: str, cause: str = "received") -> Any:
    """The row that a decision leaves, as it is read again."""
    decision = by.decide(matter)
    doubt = decision.doubt(confidence, matter.street != "350921000") if cause != "triage" else None
    row = deciding.row_of("c", 2, "t", cause, "routing", matter, decision, confidence, doubt)
    return SimpleNamespace(**row, number=number)


def careful(found: Policy, confidence: float) -> Policy:
    return Policy(
        "t",
        found.effective_from,
        found.zone,
        found.colours,
        found.limits,
        found.finish,
        found.rules,
        Desk(confidence),
    )


@settings(max_examples=60, deadline=None)
@given(
    st.lists(RULE, max_size=6),
    st.sampled_from([0.0, 0.3, 0.7]),
    st.lists(
        st.tuples(
            st.sampled_from(ALL),
            st.none() | st.sampled_from([0.1, 0.3, 0.9]),
            st.sampled_from(["received", "triage"]),
        ),
        max_size=40,
    ),
)
def test_the_same_table_changes_nothing(rules: list[Any], least: float, history: list[Any]) -> None:
    by = careful(table(rules), least)
    run = Simulation(careful(table(rules), least), "350921000")
    for n, (matter, confidence, cause) in enumerate(history):
        run.add(stored(by, matter, confidence, str(n), cause))
    assert (run.total, run.changed, run.changes) == (len(history), 0, {})


@settings(max_examples=40, deadline=None)
@given(st.lists(RULE, max_size=5), st.lists(RULE, max_size=5), st.lists(st.sampled_from(ALL), max_size=30))
def test_what_changes_is_what_is_decided_otherwise(
    old: list[Any], new: list[Any], history: list[Any]
) -> None:
    before, after = table(old), table(new)
    run = Simulation(after, "350921000", most_examples=100)
    for n, matter in enumerate(history):
        run.add(stored(before, matter, None, str(n)))
    for name, attribute in (("level", "level"), ("lead", "lead"), ("colour", "colour")):
        moved = {
            str(n)
            for n, m in enumerate(history)
            if getattr(before.decide(m), attribute) != getattr(after.decide(m), attribute)
        }
        assert {e for _, _, change in run.of(name) for e in change.examples} == moved
        assert sum(change.count for _, _, change in run.of(name)) == len(moved)


def test_counts_and_examples() -> None:
    before = policy.bundled()
    rules = tuple(
        replace(r, level="street", lead=None, finish=86400) if r.id == "street-lamps" else r
        for r in before.rules
    )
    after = replace(before, version="new", rules=rules, _known={}, _of_category={})
    run = Simulation(after, "350921000", most_examples=2)
    for n in range(5):
        run.add(stored(before, Matter("0102", "problem", 2, 2, (), "350921001"), 0.9, f"n{n}"))
    run.add(stored(before, Matter("0101", "problem", 2, 2, (), "350921001"), 0.9, "n9"))
    document = run.document()
    assert (document["decisions"], document["changed"], document["unchanged"]) == (6, 5, 1)
    assert document["changes"]["level"] == [
        {"from": "department", "to": "street", "count": 5, "examples": ["n0", "n1"]}
    ]
    assert document["changes"]["lead"][0]["from"] == "U49"
    assert document["changes"]["finish"] == [
        {"from": 72 * 3600, "to": 86400, "count": 5, "examples": ["n0", "n1"]}
    ]
    assert "rule" not in document["changes"]


def test_a_higher_threshold_sends_more_to_the_desk() -> None:
    before = policy.bundled()
    after = replace(before, desk=Desk(0.8), _known={}, _of_category={})
    run = Simulation(after, "350921000")
    for confidence in (0.2, 0.5, 0.79, 0.8, 0.95, None):
        run.add(stored(before, Matter("0102", "problem", 2, 2, (), "350921001"), confidence, str(confidence)))
    ((a, b, change),) = run.of("level")
    assert (a, b, change.examples) == ("department", "desk", ["0.5", "0.79"])


def test_its_memory_does_not_grow_with_the_history() -> None:
    before = policy.bundled()
    run = Simulation(before, "350921000")
    row = stored(before, Matter("0102", "problem", 2, 2, (), "350921001"), 0.9, "n")
    rows = [SimpleNamespace(**{**vars(row), "confidence": n / 1000, "number": str(n)}) for n in range(1000)]
    for one in rows:
        run.add(one)
    tracemalloc.start()
    try:
        for _ in range(20):
            for one in rows:
                run.add(one)
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert run.total == 21_000
    assert grown < 100_000
