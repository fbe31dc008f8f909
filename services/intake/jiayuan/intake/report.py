"""From what somebody sent to a clean report. Pure: no database, no bus, no keys, and no channel is special."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from jiayuan.chassis.errors import EXIT_CONFIG, StartError
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.envelope import Event
from jiayuan.contracts.times import iso, parse

from . import catalogues, classifier, consent, people, place, text
from . import category as categories
from .category import Catalogue, Guess, Sign
from .classifier import Classifier
from .people import Contact
from .place import Found, Gazetteer

_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CODE_PREFIX: Final = "XP"
_CODE_LENGTH: Final = 10  # 50 bits
# What a report says of itself, when the sender gave no kind. Only the title's first words are clear enough.
_KINDS: Final = (("consultation", ("咨询", "请问", "询问")), ("praise", ("表扬", "感谢", "点赞")))


@dataclass(frozen=True, slots=True)
class Submission:
    """What came in, whatever the channel. `source_system` and `external_id` together name it for ever.

    `crs` is the coordinates' system: wgs84, gcj02 or bd09. `person` is the handle of a reporter who has signed in (else
    the contact tells who it is). `attachments` are digests of media, `consent` the version that the reporter agreed to,
    `submitter` who of the staff sent it for somebody, `device_at` the time by the device's own clock. `facts` is what
    only this channel says of it, ready for JSON and with nothing personal in it; what is personal goes into
    `secrets`, which is sealed. `dialogue`: its sender reads the answer and can be asked back.
    """

    channel: str
    text: str
    title: str = ""
    kind: str = ""
    category: str = ""
    place_code: str = ""
    place_text: str = ""
    lat: float | None = None
    long: float | None = None
    crs: str = "wgs84"
    contact: Contact = field(default_factory=Contact)
    person: str = ""
    occurred_at: datetime | None = None
    received_at: datetime | None = None
    source_system: str = ""
    external_id: str = ""
    attachments: tuple[str, ...] = ()
    consent: str = ""
    submitter: str = ""
    device_at: datetime | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, Any] = field(default_factory=dict)
    dialogue: bool = False
    cause: Event | None = None
    traceparent: str = ""

    @property
    def key(self) -> tuple[str, str] | None:
        """What makes it the same when it is sent again; None when the sender gave nothing."""
        return (self.source_system, self.external_id) if self.external_id else None


@dataclass(frozen=True, slots=True)
class CleanReport:
    """A report in normal form, masked, with its place, category and signs."""

    kind: str
    title: str
    text: str
    guess: Guess
    place: Found
    signs: tuple[Sign, ...]
    importance: int
    urgency: int
    livelihood: bool
    masked: bool


class BadSubmission(ValueError):
    """A submission that can't become a report; `problems` says which fields and why."""

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(f"{p.field}: {p.problem}" for p in self.problems))


@dataclass(frozen=True, slots=True)
class Rules:
    """What cleaning goes by."""

    gazetteer: Gazetteer
    catalogue: Catalogue
    classifier: Classifier


_rules: Rules | None = None


def rules() -> Rules:
    """The rules in force in this process: those that come with intake, until others are used."""
    global _rules
    if _rules is None:
        _rules = Rules(place.bundled(), categories.bundled(), classifier.bundled())
    return _rules


def use(**changed: Any) -> None:
    """Puts other rules in force, by their names in `Rules`, from the next report on."""
    global _rules
    _rules = replace(rules(), **changed)


def use_catalogue(path: str) -> None:
    """Puts the catalogue in a file in force, without a model; "" leaves the one that comes with intake.

    StartError (exit code 3) when it can't be used.
    """
    if path:
        try:
            catalogue = catalogues.read(Path(path))
        except catalogues.BadCatalogue as error:
            raise StartError(EXIT_CONFIG, f"the catalogue of intake can't be used: {error}") from None
        use(catalogue=catalogue, classifier=Classifier(catalogue))


def plain_and_masked(submission: Submission) -> tuple[str, str, str]:
    """A submission's text in normal form, the same masked, and its title masked; "" where there is none."""
    plain = text.normal(submission.text)
    title = text.one_line(submission.title) if submission.title else ""
    content, title = people.mask_together(plain, title)
    return plain, content, title


def clean(submission: Submission, by: Rules) -> CleanReport:
    """The clean report of a submission; BadSubmission when there is none in it."""
    plain, content, title = plain_and_masked(submission)
    problems = _problems(submission, content, by)
    if problems:
        raise BadSubmission(problems)
    masked = content != plain
    content = text.shorten(content, text.MAX_TEXT)
    # A title made from the text says nothing that the text hasn't said: it must not count a second time.
    given = text.shorten(title, text.MAX_TITLE)
    title = given or text.title_of(content)
    guess = by.classifier.classify(given, content, submission.category)
    found = by.gazetteer.locate(
        code=submission.place_code,
        words=text.one_line(submission.place_text) if submission.place_text else "",
        title=given,
        text=content,
        lat=submission.lat,
        long=submission.long,
        crs=submission.crs,
    )
    signs = tuple(by.catalogue.signs(title, content))
    return CleanReport(
        kind=submission.kind or _kind(title),
        title=title,
        text=content,
        guess=guess,
        place=found,
        signs=signs,
        # Danger is urgent whatever the matter is called.
        importance=3 if signs else guess.category.importance,
        urgency=3 if signs else guess.category.urgency,
        livelihood=guess.category.livelihood,
        masked=masked,
    )


