"""Updates of requests, as mySociety's clients read and post them."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Row
from werkzeug.wrappers import Response

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.work import Work

from ... import api, store, text
from ...store import open311 as listed
from . import api_keys, asked, records
from .answers import Refused, answer
from .asked import NewUpdate, Parameters
from .requests import directory, mine, uuid_of

# What says that the matter is over, for whoever sent it.
_OVER: Final = (
    "CLOSED",
    "FIXED",
    "CANCELLED",
    "NO_FURTHER_ACTION",
    "DUPLICATE",
    "NOT_COUNCILS_RESPONSIBILITY",
)
_DONE: Final = "resolved"
_KEPT: Final = timedelta(days=3650)
_REOPEN: Final = "请求重新办理"


def listing(delivery: Any, call: Any, form: str) -> Response:
    """GET /servicerequestupdates: what happened between two times, the oldest first; at most 1000."""
    given = Parameters(asked.pairs(call.args))
    places = directory(delivery)
    place = given.jurisdiction(places)
    start, end = given.date("start_date"), given.date("end_date")
    with delivery.work() as work:
        end = end or (start + asked.SPAN if start else work.now)
        start = start or end - asked.SPAN
        if start > end:
            given.wrong("end_date", "is before start_date")
        elif end - start > asked.SPAN + timedelta(days=1):
            given.wrong("end_date", "is more than 90 days after start_date")
        given.check()
        rows = listed.page(work, mine(place), limit=asked.MOST, updated_after=start, end=end, by_update=True)
        cases = store.progress_of(work, [str(r.id) for r in rows])
    found = [u for row in rows for u in records.updates(row, cases.get(str(row.id)), place, start, end)]
    # Stable: what happened to one request within a second stays in its order.
    found.sort(key=lambda u: (u["updated_datetime"], u["service_request_id"]))
    return answer(form, "service_request_updates", found[: asked.MOST])


def create(delivery: Any, call: Any, form: str) -> Response:
    """POST /servicerequestupdates: what the sender of a request adds to it; with the same update_id once."""
    given = Parameters(asked.pairs(call.args, call.form_body().fields))
    place = given.jurisdiction(directory(delivery))
    with delivery.work() as work:
        key = api_keys.use(work, given.one("api_key"), place.id)
    new = asked.new_update(given)
    given.check()
    assert new is not None
    found = uuid_of(new.request)
    scope = f"open311-update:{key.id}:{found}"
    with delivery.work() as work:
        said = listed.claim(work, scope, new.id, work.now - _KEPT) if found else None
        if said is None:
            rows = listed.by_id(work, [found], mine(place)) if found else []
            if not rows:
                raise Refused([(404, f"service_request_id {new.request[:64]} was not found")])
            if rows[0].key != key.id:
                raise Refused([(403, "api_key is not the one that sent this service request")])
            row = store.one(work, str(rows[0].id), lock=True)
            assert row is not None
            said = _take(work, call, row, new)
            store.keep_answer(work, scope, new.id, said)
    return answer(form, "service_request_updates", [said])


def _take(work: Work, call: Any, row: Row[Any], new: NewUpdate) -> dict[str, Any]:
    """The update as what a reporter can say: it is over, it isn't solved, or more about it."""
    id_ = str(row.id)
    if row.state == store.WITHDRAWN and new.status not in _OVER:
        raise Refused([(400, "service_request_id was withdrawn: nothing can be added to it any more")])
    if row.erased_at is not None:
        raise Refused([(400, "service_request_id was erased by its reporter: nothing can be added to it")])
    case = store.progress_of(work, [id_]).get(id_)
    resolved = case is not None and case.state == _DONE
    over = case is not None and case.state in records.CLOSED
    words = "\n".join([new.description, *new.media]).strip()
    if new.status in _OVER:
        if resolved:
            api.rated(work, call, row, True, None, words)
        elif not over and row.state != store.WITHDRAWN:
            api.withdrawn(work, call, row, text.shorten(words, 500))
        elif words:
            _supplement(work, call, row, words)
    elif resolved and new.status in ("REOPEN", "OPEN"):
        api.rated(work, call, row, False, None, words or _REOPEN)
    elif new.status == "REOPEN":
        _supplement(work, call, row, f"{_REOPEN}：{words}" if words else _REOPEN)
    elif words:
        _supplement(work, call, row, words)
    name = hashlib.sha256(f"{id_}|{new.id}".encode()).hexdigest()[:32]
    return {"update_id": name}


def _supplement(work: Work, call: Any, row: Row[Any], words: str) -> None:
    try:
        api.supplemented(work, call, row, words)
    except Problem as problem:
        raise Refused([(400, f"description {p.problem}") for p in problem.problems]) from None
