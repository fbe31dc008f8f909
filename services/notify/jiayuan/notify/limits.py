"""How much a provider lets one number have in a time: limits as data, and when the next one may go. Pure.

Carriers and vendors refuse more than, say, one message a minute, five an hour and ten a day to a number. Whoever asks
all the same is charged for it at some and barred at others, so what was sent is counted here and waits until its
window opens.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

Scope = Literal["number", "template", "content"]
SCOPES: Final[tuple[Scope, ...]] = ("number", "template", "content")
MOST_SECONDS: Final = 31 * 86400
MOST_COUNT: Final = 1000


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `count` within any `seconds`, of all that one number gets (`number`), of one template (`template`), or
    of the very same words (`content`)."""

    scope: Scope
    count: int
    seconds: int

    def __post_init__(self) -> None:
        """ValueError names what is wrong and what is allowed."""
        if self.scope not in SCOPES:
            raise ValueError(f"scope is {self.scope!r}, it must be {', '.join(SCOPES)}")
        if not 1 <= self.count <= MOST_COUNT:
            raise ValueError(f"count is {self.count}, it must be 1 to {MOST_COUNT}")
        if not 1 <= self.seconds <= MOST_SECONDS:
            raise ValueError(f"seconds is {self.seconds}, it must be 1 to {MOST_SECONDS}")


@dataclass(frozen=True, slots=True)
class Sent:
    """One message that a number got or is about to get: Unix seconds, template, and a digest of its words."""

    at: float
    template: str
    content: str


def digest(text: str) -> str:
    """What stands for a text where its words must not be kept."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def opens(limits: Iterable[Limit], sent: Sequence[Sent], one: Sent) -> float:
    """When `one` may go, in Unix seconds: `one.at` when now, else the first moment at which every limit holds."""
    at = one.at
    for limit in limits:
        same = sorted(s.at for s in sent if _alike(limit.scope, s, one))
        if len(same) >= limit.count:
            # The oldest of the newest `count` must have left the window.
            at = max(at, same[-limit.count] + limit.seconds)
    return at


def kept(limits: Sequence[Limit], sent: Iterable[Sent], now: float) -> list[Sent]:
    """What still counts for any of the limits, newest last."""
    longest = max((limit.seconds for limit in limits), default=0)
    return sorted((s for s in sent if s.at > now - longest), key=lambda s: s.at)


def _alike(scope: Scope, a: Sent, b: Sent) -> bool:
    if scope == "template":
        return a.template == b.template
    return scope == "number" or a.content == b.content
