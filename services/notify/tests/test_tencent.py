"""Tencent Cloud's client against Tencent Cloud on loopback."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fakes import FakeTencent

from jiayuan.contracts.ids import new_id
from jiayuan.notify.providers.base import Asked, Message
from jiayuan.notify.providers.configured import Approved
from jiayuan.notify.providers.tencent import Tencent

pytestmark = pytest.mark.unit

PHONE = "13900001234"
TEMPLATES = {"received": Approved("1110", {"1": "tracking_code", "2": "due"})}


def message(to: str = PHONE) -> Message:
    """A message."""
    given = {"due": "明天", "tracking_code": "JY-7K3M9Q"}
    return Message(new_id(), "citizen-1", "sms", to, template="received", parameters=given)


def asked(one: Message, ref: str | None = None, ago: float = 90.0) -> Asked:
    """A question about a message."""
    return Asked(one.request_id, ref, one.to, datetime.now(UTC) - timedelta(seconds=ago))


def make(fake: FakeTencent, **given: Any) -> Tencent:
    """Our client of the fake."""
    given = {"timeout": 0.4, "concurrency": 3, "templates": TEMPLATES, "pulls": True} | given
    key = given.pop("key", "secret-key")
    return Tencent(given.pop("id", "secret-id"), key, "1400006666", "家园", address=fake.url, **given)


@pytest.mark.parametrize("to", [PHONE, "+86" + PHONE, "0086" + PHONE])
def test_a_send_is_signed_and_carries_our_request_id(tencent: FakeTencent, to: str) -> None:
    one = message(to)
    (outcome,) = make(tencent).send([one])
    taken = tencent.taken[one.request_id]
    assert (outcome.kind, outcome.ref, tencent.refused) == ("accepted", taken.ref, [])
    assert taken.to == "+86" + PHONE
    assert taken.fields == {
        "SignName": "家园",
        "TemplateId": "1110",
        "TemplateParamSet": ["JY-7K3M9Q", "明天"],
        "SmsSdkAppId": "1400006666",
    }


@pytest.mark.parametrize(
    ("word", "kind", "times"),
    [
        ("limit", "limited", 0),
        ("LimitExceeded.PhoneNumberDailyLimit", "limited", 0),
        ("LimitExceeded.PhoneNumberOneHourLimit", "limited", 0),
        ("FailedOperation.InsufficientBalanceInSmsPackage", "out_of_money", 0),
        ("FailedOperation.SignatureIncorrectOrUnapproved", "misconfigured", 0),
        ("FailedOperation.ContainSensitiveWord", "content_refused", 0),
        ("InvalidParameterValue.IncorrectPhoneNumber", "refused", 0),
        ("FailedOperation.PhoneNumberInBlacklist", "refused", 0),
        ("UnsupportedOperation.ContainDomesticPhoneNumber", "content_refused", 0),
        ("InternalError.OtherError", "throttled", 0),
        ("InternalError.Timeout", "unknown", 0),
        ("RequestLimitExceeded", "throttled", 0),
        ("AuthFailure.SecretIdNotFound", "misconfigured", 0),
        ("Something.Of.NextYear", "throttled", 0),
        ("hang", "unknown", 0),
        ("hang_taken", "unknown", 1),
        ("cut_taken", "unknown", 1),
        ("down_taken", "unknown", 1),
        ("garbage_taken", "unknown", 1),
        ("drip", "unknown", 1),
        ("no_id", "unknown", 1),
    ],
)
def test_what_each_answer_means(tencent: FakeTencent, word: str, kind: str, times: int) -> None:
    tencent.script = [word]
    (outcome,) = make(tencent).send([message()])
    assert outcome.kind == kind
    assert outcome.error
    assert len(tencent.taken) == times


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"key": "another"}, "AuthFailure.SignatureFailure"),
        ({"id": "another"}, "AuthFailure.SecretIdNotFound"),
        ({"clock": lambda: datetime.now(UTC) - timedelta(hours=1)}, "AuthFailure.SignatureExpire"),
    ],
)
def test_keys_and_clocks_that_are_wrong_are_our_configuration(
    tencent: FakeTencent, given: dict[str, Any], code: str
) -> None:
    (outcome,) = make(tencent, **given).send([message()])
    assert (outcome.kind, outcome.code, tencent.taken) == ("misconfigured", code, {})


def test_a_daily_limit_lasts_until_midnight_in_china(tencent: FakeTencent) -> None:
    at = datetime.now(UTC).replace(hour=15, minute=0, second=0, microsecond=0)  # 23:00 in China
    tencent.skew = at.timestamp() - datetime.now(UTC).timestamp()
    tencent.script = ["LimitExceeded.PhoneNumberDailyLimit"]
    assert make(tencent, clock=lambda: at).send([message()])[0].after == 3600


@pytest.mark.parametrize(("status", "kind"), [("SUCCESS", "delivered"), ("FAIL", "refused")])
def test_a_question_tells_what_became_of_a_send_whose_answer_was_lost(
    tencent: FakeTencent, status: str, kind: str
) -> None:
    provider, one, other = make(tencent), message(), message()
    tencent.script = ["ok", "cut_taken"]
    provider.send([other])
    provider.send([one])
    tencent.statuses = {one.request_id: status, other.request_id: "SUCCESS"}
    (outcome,) = provider.query([asked(one)])
    assert (outcome.kind, outcome.ref) == (kind, tencent.taken[one.request_id].ref)


def test_a_listed_message_that_names_nobody_may_be_ours(tencent: FakeTencent) -> None:
    """Tencent hands SessionContext back on request only."""
    provider, one = make(tencent), message()
    provider.send([one])
    tencent.statuses[one.request_id], tencent.says_context = "SUCCESS", False
    assert provider.query([asked(one)])[0].kind == "unknown"
    assert provider.query([asked(one, tencent.taken[one.request_id].ref)])[0].kind == "delivered"


def test_what_is_not_listed_was_never_sent_but_only_after_a_while(tencent: FakeTencent) -> None:
    provider, one = make(tencent, settle=60.0), message()
    assert [o.kind for o in provider.query([asked(one, ago=3), asked(one)])] == ["unknown", "not_found"]


@pytest.mark.parametrize("word", ["hang", "garbage", "down", "InternalError.Timeout", "cut"])
def test_a_question_without_an_answer_leaves_it_unknown(tencent: FakeTencent, word: str) -> None:
    tencent.query_script = [word]
    assert make(tencent).query([asked(message())])[0].kind == "unknown"


def test_the_callback_is_read_and_answered_as_tencent_wants(tencent: FakeTencent) -> None:
    provider, one, other = make(tencent), message(), message()
    provider.send([one, other])
    heard = provider.receipts(tencent.receipts({other.request_id: "UNDELIV"}, order="reversed", times=2), {})
    assert json.loads(heard.body) == {"result": 0, "errmsg": "OK"}
    found = {(r.provider_ref, r.kind, r.code) for r in heard.receipts}
    assert found == {
        (tencent.taken[one.request_id].ref, "delivered", "DELIVRD"),
        (tencent.taken[other.request_id].ref, "undelivered", "UNDELIV"),
    }
    assert len(heard.receipts) == 4


def test_waiting_receipts_are_pulled(tencent: FakeTencent) -> None:
    provider, one = make(tencent), message()
    provider.send([one])
    tencent.waiting = [one.request_id]
    (receipt,) = provider.pull()
    assert (receipt.request_id, receipt.kind) == (one.request_id, "delivered")
    assert provider.pull() == []


@pytest.mark.parametrize("word", ["hang", "garbage", "down", "cut"])
def test_receipts_that_cant_be_pulled_are_none(tencent: FakeTencent, word: str) -> None:
    tencent.query_script = [word]
    assert make(tencent).pull() == []


def test_an_account_without_pulling_is_never_asked(tencent: FakeTencent) -> None:
    assert make(tencent, pulls=False).pull() == []
    assert tencent.requests == []


def test_neither_phone_nor_secret_is_logged_or_shown(
    tencent: FakeTencent, caplog: pytest.LogCaptureFixture
) -> None:
    provider, one = make(tencent), message()
    with caplog.at_level(logging.DEBUG):
        outcomes = provider.send([one]) + provider.query([asked(one)])
    said = caplog.text + repr(outcomes) + repr(provider) + repr(one)
    assert PHONE not in said
    assert "secret-key" not in said
