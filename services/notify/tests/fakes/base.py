"""What the fakes have in common: a server on loopback, a script of misbehaviour, and a list of what went on the air.

Words of `script` (call by call) and `otherwise` (then), for calls that send:

    ok           takes it and answers as the vendor does
    <code>       the vendor's own error code, as the vendor words it; nothing is taken
    limit        the vendor's refusal for a number that has had its share this minute
    hang         never takes it and never answers
    hang_taken   takes it and never answers
    slow         takes it after `delay` seconds
    cut, cut_taken          the connection ends without an answer, before or after taking it
    down, down_taken        500 with a page, before or after taking it
    garbage, garbage_taken  200 with bytes that are no JSON
    no_id        a success without an id; taken
    drip         an answer that drips for ever, a byte a tenth of a second; taken

`receipts` makes the bodies of the vendor's callback for what was taken: `order` may be "reversed", `times` repeats.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson


@dataclass
class Taken:
    """A message that the fake has put on the air."""

    request_id: str
    ref: str
    to: str
    at: float
    fields: dict[str, Any] = field(repr=False, default_factory=dict)
    times: int = 1


@dataclass
class Request:
    """An HTTP request as it came."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


class Fake:
    """A server of one vendor. `taken`: by request id; `times` of one is more than 1 when it was sent twice."""

    def __init__(self) -> None:
        self.script: list[str] = []
        self.otherwise = "ok"
        self.query_script: list[str] = []
        self.delay = 0.2
        self.skew = 0.0
        """Seconds that its clock is ahead."""
        self.listed = True
        """Whether questions find what was taken."""
        self.taken: dict[str, Taken] = {}
        self.requests: list[Request] = []
        self.refused: list[str] = []
        """Why requests were refused before any script: what was wrong with their signatures."""
        self.most_at_once = 0
        self.release = threading.Event()
        self.lock = threading.Lock()
        self._now = 0
        self._refs = 0
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                fake._serve(self)

            def do_GET(self) -> None:
                fake._serve(self)

            def log_message(self, format: str, *args: Any) -> None:
                """Tests say nothing."""

        class Server(ThreadingHTTPServer):
            request_queue_size = 128
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """Let go of whoever hangs, and stop."""
        self.release.set()
        self._server.shutdown()
        self._server.server_close()

    # -- for the vendors ---------------------------------------------------------------------------

    def handle(self, http: BaseHTTPRequestHandler, request: Request) -> None:
        """Answer a request."""
        raise NotImplementedError

    def now(self) -> float:
        """Its clock, in Unix seconds."""
        return time.time() + self.skew

    def word(self) -> str:
        """What the script says of this call."""
        with self.lock:
            return self.script.pop(0) if self.script else self.otherwise

    def query_word(self) -> str:
        """What the script says of this question."""
        with self.lock:
            return self.query_script.pop(0) if self.query_script else "ok"

    def air(self, request_id: str, to: str, /, **fields: Any) -> Taken:
        """Put a message on the air."""
        with self.lock:
            if (there := self.taken.get(request_id)) is not None:
                there.times += 1
                return there
            self._refs += 1
            ref = self.ref(self._refs)
            self.taken[request_id] = made = Taken(request_id, ref, to, self.now(), fields)
            return made

    def ref(self, number: int) -> str:
        """The vendor's id of its n-th message."""
        return f"ref-{number}"

    def misbehave(self, http: BaseHTTPRequestHandler, word: str, take: Any) -> bool:
        """Do what a word says that is the same for all vendors; False when it is none of these."""
        if word.endswith("_taken") or word == "drip":
            take()
        match word.removesuffix("_taken"):
            case "hang":
                self.release.wait(30)
                http.close_connection = True
            case "cut":
                http.close_connection = True
                http.connection.close()
            case "down":
                self.answer(http, 500, b"<html>sorry</html>")
            case "garbage":
                self.answer(http, 200, b"<html>\xff\xfe")
            case "drip":
                self._drip(http)
            case _:
                return False
        return True

    def _drip(self, http: BaseHTTPRequestHandler) -> None:
        http.close_connection = True
        try:
            http.send_response(200)
            http.send_header("Content-Length", "100000")
            http.end_headers()
            while not self.release.wait(0.1):
                http.wfile.write(b" ")
                http.wfile.flush()
        except OSError:
            pass

    def answer(
        self,
        http: BaseHTTPRequestHandler,
        status: int,
        document: Any,
        headers: dict[str, str] | None = None,
    ) -> None:
        """Answer; a client that has gone is none of our business."""
        raw = document if isinstance(document, bytes) else orjson.dumps(document)
        try:
            http.send_response(status)
            for name, value in ({"Content-Type": "application/json"} | (headers or {})).items():
                http.send_header(name, value)
            http.send_header("Content-Length", str(len(raw)))
            http.end_headers()
            http.wfile.write(raw)
        except OSError:
            http.close_connection = True

    def wrong(self, why: str) -> str:
        """Note a refused signature."""
        with self.lock:
            self.refused.append(why)
        return why

    def _serve(self, http: BaseHTTPRequestHandler) -> None:
        body = http.rfile.read(int(http.headers.get("Content-Length") or 0))
        path, _, query = http.path.partition("?")
        headers = {name.lower(): value for name, value in http.headers.items()}
        request = Request(http.command, path, query, headers, body)
        with self.lock:
            self.requests.append(request)
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        try:
            self.handle(http, request)
        finally:
            with self.lock:
                self._now -= 1

    # -- receipts ----------------------------------------------------------------------------------

    def receipt(self, taken: Taken, code: str | None) -> Any:
        """One item of the vendor's callback; `code` None: delivered."""
        raise NotImplementedError

    def receipts(
        self, codes: dict[str, str | None] | None = None, *, order: str = "as sent", times: int = 1
    ) -> bytes:
        """A callback body for what was taken: delivered, but for the request ids in `codes`."""
        items = [self.receipt(t, (codes or {}).get(t.request_id)) for t in self.taken.values()] * times
        return orjson.dumps(items[::-1] if order == "reversed" else items)
