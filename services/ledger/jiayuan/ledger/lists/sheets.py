"""The lists as people keep them: sheets with Chinese headings, out and in again. Pure.

`SHEETS` is the only place that says which columns there are; the workbook, its reading and docs/ledger/lists.md come
from it. A row that is wrong is told by sheet, row and column, and the others go in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any, Final

from jiayuan.chassis.workbook import Formula, letters
from jiayuan.contracts.times import parse

from ..entry import SHANGHAI
from .claim import MOST_MILESTONES, STANDING_NAMES, STATE_NAMES
from .demand import SOURCE_NAMES, TITLE_LIMIT
from .problem import MOST_TAKERS
from .problem import STATE_NAMES as DECISIONS

REFERENCE: Final = "（参考）"  # columns and sheets that end so are to be read by people, and are not taken in
RESULT: Final = "导入结果"
ABOUT: Final = "说明"
LIST_ID: Final = "清单编号"
MOST_ROWS: Final = 5000
_YES: Final[Mapping[Any, str]] = {True: "是", False: "否"}
_CODE: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._:\-]{0,63}")
_KEY: Final = re.compile(r"([0-9A-Za-z._:]{1,64})-([0-9]{1,5})")
_WHOLE: Final = re.compile(r"[0-9]{1,9}")
_SEPARATORS: Final = re.compile(r"[、,，;；\s]+")
_DAY: Final = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:\s+(\d{1,2}):(\d{2}))?")
_LAST: Final = time(23, 59, 59)


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, the field, what its cells are, and for people what is allowed.

    `form`: text, code, word (one of `words`), whole, list, keys, day, milestones.
    """

    heading: str
    name: str
    form: str = "text"
    required: bool = False
    words: Mapping[Any, str] = field(default_factory=dict)
    width: int = 14
    most: int = TITLE_LIMIT
    note: str = ""

    @property
    def read(self) -> bool:
        """Whether it is taken in again."""
        return not self.heading.endswith(REFERENCE)


@dataclass(frozen=True, slots=True)
class Sheet:
    """The sheet of a kind of list. `id_label`: what its page 说明 calls the id of what it was exported from."""

    kind: str
    name: str
    columns: tuple[Column, ...]
    id_label: str = LIST_ID


_NUMBER: Final = Column("序号", "number", "whole", width=7, note="新增的行留空")
_CATEGORY: Final = Column("类别编码", "category", "code", True, width=10)
_DETAIL: Final = Column("说明", "detail", width=40, most=2000)

SHEETS: Final[Mapping[str, Sheet]] = {
    s.kind: s
    for s in (
        Sheet(
            "demand",
            "需求清单",
            (
                _NUMBER,
                _CATEGORY,
                Column("需求", "title", required=True, width=44),
                _DETAIL,
                Column("来源", "source", "word", words=SOURCE_NAMES, width=12, note="空为网格走访"),
                Column("反映人数", "people", "whole", width=9),
                Column("诉求编号", "reports", "list", width=40, note="用、分隔；已在其他行的不能再列"),
                Column("列入", "kept", "word", words=_YES, width=7, note="空为是"),
                Column("不列入原因", "reason", width=24, most=500, note="列入为否时必填"),
                Column("诉求数" + REFERENCE, "report_count", "whole", width=12),
                Column("所属问题" + REFERENCE, "problem", width=30),
            ),
        ),
        Sheet(
            "problem",
            "问题清单",
            (
                Column("序号", "number", "whole", True, width=7),
                _CATEGORY,
                Column("问题", "title", required=True, width=44),
                _DETAIL,
                Column(
                    "认领单位数",
                    "takes",
                    "whole",
                    width=10,
                    most=MOST_TAKERS,
                    note=f"1至{MOST_TAKERS}，空为1",
                ),
                Column("结论", "state", "word", True, words=DECISIONS, width=9),
                Column("不列入原因", "reason", width=24, most=500, note="结论为不列入时必填"),
                Column(
                    "需求",
                    "demands",
                    "keys",
                    width=36,
                    note="社区编码-序号，用、分隔；移到另一行即拆分或合并",
                ),
                Column("涉及社区" + REFERENCE, "communities", width=30),
                Column("诉求数" + REFERENCE, "report_count", "whole", width=12),
                Column("反映人数" + REFERENCE, "people", "whole", width=12),
            ),
        ),
        Sheet(
            "service",
            "服务清单",
            (
                Column("序号", "number", "whole", True, width=7, note="问题的序号"),
                Column("问题" + REFERENCE, "title", width=44),
                Column("单位编码", "unit", "code", width=10, note="认领单位；未认领的行留空"),
                Column("单位" + REFERENCE, "unit_name", width=24),
                Column("责任人", "person", width=14, most=60),
                Column("完成时限", "due_at", "day", width=17, note="2026-12-20，或 2026-12-20 17:30"),
                Column(
                    "时间节点",
                    "milestones",
                    "milestones",
                    width=44,
                    note="现场勘查 2026-10-31；完工验收 2026-12-15",
                ),
                Column("状态" + REFERENCE, "state", width=18),
                Column("进度" + REFERENCE, "progress", width=30),
            ),
        ),
    )
}


