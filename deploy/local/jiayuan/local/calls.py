"""HTTP to a service: one small client that keeps its connections, for simulated people and for reading."""

from __future__ import annotations

import time
from typing import Any

import orjson
import urllib3

# What a client does that was told "not now" or nothing at all: the same again, a little later.
ATTEMPTS = 6
PAUSE = 0.4


class Unanswered(RuntimeError):
    """A service gave no usable answer, also when asked again."""


class Client:
    """Calls one service. May be shared between threads."""

    def __init__(self, address: str, connections: int = 8) -> None:
        self.address = address
        self._pool = urllib3.connection_from_url(
            address, maxsize=connections, block=False, retries=False, timeout=urllib3.Timeout(20.0)
        )

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str = "",
        headers: dict[str, str] | None = None,
    ) -> tuple[int, Any]:
        """The status and the parsed answer. Sends again after 503 or a lost connection: every call of ours may be
        repeated without harm. Raises Unanswered when that doesn't help either."""
        sent = {"Content-Type": "application/json", **(headers or {})}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        data = orjson.dumps(body) if body is not None else None
        trouble = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(PAUSE * attempt)
            try:
                response = self._pool.urlopen(method, path, body=data, headers=sent)
            except urllib3.exceptions.HTTPError as error:
                trouble = str(error)
                continue
            if response.status == 503:
                trouble = "503"
                continue
            return response.status, _parsed(response.data)
        raise Unanswered(f"{method} {self.address}{path}: no answer after {ATTEMPTS} attempts ({trouble})")

    def get(self, path: str, *, token: str = "") -> Any:
        """The parsed answer to a GET; None for 404. Raises Unanswered for any other refusal."""
        status, document = self.call("GET", path, token=token)
        if status == 404:
            return None
        if status >= 400:
            raise Unanswered(f"GET {self.address}{path}: {status} {said(document)}")
        return document

    def close(self) -> None:
        """Closes the connections."""
        self._pool.close()


def _parsed(data: bytes) -> Any:
    try:
        return orjson.loads(data) if data else None
    except orjson.JSONDecodeError:
        return data.decode(errors="replace")


def said(document: Any) -> str:
    """What a problem document says, in one line."""
    if not isinstance(document, dict):
        return str(document)[:200]
    parts = [document.get("title", ""), document.get("detail", "")]
    parts += [f"{e.get('field')}: {e.get('problem')}" for e in document.get("errors", ())]
    return "; ".join(p for p in parts if p)[:300]
