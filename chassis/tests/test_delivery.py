"""Delivery on a real PostgreSQL without a broker: inbox, halves, refusals, outcomes, dead letters."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from probe import effect, metadata
from sqlalchemy import Engine, NullPool, create_engine, text

from conftest import report
from jiayuan.chassis import bulk, dead_letters
from jiayuan.chassis.clock import SetClock
from jiayuan.chassis.database import driver_url
from jiayuan.chassis.delivery import Deliveries, Message
from jiayuan.chassis.errors import Transient
from jiayuan.chassis.seal import Sealer, SealError, new_key
from jiayuan.chassis.testing.databases import Databases
from jiayuan.chassis.transaction import Transaction
from jiayuan.chassis.work import Outgoing, Work, on
from jiayuan.contracts import envelope, names
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.envelope import Event

pytestmark = pytest.mark.store


@pytest.fixture
def engine(databases: Databases) -> Iterator[Engine]:
    """A database with the probe's tables."""
    url = databases.admin(databases.fresh("sla"))
    engine = create_engine(driver_url(url), poolclass=NullPool)
    effect.create(engine)
    yield engine
    databases.forget(url)


SEALER = Sealer(new_key())


class Taker:
    """A `Deliveries` with a handler that does as it is told."""

    def __init__(self, engine: Engine) -> None:
        self.calls: list[int] = []
        self.published: list[Outgoing] = []
        self.fail_with: dict[str, Exception] = {}
        self.refuse: set[str] = set()
        self.deliveries = Deliveries(
            "routing",
            engine,
            SetClock(datetime(2026, 3, 2, tzinfo=UTC)),
            metadata,
            [
                on("report.received", self.handle, wants=lambda e: e.data["report"]["title"] != "unwanted"),
                on("handling.reported", self.inbound),
            ],
            self.published.extend,
            sealer=lambda: SEALER,
        )

    def handle(self, work: Work, events: Sequence[Event]) -> None:
        self.calls.append(len(events))
        for e in events:
            if e.data["report"]["title"] in self.fail_with:
                raise self.fail_with[e.data["report"]["title"]]
        rows = [{"report": e.data["report"]["id"], "times": 1, "lane": e.lane} for e in events]
        work.insert(effect, rows, conflict="ON CONFLICT (report) DO UPDATE SET times = effect.times + 1")

    def inbound(self, work: Work, events: Sequence[Event]) -> None:
        for e in events:
            if e.data["case"] == "unknown":
                work.refuse(e, [FieldProblem("data.case", "there is no such case")])
            else:
                work.accepted(e, e.data["case"])


def message(row: Outgoing) -> Message:
    return Message(row.body, names.CONTENT_TYPE, row.exchange, row.routing_key)


def inbound(case: str, id_: str = "m1", **data: Any) -> Message:
    body = {
        "specversion": "1.0",
        "id": id_,
        "source": "/partners/city-management",
        "type": names.event_type("handling.reported"),
        "time": "2026-03-02T09:00:00Z",
        "data": {
            "external_id": id_,
            "case": case,
            "unit": "U1",
            "action": "accept",
            "at": "2026-03-02T09:00:00Z",
        }
        | data,
    }
    return Message(
        json.dumps(body).encode(),
        names.CONTENT_TYPE,
        names.INBOUND_EXCHANGE,
        "handling.reported",
        user_id="city-management",
    )


def counts(engine: Engine) -> dict[str, int]:
    with engine.connect() as conn:
        return {
            t: conn.execute(text(f"SELECT count(*) FROM {t}")).scalar_one()
            for t in ("inbox", "effect", "dead_letter")
        }


def outcomes(taker: Taker) -> list[tuple[str, str, Any]]:
    found = [json.loads(o.body)["data"] for o in taker.published if o.exchange == names.OUTCOMES_EXCHANGE]
    return [(o["message"], o["outcome"], o["result"]) for o in found]


def test_a_copy_in_the_same_batch_and_one_later_count_once(engine: Engine) -> None:
    taker, row = Taker(engine), report()
    taker.deliveries.take([message(row), message(row)])
    taker.deliveries.take([message(row)])
    assert counts(engine) == {"inbox": 1, "effect": 1, "dead_letter": 0}
    assert taker.calls == [1]


def test_what_nobody_wants_costs_no_row(engine: Engine) -> None:
    taker = Taker(engine)
    taker.deliveries.take([message(report("unwanted"))])
    assert counts(engine) == {"inbox": 0, "effect": 0, "dead_letter": 0}