@dataclass(slots=True)
class Row:
    """A row of a sheet: its number there, what its cells say by field (absent: an empty cell), and what is wrong."""

    number: int
    values: dict[str, Any] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether it says nothing."""
        return not self.values and not self.wrong


# -- reading ---------------------------------------------------------------------------------------------------


def places(sheet: Sheet, headings: Sequence[Any]) -> tuple[dict[str, int], list[str]]:
    """Where each field's column is, by the headings of the first row; and what is wrong with them."""
    said = {str(h).strip(): i for i, h in reversed(list(enumerate(headings))) if h is not None}
    found = {c.name: said[c.heading] for c in sheet.columns if c.read and c.heading in said}
    missing = [c.heading for c in sheet.columns if c.read and c.required and c.name not in found]
    return found, [f"{sheet.name}：缺少列「{heading}」" for heading in missing]


def rows_of(sheet: Sheet, at: Mapping[str, int], cells: Iterable[tuple[int, Sequence[Any]]]) -> list[Row]:
    """The rows below the headings that say anything."""
    columns = [c for c in sheet.columns if c.name in at]
    out = []
    for number, values in cells:
        row = Row(number)
        for column in columns:
            index = at[column.name]
            raw = values[index] if index < len(values) else None
            if isinstance(raw, str):
                raw = raw.strip()
            if raw is None or raw == "":
                continue
            try:
                row.values[column.name] = _read(column, raw)
            except ValueError as why:
                row.wrong.append(told(sheet, number, index, column, str(why)))
        if row.empty:
            continue
        missing = [c for c in columns if c.required and c.name not in row.values]
        row.wrong += [told(sheet, number, at[c.name], c, "不能为空") for c in missing if not row.wrong]
        out.append(row)
    return out


def told(sheet: Sheet, row: int, index: int, column: Column, why: str) -> str:
    """What is wrong, with sheet, row, column and field."""
    return f"{sheet.name} 第{row}行 {letters(index)}列「{column.heading}」：{why}"


def _read(column: Column, raw: Any) -> Any:
    if isinstance(raw, Formula):
        raise ValueError("是公式，请填写数值或文字")
    if column.form == "whole":
        return _whole(raw, column.most)
    if column.form == "day":
        return day_of(raw)
    text = str(int(raw)) if isinstance(raw, float) and raw.is_integer() else str(raw).strip()
    if "\x00" in text:
        raise ValueError("含有无法保存的字符")
    match column.form:
        case "word":
            for value, word in column.words.items():
                if text == word:
                    return value
            raise ValueError(f"是“{text[:20]}”，只能是{'、'.join(column.words.values())}")
        case "code":
            if not _CODE.fullmatch(text):
                raise ValueError(f"“{text[:20]}”不是编码，只能用字母、数字和 . _ : -，最多64个")
        case "list":
            return _list(text)
        case "keys":
            return _keys(text)
        case "milestones":
            return _milestones(text)
        case _:
            if len(text) > column.most:
                raise ValueError(f"有{len(text)}个字，最多{column.most}个")
    return text


def _whole(raw: Any, most: int) -> int:
    if isinstance(raw, float) and raw.is_integer():
        raw = int(raw)
    text = str(raw)
    # What has no bound of its own fits a PostgreSQL integer.
    most = most if most <= MOST_TAKERS else 2**31 - 1
    if isinstance(raw, bool) or not _WHOLE.fullmatch(text) or not 1 <= int(text) <= most:
        raise ValueError(f"是“{text[:20]}”，只能是1至{most}的整数")
    return int(text)


