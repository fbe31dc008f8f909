"""Whether an XLSX file is harmless, before anything that trusts the archive (openpyxl) opens it; words of sheets."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, Final
from xml.parsers import expat

MAX_ROW: Final = 1_048_576
_MOST_PARTS: Final = 2000
_MOST_ALTOGETHER: Final = 600 * 1024 * 1024
_MOST_SHEET: Final = 300 * 1024 * 1024
_MOST_STRINGS: Final = 64 * 1024 * 1024  # openpyxl holds them in memory, all of them
_MOST_OTHER: Final = 6 * 1024 * 1024  # styles, relations: parsed into objects of many times their size
_MOST_FAR: Final = 1000
_CHUNK: Final = 1 << 18

# What reading a damaged archive raises.
BROKEN: Final = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    OSError,
    ValueError,
)


class BadWorkbook(ValueError):
    """A workbook that is not opened; why, in a few words."""


def check(path: Path) -> None:
    """BadWorkbook unless the archive is a workbook of a size that can be opened, without document types in its XML."""
    try:
        with zipfile.ZipFile(path) as archive:
            _check(archive)
    except BadWorkbook:
        raise
    except BROKEN as error:
        raise BadWorkbook(f"is damaged: {error}"[:200]) from None


def _check(archive: zipfile.ZipFile) -> None:
    parts = archive.infolist()
    if len(parts) > _MOST_PARTS:
        raise BadWorkbook(f"has more than {_MOST_PARTS} parts")
    names = [p.filename for p in parts]
    if len(set(names)) != len(names):
        raise BadWorkbook("holds a part twice")
    if "[Content_Types].xml" not in names:
        raise BadWorkbook("is an archive, but no workbook")
    if sum(p.file_size for p in parts) > _MOST_ALTOGETHER:
        raise BadWorkbook(f"unpacks to more than {_MOST_ALTOGETHER >> 20} MiB")
    for part in parts:
        name = part.filename.lower()
        if part.flag_bits & 1:
            raise BadWorkbook("is encrypted; save it without a password")
        if not name.endswith((".xml", ".rels", ".vml")):
            # To the end, so that its checksum is looked at: all parts go into the answer.
            with archive.open(part) as stream:
                while stream.read(_CHUNK):
                    pass
            continue
        sheet = "/worksheets/" in name
        most = _MOST_SHEET if sheet else _MOST_STRINGS if name.endswith("sharedstrings.xml") else _MOST_OTHER
        if part.file_size > most:
            raise BadWorkbook(f"has a part of {part.file_size >> 20} MiB: {part.filename[:80]}")
        with archive.open(part) as stream:
            _check_xml(stream, part.filename, sheet=sheet and not name.endswith(".rels"))


def _check_xml(stream: IO[bytes], name: str, *, sheet: bool) -> None:
    """Reads a part to its end with a parser that knows no entities; rows and columns must be where sheets have them."""
    parser = expat.ParserCreate()
    rows = _Rows()

    def refuse(*_: Any) -> None:
        raise BadWorkbook(f"has a document type or entities in {name[:80]}")

    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    if sheet:
        parser.StartElementHandler = rows.element
    try:
        while chunk := stream.read(_CHUNK):
            parser.Parse(chunk, False)
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise BadWorkbook(f"has a part that is not XML: {name[:80]}: {error}") from None


class _Rows:
    """What openpyxl would make of rows: those that are missing it invents, and cells that are missing too."""

    def __init__(self) -> None:
        self.last = self.far = 0

    def element(self, tag: str, attributes: dict[str, str]) -> None:
        """One element of a sheet."""
        if tag == "c" or tag.endswith(":c"):
            # AAA is column 703: a few such cells are stray formats, one in every row would be paid a thousandfold.
            if attributes.get("r", "")[2:3].isalpha():
                self.far += 1
                if self.far > _MOST_FAR:
                    raise BadWorkbook(f"has more than {_MOST_FAR} cells beyond column ZZ")
        elif tag == "row" or tag.endswith(":row"):
            said = attributes.get("r", "")
            at = (
                int(said)
                if said.isascii() and said.isdigit() and len(said) < 9
                else MAX_ROW + 1
                if said
                else self.last + 1
            )
            if not self.last < at <= MAX_ROW:
                raise BadWorkbook(f"has rows in no order: {said[:20]} after {self.last}")
            self.last = at


class Formula:
    """A cell that holds a formula: nobody knows its value here."""

    def __repr__(self) -> str:
        return "a formula"


FORMULA: Final = Formula()


def letters(column: int) -> str:
    """A column (from 0) as spreadsheets name it: A, B … Z, AA."""
    out = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        out = chr(65 + rest) + out
    return out
