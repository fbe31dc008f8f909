"""Notices of long ago go, with all that is kept of them but their sums, and contacts that nothing needs any more."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from jiayuan.chassis.work import Work

from . import statistics
from .notices import first_id

_ENDED: Final = ("delivered", "undelivered", "expired", "suppressed")

_OLD: Final = """
SELECT CAST(notice_id AS text) AS id FROM sending
WHERE notice_id < CAST(:first AS uuid) AND state = ANY(CAST(:ended AS text[]))
ORDER BY notice_id LIMIT :size FOR UPDATE SKIP LOCKED
"""

_GONE: Final = """
WITH old AS (SELECT unnest(CAST(:ids AS uuid[])) AS id),
calls AS (DELETE FROM attempt WHERE notice_id IN (SELECT id FROM old) RETURNING request_id),
texts AS (DELETE FROM sink_message WHERE request_id IN (SELECT request_id FROM calls)),
again AS (DELETE FROM resend WHERE notice_id IN (SELECT id FROM old)),
states AS (DELETE FROM sending WHERE notice_id IN (SELECT id FROM old))
DELETE FROM notice WHERE id IN (SELECT id FROM old)
RETURNING recipient_type, recipient, report_id
"""

_CODES: Final = """
DELETE FROM report WHERE id = ANY(CAST(:reports AS text[]))
AND NOT EXISTS (SELECT FROM notice WHERE notice.report_id = report.id)
"""

# `version` is the time of somebody's newest report in microseconds; whoever has reported since is left alone, also by
# a transaction that ends just now.
_ALONE: Final = """
type = 'citizen' AND ref = ANY(CAST(:refs AS text[])) AND version < :version
AND NOT EXISTS (SELECT FROM notice n WHERE n.recipient_type = 'citizen' AND n.recipient = recipient.ref)
"""
# Who has refused something isn't told it again when he comes back; nothing else is kept of him.
_CONTACTS: Final = f"UPDATE recipient SET contact = NULL WHERE {_ALONE} AND contact IS NOT NULL"
_PEOPLE: Final = f"""
WITH gone AS (DELETE FROM recipient WHERE {_ALONE} AND preferences IS NULL AND NOT erased RETURNING ref),
told AS (DELETE FROM told WHERE type = 'citizen' AND ref IN (SELECT ref FROM gone))
DELETE FROM preference_change WHERE recipient_type = 'citizen' AND recipient IN (SELECT ref FROM gone)
"""


def forget(work: Work, before: datetime, size: int) -> int:
    """Drop up to `size` notices that were made before a wall time and have come to their end; how many.

    Their sums are kept in the same transaction, so that statistics never change by it.
    """
    ended = list(_ENDED)
    ids = [row.id for row in work.execute(_OLD, first=first_id(before), ended=ended, size=size)]
    if not ids:
        return 0
    statistics.keep(work, ids)
    gone = list(work.execute(_GONE, ids=ids))
    work.execute(_CODES, reports=sorted({row.report_id for row in gone if row.report_id}))
    refs = sorted({row.recipient for row in gone if row.recipient_type == "citizen"})
    version = int(before.timestamp() * 1_000_000)
    work.execute(_CONTACTS, refs=refs, version=version)
    work.execute(_PEOPLE, refs=refs, version=version)
    return len(ids)
