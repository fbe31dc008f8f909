"""How far a recomputation of the open clocks is, and the clocks that are next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from jiayuan.chassis.work import Work

from ..clock import Clock
from .clocks import _COLUMNS, _clock


class Job(NamedTuple):
    """A recomputation that is under way; `turn` 1 or 2, `cursor` the last clock that was looked at."""

    number: int
    why: str
    turn: int
    cursor: str | None
    looked_at: int
    moved: int


def next_job(work: Work) -> Job | None:
    """The oldest recomputation whose time has come, locked; None when there is none, or another has it."""
    row = work.execute(
        "SELECT number, why, turn, cursor::text, looked_at, moved FROM recomputation "
        "WHERE done_at IS NULL AND not_before <= :now AND (turn_after IS NULL OR turn_after <= clock_timestamp()) "
        "ORDER BY number LIMIT 1 FOR UPDATE SKIP LOCKED",
        now=work.now,
    ).first()
    return Job(*row) if row is not None else None


def open_clocks(work: Work, after: str | None, most: int, *, lock: bool = True) -> Sequence[Clock]:
    """The running clocks that follow a clock, by their ids, locked. Those that began meanwhile come last."""
    rows: Sequence[Any] = work.execute(
        f"SELECT {_COLUMNS} FROM clock c WHERE (CAST(:after AS uuid) IS NULL OR c.id > CAST(:after AS uuid)) "
        "AND c.state IN ('armed', 'warned') ORDER BY c.id LIMIT :most" + (" FOR UPDATE" if lock else ""),
        after=after,
        most=most,
    )
    return [_clock(row) for row in rows]


def keep_job(work: Work, job: Job, *, wait: float = 0.0, done: bool = False) -> None:
    """Stores how far a job is. `wait`: wall seconds before its turn begins."""
    work.execute(
        "UPDATE recomputation SET turn = :turn, cursor = CAST(:cursor AS uuid), looked_at = :looked_at, "
        "moved = :moved, done_at = CASE WHEN :done THEN CAST(:now AS timestamptz) END, "
        "turn_after = CASE WHEN CAST(:wait AS float) > 0 THEN clock_timestamp() + make_interval(secs => :wait) END "
        "WHERE number = :number",
        number=job.number,
        turn=job.turn,
        cursor=job.cursor,
        looked_at=job.looked_at,
        moved=job.moved,
        done=done,
        now=work.now,
        wait=wait,
    )
