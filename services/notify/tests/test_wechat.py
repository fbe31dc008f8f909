"""WeChat's client against WeChat on loopback; the token in memory as replicas share it."""

from __future__ import annotations

import base64
import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fakes import FakeWechat

from jiayuan.chassis.errors import Transient
from jiayuan.contracts.ids import new_id
from jiayuan.notify.providers.base import Asked, Message
from jiayuan.notify.providers.configured import Approved
from jiayuan.notify.providers.tokens import Row, Token
from jiayuan.notify.providers.wechat import Wechat, aes_key

pytestmark = pytest.mark.unit

OPENID = "o000000000000000000000000001"
PAGE = "pages/report/report?code=JY-7K3M9Q"
TEMPLATES = {"received": Approved("tmpl-1")}
PUSH_KEY = base64.b64encode(b"0123456789abcdef0123456789abcdef").decode().rstrip("=")


class Shelf:
    """A row in memory."""

    def __init__(self) -> None:
        self.token: Token | None = None
        self._lock = threading.Lock()

    @contextmanager
    def locked(self) -> Iterator[Row]:
        """The row."""
        with self._lock:
            yield self

    def put(self, token: Token) -> None:
        """Keep another token."""
        self.token = token


def message() -> Message:
    """A message."""
    given = {"character_string1": "JY-7K3M9Q"}
    return Message(
        new_id(), "citizen-1", "mini_program", OPENID, template="received", parameters=given, page=PAGE
    )


def make(fake: FakeWechat, shelf: Shelf | None = None, **given: Any) -> Wechat:
    """Our client of the fake."""
    given = {"timeout": 0.4, "concurrency": 4, "templates": TEMPLATES, "push_token": "push-token"} | given
    secret = given.pop("secret", "app-secret")
    return Wechat(fake.appid, secret, shelf or Shelf(), address=fake.url, **given)


def test_a_send_says_template_fields_and_page(wechat: FakeWechat) -> None:
    (outcome,) = make(wechat).send([message()])
    (taken,) = wechat.taken.values()
    assert (outcome.kind, outcome.ref) == ("accepted", taken.ref)
    assert taken.to == OPENID
    assert taken.fields["data"] == {"character_string1": {"value": "JY-7K3M9Q"}}
    assert taken.fields["page"] == PAGE
    assert "msgid" not in json.loads(wechat.requests[1].body)


def test_errcode_0_is_the_success_even_without_a_msgid(wechat: FakeWechat) -> None:
    wechat.script = ["no_id"]
    (outcome,) = make(wechat).send([message()])
    assert (outcome.kind, outcome.ref) == ("accepted", None)


@pytest.mark.parametrize(
    ("word", "kind", "times"),
    [
        ("43101", "no_consent", 0),
        ("43107", "misconfigured", 0),
        ("45009", "throttled", 0),
        ("47003", "content_refused", 0),
        ("41030", "content_refused", 0),
        ("40037", "content_refused", 0),
        ("40003", "refused", 0),
        ("-1", "throttled", 0),
        ("99999", "throttled", 0),
        ("hang", "unknown", 0),
        ("hang_taken", "unknown", 1),
        ("garbage_taken", "unknown", 1),
        ("down_taken", "unknown", 1),
        ("drip", "unknown", 1),
    ],
)
def test_what_each_answer_means(wechat: FakeWechat, word: str, kind: str, times: int) -> None:
    wechat.script = [word]
    (outcome,) = make(wechat).send([message()])
    assert outcome.kind == kind
    assert outcome.error
    assert len(wechat.taken) == times


def test_who_has_used_up_an_acceptance_gets_no_more(wechat: FakeWechat) -> None:
    wechat.credits = {(OPENID, "tmpl-1"): 1}
    provider = make(wechat)
    assert [provider.send([message()])[0].kind for _ in range(2)] == ["accepted", "no_consent"]


def test_wechat_cannot_be_asked(wechat: FakeWechat) -> None:
    assert make(wechat).query([Asked(new_id())])[0].kind == "unknown"


