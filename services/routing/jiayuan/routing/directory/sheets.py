"""The directory as an organisation department keeps it: a workbook of thirteen sheets with Chinese headings. Pure.

`SHEETS` is the only place that says which sheets and columns there are: reading, writing, the sheet 说明 that explains
them and the table in docs/routing/directory.md come from it. Cells become a document, and what the checking of that
finds is told by sheet, row and column.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any, Final

import orjson

from jiayuan.chassis.hours import DAYS, days_of, days_text, span_of, text_of
from jiayuan.chassis.workbook import Formula, letters
from jiayuan.contracts.check import FieldProblem

from .documents import BASIC, DirectoryError, time_of
from .duty import ZONE
from .model import ROLE_NAMES

REFERENCE: Final = "（参考）"  # columns that end so are for people to read, and are not read back
NOTES: Final = "说明"
_GRID_KINDS: Final = {"compound": "小区网格", "building": "楼栋网格"}
_PLACE_KINDS: Final = {"community": "社区", "village": "村"}
_GRID_ROLES: Final = {k: ROLE_NAMES[k] for k in ("worker", "leader", "chief")}
_UNIT_KINDS: Final = {
    "department": "政府部门",
    "state_firm": "国有企业",
    "school": "学校",
    "hospital": "医院",
    "company": "企业",
    "association": "社会团体",
}
_MEMBERS: Final = {"convener": "召集单位", "full_time": "专职成员", "part_time": "兼职成员", "none": "非成员"}
_SEATS: Final = {
    "convener": "召集人",
    "full_time": "专职委员",
    "part_time": "兼职委员",
    "organisation": "社会组织",
}
_SYSTEMS: Final = {"http": "页面", "bus": "系统对接"}
# The words of intake's service points.
_POINT_KINDS: Final = {"party_centre": "党群服务中心", "neighbour_centre": "近邻中心", "station": "驿站"}
_MODES: Final = {"normal": "平时", "emergency": "应急"}
_LEAVES: Final = {"leave": "休假", "business": "公差", "training": "培训", "other": "其他"}
_YES: Final = {True: "是", False: "否"}
_HOURS: Final = "周一至周五 08:00-12:00、14:30-17:30；周六 09:00-12:00"
_LEVELS: Final = {"county": "县", "street": "街道"}


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, the document's name for it, what its cells are.

    `form`: text, code, word (one of `words`), list, phone, hours, days, spans, date, time, end, number, whole, yes or
    json. `also`: other headings for it.
    """

    heading: str
    name: str
    form: str = "text"
    required: bool = False
    words: Mapping[Any, str] = field(default_factory=dict)
    also: tuple[str, ...] = ()
    width: int = 14
    note: str = ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet: its name, the list of the document, and its columns."""

    name: str
    list: str
    columns: tuple[Column, ...]
    note: str = ""

    def letter(self, field_: str, at: Mapping[str, int]) -> str:
        """`D列「网格编码」`, by the place of each field."""
        column = next((c for c in self.columns if c.name == field_), None)
        heading = f"「{column.heading}」" if column else f"「{field_}」"
        return f"{letters(at[field_])}列{heading}" if field_ in at else heading


def _phone(heading: str = "电话", field_: str = "phone") -> Column:
    also = ("手机", "手机号", "手机号码", "联系电话", "电话号码") if field_ == "phone" else ()
    return Column(heading, field_, "phone", also=also, note="可留空；导出时打码，打码的号码导入时保持不变")


def _means(hours: str) -> tuple[Column, ...]:
    return (
        Column("特长", "skills", "list", width=20, note="用、分隔"),
        Column("语言", "languages", "list", width=20, note="普通话、霞浦话、畲语等，用、分隔"),
        Column(
            hours, "hours", "hours", width=30, note="周一至周五 08:00-12:00、14:30-17:30；周六 09:00-12:00"
        ),
    )


_TREE: Final = (
    Column("党组织", "party_group", width=24, also=("党小组",)),
    Column("职能", "functions", "list", width=24, note="党建、综治、民政等，用、分隔"),
    Column("范围说明", "area", width=30),
    Column("边界", "boundary", "json", note="GeoJSON 多边形，WGS-84 经纬度"),
)
_ACTIVE: Final = Column("在岗", "active", "yes", words=_YES, width=8, note="空为是")

SHEETS: Final = (
    Sheet(
        "街道",
        "streets",
        (
            Column("层级", "level", "word", True, _LEVELS, width=8, note="县只有一行"),
            Column("编码", "code", "code", True),
            Column("名称", "name", "text", True, width=18),
            _phone("值班电话"),
            *_TREE,
        ),
        "县和街道",
    ),
    Sheet(
        "社区",
        "communities",
        (
            Column("街道编码", "street", "code", True),
            Column("编码", "code", "code", True, width=16),
            Column("名称", "name", "text", True, width=18),
            Column("类型", "kind", "word", True, _PLACE_KINDS, width=8),
            *_TREE,
        ),
        "社区总网格",
    ),
    Sheet(
        "网格",
        "grids",
        (
            Column("编码", "code", "code", True, width=22, note="以上级编码加-开头"),
            Column("名称", "name", "text", True, width=24),
            Column("类型", "kind", "word", True, _GRID_KINDS, width=10),
            Column("上级编码", "parent", "code", True, width=20, note="小区网格填社区，楼栋网格填小区网格"),
            *_TREE,
            Column("来源网格", "predecessors", "list", width=22, note="拆分、合并、移交前的网格编码"),
        ),
        "小区网格和楼栋网格",
    ),
    Sheet(
        "人员",
        "people",
        (
            Column("编号", "id", "code", True),
            Column("姓名", "name", "text", True),
            Column("职务", "role", "word", True, _GRID_ROLES),
            Column("网格编码", "grid", "code", True, width=22, note="总网格长填社区编码"),
            _phone(),
            *_means("工作时间"),
            _ACTIVE,
        ),
        "网格员、网格长、总网格长",
    ),
    Sheet(
        "单位",
        "units",
        (
            Column("编码", "code", "code", True, width=10),
            Column("名称", "name", "text", True, width=26),
            Column("类型", "kind", "word", True, _UNIT_KINDS),
            Column("大工委席位", "member", "word", True, _MEMBERS),
            Column("职责", "duties", "list", width=24, note="事项编码，用、分隔"),
            Column("联络员", "clerk"),
            _phone("联络电话"),
            Column("办理方式", "system", "word", True, _SYSTEMS),
            Column("对接系统", "partner", note="系统对接时可填：只有它能代办"),
            Column("一级上报人", "escalation.0.name"),
            Column("一级职务", "escalation.0.post"),
            _phone("一级电话", "escalation.0.phone"),
            Column("二级上报人", "escalation.1.name"),
            Column("二级职务", "escalation.1.post"),
            _phone("二级电话", "escalation.1.phone"),
            Column("三级上报人", "escalation.2.name"),
            Column("三级职务", "escalation.2.post"),
            _phone("三级电话", "escalation.2.phone"),
            Column("在用", "active", "yes", words=_YES, width=8, note="空为是"),
        ),
        "成员单位，联络员和逐级上报人",
    ),
    Sheet(
        "大工委",
        "committee",
        (
            Column("编号", "id", "code", True),
            Column("姓名", "name", "text", True),
            Column("席位", "seat", "word", True, _SEATS),
            Column("街道编码", "street", "code", True),
            Column("单位编码", "unit", "code", note="兼职委员必填"),
            Column("职务", "post", width=20),
            _phone(),
            Column("在任", "active", "yes", words=_YES, width=8, note="空为是"),
        ),
        "街道大工委：召集人、专职委员、兼职委员、社会组织",
    ),
    *(
        Sheet(
            name,
            key,
            (
                Column("编号", "id", "code", True),
                Column("姓名", "name", "text", True),
                *((Column("单位编码", "unit", "code", note="派出单位"),) if key == "cadres" else ()),
                Column(place, "grid", "code", True, width=22, note=note),
                _phone(),
                *_means("服务时间"),
                _ACTIVE,
            ),
            words,
        )
        for name, key, place, note, words in (
            ("报到干部", "cadres", "报到网格", "网格或社区编码", "到网格报到的干部"),
            ("志愿者", "volunteers", "所属区域", "网格、社区、街道或县编码", "志愿者"),
            ("评理员", "mediators", "所属区域", "网格、社区、街道或县编码", "评理员（调解员）"),
        )
    ),
    Sheet(
        "调解队伍",
        "teams",
        (
            Column("编码", "code", "code", True),
            Column("名称", "name", "text", True, width=24),
            Column("所属区域", "place", "code", True, width=20, note="网格、社区、街道或县编码"),
            Column("队长", "lead", "code", note="队员的编号"),
            Column("队员", "members", "list", width=40, note="编号，用、分隔"),
            *_means("服务时间"),
            Column("在用", "active", "yes", words=_YES, width=8, note="空为是"),
        ),
        "人民调解队伍",
    ),
    Sheet(
        "服务点",
        "points",
        (
            Column("编码", "code", "code", True),
            Column("名称", "name", "text", True, width=26),
            Column("类型", "kind", "word", True, _POINT_KINDS),
            Column("纬度", "lat", "number", True, width=10, note="WGS-84"),
            Column("经度", "long", "number", True, width=10, note="WGS-84"),
            Column("服务项目", "services", "list", width=34, note="用、分隔"),
            Column(
                "开放时间",
                "hours",
                "hours",
                width=34,
                note="周一至周五 08:00-12:00、14:30-17:30；周六 09:00-12:00",
            ),
            Column("容量", "capacity", "whole", True, width=8, note="同时接待的人数"),
            Column("街道编码", "street", "code"),
            Column("社区编码", "community", "code", width=16),
            Column("地址", "address", width=26),
            Column("启用日期", "open_from", "date", width=12),
            Column("停用日期", "open_until", "date", width=12, note="最后一天"),
        ),
        "党群服务中心、近邻中心、驿站",
    ),
    Sheet(
        "值班",
        "roster",
        (
            Column(
                "对象",
                "who",
                "code",
                True,
                width=20,
                note="人员编号；或区域编码，指其下该角色的所有人",
            ),
            Column("角色", "role", "word", words=ROLE_NAMES, note="对象是区域时填，空为网格员"),
            Column("班次", "name", width=12),
            Column("开始日期", "from", "date", True, width=12),
            Column("结束日期", "to", "date", True, width=12, note="含当天"),
            Column("星期", "days", "days", width=16, note="周一至周五；空为每天"),
            Column(
                "时段", "spans", "spans", True, width=28, note="08:00-12:00、14:30-18:00；22:00-06:00 跨午夜"
            ),
            Column("模式", "mode", "word", words=_MODES, width=8, note="空为平时"),
        ),
        "值班表：开始和结束日期之间未列出的星期为休息；不在任何值班表内的日子视为在岗",
    ),
    Sheet(
        "请假",
        "leave",
        (
            Column("人员", "person", "code", True),
            Column("开始", "from", "time", True, width=18, note="日期，或日期和时间"),
            Column("结束", "to", "end", True, width=18, note="日期（含当天），或日期和时间"),
            Column("替班人", "stand_in", "code", note="编号；请假期间接他的班"),
            Column("类别", "kind", "word", words=_LEAVES, width=8, note="空为休假；不写病情"),
        ),
        "请假和替班",
    ),
)
BY_NAME: Final = {s.name: s for s in SHEETS}
BY_LIST: Final = {s.list: s for s in SHEETS}

Row = tuple[int, Sequence[Any]]  # its number in the sheet, and its cells


# -- reading -----------------------------------------------------------------------------------------


class SheetReader:
    """Makes a document of sheets, and tells what is wrong by sheet, row and column."""

    def __init__(self) -> None:
        self.problems: list[FieldProblem] = []
        self.document: dict[str, Any] = {"partial": True}
        self._where: dict[str, list[tuple[Sheet, int, dict[str, int]]]] = {}
        self._below: list[tuple[str, dict[str, Any], tuple[Sheet, int, dict[str, int]]]] = []

    def take(self, name: str, rows: Iterable[Row]) -> None:
        """One sheet; sheets that aren't ours are an error, but for 说明."""
        name = name.strip()
        if name == NOTES:
            return
        sheet = BY_NAME.get(name)
        if sheet is None:
            self.problems.append(FieldProblem(name[:40], "is no sheet of the directory", "、".join(BY_NAME)))
            return
        found = iter(rows)
        at = self._header(sheet, found)
        if at is None:
            return
        self._where.setdefault(sheet.list, [])
        if sheet.list != "communities":
            self.document.setdefault(sheet.list, [])
        seen = False
        for number, cells in found:
            if any(c is not None and str(c).strip() for c in cells):
                seen = True
                self._row(sheet, number, cells, at)
        if sheet.list == "streets":
            self.document.setdefault("streets", [])
        if not seen and sheet.list in ("streets", "communities", "people", "grids", "units"):
            self.problems.append(FieldProblem(sheet.name, "has no rows", "at least one"))

    def finish(self) -> dict[str, Any]:
        """The document. DirectoryError when anything is wrong so far."""
        if not self.problems and not self._where:
            self.problems.append(
                FieldProblem("workbook", "has no sheet of the directory", "、".join(BY_NAME))
            )
        document = self.document
        if "communities" in self._where:
            self._put_below(document)
        if self.problems:
            raise DirectoryError(self.problems)
        if {"county", *BASIC} <= document.keys() and "communities" in self._where:
            del document["partial"]
        return document

    def _put_below(self, document: dict[str, Any]) -> None:
        if "streets" not in document:
            self.problems.append(FieldProblem("社区", "stands without 街道", "both sheets"))
            return
        streets = {s.get("code"): s for s in document["streets"]}
        for street in document["streets"]:
            street["communities"] = []
        for code, row, (sheet, number, at) in self._below:
            above = streets.get(code)
            if above is None:
                said = f"{sheet.name} 第{number}行 {sheet.letter('street', at)}"
                self.problems.append(FieldProblem(said, f"is {code!r}", "the 编码 of a row of 街道"))
            else:
                above["communities"].append(row)
                street = document["streets"].index(above)
                self._where.setdefault(f"streets[{street}].communities", []).append((sheet, number, at))

    def _header(self, sheet: Sheet, rows: Iterator[Row]) -> dict[str, int] | None:
        """Where each field stands; titles and notes above the header are passed over."""
        known = {h: c for c in sheet.columns for h in (c.heading, *c.also)}
        needed = [c for c in sheet.columns if c.required]
        for number, cells in rows:
            headings = [_plain(c) for c in cells]
            if sum(h in known for h in headings) < min(2, len(needed)):
                if number > 20:
                    break
                continue
            at: dict[str, int] = {}
            for i, heading in enumerate(headings):
                if not heading or heading.endswith(REFERENCE):
                    continue
                column = known.get(heading)
                where = f"{sheet.name} 第{number}行 {letters(i)}列「{heading[:20]}」"
                if column is None:
                    allowed = "、".join(c.heading for c in sheet.columns)
                    self.problems.append(FieldProblem(where, "is no column of this sheet", allowed))
                elif column.name in at:
                    self.problems.append(FieldProblem(where, "is there twice", "each column once"))
                else:
                    at[column.name] = i
            for column in needed:
                if column.name not in at:
                    self.problems.append(
                        FieldProblem(
                            f"{sheet.name} 第{number}行", f"has no column「{column.heading}」", "its heading"
                        )
                    )
            return at
        self.problems.append(
            FieldProblem(sheet.name, "has no row of headings", "、".join(c.heading for c in needed))
        )
        return None

    def _row(self, sheet: Sheet, number: int, cells: Sequence[Any], at: dict[str, int]) -> None:
        row: dict[str, Any] = {}
        good = True
        for column in sheet.columns:
            i = at.get(column.name)
            cell = cells[i] if i is not None and i < len(cells) else None
            try:
                value = _value(column, cell)
                if value is None and column.required:
                    raise _Wrong("is missing", _allowed(column))
            except _Wrong as wrong:
                said = f"{sheet.name} 第{number}行 {sheet.letter(column.name, at)}"
                self.problems.append(FieldProblem(said, str(wrong), wrong.allowed))
                good = False
                continue
            if value is not None:
                _put(row, column.name, value)
        steps = row.get("escalation")
        if steps is not None:
            row["escalation"] = [s for s in steps if s]
        if not good:
            return
        where = (sheet, number, at)
        if sheet.list == "communities":
            self._below.append((row.pop("street"), row, where))
        elif sheet.list == "streets" and row.pop("level") == "county":
            if "county" in self.document:
                self.problems.append(FieldProblem(f"{sheet.name} 第{number}行", "is a second county", "one"))
            self.document["county"] = row
            self._where["county"] = [where]
        else:
            self.document[sheet.list].append(row)
            self._where[sheet.list].append(where)

    def said(self, problem: FieldProblem) -> FieldProblem:
        """A problem of the document in words of the sheets."""
        match = _FIELD.fullmatch(problem.field)
        if match is None:
            return problem
        list_, index, inner, name = match["list"], match["i"], match["j"], match["field"] or ""
        key = list_ if inner is None else f"{list_}[{index}].communities"
        i = int(inner if inner is not None else index or 0)
        known = self._where.get(key, [])
        if i >= len(known):
            sheet = BY_LIST.get("communities" if inner is not None else list_)
            return FieldProblem(
                f"{sheet.name} {problem.field}" if sheet else problem.field, problem.problem, problem.allowed
            )
        sheet, number, at = known[i]
        said = f"{sheet.name} 第{number}行"
        if name:
            field_ = re.sub(r"\[(\d+)\]", r".\1", name)
            said += f" {sheet.letter(field_, at)}"
        return FieldProblem(said, problem.problem, problem.allowed)


