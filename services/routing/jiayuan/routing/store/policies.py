"""Policy tables."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from jiayuan.chassis.work import Work

from .rows import rows_of
from .tables import (
    policy_table,
)


def policies(work: Work) -> list[Any]:
    """The documents of the imported policy tables, the one that holds from the latest time first."""
    sql = "SELECT document FROM policy ORDER BY effective_from DESC, imported_at DESC"
    return [row[0] for row in rows_of(work, sql)]


def add_policy(work: Work, version: str, since: datetime, document: Mapping[str, Any], by: str) -> bool:
    """Stores a policy table; False when there is one of that version: what decided cases is never changed."""
    row = {
        "version": version,
        "effective_from": since,
        "document": document,
        "imported_at": work.now,
        "imported_by": by,
    }
    return bool(work.insert(policy_table, [row], conflict="ON CONFLICT DO NOTHING", returning="version"))