# -- the token -------------------------------------------------------------------------------------


def test_replicas_share_one_token(wechat: FakeWechat) -> None:
    shelf = Shelf()
    for _ in range(3):
        make(wechat, shelf).send([message() for _ in range(8)])
    assert wechat.fetched == [False]
    assert len(wechat.taken) == 24


def test_a_stale_token_is_renewed_once_by_all_replicas_together(wechat: FakeWechat) -> None:
    shelf, times = Shelf(), [datetime(2026, 3, 2, tzinfo=UTC)]
    replicas = [make(wechat, shelf, clock=lambda: times[-1]) for _ in range(3)]
    for one in replicas:
        one.send([message()])
    wechat.rotate()
    times.append(times[0] + timedelta(minutes=1))
    outcomes = [o for one in replicas for o in one.send([message() for _ in range(8)])]
    assert {o.kind for o in outcomes} == {"accepted"}
    assert wechat.fetched == [False, False]


def test_a_token_that_wechat_hands_out_again_is_forced_anew(wechat: FakeWechat) -> None:
    times = [datetime(2026, 3, 2, tzinfo=UTC)]
    provider = make(wechat, clock=lambda: times[-1])
    provider.send([message()])
    wechat.rotten = True
    times.append(times[0] + timedelta(minutes=1))
    assert provider.send([message()])[0].kind == "misconfigured"
    assert wechat.fetched == [False, False, True]  # once each, then it is over


def test_a_token_that_stays_rotten_is_never_renewed_in_a_loop(wechat: FakeWechat) -> None:
    times = [datetime(2026, 3, 2, tzinfo=UTC)]
    provider = make(wechat, clock=lambda: times[-1])
    wechat.rotten = True
    for _ in range(3):
        assert {o.kind for o in provider.send([message() for _ in range(8)])} <= {
            "misconfigured",
            "throttled",
        }
    assert wechat.fetched == [False]
    times.append(times[0] + timedelta(minutes=1))
    provider.send([message() for _ in range(8)])
    assert wechat.fetched == [False, False, True]


def test_a_token_is_replaced_before_it_ends(wechat: FakeWechat) -> None:
    times = [datetime(2026, 3, 2, tzinfo=UTC)]
    provider = make(wechat, clock=lambda: times[-1])
    for minutes in (0, 114, 116):
        times.append(times[0] + timedelta(minutes=minutes))
        provider.send([message()])
    assert wechat.fetched == [False, False]


@pytest.mark.parametrize(
    ("given", "script", "kind"),
    [({"secret": "another"}, [], "misconfigured"), ({}, [-1], "throttled"), ({}, [40164], "misconfigured")],
)
def test_without_a_token_nothing_is_sent(
    wechat: FakeWechat, given: dict[str, Any], script: list[int], kind: str
) -> None:
    wechat.token_script = script
    assert make(wechat, **given).send([message()])[0].kind == kind
    assert wechat.taken == {}


def test_while_the_database_is_away_nothing_is_sent(wechat: FakeWechat) -> None:
    class Away(Shelf):
        @contextmanager
        def locked(self) -> Iterator[Row]:
            raise Transient("the database is away")
            yield self

    assert make(wechat, Away()).send([message()])[0].kind == "throttled"
    assert wechat.requests == []


def test_neither_token_nor_secret_nor_openid_is_logged_or_shown(
    wechat: FakeWechat, caplog: pytest.LogCaptureFixture
) -> None:
    shelf = Shelf()
    provider = make(wechat, shelf)
    with caplog.at_level(logging.DEBUG):
        wechat.script = ["ok", "hang", "40003"]
        outcomes = [provider.send([message()])[0] for _ in range(3)]
    said = caplog.text + repr(outcomes) + repr(provider) + repr(message()) + repr(shelf.token)
    for secret in (wechat.token, "app-secret", OPENID):
        assert secret not in said


