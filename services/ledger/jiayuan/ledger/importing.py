"""A sheet of a list comes back in: each row on its own, in a transaction of its own, and told what became of it.

Import twice changes nothing: a row is known by its number, a new one by what it says, a claim by its unit.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final, NamedTuple

from jiayuan.chassis.aside import aside
from jiayuan.chassis.errors import Problem
from jiayuan.chassis.work import Work
from jiayuan.chassis.workbook import BadWorkbook
from jiayuan.contracts.times import iso

from . import claiming, listing, views
from .lists import workbook
from .lists.publishing import KIND_NAMES, STATE_NAMES
from .lists.quarter import read
from .lists.sheets import ABOUT, LIST_ID, SHEETS, Row
from .store import lists as rows

# What people are told in the sheet, by the refusal's title; the fields and what is allowed come after it.
_WORDS: Final = {
    "The unit has its three": "该单位本季度已认领三项",
    "Not a member": "不是成员单位",
    "The claim can't be kept": "时限或时间节点不符合要求",
    "There is no such line": "没有这一行",
    "A report is behind one line": "诉求已在其他行",
    "The body breaks the schema": "填写不完整",
    "The limit doesn't fit": "时限不符合要求",
    "The limit changes": "修改时限须在系统中说明原因",
    "Not allowed": "没有权限",
}
Opens = Callable[[], AbstractContextManager[Work]]
May = Callable[[str], bool]
Taken = tuple[str, str]  # added, changed, unchanged or refused; and the words for the sheet


class Counts(NamedTuple):
    """What became of a sheet's rows."""

    added: int
    changed: int
    unchanged: int
    refused: int


def export(work: Work, found: Any, path: Path) -> None:
    """Writes a list as a workbook; with what is not known, in its page 说明."""
    document = views.whole(work, found)
    title = f"{found.community or found.street} {read(found.quarter).words}{KIND_NAMES[found.kind]}"
    about = {
        "标题": title,
        LIST_ID: document["id"],
        "街道编码": found.street,
        "社区编码": found.community,
        "季度": found.quarter,
        "状态": STATE_NAMES[found.state],
        "公布": " ".join(filter(None, (document["published_at"], document["published_by"]))),
        "备注": "；".join(found.notes),
    }
    aside(workbook.save, path, found.kind, document, about)


def take(opens: Opens, list_id: str, path: Path, who: str, may: May) -> Counts:
    """Takes a workbook's rows into a list and writes into the file what became of each.

    `may`: whether the caller may act for a unit. Problem 404, 409 for a list that doesn't take any, 422 for what is no
    such workbook.
    """
    with opens() as work:
        found = rows.list_of(work, list_id)
        if found is None:
            raise Problem(404, "There is no such list")
        listing.needs(found, "published" if found.kind == "service" else "draft")
    try:
        said, of = aside(workbook.load, path, SHEETS[found.kind])
    except BadWorkbook as error:
        raise listing.refused(
            422,
            "The workbook is not usable",
            "body",
            str(error),
            f"工作簿，含工作表「{SHEETS[found.kind].name}」",
        ) from None
    if of is not None and of != str(found.id):
        raise listing.refused(
            422, "The workbook is of another list", f"{ABOUT}.{LIST_ID}", f"is {of:.64}", str(found.id)
        )
    results: dict[int, str] = {}
    counted = {"added": 0, "changed": 0, "unchanged": 0, "refused": 0}
    for row in said:
        what, words = _take(opens, found, row, who, may)
        counted[what] += 1
        results[row.number] = words
    aside(workbook.answered, path, SHEETS[found.kind], results)
    return Counts(**counted)


def _take(opens: Opens, found: Any, row: Row, who: str, may: May) -> Taken:
    if row.wrong:
        return "refused", "未导入：" + "；".join(row.wrong)
    takes = {"demand": _demand, "problem": _problem, "service": _service}[found.kind]
    try:
        with opens() as work:
            return takes(work, found, row.values, who, may)
    except Problem as error:
        where = f"{SHEETS[found.kind].name} 第{row.number}行"
        return "refused", f"未导入：{where}：{_WORDS.get(error.title, error.title)}{_why(error, found.kind)}"


def _why(error: Problem, kind: str) -> str:
    headings = {c.name: c.heading for c in SHEETS[kind].columns}
    said = [
        f"「{headings.get(p.field.split('.')[0], p.field)}」{p.problem}"
        + (f"，应为 {p.allowed}" if p.allowed else "")
        for p in error.problems
    ]
    return f"（{'；'.join(said)}）" if said else ""


def _demand(work: Work, found: Any, said: dict[str, Any], who: str, _may: May) -> Taken:
    if "number" in said:
        changes = {"detail": "", "people": None, "kept": True, "reason": None, **said}
        changed = listing.change_demand(work, found.id, changes.pop("number"), changes, who)
        return ("changed", "已修改") if changed else ("unchanged", "无变化")
    if said.get("kept") is False:
        raise listing.refused(422, "The body breaks the schema", "kept", "新增的行不能是“否”", "是")
    new = listing.NewDemand(
        said["category"],
        said["title"],
        said.get("source", "grid_worker"),
        said.get("detail", ""),
        said.get("people"),
        said.get("reports", ()),
    )
    line, fresh = listing.add_demand(work, found.id, new, who)
    return (
        ("added", f"已新增，序号{line['number']}")
        if fresh
        else ("unchanged", f"无变化：已是序号{line['number']}")
    )


def _problem(work: Work, found: Any, said: dict[str, Any], who: str, _may: May) -> Taken:
    decision = {"detail": "", "takes": 1, "reason": None, **said}
    number, keys = decision.pop("number"), decision.pop("demands", [])
    moved = False
    if keys:
        there = {
            f"{d.community}-{d.number}": d.id for d in rows.demands_wanted(work, found.quarter, found.street)
        }
        strange = [k for k in keys if k not in there]
        if strange:
            raise listing.refused(
                422, "The body breaks the schema", "demands", f"没有需求 {strange[0]}", "已公布的需求"
            )
        moved = listing.regroup(work, found.id, number, {k: there[k] for k in keys}, who)
    decided = listing.decide(work, found.id, number, decision, who)
    return ("changed", "已修改") if decided or moved else ("unchanged", "无变化")


def _service(work: Work, found: Any, said: dict[str, Any], who: str, may: May) -> Taken:
    unit = said.get("unit")
    if unit is None:
        return "unchanged", "无变化：未填写认领单位"
    if not may(unit):
        raise Problem(403, "Not allowed", f"{unit}")
    missing = [f for f in ("person", "due_at") if f not in said]
    if missing:
        raise listing.refused(422, "The body breaks the schema", missing[0], "不能为空")
    milestones = [{**m, "due_at": iso(m["due_at"])} for m in said.get("milestones", ())]
    made, fresh = claiming.claim(
        work, found.id, said["number"], unit, said["person"], said["due_at"], milestones, who
    )
    if fresh:
        return "added", "已认领" if made.state == "claimed" else "认领单位已满，已登记意向"
    if made.state == "done":
        return "unchanged", "无变化：已完成"
    changed = claiming.change(work, made.id, said["person"], said["due_at"], "", who)
    return ("changed", "已修改") if changed else ("unchanged", "无变化")
