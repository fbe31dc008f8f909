"""Delivery on a real broker and a real database: what goes wrong, and that nothing is lost or done twice."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
from typing import Any

import pika
import pytest

from conftest import Rig, report
from jiayuan.chassis.broker import Publisher
from jiayuan.chassis.testing.processes import until
from jiayuan.chassis.work import Outgoing
from jiayuan.contracts import names
from jiayuan.contracts.ids import new_id

pytestmark = pytest.mark.bus

QUEUE = names.queue("routing", "live")


def report_id(row: Outgoing) -> str:
    """The report in an event."""
    return str(json.loads(row.body)["data"]["report"]["id"])


def settled(rig: Rig, rows: int, letters: int = 0) -> Any:
    """Whether so many reports were handled, so many letters are dead, and nothing is under way."""
    return (
        len(rig.effects()) == rows
        and len(rig.letters()) == letters
        and rig.depth(QUEUE) == 0
        and rig.one("SELECT count(*) FROM outbox") == 0
    )


def raw(rig: Rig, body: bytes, content_type: str | None, headers: dict[str, Any] | None = None) -> None:
    """Publishes bytes as intake's user, as a broken or hostile program might."""
    connection = pika.BlockingConnection(pika.URLParameters(rig.broker.uri("intake")))
    channel = connection.channel()
    channel.confirm_delivery()
    channel.basic_publish(
        names.EVENTS_EXCHANGE,
        "report.received",
        body,
        pika.BasicProperties(content_type=content_type, headers=headers, delivery_mode=2),
        mandatory=True,
    )
    connection.close()


def test_an_event_is_handled_once_and_its_event_published(rig: Rig) -> None:
    rig.start()
    rows = [report() for _ in range(50)] + [report(lane="bulk")]
    rig.send(*rows)
    until(lambda: settled(rig, 51), "all handled")
    assert rig.effects() == {report_id(r): 1 for r in rows}
    lanes = {r[0]: r[1] for r in rig.query("SELECT lane, count(*) FROM effect GROUP BY lane")}
    assert lanes == {"live": 50, "bulk": 1}


def test_a_handler_that_raises_costs_only_its_message_and_can_be_replayed(rig: Rig) -> None:
    rig.start()
    good, bad = [report() for _ in range(20)], report("raise")
    rig.send(*good[:10], bad, *good[10:])
    until(lambda: settled(rig, 20, 1), "the good ones handled, the bad one dead")
    letter = rig.letters()[0]
    assert letter.reason == "handler_raised"
    assert "told to raise" in letter.error
    assert letter.event_id == bad.id

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        env = {"JIAYUAN_DATABASE_URL": rig.url, "PATH": "/usr/bin:/bin"}
        return subprocess.run(
            [sys.executable, "-m", "jiayuan.chassis.cli", "dead-letters", *arguments],
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )

    listed = command("list", "routing")
    assert letter.id in listed.stdout, listed.stderr
    shown = command("show", "routing", letter.id)
    assert "told to raise" in shown.stdout
    assert '"title": "raise"' in shown.stdout
    # Replayed as it is, it fails again and says so.
    again = command("replay", "routing", letter.id, "--who", "值班员", "--why", "try")
    assert again.returncode == 1, again.stdout + again.stderr
    assert [h["action"] for h in rig.letters()[0].history] == ["replay", "dead"]
    # Once the cause is gone (here: the title), the same letter goes through.
    with rig.admin.begin() as conn:
        from sqlalchemy import text

        conn.execute(text("UPDATE dead_letter SET body = :b"), {"b": bad.body.replace(b'"raise"', b'"fine"')})
    cured = command("replay", "routing", letter.id, "--who", "值班员", "--why", "cured")
    assert cured.returncode == 0, cured.stdout + cured.stderr
    assert rig.letters()[0].state == "replayed"
    assert rig.effects()[report_id(bad)] == 1
    # A decision needs who and why, and only what is dead can be decided about.
    assert command("discard", "routing", letter.id, "--who", "x").returncode == 2
    assert "0 of 1" in command("discard", "routing", letter.id, "--who", "x", "--why", "y").stdout


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        (b"{not json", names.CONTENT_TYPE, "bad_json"),
        (b"\xff\xfe", names.CONTENT_TYPE, "bad_json"),
        (b'{"specversion": "1.0"}', names.CONTENT_TYPE, "bad_attribute"),
        (b"{}", "application/x-python-serialize", "bad_content_type"),
        (b"{}", None, "bad_content_type"),
        (b" " * (names.MAX_EVENT_BYTES + 1), names.CONTENT_TYPE, "too_large"),
    ],
)
def test_what_cannot_be_read_is_kept_with_its_reason(
    rig: Rig, body: bytes, content_type: str | None, reason: str
) -> None:
    rig.start()
    raw(rig, body, content_type)
    good = report()
    rig.send(good)
    until(lambda: settled(rig, 1, 1), "the good one handled, the bad one kept")
    assert rig.letters()[0].reason == reason
    assert bytes(rig.one("SELECT body FROM dead_letter")) == body


