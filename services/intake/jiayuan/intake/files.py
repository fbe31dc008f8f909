"""Reports from files: JSON lines, CSV and XLSX, line by line, with Chinese or English column names.

A line that is wrong costs only itself. Reading holds one line at a time, however long the file is.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import math
import re
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, Protocol

import orjson

from jiayuan.contracts.check import FieldProblem, problems
from jiayuan.contracts.times import iso

from . import workbook
from .mapping import Plan
from .schemas import FileLine
from .text import one_line

MAX_LINE: Final = 1_000_000
ZONE: Final = timezone(timedelta(hours=8))  # China has one, without summer time

# What a column may be called → where its value belongs. Compared in normal form, without blanks and in lower case.
COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "external_id": ("编号", "工单号", "工单编号", "流水号", "信件编号", "留言编号", "序列号", "id", "external_id"),
    "source_system": ("来源系统", "source_system"),
    "channel": ("渠道", "来源渠道", "channel"),
    "kind": ("诉求类型", "类型", "kind"),
    "title": ("标题", "主题", "留言主题", "诉求标题", "title", "subject", "topic"),
    "text": (
        "内容", "正文", "详情", "诉求内容", "留言详情", "留言内容", "反映内容", "问题描述", "描述",
        "text", "detail", "content", "message", "description",
    ),
    "category": ("类别代码", "分类代码", "事项代码", "category"),
    "place.code": ("区划代码", "网格代码", "社区代码", "地点代码", "place_code", "place.code"),
    "place.text": ("地点", "地址", "发生地点", "详细地址", "位置", "place", "address", "place_text", "place.text"),
    "place.lat": ("纬度", "lat", "latitude", "place.lat"),
    "place.long": ("经度", "lon", "lng", "long", "longitude", "place.long"),
    "place.crs": ("坐标系", "crs", "place.crs"),
    "contact.name": ("姓名", "联系人", "反映人", "留言人", "name", "contact_name", "contact.name"),
    "contact.phone": ("电话", "联系电话", "手机", "手机号", "手机号码", "联系方式", "phone", "mobile", "tel",
                      "contact_phone", "contact.phone"),
    "contact.openid": ("用户", "留言用户", "用户编号", "openid", "user", "contact.openid"),
    "occurred_at": ("发生时间", "时间", "留言时间", "日期", "occurred_at", "time", "date"),
    "received_at": ("受理时间", "收件时间", "接收时间", "登记时间", "received_at"),
}  # fmt: skip
_WORDS: Final[dict[str, dict[str, str]]] = {
    "kind": {
        "问题": "problem",
        "投诉": "problem",
        "求助": "problem",
        "信息": "information",
        "建议": "information",
        "咨询": "consultation",
        "预约": "appointment",
        "预约服务": "appointment",
        "纠纷": "dispute",
        "微心愿": "wish",
        "心愿": "wish",
        "表扬": "praise",
    },
    "channel": {
        "小程序": "mini_program",
        "热线": "hotline",
        "网格员": "grid_worker",
        "民情联络员": "liaison",
        "外卖骑手": "rider",
        "意见箱": "suggestion_box",
        "联络点": "contact_point",
        "征集会": "meeting",
        "议事会": "meeting",
        "报到干部": "cadre",
        "政府系统": "government_system",
        "文件导入": "file_import",
    },
}
_TIMES: Final = ("occurred_at", "received_at")
_NUMBERS: Final = ("place.lat", "place.long")
_LOCAL_TIME: Final = re.compile(
    r"([0-9]{4})[-/.年]([0-9]{1,2})[-/.月]([0-9]{1,2})日?"
    r"(?:[ T]*(上午|下午)?[ T]*([0-9]{1,2})[:时点](?:([0-9]{1,2})(?:[:分](?:([0-9]{1,2})(?:秒|\.[0-9]+)?)?)?)?)?"
)
_PACKED_TIME: Final = re.compile(r"(?:19|20)[0-9]{6}(?:[0-9]{4}(?:[0-9]{2})?)?")
_SERIAL: Final = re.compile(r"[0-9]{5}(?:\.[0-9]+)?")
_EXCEL_EPOCH: Final = datetime(1899, 12, 30)
_UNDECODABLE: Final = re.compile("[\udc80-\udcff]")


class Unreadable(Exception):
    """The file as a whole can't be read; the text is one sentence for whoever imports it."""


