"""Reading rows."""

from __future__ import annotations

import uuid
from typing import Any

from jiayuan.chassis.work import Work


def rows_of(work: Work, sql: str, **parameters: Any) -> list[Any]:
    """All rows of a query."""
    return list(work.execute(sql, **parameters))


def is_uuid(value: str) -> bool:
    """Whether a text is a UUID, so that PostgreSQL can be asked for it."""
    try:
        uuid.UUID(value)
    except ValueError:
        return False
    return True
