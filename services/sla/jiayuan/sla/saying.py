"""Clock events out."""

from __future__ import annotations

from jiayuan.chassis.work import Work
from jiayuan.contracts.envelope import Event

from .clock import Step, spoken


def say(work: Work, step: Step, *, cause: Event | None = None, traceparent: str = "") -> None:
    """Decides the event of a step; `cause` led to it, or the trace is all that is known."""
    clock = step.clock
    work.emit(
        step.says,
        spoken(step),
        subject=clock.id,
        sequence=clock.sequence,
        street=clock.street,
        cause=cause,
        traceparent=traceparent,
    )