def test_one_bad_event_of_200_is_found_by_halving(engine: Engine) -> None:
    taker = Taker(engine)
    taker.fail_with["bad"] = RuntimeError("no")
    rows = [report() for _ in range(199)]
    rows.insert(111, report("bad"))
    taker.deliveries.take([message(r) for r in rows])
    assert counts(engine) == {"inbox": 199, "effect": 199, "dead_letter": 1}
    assert len(taker.calls) <= 2 * 8 + 1


def test_the_infrastructures_failures_fail_no_message(engine: Engine) -> None:
    taker = Taker(engine)
    taker.fail_with["away"] = ConnectionResetError("gone")
    with pytest.raises(Transient):
        taker.deliveries.take([message(report("away")), message(report())])
    assert counts(engine) == {"inbox": 0, "effect": 0, "dead_letter": 0}
    taker.fail_with.clear()
    assert not taker.published


def test_outside_systems_are_answered_and_what_is_refused_is_kept(engine: Engine) -> None:
    taker = Taker(engine)
    taker.deliveries.take(
        [inbound("c1", "m1"), inbound("unknown", "m2"), inbound("c1", "m3", action="explode")]
    )
    taker.deliveries.take([inbound("c1", "m1")])
    assert sorted(outcomes(taker)) == [
        ("m1", "accepted", "c1"),
        ("m1", "duplicate", None),
        ("m2", "rejected", None),
        ("m3", "rejected", None),
    ]
    letters = {r.event_id: r for r in dead_letters.listing(engine)}
    assert letters["m2"].reason == "refused"
    assert letters["m2"].problems == [
        {"field": "data.case", "problem": "there is no such case", "allowed": ""}
    ]
    # What outside systems send may name people: it is kept sealed, and opens with the keys.
    assert b"m2" not in bytes(letters["m2"].body)
    assert json.loads(dead_letters.body(letters["m2"], lambda: SEALER))["id"] == "m2"
    with pytest.raises(SealError):
        dead_letters.body_text(letters["m2"])
    assert letters[None].reason == "bad_data"


def test_a_sender_that_is_not_proven_hears_nothing_and_is_kept(engine: Engine) -> None:
    taker, good = Taker(engine), inbound("c1")
    for user in (None, "hotline-12345"):
        taker.deliveries.take([Message(good.body, good.content_type, good.exchange, good.routing_key, user)])
    reasons = [r.reason for r in dead_letters.listing(engine)]
    assert reasons == ["wrong_sender", "wrong_sender"]
    # The one whose login the broker vouches for is told that it signed as somebody else.
    assert [o.routing_key for o in taker.published] == ["hotline-12345"]


def test_a_dead_letter_is_decided_once_with_who_and_why(engine: Engine) -> None:
    taker = Taker(engine)
    taker.fail_with["bad"] = RuntimeError("call 13900001234")
    taker.deliveries.take([message(report("bad"))])
    (letter,) = dead_letters.listing(engine)
    with pytest.raises(ValueError, match="who and why"):
        dead_letters.decide(engine, [letter.id], "discarded", " ", "x")
    assert dead_letters.decide(engine, [letter.id], "discarded", "值班员", "a test") == 1
    assert dead_letters.decide(engine, [letter.id], "replay", "值班员", "again") == 0
    row = dead_letters.show(engine, letter.id[:13])
    assert row is not None
    assert [(h["who"], h["action"], h["why"]) for h in row.history] == [("值班员", "discarded", "a test")]
    assert dead_letters.show(engine, "ffffffff-0000") is None


def test_a_replay_that_fails_again_leaves_one_letter_with_the_new_reason(engine: Engine) -> None:
    taker = Taker(engine)
    taker.fail_with["bad"] = RuntimeError("first")
    row = report("bad")
    taker.deliveries.take([message(row)])
    (letter,) = dead_letters.listing(engine)
    dead_letters.decide(engine, [letter.id], "replay", "w", "y")
    taker.fail_with["bad"] = RuntimeError("second")
    assert dead_letters.replay_asked(taker.deliveries) == 1
    (letter,) = dead_letters.listing(engine)
    assert "second" in letter.history[-1]["why"]
    taker.fail_with.clear()
    dead_letters.decide(engine, [letter.id], "replay", "w", "y")
    assert dead_letters.replay_asked(taker.deliveries) == 1
    assert counts(engine) == {"inbox": 1, "effect": 1, "dead_letter": 1}
    assert dead_letters.listing(engine, state="replayed")


def test_an_events_trace_lane_and_cause_are_carried_on(engine: Engine) -> None:
    taker = Taker(engine)
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with taker.deliveries.work("bulk") as work:
        first = work.emit("directory.changed", {"version": 1, "items": []}, subject="d", traceparent=parent)
        second = work.emit("directory.changed", {"version": 2, "items": []}, subject="d", cause=first)
    assert (second.lane, second.traceparent, second.causationid) == ("bulk", parent, first.id)
    assert [o.routing_key for o in taker.published] == ["directory.changed.bulk"] * 2
    with engine.connect() as conn:
        stored = conn.execute(text("SELECT body::text FROM outbox_event ORDER BY id")).scalars().all()
    assert sorted(s.encode() for s in stored) == sorted(o.body for o in taker.published)


