"""Sending: claims, answers, attempts, and what is stuck."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from jiayuan.chassis.transaction import Prepared
from jiayuan.chassis.work import Work

from .notices import FACTS
from .tables import attempt, sending

# Almost everything that is claimed is sent, so it is submitted in the same statement; what isn't is changed once more
# before the commit. `old` is what it was.
_CLAIM: Final = Prepared(
    f"""
WITH old AS (
    SELECT notice_id, state, reason, state_at, priority, due_at, waits, version, attempts, provider, request_id
    FROM sending
    WHERE state IN ('queued', 'deferred') AND due_at <= $1
    ORDER BY priority, due_at LIMIT $2
    FOR UPDATE SKIP LOCKED),
taken AS (
    UPDATE sending s SET
        state = 'submitted', reason = NULL, state_at = $3, due_at = $1, submitted_at = $1, provider = $4,
        awaits_recipient = NULL, awaits_report = NULL, version = s.version + 1, attempts = s.attempts + 1,
        -- The same key as before at the same provider, or it couldn't tell that it is the same message.
        request_id = CASE WHEN old.provider = $4 AND old.request_id IS NOT NULL THEN old.request_id
                          ELSE gen_random_uuid() END
    FROM old WHERE s.notice_id = old.notice_id
    RETURNING s.notice_id, old.state, old.state_at, old.priority, old.due_at, old.waits, old.version, old.attempts,
              old.provider AS old_provider, old.request_id AS old_request, s.request_id)
SELECT CAST(t.notice_id AS text) AS id, t.state, t.state_at, t.due_at, t.waits, t.version, t.attempts,
       t.old_provider AS provider, CAST(t.old_request AS text) AS old_request,
       CAST(t.request_id AS text) AS request_id, {FACTS},
       r.ref IS NOT NULL AS known, r.contact, r.active, p.tracking_code
FROM taken t
JOIN notice n ON n.id = t.notice_id
LEFT JOIN recipient r ON r.type = n.recipient_type AND r.ref = n.recipient
LEFT JOIN report p ON p.id = n.report_id
ORDER BY t.priority, t.due_at
""",
    "timestamptz",
    "int",
    "timestamptz",
    "text",
)

_WAKE: Final = Prepared(
    """
UPDATE sending SET due_at = $1 WHERE notice_id IN (
    SELECT notice_id FROM sending
    WHERE awaits_recipient = ANY($2) OR awaits_report = ANY($3)
    ORDER BY notice_id FOR UPDATE SKIP LOCKED)
""",
    "timestamptz",
    "text[]",
    "text[]",
)

_STUCK: Final = """
UPDATE sending SET state = 'unknown', reason = 'no answer was recorded', state_at = :now, due_at = :wall,
                   version = version + 1
WHERE notice_id IN (
    SELECT notice_id FROM sending WHERE state = 'submitted' AND submitted_at < :before
    ORDER BY submitted_at LIMIT :size FOR UPDATE SKIP LOCKED)
RETURNING CAST(notice_id AS text) AS id, version, attempts, provider, CAST(request_id AS text) AS request_id,
          submitted_at
"""

_ASK: Final = f"""
WITH asked AS (
    UPDATE sending SET due_at = :lease WHERE notice_id IN (
        SELECT notice_id FROM sending WHERE state = 'unknown' AND due_at <= :wall AND provider = :provider
        ORDER BY due_at LIMIT :size FOR UPDATE SKIP LOCKED)
    RETURNING notice_id, version, attempts, provider, request_id)
SELECT CAST(a.notice_id AS text) AS id, a.version, a.attempts, a.provider,
       CAST(a.request_id AS text) AS request_id, {FACTS}
FROM asked a JOIN notice n ON n.id = a.notice_id
"""


def wake(work: Work, recipients: Iterable[str], reports: Iterable[str], wall: datetime) -> None:
    """Notices that wait for these recipients or reports are due now."""
    work.later(_WAKE, wall, list(recipients), list(reports))


def claim(work: Work, size: int, wall: datetime, provider: str) -> list[sa.Row[Any]]:
    """Submit up to `size` due notices to a provider, the most urgent first: each as it was before, with its request id
    and what is known of its recipient."""
    return work.run(_CLAIM, wall, size, work.now, provider)


def change(work: Work, rows: Sequence[dict[str, Any]]) -> None:
    """Write new states of notices whose rows this transaction has locked."""
    work.update(sending, rows, key=("notice_id",))


def record(work: Work, rows: Sequence[dict[str, Any]]) -> set[str]:
    """Write what became of submitted notices; ids of those that still stood where the call left them."""
    changed = work.update(
        sending,
        rows,
        key=("notice_id", "request_id"),
        where="t.state IN ('submitted', 'unknown')",
        returning="CAST(t.notice_id AS text) AS id",
    )
    return {row.id for row in changed}


def put_attempts(work: Work, rows: Sequence[dict[str, Any]]) -> None:
    """One row for each call to a provider."""
    work.insert(attempt, rows)


def stuck(work: Work, before: datetime, size: int, wall: datetime) -> list[sa.Row[Any]]:
    """Notices submitted before `before` without an answer become unknown; at most `size`."""
    return list(work.execute(_STUCK, before=before, size=size, wall=wall, now=work.now))


def ask(work: Work, provider: str, size: int, wall: datetime, lease: datetime) -> list[sa.Row[Any]]:
    """Unknown notices whose provider is to be asked now; nobody else asks until `lease`."""
    return list(work.execute(_ASK, provider=provider, size=size, wall=wall, lease=lease))
