"""Stops of providers, channels and templates, and alarms: who, when and why."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal

import sqlalchemy as sa

from jiayuan.chassis.work import Work

Stoppable = Literal["provider", "channel", "template"]
STOPPED: Final = "stopped"
TEMPLATE_STOPPED: Final = "the template is stopped"
REASONS: Final[Mapping[Stoppable, tuple[str, ...]]] = {
    "provider": (STOPPED,),
    "channel": (STOPPED,),
    "template": (TEMPLATE_STOPPED,),
}
"""What is noted with notices that wait because something is stopped."""


def stops(work: Work, wall: datetime) -> set[tuple[str, str]]:
    """What is stopped now, as (kind, name)."""
    found = work.execute(
        "SELECT kind, name FROM stop WHERE ended_at IS NULL AND (until IS NULL OR until > :wall)", wall=wall
    )
    return {(row.kind, row.name) for row in found}


def stop(
    work: Work,
    kind: Stoppable,
    name: str,
    *,
    reason: str,
    by: str,
    wall: datetime,
    until: datetime | None = None,
) -> bool:
    """Stop something until it is started, or until `until`; False when it is stopped for longer already."""
    work.execute(
        "UPDATE stop SET ended_at = until, ended_by = 'time' "
        "WHERE kind = :kind AND name = :name AND ended_at IS NULL AND until <= :wall",
        kind=kind,
        name=name,
        wall=wall,
    )
    done = work.execute(
        "INSERT INTO stop (kind, name, reason, by, at, until) "
        "VALUES (:kind, :name, :reason, :by, :wall, :until) "
        "ON CONFLICT (kind, name) WHERE ended_at IS NULL DO UPDATE SET "
        "until = excluded.until, reason = excluded.reason, by = excluded.by "
        "WHERE stop.until < coalesce(excluded.until, 'infinity') RETURNING id",
        kind=kind,
        name=name,
        reason=reason,
        by=by,
        wall=wall,
        until=until,
    )
    return bool(done)


def start(work: Work, kind: Stoppable, name: str, *, reason: str, by: str, wall: datetime) -> bool:
    """End a stop, and clear what was raised about it; False when nothing was stopped."""
    done = work.execute(
        "UPDATE stop SET ended_at = :wall, ended_by = :by, ended_reason = :reason "
        "WHERE kind = :kind AND name = :name AND ended_at IS NULL RETURNING id",
        kind=kind,
        name=name,
        by=by,
        reason=reason,
        wall=wall,
    )
    clear(work, name, by=by, wall=wall)
    return bool(done)


def stop_rows(work: Work, since: datetime) -> list[sa.Row[Any]]:
    """Stops in force or since then, newest first; at most 500."""
    return list(
        work.execute(
            "SELECT * FROM stop WHERE ended_at IS NULL OR at >= :since ORDER BY id DESC LIMIT 500",
            since=since,
        )
    )


def raise_alarm(work: Work, kind: str, subject: str, reason: str, wall: datetime, times: int = 1) -> None:
    """Raise an alarm; one that is raised already counts once more."""
    work.execute(
        "INSERT INTO alarm (kind, subject, reason, raised_at, last_at, times) "
        "VALUES (:kind, :subject, :reason, :wall, :wall, :times) "
        "ON CONFLICT (kind, subject) WHERE cleared_at IS NULL DO UPDATE SET "
        "reason = excluded.reason, last_at = excluded.last_at, times = alarm.times + excluded.times",
        kind=kind,
        subject=subject,
        reason=reason,
        wall=wall,
        times=times,
    )


def clear(work: Work, subject: str, *, by: str, wall: datetime) -> int:
    """Clear what is raised about something; how many alarms."""
    found = work.execute(
        "UPDATE alarm SET cleared_at = :wall, cleared_by = :by WHERE subject = :subject AND cleared_at IS NULL",
        subject=subject,
        by=by,
        wall=wall,
    )
    return found.rowcount


def alarms(work: Work, *, raised: bool = True) -> list[sa.Row[Any]]:
    """Alarms that are raised, or all; newest first, at most 500."""
    where = "WHERE cleared_at IS NULL" if raised else ""
    return list(work.execute(f"SELECT * FROM alarm {where} ORDER BY id DESC LIMIT 500"))