class Position(NamedTuple):
    """Behind a line: its last line as an editor counts, and the offset of the next one in bytes (0: unknown)."""

    line: int = 0
    offset: int = 0


START: Final = Position()


@dataclass(slots=True)
class Line:
    """A line of a file: its number as an editor or Excel shows it, and a checked document or what is wrong.

    `after`: where reading may begin again once this line is dealt with. `left_out`: by the mapping's conditions.
    `said`: what an answer that was sent back before says of it.
    """

    number: int
    document: dict[str, Any] = field(default_factory=dict)
    problems: list[FieldProblem] = field(default_factory=list)
    after: Position = START
    left_out: bool = False
    said: str = ""


class Reader(Protocol):
    """Reads a file's lines. `done` of `total` tells how far it is; `ignored` names columns that mean nothing here."""

    done: int
    total: int
    ignored: list[str]

    def __iter__(self) -> Iterator[Line]:
        """The lines, one at a time."""
        ...


@dataclass(frozen=True, slots=True)
class How:
    """How a file is read: what columns are called, a mapping if there is one, and the zone and forms of its times."""

    names: Mapping[str, str]
    plan: Plan | None = None
    zone: tzinfo = ZONE
    dates: tuple[str, ...] = ()


def digest(path: Path) -> str:
    """What a file is known by: 24 hex digits of its SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:24]


def reader(
    path: Path,
    *,
    columns: Mapping[str, str] | None = None,
    plan: Plan | None = None,
    sheet: str | None = None,
    form: str = "",
    start: Position = START,
) -> Reader:
    """The reader of a file, by its ending or by `form` (jsonl, csv or xlsx); Unreadable when there is none.

    `columns`: further column names → fields of COLUMNS, which win over the usual ones. `plan`: a mapping, which says
    all by itself. `start`: where an earlier reading of the same file in the same way stopped.
    """
    kind = (form or path.suffix.lstrip(".")).lower()
    how = How(_names(columns or {}), plan, plan.zone if plan else ZONE, plan.dates if plan else ())
    try:
        size = path.stat().st_size
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from None
    if size == 0:
        raise Unreadable(f"{path} is empty")
    if kind in ("jsonl", "ndjson", "json"):
        return JsonLines(path, size, how, start)
    if kind in ("csv", "tsv", "txt"):
        return Csv(path, size, how, start)
    if kind in ("xlsx", "xlsm"):
        return Xlsx(path, how, sheet, start)
    if kind == "xls":
        raise Unreadable(f"{path}: the old .xls is not read; save it as .xlsx or .csv")
    raise Unreadable(f"{path}: the ending .{kind} is unknown; jsonl, csv and xlsx are read")


def _names(extra: Mapping[str, str]) -> dict[str, str]:
    known = {_plain(name): where for where, names in COLUMNS.items() for name in names}
    for name, where in extra.items():
        if where not in COLUMNS:
            raise Unreadable(f"there is no field {where!r}; fields are {', '.join(COLUMNS)}")
        known[_plain(name)] = where
    return known


def _plain(name: str) -> str:
    return one_line(name).replace(" ", "").strip("*").lower()


# Above a header there may be a title, who filled it in, how to fill it in.
_NOTES: Final = 30


class Heading:
    """The header of a table, in one row or in two, and what its columns are.

    `row`: its first row's place among the rows that were looked at; `rows`: 1 or 2; `answer`: the column, from 0, of an
    answer that was sent back before, or None.
    """

    def __init__(self, row: int, rows: int, titles: Sequence[str], how: How) -> None:
        self.row, self.rows, self.titles, self.how = row, rows, titles, how
        self.width = len(titles)
        self.fields: list[tuple[int, str, str]] = []
        self.ignored: list[str] = []
        self.answer: int | None = None
        taken: set[str] = set()
        self._places = {_plain(t): i for i, t in reversed(list(enumerate(titles))) if t}
        for index, title in enumerate(titles):
            if title == ANSWER:
                self.answer = index
                continue
            where = "" if how.plan else how.names.get(_plain(title), "")
            if where and where not in taken:
                taken.add(where)
                self.fields.append((index, where, title))
            elif title and not (how.plan and _plain(title) in {_plain(c) for c in how.plan.columns}):
                self.ignored.append(title)
        self.called = {where: title for _, where, title in self.fields}
        self.missing: list[str] = []
        if how.plan:
            self.missing = sorted(c for c in how.plan.columns if _plain(c) not in self._places)
            self.score = len(how.plan.columns) - len(self.missing)
        else:
            self.missing = [] if "text" in taken else ["text"]
            self.score = len(taken)

    def line(self, number: int, row: Sequence[Any], after: Position) -> Line:
        """The line of a row below."""
        plan = self.how.plan
        if plan is None:
            values = {where: row[index] for index, where, _ in self.fields if index < len(row)}
            line = _line(number, values, self.called, self.how)
        else:

            def get(column: str) -> Any:
                index = self._places[_plain(column)]
                return row[index] if index < len(row) else None

            line = _planned(number, plan, get, self.how)
        line.after = after
        if self.answer is not None and self.answer < len(row):
            line.said = str(row[self.answer] or "")
        if any(cell not in (None, "") for cell in row[self.width :]):
            line.document = {}
            line.problems.append(FieldProblem("line", "has more cells than the header"))
        return line


# The column of an answer; a file that comes back with it is known by it.
ANSWER: Final = "受理结果"


def _planned(number: int, plan: Plan, get: Callable[[str], Any], how: How) -> Line:
    if not plan.wants(get):
        return Line(number, left_out=True)
    values = {where: rule.read(get) for where, rule in plan.fields.items()}
    called = {where: rule.called for where, rule in plan.fields.items() if rule.called}
    return _line(number, values, called, how)


def _heading(rows: Sequence[Sequence[Any]], how: How, path: Path) -> Heading:
    """The header among the first rows of a table; Unreadable when none of them is one."""
    best: Heading | None = None
    for at in range(min(len(rows), _NOTES)):
        one = [_title(cell) for cell in rows[at]]
        found = [Heading(at, 1, one, how)]
        below = [_title(cell) for cell in rows[at + 1]] if at + 1 < len(rows) else []
        two = _merged(one, below, how)
        if two:
            found.append(Heading(at, 2, two, how))
        for heading in found:
            if best is None or _rank(heading) > _rank(best):
                best = heading
    if best is None:
        raise Unreadable(f"{path} holds no line")
    if best.missing:
        titles = ", ".join(_title(c) for c in rows[best.row] if c)[:200]
        if how.plan:
            lost = ", ".join(best.missing)
            raise Unreadable(
                f"{path}: the mapping reads columns that are not there: {lost}; columns found: {titles}"
            )
        raise Unreadable(f"{path}: no column holds the text (内容, 正文, text, …); columns found: {titles}")
    return best


def _rank(heading: Heading) -> tuple[bool, int, int]:
    return not heading.missing, heading.score, -heading.rows


def _title(cell: Any) -> str:
    return "" if cell is None else str(cell).strip()


def _merged(one: Sequence[str], below: Sequence[str], how: How) -> list[str]:
    """Two header rows as one: below a wide cell (反映人) its parts (姓名, 电话), below a tall one nothing.

    Empty when the second row can't be a part of the header: something stands below a column that is complete.
    """
    width = max(len(one), len(below))
    upper, lower = [*one, *[""] * (width - len(one))], [*below, *[""] * (width - len(below))]
    out, over, known = [], "", 0
    columns = {_plain(c) for c in how.plan.columns} if how.plan else set(how.names)
    for index in range(width):
        over = upper[index] or (over if lower[index] else "")
        if lower[index] and _plain(upper[index]) in columns and _plain(lower[index]) not in columns:
            return []
        both = (lower[index], over + lower[index], over) if lower[index] else (over,)
        title = next((t for t in both if t and _plain(t) in columns), lower[index] or over)
        known += bool(lower[index]) and _plain(title) in columns
        out.append(title)
    return out if known else []


def _line(number: int, values: Mapping[str, Any], called: Mapping[str, str], how: How) -> Line:
    """A line from values by field; problems name the column as the file calls it."""
    document: dict[str, Any] = {}
    found: list[FieldProblem] = []
    for where, value in values.items():
        try:
            plain = _value(where, value, how)
        except ValueError as error:
            found.append(FieldProblem(called.get(where, where), str(error), _allowed(where)))
            continue
        if plain is None:
            continue
        outer, _, inner = where.partition(".")
        if inner:
            document.setdefault(outer, {})[inner] = plain
        else:
            document[outer] = plain
    return _checked(number, document, found, called)


def _checked(
    number: int, document: dict[str, Any], found: list[FieldProblem], called: Mapping[str, str]
) -> Line:
    already = {p.field for p in found}
    for p in problems(FileLine, document):
        name = p.field.removeprefix("data.")
        name = called.get(name, name)
        if name not in already:
            found.append(FieldProblem(name, p.problem, p.allowed))
    return Line(number, document if not found else {}, found)


# What Excel shows instead of a value, and a long number once it has been shown short.
_ERRORS: Final = frozenset(
    ("#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NUM!", "#NULL!", "#SPILL!", "#CALC!")
)
_ROUNDED: Final = re.compile(r"[0-9]\.[0-9]+E\+[0-9]+", re.IGNORECASE)


def _value(where: str, value: Any, how: How) -> Any:
    """A cell as the schema wants it; None when it is empty, ValueError when it can't be that."""
    if isinstance(value, str):
        value = value.strip()
        if _UNDECODABLE.search(value):
            raise ValueError("holds bytes that are no characters in the file's encoding")
        if value in _ERRORS:
            raise ValueError(f"holds the spreadsheet's error {value}")
    if value is None or value == "":
        return None
    if where in _TIMES:
        return iso(_time(value, how))
    if where in _NUMBERS:
        try:
            number = float(one_line(value)) if isinstance(value, str) else float(value)
        except (TypeError, ValueError, OverflowError):
            raise ValueError(f"is not a number: {str(value)[:40]}") from None
        if not math.isfinite(number):
            raise ValueError(f"is not a number: {str(value)[:40]}")
        return number
    if isinstance(value, bool):
        value = "是" if value else "否"
    elif isinstance(value, float) and value.is_integer():
        value = int(value)  # Excel keeps numbers as floats: a phone number is not 13800138000.0
    elif isinstance(value, datetime | date | time):
        value = value.isoformat()
    elif not isinstance(value, str | int | float):
        value = str(value)  # a formula, a duration
    # Python refuses to write integers of more than 4300 digits.
    value = format(value, ".0f") if isinstance(value, int) and abs(value) > 10**300 else str(value)
    if where in _WORDS:
        return _WORDS[where].get(one_line(value), value)
    if not where.startswith(("contact.phone", "place.code", "external_id")):
        return value
    plain = one_line(value)
    if _ROUNDED.fullmatch(plain):
        raise ValueError(f"was rounded by the spreadsheet: {plain}")
    return plain


