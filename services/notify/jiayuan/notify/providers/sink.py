"""The sink: stores what would have been sent, so that everything can be tried without writing to anybody."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from jiayuan.chassis.work import Work
from jiayuan.notify import store
from jiayuan.notify.states import Outcome

from .base import Asked, Channel, Message, NoReceipts


class Sink(NoReceipts):
    """Keeps request id, recipient's ref and text; the address is seen and forgotten.

    `transaction` opens a transaction of the service's database. A whole batch is one statement.
    """

    concurrency = 1
    longest = 0.0

    def __init__(
        self,
        transaction: Callable[[], AbstractContextManager[Work]],
        batch: int = 200,
        *,
        name: str = "sink",
        channel: Channel = "sms",
    ) -> None:
        self._transaction = transaction
        self.batch, self.name, self.channel = batch, name, channel

    def send(self, messages: Sequence[Message]) -> list[Outcome]:
        """Store the messages; one that is there already stays as it is. What is stored is delivered."""
        with self._transaction() as work:
            store.put_sink_messages(
                work,
                [
                    {"request_id": m.request_id, "recipient": m.recipient, "text": m.text, "at": work.now}
                    for m in messages
                ],
            )
        return [Outcome("delivered", f"sink-{m.request_id}") for m in messages]

    def query(self, requests: Sequence[Asked]) -> list[Outcome]:
        """Which of the requests are stored."""
        request_ids = [asked.request_id for asked in requests]
        with self._transaction() as work:
            there = store.sink_has(work, request_ids)
        return [
            Outcome("delivered", f"sink-{r}") if r in there else Outcome("not_found") for r in request_ids
        ]