@pytest.mark.parametrize("parameter", ["; charset=utf-8", ';charset="UTF-8"', "; charset=utf-8; v=1"])
def test_a_charset_in_the_content_type_is_fine(rig: Rig, parameter: str) -> None:
    rig.start()
    row = report()
    raw(rig, row.body, names.CONTENT_TYPE + parameter)
    until(lambda: settled(rig, 1), "handled")


def test_hostile_nameko_headers_are_never_looked_at(rig: Rig) -> None:
    process = rig.start()
    hostile: list[Any] = ["not a list", 7, None, {"deep": ["x"] * 50}, ["a"] * 200, "\x00", b"\xff"]
    rows = [report() for _ in hostile]
    for row, value in zip(rows, hostile, strict=True):
        raw(rig, row.body, names.CONTENT_TYPE, {"nameko.call_id_stack": value, "nameko.auth_token": value})
    until(lambda: settled(rig, len(rows)), "all handled")
    assert process.poll() is None
    assert not rig.letters()


def test_an_event_nobody_is_bound_to_stays_in_the_outbox_and_says_why(rig: Rig) -> None:
    # The probe's `directory` events go to notify; without its bindings there is nobody.
    rig.broker.management.call("DELETE", f"queues/{rig.broker.vhost}/{names.queue('notify', 'live')}")
    rig.start(JIAYUAN_OUTBOX_GRACE="0.2", JIAYUAN_OUTBOX_RETRY_MOST="0.5")
    raw(rig, report("directory").body, names.CONTENT_TYPE)
    until(
        lambda: rig.query("SELECT 1 FROM outbox WHERE last_error LIKE 'nobody is bound%'"),
        "the reason is kept",
    )
    # The operator imports the definitions again; it goes out.
    rig.broker.management.import_topology(rig.broker.vhost, rig.broker.passwords)
    until(lambda: rig.one("SELECT count(*) FROM outbox") == 0, "it went out")
    assert rig.depth(names.queue("notify", "live")) == 1


def test_a_full_queue_refuses_and_nothing_is_lost(rig: Rig) -> None:
    rig.broker.limit("notify", max_length=5)
    rig.start(JIAYUAN_OUTBOX_GRACE="0.2", JIAYUAN_OUTBOX_RETRY_MOST="0.5")
    publisher = Publisher(rig.broker.uri("intake"))
    rows: list[Outgoing] = []
    refused: list[Outgoing] = []

    def overfull() -> bool:
        # A quorum queue tells its publishers of the limit a little late: go on until it has.
        burst = [report("directory") for _ in range(10)]
        rows.extend(burst)
        failed = publisher.send(burst).failed
        assert all("full queue" in why for why in failed.values()), failed
        refused.extend(r for r in burst if r.id in failed)
        return bool(refused)

    # report.received goes to notify as well, whose queue is full: intake's publisher is told so.
    until(overfull, "a refusal")
    until(lambda: rig.query("SELECT 1 FROM outbox WHERE last_error LIKE '%full queue%'"), "the probe's, too")
    rig.broker.unlimit("notify")
    until(lambda: not publisher.send(refused).failed, "taken after all")
    publisher.close()
    until(lambda: settled(rig, len(rows)), "all handled, the outbox empty")
    assert set(rig.effects().values()) == {1}


def test_a_type_that_its_service_may_not_send_is_refused_by_the_broker_and_the_others_go(rig: Rig) -> None:
    good, forbidden = [report() for _ in range(5)], report()
    forbidden = dataclasses.replace(forbidden, routing_key="case.opened")
    publisher = Publisher(rig.broker.uri("intake"))
    sent = publisher.send([*good[:2], forbidden, *good[2:]])
    publisher.close()
    assert sorted(sent.confirmed) == sorted(r.id for r in good)
    assert "refused by the broker" in sent.failed[forbidden.id]


