"""The wall clock of leases, back-off and time-outs, which don't run faster in a demonstration."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """The time on the wall, aware, in UTC."""
    return datetime.now(UTC)
