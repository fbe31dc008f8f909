"""The directory's workbook over HTTP, for an organisation department without a shell: out, and in again.

What takes time (reading and writing cells) is done aside, so that nobody's report waits for it.
"""

from __future__ import annotations

import hashlib
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from werkzeug.wrappers import Response

from jiayuan.chassis.aside import aside
from jiayuan.chassis.errors import Problem
from jiayuan.chassis.service import Runtime, http
from jiayuan.chassis.web import Call, download
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.schemas.common import Demand, a_text
from jiayuan.contracts.times import iso

from .. import changes, reads
from ..directory import DirectoryError, parse, workbook
from ..directory.documents import time_of
from ..directory.duty import ZONE
from .common import caller

KEEPERS: Final = ("organisation", "county")
MOST: Final = 16 * 1024 * 1024
_SHOWN: Final = 200
_XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class CancelBody(Demand):
    """Why a change that is still to come is taken back."""

    reason = a_text(500, required=True, least=1)


class Workbook:
    """The entrypoints."""

    delivery: Any

    @http("GET", "/directory/workbook", roles=KEEPERS)
    def workbook(self, call: Call) -> Any:
        """The directory as a workbook, phones masked."""
        return export(self.delivery, call)

    @http("POST", "/directory/workbook", roles=KEEPERS, max_body=MOST)
    def take_workbook(self, call: Call) -> Any:
        """Takes over a workbook or a JSON or YAML document, or says what it would change."""
        return take(self.delivery, call)

    @http("POST", "/directory/versions/<int:version>/cancellation", roles=KEEPERS)
    def cancel_version(self, call: Call, version: int) -> Any:
        """Takes back a change that is still to come."""
        body = call.json_body(CancelBody)
        try:
            with self.delivery.work() as work:
                changes.cancel(work, version, caller(call).subject, body["reason"])
        except DirectoryError as error:
            raise Problem(409, "Not to be cancelled", problems=error.problems) from None
        return {"version": version, "state": "cancelled"}


def export(delivery: Runtime, call: Call) -> Response:
    """GET /directory/workbook?at=2026-03-01: XLSX; numbers masked, in clear only on the command line with a reason."""
    at = _time(call, "at")
    with delivery.work() as work:
        as_of = at or work.now
        document = changes.export(work, delivery.sealer, as_of)
        reads.note(work, caller(call), "export", "directory", why="masked", fields=("names",))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "directory.xlsx")
        about = {"截至": f"{as_of.astimezone(ZONE):%Y-%m-%d %H:%M}", "电话": "已打码，导入时保持不变"}
        aside(workbook.save, file, document, about)
        content = file.read_bytes()
    return download(content, "directory.xlsx", _XLSX)


def take(delivery: Runtime, call: Call) -> dict[str, Any]:
    """POST /directory/workbook?dry_run=true&effective=2027-01-01&reason=…&allow_removals=true; the body is the file.

    200 with what changes (at most 200 of it one by one, without phone numbers); 422 with every fault by sheet, row and
    column, and then nothing has changed.
    """
    who = caller(call).subject
    effective = _time(call, "effective")
    dry, removals = _yes(call, "dry_run"), _yes(call, "allow_removals")
    reason = (call.args.get("reason") or "")[:500] or None
    reader = None
    with tempfile.TemporaryDirectory() as folder:
        source, digest = _spool(call, Path(folder))
        try:
            if source.suffix == ".xlsx":
                document, reader = aside(workbook.load, source)
            else:
                document = aside(lambda: parse(source.read_text(encoding="utf-8")))
            with delivery.work() as work:
                version = None if dry else changes.begin(work, who)
                found = changes.plan(work, delivery.sealer, document, effective, removals=removals)
                if version is not None:
                    changes.carry_out(work, version, found, who, source=f"HTTP {digest}", reason=reason)
                pending = found.at > work.now
        except UnicodeDecodeError:
            raise Problem(422, "The directory is wrong", problems=[_no_file()]) from None
        except DirectoryError as error:
            problems = [reader.said(p) for p in error.problems] if reader is not None else error.problems
            raise Problem(422, "The directory is wrong", "nothing was changed", problems=problems) from None
    return {
        "version": version,
        "dry_run": dry,
        "effective_at": iso(found.at),
        "state": "pending" if pending else "in_effect",
        "changes": found.counts(),
        "differences": [_difference(d) for d in found.differences[:_SHOWN]],
    }


def _difference(difference: changes.Difference) -> dict[str, Any]:
    entry = difference.entry
    out: dict[str, Any] = {"what": difference.what, "kind": entry.kind, "key": entry.key}
    if name := entry.doc.get("name"):
        out["name"] = name
    if difference.what == "changed":
        out["fields"] = {f: [before, after] for f, before, after in difference.fields() if f != "boundary"}
    return out


def _spool(call: Call, folder: Path) -> tuple[Path, str]:
    """The body as a file whose name says what it is, and its digest."""
    content = call.get_data()
    if not content:
        raise Problem(400, "The body is empty", "send the workbook itself, or a JSON or YAML document")
    file = folder / ("directory.xlsx" if content.startswith(b"PK") else "directory.yaml")
    if b"\x00" in content[:512] and file.suffix != ".xlsx":
        raise Problem(422, "The directory is wrong", problems=[_no_file()])
    file.write_bytes(content)
    return file, hashlib.sha256(content).hexdigest()[:16]


def _no_file() -> FieldProblem:
    return FieldProblem("body", "is no workbook and no text in UTF-8", "an .xlsx file, JSON or YAML")


def _time(call: Call, name: str) -> datetime | None:
    given = call.args.get(name)
    if not given:
        return None
    try:
        at = time_of(given)
        if 1970 < at.year < 2200:
            return at
    except ValueError:
        pass
    allowed = "2027-01-01, or an RFC 3339 date-time with an offset"
    raise Problem(
        422, "The query is wrong", problems=[FieldProblem(name, f"is {given!r:.40}", allowed)]
    ) from None


def _yes(call: Call, name: str) -> bool:
    given = call.args.get(name, "false")
    if given not in ("true", "false"):
        problem = FieldProblem(name, f"is {given!r:.40}", "true or false")
        raise Problem(422, "The query is wrong", problems=[problem])
    return given == "true"
