"""What becomes of a notice: its states, what a provider's answer does to it, and when it is tried again. Pure.

    queued ──▶ (claimed) ──▶ submitted ──▶ accepted ──▶ delivered
      ▲                        │  │  │         └──────▶ undelivered
      │         deferred ◀─────┘  │  └──▶ undelivered
      │            └─▶ submitted  ▼
      └───────────────────────  unknown: the provider is asked before anything is sent again

`claimed` is the row lock of the transaction that writes the request id and `submitted`; it is never committed.
An end for every notice: what isn't accepted in `give_up` is expired, and what can't be sent is suppressed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

Kind = Literal["accepted", "delivered", "refused", "deferred", "unknown", "not_found"]

DONE: Final = ("accepted", "delivered", "undelivered", "expired", "suppressed")
FAILED: Final = ("undelivered", "expired", "suppressed")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a provider said of one request.

    accepted, delivered: it has it (`ref` is its own id). refused: never, for this person. deferred: it
    certainly doesn't have it and may take it later, not before `after` seconds. unknown: it may have it.
    not_found: asked, it says that it never got it. `error` holds no address of a person.
    """

    kind: Kind
    ref: str | None = None
    error: str | None = None
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class Pace:
    """When something is tried again, in seconds: first, at most, and how long an unknown is left to settle."""

    first: float = 2.0
    most: float = 600.0
    settle: float = 5.0

    def back_off(self, attempts: int, chance: float, least: float = 0.0) -> timedelta:
        """How long to wait after `attempts` attempts; `chance` (0 to 1) spreads it over the upper half."""
        full = min(self.most, self.first * 2.0 ** min(attempts - 1, 20))
        return timedelta(seconds=max(least, full * (0.5 + chance / 2)))


@dataclass(frozen=True, slots=True)
class Next:
    """The state that follows, and in how long the notice is due again (None: it isn't)."""

    state: str
    due_in: timedelta | None = None


def after_call(outcome: Outcome, attempts: int, pace: Pace, chance: float) -> Next:
    """What follows an answer to a send or to a query, the notice having been sent `attempts` times."""
    match outcome.kind:
        case "accepted" | "delivered":
            return Next(outcome.kind)
        case "refused":
            return Next("undelivered")
        case "deferred":
            return Next("deferred", pace.back_off(attempts, chance, outcome.after))
        case "not_found":
            return Next("queued", timedelta(0))
        case _:
            # Never at once: a provider that answers late has not yet written down what it is working on.
            least = max(pace.settle, outcome.after)
            return Next("unknown", pace.back_off(attempts, chance, least))


def event_of(state: str, told: bool) -> str | None:
    """The notice.* event that a new state deserves, if any; `told` when notice.sent was said before.

    Whoever hears first of a delivery hears notice.sent with the state `delivered`: one event, not two.
    """
    if state == "accepted":
        return None if told else "notice.sent"
    if state == "delivered":
        return "notice.delivered" if told else "notice.sent"
    return "notice.failed" if state in FAILED else None