def _time(value: Any, how: How) -> datetime:
    """A time; without an offset it is that of the file's zone, China's unless a mapping says otherwise."""
    if isinstance(value, datetime):
        at = value
    elif isinstance(value, date):
        at = datetime.combine(value, time())
    elif isinstance(value, int | float) and not isinstance(value, bool):
        at = _serial(value)
    else:
        at = _written_time(one_line(str(value)).replace("：", ":"), how.dates)
    try:
        return at if at.tzinfo else at.replace(tzinfo=how.zone)
    except (ValueError, OverflowError):
        raise ValueError(f"is not a time: {str(value)[:40]}") from None


def _serial(value: float) -> datetime:
    """Excel's count of days since 1900; the half second rounds away what its floats leave."""
    if not 20000 < value < 80000:
        raise ValueError(f"is not a time: {str(value)[:40]}")
    at = _EXCEL_EPOCH + timedelta(days=value) + timedelta(milliseconds=500)
    return at.replace(microsecond=0)


def _written_time(said: str, dates: Sequence[str]) -> datetime:
    for form in dates:
        try:
            return datetime.strptime(said, form)
        except ValueError:
            continue
    try:
        if match := _LOCAL_TIME.fullmatch(said):
            year, month, day, half, *clock = match.groups()
            hour, minute, second = (int(g or 0) for g in clock)
            hour += 12 if half == "下午" and hour < 12 else 0
            return datetime(int(year), int(month), int(day), hour, minute, second)
        if _PACKED_TIME.fullmatch(said):
            return datetime.strptime(said, "%Y%m%d%H%M%S"[: {8: 6, 12: 10, 14: 12}[len(said)]])
        if _SERIAL.fullmatch(said):
            return _serial(float(said))
        return datetime.fromisoformat(said)
    except (ValueError, OverflowError):
        raise ValueError(f"is not a time: {said[:40]}") from None


