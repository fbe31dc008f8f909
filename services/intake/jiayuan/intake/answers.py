"""The answer to a sheet: the same sheet, with a column that says what became of each row."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from jiayuan.contracts.check import FieldProblem

from . import workbook
from .files import ANSWER, Csv, Lines, Reader, Unreadable, Xlsx, in_utf8


def write(reader: Reader, source: Path, target: Path, words: Mapping[int, str]) -> None:
    """Writes the answer to a file that `reader` has read to its end: `words` by the number of the row.

    Unreadable when the file has no columns to add to, or changed meanwhile.
    """
    try:
        if isinstance(reader, Xlsx) and reader.heading is not None:
            column = reader.heading.answer if reader.heading.answer is not None else reader.width
            if column >= workbook.MAX_COLUMN:
                raise Unreadable(f"{source}: there is no column left for the answer")
            said = {reader.header: ANSWER, **words}
            workbook.with_column(source, target, reader.part, column + 1, said)
        elif isinstance(reader, Csv) and reader.heading is not None:
            _csv(reader, source, target, words)
        else:
            raise Unreadable(f"{source}: only a sheet with a header (csv, xlsx) can be answered by a column")
    except workbook.BadWorkbook as error:
        raise Unreadable(f"{source} {error}") from None


def _csv(reader: Csv, source: Path, target: Path, words: Mapping[int, str]) -> None:
    with in_utf8(source, reader.encoding) as (file, encoding), target.open("wb") as out:
        if reader.encoding != "utf-16":
            _rows(reader, file, encoding, out, words)
            return
        with tempfile.TemporaryFile() as plain:
            _rows(reader, file, encoding, plain, words)
            plain.seek(0)
            text = io.TextIOWrapper(plain, encoding="utf-8", errors="surrogatepass", newline="")
            wide = io.TextIOWrapper(
                out, encoding="utf-16", errors="surrogatepass", newline="", write_through=True
            )
            while piece := text.read(1 << 16):
                wide.write(piece.removeprefix("\ufeff"))
            wide.detach()
            text.detach()


def _rows(reader: Csv, file: IO[bytes], encoding: str, out: IO[bytes], words: Mapping[int, str]) -> None:
    assert reader.heading is not None
    # The parser reads ahead of what is copied, so each has its own eyes on the file.
    copy = _Copy(file)
    at, seen = 0, 0
    for number, row, after in reader.parse(Lines(file), encoding):
        here = file.tell()
        raw = copy.piece(at, after.offset)
        file.seek(here)
        at = after.offset
        if isinstance(row, FieldProblem):
            said = words.get(number)
            out.write(_more(raw, [], said, reader, encoding) if said is not None else raw)
            continue
        said = words.get(number)
        if seen == reader.heading.row:
            said = ANSWER
        seen += 1
        out.write(raw if said is None else _more(raw, row, said, reader, encoding))
    file.seek(at)
    while rest := file.read(1 << 16):
        out.write(rest)


class _Copy:
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def piece(self, start: int, end: int) -> bytes:
        """The bytes between two offsets."""
        self._file.seek(start)
        return self._file.read(end - start)


def _more(raw: bytes, row: list[str], said: str, reader: Csv, encoding: str) -> bytes:
    """A row with one more cell, its own bytes as they were; written anew only where an older answer is replaced."""
    assert reader.heading is not None
    body = raw.rstrip(b"\r\n")
    end = raw[len(body) :] or b"\r\n"
    place = reader.heading.answer
    if place is not None and row:
        above = b""
        while (line := body.partition(b"\n")) and line[1] and not line[0].strip(b' \t\r,;|"'):
            above, body = above + line[0] + b"\n", line[2]
        cells = [*row, *[""] * (place + 1 - len(row))]
        cells[place] = said
        text = io.StringIO()
        csv.writer(text, delimiter=reader.delimiter, lineterminator="").writerow(cells)
        return above + text.getvalue().encode(encoding, "surrogateescape") + end
    gap = reader.delimiter * (max(reader.width - len(row), 0) + 1)
    quoted = '"' + said.replace('"', '""').replace("\r", " ").replace("\n", " ") + '"'
    return body + (gap + quoted).encode(encoding, "replace") + end
