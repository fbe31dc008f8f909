"""What is found in a policy table when it is loaded agrees with counting everything out."""

from __future__ import annotations

import copy
from itertools import chain, combinations, product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jiayuan.routing import catalogue, directory, policy
from jiayuan.routing.policy import Matter, Policy
from jiayuan.routing.policy.analysis import Domain, Finding, analyse
from jiayuan.routing.policy.table import Rule

from .test_policy import TABLE

pytestmark = pytest.mark.unit

CATEGORIES = {"01": "路", "0101": "坑", "0102": "灯", "02": "房"}
PLACES = {"A": "东", "A1": "东一", "B": "西"}
SIGNS = {"fire": "火", "gas": "气", "fall": "塌"}
SMALL = Domain(CATEGORIES, PLACES, SIGNS, ("problem", "wish"), {"U1", "U2"}, {"U9"})


def _some(words: list[str]) -> Any:
    return st.none() | st.lists(st.sampled_from(words), min_size=1, max_size=2, unique=True)


RULE = st.fixed_dictionaries(
    {
        "category": _some([*CATEGORIES, "0"]),
        "kind": _some(list(SMALL.kinds)),
        "sign": _some(list(SIGNS)),
        "place": _some([*PLACES]),
        "priority": st.integers(0, 2),
        "then": st.sampled_from(
            [
                {"level": "grid"},
                {"level": "street"},
                {"level": "department", "lead": "U1"},
                {"level": "department", "lead": "U1", "assist": ["U2"]},
            ]
        ),
    }
)


def table(rules: list[dict[str, Any]], overlaps: str = "refuse") -> Policy:
    """A policy of these rules and a last one, read without the check for rules that can never match."""
    documents = [
        {
            "id": f"r{i}",
            "priority": r["priority"] + 1,
            "when": {k: v for k, v in r.items() if k not in ("priority", "then") and v is not None},
            "then": r["then"],
            "reason": f"因为{i}",
        }
        for i, r in enumerate(rules)
    ]
    documents.append({"id": "rest", "when": {}, "then": {"level": "grid"}, "reason": "其他"})
    reader = policy.reading._Reader(None)
    read = [reader.rule(i, d) for i, d in enumerate(documents)]
    base = policy.read(TABLE)
    ordered = tuple(sorted((r for r in read if r is not None), key=lambda r: -r.priority))
    return Policy(
        "t",
        base.effective_from,
        base.zone,
        base.colours,
        base.limits,
        base.finish,
        ordered,
        overlaps=overlaps,
    )


def everything(domain: Domain) -> list[Matter]:
    subsets = list(chain.from_iterable(combinations(domain.signs, n) for n in range(len(domain.signs) + 1)))
    return [
        Matter(c, k, 2, 2, s, p)
        for c, k, p, s in product(domain.categories, domain.kinds, domain.places, subsets)
    ]


ALL = everything(SMALL)


def _same_set(a: Rule, b: Rule) -> bool:
    """Whether whatever a matches b matches, counted out over the sets of signs as well."""
    return all(b.matches(m) for m in ALL if a.matches(m))


@settings(max_examples=150, deadline=None)
@given(st.lists(RULE, max_size=6))
def test_the_analysis_agrees_with_counting_everything_out(rules: list[dict[str, Any]]) -> None:
    found = table(rules)
    findings = analyse(found, SMALL)

    fired = {m: next(r for r in found.rules if r.matches(m)) for m in ALL}
    dead = {r.id for r in found.rules if r not in fired.values()}
    assert {f.rules[0] for f in findings if f.code == "unreachable"} == dead

    overlapping = set()
    for i, a in enumerate(found.rules):
        for b in found.rules[i + 1 :]:
            if a.priority != b.priority or a.outcome == b.outcome or _same_set(a, b) or _same_set(b, a):
                continue
            higher = [r for r in found.rules if r.priority > a.priority]
            if any(a.matches(m) and b.matches(m) and not any(h.matches(m) for h in higher) for m in ALL):
                overlapping.add((b.id, a.id))
    assert {f.rules for f in findings if f.code == "overlap"} == overlapping

    careless = {r.id for m, r in fired.items() if m.signs and r.sign is None}
    assert {f.rules[0] for f in findings if f.code == "danger"} == careless

    holes = {m.category for m, r in fired.items() if r.id == "rest" and not m.signs}
    said = {
        c for f in findings if f.code == "hole" for c in CATEGORIES if f"{c} {CATEGORIES[c]}" in f.problem
    }
    assert said == holes


@settings(max_examples=100, deadline=None)
@given(st.lists(RULE, max_size=6))
def test_what_makes_a_rule_unreachable_is_enough_and_needed(rules: list[dict[str, Any]]) -> None:
    found = table(rules)
    for finding in analyse(found, SMALL):
        if finding.code == "unreachable":
            rule, *blockers = (found.rule(r) for r in finding.rules)
            assert rule is not None
            left = [m for m in ALL if rule.matches(m) and not any(b and b.matches(m) for b in blockers)]
            assert not left
            for spared in blockers:
                others = [b for b in blockers if b is not spared]
                assert any(rule.matches(m) and not any(b and b.matches(m) for b in others) for m in ALL)


@settings(max_examples=100, deadline=None)
@given(st.lists(RULE, max_size=6), st.sampled_from(["refuse", "first", "desk"]))
def test_every_matter_is_decided_and_always_the_same(rules: list[dict[str, Any]], overlaps: str) -> None:
    one, other = table(rules, overlaps), table(rules, overlaps)
    for matter in ALL:
        decision = one.decide(matter)
        assert decision == one.decide(matter) == other.decide(matter)
        assert decision.rule == next(r.id for r in one.rules if r.matches(matter))
        assert decision.colour == one.colours[decision.importance, decision.urgency]
        if matter.signs:  # danger waits for nobody
            assert decision.doubt(0.0, False) is None


