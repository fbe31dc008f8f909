"""A provider that never sends and answers as a real one would: for demonstrations, and to try an account's settings.

The last four digits of an address say what becomes of it, so that everything that can happen can be made to happen.
Invented numbers have 000 behind the first three digits: 13900000001 and so on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from jiayuan.notify.states import Kind, Outcome

from .aliyun import now
from .base import Asked, Channel, Heard, Message, Receipt, ReceiptKind
from .configured import Templates, approved


@dataclass(frozen=True, slots=True)
class Case:
    """What becomes of an address: the answer to a send, and the receipt that comes `wait` seconds later, if any."""

    note: str
    kind: Kind = "accepted"
    after: float = 0.0
    receipt: ReceiptKind | None = "delivered"
    wait: float = 1.0
    unsubscribed: bool = False


CASES: Final[Mapping[str, Case]] = {
    "0001": Case("no such number", "refused", receipt=None),
    "0002": Case("has had its share this minute", "limited", 60.0, receipt=None),
    "0003": Case("no answer; the message did arrive, as a question tells", "unknown"),
    "0004": Case("no answer; the message was never had, as a question tells", "unknown", receipt=None),
    "0005": Case("accepted, and not delivered", receipt="undelivered"),
    "0006": Case("accepted, and delivered only after two minutes", wait=120.0),
    "0007": Case("accepted, and never heard of again", receipt=None),
    "0008": Case("the provider is busy", "throttled", 5.0, receipt=None),
    "0009": Case("the account is empty", "out_of_money", receipt=None),
    "0010": Case("the text is refused", "content_refused", receipt=None),
    "0011": Case("the account's keys are wrong", "misconfigured", receipt=None),
    "0012": Case("has not agreed (mini-program)", "no_consent", receipt=None),
    "0013": Case("has unsubscribed at the provider", "refused", receipt=None, unsubscribed=True),
}
OTHERWISE: Final = Case("accepted, and delivered after a second")


class Pretend:
    """Nothing leaves the process. Receipts wait in its memory until they are pulled; after a restart they are gone,
    and a question still tells."""

    def __init__(
        self,
        *,
        name: str = "test",
        channel: Channel = "sms",
        templates: Templates | None = None,
        concurrency: int = 8,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self.name, self.channel, self.concurrency = name, channel, concurrency
        self.batch, self.longest = 200, 0.0
        self._templates, self._clock = templates or {}, clock
        self._lock = threading.Lock()
        self._waiting: list[Receipt] = []

    def send(self, messages: Sequence[Message]) -> list[Outcome]:
        """What each address's last digits say."""
        return [self._send(message) for message in messages]

    def credit(self, message: Message) -> str:
        """The vendor's id of the template whose consent a message uses."""
        template = approved(self._templates, message)
        return message.template if isinstance(template, Outcome) else template.id

    def query(self, requests: Sequence[Asked]) -> list[Outcome]:
        """What became of it, by the address's last digits and the time since."""
        return [self._query(asked) for asked in requests]

    def pull(self) -> list[Receipt]:
        """The receipts whose time has come, once."""
        at = self._clock()
        with self._lock:
            due = [r for r in self._waiting if r.at is not None and r.at <= at]
            self._waiting = [r for r in self._waiting if r not in due]
        return due

    def receipts(self, _body: bytes, _query: Mapping[str, str], /) -> Heard:
        """Nobody calls back."""
        raise ValueError("this provider sends no receipts")

    def _send(self, message: Message) -> Outcome:
        if self._templates:
            template = approved(self._templates, message)
            if isinstance(template, Outcome):
                return template
        case = _case(message.to)
        if case.receipt is not None:
            at = self._clock() + timedelta(seconds=case.wait)
            receipt = Receipt(case.receipt, message.request_id, _ref(message.request_id), at, "TEST")
            with self._lock:
                self._waiting.append(receipt)
        if case.kind == "accepted":
            return Outcome("accepted", _ref(message.request_id))
        return Outcome(
            case.kind,
            error=f"test: {case.note}",
            after=case.after,
            code="TEST",
            unsubscribed=case.unsubscribed,
        )

    def _query(self, asked: Asked) -> Outcome:
        case = _case(asked.to)
        if case.receipt is None and case.kind != "accepted":
            return Outcome("not_found")
        there = asked.sent_at is None or self._clock() - asked.sent_at >= timedelta(seconds=case.wait)
        if case.receipt is None or not there:
            return Outcome("accepted", _ref(asked.request_id))
        if case.receipt == "delivered":
            return Outcome("delivered", _ref(asked.request_id))
        return Outcome("refused", _ref(asked.request_id), f"test: {case.note}", code="TEST")


def _case(address: str) -> Case:
    return CASES.get(address[-4:], OTHERWISE)


def _ref(request_id: str) -> str:
    return f"test-{request_id}"
