"""The page of `/u/<code>`: 通知设置与退订. No script, one small style, nothing of the matter or the person."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from typing import Any, Final

from jiayuan.chassis.errors import Problem
from jiayuan.contracts.check import FieldProblem

from .common import page

_TIME: Final = re.compile(r"([01]\d|2[0-3]):[03]0")
_TIMES: Final = [f"{h:02}:{m}" for h in range(24) for m in ("00", "30")]


def form(said: Mapping[str, Any]) -> str:
    """The form, with what is wished now."""
    lines = []
    for one in said["subjects"]:
        name = escape(one["name"])
        if one["refusable"]:
            checked = "" if one["refused"] else " checked"
            lines.append(
                f'<label><input type="checkbox" name="keep" value="{escape(one["subject"])}"{checked}> {name}</label>'
            )
        else:
            lines.append(f'<p class="off">{name}：事关安全，始终会通知您。</p>')
    quiet = said["quiet"] or {"from": "", "until": ""}
    return page(
        "通知设置",
        '<form method="post" accept-charset="utf-8"><p>您希望收到哪些通知？去掉勾选的，以后不再发给您。</p>'
        + "".join(lines)
        + f"<p>免打扰时段：{_select('from', quiet['from'])} 至 {_select('until', quiet['until'])}<br>"
        "<small>这段时间的通知会留到时段结束后再发，不会丢失。</small></p>"
        '<p><button name="do" value="save">保存</button>'
        '<button name="do" value="stop">全部退订</button>'
        '<button name="do" value="all">恢复全部通知</button></p></form>'
        "<p><small>退订后仍可随时凭编号查询办理进度。</small></p>",
    )


def done(said: Mapping[str, Any]) -> str:
    """What is wished from now on."""
    refused = [escape(one["name"]) for one in said["subjects"] if one["refused"]]
    text = f"以后不再向您发送：{'、'.join(refused)}。" if refused else "您将收到全部通知。"
    if quiet := said["quiet"]:
        text += f"免打扰时段：{escape(quiet['from'])} 至 {escape(quiet['until'])}。"
    return page("已保存", f'<p>{text}</p><p><a href="">返回修改</a></p>')


def unknown() -> str:
    """For a code that is not known."""
    return page("找不到", "<p>没有找到这个编号。请核对短信中的编号，或联系社区工作人员代为办理。</p>")


def hours(begin: str, end: str) -> dict[str, str]:
    """The quiet hours of the form's two lists; Problem 422 for what isn't in them."""
    for name, value in (("from", begin), ("until", end)):
        if _TIME.fullmatch(value) is None:
            raise Problem(
                422,
                "Not a time of the list",
                problems=[FieldProblem(name, "is not in the list", "as 22:00 or 22:30")],
            )
    return {"from": begin, "until": end}


def _select(name: str, now: str) -> str:
    times = _TIMES if now in ("", *_TIMES) else sorted([*_TIMES, now])
    options = "".join(f"<option{' selected' if t == now else ''}>{t}</option>" for t in times)
    label = "开始时间" if name == "from" else "结束时间"
    return f'<select name="{name}" aria-label="{label}"><option value="">不设</option>{options}</select>'
