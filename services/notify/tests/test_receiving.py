"""Receipts by callback and by pulling, with a real database and vendors on loopback."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from fakes import FakeAliyun, FakeTencent, FakeWechat
from sqlalchemy import text

from jiayuan.chassis.testing.client import Client
from jiayuan.contracts.ids import new_id
from jiayuan.notify import handlers, receiving, routes
from jiayuan.notify.providers.base import Receipt
from jiayuan.notify.receiving import RECEIPTS, Receiving
from jiayuan.notify.sending import Sender
from jiayuan.notify.sending.preparing import person

pytestmark = pytest.mark.store

PHONE = "13900001234"
OPENID = "o000000000000000000000000001"
PATH = "a-secret-path-of-30-characters"
LINES = {"received": {"id": "SMS_1", "parameters": {"code": "tracking_code"}}}
ALIYUN = {
    "kind": "aliyun",
    "key_id": {"env": "T_ID"},
    "secret": {"env": "T_SECRET"},
    "sign": "家园",
    "receipts": {"env": "T_PATH"},
    "templates": LINES,
    "settle_seconds": 0,
}
TENCENT = {
    "kind": "tencent",
    "secret_id": {"env": "T_ID2"},
    "secret_key": {"env": "T_SECRET2"},
    "app_id": "1400006666",
    "sign": "家园",
    "pull": True,
    "receipts": {"env": "T_PATH"},
    "templates": {"received": {"id": "1110", "parameters": {"1": "tracking_code"}}},
}
WECHAT = {
    "kind": "wechat",
    "appid": "wx0000000000000000",
    "secret": {"env": "T_SECRET3"},
    "push_token": {"env": "T_PUSH"},
    "receipts": {"env": "T_PATH"},
    "templates": {"received": "tmpl-1"},
}


class Rig:
    """A database, its configured providers, and what hears their receipts."""

    def __init__(self, opened: Any, events: Any, wall: Any, path: Path) -> None:
        self.opened, self.events, self.wall, self._path = opened, events, wall, path
        self.runtime, self.client = opened.runtime, Client(opened)

    def configure(self, *entries: dict[str, Any]) -> None:
        """These providers from here on."""
        self.entries = entries
        self._path.write_text(yaml.safe_dump({"providers": list(entries)}), encoding="utf-8")
        changed = dataclasses.replace(self.runtime.settings, providers=str(self._path))
        self.runtime.settings = self.opened.settings = changed
        found = routes.of(self.runtime)
        self.sender = Sender(self.runtime, found, inline=True)
        self.receiving = Receiving(self.runtime, found)

    def report(self, name: str = "r1", **contact: str) -> None:
        """A report, whose notice of receipt is sent."""
        sealed = self.runtime.sealer.seal(contact or {"phone": PHONE}, f"c-{name}")
        with self.opened() as work:
            handlers.report_received(work, [self.events.report(name, reporter=f"c-{name}", contact=sealed)])
        self.sender.turn()

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """What is in the database."""
        with self.opened.engine.connect() as conn:
            return [dict(row._mapping) for row in conn.execute(text(sql))]

    def states(self) -> list[str]:
        """The notices' states."""
        return [r["state"] for r in self.rows("SELECT state FROM sending ORDER BY notice_id")]

    def told(self) -> list[str]:
        """The notice events that went out."""
        return [o.routing_key for o in self.opened.published if o.routing_key.startswith("notice.")]

    def attempts(self) -> list[tuple[str, str]]:
        """Kinds and outcomes of attempts."""
        return [(r["kind"], r["outcome"]) for r in self.rows("SELECT kind, outcome FROM attempt ORDER BY id")]

    def post(self, name: str, body: bytes, path: str = PATH, query: str = "") -> tuple[int, Any]:
        """A callback."""
        return self.client("POST", f"/receipts/{name}/{path}{query}", body)


