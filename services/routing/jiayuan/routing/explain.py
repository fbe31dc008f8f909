"""One sentence in Chinese on why a case is where it is. Pure."""

from __future__ import annotations

from typing import Final
from zoneinfo import ZoneInfo

from jiayuan.contracts.times import parse

from .case import Case
from .directory import Directory
from .policy import span

_COLOURS: Final = {"red": "红", "orange": "橙", "yellow": "黄", "blue": "蓝", "green": "绿"}
_LEVELS: Final = {"grid": "网格", "community": "社区", "street": "街道", "department": "部门"}
_STATES: Final = {
    "open": "尚未分派",
    "assigned": "待签收",
    "accepted": "已签收",
    "answered": "已应答",
    "resolved": "已办结、待评价",
    "closed": "已办结归档",
    "voided": "已作废",
    "merged": "已并案",
}
_CONFIRMED: Final = {
    "satisfied": "群众满意",
    "unsatisfied": "群众不满意",
    "lapsed": "到时未评价",
    "withdrawn": "群众撤回",
}


def explain(case: Case, directory: Directory, zone: ZoneInfo) -> str:
    """Which rule of which policy decided what and why, who holds the case now, and how long they have."""
    at = parse(case.opened_at).astimezone(zone)
    street = directory.places.get(case.street)
    where = street.name if street is not None else directory.county.name
    why = str(case.decision["reason"]).rstrip("。")
    holders = "、".join(directory.label(leg.assignee) for leg in case.live_legs)
    state = _STATES[case.state]
    if case.confirmed is not None:
        state = f"{state}（{_CONFIRMED[case.confirmed]}）"
    now = f"现由{holders}办理，{state}" if holders else f"现{state}"
    limits = [leg.finish_limit for leg in case.live_legs if leg.finish_limit]
    within = f"，限{span(min(limits))}办结" if limits else ""
    again = f"，曾重办{case.reopened}次" if case.reopened else ""
    category = case.category.get("name") or case.category["code"]
    return (
        f"{case.number}（{where}，{category}）于{at:%Y年%m月%d日%H:%M}按政策{case.decision['policy']}的"
        f"{case.decision['rule']}条定为{_COLOURS[case.colour]}色，{_LEVELS[case.level]}级办理，因为：{why}；"
        f"{now}{within}{again}。"
    )
