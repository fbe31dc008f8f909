"""The directory's workbook as a file. openpyxl is imported here and only when it is needed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from jiayuan.chassis.workbook import FORMULA, BadWorkbook, check, letters
from jiayuan.contracts.check import FieldProblem

from .documents import DirectoryError
from .sheets import (
    NOTES,
    REFERENCE,
    SHEETS,
    Column,
    Row,
    Sheet,
    SheetReader,
    notes,
    rows_of,
)

_MOST_ROWS: Final = 200_000
# What a spreadsheet, or what opens its CSV, would take for a formula.
_RISKY: Final = ("=", "+", "-", "@", "\t", "\r", "|", "%")


def load(path: Path) -> tuple[dict[str, Any], SheetReader]:
    """The document of a workbook, partial if it lacks sheets, and who can say where in it something is.

    DirectoryError when it is no workbook, or when cells, columns or sheets are wrong.
    """
    import openpyxl

    if path.suffix.lower() != ".xlsx":
        raise DirectoryError([FieldProblem(path.name, "is no workbook without macros", "an .xlsx file")])
    try:
        check(path)
        with path.open("rb") as file:
            book = openpyxl.load_workbook(file, read_only=True, data_only=False)
            reader = SheetReader()
            for sheet in book.worksheets:
                sheet.reset_dimensions()  # what the file says of its size may be wrong
                reader.take(sheet.title, _rows(sheet))
            book.close()
    except BadWorkbook as error:
        raise DirectoryError([FieldProblem(path.name, str(error), "an .xlsx file")]) from None
    except DirectoryError:
        raise
    except Exception as error:  # openpyxl raises whatever its parsing stumbles over
        why = f"can't be read as a workbook: {type(error).__name__}: {error}"[:300]
        raise DirectoryError([FieldProblem(path.name, why, "an .xlsx file")]) from error
    return reader.finish(), reader


def _rows(sheet: Any) -> Iterator[Row]:
    for number, cells in enumerate(sheet.iter_rows(), start=1):
        if number > _MOST_ROWS:
            raise BadWorkbook(f"has more than {_MOST_ROWS} rows in {sheet.title[:40]}")
        yield number, [FORMULA if c.data_type == "f" else c.value for c in cells]


def save(
    path: Path, document: Mapping[str, Any], about: Mapping[str, str], only: Collection[str] = ()
) -> None:
    """Writes a document as a workbook; `about`: what the first sheet says of it; `only`: these sheets, by name, and
    no first one, so that others can read them too.

    Every cell is a text or a number, never a formula: a name that begins with = stays a name.
    """
    import openpyxl
    from openpyxl.styles import Alignment, Font, PatternFill
    from openpyxl.worksheet.datavalidation import DataValidation

    book = openpyxl.Workbook(write_only=True)
    bold, grey = Font(bold=True), PatternFill("solid", fgColor="DDE6F0")
    if not only:
        first = book.create_sheet(NOTES)
        for i, width in enumerate((14, 16, 8, 80)):
            first.column_dimensions[letters(i)].width = width
        for line in about.items():
            first.append([_cell(first, v) for v in line])
        first.append([])
        first.append([_cell(first, v, font=bold) for v in ("工作表", "列", "必填", "内容")])
        for note in notes():
            first.append([_cell(first, v) for v in note])
    for sheet in SHEETS:
        if only and sheet.name not in only:
            continue
        page = book.create_sheet(sheet.name)
        page.freeze_panes = "A2"
        columns = [*sheet.columns, *_for_reading(sheet)]
        for i, column in enumerate(columns):
            page.column_dimensions[letters(i)].width = column.width
            page.column_dimensions[letters(i)].number_format = "@"
            if column.words:
                words = ",".join(dict.fromkeys(column.words.values()))
                allowed = DataValidation(type="list", formula1=f'"{words}"', allow_blank=not column.required)
                allowed.add(f"{letters(i)}2:{letters(i)}20000")
                page.data_validations.append(allowed)
        page.append(
            [
                _cell(page, c.heading, font=bold, fill=grey, alignment=Alignment(wrap_text=True))
                for c in columns
            ]
        )
        names = _names(document) if len(columns) > len(sheet.columns) else {}
        where = [i for i, c in enumerate(sheet.columns) if c.name in _CODES]
        for row in rows_of(document, sheet):
            page.append([_cell(page, v) for v in (*row, *(names.get(row[i], "") for i in where))])
    book.save(path)


_CODES: Final = ("grid", "place", "unit", "who", "person", "stand_in")


def _for_reading(sheet: Sheet) -> list[Column]:
    """Columns with the names of codes, which aren't read back."""
    return [
        Column(f"{c.heading.removesuffix('编码')}名称{REFERENCE}", "", width=22)
        for c in sheet.columns
        if c.name in _CODES
    ]


def _names(document: Mapping[str, Any]) -> dict[str, str]:
    out = {document["county"]["code"]: str(document["county"]["name"])}
    for street in document["streets"]:
        out[street["code"]] = street["name"]
        out |= {c["code"]: c["name"] for c in street["communities"]}
    for key, named in (("grids", "code"), ("units", "code"), ("people", "id")):
        out |= {row[named]: row["name"] for row in document[key]}
    for key in ("cadres", "volunteers", "mediators"):
        out |= {row["id"]: row["name"] for row in document.get(key) or ()}
    return out


def _cell(page: Any, value: Any, **looks: Any) -> Any:
    from openpyxl.cell import WriteOnlyCell

    if value is None or value == "":
        return None
    cell = WriteOnlyCell(page, value)
    for name, look in looks.items():
        setattr(cell, name, look)
    if isinstance(value, str):
        cell.data_type = "s"
        cell.number_format = "@"
        if value.startswith(_RISKY):
            # As the apostrophe before it does: it stays text also when somebody edits the cell.
            cell.quotePrefix = True
    return cell
