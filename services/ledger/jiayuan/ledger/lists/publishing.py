"""Draft → published → closed: what a list may do next. Pure."""

from __future__ import annotations

from typing import Final

KINDS: Final = ("demand", "problem", "service")
KIND_NAMES: Final = {"demand": "需求清单", "problem": "问题清单", "service": "服务清单"}
STATES: Final = ("draft", "published", "closed")
STATE_NAMES: Final = {"draft": "草案", "published": "已公布", "closed": "已关闭"}
STEPS: Final = {"publish": ("draft", "published"), "close": ("published", "closed")}


def wrong_state(kind: str, state: str, wanted: str) -> str:
    """What somebody is told whose list isn't in the state that is needed."""
    return f"the {kind} list is {state}, and that is done while it is {wanted}"
