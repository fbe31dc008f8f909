"""Times on the bus: RFC 3339, always with an offset, always written in UTC with `Z`."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["iso", "parse"]


def iso(at: datetime) -> str:
    """RFC 3339 in UTC with microseconds and `Z`; a time without a zone is an error."""
    if at.tzinfo is None:
        raise ValueError(f"time without a zone: {at!r}")
    return at.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def parse(text: str) -> datetime:
    """A time with an offset from RFC 3339 text; ValueError when it isn't one."""
    if len(text) < 20 or text[10] not in "Tt ":
        raise ValueError(f"not an RFC 3339 date-time: {text!r}")
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"time without an offset: {text!r}")
    return at
