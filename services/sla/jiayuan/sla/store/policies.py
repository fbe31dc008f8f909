"""Versions of policies and calendars, and the recomputations that they ask for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from jiayuan.chassis.work import Work

from .tables import calendar_version, policy_version, recomputation

_SIGNATURE: Final = (
    "SELECT (SELECT count(*) FROM policy_version) AS policies, "
    "(SELECT count(*) FROM calendar_version) AS calendars"
)


def signature(work: Work) -> tuple[int, int]:
    """What tells whether what a process has loaded is still all there is: versions are only ever added."""
    row = work.execute(_SIGNATURE).one()
    return int(row.policies), int(row.calendars)


def policies(work: Work) -> Sequence[Any]:
    """All versions with their documents, as they came."""
    return work.execute(
        "SELECT version, effective_from, document, digest, imported_at, imported_by FROM policy_version "
        "ORDER BY imported_at, version"
    )


def calendars(work: Work) -> Sequence[Any]:
    """All versions of all calendars with their documents."""
    return work.execute(
        "SELECT name, version, document, digest, known_until, imported_at, imported_by, note "
        "FROM calendar_version ORDER BY name, version"
    )


def calendar_document(work: Work, name: str, version: int | None = None) -> dict[str, Any] | None:
    """The document of a calendar's version, by default the newest; None when there is none."""
    found: dict[str, Any] | None = work.execute(
        "SELECT document FROM calendar_version WHERE name = :name "
        "AND (CAST(:version AS int) IS NULL OR version = :version) ORDER BY version DESC LIMIT 1",
        name=name,
        version=version,
    ).scalar()
    return found


def policy_document(work: Work, version: str) -> dict[str, Any] | None:
    """The document of a policy's version."""
    found: dict[str, Any] | None = work.execute(
        "SELECT document FROM policy_version WHERE version = :version", version=version
    ).scalar()
    return found


def add_calendar(work: Work, row: dict[str, Any]) -> int | None:
    """Adds the next version of a calendar; its number, None when somebody else has just added that one."""
    last = work.execute(
        "SELECT coalesce(max(version), 0) FROM calendar_version WHERE name = :name", name=row["name"]
    ).scalar()
    version = int(last or 0) + 1
    done = work.insert(
        calendar_version,
        [{**row, "version": version}],
        conflict="ON CONFLICT DO NOTHING",
        returning="version",
    )
    return version if done else None


def add_policy(work: Work, row: dict[str, Any]) -> bool:
    """Adds a version of the policy; False when there is one of that name."""
    return bool(work.insert(policy_version, [row], conflict="ON CONFLICT DO NOTHING", returning="version"))


def ask_recomputation(work: Work, why: str, not_before: datetime, by: str) -> None:
    """Asks for all open clocks to be computed again, once for each reason, when its time has come."""
    work.insert(
        recomputation,
        [
            {
                "why": why,
                "not_before": not_before,
                "asked_at": work.now,
                "asked_by": by,
                "turn": 1,
                "looked_at": 0,
                "moved": 0,
            }
        ],
        conflict="ON CONFLICT (why) DO NOTHING",
    )


def recomputations(work: Work) -> Sequence[Any]:
    """The newest recomputations."""
    return work.execute("SELECT * FROM recomputation ORDER BY number DESC LIMIT 50")
