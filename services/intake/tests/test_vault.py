"""One key a person, on a real database: sealing, meeting for the first time at once, rotation."""

from __future__ import annotations

import dataclasses
import threading
from typing import Any

import pytest
from sqlalchemy import text as sql

from jiayuan.chassis import dead_letters
from jiayuan.chassis.delivery import Dead, Message
from jiayuan.chassis.seal import SM4, SealError, new_key
from jiayuan.chassis.testing.databases import Opened, round_trips
from jiayuan.contracts import names
from jiayuan.intake import handlers, keys, people, vault
from jiayuan.intake.keys import Keys
from jiayuan.intake.report import Submission
from jiayuan.intake.store import people as stored

pytestmark = pytest.mark.store

PHONES = [f"1380000{n:04}" for n in range(50)]


def _submission(phone: str = "", name: str = "", **given: Any) -> Submission:
    contact = people.Contact(name, phone)
    return Submission(channel="hotline", text="西关社区路灯不亮", contact=contact, **given)


def _receive(intake: Opened, *submissions: Submission, by: Keys | None = None) -> list[str]:
    with intake() as work:
        return [r.report for r in handlers.receive(work, submissions, by)]


def _rows(intake: Opened, statement: str) -> list[tuple[Any, ...]]:
    with intake.engine.connect() as conn:
        return [tuple(r) for r in conn.execute(sql(statement))]


def _open(intake: Opened, report: str, by: Keys | None = None) -> vault.Opened:
    with intake() as work:
        (row,) = stored.report_for_opening(work, [report])
        return vault.open_report(work, row, by or keys.current())


def _keys(intake: Opened, **settings: Any) -> Keys:
    return keys.keys_of(dataclasses.replace(intake.settings, reporter_secret="one for all", **settings))


def test_one_person_has_one_key_and_everybody_else_another(intake: Opened) -> None:
    _receive(
        intake, _submission("13800000001"), _submission("138 0000 0001", "例张三"), _submission("13800000002")
    )
    _receive(intake, _submission("13800000001"), _submission(name="例某"), _submission(name="例某"))
    found = _rows(
        intake,
        "SELECT split_part(original, '.', 1), reporter, split_part(contact, '.', 1) FROM report ORDER BY 1",
    )
    assert len({key for key, _, _ in found}) == 4
    reporters = [reporter for _, reporter, _ in found]
    assert sorted(reporters.count(r) for r in set(reporters)) == [1, 2, 3]
    assert all(contact in ("", None, key) for key, _, contact in found)
    assert len(_rows(intake, "SELECT * FROM person_key")) == 4


def test_a_pseudonym_is_drawn_and_its_handle_stays_in_one_table(intake: Opened) -> None:
    (report,) = _receive(intake, _submission("13800000001"))
    handle = people.handle_of(people.Contact(phone="13800000001"), keys.current().secret)
    ((reporter,),) = _rows(intake, "SELECT reporter FROM report")
    assert reporter != handle
    assert _rows(intake, "SELECT handle, person FROM person_key") == [(handle, reporter)]
    assert _open(intake, report).contact["phone"] == "13800000001"
    for (body,) in _rows(intake, "SELECT body::text FROM outbox_event"):
        assert str(handle) not in body


def test_without_the_row_nothing_opens_not_even_with_the_ring(intake: Opened) -> None:
    (report,) = _receive(intake, _submission("13800000001"))
    ((original, contact),) = _rows(intake, "SELECT original, contact FROM report")
    with intake() as work:
        work.execute("DELETE FROM person_key")
    with pytest.raises(SealError):
        _open(intake, report)
    for value in (original, contact):
        for aad in (report, f"contact:{report}"):
            with pytest.raises(SealError):
                keys.current().ring.open(value, aad)


def test_a_value_can_not_be_put_in_anothers_place(intake: Opened) -> None:
    one, two = _receive(intake, _submission("13800000001"), _submission("13800000001", "例张三"))
    with intake() as work:
        work.execute(
            "UPDATE report SET contact = (SELECT contact FROM report WHERE id = :two) WHERE id = :one",
            one=one,
            two=two,
        )
    with pytest.raises(SealError):
        _open(intake, one)
    with intake() as work:
        work.execute("UPDATE report SET contact = original WHERE id = :two", two=two)
    with pytest.raises(SealError):
        _open(intake, two)


def test_two_replicas_that_meet_the_same_persons_at_once_agree_on_their_keys(intake: Opened) -> None:
    start = threading.Barrier(2)

    def replica(order: list[str]) -> None:
        with intake.runtime.work() as work:
            start.wait(10)
            handlers.receive(work, [_submission(p) for p in order])

    threads = [threading.Thread(target=replica, args=(o,)) for o in (PHONES, PHONES[::-1])]
    for t in threads:
        t.start()
    for t in threads:
        t.join(30)
    assert len(_rows(intake, "SELECT DISTINCT reporter FROM report")) == len(PHONES)
    for (report,) in _rows(intake, "SELECT id::text FROM report"):
        assert _open(intake, report).contact["phone"] in PHONES
    assert len(_rows(intake, "SELECT id FROM report")) == 2 * len(PHONES)


