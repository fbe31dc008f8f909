"""Other government systems: the sender's work-order number is kept, and unique per sender."""

from __future__ import annotations

import random
import threading
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import text as sql

from jiayuan.chassis.delivery import Message
from jiayuan.chassis.testing.databases import Opened
from jiayuan.contracts import envelope, names

pytestmark = pytest.mark.store


def _message(partner: str, number: str, text: str = "西关社区井盖没了", **more: Any) -> tuple[str, Message]:
    event = envelope.make(
        "report.submitted",
        names.partner_source(partner),
        {"external_id": number, "text": text, **more},
        at=envelope.datetime.fromisoformat("2026-03-02T00:59:00+00:00"),
    )
    return event.id, Message(
        envelope.encode(event), names.CONTENT_TYPE, names.INBOUND_EXCHANGE, "report.submitted", partner
    )


def _outcomes(intake: Opened) -> dict[str, tuple[str, str | None]]:
    found = [
        envelope.decode(o.body, names.CONTENT_TYPE, exchange=names.OUTCOMES_EXCHANGE).data
        for o in intake.published
        if o.exchange == names.OUTCOMES_EXCHANGE
    ]
    return {d["message"]: (d["outcome"], d["result"]) for d in found}


def test_a_number_is_one_report_however_many_replicas_take_it_at_once(intake: Opened) -> None:
    # Every number six times, as six messages of their own ids, over four consumers in any order and any batches.
    sent = {
        (partner, f"12345-{n:03}"): [_message(partner, f"12345-{n:03}") for _ in range(6)]
        for partner in ("hotline-12345", "park-system")
        for n in range(30)
    }
    messages = [m for copies in sent.values() for _, m in copies]
    random.Random(7).shuffle(messages)
    start = threading.Barrier(4)

    def consumer(mine: list[Message]) -> None:
        start.wait(10)
        while mine:
            intake.deliveries.take(mine[:25])
            del mine[:25]

    threads = [threading.Thread(target=consumer, args=(messages[n::4],)) for n in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    with intake.engine.connect() as conn:
        rows = conn.execute(sql("SELECT source_system, external_id, id::text FROM report")).all()
    assert Counter((r.source_system, r.external_id) for r in rows) == Counter(dict.fromkeys(sent, 1))
    outcomes = _outcomes(intake)
    ids = {(r.source_system, r.external_id): r.id for r in rows}
    for key, copies in sent.items():
        came = [outcomes[id_] for id_, _ in copies]
        assert Counter(o for o, _ in came) == {"accepted": 1, "duplicate": 5}
        assert {result for _, result in came} == {ids[key]}


def test_the_number_goes_on_with_the_report(intake: Opened) -> None:
    _, message = _message("hotline-12345", "12345-2026-000371", channel="hotline")
    intake.deliveries.take([message])
    (received,) = [
        envelope.decode(o.body, names.CONTENT_TYPE, exchange=o.exchange).data["report"]
        for o in intake.published
        if o.routing_key == "report.received"
    ]
    assert (received["source_system"], received["external_id"]) == ("hotline-12345", "12345-2026-000371")
    assert received["channel"] == "hotline"


def test_other_words_under_a_known_number_change_nothing(intake: Opened) -> None:
    (_, first), (second_id, second) = (_message("p", "1", "路灯坏了"), _message("p", "1", "井盖没了"))
    intake.deliveries.take([first])
    intake.deliveries.take([second])
    assert _outcomes(intake)[second_id][0] == "duplicate"
    with intake.engine.connect() as conn:
        assert conn.execute(sql("SELECT text FROM report")).scalar_one() == "路灯坏了"


@pytest.mark.parametrize("number", [None, "", 7, "x" * 129])
def test_a_number_that_is_none_is_refused_with_its_field(intake: Opened, number: Any) -> None:
    good_id, good = _message("p", "1")
    document = envelope.orjson.loads(_message("p", "2")[1].body)
    document["data"]["external_id"] = number
    body = envelope.orjson.dumps(document)
    bad = Message(body, names.CONTENT_TYPE, names.INBOUND_EXCHANGE, "report.submitted", "p")
    letters = intake.deliveries.take([bad, good])
    assert len(letters) == 1
    assert _outcomes(intake)[good_id][0] == "accepted"
    with intake.engine.connect() as conn:
        problems = conn.execute(sql("SELECT problems FROM dead_letter")).scalar_one()
    assert [p["field"] for p in problems] == ["data.external_id"]


def test_nobody_sends_in_anothers_name(intake: Opened) -> None:
    _, message = _message("hotline-12345", "1")
    forged = Message(message.body, message.content_type, message.exchange, message.routing_key, "park-system")
    assert len(intake.deliveries.take([forged])) == 1
    with intake.engine.connect() as conn:
        assert conn.execute(sql("SELECT count(*) FROM report")).scalar_one() == 0
