"""Requests: posted, found by token, listed and shown."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlencode

import orjson
from werkzeug.wrappers import Response

from jiayuan.chassis import forms
from jiayuan.chassis.work import Work
from jiayuan.contracts.check import FieldProblem

from ... import attachments, handlers, report, store
from ... import category as categories
from ... import keys as process_keys
from ...media import BadMedia, Media
from ...people import Contact
from ...store import open311 as listed
from . import api_keys, asked, records
from .answers import Refused, answer
from .asked import NewRequest, Parameters
from .places import Directory, Jurisdiction, load

PATH: Final = "/open311/v2"
# Open311 has no key for what is sent again; within this time the same words from the same sender are the same report.
SAME_WITHIN: Final = timedelta(minutes=10)
# Our names of fields → those that the client sent.
_FIELDS: Final = {
    "text": "description",
    "title": "title",
    "category": "service_code",
    "place.code": "address_id",
    "place.text": "address_string",
    "place.lat": "lat",
    "place.long": "long",
}


def directory(delivery: Any) -> Directory:
    """Whom this process serves."""
    return load(delivery.settings.open311)


def mine(jurisdiction: Jurisdiction) -> listed.Mine:
    """What a jurisdiction has."""
    return listed.Mine(jurisdiction.channels, jurisdiction.streets, jurisdiction.id)


# -- in ------------------------------------------------------------------------------------------------


def create(delivery: Any, call: Any, form: str) -> Response:
    """POST /requests: takes a report in. 200 with its id, or with a token; the same for the same sent again."""
    body = call.form_body()
    given = Parameters(asked.pairs(call.args, body.fields))
    place = given.jurisdiction(directory(delivery))
    with delivery.work() as work:
        # In a transaction of its own: what is refused further down counts too.
        key = api_keys.use(work, given.one("api_key"), place.id)
    new = asked.new_request(given, directory(delivery), place)
    photos = _photos(delivery, given, body.uploads)
    given.check()
    assert new is not None
    for photo in photos:
        attachments.keep(delivery.work, attachments.store(delivery.settings), photo)
    files = tuple(dict.fromkeys(p.digest for p in photos))
    scope, same = f"open311:{key.id}", _same(new, files)
    with delivery.work() as work:
        said = listed.claim(work, scope, same, work.now - SAME_WITHIN)
        if said is None:
            said = _take(work, new, files, key, call.traceparent)
            store.keep_answer(work, scope, same, said)
    # Not kept with the answer: who sends the same again has said it again.
    return answer(form, "service_requests", [{**said, "account_id": new.account or None}])


def _photos(delivery: Any, given: Parameters, uploads: Sequence[forms.Upload]) -> list[Media]:
    """The files of a form, whatever they are called, read and cleaned; what is wrong with them is in `given`."""
    if not uploads:
        return []
    if not delivery.settings.media:
        given.wrong("media", "can't be taken: this endpoint keeps no files; send media_url")
        return []
    out = []
    for upload in uploads[: asked.MAX_MEDIA]:
        try:
            out.append(attachments.read(upload.file, attachments.limits(delivery.settings)))
        except BadMedia as error:
            given.wrong(upload.name[:60] or "media", f"{error.problem}; allowed: {error.allowed}")
    if len(uploads) > asked.MAX_MEDIA:
        given.wrong("media", f"came {len(uploads)} times; allowed: {asked.MAX_MEDIA}")
    return out


def _same(new: NewRequest, files: Sequence[str]) -> str:
    """What makes a post the same as another: who sends it, and all that is in it."""
    content = [
        new.jurisdiction.id,
        new.service.code,
        new.title,
        new.text,
        new.lat,
        new.long,
        new.address,
        new.address_id,
        new.name,
        new.phone,
        new.email,
        new.device,
        new.account,
        new.media,
        files,
    ]
    return hashlib.sha256(orjson.dumps(content)).hexdigest()


def _take(
    work: Work, new: NewRequest, files: tuple[str, ...], key: api_keys.ApiKey, traceparent: str
) -> dict[str, Any]:
    shown = new.jurisdiction.show_media
    submission = report.Submission(
        "open311",
        new.text,
        title=new.title,
        category=new.service.code,
        place_code=new.address_id,
        place_text=new.address,
        lat=new.lat,
        long=new.long,
        contact=Contact(new.name, new.phone),
        attachments=files,
        facts={
            "open311": {
                "jurisdiction": new.jurisdiction.id,
                "key": key.id,
                # Only where everybody may see it; elsewhere it may lead to a person.
                **({"media_url": list(new.media)} if shown and new.media else {}),
                **({"attributes": [code for code, _, _ in new.attributes]} if new.attributes else {}),
            }
        },
        secrets={
            name: value
            for name, value in (
                ("email", new.email),
                ("device_id", new.device),
                ("account_id", new.account),
                ("media_url", [] if shown else list(new.media)),
            )
            if value
        },
        traceparent=traceparent,
    )
    (receipt,) = handlers.receive(work, [submission])
    if receipt.outcome != handlers.ACCEPTED:
        raise Refused([(400, _told(p)) for p in receipt.problems])
    clean = receipt.clean
    assert clean is not None
    listed.add(
        work,
        {
            "report": receipt.report,
            "channel": "open311",
            "jurisdiction": new.jurisdiction.id,
            "key": key.id,
            "category": clean.guess.category.code,
            "street": clean.place.street,
            "requested_at": receipt.received_at,
            "updated_at": receipt.received_at,
            "closed": False,
        },
    )
    advice = categories.advice(clean.signs)
    notice = f"{advice}已受理，查询码 {receipt.tracking_code}，凭它可以查询、补充、撤回和评价。"
    if new.jurisdiction.type == "batch":
        return {"token": receipt.tracking_code, "service_notice": notice}
    return {"service_request_id": receipt.report, "service_notice": notice}


def _told(problem: FieldProblem) -> str:
    name = _FIELDS.get(problem.field, problem.field)
    return f"{name} {problem.problem}" + (f"; allowed: {problem.allowed}" if problem.allowed else "")


# -- out -----------------------------------------------------------------------------------------------


def token(delivery: Any, call: Any, code: str, form: str) -> Response:
    """GET /tokens/<token>: the id behind a token, which is the report's tracking code."""
    given = Parameters(asked.pairs(call.args))
    place = given.jurisdiction(directory(delivery))
    given.check()
    with delivery.work() as work:
        typed = report.read_code(code) if len(code) <= 64 else ""
        found = store.id_of_code(work, typed) if typed else None
        rows = listed.by_id(work, [found], mine(place)) if found else []
    if not rows:
        raise Refused([(404, f"token {code[:64]} was not found")])
    return answer(form, "service_requests", [{"service_request_id": str(rows[0].id), "token": code}])