def day_of(raw: Any) -> datetime:
    """A day means its last second, in China; a time that minute."""
    if isinstance(raw, datetime):
        at = raw if raw.tzinfo else raw.replace(tzinfo=SHANGHAI)
        return datetime.combine(at.date(), _LAST, SHANGHAI) if at.time() == time() else at
    if isinstance(raw, date):
        return datetime.combine(raw, _LAST, SHANGHAI)
    found = _DAY.fullmatch(str(raw).strip())
    if found is None:
        raise ValueError(f"“{str(raw)[:20]}”不是日期，应如 2026-12-20 或 2026-12-20 17:30")
    year, month, day, hour, minute = found.groups()
    try:
        that = date(int(year), int(month), int(day))
        clock = time(int(hour), int(minute)) if hour else _LAST
    except ValueError:
        raise ValueError(f"没有“{str(raw)[:20]}”这一天或这个时刻") from None
    return datetime.combine(that, clock, SHANGHAI)


def _list(text: str) -> list[str]:
    found = [part for part in _SEPARATORS.split(text) if part]
    long = next((p for p in found if len(p) > 128), None)
    if long or len(found) > 1000:
        raise ValueError("最多1000个编号，每个最多128个字")
    return list(dict.fromkeys(found))


def _keys(text: str) -> list[str]:
    found = _list(text)
    odd = next((p for p in found if not _KEY.fullmatch(p)), None)
    if odd is not None:
        raise ValueError(f"“{odd[:30]}”不是需求，应如 350921001002-3")
    return found


def _milestones(text: str) -> list[dict[str, Any]]:
    out = []
    for part in filter(None, (p.strip() for p in re.split(r"[;；\n]", text))):
        found = re.fullmatch(r"(.{1,100}?)[\s:：]+(\d{4}\D.*)", part)
        if found is None:
            raise ValueError(f"“{part[:30]}”不是时间节点，应如 现场勘查 2026-10-31")
        out.append({"name": found[1].strip(), "due_at": day_of(found[2])})
    if len(out) > MOST_MILESTONES:
        raise ValueError(f"有{len(out)}个时间节点，最多{MOST_MILESTONES}个")
    return out


# -- writing ---------------------------------------------------------------------------------------------------


def day(at: datetime) -> str:
    """A limit as people write it: the day alone where it means the whole day."""
    local = at.astimezone(SHANGHAI)
    whole = local.time().replace(microsecond=0) == _LAST
    return f"{local:%Y-%m-%d}" if whole else f"{local:%Y-%m-%d %H:%M}"


def cells(sheet: Sheet, document: Mapping[str, Any]) -> list[list[Any]]:
    """The rows of a list's document (`views`), headings aside."""
    lines = {"demand": _demand_lines, "problem": _problem_lines, "service": _service_lines}[sheet.kind](
        document
    )
    return [[line.get(c.name) for c in sheet.columns] for line in lines]


def _demand_lines(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            **line,
            "source": SOURCE_NAMES[line["sources"][0]],
            "kept": _YES[line["kept"]],
            "reports": "、".join(b["report"] for b in line["reports"]),
            "report_count": len(line["reports"]),
            "problem": None,
        }
        for line in document["lines"]
    ]


def _problem_lines(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            **line,
            "state": DECISIONS[line["state"]],
            "demands": "、".join(f"{d['community']}-{d['number']}" for d in line["demands"]),
            "communities": "、".join(line["communities"]),
        }
        for line in document["lines"]
    ]


def _service_lines(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    names = {u["code"]: u["name"] for u in document["units"]}
    out = []
    for line in document["lines"]:
        said = [c for c in line["claims"] if c["state"] != "released"]
        for claim in said:
            out.append(
                {
                    "number": line["number"],
                    "title": line["title"],
                    "unit": claim["unit"],
                    "unit_name": names.get(claim["unit"], ""),
                    "person": claim["person"],
                    "due_at": day(parse(claim["due_at"])),
                    "milestones": "；".join(
                        f"{m['name']} {day(parse(m['due_at']))}" for m in claim["milestones"]
                    ),
                    "state": STATE_NAMES[claim["state"]],
                    "progress": "；".join(
                        f"{m['name']}：{STANDING_NAMES[m['standing']]}" for m in claim["milestones"]
                    )
                    or STANDING_NAMES[claim["standing"]],
                }
            )
        if not said:
            out.append({"number": line["number"], "title": line["title"], "state": "未认领"})
    return out
