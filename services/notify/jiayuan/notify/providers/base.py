"""What a provider is. It knows nothing of notices, and holds no database transaction of ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from jiayuan.notify.states import Outcome


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `request_id` is our key for it at the provider: the same one never sends twice.

    `to` is the address (a phone), which is never logged or stored; `recipient` is the pseudonym.
    """

    request_id: str
    recipient: str
    channel: str
    to: str = field(repr=False)
    text: str = ""


class Provider(Protocol):
    """A way to send. Both calls answer in the order of what they were given and never raise for one message."""

    name: str
    batch: int
    """How many messages one call of `send` takes at most."""

    def send(self, messages: Sequence[Message]) -> list[Outcome]:
        """Send; blocks until every outcome is known or timed out."""
        ...

    def query(self, request_ids: Sequence[str]) -> list[Outcome]:
        """What became of earlier requests: accepted, delivered, refused, not_found, or still unknown."""
        ...