def test_an_event_that_breaks_its_contract_is_never_sent(engine: Engine) -> None:
    taker = Taker(engine)
    with pytest.raises(envelope.BadData), taker.deliveries.work() as work:
        work.emit("directory.changed", {"version": "one"}, subject="d")
    assert not taker.published


def test_rows_of_every_kind_travel_in_one_statement(engine: Engine) -> None:
    table = metadata.tables["dead_letter"]
    rows = [
        {
            "id": f"00000000-0000-7000-8000-00000000000{i}",
            "reason": "引号\"'%:x",
            "error": "e",
            "problems": [{"a": None}],
            "exchange": "x",
            "routing_key": "k",
            "at": datetime(2026, 1, 1, tzinfo=UTC),
            "body": bytes(range(256)),
            "user_id": None,
        }
        for i in range(3)
    ]
    with Transaction(engine) as transaction:
        got = bulk.insert(transaction, table, rows, returning="id::text, reason, problems, body, at, user_id")
        assert len(got) == 3
        assert (got[0].reason, bytes(got[0].body), got[0].user_id) == ("引号\"'%:x", bytes(range(256)), None)
        assert got[0].at == datetime(2026, 1, 1, tzinfo=UTC)
        changed = bulk.update(
            transaction,
            table,
            [{"id": rows[0]["id"], "error": "new"}],
            where="t.error <> r.error",
            returning="t.error",
        )
        assert [c.error for c in changed] == ["new"]
        assert bulk.insert(transaction, table, []) == []


def test_a_refused_message_of_an_outside_system_is_replayed_from_its_seal(engine: Engine) -> None:
    taker = Taker(engine)
    taker.deliveries.take([inbound("unknown", "m2")])
    (letter,) = dead_letters.listing(engine)
    dead_letters.decide(engine, [letter.id], "replay", "w", "the case is there now")
    assert dead_letters.replay_asked(taker.deliveries) == 1
    (letter,) = dead_letters.listing(engine)
    assert letter.history[-1]["why"] == "refused: data.case: there is no such case"


def test_what_processes_died_on_is_kept_sealed_and_can_be_replayed(engine: Engine) -> None:
    taker = Taker(engine)
    came = [inbound("c1", note="请打13867190000"), message(report("ours"))]
    # As the broker hands it on after its limit: by another exchange, with the service as the key.
    dead = [replace(m, exchange=names.DEAD_EXCHANGE, routing_key="routing") for m in came]
    unreadable = Message(b"13867190000", None, names.DEAD_EXCHANGE, "routing")
    dead_letters.from_broker(taker.deliveries, [*dead, unreadable])
    letters = {x.exchange: x for x in dead_letters.listing(engine) if x.routing_key != "routing"}
    assert {x.routing_key for x in letters.values()} == {"handling.reported", "report.received"}
    assert all(b"13867190000" not in bytes(x.body) for x in dead_letters.listing(engine))
    assert dead_letters.decide(engine, [x.id for x in letters.values()], "replay", "w", "repaired") == 2
    assert dead_letters.replay_asked(taker.deliveries) == 2
    assert len(dead_letters.listing(engine, state="replayed")) == 2
    assert [o[1] for o in outcomes(taker)] == ["accepted"]
    assert taker.calls == [1]


@pytest.mark.parametrize("id_", ["a\u0000b", "a\nb", "x" * 500, "\ud800"])
def test_a_message_with_an_impossible_id_is_rejected_and_kept_all_the_same(engine: Engine, id_: str) -> None:
    taker, good = Taker(engine), inbound("c1")
    body = json.dumps({**json.loads(good.body), "id": id_}).encode()
    taker.deliveries.take([Message(body, good.content_type, good.exchange, good.routing_key, good.user_id)])
    assert counts(engine)["dead_letter"] == 1
    assert [o[1] for o in outcomes(taker)] == ["rejected"]


def test_what_is_logged_of_a_failing_event_names_its_trace(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    taker = Taker(engine)
    taker.fail_with["bad"] = RuntimeError("no")
    row = report("bad")
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    body = json.dumps({**json.loads(row.body), "traceparent": parent}).encode()
    taker.deliveries.take([message(dataclasses.replace(row, body=body))])
    kept = next(r for r in caplog.records if r.message == "dead letter kept")
    assert vars(kept)["trace"] == parent[3:35]
    assert vars(kept)["event_id"] == row.id
