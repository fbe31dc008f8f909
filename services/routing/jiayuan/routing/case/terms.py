"""What a policy says about moves: which need an approval and for how long, when a case may be opened again. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from .model import LIVE

HOUR: Final = 3600
DAY: Final = 24 * HOUR
# How long whoever has to approve has time, and what silence means: that a unit goes is decided by the clock, that a
# citizen waits longer never is.
LIMITS: Final[Mapping[str, int]] = {
    "return": 4 * HOUR,
    "extension": DAY,
    "pause": DAY,
    "void": 3 * DAY,
}
SILENCE_GRANTS: Final = ("return",)


@dataclass(frozen=True, slots=True)
class Terms:
    """`moves` of a policy table.

    `approve_returns`: the states of a leg from which a return needs the desk's approval; from the others it is
    immediate. `approval_limits`: seconds by kind of approval. `reopen_days`: how long after its end a case can be
    opened again, and how long a reporter who said nothing can still say that it isn't solved. `inspect_before_close`:
    whether a person may close only what somebody else has inspected. `most_extension`, `most_pause`: seconds.
    """

    approve_returns: frozenset[str] = frozenset(("accepted", "answered"))
    approval_limits: Mapping[str, int] = field(default_factory=lambda: dict(LIMITS))
    reopen_days: int = 30
    inspect_before_close: bool = True
    most_extension: int = 90 * DAY
    most_pause: int = 180 * DAY


DEFAULT: Final = Terms()
_FIELDS: Final = (
    "approve_returns",
    "approval_limits",
    "reopen_days",
    "inspect_before_close",
    "most_extension",
    "most_pause",
)


def read(document: Any, wrong: Callable[[str, str, str], None], seconds: Callable[[str, Any], int]) -> Terms:
    """The terms of a policy document's `moves`; what is absent is as in `Terms`.

    `wrong(field, problem, allowed)` takes what is wrong; `seconds(field, value)` reads a span such as 4h.
    """
    if document is None:
        return DEFAULT
    if not isinstance(document, dict):
        wrong("moves", f"is {document!r}", "a mapping of " + ", ".join(_FIELDS))
        return DEFAULT
    for name in document:
        if name not in _FIELDS:
            wrong(f"moves.{name}", "is unknown", ", ".join(_FIELDS))
    found: dict[str, Any] = {}
    if "approve_returns" in document:
        states = document["approve_returns"]
        if isinstance(states, list) and all(s in LIVE for s in states):
            found["approve_returns"] = frozenset(states)
        else:
            wrong("moves.approve_returns", f"is {states!r}", "a list of " + ", ".join(LIVE))
    if "approval_limits" in document:
        found["approval_limits"] = _limits(document["approval_limits"], wrong, seconds)
    if "reopen_days" in document:
        days = document["reopen_days"]
        if type(days) is int and 0 <= days <= 3650:
            found["reopen_days"] = days
        else:
            wrong("moves.reopen_days", f"is {days!r}", "a whole number of days from 0 to 3650")
    if "inspect_before_close" in document:
        if isinstance(document["inspect_before_close"], bool):
            found["inspect_before_close"] = document["inspect_before_close"]
        else:
            value = document["inspect_before_close"]
            wrong("moves.inspect_before_close", f"is {value!r}", "true or false")
    for name in ("most_extension", "most_pause"):
        if name in document:
            found[name] = seconds(f"moves.{name}", document[name])
    return Terms(**found)


def _limits(
    document: Any, wrong: Callable[[str, str, str], None], seconds: Callable[[str, Any], int]
) -> dict[str, int]:
    out = dict(LIMITS)
    if not isinstance(document, dict):
        wrong("moves.approval_limits", f"is {document!r}", "a mapping of " + ", ".join(LIMITS))
        return out
    for name, value in document.items():
        if name in LIMITS:
            out[name] = seconds(f"moves.approval_limits.{name}", value)
        else:
            wrong(f"moves.approval_limits.{name}", "is unknown", ", ".join(LIMITS))
    return out
