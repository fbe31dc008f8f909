"""Photos and voice notes of reports: taken up, attached, shown, swept. Whatever the channel."""

from __future__ import annotations

import hashlib
import hmac
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import IO, Any, Final
from urllib.parse import urlencode

from jiayuan.chassis.aside import aside
from jiayuan.chassis.errors import Problem
from jiayuan.chassis.work import Work
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.times import iso

from . import coordinates, media
from .keys import IntakeSettings, Keys
from .media import BadMedia, Limits, Media
from .media_store import Store, store_of
from .report import Submission
from .store import media as rows

LINK_SECONDS: Final = 600
ABSENT: Final = "is no photo or voice note that is here"
_PHOTO_AGE: Final = timedelta(days=366)  # an older photo says nothing of when the matter was


def store(settings: IntakeSettings) -> Store:
    """The store of the settings; Problem 503 when there is none."""
    found = store_of(settings.media, settings.media_key, settings.media_secret)
    if found is None:
        raise Problem(
            503, "Media are not set up", "the setting `media` names no store for photos and voice notes"
        )
    return found


def limits(settings: IntakeSettings) -> Limits:
    """The limits of the settings."""
    most = settings.media_bytes
    return Limits(photo_bytes=most, voice_bytes=most)


def read(file: IO[bytes], limits: Limits) -> Media:
    """A file, cleaned, without holding up the process; BadMedia when it can't be kept."""
    return aside(_read, file, limits)


def _read(file: IO[bytes], limits: Limits) -> Media:
    # Read in here, so that no more than a few whole files are in memory at a time.
    file.seek(0)
    return media.clean(file.read(limits.largest + 1), limits)


def keep(work_of: Callable[[], Any], to: Store, found: Media) -> None:
    """Keeps a file: the row, the file, the row again. Killed anywhere in between it is kept by the next upload."""
    row: dict[str, Any] = {
        "digest": found.digest,
        "kind": found.kind,
        "type": found.type,
        "size": len(found.data),
        "width": found.width,
        "height": found.height,
        "seconds": found.seconds,
        "taken_at": found.taken_at,
        "lat": None,
        "long": None,
    }
    if found.lat is not None and found.long is not None:
        row["lat"], row["long"] = coordinates.to_wgs84(found.lat, found.long, found.crs)
    with work_of() as work:
        rows.arriving(work, row)
    # Also when the row was kept before: a file that was lost comes back with its next upload.
    to.put(found.digest, found.data, found.type)
    with work_of() as work:
        rows.kept(work, found.digest)


def look(
    work: Work, submissions: Sequence[Submission]
) -> tuple[Sequence[Submission], dict[int, list[FieldProblem]]]:
    """Checks the attachments of a batch, and fills in the time and place of the photos where the report has none.

    One statement, and none when nothing is attached. Problems are by the submission's index.
    """
    wanted = {d for s in submissions for d in s.attachments if media.is_digest(d)}
    if not any(s.attachments for s in submissions):
        return submissions, {}
    there = rows.attachable(work, wanted)
    out, problems = list(submissions), {}
    for index, submission in enumerate(submissions):
        if not submission.attachments:
            continue
        found = _problems(submission.attachments, there)
        if found:
            problems[index] = found
        else:
            out[index] = _filled(submission, [there[d] for d in submission.attachments], work.now)
    return out, problems


def _problems(
    digests: Sequence[str], there: dict[str, rows.Kept], before: Sequence[str] = ()
) -> list[FieldProblem]:
    out = []
    for at, digest in enumerate(digests):
        if digest not in there:
            out.append(
                FieldProblem(
                    f"attachments.{at}",
                    ABSENT,
                    "a digest that POST /media gave",
                )
            )
    if len(set(digests)) < len(digests):
        out.append(FieldProblem("attachments", "names a file twice", "each file once"))
    kinds = [there[d].kind for d in digests if d in there] + list(before)
    for kind, most, word in (
        (media.PHOTO, media.MAX_PHOTOS, "photos"),
        (media.VOICE, media.MAX_VOICES, "voice notes"),
    ):
        if kinds.count(kind) > most:
            out.append(FieldProblem("attachments", f"are {kinds.count(kind)} {word}", f"at most {most}"))
    return out


