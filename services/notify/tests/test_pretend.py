"""The test key mode: nothing is sent, and everything that can happen can be made to happen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jiayuan.contracts.ids import new_id
from jiayuan.notify.providers.base import Asked, Message
from jiayuan.notify.providers.configured import Approved
from jiayuan.notify.providers.pretend import CASES, OTHERWISE, Pretend

pytestmark = pytest.mark.unit


class Clock:
    """A clock in the test's hand."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time


def message(number: str) -> Message:
    """A message to a magic number."""
    return Message(new_id(), "citizen-1", "sms", f"1390000{number}", template="received")


@pytest.mark.parametrize(("number", "case"), [*CASES.items(), ("1234", OTHERWISE)])
def test_the_last_digits_say_what_becomes_of_it(number: str, case: Any) -> None:
    clock = Clock()
    provider, one = Pretend(clock=clock), message(number)
    (outcome,) = provider.send([one])
    assert (outcome.kind, outcome.after) == (case.kind, case.after)
    assert provider.pull() == []
    clock.time += timedelta(seconds=case.wait)
    pulled = provider.pull()
    assert [(r.kind, r.request_id) for r in pulled] == (
        [(case.receipt, one.request_id)] if case.receipt else []
    )
    assert provider.pull() == []
    sent_at = clock.time - timedelta(seconds=case.wait)
    (told,) = provider.query([Asked(one.request_id, None, one.to, sent_at)])
    had = {"delivered": "delivered", "undelivered": "refused", None: "accepted"}[case.receipt]
    assert told.kind == (
        had
        if case.kind in ("accepted", "unknown") and (case.receipt or case.kind == "accepted")
        else "not_found"
    )


def test_every_kind_of_answer_to_a_send_has_a_number() -> None:
    kinds = {case.kind for case in CASES.values()} | {OTHERWISE.kind}
    assert kinds >= {"refused", "limited", "throttled", "unknown", "misconfigured", "out_of_money"}
    assert kinds >= {"content_refused", "no_consent", "accepted"}


def test_templates_are_checked_as_by_the_real_one() -> None:
    provider = Pretend(templates={"answered": Approved("SMS_1")})
    assert provider.send([message("1234")])[0].kind == "content_refused"


def test_nobody_calls_it_back() -> None:
    with pytest.raises(ValueError, match="no receipts"):
        Pretend().receipts(b"[]", {})