_FIELD: Final = re.compile(
    r"(?P<list>[a-z]+)(?:\[(?P<i>\d+)\])?(?:\.communities\[(?P<j>\d+)\])?(?:\.(?P<field>[a-z_.\[\]0-9]+))?"
)


class _Wrong(ValueError):
    def __init__(self, problem: str, allowed: str = "") -> None:
        super().__init__(problem)
        self.allowed = allowed


def _put(row: dict[str, Any], name: str, value: Any) -> None:
    outer, _, rest = name.partition(".")
    if not rest:
        row[outer] = value
        return
    index, _, inner = rest.partition(".")
    steps = row.setdefault(outer, [])
    while len(steps) <= int(index):
        steps.append({})
    steps[int(index)][inner] = value


def _plain(cell: Any) -> str:
    return re.sub(r"[\s*＊]+", "", str(cell)) if cell is not None else ""


_ERRORS: Final = frozenset(
    ("#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NUM!", "#NULL!", "#SPILL!", "#CALC!")
)


def _text(cell: Any) -> str:
    """A cell as text; numbers that a spreadsheet made of codes and phones are whole again."""
    if isinstance(cell, Formula):
        raise _Wrong("is a formula", "a value: copy it and paste the values only")
    if isinstance(cell, bool):
        return "是" if cell else "否"
    if isinstance(cell, int | float):
        if cell != int(cell):
            return str(cell)
        if abs(cell) >= 10**15:
            raise _Wrong(
                "was rounded by the spreadsheet", "the column in the format 文本, and the number again"
            )
        return str(int(cell))
    if isinstance(cell, datetime):
        return (
            cell.isoformat(sep=" ", timespec="minutes") if cell.time() != time() else cell.date().isoformat()
        )
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, time):
        return cell.isoformat(timespec="minutes")
    text = str(cell).strip() if cell is not None else ""
    if text in _ERRORS:
        raise _Wrong(f"holds the spreadsheet's error {text}", "a value")
    if re.fullmatch(r"[0-9]\.[0-9]+[Ee]\+[0-9]+", text):
        raise _Wrong(
            f"was rounded by the spreadsheet: {text}", "the column in the format 文本, and the number again"
        )
    return text