# -- events ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["", PUSH_KEY])
def test_consents_and_receipts_come_by_events(wechat: FakeWechat, key: str) -> None:
    provider = make(wechat, push_key=key)
    wechat.push_key = key
    provider.send([message()])
    (taken,) = wechat.taken.values()

    def heard(body: bytes) -> Any:
        body = wechat.push(body)
        return provider.receipts(body, wechat.query(body))

    popup = heard(wechat.popup(OPENID, {"tmpl-1": "accept", "tmpl-2": "reject"}))
    assert (popup.body, [(c.openid, c.template, c.status) for c in popup.consents]) == (
        b"success",
        [(OPENID, "tmpl-1", "accept"), (OPENID, "tmpl-2", "reject")],
    )
    assert popup.consents[0].at == datetime.fromtimestamp(1770000000, UTC)
    (refusal,) = heard(wechat.change(OPENID, "tmpl-1")).consents
    assert (refusal.template, refusal.status) == ("tmpl-1", "reject")
    for code, kind in ((0, "delivered"), (1, "undelivered")):
        (receipt,) = heard(wechat.sent(taken, code)).receipts
        assert (receipt.provider_ref, receipt.kind, receipt.code) == (taken.ref, kind, str(code))


def test_an_event_in_json_is_read_too(wechat: FakeWechat) -> None:
    document = {
        "ToUserName": "gh_123456789abc",
        "FromUserName": OPENID,
        "CreateTime": "1620973045",
        "MsgType": "event",
        "Event": "subscribe_msg_popup_event",
        "List": [{"TemplateId": "tmpl-1", "SubscribeStatusString": "accept", "PopupScene": "0"}],
    }
    (consent,) = make(wechat).receipts(json.dumps(document).encode(), wechat.query()).consents
    assert (consent.openid, consent.status) == (OPENID, "accept")


def test_other_events_bring_nothing_and_are_answered(wechat: FakeWechat) -> None:
    body = b"<xml><FromUserName>o1</FromUserName><MsgType>text</MsgType><Content>hi</Content></xml>"
    heard = make(wechat).receipts(body, wechat.query())
    assert (heard.receipts, heard.consents, heard.body) == ([], [], b"success")


def test_wechats_own_question_is_echoed(wechat: FakeWechat) -> None:
    assert make(wechat).verify(wechat.query() | {"echostr": "42"}).body == b"42"
    with pytest.raises(ValueError, match="signature"):
        make(wechat).verify({"echostr": "42", "signature": "0" * 40})


def test_what_is_not_signed_by_our_token_is_refused(wechat: FakeWechat) -> None:
    body = wechat.popup(OPENID, {"tmpl-1": "accept"})
    for provider in (make(wechat, push_token="another"), make(wechat, push_token="")):
        with pytest.raises(ValueError, match="signature"):
            provider.receipts(body, wechat.query())


def test_where_events_are_encrypted_one_in_the_clear_is_refused(wechat: FakeWechat) -> None:
    with pytest.raises(ValueError, match="encrypted"):
        make(wechat, push_key=PUSH_KEY).receipts(wechat.popup(OPENID, {"t": "accept"}), wechat.query())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"<xml>",
        b"<xml/>",
        b'<!DOCTYPE x [<!ENTITY a "b">]><xml><Event>&a;</Event></xml>',
        b"<xml><Event>subscribe_msg_sent_event</Event><CreateTime>soon</CreateTime></xml>",
    ],
)
def test_a_body_that_is_no_event_is_refused(wechat: FakeWechat, body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        make(wechat).receipts(body, wechat.query())


def test_an_encrypted_event_of_another_app_is_refused(wechat: FakeWechat) -> None:
    provider = make(wechat, push_key=PUSH_KEY)
    wechat.push_key, wechat.appid = PUSH_KEY, "wx9999999999999999"
    body = wechat.push(wechat.popup(OPENID, {"tmpl-1": "accept"}))
    with pytest.raises(ValueError, match="not for this app"):
        provider.receipts(body, wechat.query(body))


@pytest.mark.parametrize("key", ["", "x", "!" * 43, "a" * 44])
def test_an_encoding_key_that_is_none_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="43 characters"):
        aes_key(key)
