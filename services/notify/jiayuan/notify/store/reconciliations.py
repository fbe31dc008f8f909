"""Reconciliations with providers' own lists, and the differences that were found."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final

import sqlalchemy as sa

from jiayuan.chassis.work import Work

from ..reconciliation import Difference
from .notices import first_id
from .tables import difference

_BEGIN: Final = """
INSERT INTO reconciliation (provider, day, after, due_at) VALUES (:provider, :day, CAST(:after AS uuid), :wall)
ON CONFLICT (provider, day) DO NOTHING
"""

# Whoever moves `due_at` does the next page; if he dies, another one does after the lease.
_TAKE: Final = """
UPDATE reconciliation SET due_at = :lease WHERE (provider, day) IN (
    SELECT provider, day FROM reconciliation WHERE provider = :provider AND ended_at IS NULL AND due_at <= :wall
    ORDER BY day LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING day, after, failures
"""

# The key of a call's row is a UUIDv7 of when its answer was recorded.
_CALLS: Final = """
SELECT CAST(a.id AS text) AS id, CAST(a.request_id AS text) AS request_id, a.provider_ref, a.outcome, a.channel,
       CAST(a.notice_id AS text) AS notice_id, n.recipient, r.contact,
       coalesce((SELECT max(e.outcome) FILTER (WHERE e.outcome = 'delivered') FROM attempt e
                 WHERE e.notice_id = a.notice_id AND e.request_id = a.request_id AND e.outcome = 'delivered'),
                (SELECT 'undelivered' FROM attempt e
                 WHERE e.notice_id = a.notice_id AND e.request_id = a.request_id
                   AND e.outcome IN ('undelivered', 'refused') LIMIT 1), 'accepted') AS state
FROM attempt a
JOIN notice n ON n.id = a.notice_id
LEFT JOIN recipient r ON r.type = n.recipient_type AND r.ref = n.recipient
WHERE a.id > CAST(:after AS uuid) AND a.id < CAST(:last AS uuid) AND a.provider = :provider AND a.kind = 'send'
  AND a.outcome IN ('accepted', 'delivered', 'unknown') AND a.started_at >= :since AND a.started_at < :until
ORDER BY a.id LIMIT :size
"""

# What became of each request of a day, as far as we know. Of several calls with the same key an end counts, then that
# it was taken; else what the last one said.
_ENDS: Final = """
SELECT a.provider, e.state, count(*) AS count
FROM (SELECT DISTINCT provider, notice_id, request_id FROM attempt
      WHERE id > CAST(:first AS uuid) AND id < CAST(:last AS uuid) AND provider = ANY(CAST(:providers AS text[]))
        AND kind = 'send' AND started_at >= :since AND started_at < :until) a,
LATERAL (SELECT CASE WHEN bool_or(outcome = 'delivered') THEN 'delivered'
                     WHEN bool_or(outcome IN ('undelivered', 'refused', 'content_refused', 'no_consent'))
                     THEN 'undelivered'
                     WHEN bool_or(outcome = 'accepted') THEN 'accepted'
                     WHEN (array_agg(outcome ORDER BY id DESC))[1] = 'unknown' THEN 'unresolved'
                     ELSE 'not_taken' END AS state
         FROM attempt WHERE notice_id = a.notice_id AND request_id = a.request_id) e
GROUP BY a.provider, e.state
"""

_DONE: Final = """
UPDATE reconciliation SET after = CAST(:after AS uuid), ours = ours + :ours, theirs = theirs + :theirs, failures = 0,
                          due_at = :wall, ended_at = CASE WHEN :ended THEN CAST(:wall AS timestamptz) END
WHERE provider = :provider AND day = :day
"""

_FAILED: Final = """
UPDATE reconciliation SET failures = failures + 1, due_at = :again, error = :why,
                          ended_at = CASE WHEN :ended THEN CAST(:wall AS timestamptz) END
WHERE provider = :provider AND day = :day
"""


def begin(work: Work, provider: str, day: date, since: datetime, wall: datetime) -> None:
    """Have a day of a provider reconciled, if nobody has begun it."""
    work.execute(_BEGIN, provider=provider, day=day, after=first_id(since), wall=wall)


def take(work: Work, provider: str, wall: datetime, lease: datetime) -> sa.Row[Any] | None:
    """The oldest day of a provider whose next page is due; nobody else takes it before `lease`."""
    found: sa.Row[Any] | None = work.execute(_TAKE, provider=provider, wall=wall, lease=lease).first()
    return found


def calls(
    work: Work, provider: str, after: str, since: datetime, until: datetime, last: datetime, size: int
) -> list[sa.Row[Any]]:
    """Our calls of a day that the provider took or may have taken, in the order of their ids, with sealed contacts."""
    asked = {"after": after, "since": since, "until": until, "last": first_id(last), "size": size}
    return list(work.execute(_CALLS, provider=provider, **asked))


def ends(
    work: Work, providers: Sequence[str], since: datetime, until: datetime, last: datetime
) -> dict[str, dict[str, int]]:
    """By provider, how many requests of a day ended how: `delivered`, `accepted`, `undelivered`, `not_taken` (it
    certainly doesn't have it), `unresolved` (nobody knows). `last`: when the answer to a call may be recorded."""
    found: dict[str, dict[str, int]] = {name: {} for name in providers}
    asked = {"first": first_id(since), "last": first_id(last), "providers": list(providers)}
    for row in work.execute(_ENDS, since=since, until=until, **asked):
        found[row.provider][row.state] = row.count
    return found


def done(
    work: Work, provider: str, day: date, after: str, ours: int, theirs: int, wall: datetime, *, ended: bool
) -> None:
    """A page was looked at; `ended`: it was the last."""
    work.execute(
        _DONE, provider=provider, day=day, after=after, ours=ours, theirs=theirs, wall=wall, ended=ended
    )


def failed(
    work: Work, provider: str, day: date, why: str, wall: datetime, again: datetime, *, ended: bool
) -> None:
    """The provider gave no list; it is asked again, or (`ended`) not any more."""
    work.execute(_FAILED, provider=provider, day=day, why=why, wall=wall, again=again, ended=ended)


def put(work: Work, provider: str, day: date, found: Sequence[Difference], wall: datetime) -> int:
    """Keep differences, each once; how many are new."""
    rows = [
        {
            "provider": provider,
            "day": day.isoformat(),
            "kind": d.kind,
            "key": d.key,
            "notice_id": d.notice_id,
            "ours": d.ours,
            "theirs": d.theirs,
            "found_at": wall,
        }
        for d in found
    ]
    conflict = "ON CONFLICT (provider, day, kind, key) DO NOTHING"
    return len(work.insert(difference, rows, conflict=conflict, returning="id")) if rows else 0


def settle(work: Work, ids: Sequence[int], by: str, reason: str, wall: datetime) -> int:
    """Somebody has seen to differences; how many were open."""
    found = work.execute(
        "UPDATE difference SET settled_at = :wall, settled_by = :by, reason = :reason "
        "WHERE id = ANY(CAST(:ids AS bigint[])) AND settled_at IS NULL",
        ids=list(ids),
        by=by,
        reason=reason,
        wall=wall,
    )
    return found.rowcount


def settle_state(work: Work, provider: str, day: date, keys: Sequence[str], wall: datetime) -> None:
    """What they knew and we didn't was taken over as a receipt."""
    work.execute(
        "UPDATE difference SET settled_at = :wall, settled_by = 'notify', reason = 'taken over as a receipt' "
        "WHERE provider = :provider AND day = :day AND kind = 'state' AND key = ANY(CAST(:keys AS text[])) "
        "AND settled_at IS NULL",
        provider=provider,
        day=day,
        keys=list(keys),
        wall=wall,
    )


def open_of(work: Work, provider: str, day: date) -> int:
    """How many differences of a day nobody has seen to."""
    return int(
        work.execute(
            "SELECT count(*) FROM difference WHERE provider = :provider AND day = :day AND settled_at IS NULL",
            provider=provider,
            day=day,
        ).scalar_one()
    )


def days(work: Work) -> list[sa.Row[Any]]:
    """The newest 100 reconciliations, with how many differences are open."""
    return list(
        work.execute(
            "SELECT provider, day, ours, theirs, ended_at, error, (SELECT count(*) FROM difference d "
            "WHERE d.provider = r.provider AND d.day = r.day AND d.settled_at IS NULL) AS open "
            "FROM reconciliation r ORDER BY day DESC, provider LIMIT 100"
        )
    )


def differences(work: Work, *, everything: bool = False) -> list[sa.Row[Any]]:
    """Open differences, or all, newest first; at most 500."""
    where = "" if everything else "WHERE settled_at IS NULL"
    return list(
        work.execute(
            "SELECT id, provider, day, kind, key, CAST(notice_id AS text) AS notice_id, ours, theirs, found_at, "
            f"settled_at, settled_by, reason FROM difference {where} ORDER BY id DESC LIMIT 500"
        )
    )
