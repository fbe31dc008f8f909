"""Intake's HTTP interface: reports in, and what their reporters may ask and add."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from typing import Any, Final

from marshmallow import Schema
from sqlalchemy import Row

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.tokens import Principal
from jiayuan.chassis.work import Work
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.times import iso

from . import attachments, people, places, progress, report, schemas, store, taking, text, vault
from . import category as categories
from . import keys as process_keys
from .channels import claims
from .handlers import ACCEPTED, REFUSED, Receipt, receive
from .store import bookings

STAFF: Final = (
    "grid_worker",
    "grid_leader",
    "grid_chief",
    "desk",
    "unit_clerk",
    "county",
    "operator",
    "service",
)
FIND: Final = ("county", "operator", "service")
_WHOLE_COUNTY: Final = ("county", "operator", "service", "unit_clerk")
SATISFIED: Final = 3
"""From so many stars on a reporter who doesn't know whether it is solved counts as one for whom it is."""
Answer = tuple[int, dict[str, Any]]


def submit(delivery: Any, call: Any) -> Answer:
    """`POST /reports`: 201 with the new report, 200 with the first answer when the same is sent again."""
    document = call.json_body(schemas.NewReport)
    claims.check_claim(call.who, document.get("channel") or claims.DEFAULT, claims.CLAIMS)
    keys = process_keys.current()
    submission = report.from_document(
        document,
        channel=claims.DEFAULT,
        submitter=_submitter(call.who),
        dialogue=True,
        traceparent=call.traceparent,
    )
    sender = call.who.subject if call.who else people.handle_of(submission.contact, keys.secret)

    def answer(receipt: Receipt) -> dict[str, Any]:
        if receipt.outcome != ACCEPTED:
            raise refusal(receipt.problems)
        return receipt_document(receipt)

    return taking.take(delivery, call, f"report:{sender or ''}", document, submission, answer)


def refusal(problems: Sequence[FieldProblem]) -> Problem:
    """The refusal of a report: 409 when it names files that are not here, which its form can't tell, else 422."""
    absent = any(p.problem == attachments.ABSENT for p in problems)
    return Problem(409 if absent else 422, "The report can't be taken", problems=problems)


def _submitter(who: Principal | None) -> str:
    """Who of the staff sent it for somebody; a citizen speaks for himself."""
    return who.subject if who is not None and set(who.roles) - {"citizen"} else ""


def receive_one(delivery: Any, submission: report.Submission, key: str) -> Answer:
    """One report whose own key (`external_id`, called `key` by the channel) makes it the same when it is sent again:
    201 with the new report, 200 with the same when it is here already, 409 when the key is another report's."""
    with delivery.work() as work:
        (receipt,) = receive(work, [submission])
        if receipt.outcome == REFUSED:
            raise refusal(receipt.problems)
        if receipt.differs:
            raise Problem(
                409,
                "This number is another report's",
                problems=[
                    FieldProblem(key, "was used for a report with another text", "a number of its own")
                ],
                report=receipt.report,
            )
        if receipt.outcome == ACCEPTED:
            return 201, receipt_document(receipt)
        return 200, _kept_receipt(find_report(work, receipt.report))


def spelled(problems: Sequence[FieldProblem]) -> list[dict[str, str]]:
    """Problems as `errors` of a problem document has them."""
    return [
        {"field": p.field.removeprefix("data."), "problem": p.problem, "allowed": p.allowed} for p in problems
    ]


def receipt_document(receipt: Receipt) -> dict[str, Any]:
    """What a reporter is told of an accepted report, advice in danger included; the same on every channel."""
    clean = receipt.clean
    assert clean is not None
    out: dict[str, Any] = {
        "id": receipt.report,
        "tracking_code": receipt.tracking_code,
        "received_at": receipt.received_at,
        "kind": clean.kind,
        "title": clean.title,
        "category": {
            "code": clean.guess.category.code,
            "name": clean.guess.category.name,
            "confidence": clean.guess.confidence,
        },
        "place": place_document(
            clean.place.street,
            clean.place.community,
            clean.place.grid,
            clean.place.evidence,
            clean.place.confidence,
        ),
    }
    if clean.place.candidates:
        # Who can answer is asked at once; the others' desk is.
        out["place"]["candidates"] = [places.choice_document(c) for c in clean.place.candidates]
        out["place"]["choose"] = {
            "how": "请在 candidates 中选定一处",
            "method": "POST",
            "path": f"/reports/{receipt.report}/place",
            "body": {"code": "…"},
        }
    said = categories.advice(clean.signs)
    if said:
        out["advice"] = said
        out["signs"] = categories.names(clean.signs)
    return out