@pytest.fixture
def rig(work_for: Any, events: Any, wall: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    """The rig, with the secrets of all fakes."""
    secrets = {"T_ID": "key-id", "T_SECRET": "key-secret", "T_ID2": "secret-id", "T_SECRET2": "secret-key"}
    for name, value in (
        secrets | {"T_SECRET3": "app-secret", "T_PUSH": "push-token", "T_PATH": PATH}
    ).items():
        monkeypatch.setenv(name, value)
    made = Rig(work_for("notify"), events, wall, tmp_path / "providers.yaml")
    monkeypatch.setattr(receiving, "of", lambda _: made.receiving)
    return made


@pytest.fixture
def aliyun_rig(rig: Rig, aliyun: FakeAliyun) -> Rig:
    """Aliyun has taken the notice of one report."""
    rig.configure(ALIYUN | {"address": aliyun.url})
    rig.report()
    assert rig.states() == ["accepted"]
    return rig


@pytest.mark.parametrize(
    ("code", "state", "told"),
    [
        (None, "delivered", ["notice.sent", "notice.delivered"]),
        ("MOBILE_NOT_ON_SERVICE", "undelivered", ["notice.sent", "notice.failed"]),
    ],
)
def test_a_callback_ends_a_notice_and_is_told_once(
    aliyun_rig: Rig, aliyun: FakeAliyun, code: str | None, state: str, told: list[str]
) -> None:
    (request_id,) = aliyun.taken
    body = aliyun.receipts({request_id: code}, times=3)
    for _ in range(3):
        assert aliyun_rig.post("aliyun", body) == (200, {"code": 0, "msg": "接收成功"})
    assert aliyun_rig.states() == [state]
    assert aliyun_rig.told() == told
    assert sorted(aliyun_rig.attempts()) == [("receipt", state), ("send", "accepted")]


def test_a_receipt_by_the_vendors_own_id_ends_a_notice(rig: Rig, tencent: FakeTencent) -> None:
    rig.configure(TENCENT | {"address": tencent.url})
    rig.report()
    assert rig.post("tencent", tencent.receipts()) == (200, {"result": 0, "errmsg": "OK"})
    assert rig.states() == ["delivered"]


def test_waiting_receipts_are_pulled(rig: Rig, tencent: FakeTencent) -> None:
    rig.configure(TENCENT | {"address": tencent.url})
    rig.report()
    tencent.waiting = list(tencent.taken)
    rig.receiving.turn()
    rig.receiving.turn()
    assert (rig.states(), tencent.waiting) == (["delivered"], [])


def test_a_provider_that_says_nothing_is_asked_less_and_less_often(
    aliyun_rig: Rig, aliyun: FakeAliyun, wall: Any
) -> None:
    (request_id,) = aliyun.taken
    aliyun.taken[request_id].at = wall().timestamp()

    def asked(minutes: int) -> int:
        before = len(aliyun.requests)
        wall.pass_(minutes=minutes)
        aliyun_rig.receiving.turn()
        return len(aliyun.requests) - before

    assert [asked(m) for m in (9, 2, 5, 7, 5, 30)] == [0, 1, 0, 1, 0, 1]
    assert aliyun_rig.states() == ["accepted"]
    aliyun.statuses[request_id] = 3
    assert asked(120) == 1
    assert aliyun_rig.states() == ["delivered"]
    assert asked(600) == 0


def test_one_provider_that_hangs_holds_up_no_other(
    rig: Rig, aliyun: FakeAliyun, tencent: FakeTencent, wall: Any
) -> None:
    rig.configure(ALIYUN | {"address": aliyun.url}, TENCENT | {"address": tencent.url, "weight": 1})
    tencent.query_script, tencent.waiting = ["hang"], []
    rig.report()
    (request_id,) = aliyun.taken
    aliyun.taken[request_id].at, aliyun.statuses[request_id] = wall().timestamp(), 3
    wall.pass_(minutes=11)
    turn = threading.Thread(target=rig.receiving.turn, daemon=True)
    turn.start()
    for _ in range(500):
        if rig.states() == ["delivered"]:
            break
        turn.join(0.02)
    assert (rig.states(), turn.is_alive()) == (["delivered"], True)
    tencent.release.set()
    turn.join(30)


def test_another_path_is_nowhere_whatever_the_name(aliyun_rig: Rig, aliyun: FakeAliyun) -> None:
    for name in ("aliyun", "tencent", "sink", "nobody"):
        for path in ("-" * 24, "x" * 30, PATH + "x", PATH[:-1]):
            status, document = aliyun_rig.post(name, aliyun.receipts(), path)
            assert (status, document["detail"]) == (404, "there is nothing here")
    assert aliyun_rig.states() == ["accepted"]


def test_a_provider_without_a_secret_path_takes_no_callbacks(rig: Rig, aliyun: FakeAliyun) -> None:
    rig.configure({k: v for k, v in ALIYUN.items() if k != "receipts"} | {"address": aliyun.url})
    rig.report()
    assert rig.post("aliyun", aliyun.receipts(), "-" * 24)[0] == 404
    assert rig.states() == ["accepted"]


def test_ids_that_are_not_ours_are_answered_alike_and_counted(
    aliyun_rig: Rig, aliyun: FakeAliyun, wall: Any
) -> None:
    strangers = RECEIPTS.labels("aliyun", "not_ours")
    before = strangers._value.get()
    aliyun.taken.clear()
    aliyun.air(new_id(), PHONE)
    aliyun.air("order-17", PHONE)
    assert aliyun_rig.post("aliyun", aliyun.receipts()) == (200, {"code": 0, "msg": "接收成功"})
    assert len(aliyun_rig.rows("SELECT * FROM receipt_waiting")) == 2
    aliyun_rig.receiving.turn()
    assert len(aliyun_rig.rows("SELECT * FROM receipt_waiting")) == 2
    wall.pass_(hours=2)
    aliyun_rig.receiving.turn()
    assert aliyun_rig.rows("SELECT * FROM receipt_waiting") == []
    assert strangers._value.get() == before + 2
    assert aliyun_rig.states() == ["accepted"]


def test_no_more_receipts_wait_than_there_is_room_for(
    aliyun_rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jiayuan.notify.store.receipts.MOST_WAITING", 3)
    for _ in range(2):
        aliyun_rig.receiving.take("aliyun", [Receipt("delivered", new_id()) for _ in range(5)])
    assert len(aliyun_rig.rows("SELECT * FROM receipt_waiting")) == 3


def test_a_receipt_that_comes_before_the_answer_is_recorded_is_not_lost(rig: Rig, aliyun: FakeAliyun) -> None:
    rig.configure(ALIYUN | {"address": aliyun.url})
    provider = rig.sender._lanes["aliyun"].route.provider
    send: Callable[..., Any] = provider.send

    def heard_at_once(messages: Any) -> Any:
        outcomes = send(messages)
        assert rig.post("aliyun", aliyun.receipts())[0] == 200
        return outcomes

    provider.send = heard_at_once  # type: ignore[method-assign]
    rig.report()
    assert rig.states() == ["accepted"]
    rig.receiving.turn()
    assert rig.states() == ["delivered"]
    assert rig.rows("SELECT * FROM receipt_waiting") == []


def test_an_unknown_send_is_ended_by_its_receipt(rig: Rig, aliyun: FakeAliyun) -> None:
    rig.configure(ALIYUN | {"address": aliyun.url, "read_timeout": 0.3})
    aliyun.script = ["cut_taken"]
    rig.report()
    assert rig.states() == ["unknown"]
    rig.post("aliyun", aliyun.receipts())
    assert (rig.states(), rig.told()) == (["delivered"], ["notice.sent"])


def test_many_at_once_from_several_callers_are_counted_once(rig: Rig, aliyun: FakeAliyun) -> None:
    rig.configure(ALIYUN | {"address": aliyun.url})
    for n in range(12):
        rig.report(f"r{n}")
    bodies = [aliyun.receipts(order=order) for order in ("as sent", "reversed") * 2]
    threads = [threading.Thread(target=rig.post, args=("aliyun", body)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert rig.states() == ["delivered"] * 12
    assert rig.told().count("notice.delivered") == 12
    assert len([a for a in rig.attempts() if a[0] == "receipt"]) == 12


def test_a_malformed_callback_changes_nothing_and_says_nothing(aliyun_rig: Rig) -> None:
    for body in (b"", b"{}", b"\xff\x00", b"[" * 2000):
        status, document = aliyun_rig.post("aliyun", body)
        assert (status, set(document)) == (400, {"type", "title", "status", "detail"})
    assert aliyun_rig.states() == ["accepted"]


# -- the mini-program ------------------------------------------------------------------------------


@pytest.fixture
def wechat_rig(rig: Rig, wechat: FakeWechat) -> Rig:
    """A mini-program alone."""
    rig.configure(WECHAT | {"address": wechat.url})
    return rig


def _query(wechat: FakeWechat, **more: str) -> str:
    return "?" + "&".join(f"{k}={v}" for k, v in (wechat.query() | more).items())


def test_each_accept_is_one_credit_however_often_it_is_told(wechat_rig: Rig, wechat: FakeWechat) -> None:
    def balance() -> list[int]:
        return [r["balance"] for r in wechat_rig.rows("SELECT balance FROM credit")]

    for at in (1770000000, 1770000000, 1770000060):
        body = wechat.popup(OPENID, {"tmpl-1": "accept"}, at)
        assert wechat_rig.post("wechat", body, query=_query(wechat))[0] == 200
        assert wechat_rig.client.content == b"success"
    assert balance() == [2]
    wechat_rig.post("wechat", wechat.change(OPENID, "tmpl-1", 1770000120), query=_query(wechat))
    assert balance() == [0]
    (row,) = wechat_rig.rows("SELECT person FROM credit")
    assert row["person"] == person(wechat_rig.runtime, OPENID)
    assert OPENID not in str(wechat_rig.rows("SELECT * FROM consent_heard"))


def test_an_event_that_is_not_signed_counts_nothing(wechat_rig: Rig, wechat: FakeWechat) -> None:
    body = wechat.popup(OPENID, {"tmpl-1": "accept"})
    assert wechat_rig.post("wechat", body)[0] == 400
    assert wechat_rig.rows("SELECT * FROM credit") == []


def test_wechats_question_is_answered(wechat_rig: Rig, wechat: FakeWechat) -> None:
    status, _ = wechat_rig.client("GET", f"/receipts/wechat/{PATH}{_query(wechat, echostr='42')}")
    assert (status, wechat_rig.client.content) == (200, b"42")
    assert wechat_rig.client("GET", f"/receipts/wechat/{PATH}?echostr=42")[0] == 400
    assert wechat_rig.client("GET", f"/receipts/wechat/{'x' * 30}?echostr=42")[0] == 404


def test_replicas_share_one_sealed_token(wechat_rig: Rig, wechat: FakeWechat) -> None:
    for n in range(2):
        wechat_rig.configure(WECHAT | {"address": wechat.url})
        body = wechat.popup(OPENID, {"tmpl-1": "accept"}, 1770000000 + n)
        wechat_rig.post("wechat", body, query=_query(wechat))
        wechat_rig.report(f"r{n}", openid=OPENID)
    assert wechat_rig.states() == ["accepted", "accepted"]
    assert wechat.fetched == [False]
    (row,) = wechat_rig.rows("SELECT * FROM wechat_token")
    assert wechat.token not in str(row)
    assert row["until"] - row["had_at"] == timedelta(seconds=6900)


def test_a_token_that_an_old_key_sealed_is_replaced(wechat_rig: Rig, wechat: FakeWechat) -> None:
    with wechat_rig.opened() as work:
        work.execute(
            "INSERT INTO wechat_token VALUES ('wx0000000000000000', 'gone.c2VhbGVk', now() + '1 h', now(), NULL)"
        )
    body = wechat.popup(OPENID, {"tmpl-1": "accept"})
    wechat_rig.post("wechat", body, query=_query(wechat))
    wechat_rig.report(openid=OPENID)
    assert (wechat_rig.states(), wechat.fetched) == (["accepted"], [False])


def test_a_message_that_was_not_pushed_goes_on_by_sms(
    rig: Rig, wechat: FakeWechat, aliyun: FakeAliyun
) -> None:
    rig.configure(WECHAT | {"address": wechat.url}, ALIYUN | {"address": aliyun.url})
    rig.post("wechat", wechat.popup(OPENID, {"tmpl-1": "accept"}), query=_query(wechat))
    rig.report(openid=OPENID, phone=PHONE)
    (taken,) = wechat.taken.values()
    assert (rig.states(), aliyun.taken) == (["accepted"], {})
    rig.post("wechat", wechat.sent(taken, 1), query=_query(wechat))
    rig.sender.turn()
    assert (rig.states(), len(aliyun.taken)) == (["accepted"], 1)
    rig.post("wechat", wechat.sent(taken, 0), query=_query(wechat))
    assert rig.states() == ["accepted"]
    rig.post("aliyun", aliyun.receipts())
    assert rig.states() == ["delivered"]
