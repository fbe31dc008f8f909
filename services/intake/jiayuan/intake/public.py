"""What everybody may read: which matters came in, roughly where, and how far they are. Not who, nor in what words.

A report here is its kind, category, community, status and times to the minute. Neither its id, its text nor its
title is there: all of them can lead to a person. Disputes and cries for help are not listed at all, since in a village
of forty households the category and the day are enough.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
from werkzeug.wrappers import Response

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.seal import SealError
from jiayuan.chassis.work import Work
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.times import iso, parse

from . import keys as process_keys
from . import progress, report, schemas, store

DEFAULT: Final = 20
_ARGUMENTS: Final = ("street", "community", "category", "limit", "cursor")
_DAYS: Final = 366
# Read for one page at most: a filter that matches nothing must not read the table.
_SCANNED: Final = 2000
_HIDDEN_KINDS: Final = ("dispute",)
_HIDDEN_SIGNS: Final = ("self_harm", "violence", "missing_person")
_CURSOR: Final = "public"
_LAST_ID: Final = "ffffffff-ffff-ffff-ffff-ffffffffffff"


class Pages:
    """Pages as they were answered, for `seconds` of the wall clock, so that a crowd costs one look a page."""

    def __init__(self, seconds: float = 30.0, most: int = 256) -> None:
        self.seconds, self.most = seconds, most
        self._kept: OrderedDict[tuple[str, ...], tuple[float, bytes, str]] = OrderedDict()

    def get(self, key: tuple[str, ...]) -> tuple[bytes, str] | None:
        """Body and tag of a page that is fresh."""
        kept = self._kept.get(key)
        if kept is None or time.monotonic() - kept[0] > self.seconds:
            return None
        return kept[1], kept[2]

    def keep(self, key: tuple[str, ...], body: bytes) -> tuple[bytes, str]:
        """Keeps a page; body and tag."""
        tag = '"' + hashlib.sha256(body).hexdigest()[:24] + '"'
        self._kept.pop(key, None)
        self._kept[key] = (time.monotonic(), body, tag)
        while len(self._kept) > self.most:
            self._kept.popitem(last=False)
        return body, tag


def page(delivery: Any, call: Any, pages: Pages) -> Response:
    """`GET /public/reports?street=&community=&category=&limit=&cursor=`: newest first, cached, with an ETag."""
    asked = call.query(schemas.PublicPage)
    given = {name: str(asked.get(name) or "") for name in _ARGUMENTS}
    _check(given)
    key = tuple(given.values())
    body, tag = pages.get(key) or pages.keep(key, orjson.dumps(_page(delivery, given)))
    headers = {"Cache-Control": f"public, max-age={pages.seconds:.0f}", "ETag": tag}
    if call.headers.get("If-None-Match") == tag:
        return Response(status=304, headers=headers)
    return Response(body, headers=headers, content_type="application/json; charset=utf-8")


def _check(given: dict[str, str]) -> None:
    """Problem 404 for codes that name nothing here."""
    rules = report.rules()
    found = [
        FieldProblem(name, "is unknown", f"the code of a {name} of {rules.gazetteer.county}")
        for name in ("street", "community")
        if given[name] and given[name] not in rules.gazetteer.nodes
    ]
    if given["category"] and given["category"] not in rules.catalogue.categories:
        found.append(FieldProblem("category", "is unknown", "a code of the catalogue of matters"))
    if found:
        raise Problem(404, "The query names what is not there", problems=found)


def _page(delivery: Any, given: dict[str, str]) -> dict[str, Any]:
    most = int(given["limit"] or DEFAULT)
    with delivery.work() as work:
        before = _read_cursor(given["cursor"], work.now)
        since = work.now - timedelta(days=_DAYS)
        shown, after = _rows(work, before, since, given, most)
        cases = store.progress_of(work, [str(row.id) for row in shown])
    return {
        "reports": [_entry(row, cases.get(str(row.id))) for row in shown],
        "next": _write_cursor(after) if after else None,
    }


def _rows(
    work: Work, before: tuple[datetime, str], since: datetime, given: dict[str, str], most: int
) -> tuple[list[Any], tuple[datetime, str] | None]:
    """The rows of a page, and where the next one begins; None when there is nothing more."""
    shown: list[Any] = []
    scanned, chunk = 0, 4 * most if any(given[n] for n in _ARGUMENTS[:3]) else most + 8
    while scanned < _SCANNED:
        rows = store.public_page(work, before, since, min(chunk, _SCANNED - scanned))
        for row in rows:
            before = (row.received_at, str(row.id))
            if _shown(row, given):
                shown.append(row)
                if len(shown) == most:
                    return shown, before
        scanned += len(rows)
        if len(rows) < chunk and scanned < _SCANNED:
            return shown, None
    return shown, before


def _shown(row: Any, given: dict[str, str]) -> bool:
    return (
        row.kind not in _HIDDEN_KINDS
        and not any(sign["code"] in _HIDDEN_SIGNS for sign in row.signs)
        and given["street"] in ("", row.street)
        and given["community"] in ("", row.community)
        and row.category.startswith(given["category"])
    )


def _entry(row: Any, case: Any | None) -> dict[str, Any]:
    nodes = report.rules().gazetteer.nodes
    named = [nodes[code].name for code in (row.street, row.community) if code in nodes]
    return {
        "kind": row.kind,
        "category": {"code": row.category, "name": row.category_name},
        "place": {"street": row.street, "community": row.community, "name": "".join(named)},
        "received_at": progress.minute(row.received_at),
        **progress.public(row.state, case),
    }


def _write_cursor(after: tuple[datetime, str]) -> str:
    # Sealed: an id or an exact time is not for everybody.
    return process_keys.current().sealer.seal({"at": iso(after[0]), "id": after[1]}, _CURSOR)


def _read_cursor(cursor: str, now: datetime) -> tuple[datetime, str]:
    if not cursor:
        return now + timedelta(seconds=1), _LAST_ID
    try:
        opened = process_keys.current().sealer.open(cursor, _CURSOR)
    except (SealError, UnicodeError):
        raise Problem(
            404,
            "No such page",
            problems=[FieldProblem("cursor", "is not one of ours", "the `next` of the page before")],
        ) from None
    return parse(opened["at"]), opened["id"]
