"""What becomes of a notice: its states, what a provider's answer does to it, and when it is tried again. Pure.

    queued ──▶ (claimed) ──▶ submitted ──▶ accepted ──▶ delivered
      ▲ ▲                      │  │  │         │  └────▶ undelivered
      │ │       deferred ◀─────┘  │  │         └───────▶ expired: no receipt within the time
      │ │          └─▶ submitted  │  └──▶ undelivered, or queued for the next channel
      │ └─────────────────────  unknown: the provider is asked before anything is sent again
      └── suppressed, expired: ends without a call

`claimed` is the row lock of the transaction that writes the request id and `submitted`; it is never committed.
An end for every notice: what isn't accepted in `give_up` is expired, and what can't be sent is suppressed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal, get_args

Kind = Literal[
    "accepted",
    "delivered",
    "refused",
    "limited",
    "throttled",
    "misconfigured",
    "out_of_money",
    "content_refused",
    "no_consent",
    "unknown",
    "not_found",
]

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
DONE: Final = ("accepted", "delivered", "undelivered", "expired", "suppressed")
FAILED: Final = ("undelivered", "expired", "suppressed")
ERRORS: Final[frozenset[Kind]] = frozenset({"throttled", "unknown", "misconfigured", "out_of_money"})
"""What counts against a provider; the other refusals are about the person or the words."""
NEVER_HAD_IT: Final[frozenset[Kind]] = frozenset(
    {"limited", "throttled", "misconfigured", "out_of_money", "not_found"}
)
"""After these the notice may be sent anywhere, for the provider certainly doesn't have it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a provider said of one request.

    It has it: accepted, delivered (`ref` is its own id; an answer to a question may lack it).
    It certainly doesn't, and never will: refused (for this person), no_consent (this person hasn't agreed to this
    template there), content_refused (this text or template).
    It certainly doesn't, and may later, not before `after` seconds (0: it didn't say): limited (this number, content
    or template has had its share), throttled (it is down or has enough of us), misconfigured (our address, keys or
    approvals are wrong), out_of_money.
    unknown: it may have it. not_found: asked, it says that it never got it.
    `code` is the provider's own code, `error` words for people without any address of a person. `unsubscribed`: it
    refuses because the person has unsubscribed there (退订), or is on its list of those who are left alone.
    """

    kind: Kind
    ref: str | None = None
    error: str | None = None
    after: float = 0.0
    code: str | None = None
    unsubscribed: bool = False


@dataclass(frozen=True, slots=True)
class Pace:
    """When something is tried again, in seconds: first, at most, how long an unknown is left to settle, and how long
    a limit lasts where the provider doesn't say."""

    first: float = 2.0
    most: float = 600.0
    settle: float = 5.0
    limited: float = 60.0

    def back_off(self, attempts: int, chance: float, least: float = 0.0) -> timedelta:
        """How long to wait after `attempts` attempts; `chance` (0 to 1) spreads it over the upper half."""
        full = min(self.most, self.first * 2.0 ** min(max(attempts, 1) - 1, 20))
        return timedelta(seconds=max(least, full * (0.5 + chance / 2)))


@dataclass(frozen=True, slots=True)
class Next:
    """The state that follows, and in how long the notice is due again (None: it isn't).

    `elsewhere`: another provider of the channel may have it at once; the same one only after `due_in`.
    """

    state: str
    due_in: timedelta | None = None
    elsewhere: bool = False


def after_call(outcome: Outcome, attempts: int, pace: Pace, chance: float) -> Next:
    """What follows an answer to a send or to a query, the notice having been sent `attempts` times."""
    match outcome.kind:
        case "accepted" | "delivered":
            return Next(outcome.kind)
        case "refused" | "content_refused" | "no_consent":
            return Next("undelivered")
        case "limited":
            # Not elsewhere: the limit is there for the person's sake, whoever sends.
            after = outcome.after or pace.limited
            return Next("deferred", timedelta(seconds=after * (1 + chance / 10)))
        case "throttled" | "misconfigured" | "out_of_money":
            return Next("deferred", pace.back_off(attempts, chance, outcome.after), elsewhere=True)
        case "not_found":
            return Next("queued", timedelta(0))
        case "unknown":
            # Never at once: a provider that answers late has not yet written down what it is working on.
            return Next("unknown", pace.back_off(attempts, chance, max(pace.settle, outcome.after)))


def event_of(state: str, told: bool) -> str | None:
    """The notice.* event that a new state deserves, if any; `told` when notice.sent was said before.

    Whoever hears first of a delivery hears notice.sent with the state `delivered`: one event, not two.
    """
    if state == "accepted":
        return None if told else "notice.sent"
    if state == "delivered":
        return "notice.delivered" if told else "notice.sent"
    return "notice.failed" if state in FAILED else None
