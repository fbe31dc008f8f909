"""Notices in a real database: once, in any order, by any number of replicas."""

from __future__ import annotations

import dataclasses
import threading
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from jiayuan.chassis import dead_letters, delivery, seal
from jiayuan.chassis.cli import cli
from jiayuan.chassis.testing.databases import round_trips
from jiayuan.contracts import envelope, names
from jiayuan.notify import handlers, store

pytestmark = pytest.mark.store


def rows(
    opened: Any, sql: str = "SELECT * FROM notice JOIN sending ON notice_id = id ORDER BY id"
) -> list[dict[str, Any]]:
    """What is in the database."""
    with opened.engine.connect() as conn:
        return [dict(row._mapping) for row in conn.execute(text(sql))]


def handle(opened: Any, *batch: Any) -> None:
    """Give the events to their handlers, as the chassis does."""
    with opened() as work:
        for handler in handlers.HANDLERS:
            prefix = handler.pattern.split(".")[0]
            mine = [e for e in batch if e.name.split(".")[0] == prefix]
            if mine:
                handler.run(work, mine)


def test_an_event_that_comes_again_in_any_way_is_told_once(work_for: Any, events: Any) -> None:
    opened = work_for("notify")
    event = events.case("case.answered", 4)
    again = events.case("case.answered", 4)  # another id, the same meaning
    handle(opened, event, event, again)
    handle(opened, again)
    handle(opened, events.case("case.answered", 6))
    (notice,) = rows(opened)
    assert (notice["step"], notice["state"], notice["recipient"]) == ("answered", "queued", "citizen-1")


def test_a_late_older_event_is_still_told_once(work_for: Any, events: Any) -> None:
    opened = work_for("notify")
    leg = events.leg()
    handle(opened, events.case("case.resolved", 5), events.case("case.answered", 4))
    handle(opened, events.case("case.assigned", 2, legs=[leg]))
    handle(opened, events.case("case.assigned", 2, legs=[leg]))
    assert sorted(r["step"] for r in rows(opened)) == ["answered", f"offered:{leg['id']}", "resolved:5"]


def test_two_replicas_with_the_same_events_make_one_notice_each_and_no_deadlock(
    work_for: Any, events: Any
) -> None:
    first = work_for("notify")
    second = work_for("notify", first.url)
    batch = [
        events.case("case.answered", 4, id_=f"case-{n}", reporters=((f"r{n}", f"c{n}"),)) for n in range(60)
    ]
    failures: list[BaseException] = []
    start = threading.Barrier(2)

    def run(opened: Any, mine: list[Any]) -> None:
        try:
            start.wait()
            for _ in range(5):
                handle(opened, *mine)
        except BaseException as error:  # noqa: BLE001  shown by the assertion below
            failures.append(error)

    threads = [
        threading.Thread(target=run, args=(first, batch)),
        threading.Thread(target=run, args=(second, batch[::-1])),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(rows(first)) == 60


def test_an_anonymous_report_is_accounted_for_and_never_sent(work_for: Any, events: Any) -> None:
    opened = work_for("notify")
    handle(opened, events.report("report-1", reporter=None))
    (notice,) = rows(opened)
    assert (notice["state"], notice["reason"]) == ("suppressed", "anonymous")
    assert notice["report_id"] == "report-1"


def test_notices_hold_neither_text_nor_title_nor_contact(work_for: Any, events: Any) -> None:
    opened = work_for("notify")
    handle(opened, events.report(contact="k1.sealed"), events.case("case.assigned", legs=[events.leg()]))
    said = str(rows(opened)) + str(rows(opened, "SELECT * FROM report"))
    assert "路灯" not in said
    assert "sealed" not in said


def test_the_directory_keeps_the_newest_version_whatever_the_order(work_for: Any, events: Any) -> None:
    opened = work_for("notify")
    new = events.directory({"id": "w1", "contact": "k.new", "role": "网格长"}, version=7)
    old = events.directory({"id": "w1", "contact": "k.old"}, {"id": "w2", "contact": "k.2"}, version=3)
    handle(opened, new, old)
    handle(opened, old)
    found = rows(opened, "SELECT ref, contact, version FROM recipient ORDER BY ref")
    assert found == [
        {"ref": "w1", "contact": "k.new", "version": 7},
        {"ref": "w2", "contact": "k.2", "version": 3},
    ]


def test_somebody_who_leaves_is_inactive_and_has_no_contact_any_more(work_for: Any, events: Any) -> None:
    opened = work_for("notify")
    handle(opened, events.directory({"id": "w1", "contact": "k.1"}))
    handle(opened, events.directory({"id": "w1", "active": False}, version=2))
    (found,) = rows(opened, "SELECT contact, active FROM recipient")
    assert found == {"contact": None, "active": False}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0)])
def test_a_reporters_contact_stays_when_another_report_has_none(
    work_for: Any, events: Any, order: tuple[int, ...]
) -> None:
    opened = work_for("notify")
    from datetime import timedelta

    reports = [
        events.report(contact="k.first", at=events.at),
        events.report(at=events.at + timedelta(hours=1)),
        events.report(contact="k.newest", at=events.at + timedelta(hours=2)),
    ]
    for n in order:
        handle(opened, reports[n])
    assert rows(opened, "SELECT contact FROM recipient") == [{"contact": "k.newest"}]
    handle(opened, events.report(at=events.at + timedelta(hours=3)))
    assert rows(opened, "SELECT contact FROM recipient") == [{"contact": "k.newest"}]


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (0, 1, 0), (1, 0, 1)])
def test_who_was_erased_has_no_contact_in_whatever_order_it_is_heard(
    work_for: Any, events: Any, order: tuple[int, ...]
) -> None:
    opened = work_for("notify")
    for n in order:
        handle(opened, events.erased() if n else events.report(contact="k.sealed"))
    handle(opened, events.report(contact="k.other", reporter="citizen-2"))
    assert rows(opened, "SELECT ref, contact, erased FROM recipient ORDER BY ref") == [
        {"ref": "citizen-1", "contact": None, "erased": True},
        {"ref": "citizen-2", "contact": "k.other", "erased": False},
    ]


