"""Weights of providers and what is counted of them, shared by all replicas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from jiayuan.chassis.work import Work

from ..failover import ERRORS_WITHIN, SLOW_AFTER, SLOW_WITHIN, Health, Move, Share
from .tables import tally, weight, weight_change

BUCKET: Final = 5
"""Seconds that are counted together."""
KEEP: Final = timedelta(days=2)

_ADD: Final = (
    "ON CONFLICT (provider, at) DO UPDATE SET accepted = tally.accepted + excluded.accepted, "
    "errors = tally.errors + excluded.errors, fast = tally.fast + excluded.fast"
)

_HEALTH: Final = """
SELECT provider,
       coalesce(sum(errors) FILTER (WHERE at > :errors_since), 0) AS errors,
       sum(accepted) AS accepted,
       coalesce(sum(greatest(accepted - fast, 0)) FILTER (WHERE at <= :slow_before), 0) AS slow
FROM tally WHERE provider = ANY(:providers) AND at > :since GROUP BY provider
"""


def _bucket(at: datetime) -> datetime:
    return at - timedelta(seconds=at.second % BUCKET, microseconds=at.microsecond)


def count(
    work: Work, provider: str, *, accepted: Iterable[datetime] = (), errors: Sequence[datetime] = ()
) -> None:
    """Count calls of a provider by their wall times: when what it accepted was sent, when its errors came."""
    rows: dict[datetime, dict[str, Any]] = {}
    for word, times in (("accepted", accepted), ("errors", errors)):
        for at in times:
            bucket = _bucket(at)
            row = rows.setdefault(
                bucket, {"provider": provider, "at": bucket, "accepted": 0, "errors": 0, "fast": 0}
            )
            row[word] += 1
    work.insert(tally, list(rows.values()), conflict=_ADD)


def delivered(work: Work, sent: Iterable[tuple[str, datetime]], wall: datetime) -> None:
    """Count final receipts, each by its provider and when the message was submitted: those that came in time."""
    rows: dict[tuple[str, datetime], dict[str, Any]] = {}
    for provider, at in sent:
        if wall - at <= SLOW_AFTER:
            key = (provider, _bucket(at))
            row = rows.setdefault(
                key, {"provider": provider, "at": key[1], "accepted": 0, "errors": 0, "fast": 0}
            )
            row["fast"] += 1
    work.insert(tally, list(rows.values()), conflict=_ADD)


def health(work: Work, receipts: Mapping[str, bool], wall: datetime) -> dict[str, Health]:
    """What was counted of providers; `receipts` says which of them tell of deliveries, for only those can be slow."""
    found = work.execute(
        _HEALTH,
        providers=list(receipts),
        since=wall - SLOW_WITHIN,
        errors_since=wall - ERRORS_WITHIN,
        slow_before=wall - SLOW_AFTER,
    )
    return {
        row.provider: Health(row.errors, row.accepted, row.slow)
        if receipts[row.provider]
        else Health(row.errors)
        for row in found
    }


def counted(work: Work, wall: datetime) -> set[str]:
    """The providers of which something was counted lately."""
    found = work.execute("SELECT DISTINCT provider FROM tally WHERE at > :since", since=wall - SLOW_WITHIN)
    return {row.provider for row in found}


def shares(work: Work, channel: str, *, lock: bool = False) -> list[Share]:
    """The providers of a channel and where they stand."""
    found = work.execute(
        "SELECT provider, rest, points, moved_at, trouble_at FROM weight WHERE channel = :channel "
        f"ORDER BY provider {'FOR UPDATE' if lock else ''}",
        channel=channel,
    )
    return [Share(*row) for row in found]


def rest(work: Work, channel: str, points: Mapping[str, int], wall: datetime) -> None:
    """Make the configuration known: another set of providers, or other weights, begin at rest."""
    # Two replicas that start at once find a table without rows; the lock of rows would hold neither up.
    work.execute("SELECT pg_advisory_xact_lock(hashtext('notify weight ' || :channel))", channel=channel)
    before = {s.provider: s for s in shares(work, channel, lock=True)}
    if {p: s.rest for p, s in before.items()} == dict(points):
        return
    work.execute(
        "DELETE FROM weight WHERE channel = :channel OR provider = ANY(:providers)",
        channel=channel,
        providers=list(points),
    )
    work.insert(
        weight, [{"provider": p, "channel": channel, "rest": n, "points": n} for p, n in points.items()]
    )
    moves = [
        Move(p, before[p].now if p in before else 0, points.get(p, 0), "configuration")
        for p in sorted(before.keys() | points)
    ]
    _tell(work, channel, moves, wall)


def save(work: Work, channel: str, found: Sequence[Share], moves: Sequence[Move], wall: datetime) -> None:
    """Write where providers stand, and each move with its reason."""
    rows = [
        {"provider": s.provider, "points": s.now, "moved_at": s.moved_at, "trouble_at": s.trouble_at}
        for s in found
    ]
    work.update(weight, rows, key=("provider",))
    _tell(work, channel, moves, wall)


def _tell(work: Work, channel: str, moves: Sequence[Move], wall: datetime) -> None:
    work.insert(
        weight_change,
        [
            {
                "provider": m.provider,
                "channel": channel,
                "before": m.before,
                "after": m.after,
                "reason": m.reason,
                "at": wall,
            }
            for m in moves
        ],
    )


def changes(work: Work, since: datetime) -> list[sa.Row[Any]]:
    """The moves since then, oldest first; at most 500, the newest."""
    found = work.execute(
        "SELECT * FROM weight_change WHERE at >= :since ORDER BY id DESC LIMIT 500", since=since
    )
    return list(reversed(found))


def all_shares(work: Work) -> dict[str, list[Share]]:
    """Where all providers stand, by channel."""
    found: dict[str, list[Share]] = {}
    for row in work.execute(
        "SELECT channel, provider, rest, points, moved_at, trouble_at FROM weight ORDER BY 1, 2"
    ):
        found.setdefault(row.channel, []).append(Share(*row[1:]))
    return found


def forget(work: Work, wall: datetime) -> None:
    """Drop old counts."""
    work.execute("DELETE FROM tally WHERE at < :before", before=wall - KEEP)
