"""Tables as CSV and as workbooks that WPS and Excel open well, row by row in constant memory.

openpyxl is imported here and only when it is needed. Every cell is a text or a number, never a formula.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any, Final

from jiayuan.chassis.aside import aside

CSV: Final = "text/csv; charset=utf-8"
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
TYPES: Final = {"csv": CSV, "xlsx": XLSX, "json": "application/json; charset=utf-8"}
_RISKY: Final = ("=", "+", "-", "@", "\t", "\r")
_FONT: Final = "宋体"
_WIDTH: Final = 14


class CsvFile:
    """A CSV file that grows: UTF-8 with a mark, so that spreadsheets read the Chinese; no cell begins a formula."""

    def __init__(self, to: IO[bytes]) -> None:
        self._text = io.TextIOWrapper(to, encoding="utf-8-sig", newline="", write_through=True)
        self._writer = csv.writer(self._text)

    def row(self, values: Sequence[Any]) -> None:
        """Adds a row."""
        self._writer.writerow([f"'{v}" if isinstance(v, str) and v.startswith(_RISKY) else v for v in values])

    def end(self) -> None:
        """Leaves the file to whoever gave it."""
        self._text.detach()


class Book:
    """A workbook that grows, a sheet after the other; rows go to a temporary file, never all into memory."""

    def __init__(self) -> None:
        from openpyxl import Workbook
        from openpyxl.cell import WriteOnlyCell
        from openpyxl.styles import Font

        self._book = Workbook(write_only=True)
        self._cell, self._bold = WriteOnlyCell, Font(name=_FONT, bold=True)

    def sheet(self, name: str, headings: Sequence[str], rows: Iterable[Sequence[Any]] = ()) -> Any:
        """A sheet with its headings, in bold and standing still; what comes back takes more by `add`."""
        from openpyxl.utils import get_column_letter

        made = self._book.create_sheet(name)
        made.freeze_panes = "A2"
        made.page_setup.orientation, made.page_setup.paperSize = "landscape", 9
        made.page_setup.fitToWidth, made.page_setup.fitToHeight = 1, 0
        made.sheet_properties.pageSetUpPr.fitToPage = True
        made.print_title_rows = "1:1"
        for n, heading in enumerate(headings, start=1):
            made.column_dimensions[get_column_letter(n)].width = max(_WIDTH, 2 * len(heading) + 2)
        head = []
        for heading in headings:
            cell = self._cell(made, value=heading)
            cell.font = self._bold
            head.append(cell)
        made.append(head)
        for row in rows:
            self.add(made, row)
        return made

    def add(self, sheet: Any, row: Sequence[Any]) -> None:
        """Adds a row to the sheet that was begun last."""
        sheet.append([self._plain(sheet, v) if isinstance(v, str) and v[:1] == "=" else v for v in row])

    def _plain(self, sheet: Any, value: str) -> Any:
        cell = self._cell(sheet, value=value)
        cell.data_type = "s"
        return cell

    def save(self, to: Path | IO[bytes]) -> None:
        """Writes it; packing takes seconds where there is much, and holds nobody else up."""
        aside(self._book.save, to)


def csv_of(rows: Iterable[Sequence[Any]]) -> bytes:
    """A small table as CSV."""
    out = io.BytesIO()
    file = CsvFile(out)
    for row in rows:
        file.row(row)
    file.end()
    return out.getvalue()


def xlsx_of(sheets: Iterable[tuple[str, Sequence[Sequence[Any]]]]) -> bytes:
    """Small tables, headings first, as a workbook."""
    book, out = Book(), io.BytesIO()
    for name, (headings, *rows) in sheets:
        book.sheet(name, headings, rows)
    book.save(out)
    return out.getvalue()
