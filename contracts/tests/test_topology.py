"""Names and definitions hang together."""

from __future__ import annotations

import re
from typing import Any

import pytest

from jiayuan.contracts import names, topology
from jiayuan.contracts.registry import EVENTS, INBOUND_EVENTS

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("service", "pattern"), [(s, p) for s in names.SERVICES for p in names.SUBSCRIPTIONS[s]]
)
def test_every_subscription_takes_a_registered_event(service: str, pattern: str) -> None:
    taken = [n for n in EVENTS if names.matches(pattern, n)]
    assert taken, f"{service} subscribes to {pattern}, which nobody sends"


def test_inbound_messages_are_registered_and_taken_once() -> None:
    taken = [n for s in names.INBOUND for n in names.INBOUND[s]]
    assert set(taken) <= set(INBOUND_EVENTS)
    assert len(taken) == len(set(taken))
    for partner in topology.PARTNERS:
        assert set(partner.may) <= set(taken), f"{partner.name} may send what nobody takes"


def test_no_service_takes_one_event_twice() -> None:
    for service, patterns in names.SUBSCRIPTIONS.items():
        for name in EVENTS:
            assert sum(names.matches(p, name) for p in patterns) <= 1, (service, name)


@pytest.mark.parametrize("service", ["intake", "sla", "ledger"])
def test_who_keeps_the_newest_state_of_cases_takes_every_event_but_the_opening(service: str) -> None:
    cases = {n for n in EVENTS if n.startswith("case.")}
    assert {n for n in cases if service in names.subscribers(n)} == cases - {"case.opened"}


def test_every_event_has_an_owner_that_is() -> None:
    assert {e.owner for e in EVENTS.values()} <= set(names.SERVICES)
    assert {e.owner for e in INBOUND_EVENTS.values()} == {"partner"}
    assert set(EVENTS).isdisjoint(INBOUND_EVENTS)


def test_names_there_and_back() -> None:
    assert names.event_type("case.opened") == "cn.jiayuan.case.opened.v1"
    assert names.event_name("cn.jiayuan.case.opened.v1") == "case.opened"
    for other in ("case.opened", "cn.jiayuan.case.opened.v2", "org.jiayuan.case.opened.v1"):
        assert names.event_name(other) is None
    assert names.subscribers("case.opened") == ()
    assert names.subscribers("case.assigned") == ("intake", "sla", "ledger", "notify")
    assert names.subscribers("notice.sent") == ()
    assert names.matches("case.*", "case.opened")
    assert not names.matches("case.*", "case.opened.bulk")
    assert not names.matches("case.*", "casexopened")


@pytest.mark.parametrize("partner", topology.PARTNERS, ids=lambda p: p.name)
def test_a_partners_rights(partner: topology.Partner) -> None:
    rights = topology.definitions()["topic_permissions"]
    (right,) = [r for r in rights if r["user"] == partner.name]
    for name in INBOUND_EVENTS:
        for lane in names.LANES:
            allowed = re.search(right["write"], names.routing_key(name, lane)) is not None
            assert allowed == (name in partner.may)
    for bad in (
        "report.submittedx",
        "xreport.submitted",
        "reportxsubmitted",
        "report.submitted.bulk.bulk",
        "",
    ):
        assert re.search(right["write"], bad) is None


def test_a_partner_that_may_what_nobody_may() -> None:
    with pytest.raises(ValueError, match="nobody may send"):
        topology.definitions(partners=[topology.Partner("x", ("case.opened",))])


def test_a_service_may_publish_what_is_its_own_and_nothing_else() -> None:
    rights = {r["user"]: r for r in topology.definitions()["topic_permissions"]}
    for service in names.SERVICES:
        right = rights[topology.service_user(service)]["write"]
        for name, event in EVENTS.items():
            for lane in names.LANES:
                assert (re.search(right, names.routing_key(name, lane)) is not None) == (
                    event.owner == service
                )


def test_the_mark_follows_the_topology_and_not_the_partners(monkeypatch: pytest.MonkeyPatch) -> None:
    before = topology.mark()
    more: Any = (*topology.PARTNERS, topology.Partner("x", ()))
    assert topology.mark() in [e["name"] for e in topology.definitions(partners=more)["exchanges"]]
    monkeypatch.setattr(topology, "DELIVERY_LIMIT", 51)
    assert topology.mark() != before
