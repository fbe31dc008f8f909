"""Whatever comes in by a callback is heard or refused, never more."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fakes import FakeWechat
from fakes.wechat import _sha1
from hypothesis import given, settings
from hypothesis import strategies as st

from jiayuan.chassis.testing.models import examples
from jiayuan.notify.providers.aliyun import Aliyun
from jiayuan.notify.providers.base import Heard
from jiayuan.notify.providers.tencent import Tencent
from jiayuan.notify.providers.wechat import Wechat
from jiayuan.notify.receipts import key, usable

pytestmark = pytest.mark.unit

LEAF = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=20), st.just("\0")
)
NAMES = st.sampled_from(
    [
        "out_id",
        "biz_id",
        "success",
        "err_code",
        "report_time",
        "sid",
        "report_status",
        "errmsg",
        "user_receive_time",
        "Event",
        "FromUserName",
        "CreateTime",
        "List",
        "SubscribeMsgPopupEvent",
        "SubscribeMsgSentEvent",
        "TemplateId",
        "SubscribeStatusString",
        "MsgID",
        "ErrorCode",
        "Encrypt",
    ]
)
JSON = st.recursive(
    LEAF,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(NAMES, inner, max_size=8)),
    max_leaves=20,
)
EVENT = st.fixed_dictionaries(
    {
        "Event": st.sampled_from(["subscribe_msg_popup_event", "subscribe_msg_sent_event", "other"]),
        "CreateTime": st.one_of(st.just("1770000000"), LEAF),
        "FromUserName": LEAF,
        "List": JSON,
    }
)
SIGNED = {"timestamp": "1", "nonce": "n", "signature": _sha1("push-token", "1", "n")}
PROVIDERS: list[Any] = [
    Aliyun("key-id", "key-secret", "家园"),
    Tencent("secret-id", "secret-key", "1400006666", "家园"),
    Wechat("wx0", "app-secret", None, push_token="push-token"),  # type: ignore[arg-type]
]


def hear(provider: Any, body: bytes) -> Heard | None:
    """What is heard, None when it is refused."""
    try:
        heard: Heard = provider.receipts(body, SIGNED)
    except ValueError:
        return None
    return heard


def check(heard: Heard | None) -> None:
    """What is heard can be kept."""
    for receipt in heard.receipts if heard else ():
        kept = usable(receipt)
        if kept is not None:
            assert key("x", kept)
            assert "\0" not in f"{kept.provider_ref}{kept.code}"
            assert len(kept.provider_ref or "") <= 128
            assert len(kept.code or "") <= 64
    for consent in heard.consents if heard else ():
        assert consent.status in ("accept", "reject")
        assert "\0" not in consent.openid + consent.template


@settings(max_examples=examples(150), deadline=None)
@given(st.one_of(JSON, st.lists(JSON, max_size=5), EVENT))
def test_any_json_is_heard_or_refused(document: Any) -> None:
    for provider in PROVIDERS:
        check(hear(provider, json.dumps(document).encode()))


@settings(max_examples=examples(80), deadline=None)
@given(st.one_of(st.binary(max_size=200), st.text(max_size=100).map(lambda t: f"<xml>{t}</xml>".encode())))
def test_any_bytes_are_heard_or_refused(body: bytes) -> None:
    for provider in PROVIDERS:
        check(hear(provider, body))


@pytest.mark.parametrize(
    "body",
    [
        b"<a>" * 50_000 + b"x" + b"</a>" * 50_000,
        b"[" * 50_000 + b"]" * 50_000,
        b'{"Event":' * 20_000 + b"1" + b"}" * 20_000,
    ],
)
def test_what_is_nested_without_end_is_refused(body: bytes) -> None:
    assert [hear(provider, body) for provider in PROVIDERS] == [None] * 3


def test_a_fake_event_is_heard(wechat: FakeWechat) -> None:
    """Else the properties above would hold of a provider that refuses everything."""
    heard = hear(PROVIDERS[2], wechat.popup("o1", {"tmpl-1": "accept"}))
    assert heard is not None
    assert [c.status for c in heard.consents] == ["accept"]
