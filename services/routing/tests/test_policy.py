"""The policy table: what it decides, and what it refuses at load time."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import pytest

from jiayuan.routing import policy
from jiayuan.routing.enacting import plain
from jiayuan.routing.policy import Matter, PolicyError

pytestmark = pytest.mark.unit

TABLE: dict[str, Any] = {
    "version": "t1",
    "effective_from": "2026-01-01T00:00:00+08:00",
    "zone": "Asia/Shanghai",
    "colours": {
        3: {3: "red", 2: "orange", 1: "yellow"},
        2: {3: "orange", 2: "yellow", 1: "blue"},
        1: {3: "yellow", 2: "blue", 1: "green"},
    },
    "limits": {
        "grid_response": "15m",
        "department_response": "24h",
        "citizen": "15d",
        "confirmation": "72h",
        "report_in": "24h",
        "finish": {"red": "24h", "orange": "72h", "yellow": "5d", "blue": "10d", "green": "15d"},
    },
    "rules": [
        {
            "id": "fire",
            "when": {"sign": ["fire"]},
            "then": {
                "level": "department",
                "lead": "U1",
                "assist": ["U2"],
                "ground": "emergency",
                "importance": 3,
                "urgency": 3,
                "response": "15m",
                "finish": "6h",
            },
            "reason": "火情",
        },
        {
            "id": "east-roads",
            "when": {"category": ["0101"], "place": ["350921003"]},
            "then": {"level": "department", "lead": "U2"},
            "reason": "东边的路",
        },
        {
            "id": "dispute",
            "when": {"kind": ["dispute"], "category": ["01", "02"]},
            "then": {"level": "grid"},
            "reason": "调解",
        },
        {
            "id": "roads",
            "when": {"category": ["0101"]},
            "then": {"level": "department", "lead": "U1"},
            "reason": "路",
        },
        {"id": "rest", "when": {}, "then": {"level": "grid"}, "reason": "其他"},
    ],
}
UNITS = {"U1", "U2"}


def changed(path: str, value: Any) -> dict[str, Any]:
    table = copy.deepcopy(TABLE)
    where: Any = table
    *parents, last = (int(p) if p.isdigit() else p for p in path.split("."))
    for p in parents:
        where = where[p]
    where[last] = value
    return table


@pytest.mark.parametrize(
    ("matter", "rule", "level", "colour", "response", "finish"),
    [
        (Matter("0101", "problem", 2, 2), "roads", "department", "yellow", 86400, 5 * 86400),
        (
            Matter("0101", "problem", 2, 2, street="350921003"),
            "east-roads",
            "department",
            "yellow",
            86400,
            5 * 86400,
        ),
        (
            Matter("0101", "problem", 2, 2, street="350921003", community="350921003001"),
            "east-roads",
            "department",
            "yellow",
            86400,
            5 * 86400,
        ),
        (Matter("0101", "problem", 1, 1, ("fire",)), "fire", "department", "red", 900, 6 * 3600),
        (Matter("0203", "dispute", 1, 1), "dispute", "grid", "green", 900, 15 * 86400),
        (Matter("1599", "praise", 3, 1), "rest", "grid", "yellow", 900, 5 * 86400),
    ],
)
def test_the_first_rule_that_matches(
    matter: Matter, rule: str, level: str, colour: str, response: int, finish: int
) -> None:
    table = policy.read(TABLE, UNITS)
    for _ in range(2):  # the second time from memory
        d = table.decide(matter)
        assert (d.rule, d.level, d.colour, d.response_limit, d.finish_limit) == (
            rule,
            level,
            colour,
            response,
            finish,
        )
    assert (d.citizen_limit, d.confirmation_limit, d.policy) == (15 * 86400, 72 * 3600, "t1")


def test_assistants_of_an_emergency_report_in_as_fast_as_the_lead() -> None:
    d = policy.read(TABLE, UNITS).decide(Matter("0101", "problem", 1, 1, ("fire",)))
    assert (d.lead, d.assistants, d.ground, d.report_in_limit) == ("U1", ("U2",), "emergency", 900)


@pytest.mark.parametrize(
    ("path", "value", "field", "says"),
    [
        ("version", 2026.1, "version", "2026.1"),
        ("zone", "Mars/Olympus", "zone", "Mars"),
        ("effective_from", "soon", "effective_from", "soon"),
        ("effective_from", datetime(2026, 1, 1), "effective_from", "2026"),
        ("colours.3", {3: "purple"}, "colours.3.3", "purple"),
        ("colours", [], "colours.1.1", "None"),
        ("limits", None, "limits", "missing"),
        ("limits.citizen", "soon", "limits.citizen", "soon"),
        ("limits.citizen", 15, "limits.citizen", "15"),
        ("limits.report_in", "0h", "limits.report_in", "0h"),
        ("limits.finish", {"red": "1h"}, "limits.finish.green", "None"),
        ("limits.colour", "1h", "limits.colour", "unknown"),
        ("rules", [], "rules", "empty"),
        ("rules.0.then.lead", "U9", "rules.fire.then.lead", "U9"),
        ("rules.0.then.assist", ["U9"], "rules.fire.then.assist", "U9"),
        ("rules.0.then.assist", ["U1"], "rules.fire.then.assist", "twice"),
        ("rules.0.then.assist", "U2", "rules.fire.then.assist", "U2"),
        ("rules.0.then.level", "county", "rules.fire.then.level", "county"),
        ("rules.0.then.ground", "anger", "rules.fire.then.ground", "anger"),
        ("rules.0.then.urgency", 4, "rules.fire.then.urgency", "4"),
        ("rules.0.then.finish", "6 hours", "rules.fire.then.finish", "6 hours"),
        ("rules.0.then.colour", "red", "rules.fire.then.colour", "unknown"),
        ("rules.0.when.colour", ["red"], "rules.fire.when.colour", "unknown"),
        ("rules.0.when.kind", ["anger"], "rules.fire.when.kind", "anger"),
        ("rules.0.when.category", [], "rules.fire.when.category", "[]"),
        ("rules.0.reason", "", "rules.fire.reason", "missing"),
        ("rules.0", {"when": {}}, "rules[0]", "no id"),
        ("rules.0", {"id": "x", "when": []}, "rules.x", "mappings"),
        ("rules.1.id", "fire", "rules.fire", "earlier rule"),
        ("rules.3.then", {"level": "department"}, "rules.roads.then.lead", "missing"),
        ("rules.2.then", {"level": "grid", "lead": "U1"}, "rules.dispute.then", "no unit"),
        ("rules.4.when", {"kind": ["wish"]}, "rules.rest", "match everything"),
    ],
)
def test_what_is_wrong_is_said_at_load_time(path: str, value: Any, field: str, says: str) -> None:
    with pytest.raises(PolicyError) as refusal:
        policy.read(changed(path, value), UNITS)
    assert any(p.field == field and says in p.problem for p in refusal.value.problems), refusal.value.problems


@pytest.mark.parametrize(
    ("when", "reachable"),
    [
        ({"category": ["0101"], "kind": ["wish"]}, False),
        ({"category": ["010199"]}, False),
        ({"category": ["01"]}, True),
        ({"category": ["0101", "0102"]}, True),
        ({"kind": ["dispute"], "category": ["02"]}, False),
        ({"kind": ["dispute", "wish"], "category": ["02"]}, True),
        ({"sign": ["fire"], "category": ["09"]}, False),
        ({"sign": ["fire", "gas"]}, True),
        ({"category": ["0101"], "place": ["350921003001"]}, False),
    ],
)
def test_rules_that_can_never_match(when: dict[str, Any], reachable: bool) -> None:
    table = copy.deepcopy(TABLE)
    table["rules"].insert(4, {"id": "late", "when": when, "then": {"level": "grid"}, "reason": "晚"})
    if reachable:
        policy.read(table, UNITS)
        return
    with pytest.raises(PolicyError, match="can never match"):
        policy.read(table, UNITS)


def test_not_a_table() -> None:
    for text in ("[]", "a: [", "just words"):
        with pytest.raises(PolicyError):
            policy.load(text)


def test_the_bundled_table_survives_json() -> None:
    table = policy.bundled()
    text = plain_text()
    assert policy.read(text).rules == table.rules
    assert policy.read(text).colours == table.colours


def plain_text() -> dict[str, Any]:
    from importlib import resources

    import orjson
    import yaml

    source = (resources.files("jiayuan.routing") / "data" / "policy.yaml").read_text(encoding="utf-8")
    parsed = orjson.loads(orjson.dumps(plain(yaml.safe_load(source))))
    assert isinstance(parsed, dict)
    return parsed


def test_the_street_answers_as_a_department_unless_the_table_says_otherwise() -> None:
    assert policy.read(TABLE).responses == {
        "grid": 900,
        "community": 900,
        "street": 86400,
        "department": 86400,
    }
    table = changed("limits", {**TABLE["limits"], "street_response": "2h", "community_response": "30m"})
    assert policy.read(table).responses == {
        "grid": 900,
        "community": 1800,
        "street": 7200,
        "department": 86400,
    }


def test_case_days_are_local() -> None:
    assert policy.case_day(policy.read(TABLE), datetime(2026, 3, 1, 16, 0, tzinfo=UTC)) == "260302"


@pytest.mark.parametrize(
    ("limit", "words"),
    [(900, "15分钟"), (3600, "1小时"), (86400, "24小时"), (5 * 86400, "5天"), (5400, "90分钟")],
)
def test_spans_in_words(limit: int, words: str) -> None:
    assert policy.span(limit) == words
