"""One report is one trace: from the HTTP request through every event of its case, and each says what caused it."""

from __future__ import annotations

import secrets

import pytest
from town import Heard, Town

from jiayuan.chassis.testing.processes import until

pytestmark = pytest.mark.system


def _trace(heard: Heard) -> str:
    return str(heard.document.get("traceparent", "--")).split("-")[1]


def test_a_report_is_one_trace(town: Town) -> None:
    trace = secrets.token_hex(16)
    headers = {"traceparent": f"00-{trace}-{secrets.token_hex(8)}-01"}
    receipt = town.report(
        "松兴社区金帆佳苑12栋楼道堆了旧家具，推门都困难", contact=town.somebody().contact, headers=headers
    )
    case = town.case_of(receipt["id"])["id"]
    town.settled()

    def of_trace() -> dict[str, Heard]:
        found = {h.document["id"]: h for h in town.listener.events() if _trace(h) == trace}
        names = [h.name for h in found.values()]
        told = names.count("notice.sent") + names.count("notice.delivered")
        return found if told >= 2 and "entry.opened" in names else {}

    found = until(of_trace, "the events of the trace are heard")
    names = {h.name for h in found.values()}
    assert {"report.received", "case.opened", "case.assigned", "entry.opened", "entry.posted"} <= names
    # The trace holds every event of the case and of the report, and of nothing else.
    assert {h.document["id"] for h in town.listener.events(case=case)} <= set(found)
    assert {h.case for h in found.values()} <= {case, receipt["id"], ""}

    for heard in found.values():
        cause = heard.document.get("causationid")
        if heard.name == "report.received":
            assert cause is None  # a person's doing
            assert heard.document["subject"] == receipt["id"]
            continue
        assert cause in found, heard.name
        chain = [heard.name]
        while cause is not None:
            chain.append(found[cause].name)
            cause = found[cause].document.get("causationid")
        assert chain[-1] == "report.received", chain
    # The services name the trace in what they log of it, and over HTTP they answer with it.
    answer = town.call("intake", "GET", "/healthz", traceparent=headers["traceparent"])
    assert answer.headers["traceparent"].split("-")[1] == trace


def test_what_the_assignee_does_is_a_trace_of_its_own(town: Town) -> None:
    receipt = town.report("赤岸社区农贸市场后门污水横流，请清理", contact=town.somebody().contact)
    case = town.case_of(receipt["id"])
    leg = case["legs"][0]
    trace = secrets.token_hex(16)
    answer = town.call(
        "routing",
        "POST",
        f"/cases/{case['id']}/legs/{leg['id']}/accept",
        {},
        token=town.token_of(leg["assignee"]),
        traceparent=f"00-{trace}-{secrets.token_hex(8)}-01",
    )
    assert answer.status_code == 200
    heard = until(
        lambda: [h for h in town.listener.events(case=case["id"]) if _trace(h) == trace],
        "what follows from it is heard",
    )
    assert heard[0].name == "case.accepted"
