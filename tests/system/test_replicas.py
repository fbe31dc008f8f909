"""Two processes of every service: whoever takes a message, everything is done once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from town import HOTLINE, Town, exactly_one_of_everything

from jiayuan.contracts.publisher import Receipt
from jiayuan.local.cluster import Process

pytestmark = pytest.mark.system

REPORTS = 300
TEXTS = (
    "龙津社区听雨街垃圾堆满没人清运",
    "松城街道西关社区路面坑洼",
    "松港街道东关社区停水",
    "请问居民医保怎么续保",
    "感谢网格员上门帮忙",
)


@pytest.fixture
def second(town: Town) -> Iterator[list[Process]]:
    """One more process of each service, for as long as the test takes."""
    started = [town.cluster.start(s, wait=False) for s in town.cluster.services]
    for process in started:
        process.wait_ready()
    yield started
    for process in started:
        assert process.terminate() == 0, process.tail()
        town.cluster.processes[process.service].remove(process)


def _taken(process: Process) -> int:
    """How many messages a process has taken."""
    page = requests.get(f"{process.address}/metrics", timeout=10).text
    return int(sum(float(v) for v in re.findall(r"^jiayuan_batch_size_sum(?:{.*})? (\S+)$", page, re.M)))


def test_three_hundred_reports(town: Town, second: list[Process]) -> None:
    contacts = [town.somebody().contact for _ in range(REPORTS)]

    def by_http(n: int) -> str:
        body = {
            "channel": "mini_program",
            "text": f"{TEXTS[n % len(TEXTS)]}（第{n}件）",
            "contact": contacts[n],
        }
        # Each twice, once at either process.
        addresses = [town.cluster.address("intake"), second[0].address]
        answers = [_post(a, body, f"replicas-{n}") for a in (addresses if n % 2 else addresses[::-1])]
        assert answers[0] == answers[1]
        town.noted("mini_program", f"replicas-{n}", answers[0])
        return answers[0]

    with ThreadPoolExecutor(8) as pool:
        reports = list(pool.map(by_http, range(REPORTS // 2)))
    with town.partner(HOTLINE) as partner:
        sent = partner.send_many(
            (
                "report.submitted",
                {
                    "external_id": f"R-{n}",
                    "text": f"{TEXTS[n % len(TEXTS)]}（第{n}件）",
                    "contact": contacts[n],
                },
            )
            for n in range(REPORTS // 2, REPORTS)
            for _ in range(2)
        )
        assert len(sent) == REPORTS
        assert all(isinstance(s, Receipt) for s in sent)
        waiting = {s.id for s in sent if isinstance(s, Receipt)}
        outcomes: dict[str, list[str]] = {}
        for outcome in partner.outcomes(timeout=60):
            if outcome.message in waiting:
                assert outcome.result is not None, outcome
                outcomes.setdefault(outcome.result, []).append(outcome.outcome)
                waiting.remove(outcome.message)
            if not waiting:
                break
    assert [sorted(o) for o in outcomes.values()] == [["accepted", "duplicate"]] * (REPORTS // 2)
    for report in outcomes:
        town.noted("government_system", report, report)

    books = town.settled()
    exactly_one_of_everything(books, [*reports, *outcomes])
    for process in second:
        if process.service != "intake":
            assert _taken(process) > 0, f"the second process of {process.service} had nothing to do"


def _post(address: str, body: object, key: str) -> str:
    response = requests.post(f"{address}/reports", json=body, headers={"Idempotency-Key": key}, timeout=60)
    assert response.status_code in (200, 201), response.text
    return str(response.json()["id"])
