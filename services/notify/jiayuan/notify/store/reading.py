"""Who has read what."""

from __future__ import annotations

from typing import Any, Final

from jiayuan.chassis.work import Work

from .notices import FACTS

NEVER_SENT: Final = ("queued", "claimed", "deferred", "suppressed")
"""States of notices whose link nobody can have."""

_FOUND: Final = f"""
SELECT CAST(n.id AS text) AS id, {FACTS}, s.state, s.version, s.read_at
FROM notice n JOIN sending s ON s.notice_id = n.id WHERE n.id = CAST(:id AS uuid)
"""


def found_read(work: Work, notice: str) -> dict[str, Any] | None:
    """A notice with its state and when it was read; None when there is none."""
    row = work.execute(_FOUND, id=notice).first()
    return None if row is None else dict(row._mapping)


def mark_read(work: Work, notice: str) -> bool:
    """A notice was read now; False when somebody was quicker."""
    done = work.execute(
        "UPDATE sending SET read_at = :now WHERE notice_id = CAST(:id AS uuid) AND read_at IS NULL",
        now=work.now,
        id=notice,
    )
    return done.rowcount == 1