def listing(delivery: Any, call: Any, form: str) -> Response:
    """GET /requests: what is asked for, the newest first; what follows is in the header Link."""
    given = Parameters(asked.pairs(call.args))
    places = directory(delivery)
    place = given.jurisdiction(places)
    extensions = _extensions(given)
    with delivery.work() as work:
        query = asked.query(given, work.now)
        if query.after and uuid_of(query.after) is None:
            given.wrong("after", "is not a service_request_id")
        unknown = [c for c in query.services if c not in places.services]
        if unknown:
            given.errors += [(404, f"service_code {c[:64]} was not found") for c in unknown]
        given.check()
        if query.ids:
            ids = [i for i in map(uuid_of, query.ids) if i is not None]
            rows = listed.by_id(work, ids, mine(place)) if ids else []
            rows = rows[(query.page - 1) * query.page_size : query.page * query.page_size]
        else:
            rows = listed.page(
                work,
                mine(place),
                limit=query.page_size,
                offset=0 if query.after else (query.page - 1) * query.page_size,
                services=query.services,
                start=query.start,
                end=query.end,
                updated_after=query.updated_after,
                updated_before=query.updated_before,
                closed=query.closed,
                after=uuid_of(query.after) or "",
                by_update=query.updated_after is not None or query.updated_before is not None,
            )
        cases = store.progress_of(work, [str(r.id) for r in rows])
    base_ = base(delivery, call)
    shown = [
        records.record(
            row,
            cases.get(str(row.id)),
            places,
            place,
            extensions=extensions,
            media_url=_media_url(base_, row, place),
        )
        for row in rows
    ]
    headers = {"Access-Control-Expose-Headers": "Link"}
    if not query.ids and len(rows) == query.page_size:
        # By the last one's id: a page that follows is found as fast as the first, however far one has read.
        left = [(k, v) for k, v in call.args.items(multi=True) if k not in ("page", "after")]
        following = urlencode([*left, ("after", str(rows[-1].id))])
        headers["Link"] = f'<{base_}/requests.{form}?{following}>; rel="next"'
    return answer(form, "service_requests", shown, headers=headers)


