"""Reports from files: JSON lines, CSV and XLSX, line by line, with Chinese or English column names.

A line that is wrong costs only itself. Reading holds one line at a time, however long the file is.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import IO, Any, Final, Protocol

import orjson

from jiayuan.contracts.check import FieldProblem, problems
from jiayuan.contracts.times import iso

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
    r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:[ T]+(\d{1,2})[:时](\d{1,2})(?:[:分](\d{1,2}))?(?:秒|\.\d+)?)?"
)
_EXCEL_EPOCH: Final = datetime(1899, 12, 30)
_UNDECODABLE: Final = re.compile("[\udc80-\udcff]")


class Unreadable(Exception):
    """The file as a whole can't be read; the text is one sentence for whoever imports it."""


@dataclass(slots=True)
class Line:
    """A line of a file: its number as an editor or Excel shows it, and a checked document or what is wrong."""

    number: int
    document: dict[str, Any] = field(default_factory=dict)
    problems: list[FieldProblem] = field(default_factory=list)


class Reader(Protocol):
    """Reads a file's lines. `done` of `total` tells how far it is; `ignored` names columns that mean nothing here."""

    done: int
    total: int
    ignored: list[str]

    def __iter__(self) -> Iterator[Line]:
        """The lines, one at a time."""
        ...


def digest(path: Path) -> str:
    """What a file is known by: 24 hex digits of its SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:24]


def reader(
    path: Path, *, columns: Mapping[str, str] | None = None, sheet: str | None = None, form: str = ""
) -> Reader:
    """The reader of a file, by its ending or by `form` (jsonl, csv or xlsx); Unreadable when there is none.

    `columns`: further column names → fields of COLUMNS, which win over the usual ones.
    """
    kind = (form or path.suffix.lstrip(".")).lower()
    names = _names(columns or {})
    try:
        size = path.stat().st_size
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from None
    if size == 0:
        raise Unreadable(f"{path} is empty")
    if kind in ("jsonl", "ndjson", "json"):
        return JsonLines(path, size, names)
    if kind in ("csv", "tsv", "txt"):
        return Csv(path, size, names)
    if kind in ("xlsx", "xlsm"):
        return Xlsx(path, names, sheet)
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


class _Columns:
    """Which column holds what."""

    def __init__(self, header: Sequence[Any], names: Mapping[str, str], path: Path) -> None:
        self.fields: list[tuple[int, str, str]] = []
        self.ignored: list[str] = []
        self.width = len(header)
        taken: set[str] = set()
        for index, cell in enumerate(header):
            title = "" if cell is None else str(cell).strip()
            where = names.get(_plain(title))
            if where and where not in taken:
                taken.add(where)
                self.fields.append((index, where, title))
            elif title:
                self.ignored.append(title)
        self.called = {where: title for _, where, title in self.fields}
        if "text" not in taken:
            found = ", ".join(str(c) for c in header if c)[:200]
            raise Unreadable(
                f"{path}: no column holds the text (内容, 正文, text, …); columns found: {found}"
            )

    def line(self, number: int, row: Sequence[Any]) -> Line:
        values = {where: row[index] for index, where, _ in self.fields if index < len(row)}
        line = _line(number, values, self.called)
        if any(cell not in (None, "") for cell in row[self.width :]):
            return Line(number, {}, [*line.problems, FieldProblem("line", "has more cells than the header")])
        return line


def _line(number: int, values: Mapping[str, Any], called: Mapping[str, str]) -> Line:
    """A line from values by field; problems name the column as the file calls it."""
    document: dict[str, Any] = {}
    found: list[FieldProblem] = []
    for where, value in values.items():
        try:
            plain = _value(where, value)
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


def _value(where: str, value: Any) -> Any:
    """A cell as the schema wants it; None when it is empty, ValueError when it can't be that."""
    if isinstance(value, str):
        value = value.strip()
        if _UNDECODABLE.search(value):
            raise ValueError("holds bytes that are no characters in the file's encoding")
    if value is None or value == "":
        return None
    if where in _TIMES:
        return iso(_time(value))
    if where in _NUMBERS:
        try:
            return float(value)
        except (TypeError, ValueError):
            raise ValueError(f"is not a number: {str(value)[:40]}") from None
    if isinstance(value, bool):
        value = "是" if value else "否"
    elif isinstance(value, float) and value.is_integer():
        value = int(value)  # Excel keeps numbers as floats: a phone number is not 13800138000.0
    elif isinstance(value, datetime | date | time):
        value = value.isoformat()
    value = str(value)
    if where in _WORDS:
        return _WORDS[where].get(one_line(value), value)
    return one_line(value) if where.startswith(("contact.phone", "place.code", "external_id")) else value


