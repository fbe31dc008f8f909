"""Two routing processes on a real broker: reports of disputes, wishes and appointments reach whom they should."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from jiayuan.chassis import tokens
from jiayuan.chassis.broker import Publisher
from jiayuan.chassis.testing import processes
from jiayuan.chassis.testing.brokers import Broker
from jiayuan.chassis.testing.databases import TOKEN_SECRET, Opened
from jiayuan.chassis.testing.processes import until
from jiayuan.chassis.work import Outgoing
from jiayuan.contracts import envelope, names
from jiayuan.contracts.ids import new_id
from jiayuan.contracts.times import iso
from jiayuan.routing.imports import import_directory

pytestmark = pytest.mark.bus

STREET, COMMUNITY = "350921001", "350921001001"


@dataclass
class Running:
    """Two processes of routing, their database, and a broker that intake and sla speak to."""

    opened: Opened
    addresses: list[str]
    broker: Broker

    def rows(self, sql: str, **parameters: Any) -> list[Any]:
        with self.opened(datetime.now(UTC)) as work:
            return list(work.execute(sql, **parameters))

    def say(self, service: str, name: str, data: Sequence[dict[str, Any]]) -> None:
        """Events of another service."""
        now = datetime.now(UTC)
        events = [envelope.make(name, f"/jiayuan/{service}", d, at=now, subject=new_id()) for d in data]
        rows = [
            Outgoing(e.id, names.EVENTS_EXCHANGE, e.routing_key, True, envelope.encode(e)) for e in events
        ]
        publisher = Publisher(self.broker.uri(service))
        try:
            sent = publisher.send(rows)
            assert sorted(sent.confirmed) == sorted(r.id for r in rows), sent.failed
        finally:
            publisher.close()

    def case_of(self, report: str) -> dict[str, Any] | None:
        rows = self.rows(
            'SELECT c.state_doc FROM case_report r JOIN "case" c ON c.id = r.case_id WHERE r.report_id = :r',
            r=report,
        )
        return dict(rows[0][0]) if rows else None

    def call(self, process: int, path: str, who: str, role: str) -> tuple[int, dict[str, Any]]:
        token = tokens.issue(TOKEN_SECRET, who, (role,))
        request = urllib.request.Request(
            self.addresses[process] + path,
            data=b"{}",
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {token}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())


@pytest.fixture
def running(
    broker: Broker, database: Callable[[str], str], helped_document: dict[str, Any], tmp_path: Path
) -> Iterator[Running]:
    url = database("routing")
    opened = Opened("routing", url)
    with opened(datetime.now(UTC)) as work:
        import_directory(work, opened.runtime.sealer, helped_document, "test")
    settings = processes.settings("routing", broker, url)
    try:
        with ExitStack() as both:
            addresses = [
                both.enter_context(processes.running("routing", settings, tmp_path / f"routing{n}.log"))
                for n in range(2)
            ]
            yield Running(opened, addresses, broker)
    finally:
        opened.close()


def report(**fields: Any) -> dict[str, Any]:
    return {
        "report": {
            "id": new_id(),
            "tracking_code": "JY-1",
            "channel": "mini_program",
            "livelihood": False,
            "importance": 1,
            "urgency": 1,
            "place": {"street": STREET, "community": COMMUNITY},
            "reporter": "c1",
            "received_at": iso(datetime.now(UTC)),
            **fields,
        }
    }


WISH = {"kind": "wish", "title": "微心愿", "text": "想请人上门理发", "category": {"code": "1503"}}
QUARREL = {"kind": "dispute", "title": "争执", "text": "两人争执", "category": {"code": "1506"}}
MEAL = {"kind": "appointment", "title": "预约", "text": "预约助餐", "category": {"code": "1505"}}


def test_each_reaches_whom_it_should_and_one_of_many_has_it(running: Running) -> None:
    booked = {"point": "SP2", "service": "老年助餐", "starts_at": "2030-03-04T01:30:00.000000Z"}
    sent = [report(**WISH) for _ in range(4)] + [report(**QUARREL) for _ in range(4)]
    sent += [report(**MEAL) for _ in range(4)] + [report(**MEAL, appointment=booked)]
    running.say("intake", "report.received", sent)

    def all_there() -> list[dict[str, Any]] | None:
        found = [running.case_of(d["report"]["id"]) for d in sent]
        return [f for f in found if f] if all(found) else None

    cases = until(all_there, "every report has its case")
    wishes, quarrels, meals = cases[:4], cases[4:8], cases[8:]
    for case in wishes:
        asked = [leg["assignee"]["id"] for leg in case["legs"]]
        assert len(set(asked)) == 3
        assert set(asked) <= {"v1", "v2", "v3", "v4", "v5", "c1"}
        assert [o["id"] for o in case["offered_to"]] == asked
    assert {c["legs"][0]["assignee"]["id"] for c in quarrels} == {"m1", "m2"}
    assert all(c["point"] in ("SP1", "SP2") for c in meals)
    assert meals[-1]["point"] == "SP2"

    # All three take it at once, each by another process: one has it, the others are told so.
    case = wishes[0]
    who = [leg["assignee"]["id"] for leg in case["legs"]]

    def take(n: int) -> int:
        role = "cadre" if who[n].startswith("c") else "volunteer"
        return running.call(n % 2, f"/cases/{case['id']}/offers/take", who[n], role)[0]

    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(take, range(3)))
    assert sorted(answers) == [200, 409, 409]
    now = running.case_of(case["reports"][0]["id"])
    assert now is not None
    assert [leg["assignee"]["id"] for leg in now["legs"] if leg["state"] == "accepted"] == [
        who[answers.index(200)]
    ]

    # Nobody takes the second: its clocks run out, and three others are asked, once, though both processes hear of it.
    case = wishes[1]
    clocks = [
        {
            "clock": {
                "id": new_id(),
                "kind": "response",
                "state": "breached",
                "case": case["id"],
                "case_sequence": 2,
                "leg": leg["id"],
                "street": STREET,
                "limit": 86400,
                "started_at": leg["offered_at"],
                "due_at": iso(datetime.now(UTC)),
                "percent": 101,
                "at": iso(datetime.now(UTC)),
            }
        }
        for leg in case["legs"]
    ]
    running.say("sla", "clock.breached", clocks)

    def next_round() -> dict[str, Any] | None:
        found = running.case_of(case["reports"][0]["id"])
        return found if found and len(found["legs"]) > 3 else None

    after = until(next_round, "the next are asked")
    fresh = [leg["assignee"]["id"] for leg in after["legs"] if leg["state"] == "offered"]
    assert len(fresh) == 3
    assert not set(fresh) & {leg["assignee"]["id"] for leg in case["legs"]}
    assert running.rows("SELECT count(*) FROM dead_letter")[0][0] == 0