def test_a_batch_costs_as_many_round_trips_as_one_report(intake: Opened) -> None:
    _receive(intake, _submission("13800000001"))
    with round_trips() as one:
        _receive(intake, _submission(PHONES[0], source_system="s", external_id="0"))
    with round_trips() as many:
        _receive(
            intake,
            *[_submission(p, source_system="s", external_id=p) for p in PHONES],
            _submission(name="例某"),
        )
    assert len(many) == len(one)


@pytest.mark.parametrize("algorithm", ["aes", SM4])
def test_a_ring_of_its_own_and_of_either_cipher(intake: Opened, algorithm: str) -> None:
    mine = _keys(intake, person_keys=new_key("p1", algorithm))
    (report,) = _receive(intake, _submission("13800000001"), by=mine)
    assert _rows(intake, "SELECT algorithm, ring FROM person_key") == [(algorithm, "p1")]
    assert _open(intake, report, mine).contact["phone"] == "13800000001"
    with pytest.raises(SealError):
        _open(intake, report, _keys(intake))  # what notify has opens nothing here


def test_a_ring_of_its_own_can_be_taken_up_later(intake: Opened) -> None:
    (report,) = _receive(intake, _submission("13800000001"), by=_keys(intake))
    mine = _keys(intake, person_keys=new_key("p1"))
    assert _open(intake, report, mine).contact["phone"] == "13800000001"
    assert vault.run(intake.runtime, mine, vault.rewrap, "", 20) == 1
    with pytest.raises(SealError):
        _open(intake, report, _keys(intake))


def test_rotation_wraps_every_key_anew_and_may_be_broken_off(intake: Opened) -> None:
    old = new_key("p1")
    before = _keys(intake, person_keys=old)
    reports = _receive(intake, *[_submission(p) for p in PHONES], by=before)
    sealed = _rows(intake, "SELECT original, contact FROM report ORDER BY id")
    new = new_key("p2", SM4)
    both = _keys(intake, person_keys=f"{new},{old}")
    with intake() as work:
        after, done = vault.rewrap(work, both, "", 20)
    assert (done, after != "") == (20, True)
    # Broken off; begun again from the front, it does what is left.
    assert vault.run(intake.runtime, both, vault.rewrap, "", 20) == 30
    assert vault.run(intake.runtime, both, vault.rewrap, "", 20) == 0
    assert _rows(intake, "SELECT DISTINCT ring FROM person_key") == [("p2",)]
    assert _rows(intake, "SELECT original, contact FROM report ORDER BY id") == sealed
    alone = _keys(intake, person_keys=new)
    for report, phone in zip(reports, PHONES, strict=True):
        assert _open(intake, report, alone).contact["phone"] == phone


def test_what_the_ring_sealed_before_persons_had_keys_opens_and_is_taken_over(intake: Opened) -> None:
    now = keys.current()
    one, two = _receive(intake, _submission("13800000001"), _submission(name="例某"))
    handle = people.handle_of(people.Contact(phone="13800000001"), now.secret) or ""
    with intake() as work:
        work.execute("DELETE FROM person_key")
        for id_, reporter in ((one, handle), (two, None)):
            work.execute(
                "UPDATE report SET reporter = :r, original = :o, contact = :c, secrets = :s WHERE id = :id",
                r=reporter,
                o=now.sealer.seal({"text": "原文"}, id_),
                c=now.sealer.seal({"phone": "13800000001"}, reporter or id_),
                s=now.sealer.seal({"callback": "000"}, reporter or id_),
                id=id_,
            )
            work.execute(
                "INSERT INTO supplement VALUES (:id, 2, '补充', :o, :at)",
                id=id_,
                o=now.sealer.seal({"text": "补充原文"}, id_),
                at=work.now,
            )
    before = [_open(intake, r) for r in (one, two)]
    assert before[0].supplements[0]["text"] == "补充原文"
    assert vault.run(intake.runtime, now, vault.adopt, vault.NOBODY, 1) == 2
    assert vault.run(intake.runtime, now, vault.adopt, vault.NOBODY, 1) == 0
    assert [_open(intake, r) for r in (one, two)] == before
    assert _rows(
        intake, "SELECT DISTINCT split_part(original, '.', 1) = split_part(contact, '.', 1) FROM report"
    ) == [(True,)]
    # The person of then and of now are one.
    _receive(intake, _submission("13800000001"))
    assert len(_rows(intake, "SELECT DISTINCT reporter FROM report WHERE reporter IS NOT NULL")) == 1


def test_kept_messages_of_outside_systems_are_sealed_anew(intake: Opened) -> None:
    old = intake.settings.seal_keys
    intake.deliveries.bury(
        [Dead(Message(b"who: 000", None, names.INBOUND_EXCHANGE, "report.submitted"), "bad_data", "x")]
    )
    new = new_key("k9")
    both = _keys(intake, seal_keys=f"{new},{old}")
    assert vault.run(intake.runtime, both, vault.reseal_dead_letters, vault.NOBODY, 10) == 1
    assert vault.run(intake.runtime, both, vault.reseal_dead_letters, vault.NOBODY, 10) == 0
    (letter,) = dead_letters.listing(intake.engine)
    assert dead_letters.body(letter, lambda: _keys(intake, seal_keys=new).sealer) == b"who: 000"
