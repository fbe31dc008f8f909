"""What people were sent today, and digests with what they stand for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any, Final

from jiayuan.chassis import bulk
from jiayuan.chassis.transaction import Prepared
from jiayuan.chassis.work import Work

Person = tuple[str, str]
"""Type and ref of a recipient."""

# Rows are locked in their order: two senders that tell the same people wait for each other and never deadlock, and
# nobody gets more than his cap because both counted at once.
_COUNT: Final = Prepared(
    """
INSERT INTO told (type, ref, day, sent, burst, burst_at)
SELECT type, ref, $2, sent, burst, $3
FROM json_to_recordset(CAST($1 AS json)) AS r(type text, ref text, sent int, burst int) ORDER BY type, ref
ON CONFLICT (type, ref) DO UPDATE SET
    sent = CASE WHEN told.day = excluded.day THEN told.sent ELSE 0 END + excluded.sent,
    day = excluded.day,
    burst = CASE WHEN told.burst_at >= $4 THEN told.burst ELSE 0 END + excluded.burst,
    burst_at = CASE WHEN excluded.burst > 0 THEN excluded.burst_at ELSE told.burst_at END
RETURNING type, ref, sent, burst
""",
    "text",
    "date",
    "timestamptz",
    "timestamptz",
)

_UNCOUNT: Final = """
UPDATE told SET sent = told.sent - r.n
FROM json_to_recordset(CAST(:rows AS json)) AS r(type text, ref text, n int)
WHERE told.type = r.type AND told.ref = r.ref
"""

# What somebody else is just sending is passed over: nothing can be put into it any more.
_OPEN: Final = """
SELECT DISTINCT ON (o.recipient_type, o.recipient) o.recipient_type, o.recipient, CAST(o.id AS text) AS id
FROM (
    SELECT n.recipient_type, n.recipient, n.id, n.at
    FROM unnest(CAST(:types AS text[]), CAST(:refs AS text[])) AS p(type, ref)
    JOIN notice n ON n.recipient_type = p.type AND n.recipient = p.ref AND n.matter = 'digest'
    JOIN sending s ON s.notice_id = n.id
    WHERE s.state IN ('queued', 'deferred') FOR UPDATE OF s SKIP LOCKED) o
ORDER BY o.recipient_type, o.recipient, o.at
"""

_GATHERED: Final = """
SELECT CAST(s.gathered_in AS text) AS digest, n.template, n.template_version, count(*) AS n
FROM sending s JOIN notice n ON n.id = s.notice_id
WHERE s.gathered_in = ANY(CAST(:digests AS uuid[])) GROUP BY 1, 2, 3
"""


def count_told(
    work: Work, counts: Sequence[dict[str, Any]], day: date, since: datetime
) -> dict[Person, tuple[int, int]]:
    """Add to what people were sent; by person, how many today and how many in a row that may be gathered, these too.

    `counts`: `{"type", "ref", "sent", "burst"}`, a person once. A row ends when nothing came since `since`.
    """
    rows = work.run(_COUNT, bulk.dumps(list(counts)), day, work.now, since)
    return {(row.type, row.ref): (row.sent, row.burst) for row in rows}


def uncount_told(work: Work, rows: Sequence[dict[str, Any]]) -> None:
    """Take back what isn't sent today after all: `{"type", "ref", "n"}`."""
    work.execute(_UNCOUNT, rows=bulk.dumps(list(rows)))


def forget_told(work: Work, before: date, size: int) -> int:
    """Drop the counts of people who were last sent something before that day, at most `size`; how many."""
    found = work.execute(
        "DELETE FROM told WHERE (type, ref) IN "
        "(SELECT type, ref FROM told WHERE day < :before LIMIT :size FOR UPDATE SKIP LOCKED)",
        before=before,
        size=size,
    )
    return found.rowcount


def open_digests(work: Work, people: Iterable[Person]) -> dict[Person, str]:
    """The digests, locked, that can still take notices, by person."""
    types, refs = zip(*people, strict=True)
    rows = work.execute(_OPEN, types=list(types), refs=list(refs))
    return {(row.recipient_type, row.recipient): row.id for row in rows}


def gathered(work: Work, digests: Sequence[str]) -> list[tuple[str, str, int, int]]:
    """What digests stand for: digest, template, its version, how many."""
    rows = work.execute(_GATHERED, digests=list(digests))
    return [(row.digest, row.template, row.template_version, row.n) for row in rows]
