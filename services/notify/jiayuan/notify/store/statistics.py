"""How quick sending was and what it cost: summed from what is there, and added to what is kept of what is gone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from jiayuan.chassis.work import Work

from .notices import first_id
from .tables import COUNTS

BY: Final = ("hour", "day", "provider", "channel", "template")

_ADDED: Final = ", ".join(f"{c} = statistic.{c} + excluded.{c}" for c in (*COUNTS, "cost"))
_SUMMED: Final = ", ".join(f"sum({c}) AS {c}" for c in (*COUNTS, "cost"))

# The key is a UUIDv7: its first 48 bits say when the notice was made. Quick is counted from then, or from when it was
# no longer held; delivery from the call that sent it. What was paid is the paid provider's, whoever sent in the end.
SUMS: Final = """
one AS (
    SELECT n.id, n.template, s.state, s.channel, coalesce(s.provider, '') AS provider, s.ready_at,
           to_timestamp(CAST(CAST('x' || translate(left(CAST(n.id AS text), 13), '-', '') AS bit(48)) AS bigint)
                        / 1000.0) AS made_at
    FROM notice n JOIN sending s ON s.notice_id = n.id WHERE {where}),
told AS (
    SELECT one.*, call.accepted_at, call.sent_at, call.delivered_at,
           date_trunc('hour', one.made_at, 'UTC') AS hour
    FROM one LEFT JOIN LATERAL (
        SELECT min(ended_at) FILTER (WHERE kind <> 'receipt' AND outcome IN ('accepted', 'delivered')) AS accepted_at,
               min(started_at) FILTER (WHERE kind = 'send' AND outcome IN ('accepted', 'delivered', 'unknown'))
                   AS sent_at,
               -- The time of a receipt is the provider's, unless its clock is ahead of ours.
               min(CASE kind WHEN 'receipt' THEN least(started_at, ended_at) ELSE ended_at END)
                   FILTER (WHERE outcome = 'delivered') AS delivered_at
        FROM attempt WHERE notice_id = one.id) call ON true),
sums AS (
    SELECT hour, provider, channel, template, count(*) AS notices,
           count(accepted_at) AS accepted,
           count(*) FILTER (WHERE accepted_at <= greatest(made_at, ready_at) + interval '10 seconds') AS accepted_10s,
           count(delivered_at) AS delivered,
           count(*) FILTER (WHERE delivered_at <= sent_at + interval '1 minute') AS delivered_1m,
           count(*) FILTER (WHERE delivered_at <= sent_at + interval '5 minutes') AS delivered_5m,
           count(*) FILTER (WHERE delivered_at <= sent_at + interval '1 hour') AS delivered_60m,
           count(*) FILTER (WHERE state = 'undelivered') AS undelivered,
           count(*) FILTER (WHERE state = 'expired') AS expired,
           count(*) FILTER (WHERE state = 'suppressed') AS suppressed,
           0 AS segments, 0 AS cost
    FROM told GROUP BY 1, 2, 3, 4
    UNION ALL
    SELECT told.hour, a.provider, a.channel, told.template, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
           sum(a.segments), coalesce(sum(a.cost), 0)
    FROM told JOIN attempt a ON a.notice_id = told.id WHERE a.segments IS NOT NULL GROUP BY 1, 2, 3, 4)
"""

_KEEP: Final = f"""
WITH {SUMS.format(where="n.id = ANY(CAST(:ids AS uuid[]))")}
INSERT INTO statistic (hour, provider, channel, template, {", ".join(COUNTS)}, cost)
SELECT hour, provider, channel, template, {_SUMMED} FROM sums GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
ON CONFLICT (hour, provider, channel, template) DO UPDATE SET {_ADDED}
"""

_READ: Final = f"""
WITH {SUMS.format(where="n.id >= CAST(:first AS uuid) AND n.id < CAST(:last AS uuid)")},
found AS (
    SELECT hour, provider, channel, template, {", ".join(COUNTS)}, cost FROM sums
    UNION ALL
    SELECT hour, provider, channel, template, {", ".join(COUNTS)}, cost FROM statistic
    WHERE hour >= :since AND hour < :until)
SELECT {{groups}}{_SUMMED} FROM found {{grouped}}
"""
_GROUPS: Final = {"day": "date_trunc('day', hour, 'Asia/Shanghai')"}


def keep(work: Work, ids: Sequence[str]) -> None:
    """Add these notices, which are about to go, to the sums that stay."""
    work.execute(_KEEP, ids=list(ids))


def read(work: Work, since: datetime, until: datetime, by: Sequence[str]) -> list[sa.Row[Any]]:
    """Sums over notices made from one full hour to another, by some of `BY`, in their order."""
    groups = "".join(f"{_GROUPS.get(name, name)} AS {name}, " for name in by)
    places = ", ".join(str(n + 1) for n in range(len(by)))
    grouped = f"GROUP BY {places} ORDER BY {places}" if by else "HAVING count(*) > 0"
    sql = _READ.format(groups=groups, grouped=grouped)
    asked = {"first": first_id(since), "last": first_id(until), "since": since, "until": until}
    return list(work.execute(sql, **asked))
