"""A whistle of six units on a real broker: two routing processes, clerks by HTTP, a department's system by the bus."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest

from jiayuan.chassis import tokens
from jiayuan.chassis.testing.databases import TOKEN_SECRET
from jiayuan.contracts import envelope
from jiayuan.contracts.ids import new_id
from jiayuan.contracts.publisher import Outcome, Publisher
from jiayuan.contracts.times import iso
from jiayuan.routing import handlers

from .conftest import COMMUNITY, CONVENER, STREET
from .test_helping_bus import Running, running  # noqa: F401  two processes on a broker

pytestmark = pytest.mark.bus

BY_BUS, BY_HTTP = ("U02", "U03"), ("U04", "U05", "U07")
LEAD = "U01"
DIGEST = "ab" * 32


class Town:
    """The two processes, asked in turn, and the department's system."""

    def __init__(self, running: Running, system: Publisher) -> None:  # noqa: F811
        self.running, self.system = running, system
        self.turn = count()
        self.heard: dict[str, Outcome] = {}

    def call(self, method: str, path: str, body: Any = None, **who: str) -> tuple[int, dict[str, Any]]:
        role, subject = who.pop("role"), who.pop("who")
        token = tokens.issue(TOKEN_SECRET, subject, (role,), **who)  # type: ignore[arg-type]
        request = urllib.request.Request(
            self.running.addresses[next(self.turn) % 2] + path,
            data=json.dumps(body).encode() if body is not None else None,
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {token}"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def case(self, number: str) -> dict[str, Any]:
        found: dict[str, Any] = self.call("GET", f"/cases/{number}", role="county", who="county-1")[1]["case"]
        return found

    def say(self, number: str, unit: str, action: str, **more: Any) -> Outcome:
        """The department's system reports, and reads what became of it."""
        data = {"external_id": new_id(), "case": number, "unit": unit, "action": action}
        receipt = self.system.handling_reported({**data, "at": iso(datetime.now(UTC)), **more})
        for outcome in self.system.outcomes(timeout=30):
            if outcome.message:
                self.heard[outcome.message] = outcome
            if outcome.message == receipt.id:
                break
        return self.heard[receipt.id]


@pytest.fixture
def town(running: Running) -> Iterator[Town]:  # noqa: F811
    with Publisher(running.broker.uri("department-systems"), attempts=3) as system:
        yield Town(running, system)


def clerk(unit: str) -> dict[str, str]:
    return {"role": "unit_clerk", "unit": unit, "who": f"clerk-{unit}"}


DESK = {"role": "desk", "who": "desk-1", "street": STREET}
SEAT = {"role": "convener", "who": CONVENER, "street": STREET}


def open_case(town: Town) -> dict[str, Any]:
    report = {
        "id": new_id(),
        "tracking_code": "JY-1",
        "kind": "problem",
        "channel": "mini_program",
        "title": "沿街占道经营",
        "text": "占道",
        "category": {"code": "1502", "name": "犬类与宠物"},
        "livelihood": True,
        "importance": 2,
        "urgency": 2,
        "place": {"street": STREET, "community": COMMUNITY},
        "reporter": "c1",
        "received_at": iso(datetime.now(UTC)),
    }
    event = envelope.make("report.received", "/jiayuan/intake", {"report": report}, at=datetime.now(UTC))
    with town.running.opened(datetime.now(UTC)) as work:
        handlers.report_received(work, [event])
        found: dict[str, Any] = work.emitted[-1].data["case"]
    return found


def test_six_units_answer_at_once_by_http_and_by_the_bus(town: Town) -> None:
    number = open_case(town)["number"]
    body = {"ground": "joint_enforcement", "lead": LEAD, "assistants": [*BY_BUS, *BY_HTTP]}
    body |= {"reason": "沿街占道反复回潮，需联合执法"}
    status, answer = town.call("POST", f"/cases/{number}/whistle", body, **DESK)
    assert status == 200, answer
    legs = {x["assignee"]["id"]: x["id"] for x in answer["case"]["legs"]}

    def by_http(unit: str) -> None:
        for move, said in (("arrive", {"people": 2, "photos": [DIGEST]}), ("resolve", {})):
            status, answer = town.call(
                "POST", f"/cases/{number}/legs/{legs[unit]}/{move}", said, **clerk(unit)
            )
            assert status == 200, answer

    def by_bus() -> None:
        assert (
            town.say(number, "U02", "arrive", place="沿江路", people=3, evidence=[DIGEST]).outcome
            == "accepted"
        )
        refused = town.say(number, "U03", "refuse", note="该处不在本单位职责范围")
        assert refused.outcome == "accepted"
        assert refused.current is not None
        assert refused.current["leg_state"] == "refused"
        assert town.say(number, "U02", "resolve", note="已清理").outcome == "accepted"

    with ThreadPoolExecutor(5) as pool:
        for done in [*(pool.submit(by_http, unit) for unit in (LEAD, *BY_HTTP)), pool.submit(by_bus)]:
            done.result()
    case = town.case(number)
    assert case["state"] == "answered"  # the lead has said so, and the convener owes a decision
    ask = case["legs"][-1]["id"]
    said = {"decision": "uphold", "reason": "属于贵单位职责"}
    status, answer = town.call("POST", f"/cases/{number}/legs/{ask}/convene", said, **SEAT)
    assert status == 200, answer
    again = town.say(number, "U03", "refuse", note="仍然不去")
    assert again.outcome == "rejected"
    assert "can't refuse any more" in again.problems[0].problem
    assert again.current is not None
    assert again.current["allowed"][0] == "accept"
    assert town.say(number, "U03", "accept").outcome == "accepted"
    assert town.say(number, "U03", "resolve", note="已处理").outcome == "accepted"
    case = town.case(number)
    assert case["state"] == "resolved"
    assert not [x for x in case["legs"] if x["state"] in ("offered", "accepted", "answered")]
    steps = town.running.rows(
        "SELECT sequence FROM case_step WHERE case_id::text = :i ORDER BY sequence", i=case["id"]
    )
    assert [r[0] for r in steps] == list(range(1, len(steps) + 1))
