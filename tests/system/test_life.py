"""A whole life: from the report to the written-off account, by people on the pages and by a department's system."""

from __future__ import annotations

import json
from typing import Any

import pytest
from town import DEPARTMENTS, HOTLINE, Town, exactly_one_of_everything

from jiayuan.chassis.testing.processes import until
from jiayuan.contracts.publisher import Forbidden, Outcome

pytestmark = pytest.mark.system


def _account(town: Town, year: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(town.command("ledger", "ledger", "show", str(year), "--json").stdout)
    return found


def test_from_the_report_to_the_account(town: Town) -> None:
    who = town.somebody()
    text = f"龙津社区听雨街的垃圾桶满了三天，蚊蝇很多，电话{who.phone}，身份证{who.identity}"
    receipt = town.report(text, title="垃圾桶满了没人清运", contact=who.contact)
    report, code = receipt["id"], receipt["tracking_code"]
    case = town.case_of(report)
    (leg,) = case["legs"]
    assert (case["state"], leg["assignee"]["type"], leg["response_limit"]) == ("assigned", "person", 900)

    for action, state in (("accept", "accepted"), ("answer", "answered"), ("resolve", "resolved")):
        assert town.move(case, leg, action)["case"]["state"] == state
        # Doing it again is no error and changes nothing.
        assert town.move(case, leg, action)["case"]["state"] == state
    rated = town.call(
        "intake", "POST", f"/reports/{report}/rating?code={code}", {"solved": True, "satisfaction": 5}
    )
    assert rated.status_code == 201, rated.text
    closed = town.case_of(report, at_least=6)
    assert (closed["state"], closed["confirmed"], closed["satisfaction"]) == ("closed", "satisfied", 5)

    _followed(town, code, (who.phone, who.name, who.identity), case)

    def entry() -> dict[str, Any] | None:
        (found,) = town.cluster.get("ledger", f"/entries?case={case['id']}")["entries"]
        return found if found["state"] == "written_off" else None

    written_off = until(entry, "the entry is written off")
    assert written_off is not None
    account = _account(town, written_off["year"])
    total = account["total"]
    assert account["balances"]
    assert total["opening"] + total["entered"] - total["written_off"] + total["reversed"] == total["open"]
    assert total["written_off"] >= 1
    town.command("ledger", "ledger", "check", str(written_off["year"]))

    books = town.settled()
    exactly_one_of_everything(books, [report])
    steps = [s["action"] for s in books.steps if s["case"] == case["id"]]
    assert steps == ["open", "assign", "accept", "answer", "resolve", "confirm"]
    clocks = {c["kind"]: c["state"] for c in books.clocks if c["case"] == case["id"]}
    assert clocks == dict.fromkeys(("response", "finish", "citizen", "confirmation"), "met")
    _notices(town, books, report, case, (who.phone, who.name, who.identity, "垃圾", "听雨街"))


def _followed(town: Town, code: str, personal: tuple[str, ...], case: dict[str, Any]) -> None:
    """The reporter reads at intake what routing says, without anybody's name."""

    def closed() -> Any:
        answer = town.call("intake", "GET", f"/track/{code}")
        return answer if answer.json()["progress"]["status"] == "closed" else None

    answer = until(closed, "the reporter reads that it is closed")
    progress = answer.json()["progress"]
    assert progress["words"] == "已办结，反映人满意"
    assert progress["case"] == case["number"]
    steps = [s["step"] for s in progress["history"]]
    assert steps == ["opened", "assigned", "accepted", "answered", "done", "resolved", "closed"]
    person = next(p for p in town.directory["people"] if p["id"] == case["legs"][0]["assignee"]["id"])
    for word in (*personal, person["name"], person["id"]):
        assert word not in answer.text


def _notices(town: Town, books: Any, report: str, case: dict[str, Any], personal: tuple[str, ...]) -> None:
    """Each is told what concerns him, and the texts tell nobody anything about the matter or its people."""
    mine = [n for n in books.notices if n["matter"] in (report, case["id"])]
    told = sorted((n["role"], n["template"], n["state"]) for n in mine)
    assert told == [
        ("assignee", "assigned", "delivered"),
        ("citizen", "answered", "delivered"),
        ("citizen", "closed", "delivered"),
        ("citizen", "received", "delivered"),
        ("citizen", "resolved", "delivered"),
    ]
    requests = ", ".join(f"'{n['request']}'" for n in mine)
    sink = town.rows("notify", f"SELECT text, recipient FROM sink_message WHERE request_id IN ({requests})")
    assert len(sink) == len(mine)
    person = next(p for p in town.directory["people"] if p["id"] == case["legs"][0]["assignee"]["id"])
    for word in (*personal, person["name"], person["phone"], case["title"]):
        assert not [row for row in sink if word in f"{row['text']} {row['recipient']}"], word


def test_a_department_by_its_own_system(town: Town) -> None:
    receipt = town.report("松城街道西关社区路面坑洼，摔了人", contact=town.somebody().contact)
    case = town.case_of(receipt["id"])
    (leg,) = case["legs"]
    assert (leg["assignee"], leg["response_limit"]) == ({"type": "unit", "id": "U02"}, 24 * 3600)

    def said(number: int, action: str, **more: Any) -> dict[str, Any]:
        return {
            "external_id": f"{case['number']}/{number}",
            "case": case["number"],
            "unit": "U02",
            "action": action,
            "at": leg["offered_at"],
            **more,
        }

    with town.partner(DEPARTMENTS) as unit:
        outcomes = unit.outcomes(timeout=60)

        def tell(document: dict[str, Any]) -> Outcome:
            sent = unit.handling_reported(document)
            return next(o for o in outcomes if o.message == sent.id)

        for number, action in enumerate(("accept", "answer", "resolve")):
            outcome = tell(said(number, action, note="已修复"))
            assert (outcome.outcome, outcome.result) == ("accepted", case["id"])
        assert tell(said(1, "answer", note="已修复")).outcome == "duplicate"

        wrong = {
            "data.action": said(10, "return", note="不归我们管"),
            "data.unit": said(11, "accept", unit="U99"),
            "data.case": said(12, "accept", case="350921001-20260101-999999"),
        }
        # A unit without a leg, and one that acts on the pages only, are refused by name.
        for other in ("U03", "U14"):
            assert tell(said(20, "accept", unit=other)).problems[0].field == "data.unit"
        for field, document in wrong.items():
            outcome = tell(document)
            assert (outcome.outcome, [p.field for p in outcome.problems]) == ("rejected", [field])
            assert outcome.problems[0].problem
        outcomes.close()
    with town.partner(HOTLINE) as hotline, pytest.raises(Forbidden):
        hotline.handling_reported(said(30, "accept"))

    assert town.case_of(receipt["id"], at_least=5)["state"] == "resolved"
    letters = [
        json.loads(line)
        for line in town.command("routing", "dead-letters", "list", "routing", "--json").stdout.splitlines()
    ]
    assert {letter["reason"] for letter in letters} == {"refused"}
    assert len(letters) == 5
    town.command(
        "routing", "dead-letters", "discard", "routing", "--reason", "refused",
        "--who", "tester", "--why", "the department was told",
    )  # fmt: skip
    books = town.settled()
    exactly_one_of_everything(books, [receipt["id"]])
    actions = [s["action"] for s in books.steps if s["case"] == case["id"]]
    assert actions == ["open", "whistle", "accept", "answer", "resolve"]
