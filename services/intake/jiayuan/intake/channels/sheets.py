"""`/sheets`: what suggestion boxes, contact points and meetings collected, a sheet at a time.

The answer is the same sheet with a column that says what became of each row.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import quote

from werkzeug.wrappers import Response

from jiayuan.chassis.aside import aside
from jiayuan.chassis.errors import Problem
from jiayuan.chassis.service import http
from jiayuan.contracts.check import FieldProblem

from .. import answers, files, imports, limits
from ..files import Line, Reader, Unreadable
from ..imports import Origin
from ..store.imports import Progress
from .adapter import Adapter

CHANNELS: Final = ("suggestion_box", "contact_point", "meeting")
ROLES: Final = ("agent", "grid_leader", "grid_chief", "desk", "county", "operator", "service")
ADAPTER: Final = Adapter(
    name="sheets",
    title="Sheets 意見箱、聯絡點、徵集會、議事會",
    channels=CHANNELS,
    ways=("POST /sheets",),
    roles=ROLES,
    trusts="the token for who sends it; the sheet for texts, times and places, never for another channel",
    key="the row's own number (編號) within the sender's street, unless it only counts rows; else the sheet's digest "
    "and the row; a row that comes back with its tracking code is known by that",
    wrong="what is wrong in the row's own cell of the answer; the other rows go in; a file that is no sheet: 422",
)
MAX_SHEET: Final = 32 * 1024 * 1024
MAX_ROWS: Final = 100_000
_TYPES: Final = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv",
}
_OLD_EXCEL: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


class Sheets:
    """The entrypoints."""

    delivery: Any

    @http("POST", "/sheets", roles=ROLES, max_body=MAX_SHEET, before=limits.Limited("sheets", "write"))
    def take_sheet(self, call: Any) -> Any:
        """A sheet of reports; its answer is the sheet again."""
        return take(self.delivery, call)


def take(delivery: Any, call: Any) -> Response:
    """`POST /sheets?channel=&place=&sheet=`: 200 with the answered sheet, and its counts in headers `Rows-…`.

    Every batch of rows is a transaction of its own, in the bulk lane. Sent again, in whole or as the answer that came
    back, it adds nothing that is in already.
    """
    who = call.need(*ROLES)
    channel = call.args.get("channel") or CHANNELS[0]
    if channel not in CHANNELS:
        raise Problem(
            422,
            "The channel is not one of sheets",
            problems=[FieldProblem("channel", f"is unknown: {channel[:40]}", ", ".join(CHANNELS))],
        )
    with tempfile.TemporaryDirectory() as folder, _upload(call) as (stream, claimed):
        source = Path(folder, "sheet")
        digest = _spool(stream, source)
        form = _form(source)
        origin = Origin(
            channel,
            f"sheet:{who.street or who.unit or who.subject}",
            f"file:{digest}",
            submitter=who.subject,
            channels=CHANNELS,
            counted=True,
            place=(call.args.get("place") or "")[:40],
        )
        try:
            reader = aside(files.reader, source, form=form, sheet=call.args.get("sheet") or None)
            progress, words = _take(delivery, reader, origin)
            target = Path(folder, "answer")
            aside(answers.write, reader, source, target, words)
        except Unreadable as error:
            said = str(error).replace(str(source), "the sheet")
            raise Problem(422, "The sheet can't be read", said, [FieldProblem("body", said)]) from None
        return _answer(target, claimed, form, reader, progress)


def _take(delivery: Any, reader: Reader, origin: Origin) -> tuple[Progress, dict[int, str]]:
    progress, words = Progress(), dict[int, str]()
    batches = imports.batches(reader)
    # Cells are read in a thread of their own: a sheet of 60,000 rows must not make a call for help wait.
    while batch := aside(_next, batches):
        if progress.read + len(batch) > MAX_ROWS:
            raise Unreadable(f"the sheet has more than {MAX_ROWS} rows; the first {progress.read} are in")
        with delivery.work("bulk") as work:
            outcomes = imports.take(work, batch, origin)
        progress = imports.count(progress, batch, outcomes)
        words.update((o.line.number, o.words) for o in outcomes)
    return progress, words


def _next(batches: Iterator[list[Line]]) -> list[Line]:
    return next(batches, [])


@contextmanager
def _upload(call: Any) -> Iterator[tuple[IO[bytes], str]]:
    """The sheet, and the name that its sender claims: the body itself, or the one file of a multipart form."""
    if call.mimetype != "multipart/form-data":
        yield call.stream, call.args.get("name") or ""
        return
    uploads = [u for _, group in call.files.lists() for u in group]
    try:
        if len(uploads) != 1:
            raise Problem(400, "The form must hold one sheet", f"it holds {len(uploads)} files")
        yield uploads[0].stream, uploads[0].filename or ""
    finally:
        for upload in uploads:
            upload.close()


def _spool(stream: IO[bytes], target: Path) -> str:
    """Writes the sheet to the disk; its digest."""
    seen = hashlib.sha256()
    with target.open("wb") as out:
        while piece := stream.read(1 << 16):
            seen.update(piece)
            out.write(piece)
        if not out.tell():
            raise Problem(
                400, "The body is empty", "send the sheet itself (xlsx or csv), or a multipart form"
            )
    return seen.hexdigest()[:24]


def _form(source: Path) -> str:
    """xlsx or csv, by content."""
    with source.open("rb") as file:
        head = file.read(512)
    if head.startswith(_OLD_EXCEL):
        raise Problem(
            422,
            "The sheet can't be read",
            problems=[FieldProblem("body", "is an old .xls, or a workbook with a password", "xlsx or csv")],
        )
    if head.startswith(b"PK"):
        return "xlsx"
    if b"\x00" in head and not head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Problem(
            422, "The sheet can't be read", problems=[FieldProblem("body", "is no sheet", "xlsx or csv")]
        )
    return "csv"


def _answer(target: Path, claimed: str, form: str, reader: Reader, progress: Progress) -> Response:
    stem = "".join(c for c in claimed.rpartition("/")[2].rpartition("\\")[2] if c.isprintable())
    name = f"{stem.removesuffix(f'.{form}')[:80] or 'sheet'}-受理结果.{form}"
    kind = _TYPES[form]
    if isinstance(reader, files.Csv):
        kind += f"; charset={reader.encoding}"
    return Response(
        target.read_bytes(),
        content_type=kind,
        headers={
            "Content-Disposition": f"attachment; filename=\"answer.{form}\"; filename*=UTF-8''{quote(name)}",
            "X-Content-Type-Options": "nosniff",
            "Rows-Read": str(progress.read),
            "Rows-Accepted": str(progress.accepted),
            "Rows-Known": str(progress.known),
            "Rows-Wrong": str(progress.wrong),
        },
    )
