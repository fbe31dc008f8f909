"""`receive`: the one way in, whatever the channel, on a real database."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text as sql

from jiayuan.chassis.testing.databases import Opened
from jiayuan.contracts import envelope, names
from jiayuan.contracts.times import iso
from jiayuan.intake import handlers, keys, people, report, store, vault
from jiayuan.intake.channels.government_system import submitted
from jiayuan.intake.report import Submission
from jiayuan.intake.store import people as stored

pytestmark = pytest.mark.store

TEXT = "龙津社区听雨街的路灯坏了三盏，晚上漆黑一片，请尽快修复，联系电话13800138000。"


def _submission(number: int = 0, **changes: Any) -> Submission:
    given: dict[str, Any] = {"channel": "hotline", "text": f"{TEXT} 第{number}次", "title": "路灯不亮"}
    return Submission(**{**given, **changes})


def open_(intake: Opened, report_id: str) -> vault.Opened:
    """What is sealed in a report."""
    with intake() as work:
        (row,) = stored.report_for_opening(work, [report_id])
        return vault.open_report(work, row, keys.current())


def _count(intake: Opened, table: str) -> int:
    with intake.engine.connect() as conn:
        return int(conn.execute(sql(f"SELECT count(*) FROM {table}")).scalar_one())


def test_a_report_goes_in_clean_sealed_and_announced(intake: Opened) -> None:
    contact = people.Contact("例张三", "138 0013 8000", "")
    with intake() as work:
        (receipt,) = handlers.receive(work, [_submission(contact=contact, place_text="松城街道")])
        (event,) = work.emitted
    assert receipt.outcome == handlers.ACCEPTED
    said = event.data["report"]
    assert event.subject == said["id"] == receipt.report
    assert (event.sequence, event.street, event.lane) == (1, "350921001", "live")
    assert said["place"]["community"] == "350921001001"
    assert said["category"]["code"] == "0102"
    assert "13800138000" not in said["text"]
    assert "138****8000" in said["text"]
    opened = keys.current().sealer.open(said["contact"], said["reporter"])
    assert opened == {"name": "例张三", "phone": "138 0013 8000", "openid": None}
    with intake.engine.connect() as conn:
        row = conn.execute(store.report.select()).one()
    inside = open_(intake, receipt.report)
    assert inside.original["text"].count("13800138000") == 1
    assert inside.contact == opened
    for value in row:
        assert "13800138000" not in str(value)
        assert "例张三" not in str(value)
    assert _count(intake, "outbox_event") == 1


def test_what_only_its_channel_says_is_kept_and_what_is_personal_of_it_sealed(intake: Opened) -> None:
    device_at = intake.clock.time - timedelta(hours=2)
    sent = _submission(
        contact=people.Contact(phone="13800138000"),
        attachments=("b" * 64, "a" * 64),
        consent="2026-1",
        submitter="worker-1",
        device_at=device_at,
        facts={"work_order": "12345-1"},
        secrets={"callback": "13900139000"},
    )
    with intake() as work:
        for digest in sent.attachments:
            media = {
                "digest": digest,
                "kind": "photo",
                "type": "image/jpeg",
                "state": "kept",
                "touched_at": iso(work.now),
            }
            sizes = {"size": 9, "width": 1, "height": 1, "seconds": 0}
            work.insert(store.tables.media, [media | sizes])
        handlers.receive(work, [sent, _submission(1)])
    with intake.engine.connect() as conn:
        full, bare = conn.execute(store.report.select().order_by(store.report.c.id)).all()
    assert (full.consent, full.submitter, full.device_at) == ("2026-1", "worker-1", device_at)
    assert (full.attachments, full.facts) == (["b" * 64, "a" * 64], {"work_order": "12345-1"})
    assert open_(intake, str(full.id)).secrets == {"callback": "13900139000"}
    assert [bare.consent, bare.submitter, bare.device_at, bare.secrets] == [None] * 4
    with intake.engine.connect() as conn:
        empty = sql("SELECT count(*) FROM report WHERE facts IS NULL AND attachments IS NULL")
        assert conn.execute(empty).scalar_one() == 1


def test_the_same_key_again_changes_nothing(intake: Opened) -> None:
    sent = [_submission(n, source_system="hotline-12345", external_id=f"E{n}") for n in range(5)]
    with intake() as work:
        first = handlers.receive(work, sent)
    with intake() as work:
        again = handlers.receive(work, [*sent, _submission(9)])
        assert len(work.emitted) == 1
    assert [r.outcome for r in again] == [handlers.DUPLICATE] * 5 + [handlers.ACCEPTED]
    assert [(r.report, r.tracking_code) for r in again[:5]] == [(r.report, r.tracking_code) for r in first]
    assert not any(r.differs for r in again)
    assert _count(intake, "report") == 6


def test_copies_inside_one_batch_are_one_report(intake: Opened) -> None:
    copies = [_submission(0, source_system="s", external_id="E") for _ in range(4)]
    copies.append(_submission(1, source_system="s", external_id="E"))
    with intake() as work:
        receipts = handlers.receive(work, copies)
        assert len(work.emitted) == 1
    assert [r.outcome for r in receipts] == [handlers.ACCEPTED] + [handlers.DUPLICATE] * 4
    assert len({r.report for r in receipts}) == 1
    assert [r.differs for r in receipts] == [False, False, False, False, True]


def test_the_same_id_of_two_senders_is_two_reports(intake: Opened) -> None:
    with intake() as work:
        receipts = handlers.receive(work, [_submission(source_system=s, external_id="1") for s in ("a", "b")])
    assert [r.outcome for r in receipts] == [handlers.ACCEPTED] * 2


def test_a_bad_submission_costs_only_itself(intake: Opened) -> None:
    sent = [_submission(1), _submission(2, text="\u200b\x00 \u202e"), _submission(3, category="9999")]
    with intake() as work:
        receipts = handlers.receive(work, sent)
        assert len(work.emitted) == 1
    assert [r.outcome for r in receipts] == [handlers.ACCEPTED, handlers.REFUSED, handlers.REFUSED]
    assert [p.field for r in receipts for p in r.problems] == ["text", "category"]


def test_two_replicas_with_the_same_reports_in_opposite_order(intake: Opened) -> None:
    sent = [_submission(n, source_system="s", external_id=f"E{n:03}") for n in range(150)]
    results: dict[str, list[handlers.Receipt]] = {}
    start = threading.Barrier(2)

    def replica(name: str, order: list[Submission]) -> None:
        with intake.runtime.work() as work:
            start.wait(10)
            results[name] = handlers.receive(work, order)

    threads = [
        threading.Thread(target=replica, args=a) for a in (("one", sent), ("two", list(reversed(sent))))
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join(30)
    assert _count(intake, "report") == _count(intake, "outbox_event") == 150
    outcomes = [r.outcome for rs in results.values() for r in rs]
    assert outcomes.count(handlers.ACCEPTED) == outcomes.count(handlers.DUPLICATE) == 150
    one = {s.external_id: r.report for s, r in zip(sent, results["one"], strict=True)}
    two = {s.external_id: r.report for s, r in zip(reversed(sent), results["two"], strict=True)}
    assert one == two


def test_a_time_of_receipt_in_the_future_is_now(intake: Opened) -> None:
    now = intake.clock.time
    with intake() as work:
        early, late = handlers.receive(
            work,
            [
                _submission(1, received_at=now - timedelta(hours=3)),
                _submission(2, received_at=now + timedelta(days=1)),
            ],
        )
    assert early.received_at < late.received_at
    assert late.received_at.startswith("2026-03-02T01:00:00")


def test_the_bulk_lane_is_kept(intake: Opened) -> None:
    with intake.runtime.work("bulk") as work:
        handlers.receive(work, [_submission()])
        assert work.emitted[0].routing_key == "report.received.bulk"


def test_text_at_its_limit_fits_into_an_event(intake: Opened) -> None:
    worst = ["😀" * 8000, "㍿" * 8000, '"\n' * 4000, "漢" * 8000, "﷽" * 4000]
    with intake() as work:
        receipts = handlers.receive(work, [_submission(text=t, title=t[:200]) for t in worst])
        assert all(r.outcome == handlers.ACCEPTED for r in receipts)
        for event in work.emitted:
            assert len(envelope.encode(event)) < names.MAX_EVENT_BYTES


def _event(n: int, partner: str = "hotline-12345", **changes: Any) -> envelope.Event:
    data = {"external_id": f"E{n}", "text": f"{TEXT} 第{n}次", **changes}
    return envelope.make(
        "report.submitted", names.partner_source(partner), data, at=report.parse("2026-03-02T00:59:00Z")
    )


def test_partners_hear_what_became_of_their_reports(intake: Opened) -> None:
    events = [_event(1), _event(2), _event(1), _event(3, category="9999"), _event(1, partner="park-system")]
    message = [intake_message(envelope.encode(e), e.source.rsplit("/", 1)[-1]) for e in events]
    intake.deliveries.take(message)
    outcomes = [
        (o.routing_key, d["message"], d["outcome"], d["result"])
        for o in intake.published
        if o.exchange == names.OUTCOMES_EXCHANGE
        for d in [envelope.decode(o.body, names.CONTENT_TYPE, exchange=names.OUTCOMES_EXCHANGE).data]
    ]
    by_message = {m: (partner, outcome, result) for partner, m, outcome, result in outcomes}
    assert [by_message[e.id][1] for e in events] == [
        "accepted",
        "accepted",
        "duplicate",
        "rejected",
        "accepted",
    ]
    assert by_message[events[0].id][2] == by_message[events[2].id][2] is not None
    assert by_message[events[4].id][0] == "park-system"
    assert _count(intake, "report") == 3
    with intake.engine.connect() as conn:
        letter = conn.execute(sql("SELECT reason, problems FROM dead_letter")).one()
    assert letter.reason == "refused"
    assert letter.problems[0]["field"] == "data.category"


def intake_message(body: bytes, partner: str) -> Any:
    from jiayuan.chassis.delivery import Message

    return Message(body, names.CONTENT_TYPE, names.INBOUND_EXCHANGE, "report.submitted", partner)


def test_a_partners_report_takes_its_trace_and_cause_along(intake: Opened) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    event = envelope.make(
        "report.submitted",
        "/partners/p",
        {"external_id": "1", "text": TEXT},
        at=intake.clock.time,
        traceparent=trace,
    )
    with intake() as work:
        submitted(work, [event])
        received = work.emitted[0]
    assert (received.traceparent, received.causationid) == (trace, event.id)
    assert received.data["report"]["channel"] == "government_system"
    assert received.data["report"]["source_system"] == "p"


def test_the_migrations_make_the_tables_that_the_code_has(intake: Opened) -> None:
    with intake.engine.connect() as conn:
        context = MigrationContext.configure(conn, opts={"compare_server_default": False})
        found = [d for d in compare_metadata(context, store.metadata) if "alembic_version" not in str(d)]
    assert found == []


def test_old_idempotency_keys_are_forgotten(intake: Opened) -> None:
    now = intake.clock.time
    with intake(now - timedelta(days=31)) as work:
        assert store.claim_key(work, "s", "old", "d") is None
    with intake(now) as work:
        assert store.claim_key(work, "s", "new", "d") is None
        assert store.forget_keys(work, now - timedelta(days=30)) == 1
        assert store.claim_key(work, "s", "old", "d") is None
        found = store.claim_key(work, "s", "new", "d")
        assert found is not None
        assert found.digest == "d"