def _kept_receipt(row: Row[Any]) -> dict[str, Any]:
    """The same of a report that is here already."""
    out: dict[str, Any] = {
        "id": str(row.id),
        "tracking_code": row.tracking_code,
        "received_at": iso(row.received_at),
        "kind": row.kind,
        "title": row.title,
        "category": {
            "code": row.category,
            "name": row.category_name,
            "confidence": row.category_confidence,
        },
        "place": place_document(
            row.street, row.community, row.grid, row.place_evidence, row.place_confidence
        ),
    }
    said = categories.advice_to_call(sign["call"] for sign in row.signs)
    if said:
        out["advice"] = said
        out["signs"] = row.signs
    return out


def place_document(
    street: str | None, community: str | None, grid: str | None, evidence: str, confidence: float
) -> dict[str, Any]:
    """A place as it is told."""
    nodes = report.rules().gazetteer.nodes
    known = [nodes[code].name for code in (street, community) if code in nodes]
    return {
        "street": street,
        "community": community,
        "grid": grid,
        "name": "".join(known),
        "evidence": evidence,
        "confidence": confidence,
    }


def find(delivery: Any, call: Any) -> dict[str, Any]:
    """`GET /reports?tracking_code=…`: the id of that report and of the case that it is handled in, None before there is
    one; for those who work for the whole county."""
    code = report.read_code(call.args.get("tracking_code") or "")
    with delivery.work() as work:
        found = store.id_of_code(work, code) if code else None
        case = store.progress_of(work, [found]).get(found) if found is not None else None
    if found is None:
        raise Problem(404, "No such report", "there is no report with this tracking code")
    return {"id": found, "case": str(case.id) if case is not None else None}


def show(delivery: Any, call: Any, report_id: str) -> dict[str, Any]:
    """`GET /reports/<id>`: never the contact and never the original."""
    with delivery.work() as work:
        row = find_report(work, report_id)
        reporter = _has_code(call, row)
        if not reporter:
            check_staff(call.who, row)
        return _document(work, row, reporter=reporter)


def track(delivery: Any, call: Any, code: str) -> dict[str, Any]:  # noqa: ARG001  an entrypoint's arguments
    """`GET /track/<code>`: the same as `show`, for a reporter who has only the code."""
    typed = report.read_code(code)
    with delivery.work() as work:
        found = store.id_of_code(work, typed) if typed else None
        if found is None:
            raise Problem(404, "No such report", "there is no report with this tracking code")
        return _document(work, find_report(work, found), reporter=True)


def _document(work: Work, row: Row[Any], *, reporter: bool) -> dict[str, Any]:
    id_ = str(row.id)
    supplements, ratings = store.supplements(work, id_), store.ratings(work, id_)
    case = store.progress_of(work, [id_]).get(id_)
    files = attachments.shown(work, id_, process_keys.current())
    out: dict[str, Any] = {
        "id": id_,
        "state": row.state,
        "kind": row.kind,
        "channel": row.channel,
        "title": row.title,
        "text": row.text,
        "category": {
            "code": row.category,
            "name": row.category_name,
            "confidence": row.category_confidence,
            "method": row.category_method,
        },
        "livelihood": row.livelihood,
        "importance": row.importance,
        "urgency": row.urgency,
        "place": place_document(
            row.street, row.community, row.grid, row.place_evidence, row.place_confidence
        ),
        "signs": row.signs,
        "occurred_at": iso(row.occurred_at) if row.occurred_at else None,
        "received_at": iso(row.received_at),
        "withdrawn_at": iso(row.withdrawn_at) if row.withdrawn_at else None,
        "progress": progress.document(row.state, case),
        "media": files,
        "supplements": [{"text": s.text, "at": iso(s.at)} for s in supplements],
        "ratings": [
            {"solved": r.solved, "satisfaction": r.satisfaction, "words": r.words, "at": iso(r.at)}
            for r in ratings
        ],
    }
    if reporter:
        # Not for staff: with it they could rate their own work.
        out["tracking_code"] = row.tracking_code
    else:
        out["submitter"], out["consent"] = row.submitter, row.consent
        out["device_at"] = iso(row.device_at) if row.device_at else None
        out["facts"] = row.facts or {}
    return out


