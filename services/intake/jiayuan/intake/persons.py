"""A person's own rights: to get all that is kept of them, and to have it erased. What stays is in docs/privacy.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from sqlalchemy import Row

from jiayuan.chassis.errors import Problem
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
_KIND_NAMES: Final = {
    "problem": "问题",
    "information": "信息",
    "consultation": "咨询",
    "appointment": "预约服务",
    "dispute": "纠纷",
    "wish": "微心愿",
    "praise": "表扬",
}
_SOLVED: Final = {True: "已解决", False: "未解决", None: "不清楚是否解决"}


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


def page(document: Mapping[str, Any]) -> str:
    """An export as a page that anybody can read, print and keep; it loads nothing from anywhere."""
    parts = [
        '<!doctype html><html lang="zh-CN"><meta charset="utf-8"><title>我的个人信息</title>',
        "<style>body{font:16px/1.7 sans-serif;max-width:46em;margin:2em auto;padding:0 1em}"
        "dt{font-weight:bold}pre{white-space:pre-wrap;font:inherit}</style><h1>我的个人信息</h1>",
        f"<p>导出时间 {escape(document['exported_at'])}，共 {len(document['reports'])} 件诉求。</p>",
        "<h2>联系方式</h2>",
        _list([_contact(c) for c in document["contacts"]]) or "<p>没有留下联系方式。</p>",
    ]
    for item in document["reports"]:
        parts.append(f"<h2>{escape(item['tracking_code'])} {_KIND_NAMES.get(item['kind'], '')}</h2>")
        parts.append(_table(_lines(item)))
    for version, given in document["consents"].items():
        parts.append(
            f"<h2>{escape(given['title'])}（{escape(version)}）</h2><pre>{escape(given['text'])}</pre>"
        )
    return "".join(parts)


def _contact(contact: Mapping[str, Any]) -> str:
    names = {"name": "姓名", "phone": "电话", "openid": "微信标识"}
    return "，".join(f"{names.get(k, k)} {v}" for k, v in contact.items())


def _lines(item: Mapping[str, Any]) -> list[tuple[str, str]]:
    original = item["original"]
    lines = [
        ("收到时间", item["received_at"]),
        ("状态", "已撤回" if item["state"] == "withdrawn" else "已受理"),
        ("您写的标题", original.get("title") or ""),
        ("您写的内容", original.get("text") or ""),
        ("您写的地点", original.get("place") or ""),
        ("承办人员看到的", f"{item['shown']['title']}\n{item['shown']['text']}"),
        ("类别", item["category"]["name"] or ""),
        ("地点编码", "、".join(filter(None, (item["place"][k] for k in ("street", "community", "grid"))))),
        ("渠道另记", "，".join(f"{k} {v}" for k, v in item["secrets"].items())),
        ("文件", "、".join(f["digest"][:12] + " " + f["type"] for f in item["files"])),
        ("同意书版本", item["consent"] or ""),
    ]
    lines += [(f"补充 {s['at']}", s.get("text") or "") for s in item["supplements"]]
    lines += [
        (
            f"评价 {r['at']}",
            f"{_SOLVED[r['solved']]} {r['satisfaction'] or ''} {r['words'] or ''}".strip(),
        )
        for r in item["ratings"]
    ]
    return [(name, value) for name, value in lines if value]


def _list(lines: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>" if lines else ""


def _table(lines: Sequence[tuple[str, str]]) -> str:
    return (
        "<dl>" + "".join(f"<dt>{escape(n)}</dt><dd><pre>{escape(v)}</pre></dd>" for n, v in lines) + "</dl>"
    )


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
