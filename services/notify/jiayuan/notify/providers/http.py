"""A provider over HTTP.

Send:  POST <url>               {"request_id", "to", "text"}  →  2xx {"id"}
Query: GET  <url>/<request_id>                                →  200 {"id", "state"} or 404

Both with `Authorization: Bearer <secret>`; a send also with `Idempotency-Key: <request_id>`. What an answer means:

- 2xx with an id: accepted. 2xx without one, another status, a broken body, a time-out, a cut connection,
  5xx: unknown, so the provider is asked before anything is sent again (a 500 may come after the SMS has left). So are
  408, 409 and 425: it may still be working on the same request.
- 400, 422 and other 4xx: refused for good. 429, and a connection that never came about: throttled, with back-off.
- 401, 403, 404, 405, 407, 410 and redirects: our address or secret is wrong, which is nobody's notice's fault:
  misconfigured. 402: out of money.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import orjson

from jiayuan.notify.states import Outcome

from .base import Asked, Channel, Message, NoReceipts
from .calls import CONNECT, Answer, Calls, text

_CONFIGURATION: Final = (401, 403, 404, 405, 407, 410)
_MAYBE: Final = (408, 409, 425)
_STATES: Final = {"accepted": "accepted", "delivered": "delivered", "undelivered": "refused"}


class HttpProvider(NoReceipts):
    """Sends with at most `concurrency` calls at a time, each within `timeout` seconds."""

    channel: Channel = "sms"

    def __init__(
        self,
        url: str,
        secret: str = "",
        *,
        name: str = "http",
        timeout: float = 5.0,
        connect: float = CONNECT,
        concurrency: int = 8,
    ) -> None:
        self.name, self.concurrency = name, concurrency
        self._url = url.rstrip("/")
        self._calls = Calls(timeout=timeout, connect=connect, concurrency=concurrency)
        self.batch, self.longest = self._calls.batch, self._calls.longest
        self._headers = {"Authorization": f"Bearer {secret}"} if secret else {}

    def send(self, messages: Sequence[Message]) -> list[Outcome]:
        """One POST a message."""
        return self._calls.each(self._send, messages)

    def query(self, requests: Sequence[Asked]) -> list[Outcome]:
        """One GET a request."""
        return self._calls.each(self._query, requests)

    def _send(self, message: Message) -> Outcome:
        body = {"request_id": message.request_id, "to": message.to, "text": message.text}
        headers = {"Content-Type": "application/json", "Idempotency-Key": message.request_id}
        answer = self._calls.call("POST", self._url, body=orjson.dumps(body), headers=self._headers | headers)
        if isinstance(answer, Outcome):
            return answer
        status, after, said = answer.status, answer.after, answer.said("error")
        code = f"http_{status}"
        if 200 <= status < 300:
            return _accepted(answer)
        if status == 429:
            return Outcome("throttled", error=said, after=after, code=code)
        if status == 402:
            return Outcome("out_of_money", error=said, after=after, code=code)
        if status >= 500 or status < 200 or status in _MAYBE:
            return Outcome("unknown", error=said, after=after, code=code)
        if status in _CONFIGURATION or status < 400:
            return Outcome("misconfigured", error=said, after=after, code=code)
        return Outcome("refused", error=said, code=code)

    def _query(self, asked: Asked) -> Outcome:
        answer = self._calls.call("GET", f"{self._url}/{asked.request_id}", headers=self._headers)
        if isinstance(answer, Outcome):
            return Outcome("unknown", error=answer.error, code=answer.code)
        if answer.status == 404:
            return Outcome("not_found")
        kind = _STATES.get(text(answer.document, "state")) if answer.status == 200 else None
        ref = _id(answer)
        if kind is None or (kind != "refused" and ref is None):
            return Outcome("unknown", error=answer.said("error"), after=answer.after)
        error = None if kind != "refused" else answer.said("error")
        return Outcome(kind, ref, error)  # type: ignore[arg-type]


def _accepted(answer: Answer) -> Outcome:
    ref = _id(answer)
    if ref is None:
        return Outcome("unknown", error=f"status {answer.status} without an id", code="no_id")
    return Outcome("accepted", ref)


def _id(answer: Answer) -> str | None:
    return text(answer.document, "id")[:128] or None
