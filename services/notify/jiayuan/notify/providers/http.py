"""A provider over HTTP.

Send:  POST <url>               {"request_id", "to", "text"}  →  2xx {"id"}
Query: GET  <url>/<request_id>                                →  200 {"id", "state"} or 404

Both with `Authorization: Bearer <secret>`; a send also with `Idempotency-Key: <request_id>`. What an answer means:

- 2xx with an id: accepted. 2xx without one, another status, a broken body, a time-out, a cut connection,
  5xx: unknown, so the provider is asked before anything is sent again (a 500 may come after the SMS has left).
- 400, 422 and other 4xx: refused for good. 429, and a connection that never came about: throttled, with back-off.
- 401, 403, 404, 405 and redirects: our address or secret is wrong, which is nobody's notice's fault: misconfigured,
  and an error in the log.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

import orjson
import requests
from urllib3.exceptions import MaxRetryError, NewConnectionError

from jiayuan.chassis import redact
from jiayuan.notify.states import Outcome

from .base import Message

log = logging.getLogger("jiayuan.notify.http")

_CONNECT: Final = 3.0
_ROUNDS: Final = 4
"""How many calls one after the other a batch may take."""
_MOST_BYTES: Final = 64 * 1024
_CONFIGURATION: Final = (401, 403, 404, 405)
_STATES: Final = {"accepted": "accepted", "delivered": "delivered", "undelivered": "refused"}
_T = TypeVar("_T")


def longest_batch(timeout: float) -> float:
    """How many seconds a call of `send` or `query` may take at most, with this time-out of a call."""
    return _ROUNDS * (timeout + _CONNECT) + 1.0


class HttpProvider:
    """Sends with at most `concurrency` calls at a time, each within `timeout` seconds."""

    name = "http"

    def __init__(self, url: str, secret: str = "", *, timeout: float = 5.0, concurrency: int = 8) -> None:
        self._url = url.rstrip("/")
        self._timeout = timeout
        self._concurrency = concurrency
        self.batch = concurrency * _ROUNDS
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy or .netrc of the machine decides where notices go
        self._session.headers["Accept"] = "application/json"
        # Sends and queries may run at a time.
        adapter = requests.adapters.HTTPAdapter(
            pool_connections=1, pool_maxsize=2 * concurrency, max_retries=0
        )
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)
        if secret:
            self._session.headers["Authorization"] = f"Bearer {secret}"

    def send(self, messages: Sequence[Message]) -> list[Outcome]:
        """One POST a message."""
        return self._each(self._send, messages)

    def query(self, request_ids: Sequence[str]) -> list[Outcome]:
        """One GET a request."""
        return self._each(self._query, request_ids)

    def _each(self, call: Callable[[_T], Outcome], items: Sequence[_T]) -> list[Outcome]:
        """`call` on every item by a few threads (greenlets, where the chassis has patched threading)."""
        outcomes = [Outcome("unknown", error="the call was not finished")] * len(items)
        turn: Iterator[tuple[int, _T]] = iter(enumerate(items))
        lock = threading.Lock()

        def run() -> None:
            while True:
                with lock:
                    mine = next(turn, None)
                if mine is None:
                    return
                index, item = mine
                outcomes[index] = call(item)

        workers = min(self._concurrency, len(items))
        threads = [threading.Thread(target=run, daemon=True) for _ in range(workers)]
        for thread in threads:
            thread.start()
        # A provider that sends a header a second outlasts every time-out of a read; it isn't waited for.
        end = time.monotonic() + longest_batch(self._timeout)
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))
        with lock:
            turn = iter(())
        return list(outcomes)

    # -- one call ----------------------------------------------------------------------------------

    def _send(self, message: Message) -> Outcome:
        body = {"request_id": message.request_id, "to": message.to, "text": message.text}
        headers = {"Content-Type": "application/json", "Idempotency-Key": message.request_id}
        answer = self._call("POST", self._url, data=orjson.dumps(body), headers=headers)
        if isinstance(answer, Outcome):
            return answer
        status, after, document = answer
        if 200 <= status < 300:
            return _accepted(status, document)
        if status == 429:
            return Outcome("throttled", error=_said(status, document), after=after)
        if status >= 500 or status < 200:
            return Outcome("unknown", error=_said(status, document), after=after)
        if status in _CONFIGURATION or status < 400:
            log.error("the provider refuses our address or secret", extra={"status": status})
            return Outcome("misconfigured", error=_said(status, document), after=after)
        return Outcome("refused", error=_said(status, document))

    def _query(self, request_id: str) -> Outcome:
        answer = self._call("GET", f"{self._url}/{request_id}")
        if isinstance(answer, Outcome):
            return Outcome("unknown", error=answer.error)
        status, after, document = answer
        if status == 404:
            return Outcome("not_found")
        kind = _STATES.get(str(document.get("state"))) if document and status == 200 else None
        ref = _id(document)
        if kind is None or (kind != "refused" and ref is None):
            return Outcome("unknown", error=_said(status, document), after=after)
        error = None if kind != "refused" else _said(status, document)
        return Outcome(kind, ref, error)  # type: ignore[arg-type]

    def _call(
        self, method: str, url: str, **options: Any
    ) -> Outcome | tuple[int, float, dict[str, Any] | None]:
        """Status, Retry-After in seconds and JSON document of an answer, or what its absence means."""
        end = time.monotonic() + self._timeout
        try:
            with self._session.request(
                method,
                url,
                timeout=(min(_CONNECT, self._timeout), self._timeout),
                allow_redirects=False,
                stream=True,
                **options,
            ) as response:
                raw = _read(response, end)
                return response.status_code, _after(response), _document(raw)
        except requests.exceptions.ConnectTimeout:
            return Outcome("throttled", error="no connection within the time")
        except requests.exceptions.Timeout:
            return Outcome("unknown", error=f"no answer within {self._timeout:g} s")
        except requests.exceptions.RequestException as error:
            if _never_connected(error):
                return Outcome("throttled", error="no connection")
            return Outcome("unknown", error=f"the connection broke ({type(error).__name__})")


def _read(response: requests.Response, end: float) -> bytes:
    """The body; Timeout when it drips in for longer than the call may take."""
    raw = b""
    for piece in response.iter_content(8192):
        raw += piece
        if len(raw) > _MOST_BYTES:
            return b""
        if time.monotonic() > end:
            raise requests.exceptions.ReadTimeout("the answer takes too long")
    return raw


def _document(raw: bytes) -> dict[str, Any] | None:
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return document if isinstance(document, dict) else None


def _never_connected(error: requests.exceptions.RequestException) -> bool:
    cause = error.args[0] if error.args else None
    if isinstance(cause, MaxRetryError):
        cause = cause.reason
    return isinstance(cause, NewConnectionError)


def _accepted(status: int, document: dict[str, Any] | None) -> Outcome:
    ref = _id(document)
    if ref is None:
        return Outcome("unknown", error=f"status {status} without an id")
    return Outcome("accepted", ref)


def _id(document: dict[str, Any] | None) -> str | None:
    ref = (document or {}).get("id")
    return str(ref)[:128] if isinstance(ref, str | int) and not isinstance(ref, bool) and ref != "" else None


def _after(response: requests.Response) -> float:
    """Retry-After in seconds, at most an hour; a date or nonsense counts as absent."""
    value = response.headers.get("Retry-After", "")
    return min(3600.0, float(value)) if value.isascii() and value.isdigit() else 0.0


def _said(status: int, document: dict[str, Any] | None) -> str:
    """Status and the provider's words, numbers of people masked."""
    words = (document or {}).get("error")
    return redact.mask(f"status {status}: {words}"[:280]) if isinstance(words, str) else f"status {status}"
