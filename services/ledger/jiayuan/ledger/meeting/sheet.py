"""The decisions of a meeting as a sheet, out and in again. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from jiayuan.contracts.times import parse

from ..lists.sheets import REFERENCE, Column, Sheet, day
from .decision import BECOMES_NAMES, DECISION_LIMIT, OUTCOME_NAMES
from .minutes import legible

MEETING_ID: Final = "会议编号"
SHEET: Final = Sheet(
    "meeting",
    "议定事项",
    (
        Column("序号", "number", "whole", width=7, note="新增的行留空"),
        Column("议定事项", "text", required=True, width=50, most=DECISION_LIMIT),
        Column("办理方式", "becomes", "word", True, words=BECOMES_NAMES, width=12),
        Column("责任单位编码", "unit", "code", width=12, note="入账、吹哨时必填"),
        Column("协办单位编码", "assistants", "list", width=20, note="吹哨时可填，用、分隔"),
        Column("责任人", "person", width=14, most=60),
        Column("完成时限", "due_at", "day", width=17, note="入账时必填；2026-12-20，或 2026-12-20 17:30"),
        Column("工单", "case", width=24, most=128, note="吹哨时必填：工单编号"),
        Column("账目", "entry", "code", width=38, note="记账时必填：账目编号"),
        Column("类别编码", "category", "code", width=10, note="入账时必填"),
        Column("结果" + REFERENCE, "outcome", width=14),
        Column("说明" + REFERENCE, "reason", width=30),
    ),
    MEETING_ID,
)


def cells(document: Mapping[str, Any]) -> list[list[Any]]:
    """The rows of a meeting's document, headings aside."""
    out = []
    for d in document["decisions"]:
        line = {
            **d,
            "becomes": BECOMES_NAMES[d["becomes"]],
            "assistants": "、".join(d["assistants"]),
            "due_at": day(parse(d["due_at"])) if d["due_at"] else None,
            "outcome": OUTCOME_NAMES[d["outcome"]] if d["outcome"] else None,
        }
        out.append([legible(v) if isinstance(v := line.get(c.name), str) else v for c in SHEET.columns])
    return out