def _allowed(where: str) -> str:
    if where in _TIMES:
        return "2026-03-02 09:30, or RFC 3339 with an offset"
    return "a number" if where in _NUMBERS else ""


class TooLong(Exception):
    """A line of more than MAX_LINE bytes; it has been passed over."""


class Lines:
    """A binary file's lines, of at most MAX_LINE bytes each, counted; `after` is behind the last one."""

    def __init__(self, file: IO[bytes], start: Position = START) -> None:
        self.file, self.after = file, start
        if start.offset:
            file.seek(start.offset)

    def __iter__(self) -> Lines:
        return self

    def __next__(self) -> bytes:
        raw = self.file.readline(MAX_LINE + 1)
        if not raw:
            raise StopIteration
        size = len(raw)
        long = size > MAX_LINE and not raw.endswith(b"\n")
        while long and (rest := self.file.readline(MAX_LINE)):
            size += len(rest)
            if rest.endswith(b"\n"):
                break
        self.after = Position(self.after.line + 1, self.after.offset + size)
        if long:
            raise TooLong
        return raw


class JsonLines:
    """One JSON object a line: in our own form (nested place and contact), or flat with the names of COLUMNS."""

    def __init__(self, path: Path, size: int, how: How, start: Position = START) -> None:
        self.path, self.total, self.done = path, size, 0
        self.ignored: list[str] = []
        self._how, self._start = how, start

    def __iter__(self) -> Iterator[Line]:
        """The lines; blank ones are passed over."""
        try:
            with self.path.open("rb") as file:
                yield from self._read(Lines(file, self._start))
        except OSError as error:
            raise Unreadable(f"{self.path}: {error.strerror}") from None

    def _read(self, lines: Lines) -> Iterator[Line]:
        while True:
            try:
                raw = next(lines)
            except StopIteration:
                return
            except TooLong:
                raw = b"\x00"
            number = lines.after.line
            self.done = lines.after.offset
            if number == 1:
                raw = raw.removeprefix(codecs.BOM_UTF8)
            if raw == b"\x00":
                line = Line(number, {}, [FieldProblem("line", f"is longer than {MAX_LINE} bytes")])
            elif not raw.strip():
                continue
            else:
                line = self._line(number, raw)
            line.after = lines.after
            yield line

    def _line(self, number: int, raw: bytes) -> Line:
        try:
            row = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            return Line(number, {}, [FieldProblem("line", f"is not JSON: {error}", "a JSON object in UTF-8")])
        if not isinstance(row, dict):
            return Line(number, {}, [FieldProblem("line", "is not a JSON object", "a JSON object")])
        if self._how.plan is not None:
            return self._planned(number, row, self._how.plan)
        values: dict[str, Any] = {}
        called: dict[str, str] = {}
        found: list[FieldProblem] = []
        for key, value in row.items():
            if key in ("place", "contact") and isinstance(value, dict):
                values |= {f"{key}.{inner}": v for inner, v in value.items() if f"{key}.{inner}" in COLUMNS}
                found += [
                    FieldProblem(f"{key}.{inner}", "is unknown")
                    for inner in value
                    if f"{key}.{inner}" not in COLUMNS
                ]
                continue
            where = self._how.names.get(_plain(key))
            if where is None or where in values:
                self._ignore(key)
                continue
            if isinstance(value, dict | list):
                found.append(FieldProblem(key, "is not a text or a number"))
                continue
            values[where], called[where] = value, key
        nested = [w for w, v in values.items() if isinstance(v, dict | list)]
        found += [FieldProblem(w, "is not a text or a number") for w in nested]
        line = _line(number, {w: v for w, v in values.items() if w not in nested}, called, self._how)
        if found:
            return Line(number, {}, [*found, *line.problems])
        return line

    def _planned(self, number: int, row: dict[str, Any], plan: Plan) -> Line:
        named = {_plain(k): v for k, v in row.items()}
        wanted = {_plain(c): c for c in plan.columns}
        for key in row:
            if _plain(key) not in wanted:
                self._ignore(key)
        nested = [wanted[k] for k, v in named.items() if k in wanted and isinstance(v, dict | list)]
        if nested:
            return Line(number, {}, [FieldProblem(c, "is not a text or a number") for c in nested])
        return _planned(number, plan, lambda column: named.get(_plain(column)), self._how)

    def _ignore(self, key: str) -> None:
        if key not in self.ignored and len(self.ignored) < 100:
            self.ignored.append(key)