def single(delivery: Any, call: Any, request: str, form: str) -> Response:
    """GET /requests/<id>: one, still in a list."""
    given = Parameters(asked.pairs(call.args))
    places = directory(delivery)
    place = given.jurisdiction(places)
    extensions = _extensions(given)
    given.check()
    found = uuid_of(request)
    with delivery.work() as work:
        rows = listed.by_id(work, [found], mine(place)) if found else []
        cases = store.progress_of(work, [str(r.id) for r in rows])
    if not rows:
        raise Refused([(404, f"service_request_id {request[:64]} was not found")])
    row = rows[0]
    shown = records.record(
        row,
        cases.get(str(row.id)),
        places,
        place,
        extensions=extensions,
        media_url=_media_url(base(delivery, call), row, place),
    )
    return answer(form, "service_requests", [shown])


def _media_url(endpoint: str, row: Any, place: Jurisdiction) -> str | None:
    """The first photo of a request where the jurisdiction shows photos: kept here, else where its sender has it."""
    if not place.show_media or row.erased_at is not None:
        return None
    if row.attachments:
        until = int(time.time()) + attachments.LINK_SECONDS
        path = attachments.link(row.attachments[0], str(row.id), until, process_keys.current())
        return endpoint.removesuffix(PATH) + path
    links = (row.facts or {}).get("open311", {}).get("media_url") or []
    return str(links[0]) if links else None


def _extensions(given: Parameters) -> bool:
    value = given.one("extensions").lower()
    if value not in ("", "true", "false", "1", "0"):
        given.wrong("extensions", f"is neither true nor false: {value[:20]}")
    return value in ("true", "1")


def uuid_of(text: str) -> str | None:
    """An id of ours in its one form; None for what can't be one."""
    try:
        return str(uuid.UUID(text)) if len(text) == 36 else None
    except ValueError:
        return None


def base(delivery: Any, call: Any) -> str:
    """The public address of the endpoint, without a slash at its end."""
    return str(delivery.settings.open311_url).rstrip("/") or f"{call.host_url.rstrip('/')}{PATH}"


# -- what there is ---------------------------------------------------------------------------------------


def discovery(delivery: Any, call: Any, form: str) -> Response:
    """GET /discovery: where this endpoint is and what it speaks."""
    places = directory(delivery)
    document = {
        "changeset": places.changeset,
        "contact": places.contact,
        "key_service": places.key_service,
        "endpoints": [
            {
                "specification": "http://wiki.open311.org/GeoReport_v2",
                "url": base(delivery, call),
                "changeset": places.changeset,
                "type": places.endpoint_type,
                "formats": ["text/xml", "application/json"],
            }
        ],
    }
    return answer(form, "discovery", document)


def services(delivery: Any, call: Any, form: str) -> Response:
    """GET /services: all that may be reported. `lat` and `long`, which some clients send, change nothing: every service
    is offered everywhere."""
    given = Parameters(asked.pairs(call.args))
    places = directory(delivery)
    place = given.jurisdiction(places)
    given.number("lat", -90, 90)
    given.number("long", -180, 180)
    given.check()
    return answer(form, "services", [records.service(s, place) for s in places.services.values()])


def definition(delivery: Any, call: Any, code: str, form: str) -> Response:
    """GET /services/<code>: what a service asks for."""
    given = Parameters(asked.pairs(call.args))
    places = directory(delivery)
    given.jurisdiction(places)
    given.check()
    found = places.services.get(code)
    if found is None:
        raise Refused([(404, f"service_code {code[:64]} was not found")])
    return answer(form, "service_definition", records.definition(found))