def _problems(submission: Submission, content: str, by: Rules) -> list[FieldProblem]:
    out = []
    if not content:
        out.append(FieldProblem("text", "holds nothing that can be read", "1 to 8000 characters"))
    if submission.consent and submission.consent not in consent.versions():
        out.append(
            FieldProblem(
                "consent", f"is no version of ours: {submission.consent}", ", ".join(consent.versions())
            )
        )
    if submission.category and submission.category not in by.catalogue.categories:
        out.append(
            FieldProblem(
                "category", f"is unknown: {submission.category}", "a code of the catalogue of matters"
            )
        )
    if submission.place_code and not submission.place_code.startswith(by.gazetteer.county):
        out.append(
            FieldProblem(
                "place.code", f"is outside the county: {submission.place_code}", f"{by.gazetteer.county}…"
            )
        )
    if (submission.lat is None) != (submission.long is None):
        missing = "lat" if submission.lat is None else "long"
        out.append(FieldProblem(f"place.{missing}", "is missing", "lat and long go together"))
    return out


def _kind(title: str) -> str:
    for kind, words in _KINDS:
        if title.startswith(words):
            return kind
    return "problem"


def from_document(
    document: Mapping[str, Any],
    *,
    channel: str,
    source_system: str = "",
    submitter: str = "",
    facts: Mapping[str, Any] | None = None,
    secrets: Mapping[str, Any] | None = None,
    dialogue: bool = False,
    cause: Event | None = None,
    traceparent: str = "",
) -> Submission:
    """A submission from a checked document (`schemas.NewReport` and its like, or the bus's `report.submitted`).

    `channel` and `source_system` are for documents that name none; the rest is the adapter's own.
    """
    where = document.get("place") or {}
    who = document.get("contact") or {}
    occurred, received = document.get("occurred_at"), document.get("received_at")
    device = document.get("device_at")
    return Submission(
        channel=document.get("channel") or channel,
        text=document["text"],
        title=document.get("title") or "",
        kind=document.get("kind") or "",
        category=document.get("category") or "",
        place_code=where.get("code") or "",
        place_text=where.get("text") or "",
        lat=where.get("lat"),
        long=where.get("long"),
        crs=where.get("crs") or "wgs84",
        contact=Contact(
            text.one_line(who.get("name") or ""), who.get("phone") or "", who.get("openid") or ""
        ),
        occurred_at=parse(occurred) if occurred else None,
        received_at=parse(received) if received else None,
        source_system=document.get("source_system") or source_system,
        external_id=document.get("external_id") or "",
        attachments=tuple(document.get("attachments") or ()),
        consent=document.get("consent") or "",
        submitter=submitter,
        device_at=parse(device) if device else None,
        facts=facts or {},
        secrets=secrets or {},
        dialogue=dialogue,
        cause=cause,
        traceparent=traceparent,
    )


def document(row: Mapping[str, Any]) -> dict[str, Any]:
    """A stored report as its events tell it, without a contact; times are RFC 3339 text or datetimes."""
    told = {
        "id": str(row["id"]),
        "tracking_code": row["tracking_code"],
        "kind": row["kind"],
        "channel": row["channel"],
        "source_system": row["source_system"],
        "external_id": row["external_id"],
        "title": row["title"],
        "text": row["text"],
        "category": {
            "code": row["category"],
            "name": row["category_name"],
            "confidence": row["category_confidence"],
            "method": row["category_method"],
        },
        "livelihood": row["livelihood"],
        "importance": row["importance"],
        "urgency": row["urgency"],
        "place": {
            "street": row["street"],
            "community": row["community"],
            "grid": row["grid"],
            "evidence": row["place_evidence"],
            "confidence": row["place_confidence"],
        },
        "signs": row["signs"],
        "reporter": row["reporter"],
        "occurred_at": _time(row["occurred_at"]),
        "received_at": _time(row["received_at"]),
    }
    if row["kind"] == "appointment" and (booked := _booked(row.get("facts"))) is not None:
        told["appointment"] = booked
    return told


def _booked(facts: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The seat at a service point that the report is the booking of."""
    if not facts or not facts.get("service_point"):
        return None
    return {"point": facts["service_point"], "service": facts["service"], "starts_at": facts["starts_at"]}


def _time(value: str | datetime | None) -> str | None:
    return iso(value) if isinstance(value, datetime) else value


def tracking_code() -> str:
    """A new tracking code: short, readable, not to be guessed; it is all that a reporter needs to ask again."""
    return _CODE_PREFIX + "".join(_CROCKFORD[b & 31] for b in secrets.token_bytes(_CODE_LENGTH))


def read_code(typed: str) -> str:
    """A tracking code as somebody typed it, in its one form: no blanks or dashes, O for 0, I and L for 1."""
    plain = "".join(c for c in text.normal(typed).upper() if c.isalnum())
    head, tail = plain[:2], plain[2:]
    return head + tail.translate(str.maketrans("OIL", "011"))
