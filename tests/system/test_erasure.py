"""Somebody has himself erased: notify forgets how to reach him, the matter goes on, the books still agree."""

from __future__ import annotations

from typing import Any

import pytest
from town import Town

from jiayuan.chassis.testing.processes import until

pytestmark = pytest.mark.system


def _recipient(town: Town, reporter: str) -> dict[str, Any]:
    rows = town.rows("notify", f"SELECT contact, erased FROM recipient WHERE ref = '{reporter}'")
    return rows[0] if rows else {}


def _reporter(town: Town, report: str) -> str:
    return str(town.rows("intake", f"SELECT reporter FROM report WHERE id = '{report}'")[0]["reporter"])


def test_who_is_erased_is_forgotten_by_notify_and_his_matter_goes_on(town: Town) -> None:
    who = town.somebody()
    said = f"西关社区路灯坏了，我叫{who.name}，电话{who.phone}"
    receipt = town.report(said, contact=who.contact)
    reporter = _reporter(town, receipt["id"])
    until(lambda: _recipient(town, reporter).get("contact"), "notify knows how to reach the reporter")
    case = town.case_of(receipt["id"])

    body = {"code": receipt["tracking_code"], "phone": who.phone, "confirm": True}
    answer = town.call("intake", "POST", "/person/erasure", body)
    assert (answer.status_code, answer.json()["reports"]) == (200, 1)
    until(
        lambda: _recipient(town, reporter) == {"contact": None, "erased": True},
        "notify has forgotten the reporter",
    )
    assert town.call("intake", "POST", "/person/erasure", body).json() == answer.json()

    # The worker goes on; that nobody can be told any more is no fault.
    leg = case["legs"][0]
    for action in ("accept", "answer"):
        town.move(case, leg, action)
    until(lambda: town.case_of(receipt["id"])["state"] == "answered", "the case was answered")
    states = until(
        lambda: [
            n["state"]
            for n in town.notices(report=receipt["id"])
            if n["role"] == "citizen" and n["step"] == "answered" and n["state"] == "suppressed"
        ],
        "the answer's notice is suppressed",
    )
    assert states == ["suppressed"]

    # Who reports again is somebody new, and is told.
    again = town.report(f"{said}，又坏了", contact=who.contact)
    new = _reporter(town, again["id"])
    assert new != reporter
    until(lambda: _recipient(town, new).get("contact"), "notify knows how to reach the new reporter")
    town.settled()
