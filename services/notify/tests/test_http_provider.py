"""The HTTP provider alone, against a provider on loopback."""

from __future__ import annotations

from typing import Any

import pytest

from jiayuan.contracts.ids import new_id
from jiayuan.notify.providers.base import Asked, Message
from jiayuan.notify.providers.http import HttpProvider

pytestmark = pytest.mark.unit

PHONE = "13905931234"


def message() -> Message:
    """A message."""
    return Message(new_id(), "citizen-1", "sms", PHONE, "【家园】已受理")


@pytest.fixture
def http(fake: Any) -> HttpProvider:
    """Our client of the fake."""
    return HttpProvider(fake.url, "the-secret", timeout=0.4, concurrency=3)


def test_a_send_carries_id_address_text_key_and_secret(fake: Any, http: HttpProvider) -> None:
    one = message()
    (outcome,) = http.send([one])
    assert (outcome.kind, outcome.ref) == ("accepted", f"p-{one.request_id}")
    assert fake.bodies == [{"request_id": one.request_id, "to": PHONE, "text": "【家园】已受理"}]
    assert fake.headers[0]["Authorization"] == "Bearer the-secret"
    assert fake.headers[0]["Idempotency-Key"] == one.request_id


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("ok", "accepted"),
        ("refuse", "refused"),
        ("throttle", "throttled"),
        ("wrong_secret", "misconfigured"),
        ("down", "unknown"),
        ("garbage", "unknown"),
        ("no_id", "unknown"),
        ("cut", "unknown"),
        ("hang", "unknown"),
    ],
)
def test_what_each_answer_means(fake: Any, http: HttpProvider, word: str, kind: str) -> None:
    fake.script = [word]
    (outcome,) = http.send([message()])
    assert outcome.kind == kind
    assert (outcome.error is None) == (kind == "accepted")


def test_retry_after_is_obeyed(fake: Any, http: HttpProvider) -> None:
    fake.script = ["throttle"]
    assert http.send([message()])[0].after == 7


def test_a_number_in_the_providers_words_is_masked(fake: Any, http: HttpProvider) -> None:
    fake.script = ["refuse"]
    error = http.send([message()])[0].error
    assert error is not None
    assert "13905930000" not in error
    assert "139****0000" in error


def test_no_connection_means_that_nothing_was_sent(fake: Any, http: HttpProvider) -> None:
    fake.close()
    assert http.send([message()])[0].kind == "throttled"
    assert http.query([Asked(new_id())])[0].kind == "unknown"


def test_answers_come_in_the_order_of_the_messages_and_few_calls_run_at_a_time(
    fake: Any, http: HttpProvider
) -> None:
    many = [message() for _ in range(12)]
    outcomes = http.send(many)
    assert [o.ref for o in outcomes] == [f"p-{m.request_id}" for m in many]
    assert fake.most_at_once <= 3


def test_one_that_hangs_costs_the_others_nothing(fake: Any, http: HttpProvider) -> None:
    fake.script = ["hang"]
    kinds = sorted(o.kind for o in http.send([message() for _ in range(9)]))
    assert kinds == ["accepted"] * 8 + ["unknown"]


def test_queries_tell_what_became_of_a_request(fake: Any, http: HttpProvider) -> None:
    sent = message()
    http.send([sent])
    outcomes = http.query([Asked(sent.request_id), Asked(new_id())])
    assert [o.kind for o in outcomes] == ["accepted", "not_found"]
    fake.query_script = ["undelivered"]
    assert http.query([Asked(sent.request_id)])[0].kind == "refused"
    fake.query_script = ["down"]
    assert http.query([Asked(sent.request_id)])[0].kind == "unknown"


def test_a_message_never_shows_its_address() -> None:
    assert PHONE not in repr(message())
