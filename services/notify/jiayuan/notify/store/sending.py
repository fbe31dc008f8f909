"""Sending: claims, answers, attempts, and what is stuck."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from jiayuan.chassis import bulk
from jiayuan.chassis.transaction import Prepared
from jiayuan.chassis.work import Work

from .notices import FACTS
from .tables import attempt, sending

_PRIORITIES: Final = (0, 1, 2)

# Almost everything that is claimed is sent, so it is submitted in the same statement; what isn't is changed once more
# before the commit. `old` is what it was. Each urgency is a range of the index of its own: what is urgent but not due
# yet (a limit, the night) is then not walked through to find what is due. Rows are locked one by one as they come.
_CLAIM: Final = Prepared(
    f"""
WITH old AS (
    SELECT s.* FROM unnest($5, $6) AS p(priority, channel),
    LATERAL (
        SELECT notice_id, state, state_at, priority, due_at, waits, version, attempts, provider, request_id, channel,
               hold_at
        FROM sending
        WHERE state IN ('queued', 'deferred') AND channel = p.channel AND priority = p.priority AND due_at <= $1
          AND (hold_at IS NULL OR hold_at <= $1 OR provider <> $4)
        ORDER BY due_at LIMIT $2
        FOR UPDATE SKIP LOCKED) s
    LIMIT $2),
taken AS (
    UPDATE sending s SET
        state = 'submitted', reason = NULL, state_at = $3, due_at = $1, submitted_at = $1, provider = $4,
        awaits_recipient = NULL, awaits_report = NULL, hold_at = NULL, channel = coalesce($7, s.channel),
        version = s.version + 1, attempts = s.attempts + 1,
        -- The same key as before at the same provider, or it couldn't tell that it is the same message.
        request_id = CASE WHEN old.provider = $4 AND old.request_id IS NOT NULL THEN old.request_id
                          ELSE gen_random_uuid() END
    FROM old WHERE s.notice_id = old.notice_id
    RETURNING s.notice_id, old.state, old.state_at, old.priority, old.due_at, old.waits, old.version, old.attempts,
              old.provider AS old_provider, old.request_id AS old_request, old.channel, old.hold_at, s.request_id)
SELECT CAST(t.notice_id AS text) AS id, t.state, t.state_at, t.due_at, t.waits, t.version, t.attempts, t.priority,
       t.old_provider AS provider, CAST(t.old_request AS text) AS old_request, t.channel, t.hold_at,
       CAST(t.request_id AS text) AS request_id, {FACTS},
       r.ref IS NOT NULL AS known, r.contact, r.active, r.preferences, p.tracking_code
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
    "smallint[]",
    "text[]",
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
    SELECT notice_id FROM sending
    WHERE state = 'submitted' AND submitted_at < CAST(:latest AS timestamptz)
      AND submitted_at < coalesce(CAST(CAST(:before AS jsonb) ->> provider AS timestamptz), :earliest)
    ORDER BY submitted_at LIMIT :size FOR UPDATE SKIP LOCKED)
RETURNING CAST(notice_id AS text) AS id, version, attempts, provider, channel, CAST(request_id AS text) AS request_id,
          submitted_at
"""

_ASK: Final = f"""
WITH asked AS (
    UPDATE sending SET due_at = :lease WHERE notice_id IN (
        SELECT notice_id FROM sending WHERE state = 'unknown' AND due_at <= :wall AND provider = :provider
        ORDER BY due_at LIMIT :size FOR UPDATE SKIP LOCKED)
    RETURNING notice_id, version, attempts, priority, provider, channel, request_id, provider_ref, submitted_at)
SELECT CAST(a.notice_id AS text) AS id, a.version, a.attempts, a.priority, a.provider, a.channel, a.provider_ref,
       a.submitted_at, CAST(a.request_id AS text) AS request_id, {FACTS}, r.contact
FROM asked a
JOIN notice n ON n.id = a.notice_id
LEFT JOIN recipient r ON r.type = n.recipient_type AND r.ref = n.recipient
"""

_FACTS_OF: Final = f"""
SELECT CAST(s.notice_id AS text) AS id, s.priority, s.channel, {FACTS}, r.contact, r.preferences
FROM sending s JOIN notice n ON n.id = s.notice_id
LEFT JOIN recipient r ON r.type = n.recipient_type AND r.ref = n.recipient
WHERE s.notice_id = ANY(CAST(:ids AS uuid[]))
"""

_OPEN: Final = f"""
SELECT CAST(s.notice_id AS text) AS id, s.state, s.due_at, s.priority, s.version, s.attempts, s.provider, s.channel,
       s.read_at, {FACTS}
