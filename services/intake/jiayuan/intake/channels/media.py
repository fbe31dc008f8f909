"""`/media`: photos and voice notes by HTTP, before the report that they belong to or after it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import IO, Any, Final

from werkzeug.wrappers import Response

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.service import every, http
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.times import iso

from .. import api, attachments, limits, schemas
from .. import keys as process_keys
from ..media import MAX_PHOTOS, MAX_VOICES, BadMedia, Limits, Media, is_digest
from ..store import media as rows

MAX_UPLOAD: Final = 32 * 1024 * 1024  # several files in one form; each has its own, smaller limit
_MOST_FILES: Final = MAX_PHOTOS + MAX_VOICES
_IN_MEMORY: Final = 256 * 1024
_ENDINGS: Final = {"audio/mpeg": "mp3", "audio/mp4": "m4a", "image/jpeg": "jpg"}


class MediaFiles:
    """The entrypoints."""

    delivery: Any

    @http("POST", "/media", max_body=MAX_UPLOAD, before=limits.Limited("media", "write"))
    def upload_media(self, call: Any) -> Any:
        """A file as the body, or several in a multipart form."""
        return upload(self.delivery, call)

    @http("GET", "/media/<string:digest>", before=limits.Limited("media", "read"))
    def media_file(self, call: Any, digest: str) -> Any:
        """A file of a report, for who may see the report."""
        return download(self.delivery, call, digest)

    @http("POST", "/reports/<string:report>/media", before=limits.Limited("media", "add"))
    def add_media(self, call: Any, report: str) -> Any:
        """The reporter attaches more."""
        return add(self.delivery, call, report)

    @every(seconds=60.0, role="relay")
    def sweep_media(self) -> bool:
        """Deletes what belongs to no report; True while there may be more."""
        return sweep(self.delivery)


def upload(delivery: Any, call: Any) -> Any:
    """`POST /media`: 201 {media: [{digest, kind, type, size, …}]}; the same file has the same digest, however often.

    All or nothing: of a form with a bad file none is kept, and each bad one is named.
    """
    within = attachments.limits(delivery.settings)
    store = attachments.store(delivery.settings)
    with _files(call) as files:
        kept = _read(files, within)
    for found in kept:
        attachments.keep(delivery.work, store, found)
    return 201, {"media": [_document(found) for found in kept]}


def _read(files: list[tuple[str, IO[bytes]]], within: Limits) -> list[Media]:
    found, problems = [], []
    for name, file in files:
        try:
            found.append(attachments.read(file, within))
        except BadMedia as error:
            problems.append(FieldProblem(name, error.problem, error.allowed))
    if problems:
        raise Problem(422, "The file can't be taken", problems=problems)
    return found


def _document(found: Media) -> dict[str, Any]:
    return {
        "digest": found.digest,
        "kind": found.kind,
        "type": found.type,
        "size": len(found.data),
        "width": found.width or None,
        "height": found.height or None,
        "seconds": found.seconds or None,
        "taken_at": iso(found.taken_at) if found.taken_at else None,
        "placed": found.lat is not None,
    }


@contextmanager
def _files(call: Any) -> Iterator[list[tuple[str, IO[bytes]]]]:
    """The files of a request, by the names that errors call them. What is large lies on the disk, not in memory."""
    if call.mimetype == "multipart/form-data":
        # werkzeug puts files of more than half a megabyte on the disk as they come.
        uploads = [u for _, group in call.files.lists() for u in group]
        if not uploads:
            raise Problem(400, "The form holds no file", "each file is a part with a file name")
        if len(uploads) > _MOST_FILES:
            raise Problem(
                422,
                "The form holds too many files",
                problems=[FieldProblem("files", f"are {len(uploads)}", f"at most {_MOST_FILES}")],
            )
        try:
            yield [(f"files.{at}", u.stream) for at, u in enumerate(uploads)]
        finally:
            for u in uploads:
                u.close()
        return
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as spool:
        while piece := call.stream.read(1 << 16):
            spool.write(piece)
        if not spool.tell():
            raise Problem(400, "The body is empty", "send the file itself, or a multipart form")
        yield [("body", spool)]


def download(delivery: Any, call: Any, digest: str) -> Response:
    """`GET /media/<digest>?report=…`: with a link's signature, the report's tracking code, or a staff token.

    404 for everybody else, whether the file is here or not.
    """
    report = call.args.get("report") or ""
    with delivery.work() as work:
        if not is_digest(digest) or not attachments.is_id(report):
            raise _no_such()
        signature = call.args.get("signature")
        if signature is not None:
            keys = process_keys.current()
            if not attachments.link_is_good(digest, report, call.args.get("until") or "", signature, keys):
                raise Problem(
                    403, "The link is not valid", "it has expired or was changed; ask for the report again"
                )
        else:
            api.may_see(work, call, report)
        type_ = rows.type_of(work, report, digest)
    if type_ is None:
        raise _no_such()
    content = attachments.store(delivery.settings).get(digest)
    if content is None:
        raise _no_such()
    ending = _ENDINGS.get(type_) or re.sub(r"[^a-z0-9]", "", type_.partition("/")[2])
    response = Response(
        content,
        content_type=type_,
        headers={
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Content-Disposition": f'inline; filename="{digest[:12]}.{ending}"',
            "Cache-Control": "private, max-age=600",
            "Referrer-Policy": "no-referrer",
        },
    )
    response.set_etag(digest)
    return response.make_conditional(call, accept_ranges=True, complete_length=len(content))


def _no_such() -> Problem:
    return Problem(404, "No such file", "no report that you may see has this file")


def add(delivery: Any, call: Any, report_id: str) -> Any:
    """`POST /reports/<id>/media` {attachments: [digest, …]}: 201 with all files of the report."""

    def run(work: Any, _row: Any, document: dict[str, Any]) -> dict[str, Any]:
        problems = attachments.attach_later(work, report_id, document["attachments"])
        if problems:
            raise api.refusal(problems)
        return {"report": report_id, "media": [m.digest for m in rows.of_report(work, report_id)]}

    return api.reporters(delivery, call, report_id, "media", schemas.Attachments, run)


def sweep(delivery: Any) -> bool:
    """Deletes files that nobody has attached within `media_hours`."""
    settings = delivery.settings
    if not settings.media:
        return False
    before = delivery.clock.now() - timedelta(hours=settings.media_hours)
    return attachments.sweep(delivery.work, attachments.store(settings), before) > 0