def test_contacts_are_sealed_anew_so_that_an_old_key_can_go(
    work_for: Any, events: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = work_for("notify")
    old, new = opened.runtime.sealer, seal.new_key("k2", seal.SM4)
    people = [f"c{n}" for n in range(7)]
    handle(
        opened,
        *[events.report(reporter=p, contact=old.seal({"phone": f"000{p}"}, p)) for p in people],
        events.report(reporter="nobody"),
    )
    foreign = delivery.Message(b"who: 000", None, names.INBOUND_EXCHANGE, "x")
    opened.deliveries.bury([delivery.Dead(foreign, "bad_data", "x")])
    monkeypatch.setenv("JIAYUAN_NOTIFY_DATABASE_URL", opened.url)
    monkeypatch.setenv("JIAYUAN_SEAL_KEYS", f"{new},{opened.settings.seal_keys}")
    result = CliRunner().invoke(cli, ["reseal", "notify", "--batch", "3"], catch_exceptions=False)
    assert (result.exit_code, result.output.splitlines()) == (
        0,
        [
            "recipient.contact: 3 (3 so far)",
            "recipient.contact: 3 (6 so far)",
            "recipient.contact: 1 (7 so far)",
            "dead_letter.body: 1 (8 so far)",
            "8 sealed anew with k2, 0 left",
        ],
    )
    alone = seal.Sealer(new)
    for row in rows(opened, "SELECT ref, contact FROM recipient WHERE contact IS NOT NULL"):
        assert alone.open(row["contact"], row["ref"]) == {"phone": f"000{row['ref']}"}
    (letter,) = dead_letters.listing(opened.engine)
    assert dead_letters.body(letter, lambda: alone) == b"who: 000"
    assert "0 sealed anew" in CliRunner().invoke(cli, ["reseal", "notify"]).output
    monkeypatch.setenv("JIAYUAN_SEAL_KEYS", seal.new_key("k3"))
    assert CliRunner().invoke(cli, ["reseal", "notify"]).exit_code == 1


def test_a_dead_letter_loses_the_contact_of_who_was_erased_and_can_still_be_replayed(
    work_for: Any, events: Any
) -> None:
    opened = work_for("notify")
    messages = [
        delivery.Message(
            envelope.encode(events.report(reporter=who, contact=f"k.{who}")),
            names.CONTENT_TYPE,
            names.EVENTS_EXCHANGE,
            "report.received",
        )
        for who in ("citizen-1", "citizen-2")
    ]
    broken = delivery.Message(
        b'{"reporter": "citizen-1"', None, names.EVENTS_EXCHANGE, "report.received.bulk"
    )
    opened.deliveries.bury([delivery.Dead(m, "handler_raised", "x") for m in [*messages, broken]])
    handle(opened, events.erased())
    kept = [bytes(r["body"]) for r in rows(opened, "SELECT body FROM dead_letter")]
    assert sorted(b"k.citizen" in b for b in kept) == [False, False, True]
    assert b"k.citizen-1" not in b"".join(kept)
    assert b"" in kept
    again = dataclasses.replace(messages[0], body=next(b for b in kept if b"citizen-1" in b))
    assert opened.deliveries.take([again]) == []
    assert len(rows(opened)) == 1


def test_a_batch_is_one_round_trip(work_for: Any, events: Any) -> None:
    opened = work_for("notify")
    batch: list[Any] = [events.report(reporter=f"c{n}", contact="k.1") for n in range(50)]
    batch += [events.case("case.assigned", id_=f"x{n}", legs=[events.leg()]) for n in range(100)]
    batch += [events.clock("clock.warned", case=f"x{n}") for n in range(50)]
    with round_trips() as asked:
        handle(opened, *batch)
    assert len(asked) == 1, asked
    assert len(rows(opened)) == 200


def test_most_breaches_never_touch_the_database(events: Any) -> None:
    (clock,) = [h for h in handlers.HANDLERS if h.pattern == "clock.*"]
    assert clock.wants is not None
    assert not clock.wants(events.clock("clock.breached", "finish"))
    assert clock.wants(events.clock("clock.breached", "citizen"))


def test_status_finds_by_case_and_by_report_with_what_is_told_of_both(work_for: Any, events: Any) -> None:
    opened = work_for("notify")
    handle(
        opened,
        events.report("report-1"),
        events.case("case.assigned", legs=[events.leg()]),
        events.case("case.answered", 4),
        events.report("report-2", reporter="citizen-2"),
        events.case("case.answered", 4, id_="case-2", reporters=(("report-2", "citizen-2"),)),
    )
    with opened() as work:
        by_case = {n["template"] for n in store.find(work, store.Which(case="case-1"))}
        by_report = {n["template"] for n in store.find(work, store.Which(report="report-1"))}
        elsewhere = store.find(work, store.Which(case="case-1", street="350921003"))
        counts = store.counts(work)
    assert by_case == {"received", "answered", "assigned"}
    assert by_report == {"received", "answered"}
    assert elsewhere == []
    assert counts == [("assignee", "queued", 1), ("citizen", "queued", 4)]
