"""Notices that a person has sent again."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from jiayuan.chassis.work import Work

from .tables import resend

_LOCKED: Final = """
SELECT CAST(n.id AS text) AS id, n.street, n.recipient, s.state, s.reason, s.version, s.channel,
       CAST(s.request_id AS text) AS request_id, CAST(s.gathered_in AS text) AS gathered_in
FROM sending s JOIN notice n ON n.id = s.notice_id
WHERE s.notice_id = CAST(:id AS uuid) AND (:street = '' OR n.street = :street) FOR UPDATE OF s
"""

_DOUBTFUL: Final = """
SELECT coalesce(bool_or(kind = 'send' AND outcome = 'unknown'), false)
       AND NOT coalesce(bool_or(kind IN ('query', 'receipt')), false)
FROM attempt WHERE notice_id = CAST(:id AS uuid) AND request_id = CAST(:request AS uuid)
"""

# Without its request id it gets a new one: for the provider it is another message, which is what is wanted here.
_AGAIN: Final = """
UPDATE sending SET state = 'queued', reason = 'sent again', state_at = :now, due_at = :wall, waits = 0,
                   version = version + 1, provider = NULL, request_id = NULL, provider_ref = NULL,
                   submitted_at = NULL, hold_at = NULL, follow_at = NULL
WHERE notice_id = CAST(:id AS uuid)
"""


def locked(work: Work, notice: str, street: str = "") -> dict[str, Any] | None:
    """A notice as it stands, locked; None where there is none (of that street)."""
    row = work.execute(_LOCKED, id=notice, street=street).first()
    return dict(row._mapping) if row else None


def doubtful(work: Work, notice: str, request: str) -> bool:
    """Whether the answer to a request was lost and its provider has never been asked, nor said anything since."""
    return bool(work.execute(_DOUBTFUL, id=notice, request=request).scalar_one())


def again(work: Work, row: dict[str, Any], by: str, reason: str, wall: datetime) -> None:
    """Queue a locked notice as a new message, and keep who wanted it and why."""
    work.execute(_AGAIN, id=row["id"], now=work.now, wall=wall)
    kept = {"notice_id": row["id"], "at": wall, "by": by, "reason": reason}
    work.insert(resend, [kept | {"state": row["state"], "request_id": row["request_id"]}])