def _allowed(column: Column) -> str:
    if column.words:
        return "、".join(dict.fromkeys(column.words.values()))
    return column.note or {"code": "a code", "text": "text"}.get(column.form, "a value")


def _value(column: Column, cell: Any) -> Any:
    """A cell as the document has it; None when it is empty. _Wrong."""
    text = _text(cell)
    if not text:
        return None
    try:
        return _FORMS[column.form](column, text)
    except _Wrong:
        raise
    except ValueError as error:
        raise _Wrong(str(error) or f"is {text[:40]!r}", _allowed(column)) from None


def _word(column: Column, text: str) -> Any:
    for code, word in column.words.items():
        if text in (word, code):
            return code
    raise _Wrong(f"is {text[:40]!r}", _allowed(column))


def _list(_column: Column, text: str) -> list[str]:
    return [p for part in re.split(r"[、,，;；\n]+", text) if (p := part.strip())]


def _hours(_column: Column, text: str) -> str:
    return text  # which the document's own check reads, as the same words


def _days(_column: Column, text: str) -> list[str]:
    if not re.search(r"周|星期|礼拜|每天|每日|天天|工作日|双休", text):
        raise _Wrong(f"is {text[:40]!r}", "周一至周五、周六 or the like; empty for every day")
    return [DAYS[d] for d in days_of(text)]


