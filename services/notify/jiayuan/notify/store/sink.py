"""What the sink took."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jiayuan.chassis.work import Work

from .tables import sink_message


def put_sink_messages(work: Work, rows: Sequence[dict[str, Any]]) -> None:
    """What the sink would have sent, once a request."""
    work.insert(
        sink_message,
        sorted(rows, key=lambda r: r["request_id"]),
        conflict="ON CONFLICT (request_id) DO NOTHING",
    )


def sink_has(work: Work, request_ids: Sequence[str]) -> set[str]:
    """Which requests the sink has stored."""
    found = work.execute(
        "SELECT CAST(request_id AS text) AS id FROM sink_message WHERE request_id = ANY(CAST(:ids AS uuid[]))",
        ids=list(request_ids),
    )
    return {row.id for row in found}
