"""The signed webhook against a receiver on loopback."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from fakes import FakeWebhook

from jiayuan.contracts.ids import new_id
from jiayuan.notify.providers.base import Asked, Message
from jiayuan.notify.providers.webhook import Webhook

pytestmark = pytest.mark.unit

PHONE = "13900001234"
OTHER = "whsec_" + base64.b64encode(b"another-secret-of-32-bytes-here!").decode()


def message() -> Message:
    """A message."""
    return Message(
        new_id(), "citizen-1", "webhook", PHONE, "【家园】已受理", "received", {"tracking_code": "JY-7K3M9Q"}
    )


def make(fake: FakeWebhook, *secrets: str, **given: Any) -> Webhook:
    """Our client of the receiver."""
    return Webhook(fake.url, secrets or [fake.secret], timeout=0.4, **given)


def test_the_body_says_what_the_notice_says_and_no_phone_unless_configured(receiver: FakeWebhook) -> None:
    one = message()
    assert make(receiver).send([one])[0].kind == "delivered"
    body = json.loads(receiver.requests[0].body)
    assert (body["type"], sorted(body["data"])) == (
        "notice",
        ["id", "parameters", "recipient", "template", "text"],
    )
    assert make(receiver, with_address=True).send([one])[0].kind == "delivered"
    assert json.loads(receiver.requests[1].body)["data"]["to"] == PHONE


def test_secrets_change_without_a_gap(receiver: FakeWebhook) -> None:
    both = make(receiver, OTHER, receiver.secret)
    assert both.send([message()])[0].kind == "delivered"
    receiver.secret = OTHER
    assert both.send([message()])[0].kind == "delivered"
    receiver.secret = "whsec_" + base64.b64encode(b"z" * 24).decode()
    assert both.send([message()])[0].kind == "throttled"


@pytest.mark.parametrize(
    ("word", "kind", "after"),
    [
        ("200", "delivered", 0),
        ("410", "misconfigured", 0),
        ("400", "throttled", 0),
        ("302", "throttled", 0),
        ("limit", "throttled", 7),
        ("down", "throttled", 0),
        ("hang", "throttled", 0),
        ("cut_taken", "throttled", 0),
        ("drip", "throttled", 0),
    ],
)
def test_what_each_answer_means(receiver: FakeWebhook, word: str, kind: str, after: float) -> None:
    receiver.script = [word]
    (outcome,) = make(receiver).send([message()])
    assert (outcome.kind, outcome.after) == (kind, after)


def test_what_is_sent_again_has_the_same_id(receiver: FakeWebhook) -> None:
    provider, one = make(receiver), message()
    receiver.script = ["cut_taken"]
    provider.send([one])
    assert provider.query([Asked(one.request_id)])[0].kind == "not_found"
    assert provider.send([one])[0].ref == one.request_id
    assert {r.headers["webhook-id"] for r in receiver.requests} == {one.request_id}


def test_a_webhook_has_no_receipts(receiver: FakeWebhook) -> None:
    assert make(receiver).pull() == []
    with pytest.raises(ValueError, match="no receipts"):
        make(receiver).receipts(b"[]", {})
