"""Matters that are no cases: what promises are about, in the table of what was seen of cases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from jiayuan.chassis.work import Work

from .tables import case_seen


class Matter(NamedTuple):
    """A matter that something was said of: its id, and what its clocks speak with."""

    id: str
    street: str
    lane: str
    traceparent: str


class Known(NamedTuple):
    """What is known of a matter, and its newest version; what the rates need of it, where it has promised anything."""

    facts: dict[str, Any]
    version: int
    measured: dict[str, Any] | None = None
    begun_at: datetime | None = None
    over_at: datetime | None = None


def matters(work: Work, said: Iterable[Matter]) -> dict[str, Known]:
    """What is known of matters, locked until the commit; they are there from now on."""
    rows = [
        {
            "case_id": m.id,
            "sequence": 0,
            "state": "open",
            "street": m.street,
            "lane": m.lane,
            "traceparent": m.traceparent,
            "pauses": [],
            "extensions": [],
            "facts": {},
            "seen_at": work.now,
        }
        # By id, so that two replicas with the same matters wait for each other in one order.
        for m in sorted({m.id: m for m in said}.values())
    ]
    work.insert(case_seen, rows, conflict="ON CONFLICT (case_id) DO NOTHING")
    found = work.execute(
        "SELECT case_id, facts, sequence FROM case_seen WHERE case_id = ANY(:ids) ORDER BY case_id FOR UPDATE",
        ids=[row["case_id"] for row in rows],
    )
    return {row[0]: Known(dict(row[1] or {}), row[2]) for row in found}


def keep_matters(work: Work, known: Mapping[str, Known]) -> None:
    """Stores what is known of matters that are locked, with their versions."""
    rows = [
        {
            "case_id": id_,
            "sequence": k.version,
            "facts": k.facts,
            "seen_at": work.now,
            "measured": k.measured,
            "begun_at": k.begun_at,
            "over_at": k.over_at,
        }
        for id_, k in known.items()
    ]
    work.update(case_seen, rows, key=("case_id",))
