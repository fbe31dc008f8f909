"""The decisions of a meeting as a workbook, out and in: each row on its own, and told what became of it.

Import twice changes nothing: a row is known by its number, a new one by what it says.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from jiayuan.chassis.aside import aside
from jiayuan.chassis.errors import Problem
from jiayuan.chassis.workbook import BadWorkbook
from jiayuan.contracts.check import FieldProblem

from . import meetings
from .importing import Counts, Opens, Taken
from .lists import workbook
from .lists.quarter import read
from .lists.sheets import ABOUT, Row
from .meeting.sheet import MEETING_ID, SHEET, cells
from .meeting.stage import STATE_NAMES

_WORDS: Final = {
    "The body breaks the schema": "填写不完整",
    "There is no such decision": "没有这一行",
    "The meeting is full": "议定事项已满",
    "Not possible as the meeting is": "会议已签署，不能再改",
}
_EMPTY: Final[Mapping[str, Any]] = dict.fromkeys(
    ("unit", "assistants", "person", "due_at", "case", "entry", "category")
)


def export(document: Mapping[str, Any], path: Path) -> None:
    """Writes a meeting's decisions (`meetings.whole`) as a workbook."""
    about = {
        "标题": document["title"],
        MEETING_ID: document["id"],
        "街道编码": document["street"],
        "季度": read(document["quarter"]).words,
        "状态": STATE_NAMES[document["state"]],
    }
    aside(workbook.save_sheet, path, SHEET, cells(document), about)


def take(opens: Opens, meeting: str, path: Path, who: str) -> Counts:
    """Takes a workbook's rows into a draft and writes into the file what became of each. Problem 422."""
    try:
        said, of = aside(workbook.load, path, SHEET)
    except BadWorkbook as error:
        raise _unusable("body", str(error), f"工作簿，含工作表「{SHEET.name}」") from None
    if of is not None and of != meeting:
        raise _unusable(f"{ABOUT}.{MEETING_ID}", f"is {of:.64}", meeting)
    results: dict[int, str] = {}
    counted = {"added": 0, "changed": 0, "unchanged": 0, "refused": 0}
    for row in said:
        what, words = _take(opens, meeting, row, who)
        counted[what] += 1
        results[row.number] = words
    aside(workbook.answered, path, SHEET, results)
    return Counts(**counted)


def _is_id(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def _unusable(field: str, why: str, allowed: str) -> Problem:
    return Problem(422, "The workbook is not usable", problems=[FieldProblem(field, why, allowed)])


def _take(opens: Opens, meeting: str, row: Row, who: str) -> Taken:
    if row.wrong:
        return "refused", "未导入：" + "；".join(row.wrong)
    said = {**_EMPTY, **row.values}
    number = said.pop("number", None)
    try:
        if said["entry"] is not None and not _is_id(said["entry"]):
            raise Problem(
                422,
                "The body breaks the schema",
                problems=[FieldProblem("entry", f"是“{said['entry'][:20]}”", "账目编号")],
            )
        with opens() as work:
            if number is not None:
                changed = meetings.change_decision(work, meeting, number, said, who)
                return ("changed", "已修改") if changed else ("unchanged", "无变化")
            made, fresh = meetings.decide(work, meeting, said, who)
            return ("added", f"已新增，序号{made}") if fresh else ("unchanged", f"无变化：已是序号{made}")
    except Problem as error:
        headings = {c.name: c.heading for c in SHEET.columns}
        why = [f"「{headings.get(p.field, p.field)}」{p.problem}，{p.allowed}" for p in error.problems]
        told = f"（{'；'.join(why)}）" if why else ""
        return (
            "refused",
            f"未导入：{SHEET.name} 第{row.number}行：{_WORDS.get(error.title, error.title)}{told}",
        )
