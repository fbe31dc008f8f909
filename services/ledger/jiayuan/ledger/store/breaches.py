"""What clocks said before it could be posted: breaches before the entry of their case, and corrections before the
breach that they take back; and which posted breaches count."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from jiayuan.chassis.work import Work
from jiayuan.contracts.envelope import Event

from .tables import waiting_breach

COUNTS: Final = (
    "p.clock_id IS NOT NULL AND p.kind <> 'reversal' AND p.facts #>> '{clock,kind}' IN ('finish', 'citizen') "
    "AND NOT EXISTS (SELECT FROM posting r WHERE r.clock_id = p.clock_id AND r.kind = 'reversal' "
    "AND r.clock_sequence > p.clock_sequence)"
)
"""Of a posting `p`: the limit of whoever handled it, or the citizen's, passed, and no newer word of its clock, in
whichever year, withdraws that."""


def keep_waiting(work: Work, events: Sequence[Event]) -> None:
    """Keeps what clocks said until it can be posted."""
    rows = [
        {
            "clock_id": e.data["clock"]["id"],
            "clock_sequence": e.sequence,
            "case_id": e.data["clock"]["case"],
            "event_name": e.name,
            "event_id": e.id,
            "event_source": e.source,
            "event_time": e.time,
            "street": e.street,
            "traceparent": e.traceparent,
            "lane": e.lane,
            "data": e.data,
            "since": work.now,
        }
        for e in events
    ]
    work.insert(waiting_breach, rows, conflict="ON CONFLICT DO NOTHING")


_TAKE: Final = (
    "DELETE FROM waiting_breach WHERE (clock_id, clock_sequence) IN ("
    "  SELECT w.clock_id, w.clock_sequence FROM waiting_breach w WHERE {ready}"
    "  ORDER BY w.clock_id, w.clock_sequence LIMIT :most FOR UPDATE OF w SKIP LOCKED)"
    " RETURNING event_id, event_source, event_name, event_time, data, clock_id, clock_sequence, street, lane,"
    " traceparent"
)
_BREACHES: Final = _TAKE.format(
    ready="w.event_name = 'clock.breached' AND EXISTS (SELECT FROM entry e WHERE e.case_id = w.case_id)"
)
# As `entry.is_withdrawn_by` has it.
_CORRECTIONS: Final = _TAKE.format(
    ready="w.event_name = 'clock.corrected' AND EXISTS (SELECT FROM posting p WHERE p.clock_id = w.clock_id"
    " AND p.clock_sequence < w.clock_sequence AND p.kind <> 'reversal'"
    " AND p.at = coalesce(CAST(w.data #>> '{clock,breached_at}' AS timestamptz), p.at))"
)


def take_breaches(work: Work, most: int) -> list[Event]:
    """Takes away up to `most` kept breaches whose case has an entry by now."""
    return _events(work.execute(_BREACHES, most=most))


def take_corrections(work: Work, most: int) -> list[Event]:
    """Takes away up to `most` kept corrections whose breach is posted by now."""
    return _events(work.execute(_CORRECTIONS, most=most))


def _events(rows: Iterable[Any]) -> list[Event]:
    return [Event(*r) for r in sorted(rows, key=lambda r: (r.clock_id, r.clock_sequence))]


def drop_waiting(work: Work, days: float) -> int:
    """Drops what was kept for more than `days` of business time: of cases that are no livelihood matters."""
    return work.execute(
        "DELETE FROM waiting_breach WHERE since < :now - make_interval(secs => :seconds)",
        now=work.now,
        seconds=days * 86400,
    ).rowcount
