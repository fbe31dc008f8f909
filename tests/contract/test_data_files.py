"""The data files of different services agree: catalogue ↔ units ↔ policy ↔ places ↔ demonstration reports."""

from __future__ import annotations

import json
import re
from collections import Counter
from importlib import resources
from typing import Any

import pytest
import yaml

from jiayuan.contracts.schemas.common import CHANNELS, KINDS

pytestmark = pytest.mark.unit

_BY_THE_CATCH_ALL = {"1599"}


def _yaml(package: str, name: str) -> Any:
    text = (resources.files(package) / "data" / name).read_text(encoding="utf-8")
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


@pytest.fixture(scope="module")
def catalogue() -> Any:
    return _yaml("jiayuan.intake", "catalogue.yaml")


@pytest.fixture(scope="module")
def leaves(catalogue: Any) -> list[str]:
    return [c["code"] for c in catalogue["categories"] if "parent" in c]


@pytest.fixture(scope="module")
def gazetteer() -> Any:
    return _yaml("jiayuan.intake", "xiapu.yaml")


@pytest.fixture(scope="module")
def units() -> Any:
    return _yaml("jiayuan.routing", "units.yaml")["units"]


@pytest.fixture(scope="module")
def rules() -> Any:
    return _yaml("jiayuan.routing", "policy.yaml")["rules"]


@pytest.fixture(scope="module")
def reports() -> list[dict[str, Any]]:
    text = (resources.files("jiayuan.local") / "data" / "demo_reports.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def _ordinary_rule(rules: list[dict[str, Any]], leaf: str) -> dict[str, Any]:
    """The rule for an ordinary problem of this leaf anywhere: of the highest priority, then the first."""
    return next(
        r
        for r in sorted(rules, key=lambda r: -r.get("priority", 0))
        if {"sign", "place"}.isdisjoint(r["when"])
        and "problem" in r["when"].get("kind", ["problem"])
        and leaf.startswith(tuple(r["when"].get("category", [""])))
    )


def test_duties_and_rules_name_categories_of_the_catalogue(catalogue: Any, units: Any, rules: Any) -> None:
    known = {c["code"] for c in catalogue["categories"]}
    assert {d for u in units for d in u["duties"]} <= known
    assert {c for r in rules for c in r["when"].get("category", ())} <= known


def test_every_leaf_has_a_rule_of_its_own_before_the_catch_all(leaves: list[str], rules: Any) -> None:
    left = {leaf for leaf in leaves if _ordinary_rule(rules, leaf)["id"] == "catch-all"}
    assert left == _BY_THE_CATCH_ALL


def test_every_leaf_is_somebodys_duty_or_the_grids(leaves: list[str], units: Any, rules: Any) -> None:
    duties = tuple(d for u in units for d in u["duties"])
    for leaf in leaves:
        assert leaf.startswith(duties) or _ordinary_rule(rules, leaf)["then"]["level"] == "grid", leaf


def test_signs_of_the_rules_are_those_of_the_catalogue(catalogue: Any, rules: Any) -> None:
    assert {s for r in rules for s in r["when"].get("sign", ())} == {
        s["code"] for s in catalogue["danger_signs"]
    }


def test_places_of_the_rules_are_in_the_gazetteer(gazetteer: Any, rules: Any) -> None:
    known = {s["code"] for s in gazetteer["streets"]} | {
        p["code"] for s in gazetteer["streets"] for p in s["places"]
    }
    assert {p for r in rules for p in r["when"].get("place", ())} <= known


def test_every_demonstration_report_parses(reports: list[dict[str, Any]]) -> None:
    assert len(reports) == 400
    for report in reports:
        assert set(report) <= {"channel", "kind", "title", "text", "place_text", "name", "phone"}, report
        assert report["channel"] in CHANNELS, report
        assert report["kind"] in KINDS, report
        assert 20 <= len(report["text"]) <= 300, report
        assert all(isinstance(v, str) and v for v in report.values()), report
    assert len({r["text"] for r in reports}) == len(reports)
    assert {r["channel"] for r in reports} == set(CHANNELS)
    assert {r["kind"] for r in reports} == set(KINDS)


def test_the_people_of_the_reports_are_clearly_invented(reports: list[dict[str, Any]]) -> None:
    """Names start with 例, phones are of one unused block, identity numbers of a region that isn't there."""
    assert [r["name"] for r in reports if not r.get("name", "例").startswith("例")] == []
    for report in reports:
        text = report["text"].translate({0xFF10 + n: str(n) for n in range(10)}) + report.get("phone", "")
        for number in re.findall(r"\d{11,18}", text):
            assert number.startswith(("1390000", "359999")), report


def test_the_reports_offer_what_intake_must_cope_with(reports: list[dict[str, Any]], gazetteer: Any) -> None:
    texts = [r["text"] for r in reports]
    full_width = re.compile("[０-９Ａ-Ｚａ-ｚ]")
    traditional = re.compile("[們來這樓電請問區會還麼個]")
    streets = Counter(s["name"][:2] for s in gazetteer["streets"] for r in reports if s["name"][:2] in str(r))
    assert sum(bool(full_width.search(t)) for t in texts) >= 12
    assert sum(bool(traditional.search(t)) for t in texts) >= 20
    assert sum(bool(re.search(r"1390000\d{4}|１３９|359999|３５９９", t)) for t in texts) >= 20
    assert len(streets) == 3


def test_reporters_read_the_units_names_as_the_directory_has_them(units: Any) -> None:
    assert _yaml("jiayuan.intake", "units.yaml")["units"] == {u["code"]: u["name"] for u in units}


def test_routing_has_the_codes_names_and_weights_of_intakes_catalogue(catalogue: Any) -> None:
    matters = _yaml("jiayuan.routing", "matters.yaml")
    assert matters["categories"] == [
        {k: v for k, v in category.items() if k != "keywords"} for category in catalogue["categories"]
    ]
    assert matters["danger_signs"] == [
        {k: sign[k] for k in ("code", "name", "call")} for sign in catalogue["danger_signs"]
    ]
    assert matters["version"] == catalogue["version"]
