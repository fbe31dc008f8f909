"""Answers that vendors and the gateways before them give, other than those of the everyday: what they mean."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from typing import Any

import orjson
import pytest

from jiayuan.contracts.ids import new_id
from jiayuan.notify.providers.aliyun import Aliyun
from jiayuan.notify.providers.base import Asked, Message
from jiayuan.notify.providers.configured import Approved
from jiayuan.notify.providers.http import HttpProvider
from jiayuan.notify.providers.tencent import Tencent
from jiayuan.notify.providers.webhook import Webhook
from jiayuan.notify.providers.wechat import Wechat

from .fakes.base import Fake, Request
from .test_wechat import Shelf

SEND = Message(new_id(), "c", "sms", "13900001234", text="x", template="received", parameters={})
TEMPLATES = {"received": Approved("T1", {})}
LONG_AGO = datetime.now(UTC) - timedelta(hours=1)


class Says(Fake):
    """Says what it is told to, whatever is asked; a token of WeChat always."""

    def __init__(self) -> None:
        super().__init__()
        self.status, self.document, self.headers = 200, b"", dict[str, str]()

    def handle(self, http: BaseHTTPRequestHandler, request: Request) -> None:
        """Answer."""
        if request.path.endswith("stable_token"):
            self.answer(http, 200, {"access_token": "t", "expires_in": 7200})
        else:
            self.answer(http, self.status, self.document, self.headers)


@pytest.fixture
def says() -> Iterator[Says]:
    """The server."""
    made = Says()
    yield made
    made.close()


def provider(vendor: str, says: Says) -> Any:
    """A client of it."""
    more: dict[str, Any] = {"address": says.url, "templates": TEMPLATES}
    match vendor:
        case "aliyun":
            return Aliyun("id", "secret", "家园", settle=0.0, **more)
        case "tencent":
            return Tencent("id", "key", "1400", "家园", settle=0.0, **more)
        case "wechat":
            return Wechat("wx0", "secret", Shelf(), **more)
        case "webhook":
            return Webhook(says.url, ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
        case _:
            return HttpProvider(says.url)


def error(code: str) -> dict[str, Any]:
    """Tencent's error of a whole request."""
    return {"Response": {"Error": {"Code": code, "Message": "as told"}, "RequestId": "r"}}


def status(code: str, serial: str = "s1") -> dict[str, Any]:
    """Tencent's status of one number."""
    one = {"Code": code, "Message": "as told", "SerialNo": serial, "PhoneNumber": "+8613900001234"}
    return {"Response": {"SendStatusSet": [one], "RequestId": "r"}}


SENDS = [
    # A refusal in the vendor's own form counts whatever the status; a gateway's failure may come after the message.
    ("aliyun", 403, {"Code": "Forbidden.RAM", "Message": "no"}, "misconfigured"),
    ("aliyun", 503, {"Code": "ServiceUnavailable", "Message": "no"}, "throttled"),
    ("aliyun", 502, {"Code": "BadGateway", "Message": "no"}, "unknown"),
    ("aliyun", 200, {"Code": "isv.DAY_LIMIT_CONTROL", "Message": "触发日发送限额"}, "throttled"),
    ("aliyun", 200, {"Code": "isv.SMS_SIGN_ILLEGAL", "Message": "no"}, "misconfigured"),
    ("aliyun", 200, {"Code": "VALVE:H_MC", "Message": "no"}, "limited"),
    ("aliyun", 200, {"Code": "OK", "Message": "OK", "BizId": None}, "unknown"),
    ("aliyun", 200, {"Code": "OK", "Message": "OK", "BizId": 12}, "accepted"),
    ("aliyun", 200, ["OK"], "unknown"),
    ("tencent", 200, error("AuthFailure.SignatureExpire"), "misconfigured"),
    ("tencent", 403, error("AuthFailure.SignatureFailure"), "misconfigured"),
    ("tencent", 429, error("RequestLimitExceeded"), "throttled"),
    ("tencent", 500, error("InternalError"), "throttled"),
    ("tencent", 502, error("SomethingNew"), "unknown"),
    ("tencent", 502, status("Ok"), "unknown"),
    ("tencent", 200, status("Ok", ""), "unknown"),
    ("tencent", 200, status("ok"), "accepted"),
    ("tencent", 200, {"Response": {"SendStatusSet": [], "RequestId": "r"}}, "unknown"),
    ("tencent", 200, {"Response": {"Error": None}}, "unknown"),
    ("wechat", 200, {"errcode": 0, "errmsg": "ok", "msgid": 1}, "accepted"),
    ("wechat", 200, {"errcode": "43101", "errmsg": "user refuse"}, "no_consent"),
    ("wechat", 429, {"errcode": 45011, "errmsg": "freq limit"}, "throttled"),
    ("wechat", 502, {"errcode": 0, "errmsg": "ok"}, "unknown"),
    ("wechat", 200, {"errmsg": "ok"}, "unknown"),
    ("http", 402, {"error": "pay"}, "out_of_money"),
    ("http", 408, {"error": "slow"}, "unknown"),
    ("http", 409, {"error": "the same request is under way"}, "unknown"),
    ("http", 410, {"error": "gone"}, "misconfigured"),
    ("http", 413, {"error": "long"}, "refused"),
    ("http", 302, b"", "misconfigured"),
    ("http", 503, b"<html>", "unknown"),
    ("http", 200, {"id": 7}, "accepted"),
    ("webhook", 204, b"", "delivered"),
    ("webhook", 302, b"", "throttled"),
    ("webhook", 400, b"", "throttled"),
    ("webhook", 410, b"", "misconfigured"),
]


