"""Signatures equal the vendors' published examples."""

from __future__ import annotations

import base64
import hmac
import re
from pathlib import Path

import pytest

from jiayuan.notify.providers import signing

pytestmark = pytest.mark.unit


def test_aliyuns_published_example() -> None:
    """https://www.alibabacloud.com/help/en/sdk/product-overview/v3-request-structure-and-signature"""
    headers = {
        "host": "ecs.cn-shanghai.aliyuncs.com",
        "x-acs-action": "RunInstances",
        "x-acs-content-sha256": signing.sha256(b""),
        "x-acs-date": "2023-10-26T10:22:32Z",
        "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
        "x-acs-version": "2014-05-26",
    }
    query = {
        "RegionId": "cn-shanghai",
        "ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd",
    }
    made = signing.acs3(
        "YourAccessKeyId", "YourAccessKeySecret", headers, query=signing.canonical_query(query)
    )
    assert made == (
        "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;x-acs-content-sha256;"
        "x-acs-date;x-acs-signature-nonce;x-acs-version,"
        "Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    )


@pytest.mark.parametrize(
    ("key", "headers", "signature"),
    [
        # https://cloud.tencent.com/document/api/382/52067 (its keys are asterisks)
        (
            "*" * 32,
            {
                "content-type": "application/json; charset=utf-8",
                "host": "cvm.tencentcloudapi.com",
                "x-tc-action": "DescribeInstances",
            },
            "10b1a37a7301a02ca19a647ad722d5e43b4b3cff309d421d85b46093f6ab6c4f",
        ),
        # https://intl.cloud.tencent.com/zh/document/api/1021/34193, as it was before
        (
            "Gu5t9xGARNpq86cd98joQYCN3*******",
            {"content-type": "application/json; charset=utf-8", "host": "cvm.tencentcloudapi.com"},
            "2230eefd229f582d8b1b891af7107b91597240707d778ab3738f756258d7652c",
        ),
    ],
)
def test_tencents_published_examples(key: str, headers: dict[str, str], signature: str) -> None:
    body = rb'{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}'
    made = signing.tc3("AKIDEXAMPLE", key, headers, service="cvm", timestamp=1551113065, body=body)
    assert made == (
        "TC3-HMAC-SHA256 Credential=AKIDEXAMPLE/2019-02-25/cvm/tc3_request, "
        f"SignedHeaders={';'.join(headers)}, Signature={signature}"
    )


def test_the_published_example_of_standard_webhooks() -> None:
    """https://github.com/standard-webhooks/standard-webhooks/tree/main/libraries (the vector of its libraries)"""
    key = signing.webhook_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    made = signing.webhook(
        [key, b"k" * 24], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    first, second = made.split(" ")
    assert first == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert second.startswith("v1,")
    assert second != first


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_!!", "whsec_" + base64.b64encode(b"x" * 23).decode(), "x" * 32]
)
def test_a_webhook_secret_that_is_none_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="whsec_"):
        signing.webhook_key(secret)


def test_a_query_is_encoded_by_rfc_3986_in_order_of_its_names() -> None:
    assert signing.canonical_query({"b": "a b*~", "A": "路灯/+"}) == "A=%E8%B7%AF%E7%81%AF%2F%2B&b=a%20b%2A~"


@pytest.mark.parametrize("spoiled", [False, True])
def test_the_integrators_page_checks_a_webhook(spoiled: bool) -> None:
    """Its lines of Python take what we sign, also with two secrets, and nothing else."""
    page = (Path(__file__).resolve().parents[3] / "docs/integrators.md").read_text(encoding="utf-8")
    (lines,) = re.findall(r"```\n(key = base64.*?)```", page, re.DOTALL)
    secrets = ["whsec_" + base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2)]
    body = b'{"type": "notice"}'
    signature = signing.webhook([signing.webhook_key(s) for s in secrets], "r-1", 1764000000, body)
    for secret in secrets:
        known: dict[str, object] = {"base64": base64, "hmac": hmac, "secret": secret, "id": "r-1"}
        known |= {"timestamp": "1764000000", "signature": signature, "body": body + b" " if spoiled else body}
        exec(lines, known)
        assert known["good"] is not spoiled