def test_four_copies_of_one_event_at_once_count_once(rig: Rig) -> None:
    rig.start()
    rig.start()
    row = report()
    rig.send(row, row, row, row)
    until(lambda: settled(rig, 1), "handled")
    assert set(rig.effects().values()) == {1}
    until(lambda: rig.one("SELECT count(*) FROM inbox") == 1, "one inbox row")


def test_one_poison_message_in_a_batch_of_200(rig: Rig) -> None:
    rows = [report() for _ in range(199)]
    rows.insert(77, report("raise"))
    rig.send(*rows)
    rig.start()
    until(lambda: settled(rig, 199, 1), "199 handled, one dead")
    assert set(rig.effects().values()) == {1}


def test_a_message_that_kills_processes_ends_as_a_dead_letter(rig: Rig) -> None:
    rig.broker.limit("routing", delivery_limit=2)
    rig.send(report("exit"))
    deaths = 0
    while deaths < 3 and rig.depth(QUEUE):
        process = rig.start(wait=False, PROBE_ROLES="serve")
        assert process.wait(30) == 9
        deaths += 1
        until(lambda: rig.depth(QUEUE) or rig.depth(names.dead_queue("routing")), "it came back")
    good = report()
    rig.send(good)
    rig.start()
    until(lambda: settled(rig, 1, 1), "the good one handled, the killer kept")
    assert rig.letters()[0].reason == "delivery_limit"


@pytest.mark.parametrize("crash", ["after-commit", "after-publish"])
def test_a_process_killed_between_commit_and_ack_or_publish_and_delete(rig: Rig, crash: str) -> None:
    rows = [report() for _ in range(40)]
    rig.send(*rows)
    first = rig.start(wait=False, PROBE_CRASH=crash, JIAYUAN_OUTBOX_GRACE="0.5")
    assert first.wait(30) == 9
    assert rig.one("SELECT count(*) FROM outbox") > 0
    rig.start(JIAYUAN_OUTBOX_GRACE="0.5")
    until(lambda: settled(rig, 40), "all handled")
    assert set(rig.effects().values()) == {1}
    assert rig.one("SELECT count(*) FROM inbox") == 40


def test_two_replicas_and_one_sweeper(rig: Rig) -> None:
    first = rig.start(PROBE_ROLES="serve,bulk", JIAYUAN_OUTBOX_GRACE="0.3")
    second = rig.start(PROBE_ROLES="serve,bulk", JIAYUAN_OUTBOX_GRACE="0.3")
    rig.start(PROBE_ROLES="relay")
    rows = [report("directory") for _ in range(2000)]
    rig.send(*rows[:1000])
    first.send_signal(signal.SIGKILL)
    rig.send(*rows[1000:])
    until(lambda: settled(rig, 2000), "all handled")
    assert set(rig.effects().values()) == {1}
    assert second.poll() is None
    # Each of the 2,000 directory.changed reached notify, beside the 2,000 reports themselves, once each by id.
    assert distinct(rig, names.queue("notify", "live")) == 4000


def distinct(rig: Rig, queue: str) -> int:
    """How many different events lie in a queue."""
    connection = pika.BlockingConnection(pika.URLParameters(rig.broker.uri("admin")))
    channel = connection.channel()
    ids = set()
    while True:
        method, _, body = channel.basic_get(queue, auto_ack=True)
        if method is None:
            break
        ids.add(json.loads(body)["id"])
    connection.close()
    return len(ids)


def test_a_graceful_stop_finishes_what_it_holds(rig: Rig) -> None:
    rows = [report("sleep:0.01") for _ in range(100)]
    process = rig.start(JIAYUAN_BATCH_SIZE="50")
    rig.send(*rows)
    until(lambda: rig.one("SELECT count(*) FROM inbox") > 0 or rig.depth(QUEUE) == 0, "it has begun")
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    done = len(rig.effects())
    assert done + rig.depth(QUEUE) == 100
    assert rig.one("SELECT count(*) FROM outbox") == 0
    assert '"stopped"' in rig.log()