@settings(max_examples=60, deadline=None)
@given(st.lists(RULE, max_size=6))
def test_a_conflict_at_the_desk_is_an_overlap_that_was_found(rules: list[dict[str, Any]]) -> None:
    found = table(rules, "desk")
    pairs = {f.rules for f in analyse(found, SMALL) if f.code == "overlap"}
    assert all(f.severity == "warning" for f in analyse(found, SMALL) if f.code == "overlap")
    for matter in ALL:
        decision = found.decide(matter)
        if decision.conflict is not None:
            fired, other = found.rule(decision.rule), found.rule(decision.conflict)
            assert fired is not None
            assert other is not None
            assert (other.id, fired.id) in pairs or _same_set(fired, other) or _same_set(other, fired)


@settings(max_examples=60, deadline=None)
@given(st.lists(RULE, max_size=5))
def test_the_category_makes_a_difference_exactly_when_another_one_has_another_rule(
    rules: list[dict[str, Any]],
) -> None:
    found = table(rules)
    careful = Policy(
        "t",
        found.effective_from,
        found.zone,
        found.colours,
        found.limits,
        found.finish,
        found.rules,
        policy.Desk(0.5),
    )
    for matter in ALL:
        if matter.signs or careful.decide(matter).threshold:
            continue
        others = {
            found.firing(Matter(c, matter.kind, 2, 2, (), matter.street)).id
            for c in ("01", "0101", "0102", "02")
        }
        assert len(others) == 1


def _findings(change: Any, domain: Domain) -> list[Finding]:
    document = copy.deepcopy(policy.bundled_document())
    change(document)
    return analyse(policy.read(document), domain)


@pytest.fixture(scope="module")
def county() -> Domain:
    return policy.domain_of(
        directory.read(
            {
                **directory.bundled("places"),
                "units": directory.bundled("units")["units"],
                "grids": [],
                "people": [],
            }
        ),
        catalogue.load(""),
    )


def test_the_bundled_table_has_no_fault(county: Domain) -> None:
    findings = analyse(policy.bundled(), county)
    assert [f for f in findings if f.severity == "error"] == []
    assert [f.code for f in findings] == [
        "hole"
    ]  # codes of top categories, which nothing but the last rule takes
    assert "1599" in findings[0].problem


def _rule(document: Any, rule_id: str) -> Any:
    return next(r for r in document["rules"] if r["id"] == rule_id)


@pytest.mark.parametrize(
    ("change", "code", "field", "says"),
    [
        (
            lambda d: _rule(d, "fishing")["then"].update(lead="U99"),
            "unit",
            "rules.fishing.then.lead",
            "no unit U99",
        ),
        (
            lambda d: _rule(d, "fishing")["when"].update(category=["1301", "1377"]),
            "category",
            "rules.fishing.when.category",
            "no category 1377",
        ),
        (
            lambda d: _rule(d, "sea-rubbish-songshan")["when"].update(place=["350999"]),
            "place",
            "rules.sea-rubbish-songshan.when.place",
            "no place 350999",
        ),
        (
            lambda d: _rule(d, "danger-gas")["when"].update(sign=["gass"]),
            "sign",
            "rules.danger-gas.when.sign",
            "gass",
        ),
        (
            lambda d: _rule(d, "danger-gas")["when"].update(sign=["gass"]),
            "danger",
            "rules.praise",
            "sign gas ",
        ),
        (lambda d: _rule(d, "praise").update(priority=100), "danger", "rules.praise", "fire"),
        (
            lambda d: _rule(d, "danger-gas").update(priority=99),
            "overlap",
            "rules.danger-gas",
            "with fire and gas",
        ),
        (
            lambda d: _rule(d, "roads-and-bridges")["then"].update(finish="5m"),
            "limit",
            "rules.roads",
            "is 5m",
        ),
        (
            lambda d: d["limits"]["finish"].update(red="4d"),
            "limit",
            "limits.finish.red",
            "longer than orange",
        ),
        (lambda d: d["colours"][3].update({3: "blue"}), "colours", "colours.3.3", "calmer"),
        (
            lambda d: d["rules"].insert(
                -1,
                {
                    "id": "late",
                    "when": {"category": ["0105", "0106", "11"]},
                    "then": {"level": "street"},
                    "reason": "晚了",
                },
            ),
            "unreachable",
            "rules.late",
            "sanitation-grid and care-grid take everything",
        ),
        (lambda d: d["desk"].update(placed=["77"]), "category", "desk.placed", "77"),
    ],
)
def test_a_fault_is_found_when_the_table_is_loaded(
    county: Domain, change: Any, code: str, field: str, says: str
) -> None:
    found = [f for f in _findings(change, county) if f.severity == "error"]
    assert any(f.code == code and f.field.startswith(field) and says in f.problem for f in found), found


def test_a_unit_that_is_there_but_not_active_is_said_so(county: Domain) -> None:
    assert county.units is not None
    domain = Domain(
        county.categories,
        county.places,
        county.signs,
        units=set(county.units) - {"U12"},
        inactive={"U12"},
    )
    problems = [f.problem for f in analyse(policy.bundled(), domain) if f.code == "unit"]
    assert set(problems) == {"unit U12 is not active"}


def test_limits_that_promise_more_than_they_keep_are_warned_of(county: Domain) -> None:
    found = _findings(lambda d: d["limits"].update(citizen="2d"), county)
    assert {f.severity for f in found if f.code == "limit"} == {"warning"}