def _spans(_column: Column, text: str) -> list[str]:
    if text in ("全天", "24小时"):
        return ["00:00-24:00"]
    return [
        span_of(part.strip(), overnight=True) for part in re.split(r"[、,，;；\n]+", text) if part.strip()
    ]


def _number(_column: Column, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise _Wrong(f"is {text[:40]!r}", "a number") from None


def _whole(_column: Column, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise _Wrong(f"is {text[:40]!r}", "a whole number")
    return int(text)


_DATE: Final = re.compile(r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*日?")
_TIME: Final = re.compile(_DATE.pattern + r"(?:[\sT]+(\d{1,2})[:：](\d{2})(?:[:：]00)?)?")


def _date(_column: Column, text: str) -> str:
    compact = re.fullmatch(r"(\d{4})(\d{2})(\d{2})", text)
    match = compact or _DATE.fullmatch(text)
    try:
        if match is not None:
            return date(*map(int, match.groups())).isoformat()
    except ValueError:
        pass
    raise _Wrong(f"is {text[:40]!r}", "a date like 2026-12-01")


def _time(_column: Column, text: str) -> str:
    match = _TIME.fullmatch(text)
    try:
        if match is not None:
            day = date(int(match[1]), int(match[2]), int(match[3]))
            if match[4] is None:
                return day.isoformat()
            if int(match[4]) == 24 and match[5] == "00":
                return f"{day + timedelta(days=1)}T00:00"
            return datetime.combine(day, time(int(match[4]), int(match[5]))).isoformat(timespec="minutes")
    except ValueError:
        pass
    raise _Wrong(f"is {text[:40]!r}", "a date like 2026-12-01, or with a time: 2026-12-01 08:00")


def _json(_column: Column, text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise _Wrong("is no JSON", "GeoJSON, WGS-84") from None


_FORMS: Final[Mapping[str, Callable[[Column, str], Any]]] = {
    "text": lambda _c, text: text,
    "code": lambda _c, text: text,
    "phone": lambda _c, text: text,
    "word": _word,
    "yes": _word,
    "list": _list,
    "hours": _hours,
    "days": _days,
    "spans": _spans,
    "number": _number,
    "whole": _whole,
    "date": _date,
    "time": _time,
    "end": _time,
    "json": _json,
}


# -- writing -----------------------------------------------------------------------------------------


def rows_of(document: Mapping[str, Any], sheet: Sheet) -> Iterator[list[Any]]:
    """The cells of a sheet's rows, texts and numbers, in the order of its columns."""
    for row in _source(document, sheet):
        yield [_cell(column, _get(row, column.name)) for column in sheet.columns]


def _source(document: Mapping[str, Any], sheet: Sheet) -> Iterator[Mapping[str, Any]]:
    if sheet.list == "streets":
        yield {**document["county"], "level": "county"}
        for street in document["streets"]:
            yield {**street, "level": "street"}
    elif sheet.list == "communities":
        for street in document["streets"]:
            for inner in street["communities"]:
                yield {**inner, "street": street["code"]}
    else:
        yield from document.get(sheet.list) or ()


def _get(row: Mapping[str, Any], name: str) -> Any:
    outer, _, rest = name.partition(".")
    if not rest:
        return row.get(outer)
    index, _, inner = rest.partition(".")
    steps = row.get(outer) or []
    return steps[int(index)].get(inner) if int(index) < len(steps) else None


def _cell(column: Column, value: Any) -> Any:
    if column.form == "yes":
        return _YES[value is not False]
    if value is None or value in ("", []):
        return None
    match column.form:
        case "word":
            return column.words[value]
        case "list":
            return "、".join(value)
        case "hours":
            return value if isinstance(value, str) else text_of(value)
        case "days":
            return days_text([DAYS.index(d) for d in value])
        case "spans":
            return "、".join(value)
        case "time" | "end":
            return _time_cell(value, end=column.form == "end")
        case "json":
            return orjson.dumps(value).decode()
    return value


def _time_cell(value: Any, *, end: bool) -> str:
    at = time_of(value, end=end).astimezone(ZONE)
    if at.time() != time():
        return f"{at:%Y-%m-%d %H:%M}"
    return f"{at - timedelta(days=1) if end else at:%Y-%m-%d}"


def notes() -> Iterator[tuple[str, str, str, str]]:
    """(sheet, column, needed, what its cells are), for the sheet 说明 and the documents."""
    for sheet in SHEETS:
        for column in sheet.columns:
            words = "、".join(dict.fromkeys(column.words.values()))
            said = "；".join(filter(None, (words, column.note)))
            yield sheet.name, column.heading, "必填" if column.required else "", said