@pytest.mark.parametrize(
    ("vendor", "code", "document", "kind"),
    SENDS,
    ids=[f"{v}-{c}-{k}-{n}" for n, (v, c, _, k) in enumerate(SENDS)],
)
def test_what_an_answer_to_a_send_means(says: Says, vendor: str, code: int, document: Any, kind: str) -> None:
    says.status, says.document = code, document
    assert provider(vendor, says).send([SEND])[0].kind == kind


def listed(**more: Any) -> dict[str, Any]:
    """Aliyun's answer to a question."""
    return {"Code": "OK", "Message": "OK", "RequestId": "r"} | more


MINE: dict[str, Any] = {"OutId": SEND.request_id, "SendStatus": "3", "ErrCode": "DELIVERED"}
QUESTIONS = [
    ("aliyun", 200, listed(TotalCount="0"), "not_found"),
    ("aliyun", 200, listed(TotalCount=0, SmsSendDetailDTOs={}), "not_found"),
    ("aliyun", 200, listed(TotalCount=1), "unknown"),
    ("aliyun", 200, listed(TotalCount=1, SmsSendDetailDTOs={"SmsSendDetailDTO": [MINE]}), "delivered"),
    ("aliyun", 200, listed(TotalCount=1, SmsSendDetailDTOs=[MINE]), "delivered"),
    ("aliyun", 400, {"Code": "Throttling.User", "Message": "no"}, "unknown"),
    ("tencent", 403, error("AuthFailure"), "unknown"),
    ("tencent", 200, {"Response": {"PullSmsSendStatusSet": None}}, "unknown"),
    ("http", 410, {"error": "gone"}, "unknown"),
    ("http", 200, {"id": 7, "state": "delivered"}, "delivered"),
]


@pytest.mark.parametrize(
    ("vendor", "code", "document", "kind"),
    QUESTIONS,
    ids=[f"{v}-{c}-{k}-{n}" for n, (v, c, _, k) in enumerate(QUESTIONS)],
)
def test_what_an_answer_to_a_question_means(
    says: Says, vendor: str, code: int, document: Any, kind: str
) -> None:
    says.status, says.document = code, document
    (outcome,) = provider(vendor, says).query([Asked(SEND.request_id, None, SEND.to, LONG_AGO)])
    assert outcome.kind == kind


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [("7", 7, 7), ("99999", 3600, 3600), ("date", 25, 30), ("past", 0, 0), ("soon", 0, 0), ("-3", 0, 0)],
)
def test_retry_after_may_be_a_date(says: Says, value: str, least: float, most: float) -> None:
    ahead = {"date": 30, "past": -30}.get(value)
    if ahead is not None:
        value = format_datetime(datetime.now(UTC) + timedelta(seconds=ahead), usegmt=True)
    says.status, says.headers = 429, {"Retry-After": value}
    assert least <= provider("http", says).send([SEND])[0].after <= most


def test_a_receipt_that_says_nothing_of_the_message_is_none(says: Says) -> None:
    body = orjson.dumps([{"out_id": SEND.request_id, "biz_id": "b"}, 7, {}])
    assert provider("aliyun", says).receipts(body, {}).receipts == []