class Csv:
    """CSV as offices write it: UTF-8 with or without a mark, UTF-16, or GB 18030 as Excel saves it in China.

    After the first line: `heading`, `delimiter`, and `width`, the cells of its widest row.
    """

    def __init__(self, path: Path, size: int, how: How, start: Position = START) -> None:
        self.path, self.total, self.done = path, size, 0
        self.ignored: list[str] = []
        self.encoding = _encoding(path)
        self.heading: Heading | None = None
        self.delimiter = ","
        self.width = 0
        self._how, self._start = how, start

    def __iter__(self) -> Iterator[Line]:
        """The lines below the header; a cell may hold line breaks, the number is that of its first line."""
        for number, row, after in self.rows():
            if isinstance(row, FieldProblem):
                yield Line(number, {}, [row], after)
            elif self.heading is not None:
                yield self.heading.line(number, row, after)

    def rows(self) -> Iterator[tuple[int, list[str] | FieldProblem, Position]]:
        """The rows below the header that hold anything: number of the first line, cells, and what is behind."""
        try:
            with in_utf8(self.path, self.encoding) as (file, encoding):
                yield from self._rows(file, encoding)
        except OSError as error:
            raise Unreadable(f"{self.path}: {error.strerror}") from None

    def _rows(
        self, file: IO[bytes], encoding: str
    ) -> Iterator[tuple[int, list[str] | FieldProblem, Position]]:
        before: list[tuple[int, list[str], Position]] = []
        self.delimiter = _delimiter(file, encoding)
        looked = self.parse(Lines(file), encoding)
        for number, row, after in looked:
            if not isinstance(row, FieldProblem):
                before.append((number, row, after))
            if len(before) > _NOTES:
                break
        if not before:
            raise Unreadable(f"{self.path} holds no line")
        heading = self.heading = _heading([row for _, row, _ in before], self._how, self.path)
        self.ignored = heading.ignored
        self.width = heading.width
        behind = before[heading.row + heading.rows - 1][2]
        # Read again from behind the header, or from where an earlier reading stopped.
        start = max(behind, self._start)
        file.seek(start.offset)
        lines = Lines(file, start)
        for number, row, after in self.parse(lines, encoding):
            self.done = min(after.offset, self.total)
            if not isinstance(row, FieldProblem):
                self.width = max(self.width, len(row))
            yield number, row, after

    def parse(self, lines: Lines, encoding: str) -> Iterator[tuple[int, list[str] | FieldProblem, Position]]:
        csv.field_size_limit(MAX_LINE)
        rows = csv.reader(_Decoded(lines, encoding), delimiter=self.delimiter, strict=True)
        while True:
            number = lines.after.line + 1
            try:
                row = next(rows)
            except StopIteration:
                return
            except TooLong:
                yield number, FieldProblem("line", f"is longer than {MAX_LINE} bytes"), lines.after
                continue
            except csv.Error as error:
                last = lines.after.line
                until = f" (up to line {last})" if last > number else ""
                yield number, FieldProblem("line", f"is not CSV: {error}{until}"), lines.after
                continue
            if any(cell.strip() for cell in row):
                yield number, row, lines.after


