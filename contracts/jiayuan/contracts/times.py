"""Times on the bus: RFC 3339, always with an offset, always written in UTC with `Z`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec

__all__ = ["AWARE", "EARLIEST", "LATEST", "iso", "parse"]

# One reader of times for the envelope, marshmallow and the fast check: they can't come to differ.
AWARE: Final[Any] = Annotated[datetime, msgspec.Meta(tz=True)]

# What a sender may name: inside it every time can be shifted to any zone and stored.
EARLIEST: Final = datetime(1900, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2999, 12, 31, 23, 59, 59, tzinfo=UTC)

_WHOLE: Final = len("2026-03-02T01:02:03.456789Z")


def iso(at: datetime) -> str:
    """RFC 3339 in UTC with microseconds and `Z`; ValueError for a time without a zone."""
    if at.tzinfo is None:
        raise ValueError(f"time without a zone: {at!r}")
    utc = at if at.tzinfo is UTC else at.astimezone(UTC)
    # A tenth of what isoformat takes, and every event has a handful of times.
    text: str = msgspec.to_builtins(utc)
    return text if len(text) == _WHOLE else text[:19] + ".000000Z"


def parse(text: str) -> datetime:
    """A time with an offset from RFC 3339 text; ValueError when it isn't one."""
    try:
        at: datetime = msgspec.convert(text, AWARE)
    except msgspec.ValidationError:
        raise ValueError(f"{text!r:.60} is not an RFC 3339 date-time with an offset") from None
    return at
