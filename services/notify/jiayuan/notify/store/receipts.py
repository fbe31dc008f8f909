"""Receipts: which of our requests they are about, and those that came before their request's answer was recorded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from jiayuan.chassis.work import Work

from .notices import FACTS
from .tables import attempt, consent_heard, receipt_waiting

MOST_WAITING: Final = 10_000
"""So many receipts of one provider may wait for their request, lest whoever knows the secret path fill the disk."""

# Two halves, so that each uses its partial index; answers of the sink are in neither.
_ISSUED: Final = """
SELECT CAST(notice_id AS text) AS notice_id, CAST(request_id AS text) AS request_id, provider_ref, channel FROM attempt
WHERE provider = :provider AND outcome IN ('accepted', 'unknown') AND request_id = ANY(CAST(:requests AS uuid[]))
UNION
SELECT CAST(notice_id AS text), CAST(request_id AS text), provider_ref, channel FROM attempt
WHERE provider = :provider AND outcome IN ('accepted', 'unknown') AND provider_ref = ANY(CAST(:refs AS text[]))
"""

_STANDING: Final = f"""
SELECT CAST(s.notice_id AS text) AS id, s.state, s.version, s.attempts, s.provider, s.submitted_at, s.channel,
       CAST(s.request_id AS text) AS current_request, {FACTS}
FROM sending s JOIN notice n ON n.id = s.notice_id
WHERE s.notice_id = ANY(CAST(:ids AS uuid[])) ORDER BY s.notice_id FOR UPDATE OF s
"""

_WAITING: Final = """
SELECT CAST(id AS text) AS id, request_id, provider_ref, kind, code, at, unsubscribed, heard_at FROM receipt_waiting
WHERE provider = :provider ORDER BY heard_at LIMIT :size FOR UPDATE SKIP LOCKED
"""

# `hold_at`, which keeps a queued notice from its provider, keeps an accepted one from being asked about: that is done
# some time after it was sent, then when twice as much has passed, and so on; whoever moves it asks.
_TO_ASK: Final = """
WITH due AS (
    SELECT notice_id FROM sending
    WHERE state = 'accepted' AND provider = :provider AND coalesce(hold_at, submitted_at + :first) <= :wall
    ORDER BY due_at LIMIT :size FOR UPDATE SKIP LOCKED),
moved AS (
    UPDATE sending s SET hold_at = :wall + greatest(:first, :wall - s.submitted_at)
    FROM due WHERE s.notice_id = due.notice_id
    RETURNING s.notice_id, s.request_id, s.provider_ref, s.submitted_at, s.channel)
SELECT CAST(m.request_id AS text) AS request_id, m.provider_ref, m.submitted_at, m.channel, n.recipient, r.contact
FROM moved m
JOIN notice n ON n.id = m.notice_id
JOIN recipient r ON r.type = n.recipient_type AND r.ref = n.recipient
WHERE r.contact IS NOT NULL
"""


class Issued(NamedTuple):
    """A request of ours."""

    notice_id: str
    request_id: str
    provider_ref: str | None
    channel: str


def issued(work: Work, provider: str, requests: Sequence[str], refs: Sequence[str]) -> list[Issued]:
    """Our requests to a provider that have one of these ids, ours or its own."""
    found = work.execute(_ISSUED, provider=provider, requests=list(requests), refs=list(refs))
    return [Issued(*row) for row in found]


def standing(work: Work, ids: Sequence[str]) -> list[sa.Row[Any]]:
    """Notices as they stand, locked, with what an event says of them."""
    return list(work.execute(_STANDING, ids=list(ids)))


def to_ask(work: Work, provider: str, size: int, wall: datetime, first: timedelta) -> list[sa.Row[Any]]:
    """Accepted requests without a receipt that a provider is to be asked about now; nobody else asks meanwhile."""
    return list(work.execute(_TO_ASK, provider=provider, size=size, wall=wall, first=first))


def put(work: Work, rows: Sequence[dict[str, Any]]) -> set[str]:
    """Keep receipts as attempts; the ids of those that weren't there."""
    if not rows:
        return set()
    found = work.insert(
        attempt, rows, conflict="ON CONFLICT (id) DO NOTHING", returning="CAST(id AS text) AS id"
    )
    return {row.id for row in found}


def wait(work: Work, provider: str, rows: Sequence[dict[str, Any]]) -> int:
    """Keep receipts whose request isn't known yet, as far as there is room; how many."""
    there = work.execute("SELECT count(*) FROM receipt_waiting WHERE provider = :p", p=provider).scalar_one()
    kept = list(rows)[: max(0, MOST_WAITING - int(there))]
    if kept:
        work.insert(receipt_waiting, kept, conflict="ON CONFLICT (id) DO NOTHING")
    return len(kept)


def waiting(work: Work, provider: str, size: int) -> list[sa.Row[Any]]:
    """The oldest receipts that wait for their request; nobody else looks at them meanwhile."""
    return list(work.execute(_WAITING, provider=provider, size=size))


def done_waiting(work: Work, ids: Sequence[str]) -> None:
    """These receipts wait no more."""
    if ids:
        work.execute("DELETE FROM receipt_waiting WHERE id = ANY(CAST(:ids AS uuid[]))", ids=list(ids))


def hear_consents(work: Work, rows: Sequence[dict[str, Any]]) -> set[tuple[str, str, datetime]]:
    """Keep that somebody decided about a template; (person, template, at) of what wasn't known."""
    if not rows:
        return set()
    found = work.insert(
        consent_heard,
        rows,
        conflict="ON CONFLICT (person, template, at) DO NOTHING",
        returning="person, template, at",
    )
    return {(row.person, row.template, row.at) for row in found}


def forget_consents(work: Work, before: datetime) -> None:
    """Decisions that can't come again any more are forgotten; what follows from them is counted elsewhere."""
    work.execute("DELETE FROM consent_heard WHERE at < :before", before=before)