def _filled(submission: Submission, files: Sequence[rows.Kept], now: datetime) -> Submission:
    """The submission with what its photos say, as far as it says nothing itself; `facts` keeps what is theirs."""
    changes: dict[str, Any] = {}
    if submission.lat is None and submission.long is None:
        placed = next(((f.lat, f.long) for f in files if f.lat is not None), None)
        if placed is not None:
            changes["lat"], changes["long"] = placed
            changes["crs"] = "wgs84"
    if submission.occurred_at is None:
        times = [f.taken_at for f in files if f.taken_at and now - _PHOTO_AGE < f.taken_at <= now]
        if times:
            changes["occurred_at"] = min(times)
    if not changes:
        return submission
    said = [name for name, key in (("place", "lat"), ("occurred_at", "occurred_at")) if key in changes]
    return replace(submission, **changes, facts={**submission.facts, "from_photo": said})


def attach(work: Work, taken: Sequence[tuple[str, Submission]]) -> None:
    """Attaches the files of new reports: (report's id, submission). Nothing to do, no statement."""
    found = [(id_, at, digest) for id_, s in taken for at, digest in enumerate(s.attachments)]
    if found:
        rows.attach(work, found)


def attach_later(work: Work, report: str, digests: Sequence[str]) -> list[FieldProblem]:
    """Attaches further files to a report whose row the caller has locked; what is attached already does no harm."""
    before = {shown.digest: shown for shown in rows.of_report(work, report)}
    fresh = [d for d in digests if d not in before]
    problems = _problems(fresh, rows.attachable(work, fresh), [s.kind for s in before.values()])
    if not problems:
        rows.attach(work, [(report, len(before) + at, digest) for at, digest in enumerate(fresh)])
    return problems


def shown(work: Work, report: str, keys: Keys) -> list[dict[str, Any]]:
    """The files of a report as its readers see them, with links that hold for ten minutes."""
    until = int(time.time()) + LINK_SECONDS
    return [
        {
            "digest": m.digest,
            "kind": m.kind,
            "type": m.type,
            "size": m.size,
            "width": m.width or None,
            "height": m.height or None,
            "seconds": m.seconds or None,
            "taken_at": iso(m.taken_at) if m.taken_at else None,
            "url": link(m.digest, report, until, keys),
        }
        for m in rows.of_report(work, report)
    ]


def link(digest: str, report: str, until: int, keys: Keys) -> str:
    """The path of a file of a report, good until that second of the wall clock."""
    query = {"report": report, "until": until, "signature": _signature(digest, report, str(until), keys)}
    return f"/media/{digest}?{urlencode(query)}"


def link_is_good(digest: str, report: str, until: str, signature: str, keys: Keys) -> bool:
    """Whether a link was made here, for this file of this report, and still holds."""
    wanted = _signature(digest, report, until, keys)
    if not hmac.compare_digest(wanted.encode(), signature.encode("utf-8", "replace")):
        return False
    return until.isascii() and until.isdigit() and int(until) >= time.time()


def _signature(digest: str, report: str, until: str, keys: Keys) -> str:
    key = hmac.new(keys.secret, b"media link", hashlib.sha256).digest()
    return hmac.new(
        key, f"{digest}\n{report}\n{until}".encode("utf-8", "replace"), hashlib.sha256
    ).hexdigest()


def is_id(report: str) -> bool:
    """Whether it can be the id of a report."""
    try:
        uuid.UUID(report)
    except ValueError:
        return False
    return True


def sweep(work_of: Callable[[], Any], to: Store, before: datetime) -> int:
    """Deletes files that belong to no report, rows first marked, then file by file; how many."""
    with work_of() as work:
        digests = rows.expire(work, before)
    for digest in digests:
        # One transaction a file: the row is held while the store is asked, so that an upload of the same file waits.
        with work_of() as work:
            if rows.leaving(work, digest):
                to.delete(digest)
                rows.gone(work, digest)
    return len(digests)


__all__ = [
    "BadMedia",
    "attach",
    "attach_later",
    "keep",
    "limits",
    "link",
    "look",
    "read",
    "shown",
    "store",
    "sweep",
]
