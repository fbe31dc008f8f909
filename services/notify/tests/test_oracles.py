"""The vendors' own SDKs as oracles: our requests are those that they would send, and their receivers take ours."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from alibabacloud_dysmsapi20170525 import models as dysms
from alibabacloud_dysmsapi20170525.client import Client as DysmsClient
from alibabacloud_tea_openapi.utils_models import Config
from fakes import FakeAliyun, FakeTencent, FakeWebhook
from fakes.base import Request
from standardwebhooks import Webhook as Receiver
from tencentcloud.common.credential import Credential
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.sms.v20210111 import models as sms
from tencentcloud.sms.v20210111.sms_client import SmsClient

from jiayuan.contracts.ids import new_id
from jiayuan.notify.providers import signing
from jiayuan.notify.providers.aliyun import Aliyun
from jiayuan.notify.providers.base import Asked, Message
from jiayuan.notify.providers.configured import Approved
from jiayuan.notify.providers.tencent import Tencent
from jiayuan.notify.providers.webhook import Webhook

pytestmark = pytest.mark.unit

PHONE = "13900001234"
ONE = Message(
    new_id(),
    "citizen-1",
    "sms",
    PHONE,
    template="received",
    parameters={"code": "JY-7K3M9Q", "due": "明天 9:00"},
)


@dataclass
class Authorization:
    """The parts of an Authorization header."""

    credential: str
    signed: list[str]
    signature: str


def authorization(request: Request) -> Authorization:
    """The header of a request."""
    found = re.search(
        r"Credential=([^,]+),\s*SignedHeaders=([^,]+),\s*Signature=(\w+)", request.headers["authorization"]
    )
    assert found
    return Authorization(found[1], found[2].split(";"), found[3])


def told(request: Request, *names: str) -> dict[str, str]:
    """Some headers of a request."""
    return {name: request.headers[name] for name in names}


# -- Aliyun ----------------------------------------------------------------------------------------


def dysms_client(fake: FakeAliyun) -> DysmsClient:
    """Aliyun's own client, on loopback."""
    endpoint = urlsplit(fake.url).netloc
    return DysmsClient(
        Config(access_key_id="key-id", access_key_secret="key-secret", endpoint=endpoint, protocol="http")
    )


