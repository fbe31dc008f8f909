"""HTTP calls to providers: bounded in number and in time, and never with an address or a secret in a log.

urllib3 writes whole addresses into its debug log, and Aliyun's hold a phone and WeChat's a token; so that log is off,
and an exception's own words, which quote the address, are never used.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar

import orjson
import requests
from urllib3.exceptions import HTTPError, MaxRetryError, NewConnectionError, ReadTimeoutError

from jiayuan.chassis import redact
from jiayuan.chassis.outward import body_of
from jiayuan.notify.states import Outcome

from .base import Listed

logging.getLogger("urllib3").setLevel(logging.ERROR)

CONNECT: Final = 3.0
_ROUNDS: Final = 4
"""How many calls one after the other a batch may take."""
_MOST_BYTES: Final = 256 * 1024
_T = TypeVar("_T")


def longest_batch(timeout: float, connect: float = CONNECT, rounds: int = _ROUNDS) -> float:
    """How many seconds a batch may take at most, with these time-outs of a call."""
    return rounds * (timeout + connect) + 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, Retry-After in seconds (0 if absent, at most an hour) and the body's JSON (None if it is none)."""

    status: int
    after: float
    document: Any

    def said(self, *names: str) -> str:
        """The status and the first of the document's texts by these names, numbers of people masked."""
        document = self.document if isinstance(self.document, dict) else {}
        words = next((document[n] for n in names if isinstance(document.get(n), str)), None)
        return redact.mask(f"status {self.status}: {words}"[:280]) if words else f"status {self.status}"


class Calls:
    """A connection pool with at most `concurrency` calls of a batch at a time, each within `timeout` seconds.

    `connect`: seconds until there is a connection. No proxy or .netrc of the machine decides where notices go.
    """

    def __init__(self, *, timeout: float = 5.0, connect: float = CONNECT, concurrency: int = 8) -> None:
        self.timeout, self.concurrency = timeout, concurrency
        self.connect = min(connect, timeout)
        self.batch = concurrency * _ROUNDS
        self.longest = longest_batch(timeout, self.connect, rounds=1)
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Accept"] = "application/json"
        # Sends and queries may run at a time.
        adapter = requests.adapters.HTTPAdapter(
            pool_connections=1, pool_maxsize=2 * concurrency, max_retries=0
        )
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def lists(
        self, ask: Callable[[str], list[Listed] | Outcome], numbers: Sequence[str]
    ) -> list[Listed] | None:
        """What `ask` says of every number, as `each` calls; None when any question failed."""
        found: list[Listed] = []

        def one(number: str) -> Outcome:
            said = ask(number)
            if isinstance(said, Outcome):
                return said
            found.extend(said)
            return Outcome("accepted")

        for start in range(0, len(numbers), self.batch):
            outcomes = self.each(one, numbers[start : start + self.batch])
            if any(outcome.kind != "accepted" for outcome in outcomes):
                return None
        return found

    def each(self, call: Callable[[_T], Outcome], items: Sequence[_T]) -> list[Outcome]:
        """`call` on every item by a few threads (greenlets, where the chassis has patched threading).

        A single item is called for at once; then whoever calls watches `longest`, which headers that drip outlast.
        """
        if len(items) == 1:
            return [call(items[0])]
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

        workers = min(self.concurrency, len(items))
        threads = [threading.Thread(target=run, daemon=True) for _ in range(workers)]
        for thread in threads:
            thread.start()
        # A provider that sends a header a second outlasts every time-out of a read; it isn't waited for.
        rounds = -(-len(items) // self.concurrency)
        end = time.monotonic() + longest_batch(self.timeout, self.connect, rounds)
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))
        with lock:
            turn = iter(())
        return list(outcomes)

    def call(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        query: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Answer | Outcome:
        """The answer, or what its absence means: throttled if nothing can have been sent, else unknown.

        `query` is sent as it is, since a signature may cover it.
        """
        end = time.monotonic() + self.timeout
        try:
            with self._session.request(
                method,
                url + (f"?{query}" if query else ""),
                data=body,
                headers=dict(headers or {}),
                timeout=(self.connect, self.timeout),
                allow_redirects=False,
                stream=True,
            ) as response:
                raw = body_of(response, _MOST_BYTES, end)
                return Answer(response.status_code, _after(response), _document(raw))
        except requests.exceptions.ConnectTimeout:
            return Outcome("throttled", error="no connection within the time", code="no_connection")
        except requests.exceptions.Timeout:
            return Outcome("unknown", error=f"no answer within {self.timeout:g} s", code="no_answer")
        except ReadTimeoutError:
            return Outcome("unknown", error=f"no answer within {self.timeout:g} s", code="no_answer")
        except (requests.exceptions.RequestException, HTTPError) as error:
            if _never_connected(error):
                return Outcome("throttled", error="no connection", code="no_connection")
            return Outcome(
                "unknown", error=f"the connection broke ({type(error).__name__})", code="broken_connection"
            )


def _document(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None


def _never_connected(error: Exception) -> bool:
    cause = error.args[0] if error.args else None
    if isinstance(cause, MaxRetryError):
        cause = cause.reason
    return isinstance(cause, NewConnectionError)


def _after(response: requests.Response) -> float:
    """Retry-After in seconds, which may also be said as a date, at most an hour; nonsense counts as absent."""
    value = response.headers.get("Retry-After", "")
    if value.isascii() and value.isdigit():
        return min(3600.0, float(value))
    try:
        seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError):
        return 0.0
    return min(3600.0, max(0.0, seconds))


def text(document: Any, name: str) -> str:
    """A text of a JSON object, "" if there is none; a number counts as its digits. Without U+0000, which can't be
    stored."""
    value = document.get(name) if isinstance(document, dict) else None
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value).replace("\0", "")
