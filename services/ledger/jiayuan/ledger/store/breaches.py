"""Breaches that came before the entry of their case."""

from __future__ import annotations

from collections.abc import Sequence

from jiayuan.chassis.work import Work
from jiayuan.contracts.envelope import Event

from .tables import waiting_breach


def keep_breaches(work: Work, events: Sequence[Event]) -> None:
    """Keeps breaches of cases without an entry until the entry comes."""
    rows = [
        {
            "clock_id": e.data["clock"]["id"],
            "clock_sequence": e.sequence,
            "case_id": e.data["clock"]["case"],
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


def take_breaches(work: Work, most: int) -> list[Event]:
    """Takes away up to `most` kept breaches whose case has an entry by now."""
    rows = work.execute(
        "DELETE FROM waiting_breach WHERE (clock_id, clock_sequence) IN ("
        "  SELECT w.clock_id, w.clock_sequence FROM waiting_breach w"
        "  WHERE EXISTS (SELECT FROM entry e WHERE e.case_id = w.case_id)"
        "  ORDER BY w.clock_id, w.clock_sequence LIMIT :most FOR UPDATE OF w SKIP LOCKED)"
        " RETURNING event_id, event_source, event_time, data, clock_id, clock_sequence, street, lane, traceparent",
        most=most,
    )
    return [
        Event(r[0], r[1], "clock.breached", r[2], r[3], r[4], r[5], r[6], r[7], r[8])
        for r in sorted(rows, key=lambda r: (r[4], r[5]))
    ]


def drop_breaches(work: Work, days: float) -> int:
    """Drops what was kept for more than `days` of business time: cases that are no livelihood matters."""
    return work.execute(
        "DELETE FROM waiting_breach WHERE since < :now - make_interval(secs => :seconds)",
        now=work.now,
        seconds=days * 86400,
    ).rowcount
