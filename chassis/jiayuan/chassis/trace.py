"""W3C Trace Context: made at the edge, carried through every event."""

from __future__ import annotations

import os
from contextvars import ContextVar

from jiayuan.contracts.envelope import TRACEPARENT

current: ContextVar[dict[str, str] | None] = ContextVar("jiayuan_log_context", default=None)


def traceparent(given: str | None = None) -> str:
    """The caller's `traceparent` continued with a span of our own, or a new trace when there is none."""
    span = os.urandom(8).hex()
    if given and TRACEPARENT.fullmatch(given):
        return f"{given[:36]}{span}{given[52:]}"
    return f"00-{os.urandom(16).hex()}-{span}-01"


def trace_id(parent: str) -> str:
    """The 32 hex digits of the trace."""
    return parent[3:35] if parent else ""
