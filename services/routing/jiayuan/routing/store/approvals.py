"""SQL of what was asked for and waits for somebody: rows beside the cases' documents, so that it is found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from jiayuan.chassis.work import Work
from jiayuan.contracts.times import iso, parse

from .tables import approval


def save_approvals(work: Work, documents: Sequence[Mapping[str, Any]]) -> None:
    """Stores the approvals of cases (documents as in their events). One that is decided stays so."""
    work.insert(
        approval,
        [_row(doc, asked) for doc in documents for asked in doc["approvals"]],
        conflict="ON CONFLICT (id) DO UPDATE SET decided_at = excluded.decided_at, of = excluded.of, "
        "due_at = excluded.due_at WHERE (approval.decided_at, approval.of, approval.due_at) "
        "IS DISTINCT FROM (excluded.decided_at, excluded.of, excluded.due_at)",
    )


def _row(doc: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    limit = asked.get("limit")
    due = iso(parse(asked["asked_at"]) + timedelta(seconds=limit)) if limit is not None else None
    return {
        "id": asked["id"],
        "case_id": doc["id"],
        "street": doc["street"],
        "kind": asked["kind"],
        "leg": asked.get("leg"),
        "of": asked["of"],
        "asked_by": asked["asked_by"],
        "asked_at": asked["asked_at"],
        "due_at": due,
        "decided_at": asked.get("decided_at"),
    }