class _Decoded:
    """Lines as text. Bytes that are no characters stay recognisable, so that only their line is refused."""

    def __init__(self, lines: Lines, encoding: str) -> None:
        self._lines, self._encoding = lines, encoding

    def __iter__(self) -> _Decoded:
        return self

    def __next__(self) -> str:
        raw = next(self._lines)
        if self._lines.after.line == 1:
            raw = raw.removeprefix(codecs.BOM_UTF8)
        return raw.decode(self._encoding, "surrogateescape")


@contextmanager
def in_utf8(path: Path, encoding: str) -> Iterator[tuple[IO[bytes], str]]:
    """The file, and the encoding in which its lines end with one byte: UTF-16 is written anew for that, in passing.

    So is a file whose lines end with carriage returns alone.
    """
    with path.open("rb") as file:
        head = file.read(1 << 16)
        file.seek(0)
        old = b"\r" in head and b"\n" not in head
        if encoding != "utf-16" and not old:
            yield file, encoding
            return
        with tempfile.TemporaryFile() as plain:
            text = io.TextIOWrapper(
                file,
                encoding=encoding,
                errors="replace" if encoding == "utf-16" else "surrogateescape",
                newline="",
            )
            while piece := text.read(1 << 18):
                piece = piece.replace("\r", "\n") if old else piece
                plain.write(
                    piece.encode("utf-8", "surrogatepass" if encoding == "utf-16" else "surrogateescape")
                )
            plain.seek(0)
            text.detach()
            yield plain, "utf-8"


