"""Reports that arrive at the same time go in together, and each has its own answer."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from sqlalchemy import text as sql

from jiayuan.chassis.errors import Problem, Transient
from jiayuan.chassis.testing.databases import Opened
from jiayuan.intake import api, handlers, taking
from jiayuan.intake.handlers import ACCEPTED, Receipt
from jiayuan.intake.report import Submission
from jiayuan.intake.taking import Sent, take_all

pytestmark = pytest.mark.store


def _answer(receipt: Receipt) -> dict[str, Any]:
    if receipt.outcome != ACCEPTED:
        raise api.refusal(receipt.problems)
    return api.receipt_document(receipt)


def _sent(text: str, key: str = "", scope: str = "s", digest: str = "", **more: Any) -> Sent:
    return Sent(Submission("mini_program", text, **more), scope, key, digest or text, _answer)


def _count(intake: Opened, table: str) -> int:
    with intake.engine.connect() as conn:
        return int(conn.execute(sql(f"SELECT count(*) FROM {table}")).scalar_one())


def _statuses(results: list[Any]) -> list[int]:
    return [r[0] if isinstance(r, tuple) else r.status for r in results]


def test_a_batch_is_one_transaction_with_an_answer_each(intake: Opened) -> None:
    batch = [_sent("路灯坏了", "a"), _sent("\u200b", "b"), _sent("井盖没了"), _sent("垃圾满了", "c")]
    results = take_all(intake.runtime, batch)
    assert _statuses(results) == [201, 422, 201, 201]
    assert _count(intake, "report") == 3
    # What was refused has used no key up; what was taken has.
    again = take_all(intake.runtime, [_sent("路灯坏了", "a"), _sent("停水了", "b"), _sent("别的", "c")])
    assert _statuses(again) == [200, 201, 409]
    assert again[0][1] == results[0][1]  # type: ignore[index]
    assert _count(intake, "report") == 4


def test_the_same_key_twice_in_a_batch(intake: Opened) -> None:
    batch = [
        _sent("路灯坏了", "k"),
        _sent("路灯坏了", "k"),
        _sent("别的", "k"),
        _sent("路灯坏了", "k", "other"),
    ]
    results = take_all(intake.runtime, batch)
    assert _statuses(results) == [201, 200, 409, 201]
    assert results[1][1] == results[0][1]  # type: ignore[index]
    # Refused, the first leaves the key to the second.
    results = take_all(intake.runtime, [_sent("\u200b", "n"), _sent("停电了", "n")])
    assert _statuses(results) == [422, 201]


def test_one_at_fault_costs_only_itself(intake: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    real = handlers.receive

    def receive(work: Any, submissions: Any, *more: Any) -> Any:
        if any("炸弹" in s.text for s in submissions):
            raise RuntimeError("a fault of ours")
        return real(work, submissions, *more)

    monkeypatch.setattr(taking, "receive", receive)
    results = take_all(intake.runtime, [_sent("路灯坏了", "1"), _sent("炸弹", "2"), _sent("井盖没了", "3")])
    assert [type(r) for r in results] == [tuple, RuntimeError, tuple]
    assert _count(intake, "report") == _count(intake, "idempotency_key") == 2


def test_a_database_that_is_away_is_nobodys_fault(intake: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    def receive(*_: Any) -> Any:
        raise Transient("the database is away")

    monkeypatch.setattr(taking, "receive", receive)
    results = take_all(intake.runtime, [_sent("一", "1"), _sent("二", "2")])
    assert [type(r) for r in results] == [Transient, Transient]
    with pytest.raises(Transient):
        take_all(intake.runtime, [_sent("一", "1")])
    assert _count(intake, "idempotency_key") == 0


def test_many_at_once_with_keys_that_meet(intake: Opened) -> None:
    # 60 callers, 20 keys three times each, over two replicas that gather for themselves.
    start, results = threading.Barrier(60), {}
    gatherings = [
        taking.Together(lambda batch: take_all(intake.runtime, batch), most=8, parallel=2) for _ in range(2)
    ]

    def caller(n: int) -> None:
        sent = _sent(f"路灯坏了{n % 20}", f"key-{n % 20}")
        start.wait(20)
        try:
            results[n] = gatherings[n % 2].do(sent)
        except Problem as error:
            results[n] = error

    threads = [threading.Thread(target=caller, args=(n,)) for n in range(60)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert len(results) == 60
    for key in range(20):
        mine = [results[n] for n in (key, key + 20, key + 40)]
        assert sorted(_statuses(mine)) == [200, 200, 201]
        assert mine[0][1] == mine[1][1] == mine[2][1]
    assert _count(intake, "report") == _count(intake, "outbox_event") == 20
