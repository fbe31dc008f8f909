"""Reports in, whatever the channel: one function, `receive`, for HTTP, files and the bus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from jiayuan.chassis.work import Work, on
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.envelope import Event
from jiayuan.contracts.ids import new_id
from jiayuan.contracts.times import iso

from . import attachments, joins, models, people, places, progress, report, store, text, vault
from . import category as categories
from . import keys as process_keys
from .classifier import Classifier
from .keys import Keys
from .place import Found
from .report import BadSubmission, CleanReport, Submission
from .vault import Person

ACCEPTED: Final = "accepted"
DUPLICATE: Final = "duplicate"
REFUSED: Final = "refused"


@dataclass(slots=True)
class Receipt:
    """What became of a submission.

    `outcome` is accepted, duplicate (it is here already; `report` and `tracking_code` are those of the first) or
    refused (`problems` says why). `differs`: a duplicate by its key whose text is another. `joined`: it is about the
    matter of an earlier report.
    """

    outcome: str
    report: str = ""
    tracking_code: str = ""
    problems: list[FieldProblem] = field(default_factory=list)
    clean: CleanReport | None = None
    received_at: str = ""
    differs: bool = False
    joined: joins.Found | None = None


def receive(work: Work, submissions: Sequence[Submission], keys: Keys | None = None) -> list[Receipt]:
    """Takes submissions in: cleans, stores and announces each that is new. One receipt each, in their order.

    Four statements whatever their number. What has a key (source_system, external_id) goes in once, however often
    and by however many replicas it is taken.
    """
    keys = keys or process_keys.current()
    rules = report.rules()
    models.refresh(work, rules.classifier)
    receipts: list[Receipt | None] = [None] * len(submissions)
    submissions, unattached = attachments.look(work, submissions)
    taken = store.known(work, {k for s in submissions if (k := s.key) is not None})
    firsts: dict[tuple[str, str], int] = {}
    new: list[int] = []
    for index, submission in enumerate(submissions):
        key = submission.key
        if key is not None and key in taken:
            receipts[index] = _again(submission, taken[key])
        elif key is not None and key in firsts:
            continue  # a copy in the same batch: the first one's receipt is known further down
        else:
            try:
                if index in unattached:
                    raise BadSubmission(unattached[index])
                clean = report.clean(submission, rules)
            except BadSubmission as error:
                receipts[index] = Receipt(REFUSED, problems=error.problems)
                continue
            receipts[index] = Receipt(ACCEPTED, clean=clean)
            new.append(index)
            if key is not None:
                firsts[key] = index
    _store(work, submissions, receipts, new, keys)
    if rules.classifier.shadow is not None:
        _shadow(work, submissions, [(i, r) for i in new if (r := receipts[i]) is not None], rules.classifier)
    for index, submission in enumerate(submissions):
        if receipts[index] is None:
            assert submission.key is not None
            first = receipts[firsts[submission.key]]
            assert first is not None
            differs = submission.text != submissions[firsts[submission.key]].text
            receipts[index] = Receipt(DUPLICATE, first.report, first.tracking_code, differs=differs)
    return [r for r in receipts if r is not None]


def _shadow(
    work: Work, submissions: Sequence[Submission], new: Sequence[tuple[int, Receipt]], by: Classifier
) -> None:
    taken = [
        # A title that was made from the text was not read by the model that decided.
        (r.report, r.clean.title if submissions[i].title.strip() else "", r.clean.text, r.clean.guess)
        for i, r in new
        if r.outcome == ACCEPTED and r.clean is not None
    ]
    models.record(work, by, taken)


def _store(
    work: Work,
    submissions: Sequence[Submission],
    receipts: list[Receipt | None],
    new: list[int],
    keys: Keys,
) -> None:
    # Rows go in by id. Ids are given out in the order of the keys, so that two replicas with the same submissions
    # take the unique keys in the same order and wait for each other instead of locking each other up.
    ids = sorted(new_id() for _ in new)
    order = sorted(new, key=lambda i: (submissions[i].key or ("", ""), i))
    # Whoever has not signed in and gave neither phone nor openid is a person of this one report.
    handles = [submissions[i].person or people.handle_of(submissions[i].contact, keys.secret) for i in order]
    known = vault.persons(work, [h or id_ for h, id_ in zip(handles, ids, strict=True)], keys)
    rows = []
    for id_, index, handle in zip(ids, order, handles, strict=True):
        receipt = receipts[index]
        assert receipt is not None
        rows.append(_row(work, id_, submissions[index], receipt, known[handle or id_], handle is not None))
    inserted = store.add_reports(work, rows)
    lost = [i for i in new if (r := receipts[i]) is not None and r.report not in inserted]
    if lost:
        # Another replica was faster between our look and our insert.
        theirs = store.known(work, {k for i in lost if (k := submissions[i].key) is not None})
        for index in lost:
            key = submissions[index].key
            assert key is not None
            receipts[index] = _again(submissions[index], theirs[key])
    by_id = {row["id"]: row for row in rows}
    attached: list[tuple[str, Submission]] = []
    joined = joins.on_receipt(work, [row for row in rows if row["id"] in inserted])
    unclear: list[tuple[str, Found, bool]] = []
    for index in new:
        receipt = receipts[index]
        assert receipt is not None
        if receipt.outcome == ACCEPTED:
            attached.append((receipt.report, submissions[index]))
            receipt.joined = joined.get(receipt.report)
            if receipt.clean is not None and receipt.clean.place.candidates:
                unclear.append((receipt.report, receipt.clean.place, submissions[index].dialogue))
            _announce(work, by_id[receipt.report], submissions[index], keys, receipt)
    attachments.attach(work, attached)
    if unclear:
        store.ask_place(work, places.questions(work, unclear))


def _again(submission: Submission, first: store.Known) -> Receipt:
    said = text.shorten(report.plain_and_masked(submission)[1], text.MAX_TEXT)
    return Receipt(DUPLICATE, first.id, first.tracking_code, differs=said != first.text)


def _row(
    work: Work, id_: str, submission: Submission, receipt: Receipt, person: Person, named: bool
) -> dict[str, Any]:
    clean = receipt.clean
    assert clean is not None
    # A clock of the sender's that is ahead would give a report time that it doesn't have.
    received = min(submission.received_at or work.now, work.now)
    receipt.report, receipt.tracking_code = id_, report.tracking_code()
    receipt.received_at = iso(received)
    original = {"title": submission.title, "text": submission.text, "place": submission.place_text}
    contact = submission.contact
    return {
        "id": id_,
        "tracking_code": receipt.tracking_code,
        "kind": clean.kind,
        "channel": submission.channel,
        "source_system": submission.source_system or None,
        "external_id": submission.external_id or None,
        "title": clean.title,
        "text": clean.text,
        "original": vault.seal_original(person.key, id_, _storable(original)),
        "category": clean.guess.category.code,
        "category_name": clean.guess.category.name,
        "category_confidence": clean.guess.confidence,
        "category_method": clean.guess.method,
        "livelihood": clean.livelihood,
        "importance": clean.importance,
        "urgency": clean.urgency,
        "street": clean.place.street,
        "community": clean.place.community,
        "grid": clean.place.grid,
        "place_evidence": clean.place.evidence,
        "place_confidence": clean.place.confidence,
        "lat": clean.place.lat,
        "long": clean.place.long,
        "point": clean.place.point,
        "signs": categories.names(clean.signs),
        "reporter": person.pseudonym if named else None,
        "contact": vault.seal_contact(person.key, id_, _storable(contact.document())) if contact else None,
        "occurred_at": iso(submission.occurred_at) if submission.occurred_at else None,
        "device_at": iso(submission.device_at) if submission.device_at else None,
        "received_at": receipt.received_at,
        "lane": work.lane,
        "consent": submission.consent or None,
        "submitter": submission.submitter or None,
        "attachments": submission.attachments or None,
        "facts": submission.facts or None,
        "secrets": vault.seal_secrets(person.key, id_, submission.secrets) if submission.secrets else None,
    }


def _storable(document: dict[str, Any]) -> dict[str, Any]:
    """Lone surrogates have no UTF-8 form; they can come from a file only."""
    return {
        k: v.encode("utf-8", "replace").decode() if isinstance(v, str) and not v.isascii() else v
        for k, v in document.items()
    }


def _announce(work: Work, row: dict[str, Any], submission: Submission, keys: Keys, receipt: Receipt) -> None:
    contact, join = None, receipt.joined
    if row["reporter"] is not None:
        # Only who has a pseudonym can be reached: a name alone stays here. This copy is for notify, sealed with a key
        # that it has too; it goes when `person.erased` is heard.
        contact = keys.sealer.seal(_storable(submission.contact.document()), row["reporter"])
    data: dict[str, Any] = {"report": {**report.document(row), "contact": contact}}
    if receipt.clean is not None and receipt.clean.guess.confidence < categories.UNSURE:
        data["report"]["candidates"] = report.rules().catalogue.candidates(receipt.clean.guess)
    if join is not None:
        data["joined"] = join.document()
    work.emit(
        "report.received",
        data,
        subject=row["id"],
        sequence=1,
        street=row["street"],
        cause=submission.cause,
        traceparent=submission.traceparent,
    )


def case_changed(work: Work, events: Sequence[Event]) -> None:
    """`case.*`: what became of reports. Old and repeated events change nothing: the newest sequence of a case wins."""
    rows = progress.rows_of(events)
    store.keep_progress(work, rows)
    # Opened and given to somebody is as far as the first two steps go: they judge nothing, and take nothing back.
    judging = [row["id"] for row in rows if row["sequence"] > 2]
    if judging:
        store.judge(work, judging)


def promised(work: Work, events: Sequence[Event]) -> None:
    """`clock.promised`: until when reporters are to have an answer, where sla counts otherwise than the case."""
    newest: dict[str, Event] = {}
    for event in events:
        known = newest.get(event.data["case"])
        if known is None or event.sequence > known.sequence:
            newest[event.data["case"]] = event
    rows = [
        {
            "case_id": case,
            "sequence": event.sequence,
            "differs": event.data["differs"],
            "due_at": event.data.get("due_at"),
        }
        for case, event in newest.items()
    ]
    store.keep_promises(work, rows)


HANDLERS: Final = [
    on("case.*", case_changed, repeatable=True),
    on("clock.promised", promised, repeatable=True),
]
