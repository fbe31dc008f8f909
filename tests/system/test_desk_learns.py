"""What isn't sure goes to the desk; what either desk decides both services know, and models can learn from it."""

from __future__ import annotations

from typing import Any

import pytest
from town import Town

from jiayuan.chassis.testing.processes import until

pytestmark = pytest.mark.system


def _holders(case: dict[str, Any]) -> list[str]:
    live = ("offered", "accepted", "answered")
    return [leg["assignee"]["id"] for leg in case["legs"] if leg["state"] in live]


def _category(town: Town, report: str) -> tuple[str, str]:
    (row,) = town.rows("intake", f"SELECT category, category_method FROM report WHERE id = '{report}'")
    return row["category"], row["category_method"]


def _corrections(town: Town, report: str) -> list[tuple[str, str]]:
    rows = town.rows(
        "intake", f"SELECT before_code, code FROM correction WHERE report = '{report}' ORDER BY at"
    )
    return [(row["before_code"], row["code"]) for row in rows]


def test_the_desks_of_routing_and_intake_decide_for_both(town: Town) -> None:
    who = town.somebody()
    report = town.report("龙津社区听雨街那个东西一直没有人来看看", contact=who.contact)["id"]
    case = town.case_of(report)
    assert _holders(case) == ["desk-350921001"]
    assert "先交街道研判" in case["decision"]["reason"]
    county = town.county()
    waiting = town.call("routing", "GET", "/triage?street=350921001", token=county).json()["cases"]
    (mine,) = [one for one in waiting if one["id"] == case["id"]]
    assert mine["candidates"][0]["code"] == case["category"]["code"]

    body = {"category": "0102", "reason": "是路灯"}
    decided = town.call("routing", "POST", f"/cases/{case['id']}/triage", body, token=county)
    assert decided.status_code == 200, decided.text
    assert _holders(decided.json()["case"]) == ["U49"]
    until(lambda: _category(town, report) == ("0102", "desk"), "intake has heard what routing's desk decided")
    assert _corrections(town, report) == [(case["category"]["code"], "0102")]

    body = {"code": "0101", "reason": "是路面，不是路灯"}
    corrected = town.call("intake", "PUT", f"/reports/{report}/category", body, token=county)
    assert corrected.status_code == 200, corrected.text
    until(lambda: _holders(town.case_of(report)) == ["U02"], "routing has heard what intake's desk put right")
    now = town.case_of(report)
    assert (now["category"]["code"], now["category"]["method"]) == ("0101", "desk")
    town.settled()
    # Neither tells the other again what it knows.
    assert _corrections(town, report) == [(case["category"]["code"], "0102"), ("0102", "0101")]
    rows = town.rows(
        "routing", f"SELECT cause, category FROM decision WHERE case_id = '{case['id']}' ORDER BY sequence"
    )
    assert [(row["cause"], row["category"]) for row in rows] == [
        ("received", case["category"]["code"]),
        ("triage", "0102"),
        ("corrected", "0101"),
    ]