FROM sending s JOIN notice n ON n.id = s.notice_id
WHERE s.notice_id IN (
    SELECT notice_id FROM sending WHERE {{where}} ORDER BY {{order}} LIMIT :size FOR UPDATE SKIP LOCKED)
"""

_GIVE_BACK: Final = """
UPDATE sending s SET state = 'queued', due_at = :wall, attempts = s.attempts - 1, submitted_at = NULL
FROM unnest(CAST(:ids AS uuid[]), CAST(:requests AS uuid[])) AS g(id, request)
WHERE s.notice_id = g.id AND s.request_id = g.request AND s.state = 'submitted'
"""


def wake(work: Work, recipients: Iterable[str], reports: Iterable[str], wall: datetime) -> None:
    """Notices that wait for these recipients or reports are due now."""
    work.later(_WAKE, wall, list(recipients), list(reports))


def claim(
    work: Work, size: int, wall: datetime, provider: str, channels: Sequence[str], channel: str | None = None
) -> list[sa.Row[Any]]:
    """Submit up to `size` due notices of some channels to a provider, the most urgent first: each as it was before,
    with its request id and what is known of its recipient. They go on `channel`, or (None) each on its own."""
    priorities = [p for p in _PRIORITIES for _ in channels]
    return work.run(
        _CLAIM, wall, size, work.now, provider, priorities, list(channels) * len(_PRIORITIES), channel
    )


def change(work: Work, rows: Sequence[dict[str, Any]]) -> None:
    """Write new states of notices whose rows this transaction has locked. All rows have the keys of the first."""
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


def give_back(work: Work, requests: Sequence[tuple[str, str]], wall: datetime) -> None:
    """Notices (id, request id) that were submitted and certainly not called for are queued again."""
    ids, keys = [i for i, _ in requests], [r for _, r in requests]
    work.execute(_GIVE_BACK, ids=ids, requests=keys, wall=wall)


def put_attempts(work: Work, rows: Sequence[dict[str, Any]]) -> None:
    """One row for each call to a provider."""
    work.insert(attempt, rows)


def stuck(work: Work, before: Mapping[str, datetime], size: int, wall: datetime) -> list[sa.Row[Any]]:
    """Notices submitted before their provider's time in `before` without an answer become unknown; at most `size`.

    Of providers that aren't in it any more, those before the earliest.
    """
    found = work.execute(
        _STUCK,
        before=bulk.dumps(before),
        earliest=min(before.values()),
        latest=max(before.values()),
        size=size,
        wall=wall,
        now=work.now,
    )
    return list(found)


def facts_of(work: Work, ids: Sequence[str]) -> list[sa.Row[Any]]:
    """Notices with what is known of their recipients, as sealed contact and wishes."""
    return list(work.execute(_FACTS_OF, ids=list(ids)))


def ask(work: Work, provider: str, size: int, wall: datetime, lease: datetime) -> list[sa.Row[Any]]:
    """Unknown notices whose provider is to be asked now; nobody else asks until `lease`."""
    return list(work.execute(_ASK, provider=provider, size=size, wall=wall, lease=lease))


def to_follow(work: Work, size: int, wall: datetime) -> list[sa.Row[Any]]:
    """Notices, locked, that are to be looked at again now because of the policy of channels."""
    sql = _OPEN.format(where="follow_at <= :wall", order="follow_at")
    return list(work.execute(sql, size=size, wall=wall))


def without_receipt(work: Work, size: int, wall: datetime) -> list[sa.Row[Any]]:
    """Accepted notices, locked, whose receipt didn't come in its time."""
    sql = _OPEN.format(where="state = 'accepted' AND due_at <= :wall", order="due_at")
    return list(work.execute(sql, size=size, wall=wall))


def unanswered(work: Work, size: int, before: datetime) -> list[sa.Row[Any]]:
    """Unknown notices, locked, that came about before `before` (business time) and that nobody can tell about."""
    where = "state = 'unknown' AND EXISTS (SELECT FROM notice WHERE notice.id = notice_id AND notice.at < :before)"
    return list(work.execute(_OPEN.format(where=where, order="due_at"), size=size, before=before))


def release(work: Work, reason: str, wall: datetime) -> int:
    """Notices put off for this reason are due now; how many."""
    found = work.execute(
        "UPDATE sending SET due_at = :wall WHERE state = 'deferred' AND reason = :reason AND due_at > :wall",
        wall=wall,
        reason=reason,
    )
    return found.rowcount
