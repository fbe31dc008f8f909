"""A list as a workbook that WPS and Excel open well, and the same one with a column of results.

openpyxl is imported here and only when it is needed. Every cell is a text or a number, never a formula.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from jiayuan.chassis.workbook import FORMULA, BadWorkbook, check, letters

from .sheets import (
    ABOUT,
    MOST_ROWS,
    REFERENCE,
    RESULT,
    SHEETS,
    Column,
    Row,
    Sheet,
    places,
    rows_of,
)
from .sheets import cells as cells_of

_RISKY: Final = ("=", "+", "-", "@", "\t", "\r", "|", "%")
_FONT: Final = "宋体"  # WPS and Excel both have it; elsewhere another takes its place
_VALIDATED: Final = 2000
# The answer is written by openpyxl with the whole book in memory, some fifty times its size.
_MOST_UNPACKED: Final = 16 * 1024 * 1024


def save(path: Path, kind: str, document: Mapping[str, Any], about: Mapping[str, str]) -> None:
    """Writes a list: its sheet, for a service list also what nobody or too many claimed, and a page that explains."""
    sheet = SHEETS[kind]
    more = _standing(document) if kind == "service" else ()
    save_sheet(path, sheet, cells_of(sheet, document), about, more)


def save_sheet(
    path: Path,
    sheet: Sheet,
    rows: Sequence[Sequence[Any]],
    about: Mapping[str, str],
    more: Iterable[tuple[str, tuple[Column, ...], list[list[Any]]]] = (),
) -> None:
    """Writes a sheet with its rows, further ones to be read by people, and a page that explains."""
    import openpyxl

    book = openpyxl.Workbook()
    page = book.active
    page.title = sheet.name
    _fill(page, sheet.columns, rows, about["标题"])
    for name, columns, values in more:
        _fill(book.create_sheet(name + REFERENCE), columns, values, None)
    _explain(book.create_sheet(ABOUT), sheet, about)
    book.save(path)


def _standing(document: Mapping[str, Any]) -> Iterator[tuple[str, tuple[Column, ...], list[list[Any]]]]:
    number, title = Column("序号", "number", width=7), Column("问题", "title", width=50)
    lines = {line["id"]: line for line in document["lines"]}
    unclaimed = [[lines[i]["number"], lines[i]["title"]] for i in document["unclaimed"]]
    yield "未认领", (number, title), unclaimed
    over = [
        [
            lines[i]["number"],
            lines[i]["title"],
            lines[i]["takes"],
            "、".join(c["unit"] for c in lines[i]["claims"] if c["state"] != "released"),
        ]
        for i in document["over_claimed"]
    ]
    yield (
        "超额认领",
        (number, title, Column("认领单位数", "takes", width=10), Column("意向单位", "units", width=40)),
        over,
    )
    names = {u["code"]: u["name"] for u in document["units"]}
    idle = [[code, names[code]] for code in document["idle"]]
    yield "无认领单位", (Column("单位编码", "unit", width=10), Column("单位", "name", width=30)), idle


def _fill(page: Any, columns: Sequence[Column], rows: Sequence[Sequence[Any]], title: str | None) -> None:
    from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
    from openpyxl.worksheet.datavalidation import DataValidation

    line = Side(style="thin", color="999999")
    box = Border(left=line, right=line, top=line, bottom=line)
    grey = PatternFill("solid", fgColor="DDE6F0")
    for i, column in enumerate(columns, start=1):
        head = page.cell(1, i, column.heading)
        head.font, head.fill, head.border = Font(name=_FONT, bold=True), grey, box
        head.alignment = Alignment(horizontal="center", vertical="center", wrap_text=True)
        page.column_dimensions[letters(i - 1)].width = column.width
        if column.words:
            allowed = DataValidation(
                type="list", formula1=f'"{",".join(column.words.values())}"', allow_blank=not column.required
            )
            allowed.error = f"只能是{'、'.join(column.words.values())}"
            allowed.add(f"{letters(i - 1)}2:{letters(i - 1)}{_VALIDATED}")
            page.add_data_validation(allowed)
    for n, values in enumerate(rows, start=2):
        for i, value in enumerate(values, start=1):
            cell = page.cell(n, i)
            _put(cell, value)
            cell.font, cell.border = Font(name=_FONT), box
            cell.alignment = Alignment(vertical="center", wrap_text=True)
    page.freeze_panes = "A2"
    page.auto_filter.ref = f"A1:{letters(len(columns) - 1)}{max(len(rows) + 1, 2)}"
    page.page_setup.orientation, page.page_setup.paperSize = "landscape", page.PAPERSIZE_A4
    page.page_setup.fitToWidth, page.page_setup.fitToHeight = 1, 0
    page.sheet_properties.pageSetUpPr.fitToPage = True
    page.print_title_rows = "1:1"
    if title:
        page.oddHeader.center.text = title.replace("&", "&&")
    page.oddFooter.center.text = "第 &P 页，共 &N 页"


def _explain(page: Any, sheet: Sheet, about: Mapping[str, str]) -> None:
    from openpyxl.styles import Font

    for i, width in enumerate((16, 12, 60)):
        page.column_dimensions[letters(i)].width = width
    bold = Font(name=_FONT, bold=True)
    rows: list[tuple[Any, ...]] = [*about.items(), ()]
    rows += [("列", "必填", "内容")]
    rows += [
        (
            c.heading,
            "是" if c.required else "",
            c.note or ("只供查看，导入时不读取" if not c.read else "、".join(c.words.values())),
        )
        for c in sheet.columns
    ]
    for n, values in enumerate(rows, start=1):
        for i, value in enumerate(values, start=1):
            cell = page.cell(n, i)
            _put(cell, value)
            cell.font = bold if values[0] == "列" or i == 1 else Font(name=_FONT)


def _put(cell: Any, value: Any) -> None:
    if value is None or value == "":
        return
    cell.value = value
    if isinstance(value, str):
        cell.data_type = "s"
        cell.number_format = "@"
        if value.startswith(_RISKY):
            # It stays text also when somebody edits the cell.
            cell.quotePrefix = True


def load(path: Path, sheet: Sheet) -> tuple[list[Row], str | None]:
    """The rows of a sheet, and what it was exported from, if it says so. BadWorkbook says why not."""
    import openpyxl

    check(path)
    with zipfile.ZipFile(path) as archive:
        if sum(part.file_size for part in archive.infolist()) > _MOST_UNPACKED:
            raise BadWorkbook(f"解压后超过{_MOST_UNPACKED >> 20} MiB")
    try:
        with path.open("rb") as file:
            book = openpyxl.load_workbook(file, read_only=True, data_only=False)
            names = {s.title: s for s in book.worksheets}
            if sheet.name not in names:
                raise BadWorkbook(f"没有工作表「{sheet.name}」，只有{'、'.join(names)[:200]}")
            found = list(_cells(names[sheet.name]))
            of = _id_of(names[ABOUT], sheet.id_label) if ABOUT in names else None
            book.close()
    except BadWorkbook:
        raise
    except Exception as error:  # openpyxl raises whatever its parsing stumbles over
        raise BadWorkbook(f"无法作为工作簿打开：{type(error).__name__}: {error}"[:300]) from error
    at, wrong = places(sheet, found[0][1] if found else ())
    if wrong:
        raise BadWorkbook("；".join(wrong))
    return rows_of(sheet, at, found[1:]), of


def _cells(page: Any) -> Iterator[tuple[int, list[Any]]]:
    page.reset_dimensions()  # what the file says of its size may be wrong
    for number, cells in enumerate(page.iter_rows(), start=1):
        if number > MOST_ROWS:
            raise BadWorkbook(f"「{page.title}」超过{MOST_ROWS}行")
        yield number, [FORMULA if c.data_type == "f" else c.value for c in cells]


def _id_of(page: Any, label: str) -> str | None:
    page.reset_dimensions()
    for _, cells in zip(range(20), page.iter_rows(), strict=False):
        values = [c.value for c in cells]
        if len(values) > 1 and values[0] == label:
            return str(values[1])
    return None


def answered(path: Path, sheet: Sheet, results: Mapping[int, str]) -> None:
    """Writes into the same workbook, beside its last column or in the one that is there, what became of each row."""
    import openpyxl
    from openpyxl.styles import Alignment, Font, PatternFill

    book = openpyxl.load_workbook(path)
    page = book[sheet.name]
    headings = [page.cell(1, i).value for i in range(1, page.max_column + 1)]
    at = headings.index(RESULT) + 1 if RESULT in headings else len(headings) + 1
    head = page.cell(1, at, RESULT)
    head.font = Font(name=_FONT, bold=True)
    page.column_dimensions[letters(at - 1)].width = 50
    for number, words in results.items():
        cell = page.cell(number, at)
        _put(cell, words)
        cell.font = Font(name=_FONT)
        cell.alignment = Alignment(vertical="center", wrap_text=True)
        if words.startswith("未导入"):
            cell.fill = PatternFill("solid", fgColor="F8D7DA")
    book.save(path)
