"""What callers have used of their limits, counted over all replicas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jiayuan.chassis import bulk
from jiayuan.chassis.work import Work


def count_together(work: Work, used: Sequence[Any]) -> list[tuple[str, int, int, int]]:
    """Adds what this process counted, rows in the order of their keys: (subject, seconds, slot, n) of all replicas."""
    rows = [
        {"subject": u.subject, "seconds": u.seconds, "slot": u.window, "n": u.n, "until": u.until}
        for u in used
    ]
    found = work.execute(
        "INSERT INTO limit_use AS t (subject, seconds, slot, n, until) "
        "SELECT subject, seconds, slot, n, until FROM json_to_recordset(CAST(:rows AS json)) "
        "AS r(subject text, seconds int, slot bigint, n int, until bigint) "
        "ON CONFLICT (subject, seconds, slot) DO UPDATE SET n = t.n + EXCLUDED.n "
        "RETURNING subject, seconds, slot, n",
        rows=bulk.dumps(rows),
    )
    return [(r.subject, r.seconds, r.slot, r.n) for r in found]


def forget_use(work: Work, before: float, most: int = 20000) -> int:
    """Deletes what no window covers any more (`before`: Unix seconds); how many."""
    return work.execute(
        "DELETE FROM limit_use WHERE ctid = ANY(ARRAY(SELECT ctid FROM limit_use WHERE until < :before "
        "LIMIT :most FOR UPDATE SKIP LOCKED))",
        before=int(before),
        most=most,
    ).rowcount
