"""Who may do what with a list. Pure.

A community's demand list is its grid chief's, a street's problem and service lists are its desk's, a claim is its
unit's; the county may all. A grid chief's token names the street: within it, communities help each other out.
"""

from __future__ import annotations

from typing import Final

from jiayuan.chassis.tokens import Principal

READERS: Final = (
    "grid_worker",
    "grid_leader",
    "grid_chief",
    "desk",
    "unit_clerk",
    "convener",
    "county",
    "operator",
    "auditor",
    "service",
)
# Who brings a demand from a round of the grid or from a meeting.
COLLECTORS: Final = ("grid_worker", "grid_leader", "grid_chief", "desk", "county")
KEEPERS: Final = ("grid_chief", "desk", "county")
DESKS: Final = ("desk", "county")
CLAIMANTS: Final = ("unit_clerk", "desk", "county")
# Who may send a sheet: of their own lists, or of their own unit's claims.
SENDERS: Final = ("grid_chief", "unit_clerk", "desk", "county")
_EVERYWHERE: Final = frozenset(("county", "operator", "auditor", "service"))


def keeps(who: Principal, kind: str, street: str) -> bool:
    """Whether they draft, change, publish and close a list of that kind and street."""
    roles = set(who.roles)
    if "county" in roles:
        return True
    mine = roles & (set(KEEPERS) if kind == "demand" else set(DESKS))
    return bool(mine) and who.street == street


def collects(who: Principal, street: str) -> bool:
    """Whether they bring demands to a community of that street."""
    roles = set(who.roles)
    return "county" in roles or (bool(roles & set(COLLECTORS)) and who.street == street)


def reads(who: Principal, state: str, street: str) -> bool:
    """Whether they see a list: a draft is seen in its own street alone, what is published by all staff."""
    return state != "draft" or bool(set(who.roles) & _EVERYWHERE) or who.street == street


def claims_for(who: Principal, unit: str, street: str) -> bool:
    """Whether they claim, and say how it goes, for that unit at that street's list."""
    roles = set(who.roles)
    if "county" in roles:
        return True
    if "desk" in roles and who.street == street:
        return True
    return "unit_clerk" in roles and bool(who.unit) and who.unit == unit
