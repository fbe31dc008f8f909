"""Matters that are no cases: what promises are about, in the table of what was seen of cases."""

from __future__ import annotations

from typing import Any

from jiayuan.chassis import bulk
from jiayuan.chassis.work import Work

from .tables import case_seen


def matter(work: Work, id_: str, street: str, lane: str, traceparent: str) -> dict[str, Any]:
    """What is known of a matter, locked until the commit; it is there from now on."""
    row = {
        "case_id": id_,
        "sequence": 0,
        "state": "open",
        "street": street,
        "lane": lane,
        "traceparent": traceparent,
        "pauses": [],
        "extensions": [],
        "facts": {},
        "seen_at": work.now,
    }
    work.insert(case_seen, [row], conflict="ON CONFLICT (case_id) DO NOTHING")
    found = work.execute("SELECT facts FROM case_seen WHERE case_id = :id FOR UPDATE", id=id_).scalar_one()
    return dict(found or {})


def keep_matter(work: Work, id_: str, facts: dict[str, Any]) -> int:
    """Stores what is known of a matter that is locked; its new version."""
    return int(
        work.execute(
            "UPDATE case_seen SET sequence = sequence + 1, facts = CAST(:facts AS jsonb), seen_at = :now "
            "WHERE case_id = :id RETURNING sequence",
            id=id_,
            facts=bulk.dumps(facts),
            now=work.now,
        ).scalar_one()
    )