def test_the_broker_restarts_while_a_handler_runs(fragile_rig: Rig) -> None:
    rig = fragile_rig
    process = rig.start(JIAYUAN_OUTBOX_GRACE="0.5")
    slow = report("sleep:4")
    rig.send(slow)
    rig.servers.restart_broker()
    rows = [report() for _ in range(20)]
    rig.send(*rows)
    until(lambda: settled(rig, 21), "all handled", 90)
    assert set(rig.effects().values()) == {1}
    assert process.poll() is None


def test_the_database_is_away_for_thirty_seconds(fragile_rig: Rig) -> None:
    import time

    rig = fragile_rig
    process = rig.start(JIAYUAN_OUTBOX_GRACE="0.5")
    rig.send(report())
    until(lambda: settled(rig, 1), "handled")
    rig.servers.kill_database()
    gone = time.monotonic()
    rows = [report() for _ in range(50)]
    rig.send(*rows)
    until(lambda: not rig.ready(process), "it says that it is not ready")
    until(lambda: time.monotonic() - gone > 30, "thirty seconds have passed", 40)
    rig.servers.start_database()
    until(lambda: settled(rig, 51), "all handled after it came back", 90)
    assert set(rig.effects().values()) == {1}
    until(lambda: rig.ready(process), "ready again")


def test_a_broker_without_the_topology_is_one_sentence_and_an_exit_code(rig: Rig) -> None:
    rig.broker.management.call("DELETE", f"queues/{rig.broker.vhost}/{QUEUE}")
    process = rig.start(wait=False)
    assert process.wait(30) == 4
    assert f"no queue {QUEUE}" in rig.log()
    rig.broker.management.import_topology(rig.broker.vhost, rig.broker.passwords)
    from jiayuan.contracts import topology

    rig.broker.management.call("DELETE", f"exchanges/{rig.broker.vhost}/{topology.mark()}")
    process = rig.start(wait=False)
    assert process.wait(30) == 4
    assert "not the one that this build" in rig.log()


def test_a_database_at_another_migration_is_one_sentence_and_an_exit_code(rig: Rig) -> None:
    from sqlalchemy import text

    with rig.admin.begin() as conn:
        conn.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    process = rig.start(wait=False)
    assert process.wait(30) == 5
    assert "jiayuan migrate routing" in rig.log()


def test_no_broker_and_no_database_end_with_a_sentence(rig: Rig) -> None:
    process = rig.start(wait=False, JIAYUAN_AMQP_URI="amqp://a:b@127.0.0.1:1/x", JIAYUAN_STARTUP_TIMEOUT="1")
    assert process.wait(30) == 6
    process = rig.start(
        wait=False, JIAYUAN_DATABASE_URL="postgresql://a:b@127.0.0.1:1/x", JIAYUAN_STARTUP_TIMEOUT="1"
    )
    assert process.wait(30) == 6
    assert "no broker answers at 127.0.0.1:1/x" in rig.log()
    assert "no database answers at 127.0.0.1:1/x" in rig.log()


def test_partners_hear_what_became_of_their_messages(rig: Rig) -> None:
    rig.start()
    partner = "city-management"
    connection = pika.BlockingConnection(pika.URLParameters(rig.broker.uri(partner)))
    channel = connection.channel()
    channel.confirm_delivery()
    id_ = new_id()
    body = {
        "specversion": "1.0",
        "id": id_,
        "source": f"/partners/{partner}",
        "type": names.event_type("handling.reported"),
        "time": "2026-03-02T09:00:00+08:00",
        "data": {"external_id": "1", "case": "x", "unit": "U01", "action": "explode", "at": "soon"},
    }
    channel.basic_publish(
        names.INBOUND_EXCHANGE,
        "handling.reported",
        json.dumps(body).encode(),
        pika.BasicProperties(content_type=names.CONTENT_TYPE, user_id=partner, delivery_mode=2),
        mandatory=True,
    )

    def outcome() -> Any:
        method, _, got = channel.basic_get(names.outcomes_queue(partner), auto_ack=True)
        return json.loads(got) if method else None

    got = until(outcome, "an outcome arrives")
    assert got["data"]["outcome"] == "rejected"
    assert got["data"]["message"] == id_
    fields = {p["field"]: p for p in got["data"]["problems"]}
    assert set(fields) == {"data.action", "data.at"}
    assert "one of accept, answer, return, resolve, " in fields["data.action"]["allowed"]
    assert rig.letters()[0].reason == "bad_data"
    connection.close()
