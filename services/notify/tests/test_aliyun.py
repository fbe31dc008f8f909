"""Aliyun's client against Aliyun on loopback."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fakes import FakeAliyun

from jiayuan.contracts.ids import new_id
from jiayuan.notify.providers.aliyun import Aliyun
from jiayuan.notify.providers.base import Asked, Message
from jiayuan.notify.providers.configured import Approved

pytestmark = pytest.mark.unit

PHONE = "13900001234"
TEMPLATES = {"received": Approved("SMS_1", {"code": "tracking_code"})}


def message(template: str = "received", to: str = PHONE) -> Message:
    """A message."""
    return Message(
        new_id(),
        "citizen-1",
        "sms",
        to,
        template=template,
        parameters={"tracking_code": "JY-7K3M9Q", "due": "x"},
    )


def asked(one: Message, ref: str | None = None, ago: float = 60.0) -> Asked:
    """A question about a message."""
    return Asked(one.request_id, ref, one.to, datetime.now(UTC) - timedelta(seconds=ago))


def make(fake: FakeAliyun, **given: Any) -> Aliyun:
    """Our client of the fake."""
    given = {"timeout": 0.4, "concurrency": 3, "templates": TEMPLATES} | given
    return Aliyun(
        given.pop("key_id", "key-id"), given.pop("secret", "key-secret"), "家园", address=fake.url, **given
    )


def test_a_send_is_signed_and_carries_our_request_id(aliyun: FakeAliyun) -> None:
    one = message()
    (outcome,) = make(aliyun).send([one])
    taken = aliyun.taken[one.request_id]
    assert (outcome.kind, outcome.ref, aliyun.refused) == ("accepted", taken.ref, [])
    assert (taken.to, taken.fields["SignName"], taken.fields["TemplateCode"]) == (PHONE, "家园", "SMS_1")
    assert json.loads(taken.fields["TemplateParam"]) == {"code": "JY-7K3M9Q"}


def test_an_address_with_a_path_is_signed_with_it(aliyun: FakeAliyun) -> None:
    aliyun.url += "/behind/a/gateway"
    assert make(aliyun).send([message()])[0].kind == "accepted"
    assert aliyun.requests[0].path == "/behind/a/gateway/"


@pytest.mark.parametrize(
    ("word", "kind", "times"),
    [
        ("limit", "limited", 0),
        ("isv.MOBILE_NUMBER_ILLEGAL", "refused", 0),
        ("isv.OUT_OF_SERVICE", "out_of_money", 0),
        ("isv.AMOUNT_NOT_ENOUGH", "out_of_money", 0),
        ("isv.ACCOUNT_NOT_EXISTS", "misconfigured", 0),
        ("isv.SMS_SIGNATURE_ILLEGAL", "misconfigured", 0),
        ("isv.SMS_TEMPLATE_ILLEGAL", "content_refused", 0),
        ("isv.BLACK_KEY_CONTROL_LIMIT", "content_refused", 0),
        ("isv.MOBILE_COUNT_OVER_LIMIT", "content_refused", 0),
        ("isv.PARAM_LENGTH_LIMIT", "content_refused", 0),
        ("isp.SYSTEM_ERROR", "throttled", 0),
        ("Throttling.User", "throttled", 0),
        ("isv.A_CODE_OF_NEXT_YEAR", "throttled", 0),
        ("hang", "unknown", 0),
        ("hang_taken", "unknown", 1),
        ("cut", "unknown", 0),
        ("cut_taken", "unknown", 1),
        ("down", "unknown", 0),
        ("down_taken", "unknown", 1),
        ("garbage_taken", "unknown", 1),
        ("drip", "unknown", 1),
        ("no_id", "unknown", 1),
    ],
)
def test_what_each_answer_means(aliyun: FakeAliyun, word: str, kind: str, times: int) -> None:
    aliyun.script = [word]
    one = message()
    (outcome,) = make(aliyun).send([one])
    assert outcome.kind == kind
    assert outcome.error
    assert len(aliyun.taken) == times


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"secret": "another"}, "SignatureDoesNotMatch"),
        ({"key_id": "another"}, "InvalidAccessKeyId.NotFound"),
        ({"clock": lambda: datetime.now(UTC) - timedelta(hours=1)}, "InvalidTimeStamp.Expired"),
    ],
)
def test_keys_and_clocks_that_are_wrong_are_our_configuration(
    aliyun: FakeAliyun, given: dict[str, Any], code: str
) -> None:
    (outcome,) = make(aliyun, **given).send([message()])
    assert (outcome.kind, outcome.code, aliyun.taken) == ("misconfigured", code, {})


@pytest.mark.parametrize(
    ("words", "after"),
    [
        ("触发分钟级流控Permits:1", 60),
        ("触发小时级流控Permits:5", 3600),
        ("触发天级流控Permits:10", 9 * 3600),
        ("触发流控", 3600),
    ],
)
def test_a_limit_says_of_which_window_it_is(
    aliyun: FakeAliyun, monkeypatch: pytest.MonkeyPatch, words: str, after: float
) -> None:
    at = datetime.now(UTC).replace(hour=7, minute=0, second=0, microsecond=0)  # 15:00 in China
    aliyun.skew = at.timestamp() - datetime.now(UTC).timestamp()
    monkeypatch.setattr("fakes.aliyun.LIMIT", ("isv.BUSINESS_LIMIT_CONTROL", words))
    aliyun.script = ["limit"]
    (outcome,) = make(aliyun, clock=lambda: at).send([message()])
    assert (outcome.kind, outcome.after) == ("limited", after)


def test_no_connection_means_that_nothing_was_sent(aliyun: FakeAliyun) -> None:
    aliyun.close()
    assert make(aliyun).send([message()])[0].kind == "throttled"


def test_a_template_that_is_not_configured_as_it_should_be_costs_no_call(aliyun: FakeAliyun) -> None:
    provider = make(aliyun, templates={"received": Approved("SMS_1", {"code": "nothing"})})
    kinds = [o.kind for o in provider.send([message(), message("")])]
    assert (kinds, aliyun.requests) == (["content_refused"] * 2, [])


def test_without_any_templates_configured_the_name_is_the_id(aliyun: FakeAliyun) -> None:
    one = message("SMS_9")
    make(aliyun, templates={}).send([one])
    taken = aliyun.taken[one.request_id]
    assert taken.fields["TemplateCode"] == "SMS_9"
    assert json.loads(taken.fields["TemplateParam"]) == {"tracking_code": "JY-7K3M9Q", "due": "x"}


def test_a_provider_goes_on_with_what_it_has_approved(aliyun: FakeAliyun) -> None:
    provider = make(aliyun, templates={"received@1": Approved("SMS_1"), "received@2+due": Approved("SMS_2")})
    sent = []
    for version, variant in ((1, ""), (3, ""), (3, "due")):
        one = replace(message(), version=version, variant=variant)
        provider.send([one])
        sent.append(aliyun.taken[one.request_id].fields["TemplateCode"])
    assert sent == ["SMS_1", "SMS_1", "SMS_2"]
    assert provider.send([replace(message(), version=1, variant="due")])[0].kind == "content_refused"


@pytest.mark.parametrize(("status", "kind"), [(1, "accepted"), (2, "refused"), (3, "delivered")])
def test_a_question_tells_what_became_of_a_send_whose_answer_was_lost(
    aliyun: FakeAliyun, status: int, kind: str
) -> None:
    provider, one, other = make(aliyun), message(), message()
    aliyun.script = ["ok", "cut_taken"]
    provider.send([other])
    provider.send([one])
    aliyun.statuses[one.request_id] = status
    assert provider.query([asked(one)])[0].kind == kind
    assert all(t.times == 1 for t in aliyun.taken.values())


def test_what_is_not_listed_was_never_sent_but_only_after_a_while(aliyun: FakeAliyun) -> None:
    provider, one = make(aliyun, settle=15.0), message()
    assert [o.kind for o in provider.query([asked(one, ago=3), asked(one, ago=60)])] == [
        "unknown",
        "not_found",
    ]


@pytest.mark.parametrize("word", ["hang", "garbage", "down", "isp.SYSTEM_ERROR", "cut"])
def test_a_question_without_an_answer_leaves_it_unknown(aliyun: FakeAliyun, word: str) -> None:
    aliyun.query_script = [word]
    assert make(aliyun).query([asked(message())])[0].kind == "unknown"


def test_a_number_with_many_messages_is_looked_through_page_by_page(aliyun: FakeAliyun) -> None:
    provider, one = make(aliyun), message()
    for _ in range(60):
        aliyun.air(new_id(), PHONE)
    aliyun.air(one.request_id, PHONE)
    assert provider.query([asked(one)])[0].kind == "accepted"
    assert provider.query([asked(one, aliyun.taken[one.request_id].ref)])[0].kind == "accepted"


def test_a_message_of_midnight_is_looked_for_on_both_days(aliyun: FakeAliyun) -> None:
    sent = datetime(2026, 3, 2, 15, 58, tzinfo=UTC)  # 23:58 in China
    later = sent + timedelta(minutes=10)
    aliyun.skew = later.timestamp() - datetime.now(UTC).timestamp()
    one = message()
    aliyun.air(one.request_id, PHONE).at = (sent + timedelta(minutes=3)).timestamp()
    provider = make(aliyun, clock=lambda: later)
    assert provider.query([Asked(one.request_id, None, PHONE, sent)])[0].kind == "accepted"


def test_the_callback_is_read_and_answered_as_aliyun_wants(aliyun: FakeAliyun) -> None:
    provider, one, other = make(aliyun), message(), message()
    provider.send([one, other])
    body = aliyun.receipts({other.request_id: "MOBILE_NOT_ON_SERVICE"}, order="reversed", times=2)
    heard = provider.receipts(body, {})
    assert json.loads(heard.body) == {"code": 0, "msg": "接收成功"}
    found = {(r.request_id, r.kind, r.code) for r in heard.receipts}
    assert found == {
        (one.request_id, "delivered", "DELIVERED"),
        (other.request_id, "undelivered", "MOBILE_NOT_ON_SERVICE"),
    }
    assert len(heard.receipts) == 4
    assert all(r.provider_ref and r.at and r.at.utcoffset() == timedelta(hours=8) for r in heard.receipts)


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff", b'"x"'])
def test_a_body_that_is_no_array_is_refused(aliyun: FakeAliyun, body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        make(aliyun).receipts(body, {})


def test_items_that_name_nothing_are_passed_over(aliyun: FakeAliyun) -> None:
    body = json.dumps(
        [1, None, {}, {"success": True}, {"out_id": "a", "success": "false", "report_time": "?"}]
    )
    (receipt,) = make(aliyun).receipts(body.encode(), {}).receipts
    assert (receipt.request_id, receipt.kind, receipt.at) == ("a", "undelivered", None)


def test_neither_phone_nor_secret_is_logged_or_shown(
    aliyun: FakeAliyun, caplog: pytest.LogCaptureFixture
) -> None:
    provider, one = make(aliyun), message()
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("urllib3").debug("must not be heard")
        aliyun.script = ["ok", "hang", "isv.MOBILE_NUMBER_ILLEGAL"]
        outcomes = [provider.send([m])[0] for m in (one, message(), message())]
        outcomes += provider.query([asked(one)])
    said = caplog.text + repr(outcomes) + repr(provider) + repr(one) + repr(asked(one))
    assert PHONE not in said
    assert "key-secret" not in said
    assert "must not be heard" not in said