def ours_at(fake: FakeAliyun, theirs: Request) -> Aliyun:
    """Our client at the moment of their request, with its nonce."""
    at = datetime.strptime(theirs.headers["x-acs-date"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    fake.nonces.clear()
    return Aliyun(
        "key-id",
        "key-secret",
        "家园",
        address=fake.url,
        templates={"received": Approved("SMS_1")},
        clock=lambda: at,
        nonce=lambda: theirs.headers["x-acs-signature-nonce"],
    )


def assert_alike(theirs: Request, ours: Request) -> None:
    """Both say the same, and our signature over what they signed is theirs."""
    assert (theirs.method, theirs.path) == (ours.method, ours.path)
    assert sorted(parse_qsl(theirs.query)) == sorted(parse_qsl(ours.query))
    names = [n for n in ours.headers if n.startswith("x-acs-")]
    assert told(theirs, *names) == told(ours, *names)
    by_them, by_us = authorization(theirs), authorization(ours)
    assert by_them.credential == by_us.credential == "key-id"
    assert set(by_us.signed) <= set(by_them.signed)
    query = signing.canonical_query(dict(parse_qsl(theirs.query)))
    made = signing.acs3(
        "key-id", "key-secret", told(theirs, *by_them.signed), path="/", query=query, body=theirs.body
    )
    assert made.endswith(by_them.signature)
    if by_us.signed == by_them.signed:
        assert by_us.signature == by_them.signature


def test_send_sms_is_what_aliyuns_sdk_sends(aliyun: FakeAliyun) -> None:
    answer = dysms_client(aliyun).send_sms(
        dysms.SendSmsRequest(
            out_id=ONE.request_id,
            phone_numbers=PHONE,
            sign_name="家园",
            template_code="SMS_1",
            template_param=json.dumps(dict(ONE.parameters), ensure_ascii=False, separators=(",", ":")),
        )
    )
    assert answer.body.code == "OK"
    assert ours_at(aliyun, aliyun.requests[0]).send([ONE])[0].ref == answer.body.biz_id
    assert aliyun.refused == []
    assert_alike(*aliyun.requests)


def test_query_send_details_is_what_aliyuns_sdk_sends(aliyun: FakeAliyun) -> None:
    taken = aliyun.air(ONE.request_id, PHONE)
    day = (datetime.now(UTC) + timedelta(hours=8)).strftime("%Y%m%d")
    found = dysms_client(aliyun).query_send_details(
        dysms.QuerySendDetailsRequest(
            biz_id=taken.ref, current_page=1, page_size=50, phone_number=PHONE, send_date=day
        )
    )
    (detail,) = found.body.sms_send_detail_dtos.sms_send_detail_dto
    assert (detail.out_id, detail.send_status) == (ONE.request_id, 1)
    provider = ours_at(aliyun, aliyun.requests[0])
    assert provider.query([Asked(ONE.request_id, taken.ref, PHONE, datetime.now(UTC))])[0].kind == "accepted"
    assert_alike(*aliyun.requests)


# -- Tencent Cloud ---------------------------------------------------------------------------------


def sms_client(fake: FakeTencent) -> SmsClient:
    """Tencent Cloud's own client, on loopback."""
    profile = ClientProfile(
        httpProfile=HttpProfile(protocol="http", endpoint=urlsplit(fake.url).netloc, reqTimeout=5)
    )
    return SmsClient(Credential("secret-id", "secret-key"), "ap-guangzhou", profile)


def filled(request: Any, **fields: Any) -> Any:
    """A request of their client."""
    for name, value in fields.items():
        setattr(request, name, value)
    return request


@pytest.mark.parametrize("action", ["SendSms", "PullSmsSendStatusByPhoneNumber", "PullSmsSendStatus"])
def test_requests_are_what_tencents_sdk_sends(tencent: FakeTencent, action: str) -> None:
    theirs, sent_at = sms_client(tencent), datetime.now(UTC)
    at: list[datetime] = []
    provider = Tencent(
        "secret-id",
        "secret-key",
        "1400006666",
        "家园",
        address=tencent.url,
        templates={"received": Approved("1110")},
        clock=lambda: at[0],
        pulls=True,
    )
    match action:
        case "SendSms":
            theirs.SendSms(
                filled(
                    sms.SendSmsRequest(),
                    PhoneNumberSet=["+86" + PHONE],
                    SmsSdkAppId="1400006666",
                    TemplateId="1110",
                    SignName="家园",
                    TemplateParamSet=list(ONE.parameters.values()),
                    SessionContext=ONE.request_id,
                )
            )
        case "PullSmsSendStatus":
            theirs.PullSmsSendStatus(
                filled(sms.PullSmsSendStatusRequest(), SmsSdkAppId="1400006666", Limit=100)
            )
        case _:
            theirs.PullSmsSendStatusByPhoneNumber(
                filled(
                    sms.PullSmsSendStatusByPhoneNumberRequest(),
                    SmsSdkAppId="1400006666",
                    PhoneNumber="+86" + PHONE,
                    BeginTime=int((sent_at - timedelta(seconds=60)).timestamp()),
                    EndTime=int((sent_at + timedelta(seconds=60)).timestamp()),
                    Offset=0,
                    Limit=100,
                )
            )
    their = tencent.requests[0]
    at.append(datetime.fromtimestamp(int(their.headers["x-tc-timestamp"]), UTC))
    match action:
        case "SendSms":
            assert provider.send([ONE])[0].kind == "accepted"
            assert tencent.taken[ONE.request_id].times == 2
        case "PullSmsSendStatus":
            assert provider.pull() == []
        case _:
            assert provider.query([Asked(ONE.request_id, None, PHONE, sent_at)])[0].kind == "unknown"
    our = tencent.requests[1]
    assert tencent.refused == []
    assert json.loads(our.body) == json.loads(their.body)
    names = ("host", "content-type", "x-tc-action", "x-tc-version", "x-tc-region", "x-tc-timestamp")
    assert told(our, *names) == told(their, *names)
    assert authorization(our).signed == authorization(their).signed
    # Bodies are spelled differently, so the signatures are compared over theirs.
    signed = told(their, *authorization(their).signed)
    timestamp = int(their.headers["x-tc-timestamp"])
    made = signing.tc3("secret-id", "secret-key", signed, service="sms", timestamp=timestamp, body=their.body)
    assert made == their.headers["authorization"]


# -- Standard Webhooks -----------------------------------------------------------------------------


def test_the_reference_library_takes_our_webhooks(receiver: FakeWebhook) -> None:
    assert Webhook(receiver.url, [receiver.secret]).send([ONE])[0].kind == "delivered"
    (request,) = receiver.requests
    heard = Receiver(receiver.secret).verify(request.body, request.headers)
    assert heard["data"]["id"] == ONE.request_id
