"""A receiver of Standard Webhooks on loopback; verifies signatures by code of its own."""

from __future__ import annotations

import base64
import hmac
import json
from http.server import BaseHTTPRequestHandler
from typing import Any

from .base import Fake, Request, Taken


class FakeWebhook(Fake):
    """`secret` (whsec_…) is what it accepts. A status as a word of the script is answered as it is."""

    def __init__(
        self, secret: str = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()
    ) -> None:
        self.secret = secret
        super().__init__()

    def handle(self, http: BaseHTTPRequestHandler, request: Request) -> None:
        """A delivery."""
        id_, timestamp = request.headers.get("webhook-id", ""), request.headers.get("webhook-timestamp", "0")
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        right = base64.b64encode(hmac.digest(key, f"{id_}.{timestamp}.".encode() + request.body, "sha256"))
        given = request.headers.get("webhook-signature", "").split(" ")
        if f"v1,{right.decode()}" not in given or abs(self.now() - int(timestamp)) > 300:
            self.wrong("signature")
            self.answer(http, 401, b"")
            return
        data = json.loads(request.body)["data"]

        def take() -> Taken:
            return self.air(id_, data.get("to", ""), **data)

        word = self.word()
        if self.misbehave(http, word, take):
            return
        if word == "slow":
            self.release.wait(self.delay)
        if word in ("ok", "slow", "no_id"):
            take()
            self.answer(http, 204, b"")
        elif word == "limit":
            self.answer(http, 429, b"", {"Retry-After": "7"})
        else:
            self.answer(http, int(word), b"")

    def receipt(self, taken: Taken, code: str | None) -> Any:
        """Webhooks have no receipts."""
        raise NotImplementedError
