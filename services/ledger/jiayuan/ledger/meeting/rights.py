"""Who may do what with a meeting. Pure.

The street's desk and the county prepare it; the recorder is one of them, the convener holds the seat of the street's
joint committee. What isn't published is seen in its own street alone, and by the county.
"""

from __future__ import annotations

from typing import Final

from jiayuan.chassis.tokens import Principal

from ..lists.rights import DESKS, READERS, reads

KEEPERS: Final = DESKS
SIGNERS: Final = ("desk", "county", "convener")
AMENDERS: Final = SIGNERS
_PART: Final = {"recorder": KEEPERS, "convener": ("convener",)}

__all__ = ["AMENDERS", "KEEPERS", "READERS", "SIGNERS", "keeps", "sees", "signs"]


def sees(who: Principal, state: str, street: str) -> bool:
    """Whether they see a meeting."""
    return reads(who, "published" if state == "published" else "draft", street)


def keeps(who: Principal, street: str) -> bool:
    """Whether they prepare, change and publish meetings of that street."""
    return "county" in who.roles or ("desk" in who.roles and who.street == street)


def signs(who: Principal, part: str, street: str) -> bool:
    """Whether they may sign as `part`: the county only as recorder."""
    mine = set(who.roles) & set(_PART[part])
    return "county" in mine or (bool(mine) and who.street == street)


def amends(who: Principal, street: str) -> bool:
    """Whether they may add to what was signed."""
    return keeps(who, street) or signs(who, "convener", street)
