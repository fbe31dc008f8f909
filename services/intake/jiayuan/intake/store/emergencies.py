"""Emergencies that were heard of. The SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from jiayuan.chassis.work import Work

from .tables import emergency


def keep_emergencies(work: Work, rows: Sequence[dict[str, Any]]) -> None:
    """Keeps the newest sequence of each; of one that is over, when it ended stays what it was."""
    work.insert(
        emergency,
        rows,
        conflict="ON CONFLICT (id) DO UPDATE SET sequence = excluded.sequence, lifted = excluded.lifted, "
        "area = CASE WHEN excluded.lifted THEN emergency.area ELSE excluded.area END, "
        "starts_at = CASE WHEN excluded.lifted THEN emergency.starts_at ELSE excluded.starts_at END, "
        "ends_at = excluded.ends_at, "
        "rank = CASE WHEN excluded.lifted THEN emergency.rank ELSE excluded.rank END, "
        "joined = CASE WHEN excluded.lifted THEN emergency.joined ELSE excluded.joined END, "
        "asked = CASE WHEN excluded.lifted THEN emergency.asked ELSE excluded.asked END "
        "WHERE excluded.sequence > emergency.sequence",
    )


def emergencies(work: Work) -> Sequence[Row[Any]]:
    """Those that are on or to come: area, starts_at, ends_at, rank, joined, asked."""
    return work.execute(
        "SELECT area, starts_at, ends_at, rank, joined, asked FROM emergency "
        "WHERE NOT lifted AND (ends_at IS NULL OR ends_at > :now) ORDER BY starts_at, id",
        now=work.now,
    )