def _delimiter(file: IO[bytes], encoding: str) -> str:
    """The delimiter: what stands most often in one of the first lines."""
    text = file.read(1 << 16).decode(encoding, "replace")
    file.seek(0)
    lines = [line for line in text.splitlines() if line.strip()][:_NOTES]
    best = max((max(line.count(d), 0), -n, d) for n, d in enumerate(",\t;|") for line in lines or [""])
    return best[2] if best[0] else ","


def _encoding(path: Path) -> str:
    """The encoding: by its mark, else UTF-8 when the whole file is that, else GB 18030."""
    with path.open("rb") as file:
        head = file.read(4)
        if head.startswith(codecs.BOM_UTF8):
            return "utf-8"
        if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        decoder = codecs.getincrementaldecoder("utf-8")()
        file.seek(0)
        try:
            while chunk := file.read(1 << 20):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "gb18030"
    return "utf-8"


class Xlsx:
    """A sheet of a workbook: the one named, or the first that has a header. Numbers are the sheet's row numbers.

    After the first line: `heading`, `header` (its row), `part` (the sheet in the archive), `width`, the cells of its
    widest row.
    """

    def __init__(self, path: Path, how: How, sheet: str | None, start: Position = START) -> None:
        self.path, self.total, self.done = path, 0, 0
        self.ignored: list[str] = []
        self.heading: Heading | None = None
        self.header = self.width = 0
        self.part = ""
        self._how, self._start = how, start
        # Imported here: no other command should wait a quarter of a second for it.
        import openpyxl

        try:
            workbook.check(path)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                # By its content: a path would have to end in .xlsx.
                self._file = path.open("rb")
                self._book = openpyxl.load_workbook(self._file, read_only=True, data_only=True)
        except workbook.BadWorkbook as error:
            raise Unreadable(f"{path} is not an Excel workbook: {error}") from None
        except Exception as error:  # noqa: BLE001  what openpyxl raises of a broken book has no common class
            raise Unreadable(
                f"{path} is not an Excel workbook: {type(error).__name__}: {error}"[:300]
            ) from None
        if sheet is not None and sheet not in self._book.sheetnames:
            raise Unreadable(f"{path} has no sheet {sheet!r}; it has {', '.join(self._book.sheetnames)}")
        self._sheets = [self._book[sheet]] if sheet is not None else self._book.worksheets[:20]
        if not self._sheets:
            raise Unreadable(f"{path} has no sheet")
        for one in self._sheets:
            # Written wrongly by many programs; rows are read as they come.
            self.total = self.total or (one.max_row or 0)
            one.reset_dimensions()

    def __iter__(self) -> Iterator[Line]:
        """The rows below the header."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                sheet, heading = self._find()
                self.heading, self.ignored, self.width = heading, heading.ignored, heading.width
                self.part = workbook.part_of(sheet)
                first = max(self.header + heading.rows, self._start.line + 1)
                for number, row in enumerate(sheet.iter_rows(min_row=first, values_only=True), first):
                    self.done = number
                    if all(cell is None or cell == "" for cell in row):
                        continue
                    used = len(row) - next((n for n, c in enumerate(reversed(row)) if c not in (None, "")), 0)
                    self.width = max(self.width, used)
                    yield heading.line(number, row, Position(number))
        except Unreadable:
            raise
        except Exception as error:  # noqa: BLE001
            raise Unreadable(f"{self.path} is damaged: {type(error).__name__}: {error}"[:300]) from None
        finally:
            self._book.close()
            self._file.close()

    def _find(self) -> tuple[Any, Heading]:
        """The sheet to read, and its header."""
        first: Unreadable | None = None
        for sheet in self._sheets:
            rows: list[tuple[int, Sequence[Any]]] = []
            for number, row in enumerate(sheet.iter_rows(values_only=True), 1):
                if any(cell is not None and cell != "" for cell in row):
                    rows.append((number, row))
                if len(rows) > _NOTES:
                    break
            try:
                if not rows:
                    raise Unreadable(f"{self.path}: the sheet is empty")
                heading = _heading([row for _, row in rows], self._how, self.path)
            except Unreadable as error:
                first = first or error
                continue
            self.header = rows[heading.row][0]
            return sheet, heading
        assert first is not None
        raise first