def _time(value: Any) -> datetime:
    """A time; without an offset it is Chinese time, as in every file of a Chinese office."""
    if isinstance(value, datetime):
        at = value
    elif isinstance(value, date):
        at = datetime.combine(value, time())
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if not 20000 < value < 80000:
            raise ValueError(f"is not a time: {value}")
        at = _EXCEL_EPOCH + timedelta(days=value)
    else:
        said = one_line(str(value))
        match = _LOCAL_TIME.fullmatch(said)
        try:
            at = (
                datetime(*(int(g or 0) for g in match.groups())) if match else datetime.fromisoformat(said)  # type: ignore[arg-type]
            )
        except ValueError:
            raise ValueError(f"is not a time: {said[:40]}") from None
    return at if at.tzinfo else at.replace(tzinfo=ZONE)


def _allowed(where: str) -> str:
    if where in _TIMES:
        return "2026-03-02 09:30, or RFC 3339 with an offset"
    return "a number" if where in _NUMBERS else ""


class _Counted:
    """A binary file that counts what was read of it."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self.file, self.total, self.done = file, size, 0

    def lines(self) -> Iterator[bytes]:
        """Lines of at most MAX_LINE bytes; what is longer comes cut, and the rest of it is passed over."""
        while raw := self.file.readline(MAX_LINE + 1):
            self.done += len(raw)
            if len(raw) > MAX_LINE and not raw.endswith(b"\n"):
                while (rest := self.file.readline(MAX_LINE)) and not rest.endswith(b"\n"):
                    self.done += len(rest)
                self.done += len(rest)
            yield raw


class JsonLines:
    """One JSON object a line: in our own form (nested place and contact), or flat with the names of COLUMNS."""

    def __init__(self, path: Path, size: int, names: Mapping[str, str]) -> None:
        self.path, self.total, self.done = path, size, 0
        self.ignored: list[str] = []
        self._names = names

    def __iter__(self) -> Iterator[Line]:
        """The lines; blank ones are passed over."""
        try:
            with self.path.open("rb") as file:
                counted = _Counted(file, self.total)
                for number, raw in enumerate(counted.lines(), 1):
                    self.done = counted.done
                    if number == 1:
                        raw = raw.removeprefix(codecs.BOM_UTF8)
                    if raw.strip():
                        yield self._line(number, raw)
        except OSError as error:
            raise Unreadable(f"{self.path}: {error.strerror}") from None

    def _line(self, number: int, raw: bytes) -> Line:
        if len(raw) > MAX_LINE:
            return Line(number, {}, [FieldProblem("line", f"is longer than {MAX_LINE} bytes")])
        try:
            row = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            return Line(number, {}, [FieldProblem("line", f"is not JSON: {error}", "a JSON object in UTF-8")])
        if not isinstance(row, dict):
            return Line(number, {}, [FieldProblem("line", "is not a JSON object", "a JSON object")])
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
            where = self._names.get(_plain(key))
            if where is None or where in values:
                if key not in self.ignored:
                    self.ignored.append(key)
                continue
            if isinstance(value, dict | list):
                found.append(FieldProblem(key, "is not a text or a number"))
                continue
            values[where], called[where] = value, key
        line = _line(number, values, called)
        if found:
            return Line(number, {}, [*found, *line.problems])
        return line


class Csv:
    """CSV as offices write it: UTF-8 with or without a mark, UTF-16, or GB 18030 as Excel saves it in China."""

    def __init__(self, path: Path, size: int, names: Mapping[str, str]) -> None:
        self.path, self.total, self.done = path, size, 0
        self.ignored: list[str] = []
        self._names = names
        self.encoding = _encoding(path)

    def __iter__(self) -> Iterator[Line]:
        """The lines below the header; a cell may hold line breaks, the number is that of its first line."""
        try:
            with self.path.open("rb") as raw:
                # Bytes that are no characters stay recognisable, so that only their line is refused.
                text = io.TextIOWrapper(raw, encoding=self.encoding, errors="surrogateescape", newline="")
                yield from self._read(text, raw)
        except OSError as error:
            raise Unreadable(f"{self.path}: {error.strerror}") from None

    def _read(self, text: IO[str], raw: IO[bytes]) -> Iterator[Line]:
        first = ""
        before = -1
        while not first.strip():
            first = text.readline()
            before += 1
            if not first:
                raise Unreadable(f"{self.path} holds no line")
        rows = csv.reader(_chain(first, text), delimiter=_delimiter(first), strict=True)
        csv.field_size_limit(MAX_LINE)
        columns = _Columns(next(rows), self._names, self.path)
        self.ignored = columns.ignored
        while True:
            number = before + rows.line_num + 1
            self.done = min(raw.tell(), self.total)
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                last = before + rows.line_num
                until = f" (up to line {last})" if last > number else ""
                yield Line(number, {}, [FieldProblem("line", f"is not CSV: {error}{until}")])
                continue
            if any(cell.strip() for cell in row):
                yield columns.line(number, row)


def _chain(first: str, rest: IO[str]) -> Iterator[str]:
    yield first
    yield from rest


def _delimiter(header: str) -> str:
    return max(",\t;|", key=header.count)


def _encoding(path: Path) -> str:
    """The encoding: by its mark, else UTF-8 when the whole file is that, else GB 18030."""
    with path.open("rb") as file:
        head = file.read(4)
        if head.startswith(codecs.BOM_UTF8):
            return "utf-8-sig"
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
    """The first sheet of a workbook, or the one named; numbers are the sheet's row numbers."""

    def __init__(self, path: Path, names: Mapping[str, str], sheet: str | None) -> None:
        self.path, self.total, self.done = path, 0, 0
        self.ignored: list[str] = []
        self._names = names
        # Imported here: no other command should wait a quarter of a second for it.
        import openpyxl
        from openpyxl.utils.exceptions import InvalidFileException

        try:
            self._book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        except (
            InvalidFileException,
            zipfile.BadZipFile,
            KeyError,
            ValueError,
            OSError,
            SyntaxError,
        ) as error:
            raise Unreadable(f"{path} is not an Excel workbook: {error}") from None
        if sheet is not None and sheet not in self._book.sheetnames:
            raise Unreadable(f"{path} has no sheet {sheet!r}; it has {', '.join(self._book.sheetnames)}")
        self._sheet = self._book[sheet] if sheet is not None else self._book.worksheets[0]
        self.total = self._sheet.max_row or 0

    def __iter__(self) -> Iterator[Line]:
        """The rows below the header."""
        columns: _Columns | None = None
        try:
            for number, row in enumerate(self._sheet.iter_rows(values_only=True), 1):
                self.done = number
                if all(cell is None or cell == "" for cell in row):
                    continue
                if columns is None:
                    columns = _Columns(row, self._names, self.path)
                    self.ignored = columns.ignored
                    continue
                yield columns.line(number, row)
        except (zipfile.BadZipFile, zlib.error, SyntaxError, KeyError, EOFError) as error:
            raise Unreadable(f"{self.path} is damaged: {error}") from None
        finally:
            self._book.close()
        if columns is None:
            raise Unreadable(f"{self.path}: the sheet is empty")
