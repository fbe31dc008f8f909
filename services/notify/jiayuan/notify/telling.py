"""The event that a notice's new state deserves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jiayuan.chassis.work import Work
from jiayuan.contracts.times import iso

from . import reading, states


def tell(
    work: Work,
    row: Mapping[str, Any],
    state: str,
    version: int,
    attempts: int,
    error: str | None,
    provider: str,
    *,
    told: bool = False,
) -> None:
    """Emit notice.sent, notice.delivered or notice.failed, if any; `told`: notice.sent was said before.

    With notice.sent goes notice.asked, where the notice has to be read.

    `row` has the notice's own columns; `error` holds no address of a person.
    """
    name = states.event_of(state, told)
    if name is None:
        return
    data: dict[str, Any] = {
        "id": row["id"],
        "recipient": row["recipient"],
        "role": row["role"],
        "matter": row["matter"],
        "step": row["step"],
        "template": row["template"],
        "provider": provider,
        "state": state,
        "attempts": attempts,
        "at": iso(work.now),
    }
    if error:
        data["error"] = error
    work.emit(
        name,
        {"notice": data},
        subject=data["id"],
        sequence=version,
        street=row["street"],
        traceparent=row["traceparent"],
        causationid=row["event_id"],
    )
    if name == "notice.sent":
        reading.asked(work, row, version)
