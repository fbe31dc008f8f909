"""The page of `/r/<token>`: 确认收到. It says which case, and nothing of what it is about."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from .common import page


def form(row: Mapping[str, Any]) -> str:
    """The button, or that it was pressed before."""
    number = row["parameters"].get("number", "")
    about = f"<p>工单 {escape(number)}</p>" if number else ""
    if row["read_at"] is not None:
        return page("已确认收到", about + '<form method="post"><p><button>查看</button></p></form>')
    return page(
        "请确认收到",
        f'{about}<form method="post"><p>这条通知需要您确认收到。</p><p><button>确认收到并查看</button></p></form>',
    )


def done() -> str:
    """It is confirmed, and there is nothing to go on to."""
    return page("已确认收到", "<p>感谢您的确认。请按通知内容办理。</p>")


def unknown() -> str:
    """For a link that is none of ours."""
    return page("找不到", "<p>没有找到这条通知，请核对链接是否完整。</p>")
