"""A ledger with a year to publish, and the intake that it asks about tracking codes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from jiayuan.chassis.delivery import Message
from jiayuan.chassis.testing.databases import Opened
from jiayuan.contracts import names
from jiayuan.contracts.envelope import encode
from jiayuan.contracts.times import iso
from jiayuan.ledger import entries, publishing
from jiayuan.ledger.checkpoint import Signer
from jiayuan.ledger.posting import Act, Opening
from jiayuan.ledger.publication import Name

SIGNER = Signer.new("jiayuan.example/ledger")
NOW = datetime(2026, 11, 2, 1, tzinfo=UTC)
STREET = "350921001"
CODE = "XP7Q2N8M4K5T"


def take(opened: Opened, events: list[Any]) -> None:
    """Events in; all are good."""
    dead = opened.deliveries.take(
        [Message(encode(e), names.CONTENT_TYPE, names.EVENTS_EXCHANGE, e.routing_key) for e in events]
    )
    assert dead == []


def publish(opened: Opened, street: str = "", year: int = 2026) -> Name:
    """Orders the account of a year, of a street or the county, and publishes it."""
    with opened() as work:
        id_ = publishing.order(work, year, street, "county-1", {"street": {STREET: "松城街道"}, "unit": {}})
    name = publish_order(opened, id_)
    assert name is not None
    return name


def publish_order(opened: Opened, id_: str) -> Name | None:
    """Publishes what was ordered; None when another is at it."""
    with opened() as work:
        return publishing.publish(work, SIGNER, id_=id_)


class Intake(BaseHTTPRequestHandler):
    """Knows one tracking code, as intake would answer the role `service`."""

    known: dict[str, tuple[str, str | None]]

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        code = parse_qs(asked.query).get("tracking_code", [""])[0]
        found = self.known.get(code) if asked.path == "/reports" else None
        body = json.dumps({"id": found[0], "case": found[1]} if found else {"status": 404}).encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@contextmanager
def intake(opened: Opened) -> Iterator[dict[str, tuple[str, str | None]]]:
    """An intake that the ledger asks; what is put into the answer it knows: report and case by tracking code."""
    known: dict[str, tuple[str, str | None]] = {}
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Known", (Intake,), {"known": known}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    object.__setattr__(opened.settings, "intake_url", f"http://127.0.0.1:{server.server_port}")
    try:
        yield known
    finally:
        server.shutdown()
        server.server_close()


class Books:
    """A ledger with a county's year: what was solved, what is open, a dispute, a promise of the meeting."""

    def __init__(self, opened: Opened, stories: Any) -> None:
        self.opened = opened
        opened.clock.time = NOW
        story = lambda title, **more: stories.Story(street=STREET, title=title, **more)  # noqa: E731
        self.done = stories.usual(story("例王明家门口路灯不亮"))
        self.open = story("=1+1 例家巷积水")
        self.dispute = story("例李四与例张三的纠纷")
        self.dispute.case["kind"] = "dispute"
        events = [*self.done.events, self.open.step("case.opened"), self.open.assign("U02")]
        take(opened, [*events, self.dispute.step("case.opened"), self.dispute.close("satisfied")])
        with opened() as work:
            what = Opening("meeting", "d-1", STREET, "0300", "=修好例家巷", "十二月前")
            entries.open_entry(work, what, Act("desk-1", iso(NOW), "open"))
        self.intake = opened.settings.intake_url  # type: ignore[attr-defined]
        self.name = publish(opened)
