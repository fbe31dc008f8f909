"""Who gets notify's notices in check.sh: a receiver of signed webhooks (Standard Webhooks), in its own container.

Answers 401 to whatever isn't signed with the secret in /etc/jiayuan-providers/hook, and GET /counts with how many
notices came well signed, how many of these had come before, and how many came otherwise: {"good", "again", "bad"}.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock

FOLDER = Path("/etc/jiayuan-providers")
KEY = base64.b64decode((FOLDER / "hook").read_text(encoding="utf-8").strip().removeprefix("whsec_"))


SEEN: set[str] = set()
COUNTS = {"good": 0, "again": 0, "bad": 0}
LOCK = Lock()


class Receiver(BaseHTTPRequestHandler):
    """Verifies, counts, forgets."""

    def do_GET(self) -> None:
        """What was counted; the image's own check of health asks /readyz."""
        self._answer(200, COUNTS)

    def do_POST(self) -> None:
        """One notice."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        id_ = self.headers.get("webhook-id", "")
        signed = f"{id_}.{self.headers.get('webhook-timestamp', '')}.".encode() + body
        wanted = "v1," + base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
        good = wanted in self.headers.get("webhook-signature", "").split(" ")
        with LOCK:
            COUNTS["good" if good else "bad"] += 1
            COUNTS["again"] += good and id_ in SEEN
            SEEN.add(id_)
        self._answer(200 if good else 401, {})

    def log_message(self, *_: object) -> None:
        """Nothing: 300 lines tell nobody anything."""

    def _answer(self, status: int, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("0.0.0.0", 8000), Receiver).serve_forever()
