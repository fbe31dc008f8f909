"""A signed webhook to another system, by Standard Webhooks.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md

POST <address>  {"type": "notice", "timestamp", "data": {"id", "recipient", "to"?, "template", "parameters", "text"}}
with webhook-id (our request id, by which the receiver tells repetitions apart), webhook-timestamp and
webhook-signature, one `v1,…` for each secret, so that secrets can be changed without a gap.

- 2xx: delivered; the receiver has it, which is all that a webhook can say.
- 410: it wants no more of them: misconfigured, and the channel stops.
- anything else, and a broken or late answer: throttled, so it is sent again with the same webhook-id. The
  specification has the receiver take each id once; nothing need be asked first, and nothing can be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from jiayuan.contracts.times import iso
from jiayuan.notify.states import Outcome

from . import signing
from .aliyun import now
from .base import Asked, Channel, Message, NoReceipts
from .calls import CONNECT, Calls
from .configured import Approved


class Webhook(NoReceipts):
    """One receiver, which serves a channel. `with_address`: whether it is told the person's phone or openid, too."""

    def __init__(
        self,
        address: str,
        secrets: Sequence[str],
        *,
        name: str = "webhook",
        channel: Channel = "webhook",
        templates: Mapping[str, Approved] | None = None,
        with_address: bool = False,
        timeout: float = 15.0,
        connect: float = CONNECT,
        concurrency: int = 4,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self.name, self.channel, self.concurrency = name, channel, concurrency
        self._address, self._with_address = address, with_address
        self._keys = [signing.webhook_key(secret) for secret in secrets]
        self._templates = templates or {}
        self._clock = clock
        self._calls = Calls(timeout=timeout, connect=connect, concurrency=concurrency)
        self.batch, self.longest = self._calls.batch, self._calls.longest

    def __repr__(self) -> str:
        return f"Webhook({self.name!r})"

    def send(self, messages: Sequence[Message]) -> list[Outcome]:
        """One POST a message."""
        return self._calls.each(self._send, messages)

    def query(self, requests: Sequence[Asked]) -> list[Outcome]:
        """A webhook can't be asked; sent again with the same id, it is taken once."""
        return [Outcome("not_found") for _ in requests]

    def _send(self, message: Message) -> Outcome:
        at = self._clock()
        template = self._templates.get(message.template) or Approved(message.template)
        data: dict[str, Any] = {
            "id": message.request_id,
            "recipient": message.recipient,
            "template": template.id,
            "parameters": template.named(message.parameters),
            "text": message.text,
        }
        if self._with_address:
            data["to"] = message.to
        body = orjson.dumps({"type": "notice", "timestamp": iso(at), "data": data})
        timestamp = int(at.timestamp())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message.request_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signing.webhook(self._keys, message.request_id, timestamp, body),
        }
        answer = self._calls.call("POST", self._address, body=body, headers=headers)
        if isinstance(answer, Outcome):
            return Outcome("throttled", error=answer.error, code=answer.code)
        said, code = f"status {answer.status}", f"http_{answer.status}"
        if 200 <= answer.status < 300:
            return Outcome("delivered", message.request_id)
        if answer.status == 410:
            return Outcome("misconfigured", error="status 410: the receiver wants no more", code=code)
        return Outcome("throttled", error=said, after=answer.after, code=code)