def may_see(work: Work, call: Any, report_id: str) -> None:
    """Problem 404 or 403 unless the caller has the report's tracking code or is staff that may see it."""
    row = find_report(work, report_id)
    if not _has_code(call, row):
        check_staff(call.who, row)


def brief(row: Row[Any], case: Row[Any] | None) -> dict[str, Any]:
    """A line of a reporter's list of his reports; `case`: of `store.progress_of`."""
    said = progress.document(row.state, case)
    return {
        "id": str(row.id),
        "tracking_code": row.tracking_code,
        "kind": row.kind,
        "title": row.title,
        "category": {"code": row.category, "name": row.category_name},
        "received_at": iso(row.received_at),
        "status": said["status"],
        "words": said["words"],
        "expected_at": said["expected_at"],
        "updated_at": said["updated_at"],
    }


def supplement(delivery: Any, call: Any, report_id: str) -> Answer:
    """`POST /reports/<id>/supplements` {text}: 201."""

    def run(work: Work, row: Row[Any], document: dict[str, Any]) -> dict[str, Any]:
        return supplemented(work, call, row, document["text"])

    return reporters(delivery, call, report_id, "supplement", schemas.Supplement, run)


def supplemented(work: Work, call: Any, row: Row[Any], words: str) -> dict[str, Any]:
    """Keeps what the reporter adds to a report that is held locked. Problem 422 when there is nothing to read in it."""
    id_ = str(row.id)
    content = text.shorten(people.mask(text.normal(words)), text.MAX_TEXT)
    if not content:
        raise Problem(
            422,
            "The body breaks the schema",
            problems=[FieldProblem("text", "holds nothing that can be read", "1 to 8000 characters")],
        )
    sequence, at = store.next_version(work, id_), iso(work.now)
    key = vault.sealing_key(work, row, process_keys.current())
    original = vault.seal_original(key, id_, {"text": words})
    row_ = {"report": id_, "sequence": sequence, "text": content, "original": original, "at": at}
    work.insert(store.supplement, [row_])
    emit(work, call, row, "report.supplemented", {"text": content, "at": at}, sequence)
    return {"report": id_, "text": content, "at": at}


def withdraw(delivery: Any, call: Any, report_id: str) -> Answer:
    """`POST /reports/<id>/withdrawal` {reason?}: 201; withdrawn before, the same answer and no event."""

    def run(work: Work, row: Row[Any], document: dict[str, Any]) -> dict[str, Any]:
        if row.state == store.WITHDRAWN:
            return {"report": report_id, "state": store.WITHDRAWN, "at": iso(row.withdrawn_at)}
        return withdrawn(work, call, row, document.get("reason") or "")

    return reporters(delivery, call, report_id, "withdrawal", schemas.Withdrawal, run, even_withdrawn=True)


def withdrawn(work: Work, call: Any, row: Row[Any], said: str) -> dict[str, Any]:
    """Withdraws a report that is held locked; of an appointment the seat is free again."""
    id_, at, reason = str(row.id), iso(work.now), people.mask(text.one_line(said)) or None
    store.withdraw(work, id_, reason, work.now)
    if row.kind == "appointment":
        bookings.free(work, id_, work.now)
    emit(work, call, row, "report.withdrawn", {"reason": reason, "at": at}, store.next_version(work, id_))
    return {"report": id_, "state": store.WITHDRAWN, "at": at}


def rate(delivery: Any, call: Any, report_id: str) -> Answer:
    """`POST /reports/<id>/rating` {solved, satisfaction?, words?}: 201. `solved`: yes, no, or null (doesn't know)."""

    def run(work: Work, row: Row[Any], document: dict[str, Any]) -> dict[str, Any]:
        words = document.get("words") or ""
        return rated(work, call, row, document["solved"], document.get("satisfaction"), words)

    return reporters(delivery, call, report_id, "rating", schemas.Rating, run)


def rated(
    work: Work, call: Any, row: Row[Any], solved: bool | None, satisfaction: int | None, words: str
) -> dict[str, Any]:
    """Keeps whether the reporter of a report that is held locked says that it is solved."""
    id_ = str(row.id)
    sequence, at = store.next_version(work, id_), iso(work.now)
    said = {
        "solved": solved,
        "satisfaction": satisfaction,
        "words": text.shorten(people.mask(text.normal(words)), 1000) or None,
        "at": at,
    }
    work.insert(store.rating, [{"report": id_, "sequence": sequence, **said}])
    told = dict(said)
    if solved is None:
        # Whoever reads `solved` alone gets what the stars speak for.
        told |= {"solved": satisfaction is None or satisfaction >= SATISFIED, "unsure": True}
    emit(work, call, row, "report.rated", told, sequence)
    return {"report": id_, **said}


