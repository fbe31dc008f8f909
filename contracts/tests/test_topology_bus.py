"""The definitions on a real broker: they import, and everybody may do what is his and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pika
import pytest
from pika.exceptions import AMQPError, ChannelClosedByBroker, NackError, UnroutableError

from jiayuan.contracts import generate, names, topology
from jiayuan.contracts.registry import EVENTS, INBOUND_EVENTS

from .conftest import Rabbit, until

pytestmark = pytest.mark.bus


def test_all_of_it_is_there(rabbit: Rabbit) -> None:
    there, wanted = rabbit.exported(), rabbit.definitions()
    assert {q["name"]: q["arguments"] for q in there["queues"]} == {
        q["name"]: q["arguments"] for q in wanted["queues"]
    }
    assert {e["name"]: (e["type"], e["durable"]) for e in there["exchanges"]} == {
        e["name"]: (e["type"], e["durable"]) for e in wanted["exchanges"]
    }

    def bound(bindings: list[dict[str, Any]]) -> set[tuple[str, str, str]]:
        return {(b["source"], b["routing_key"], b["destination"]) for b in bindings}

    assert bound(there["bindings"]) == bound(wanted["bindings"])
    assert {p["name"]: p["definition"] for p in there["policies"]} == {
        p["name"]: p["definition"] for p in wanted["policies"]
    }


def effective(rabbit: Rabbit) -> dict[str, dict[str, Any]]:
    """The policy of each queue as it is in force; empty until the broker says it of all."""
    queues = rabbit.api("GET", f"queues/{rabbit.vhost}")
    found = {q["name"]: q.get("effective_policy_definition") for q in queues}
    return found if all(found.values()) else {}


def test_policies_are_in_force(rabbit: Rabbit) -> None:
    policies = until(lambda: effective(rabbit), "the policies")
    assert set(policies) == {q["name"] for q in rabbit.definitions()["queues"]}
    for name, found in policies.items():
        if name.endswith((".live", ".bulk")):
            assert found["delivery-limit"] == topology.DELIVERY_LIMIT
            assert found["dead-letter-strategy"] == "at-least-once"
            assert found["overflow"] == "reject-publish"
            assert found["dead-letter-routing-key"] == name.split(".")[1]
        assert found["max-length"] > 0


def test_a_second_import_changes_nothing(rabbit: Rabbit) -> None:
    before = rabbit.exported()
    rabbit.import_topology()
    assert rabbit.exported() == before


def test_the_committed_file_imports(rabbit: Rabbit) -> None:
    """Without its users, whose passwords other tests use."""
    document = json.loads((generate.REPOSITORY / generate.DEFINITIONS).read_text())
    vhost = document["vhosts"][0]["name"]
    text = json.dumps({k: v for k, v in document.items() if k != "users"})
    renamed = json.loads(text.replace(json.dumps(vhost), json.dumps(rabbit.vhost)))
    before = rabbit.exported()
    rabbit.api("POST", "definitions", renamed)
    assert rabbit.exported() == before


def test_a_user_without_a_password_cannot_log_in(rabbit: Rabbit) -> None:
    nobody = f"nobody-{rabbit.vhost}"
    partner = topology.Partner(nobody, ("report.submitted",))
    document = topology.definitions(rabbit.vhost, partners=[partner])
    mine = [u for u in document["users"] if u["name"] == nobody]
    rights = [p for p in document["permissions"] if p["user"] == nobody]
    rabbit.api("POST", "definitions", {"users": mine, "permissions": rights})
    try:
        for password in ("", nobody, "guest"):
            with pytest.raises(AMQPError), rabbit.channel_as(nobody, password):
                pass
    finally:
        rabbit.api("DELETE", f"users/{nobody}")


def refused(error: Any) -> str:
    assert error.value.reply_code == 403
    return str(error.value.reply_text)


@pytest.mark.parametrize("service", names.SERVICES)
def test_a_service_may_configure_nothing(rabbit: Rabbit, service: str) -> None:
    user = topology.service_user(service)
    for deed in (
        lambda ch: ch.queue_declare("mine", durable=True, arguments={"x-queue-type": "quorum"}),
        lambda ch: ch.queue_declare(names.queue(service, "live"), durable=True),
        lambda ch: ch.exchange_declare("mine", "topic"),
        lambda ch: ch.queue_delete(names.queue(service, "live")),
        lambda ch: ch.queue_bind(names.queue(service, "live"), names.EVENTS_EXCHANGE, "#"),
        lambda ch: ch.exchange_delete(names.EVENTS_EXCHANGE),
    ):
        with pytest.raises(ChannelClosedByBroker) as error, rabbit.channel(user) as channel:
            deed(channel)
        assert "refused" in refused(error)
    for deed in (
        lambda ch: ch.queue_declare(names.queue(service, "live"), passive=True),
        lambda ch: ch.exchange_declare(topology.mark(), passive=True),
    ):
        with rabbit.channel(user) as channel:
            deed(channel)  # what the start-up check does


@pytest.mark.parametrize("service", names.SERVICES)
def test_a_service_reads_its_own_queues_and_no_others(rabbit: Rabbit, service: str) -> None:
    user = topology.service_user(service)
    for queue in (names.queue(service, "live"), names.queue(service, "bulk"), names.dead_queue(service)):
        with rabbit.channel(user) as channel:
            assert channel.basic_get(queue)[0] is None
    other = names.SERVICES[names.SERVICES.index(service) - 1]
    for queue in (names.queue(other, "live"), names.dead_queue(other), names.outcomes_queue("hotline-12345")):
        with pytest.raises(ChannelClosedByBroker) as error, rabbit.channel(user) as channel:
            channel.basic_get(queue)
        refused(error)


@pytest.mark.parametrize("service", names.SERVICES)
def test_a_service_publishes_its_own_events_and_no_others(rabbit: Rabbit, service: str) -> None:
    user = topology.service_user(service)
    with rabbit.channel(user) as channel:
        for name in [n for n, e in EVENTS.items() if e.owner == service]:
            for lane in names.LANES:
                wanted = bool(names.subscribers(name))
                channel.basic_publish(
                    names.EVENTS_EXCHANGE, names.routing_key(name, lane), b"{}", mandatory=wanted
                )
    foreign = next(n for n, e in EVENTS.items() if e.owner != service)
    for exchange, key in (
        (names.EVENTS_EXCHANGE, foreign),
        (names.EVENTS_EXCHANGE, names.routing_key(foreign, "bulk")),
        (names.INBOUND_EXCHANGE, "report.submitted"),
        (names.DEAD_EXCHANGE, service),
        ("", names.queue(service, "live")),
    ):
        with pytest.raises(ChannelClosedByBroker) as error, rabbit.channel(user) as channel:
            channel.basic_publish(exchange, key, b"{}", mandatory=True)
        refused(error)


@pytest.mark.parametrize("service", names.SERVICES)
def test_only_who_takes_from_outside_answers(rabbit: Rabbit, service: str) -> None:
    def answer() -> None:
        with rabbit.channel(topology.service_user(service)) as channel:
            channel.basic_publish(names.OUTCOMES_EXCHANGE, "hotline-12345", b"{}", mandatory=True)

    if names.INBOUND.get(service):
        answer()
        assert len(rabbit.bodies(names.outcomes_queue("hotline-12345"))) == 1
    else:
        with pytest.raises(ChannelClosedByBroker) as error:
            answer()
        refused(error)


@pytest.mark.parametrize("service", names.SERVICES)
def test_every_event_reaches_its_subscribers_in_its_lane(rabbit: Rabbit, service: str) -> None:
    mine = [n for n, e in EVENTS.items() if e.owner == service]
    with rabbit.channel(topology.service_user(service)) as channel:
        for name in mine:
            for lane in names.LANES:
                key, body = names.routing_key(name, lane), json.dumps({"name": name, "lane": lane})
                try:
                    channel.basic_publish(names.EVENTS_EXCHANGE, key, body.encode(), mandatory=True)
                except UnroutableError:
                    assert not names.subscribers(name)
                else:
                    assert names.subscribers(name)
    for reader in names.SERVICES:
        for lane in names.LANES:
            expected = [{"name": n, "lane": lane} for n in mine if reader in names.subscribers(n)]
            assert rabbit.bodies(names.queue(reader, lane)) == expected


@pytest.mark.parametrize("partner", topology.PARTNERS, ids=lambda p: p.name)
def test_a_partner_may_send_its_types_and_read_its_outcomes(
    rabbit: Rabbit, partner: topology.Partner
) -> None:
    with rabbit.channel(partner.name) as channel:
        for name in partner.may:
            for lane in names.LANES:
                properties = pika.BasicProperties(user_id=partner.name)
                key = names.routing_key(name, lane)
                channel.basic_publish(names.INBOUND_EXCHANGE, key, b"{}", properties, mandatory=True)
        assert channel.basic_get(names.outcomes_queue(partner.name))[0] is None
    other = next(p for p in topology.PARTNERS if p is not partner)
    forbidden = [(names.INBOUND_EXCHANGE, n) for n in INBOUND_EVENTS if n not in partner.may]
    forbidden += [
        (names.EVENTS_EXCHANGE, "report.received"),
        (names.OUTCOMES_EXCHANGE, partner.name),
        (names.DEAD_EXCHANGE, "intake"),
        ("", names.queue("intake", "live")),
    ]
    for exchange, key in forbidden:
        with pytest.raises(ChannelClosedByBroker) as error, rabbit.channel(partner.name) as channel:
            channel.basic_publish(exchange, key, b"{}", mandatory=True)
        refused(error)
    for deed in (
        lambda ch: ch.basic_get(names.outcomes_queue(other.name)),
        lambda ch: ch.basic_get(names.queue("intake", "live")),
        lambda ch: ch.queue_declare("mine"),
        lambda ch: ch.queue_purge(names.queue("intake", "live")),
        lambda ch: ch.queue_bind(names.outcomes_queue(partner.name), names.EVENTS_EXCHANGE, "#"),
    ):
        with pytest.raises(ChannelClosedByBroker) as error, rabbit.channel(partner.name) as channel:
            deed(channel)
        refused(error)


def test_a_handler_that_dies_too_often_ends_in_the_dead_queue(rabbit: Rabbit) -> None:
    """The limit is the policy's; here a smaller one, to be quick."""
    base = next(p for p in rabbit.definitions()["policies"] if p["name"] == "jiayuan-intake")
    definition = {**base["definition"], "delivery-limit": 2}
    policy = {"pattern": base["pattern"], "apply-to": "queues", "priority": 99, "definition": definition}
    rabbit.api("PUT", f"policies/{rabbit.vhost}/small", policy)
    queue = names.queue("intake", "live")
    until(lambda: effective(rabbit).get(queue, {}).get("delivery-limit") == 2, "the smaller limit")
    with rabbit.channel() as channel:
        channel.basic_publish(names.INBOUND_EXCHANGE, "report.submitted", b'{"n": 1}', mandatory=True)

    def die() -> bool:
        with rabbit.channel("jiayuan-intake") as channel:
            channel.basic_get(queue)  # and no acknowledgement
        return bool(rabbit.bodies(names.dead_queue("intake")))

    until(die, "the message in the dead queue")


def test_a_full_queue_refuses(rabbit: Rabbit) -> None:
    rabbit.limit(r"^jiayuan\.routing\.live$", 2)
    with rabbit.channel("department-systems") as channel:
        properties = pika.BasicProperties(user_id="department-systems", delivery_mode=2)

        def nacked() -> bool:
            try:
                channel.basic_publish(
                    names.INBOUND_EXCHANGE, "handling.reported", b"{}", properties, mandatory=True
                )
            except NackError:
                return True
            return False

        until(nacked, "a nack")
