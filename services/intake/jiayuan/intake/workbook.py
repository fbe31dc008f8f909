"""XLSX files as archives: whether one is harmless, and the same one with one more column.

openpyxl reads cells well, but it trusts the archive and, writing, holds the whole book in memory and drops what it does
not know. So the archive is checked before it is opened, and an answer is written into the sheet's own XML as it streams
by: styles, widths, filters, pictures, everything else stays as it was.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Final

from jiayuan.chassis.workbook import BROKEN, BadWorkbook, check, letters

__all__ = ["MAX_COLUMN", "BadWorkbook", "check", "number_of", "part_of", "with_column"]

MAX_COLUMN: Final = 16_384
_MOST_ROW: Final = 8 * 1024 * 1024
_CHUNK: Final = 1 << 18

_ROW: Final = re.compile(rb"<(\w+:)?row(\s[^>]*?)?(/?)>")
_CELL: Final = re.compile(rb"<(?:\w+:)?c(\s[^>]*?)?(?:/>|>.*?</(?:\w+:)?c>)", re.DOTALL)
_NUMBER: Final = re.compile(rb"""\sr\s*=\s*["'](\d{1,10})["']""")
_REFERENCE: Final = re.compile(rb"""\sr\s*=\s*["']([A-Z]{1,4})(\d{1,10})["']""")
_STYLE: Final = re.compile(rb"""\ss\s*=\s*["'](\d{1,6})["']""")
_SPANS: Final = re.compile(rb"""\sspans\s*=\s*["'][^"']*["']""")
_DIMENSION: Final = re.compile(rb"<(?:\w+:)?dimension\s[^>]*?(?:/>|>\s*</(?:\w+:)?dimension>)")
_COLS: Final = re.compile(rb"<(\w+:)?cols>(.*?)</(?:\w+:)?cols>", re.DOTALL)
_COL: Final = re.compile(rb"""\sm(?:in|ax)\s*=\s*["'](\d{1,6})["']""")
_DATA: Final = re.compile(rb"<(\w+:)?sheetData\b")
_UNXML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def with_column(
    source: Path,
    target: Path,
    part: str,
    column: int,
    words: Mapping[int, str],
) -> None:
    """Writes the workbook again with texts in one column (from 1) of one sheet: `words` by row number.

    `part` is the sheet's name in the archive. The cell takes the look of the one on its left; a row that has no cell
    there keeps everything else. BadWorkbook when the sheet's XML can't be followed.
    """
    try:
        _copy(source, target, part, column, words)
    except BadWorkbook:
        raise
    except BROKEN as error:
        raise BadWorkbook(f"is damaged: {error}"[:200]) from None


def _copy(source: Path, target: Path, part: str, column: int, words: Mapping[int, str]) -> None:
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as out:
        for info in archive.infolist():
            fresh = zipfile.ZipInfo(info.filename, info.date_time)
            fresh.compress_type = zipfile.ZIP_DEFLATED
            fresh.external_attr = info.external_attr
            with (
                archive.open(info) as stream,
                out.open(fresh, "w", force_zip64=info.file_size > 1 << 31) as sink,
            ):
                if info.filename == part:
                    for piece in _rewritten(stream, column, words):
                        sink.write(piece)
                else:
                    while chunk := stream.read(_CHUNK):
                        sink.write(chunk)


def _rewritten(stream: IO[bytes], column: int, words: Mapping[int, str]) -> Iterator[bytes]:
    buffer = b""
    while b"sheetData" not in buffer and (chunk := stream.read(_CHUNK)):
        buffer += chunk
        if len(buffer) > _MOST_ROW:
            raise BadWorkbook("has no rows at its beginning")
    start = _DATA.search(buffer)
    if start is None:
        yield buffer
        return
    yield _widened(_DIMENSION.sub(b"", buffer[: start.start()]), column, start[1] or b"")
    buffer = buffer[start.start() :]
    last, ended = 0, False
    while True:
        match = _ROW.search(buffer)
        if match is None:
            # Nothing that may be the beginning of a row is let go.
            keep = max(buffer.rfind(b"<"), len(buffer) - 4096) if not ended else len(buffer)
            yield buffer[:keep]
            buffer = buffer[keep:]
            if ended:
                return
        else:
            prefix = match[1] or b""
            close = b"</" + prefix + b"row>"
            end = match.end() if match[3] else buffer.find(close, match.end())
            if end >= 0:
                if not match[3]:
                    end += len(close)
                number = _NUMBER.search(match[2] or b"")
                last = int(number[1]) if number else last + 1
                yield buffer[: match.start()]
                row = buffer[match.start() : end]
                said = words.get(last)
                yield _row(row, match, last, column, said, prefix) if said is not None else row
                buffer = buffer[end:]
                continue
            if ended or len(buffer) - match.start() > _MOST_ROW:
                raise BadWorkbook("has a row without an end")
        chunk = stream.read(_CHUNK)
        ended = not chunk
        buffer += chunk


def _widened(head: bytes, column: int, prefix: bytes) -> bytes:
    """The part before the rows, with a width for the new column where none is set."""
    col = f'col min="{column}" max="{column}" width="40" customWidth="1"'.encode()
    found = _COLS.search(head)
    if found is None:
        return head + b"<" + prefix + b"cols><" + prefix + col + b"/></" + prefix + b"cols>"
    if any(int(n) >= column for n in _COL.findall(found[2])):
        return head
    end = found.end(2)
    return head[:end] + b"<" + prefix + col + b"/>" + head[end:]


def _row(row: bytes, opening: re.Match[bytes], number: int, column: int, said: str, prefix: bytes) -> bytes:
    attributes = _SPANS.sub(b"", opening[2] or b"")
    inner = b"" if opening[3] else row[opening.end() - opening.start() : row.rfind(b"</")]
    style, at, end, counted = b"", 0, 0, 0
    for cell in _CELL.finditer(inner):
        reference = _REFERENCE.search(cell[1] or b"")
        counted = number_of(reference[1]) if reference else counted + 1
        if counted == column:
            at, end = cell.start(), cell.end()
            break
        if counted > column:
            at = end = cell.start()
            break
        look = _STYLE.search(cell[1] or b"")
        style = look[1] if look else b""
        at = end = cell.end()
    looks = b' s="' + style + b'"' if style else b""
    text = escape(said)
    made = (
        b"<" + prefix + b'c r="' + letters(column - 1).encode() + str(number).encode() + b'"' + looks
        + b' t="inlineStr"><' + prefix + b'is><' + prefix + b't xml:space="preserve">' + text
        + b"</" + prefix + b"t></" + prefix + b"is></" + prefix + b"c>"
    )  # fmt: skip
    tag = b"<" + prefix + b"row" + attributes + b">"
    return tag + inner[:at] + made + inner[end:] + b"</" + prefix + b"row>"


def escape(text: str) -> bytes:
    """A text as content of an element; what XML can't hold becomes a question mark."""
    plain = _UNXML.sub("?", text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return plain.encode("utf-8")


def number_of(said: bytes) -> int:
    """A column's number by its letters."""
    out = 0
    for letter in said:
        out = out * 26 + letter - 64
    return out


def part_of(sheet: Any) -> str:
    """The name in the archive of a sheet that openpyxl opened for reading."""
    return str(sheet._worksheet_path).lstrip("/")
