"""A WeChat of our own on the loopback address. What it answers is in the code that it is asked for.

python -m jiayuan.intake.testing.wechat     # says what to set, and answers until it is stopped
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

APPID, SECRET = "wx0000000000000000", "s3cret-of-the-app-never-to-be-seen"
SESSION_KEY = "c2Vzc2lvbi1rZXktbmV2ZXItdG8tYmUtc2Vlbg=="


class FakeWechat:
    """Its address, what it was asked, and `release`, which lets those go that it keeps waiting."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.asked: list[dict[str, str]] = []
        self.release = threading.Event()

    def answer(self, query: dict[str, str]) -> tuple[int, bytes]:
        """`openid-X` is the code of openid X; `errcode-N`, and the kinds of garbage, are what they say."""
        word, _, rest = query.get("js_code", "").partition("-")
        if (query.get("appid"), query.get("secret")) != (APPID, SECRET):
            return 200, b'{"errcode":40125,"errmsg":"invalid appsecret"}'
        if word == "openid":
            document = {"openid": rest, "session_key": SESSION_KEY, "unionid": "u"}
            return 200, json.dumps(document).encode()
        if word == "errcode":
            return 200, json.dumps({"errcode": int(rest), "errmsg": f"said, rid: {rest}"}).encode()
        if word == "status":
            return int(rest), b"{}"
        garbage = {
            "html": b"<html>502 Bad Gateway</html>",
            "list": b'["openid"]',
            "empty": b"",
            "noopenid": json.dumps({"session_key": SESSION_KEY}).encode(),
            "wrongtype": b'{"openid": 5}',
            "wrongcode": b'{"errcode": "40029"}',
            "nul": b'{"openid": "a\\u0000b"}',
            "huge": b'{"openid": "' + b"a" * 300_000 + b'"}',
            "half": b'{"openid": "abc',
        }
        return 200, garbage.get(word, b'{"errcode":40029,"errmsg":"invalid code"}')


@contextmanager
def running() -> Iterator[FakeWechat]:
    """A WeChat that answers until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answers a code."""
            address = urlsplit(self.path)
            query = {k: v[0] for k, v in parse_qs(address.query).items()}
            wechat.asked.append({"path": address.path, **query})
            code = query.get("js_code", "")
            if code == "slow":
                wechat.release.wait(30)
                return
            status, body = wechat.answer(query)
            self.send_response(status)
            if status in (301, 302):
                self.send_header("Location", wechat.base + "/elsewhere?" + address.query)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if code == "drip":
                self.wfile.write(body[:1])
                wechat.release.wait(30)
                return
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    wechat = FakeWechat(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield wechat
    finally:
        wechat.release.set()
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    with running() as _wechat:
        sys.stdout.write(
            f"export JIAYUAN_INTAKE_WECHAT_BASE={_wechat.base} JIAYUAN_INTAKE_WECHAT_APPID={APPID} "
            f"JIAYUAN_INTAKE_WECHAT_SECRET={SECRET}\n"
        )
        sys.stdout.flush()
        _wechat.release.wait()
