"""A person's own rights: to get all that is kept of them, and to have it erased. What stays is in docs/privacy.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from sqlalchemy import Row

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.pages import Words, whole
from jiayuan.chassis.work import Work
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.times import iso

from . import consent, people, report, vault
from .keys import Keys
from .people import Contact
from .store import media as media_rows
from .store import people as stored

CITIZEN: Final = "citizen"
EXPORTED: Final = "exported"
ERASED: Final = "erased"
_SOLVED: Final = {True: "solved_yes", False: "solved_no", None: "solved_unknown"}


def by_handle(work: Work, handle: str) -> str | None:
    """Who is signed in as a citizen."""
    return stored.person_of_handle(work, handle)


def by_phone(work: Work, phone: str, keys: Keys) -> str | None:
    """Who reports with this number."""
    handle = people.handle_of(Contact(phone=phone), keys.secret)
    return stored.person_of_handle(work, handle) if handle else None


def by_code(work: Work, code: str, phone: str, keys: Keys) -> str | None:
    """Whose report it is, for somebody who has its tracking code and knows the number that it was made with.

    The code alone is enough where the report names nobody, or where the person is erased already. None: there is no
    such report. Problem 403: the number is missing or another; a code alone can have been seen over a shoulder.
    """
    found = stored.report_by_code(work, report.read_code(code))
    if found is None:
        return None
    if found.reporter is None or found.erased_at is not None:
        return str(found.reporter or found.id)
    handle = people.handle_of(Contact(phone=phone), keys.secret) if phone else None
    if handle is None or stored.person_of_handle(work, handle) != found.reporter:
        said = "is missing" if not phone else "is not the number that the report was made with"
        raise Problem(
            403,
            "Not allowed",
            "the tracking code shows one report; all that is kept of a person needs the phone number too",
            problems=[
                FieldProblem(
                    "phone", said, "the number that the report was made with, or sign in as a citizen"
                )
            ],
        )
    return str(found.reporter)


# -- export --------------------------------------------------------------------------------------------


def export(work: Work, person: str, keys: Keys, *, asked_by: str, why: str) -> dict[str, Any]:
    """All that intake keeps of a person, in clear. Logged. Problem 410 when it was erased."""
    before = stored.erased(work, person)
    if before is not None:
        raise Problem(410, "Erased", f"all of it was erased at {iso(before.at)}")
    rows = stored.reports_of(work, person)
    ids = [row.id for row in rows]
    ratings: dict[str, list[dict[str, Any]]] = {}
    for r in stored.ratings_of(work, ids):
        ratings.setdefault(r.report, []).append(
            {"solved": r.solved, "satisfaction": r.satisfaction, "words": r.words, "at": iso(r.at)}
        )
    reports = [_report(work, row, ratings.get(row.id, []), keys) for row in rows]
    stored.log_person(work, EXPORTED, person, len(rows), asked_by, why)
    return {
        "person": person,
        "exported_at": iso(work.now),
        "contacts": _distinct([r["contact"] for r in reports if r["contact"]]),
        "reports": reports,
        "consents": {
            v: c.document() for v, c in consent.versions().items() if any(r["consent"] == v for r in reports)
        },
    }


def _report(work: Work, row: Row[Any], ratings: Sequence[Mapping[str, Any]], keys: Keys) -> dict[str, Any]:
    opened = vault.open_report(work, row, keys)
    return {
        "id": row.id,
        "tracking_code": row.tracking_code,
        "kind": row.kind,
        "channel": row.channel,
        "source_system": row.source_system,
        "external_id": row.external_id,
        "received_at": iso(row.received_at),
        "occurred_at": iso(row.occurred_at) if row.occurred_at else None,
        "device_at": iso(row.device_at) if row.device_at else None,
        "state": row.state,
        "withdrawn_at": iso(row.withdrawn_at) if row.withdrawn_at else None,
        "withdrawn_reason": row.withdrawn_reason,
        "consent": row.consent,
        "original": dict(opened.original),
        "contact": {k: v for k, v in opened.contact.items() if v},
        "secrets": dict(opened.secrets),
        "facts": row.facts or {},
        "shown": {"title": row.title, "text": row.text},
        "category": {"code": row.category, "name": row.category_name},
        "importance": row.importance,
        "urgency": row.urgency,
        "place": {
            "street": row.street,
            "community": row.community,
            "grid": row.grid,
            "evidence": row.place_evidence,
            "lat": row.lat,
            "long": row.long,
        },
        "supplements": [dict(s) for s in opened.supplements],
        "ratings": list(ratings),
        "files": [
            {"digest": m.digest, "kind": m.kind, "type": m.type, "size": m.size}
            for m in media_rows.of_report(work, row.id)
        ],
    }


def _distinct(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    for item in items:
        if item not in out:
            out.append(item)
    return out


def page(words: Words, document: Mapping[str, Any]) -> str:
    """An export as a page that anybody can read, print and keep; it loads nothing from anywhere."""
    contacts = "".join(f"<li>{escape(_contact(words, c))}</li>" for c in document["contacts"])
    parts = [
        f"<p>{words('exported', at=document['exported_at'], count=len(document['reports']))}</p>",
        f"<h2>{words('contact')}</h2>",
        f"<ul>{contacts}</ul>" if contacts else f"<p>{words('no_contact')}</p>",
    ]
    for item in document["reports"]:
        kind = words("kind_" + item["kind"])
        parts.append(f"<h2>{escape(item['tracking_code'])} {kind}</h2><dl>")
        for name, value in _lines(words, item):
            parts.append(f'<dt>{escape(name)}</dt><dd><pre class="text">{escape(value)}</pre></dd>')
        parts.append("</dl>")
    for version, given in document["consents"].items():
        parts.append(f"<h2>{escape(given['title'])} ({escape(version)})</h2>")
        parts.append(f'<pre class="text">{escape(given["text"])}</pre>')
    return whole(words, words("title"), "".join(parts), switch=None)


def _contact(words: Words, contact: Mapping[str, Any]) -> str:
    return words.plain("and").join(f"{words.plain(f'contact_{k}')} {v}" for k, v in contact.items())


def _lines(words: Words, item: Mapping[str, Any]) -> list[tuple[str, str]]:
    original, plain, also = item["original"], words.plain, words.plain("and")
    lines = [
        (plain("received"), item["received_at"]),
        (plain("state"), plain("withdrawn" if item["state"] == "withdrawn" else "taken")),
        (plain("own_title"), original.get("title") or ""),
        (plain("own_text"), original.get("text") or ""),
        (plain("own_place"), original.get("place") or ""),
        (plain("shown"), f"{item['shown']['title']}\n{item['shown']['text']}"),
        (plain("category"), item["category"]["name"] or ""),
        (
            plain("place"),
            also.join(filter(None, (item["place"][k] for k in ("street", "community", "grid")))),
        ),
        (plain("secrets"), also.join(f"{k} {v}" for k, v in item["secrets"].items())),
        (plain("files"), also.join(f["digest"][:12] + " " + f["type"] for f in item["files"])),
        (plain("consent"), item["consent"] or ""),
    ]
    lines += [(plain("supplement", at=s["at"]), s.get("text") or "") for s in item["supplements"]]
    lines += [
        (
            plain("rating", at=r["at"]),
            f"{plain(_SOLVED[r['solved']])} {r['satisfaction'] or ''} {r['words'] or ''}".strip(),
        )
        for r in item["ratings"]
    ]
    return [(name, value) for name, value in lines if value]


# -- erasure -------------------------------------------------------------------------------------------


def erase(work: Work, person: str, *, asked_by: str, why: str) -> dict[str, Any]:
    """Erases a person; the first answer again when that has been done. Logged, and told to who holds copies.

    The key's row is held first, so that no report is sealed with it in the meantime. Figures stay: the category, place,
    times, ratings and states of reports, under a pseudonym that leads to nobody.
    """
    held = stored.person_key_of(work, person, lock=True)
    before = stored.erased(work, person)
    if before is not None:
        return _erased(person, iso(before.at), before.reports)
    ids = [row.id for row in stored.reports_of(work, person)]
    stored.erase_words(work, ids, work.now)
    stored.forget_likeness(work, ids)
    media_rows.forget(work, ids)
    stored.forget_answers(work, held.handle if held is not None else person, ids)
    stored.drop_key(work, person)
    stored.log_person(work, ERASED, person, len(ids), asked_by, why)
    if person.startswith("p"):
        # An anonymous report's contact has never left intake.
        work.emit("person.erased", {"reporter": person, "at": iso(work.now)}, subject=person)
    return _erased(person, iso(work.now), len(ids))


def _erased(person: str, at: str, reports: int) -> dict[str, Any]:
    return {"person": person, "state": ERASED, "at": at, "reports": reports}
