"""Who may say that a report came through a channel: whoever answers for what comes through it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.tokens import Principal
from jiayuan.contracts.check import FieldProblem

ANYBODY: Final = ()
_CLERKS: Final = ("agent", "desk", "county", "service")
_GRID: Final = ("grid_worker", "grid_leader", "grid_chief", "service")
DEFAULT: Final = "mini_program"
# By channel, the roles that may name it in `POST /reports`.
CLAIMS: Final[Mapping[str, tuple[str, ...]]] = {
    DEFAULT: ANYBODY,
    "hotline": _CLERKS,
    "grid_worker": _GRID,
    "liaison": ("liaison", "service"),
    "rider": ("rider", "service"),
    "suggestion_box": _CLERKS,
    "contact_point": _CLERKS,
    "meeting": _CLERKS,
    "cadre": ("cadre", "service"),
    "open311": ("service",),
}


def check_claim(who: Principal | None, channel: str, claims: Mapping[str, tuple[str, ...]]) -> None:
    """Refuses a channel that the caller may not speak for: Problem 403 with the channels that he may.

    `claims`: by channel, the roles that may name it.
    """
    if may_claim(who, channel, claims):
        return
    allowed = ", ".join(c for c in claims if may_claim(who, c, claims))
    raise Problem(
        403,
        "Not allowed",
        "the channel says who vouches for a report, and it isn't yours",
        problems=[FieldProblem("channel", f"is not open to you: {channel}", f"one of {allowed}")],
    )


def may_claim(who: Principal | None, channel: str, claims: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether a caller may name a channel."""
    roles = claims.get(channel)
    if roles is None:
        return False
    return roles == ANYBODY or (who is not None and bool(set(who.roles) & set(roles)))