# -- what they have in common ------------------------------------------------------------------------


def reporters(
    delivery: Any,
    call: Any,
    report_id: str,
    what: str,
    schema: type[Schema],
    run: Callable[[Work, Row[Any], dict[str, Any]], dict[str, Any]],
    *,
    even_withdrawn: bool = False,
) -> Answer:
    """Something only the reporter may do, proven by the tracking code."""
    document = call.json_body(schema)

    def checked(work: Work) -> dict[str, Any]:
        row = find_report(work, report_id, lock=True)
        if not _has_code(call, row):
            raise not_found()
        if row.erased_at is not None:
            raise Problem(
                409, "The report is erased", "its reporter had it erased; nothing can be added to it"
            )
        if row.state == store.WITHDRAWN and not even_withdrawn:
            raise Problem(409, "The report is withdrawn", "nothing can be added to it any more")
        return run(work, row, document)

    # The code is part of the scope: nobody without it gets the first answer by guessing a key.
    code = hashlib.sha256(_code(call).encode()).hexdigest()[:16]
    return once(delivery, call, f"{what}:{report_id}:{code}", document, checked)


def once(
    delivery: Any,
    call: Any,
    scope: str,
    document: dict[str, Any],
    run: Callable[[Work], dict[str, Any]],
) -> Answer:
    """Runs in a transaction: 201; with an `Idempotency-Key` that was used before the first answer again: 200."""
    key, digest = taking.key_of(call), taking.digest_of(document)
    with delivery.work() as work:
        if key:
            before = store.claim_key(work, scope, key, digest)
            if before is not None:
                if before.digest != digest:
                    raise taking.used_otherwise()
                return 200, before.answer
        answer = run(work)
        if key:
            store.keep_answer(work, scope, key, answer)
    return 201, answer


def emit(
    work: Work,
    call: Any,
    row: Row[Any],
    name: str,
    data: dict[str, Any],
    sequence: int,
    street: str | None = None,
) -> None:
    """Tells of something that came to a report; `street` where it isn't the row's any more."""
    work.emit(
        name,
        {"report": str(row.id), **data},
        subject=str(row.id),
        sequence=sequence,
        street=street or row.street,
        traceparent=call.traceparent,
    )


def find_report(work: Work, report_id: str, *, lock: bool = False) -> Row[Any]:
    """A report, held until the end of the transaction if `lock`; Problem 404."""
    if not attachments.is_id(report_id):
        raise not_found()
    row = store.one(work, report_id, lock=lock)
    if row is None:
        raise not_found()
    return row


def not_found() -> Problem:
    # The same for an unknown report and a wrong code: what exists is nobody else's business.
    return Problem(404, "No such report", "there is no report with this id and this tracking code")


def _code(call: Any) -> str:
    return report.read_code(call.args.get("code") or call.headers.get("X-Tracking-Code") or "")


def _has_code(call: Any, row: Row[Any]) -> bool:
    return hmac.compare_digest(_code(call).encode(), row.tracking_code.encode())


def staff_may_see(work: Work, who: Principal | None, report_id: str) -> None:
    """Problem 404 or 403 unless this is staff of a street, a unit or the county that may see the report."""
    row = find_report(work, report_id)
    if who is None or not set(who.roles) & set(STAFF):
        raise not_found()
    check_staff(who, row)


def id_or_none(value: str | None, field: str) -> str | None:
    """An id of a query; Problem 422 when it can't be one."""
    if not value:
        return None
    if not attachments.is_id(value):
        raise Problem(422, "The query is not usable", problems=[FieldProblem(field, "is no id", "a UUID")])
    return value


def check_staff(who: Principal | None, row: Row[Any]) -> None:
    """Staff see the reports of their street and what they sent themselves; the county, units and operators see all."""
    if who is not None and row.submitter == who.subject:
        return
    if who is None or not set(who.roles) & set(STAFF):
        raise not_found()
    if not set(who.roles) & set(_WHOLE_COUNTY) and who.street != row.street:
        raise Problem(403, "Not allowed", "the report belongs to another street")
