"""One message instead of many: what it is called, and what it says of those that it stands for. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

MATTER: Final = "digest"
RULE: Final = "digest"
TEMPLATE: Final = "digest"
_KINDS: Final = 2
"""How many kinds are named; the rest is 等."""


def step(due: datetime, wait: timedelta) -> str:
    """What makes a digest the only one of its person and time: replicas that gather at once come to the same."""
    seconds = max(1, int(wait.total_seconds()))
    return f"digest:{int(due.timestamp()) // seconds * seconds}"


def facts(counts: Mapping[str, int]) -> dict[str, str]:
    """`count` and `items` of a digest, from how many notices of each title it stands for: `新工单28件、时限将至2件`."""
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    named = "、".join(f"{title}{count}件" for title, count in most[:_KINDS])
    return {"count": str(sum(counts.values())), "items": named + ("等" if len(most) > _KINDS else "")}
