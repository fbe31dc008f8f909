"""The golden examples, for several tests."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jiayuan.contracts import envelope, names
from jiayuan.contracts.generate import GOLDEN, REPOSITORY, everything
from jiayuan.contracts.registry import INBOUND_EVENTS, OUTCOME, EventType

KINDS = {e.name: e for e in everything()}


@dataclass(frozen=True)
class Example:
    """A golden example; `document` is made anew each time, so that a test may spoil it."""

    path: Path

    @property
    def kind(self) -> EventType:
        return KINDS[self.path.parent.name]

    @property
    def document(self) -> dict[str, Any]:
        return dict(json.loads(self.path.read_bytes()))

    def __str__(self) -> str:
        return f"{self.path.parent.name}/{self.path.stem}"


@cache
def examples() -> list[Example]:
    """Every golden example, in a fixed order."""
    return [Example(p) for p in sorted((REPOSITORY / GOLDEN).glob("*/*.json"))]


def exchange(kind: EventType) -> str:
    """The exchange on which an event comes."""
    if kind is OUTCOME:
        return names.OUTCOMES_EXCHANGE
    return names.INBOUND_EXCHANGE if kind.name in INBOUND_EVENTS else names.EVENTS_EXCHANGE


def read(document: Any, kind: EventType) -> envelope.Event:
    """Decodes a document as it would come over its exchange."""
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    user = str(document["source"]).removeprefix("/partners/") if isinstance(document, dict) else "partner"
    return envelope.decode(raw, names.CONTENT_TYPE, exchange=exchange(kind), user_id=user)
