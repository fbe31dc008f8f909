"""The data that routing ships holds together: the member units and the policy table."""

from __future__ import annotations

import re
from collections import Counter
from importlib import resources
from typing import Any

import pytest
import yaml

from jiayuan.chassis.errors import StartError
from jiayuan.contracts.schemas.common import COLOURS, KINDS
from jiayuan.routing import catalogue
from jiayuan.routing.policy import Matter, Policy, load

pytestmark = pytest.mark.unit


def _text(name: str) -> str:
    return (resources.files("jiayuan.routing") / "data" / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def units() -> list[dict[str, Any]]:
    return yaml.safe_load(_text("units.yaml"))["units"]


@pytest.fixture(scope="module")
def table() -> Any:
    return yaml.safe_load(_text("policy.yaml"))


@pytest.fixture(scope="module")
def policy(units: list[dict[str, Any]]) -> Policy:
    """The checked table: loading it fails on unknown units, unreachable rules, bad durations."""
    return load(_text("policy.yaml"), {u["code"] for u in units})


def test_there_are_65_units(units: list[dict[str, Any]]) -> None:
    assert [u["code"] for u in units] == [f"U{n:02d}" for n in range(1, 66)]
    for field in ("name", "clerk"):
        assert [w for w, n in Counter(u[field] for u in units).items() if n > 1] == []


def test_every_unit_is_complete(units: list[dict[str, Any]]) -> None:
    kinds = ("department", "state_firm", "school", "hospital", "company", "association")
    for unit in units:
        assert unit["kind"] in kinds, unit
        assert unit["member"] in ("convener", "full_time", "part_time", "none"), unit
        assert unit["system"] in ("http", "bus"), unit
        assert unit["duties"], unit
        assert all(re.fullmatch(r"\d\d(\d\d)?", d) for d in unit["duties"]), unit
    assert {u["kind"] for u in units} == set(kinds)
    assert sum(u["system"] == "bus" for u in units) >= 3


def test_the_clerks_are_clearly_invented(units: list[dict[str, Any]]) -> None:
    assert [u["clerk"] for u in units if not u["clerk"].startswith("例")] == []


def test_a_unit_that_a_rule_names_has_the_duty(units: list[dict[str, Any]], table: Any) -> None:
    """A lead must know the matter; rules by danger or kind alone name no category."""
    duties = {u["code"]: tuple(u["duties"]) for u in units}
    for rule in table["rules"]:
        lead = rule["then"].get("lead")
        for category in rule["when"].get("category", ()) if lead and "kind" not in rule["when"] else ():
            assert any(d.startswith(category) or category.startswith(d) for d in duties[lead]), rule["id"]


def test_the_matrix_has_every_colour(table: Any) -> None:
    cells = [table["colours"][i][u] for i in (1, 2, 3) for u in (1, 2, 3)]
    assert set(cells) == set(COLOURS)
    assert table["colours"][3][3] == "red"
    assert table["colours"][1][1] == "green"


def test_the_defaults_are_those_that_were_promised(policy: Policy) -> None:
    minute, hour, day = 60, 3600, 86400
    assert policy.version == "2026.1"
    assert str(policy.zone) == "Asia/Shanghai"
    assert policy.limits == {
        "grid_response": 15 * minute,
        "department_response": 24 * hour,
        "report_in": 24 * hour,
        "citizen": 15 * day,
        "confirmation": 72 * hour,
    }
    assert list(policy.finish.values()) == sorted(policy.finish.values())


def test_limits_of_the_rules(policy: Policy) -> None:
    for rule in policy.rules:
        assert rule.response in (15 * 60, 24 * 3600), rule.id
        if rule.level == "grid":
            assert rule.response == 15 * 60, rule.id
        assert rule.finish is not None, rule.id
        assert 6 * 3600 <= rule.finish <= policy.limits["citizen"], rule.id


def test_whistles_have_one_to_three_assistants_and_a_ground(table: Any) -> None:
    grounds = set()
    for rule in table["rules"]:
        then = rule["then"]
        assert ("assist" in then) == ("ground" in then), rule["id"]
        if "assist" in then:
            assert 1 <= len(then["assist"]) <= 3, rule["id"]
            grounds.add(then["ground"])
    assert grounds == {"public_matter", "joint_enforcement", "emergency"}


def test_reasons_are_one_chinese_sentence(table: Any) -> None:
    for rule in table["rules"]:
        assert re.fullmatch(r"[^。！？]{8,80}。", rule["reason"]), rule["id"]
        assert not re.search("[A-Za-z]", rule["reason"]), rule["id"]


def test_danger_comes_before_everything_else(policy: Policy, table: Any) -> None:
    signs = {s for r in table["rules"] for s in r["when"].get("sign", ())}
    assert len(signs) == 9
    for sign in signs:
        decision = policy.decide(Matter("1505", "praise", 1, 1, (sign,)))
        assert decision.ground == "emergency"
        assert decision.colour == "red"
        assert decision.response_limit == 15 * 60


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_every_top_category_is_decided(policy: Policy, kind: str) -> None:
    for top in range(1, 16):
        decision = policy.decide(Matter(f"{top:02d}", kind, 2, 2))
        assert decision.reason
        assert decision.level == "grid" or decision.lead


def test_the_everyday_matters_are_the_grids(policy: Policy) -> None:
    """Departments have more rules (each its own); what happens every day is settled in the grid."""
    everyday = (
        "0105",
        "0108",
        "0201",
        "0207",
        "0303",
        "0404",
        "0502",
        "1101",
        "1202",
        "1501",
        "1502",
        "1599",
    )
    for code in everyday:
        assert policy.decide(Matter(code, "problem", 2, 2)).level == "grid", code


def test_a_place_can_change_the_assistants(policy: Policy) -> None:
    shore = policy.decide(Matter("1304", "problem", 2, 1, (), "350921003", "350921003202"))
    town = policy.decide(Matter("1304", "problem", 2, 1, (), "350921001", None))
    assert (shore.rule, town.rule) == ("sea-rubbish-songshan", "sea-rubbish")


def test_a_catalogue_of_ones_own_is_read(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "catalogue.yaml"
    entry = {
        "code": "A1",
        "name": "井盖",
        "livelihood": True,
        "importance": 3,
        "urgency": 2,
        "keywords": ["井盖"],
    }
    file.write_text(yaml.safe_dump({"version": "x", "categories": [entry]}), encoding="utf-8")
    monkeypatch.setenv("JIAYUAN_CATALOGUE", str(file))
    found = catalogue.current()
    assert (list(found.categories), found.name("A1"), found.name("A2")) == (["A1"], "井盖", "A2")
    assert "fire" in found.signs  # it names none: those that come with the service
    file.write_text("categories: [{code: A1}]", encoding="utf-8")
    catalogue.load.cache_clear()
    with pytest.raises(StartError, match="can't be used"):
        catalogue.current()
