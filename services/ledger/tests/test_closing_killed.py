"""A process that is killed while it closes a year has closed nothing, and the next one closes it whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import NullPool, create_engine, text

from jiayuan.chassis import tokens
from jiayuan.chassis.database import driver_url
from jiayuan.chassis.delivery import Message
from jiayuan.chassis.testing.databases import SEAL_KEYS, TOKEN_SECRET, Databases, Opened
from jiayuan.contracts import names
from jiayuan.contracts.envelope import encode
from jiayuan.ledger import closings, store
from jiayuan.ledger.closing import Period

pytestmark = pytest.mark.store

ENTRIES = 600
LOOKS = (1, 4, 10)
"""After how many looks at its transaction a process is killed: at once, and further into it."""


def test_killed_while_closing_nothing_is_half_closed(
    opened: Opened, databases: Databases, stories: Any
) -> None:
    told = [
        stories.Story(opened_at=datetime(2026, 3, 2, tzinfo=UTC) + timedelta(seconds=n))
        for n in range(ENTRIES)
    ]
    messages = [
        Message(encode(e), names.CONTENT_TYPE, names.EVENTS_EXCHANGE, e.routing_key)
        for e in (story.step("case.opened") for story in told)
    ]
    for begin in range(0, ENTRIES, 300):
        opened.deliveries.take(messages[begin : begin + 300])
    with opened(datetime(2027, 1, 8, 1, tzinfo=UTC)) as work:
        closings.ask(work, Period(2026), "county-1", "年终")

    engine = create_engine(
        driver_url(databases.admin(opened.url)), poolclass=NullPool, isolation_level="AUTOCOMMIT"
    )
    admin = engine.connect()
    killed = 0
    try:
        for looks in LOOKS:
            process = _approve(opened.url)
            while process.poll() is None and looks > 0:
                looks -= _writing(admin)
                time.sleep(0.001)
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                killed += 1
            process.communicate()
            _until_nobody_writes(admin)
            _whole(opened)
        assert killed
        if not _closed(opened):
            last = _approve(opened.url)
            out, _ = last.communicate()
            assert last.returncode == 0, out
        assert _closed(opened)
        _whole(opened)
    finally:
        admin.close()
        engine.dispose()


def _approve(url: str) -> subprocess.Popen[str]:
    token = tokens.issue(TOKEN_SECRET, "auditor-1", ("auditor",))
    environment = {
        **os.environ,
        "JIAYUAN_LEDGER_DATABASE_URL": url,
        "JIAYUAN_TOKEN_SECRET": TOKEN_SECRET,
        "JIAYUAN_SEAL_KEYS": SEAL_KEYS,
        "JIAYUAN_TOKEN": token,
    }
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "jiayuan.chassis.cli",
            "ledger",
            "close",
            "approve",
            "2026",
            "--reason",
            "相符",
        ],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _writing(admin: Any) -> bool:
    """Whether somebody else is in a transaction that has written."""
    sql = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_xid IS NOT NULL "
        "AND pid <> pg_backend_pid()"
    )
    return bool(admin.execute(text(sql)).scalar())


def _until_nobody_writes(admin: Any) -> None:
    """The server notices a while later that its client is gone."""
    end = time.monotonic() + 60
    while _writing(admin):
        assert time.monotonic() < end
        time.sleep(0.01)


def _closed(opened: Opened) -> bool:
    with opened() as work:
        return "2026" in store.closed_periods(work)


def _whole(opened: Opened) -> None:
    """Closed and all carried forward, or not closed and nothing is."""
    expected = (ENTRIES, ENTRIES, ENTRIES, 1) if _closed(opened) else (0, 0, 0, 0)
    with opened() as work:
        found = work.execute(
            "SELECT (SELECT count(*) FROM entry WHERE year = 2026 AND state = 'carried_forward') AS a,"
            " (SELECT count(*) FROM entry WHERE year = 2027) AS b,"
            " (SELECT count(*) FROM posting p JOIN entry e ON e.id = p.entry_id"
            "  WHERE e.year = 2027 AND p.opening = 1) AS c,"
            " (SELECT count(*) FROM leaf_document WHERE document->>'act' = 'closed') AS d"
        ).one()
        assert tuple(found) == expected
        assert store.faults(work, 2026) == store.faults(work, 2027) == []
