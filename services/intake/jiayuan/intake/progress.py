"""How far a report is: from routing's cases to what reporters and the public read. Pure.

Facts carry their state: a case's history is in its newest event, so nothing has to be gathered step by step. Only what
assignees tell the reporter (notes) is in single events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from importlib import resources
from typing import Any, Final

import yaml

from jiayuan.contracts.envelope import Event
from jiayuan.contracts.times import iso, parse

from . import people, text

LEVELS: Final = {"grid": "网格", "community": "社区总网格", "street": "街道", "department": "责任单位"}
# status → what the reporter reads, and the public where it is shorter.
WORDS: Final = {
    "received": "已受理，正在派单",
    "open": "已立案，正在派单",
    "assigned": "已派单，等待签收",
    "accepted": "已签收，办理中",
    "answered": "已答复，办理中",
    "resolved": "已办结，请您确认",
    "closed": "已办结，已归档",
    "voided": "不予受理",
    "merged": "已并入同类工单办理",
    "withdrawn": "已撤回",
}
_CONFIRMED: Final = {
    "satisfied": "已办结，反映人满意",
    "unsatisfied": "已归档，反映人不满意",
    "lapsed": "已办结，逾期未评价",
    "withdrawn": "已撤回",
}
PUBLIC_WORDS: Final = {
    "received": "受理中",
    "open": "受理中",
    "assigned": "办理中",
    "accepted": "办理中",
    "answered": "办理中",
    "resolved": "已办结",
    "closed": "已办结",
    "voided": "不予受理",
    "merged": "办理中",
    "withdrawn": "已撤回",
}
STEPS: Final = {
    "opened": "已立案",
    "assigned": "派单至{who}",
    "accepted": "{who}已签收",
    "answered": "{who}已答复",
    "done": "{who}已办结",
    "returned": "{who}退单，重新派单",
    "paused": "暂缓办理",
    "resumed": "恢复办理",
    "extended": "延长办理时限",
    "resolved": "全部办结，等待确认",
    "closed": "已归档",
    "voided": "不予受理",
    "merged": "并入同类工单",
    "note": "办理情况",
}
_LEG_TIMES: Final = (
    ("offered_at", "assigned"),
    ("accepted_at", "accepted"),
    ("answered_at", "answered"),
    ("done_at", "done"),
)
_TOLD: Final = ("case.answered", "case.resolved")
_MAX_NOTE: Final = 500
_HANDLED: Final = ("open", "assigned", "accepted", "answered")
_ENDS: Final = {"closed": "closed", "voided": "voided", "merged": "merged"}


@lru_cache(maxsize=1)
def units() -> Mapping[str, str]:
    """Names of the county's units by code."""
    raw = (resources.files("jiayuan.intake") / "data" / "units.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(raw)["units"])


def rows_of(events: Sequence[Event]) -> list[dict[str, Any]]:
    """A row for `store.keep_progress` for each case in the events: its newest state, and every note."""
    newest: dict[str, Event] = {}
    notes: dict[str, dict[str, Any]] = {}
    for event in events:
        id_ = event.data["case"]["id"]
        if id_ not in newest or event.sequence > newest[id_].sequence:
            newest[id_] = event
        note = _note(event)
        if note is not None:
            notes.setdefault(id_, {})[str(event.sequence)] = note
    return [_row(event, notes.get(id_, {})) for id_, event in newest.items()]


def _note(event: Event) -> dict[str, Any] | None:
    change = event.data["change"]
    said = change.get("reason")
    if event.name not in _TOLD or not said or change.get("action") not in ("answer", "resolve"):
        return None
    # What an assignee writes for the reporter; a number that slipped in is nobody's to read here either.
    return {"at": change["at"], "text": text.shorten(people.mask(text.normal(said)), _MAX_NOTE)}


def _row(event: Event, notes: dict[str, Any]) -> dict[str, Any]:
    case = event.data["case"]
    expected = _expected(case)
    return {
        "id": case["id"],
        "number": case["number"],
        "sequence": event.sequence,
        "state": case["state"],
        "level": case["level"],
        "confirmed": case.get("confirmed"),
        "ended": case["state"] in ("closed", "voided"),
        "reports": [r["id"] for r in case["reports"]],
        # What a convener decides among units is no handling of the matter.
        "legs": [_leg(leg) for leg in case["legs"] if leg["kind"] != "convene"],
        "pauses": [_pause(p) for p in case.get("pauses") or ()],
        "extensions": [{"at": e["at"], "seconds": e["seconds"]} for e in case.get("extensions") or ()],
        "notes": notes,
        "expected_at": iso(expected) if expected else None,
        "opened_at": case["opened_at"],
        "resolved_at": case.get("resolved_at"),
        "closed_at": case.get("closed_at"),
        "updated_at": event.data["change"]["at"],
    }


def _pause(pause: Mapping[str, Any]) -> dict[str, Any]:
    """A pause with its reason where that is a word to the people: an emergency's is, what staff write is not."""
    out = {"start": pause["start"], "end": pause.get("end")}
    if pause.get("emergency") and pause.get("reason"):
        out["reason"] = pause["reason"]
    return out


def _expected(case: Mapping[str, Any]) -> datetime | None:
    """When the reporter can expect an answer: the promise, and as long as it stood still; None while it stands."""
    if not case.get("citizen_limit"):
        return None
    at = parse(case["first_received_at"]) + timedelta(seconds=case["citizen_limit"])
    pauses = [
        (parse(p["start"]), parse(p["end"]) if p.get("end") else None) for p in case.get("pauses") or ()
    ]
    spans = sorted(pauses, key=lambda p: (p[0], p[1] is None, p[1]))
    seen = None
    for start, end in spans:
        if seen is not None:
            start = max(start, seen)
        if start > at:
            break
        if end is None:
            return None
        if end > start:
            at += end - start
            seen = end
    return at


def _leg(leg: Mapping[str, Any]) -> dict[str, Any]:
    """A leg without whoever holds it, unless that is a unit."""
    out = {k: leg[k] for k in ("kind", "level", "state", "offered_at")}
    for name in ("accepted_at", "answered_at", "done_at", "ended_at"):
        if leg.get(name):
            out[name] = leg[name]
    if leg["assignee"]["type"] == "unit":
        out["unit"] = leg["assignee"]["id"]
    return out


# -- what is read -------------------------------------------------------------------------------------


def status_of(report_state: str, row: Any | None) -> str:
    """The status of a report: `received` until there is a case, then the case's; `withdrawn` wins."""
    if report_state == "withdrawn":
        return "withdrawn"
    return row.state if row is not None else "received"


def document(report_state: str, row: Any | None) -> dict[str, Any]:
    """What a reporter and staff read: status with words, who handles it, when an answer is expected, the history.

    `row` is the case of `store.progress_of`, None while there is none. Nobody's name or id is in it.
    """
    status = status_of(report_state, row)
    out: dict[str, Any] = {
        "status": status,
        "words": WORDS[status],
        "case": None,
        "handled_by": None,
        "expected_at": None,
        "updated_at": None,
        "history": [],
    }
    if row is None:
        return out
    if status in _HANDLED and (standing := _standing(row)) is not None:
        out["words"] = standing.get("reason") or STEPS["paused"]
    if status == "closed":
        out["words"] = _CONFIRMED.get(row.confirmed or "", out["words"])
    return out | {
        "case": row.number,
        "handled_by": _handlers(row),
        "expected_at": iso(row.expected_at) if row.expected_at else None,
        "updated_at": iso(row.updated_at),
        "history": history(row),
    }


def _standing(row: Any) -> Mapping[str, Any] | None:
    """The pause that lasts, of several one with a word to the people."""
    last = [p for p in row.pauses if not p["end"]]
    return max(last, key=lambda p: "reason" in p) if last else None


def _handlers(row: Any) -> dict[str, Any]:
    live = [leg for leg in row.legs if leg["state"] in ("offered", "accepted", "answered", "done")]
    codes = list(dict.fromkeys(leg["unit"] for leg in live if "unit" in leg))
    names = [_unit(code) for code in codes]
    return {
        "level": row.level,
        "words": "、".join(names) if names else LEVELS.get(row.level, ""),
        "units": [{"code": code, "name": name} for code, name in zip(codes, names, strict=True)],
    }


def _unit(code: str) -> str:
    return units().get(code) or f"{LEVELS['department']}（{code}）"


def history(row: Any) -> list[dict[str, Any]]:
    """The steps of a case, oldest first: at, step, words, and the note where the reporter was told something."""
    steps: list[tuple[str, str, str]] = [(iso(row.opened_at), "opened", "")]
    for leg in row.legs:
        who = _unit(leg["unit"]) if "unit" in leg else LEVELS.get(leg["level"], "")
        steps += [(leg[name], step, who) for name, step in _LEG_TIMES if leg.get(name)]
        if leg["state"] == "returned" and leg.get("ended_at"):
            steps.append((leg["ended_at"], "returned", who))
    for pause in row.pauses:
        steps.append((pause["start"], "paused", ""))
        if pause["end"]:
            steps.append((pause["end"], "resumed", ""))
    steps += [(e["at"], "extended", "") for e in row.extensions]
    if row.resolved_at:
        steps.append((iso(row.resolved_at), "resolved", ""))
    if row.closed_at:
        steps.append((iso(row.closed_at), _ENDS.get(row.state, "closed"), ""))
    order = {step: n for n, step in enumerate(STEPS)}
    steps.sort(key=lambda s: (s[0], order[s[1]]))
    why = {p["start"]: p["reason"] for p in row.pauses if "reason" in p}
    told = {n["at"]: n["text"] for _, n in sorted(row.notes.items(), key=lambda i: int(i[0]))}
    out: list[dict[str, Any]] = []
    for at, step, who in steps:
        entry = {"at": at, "step": step, "words": STEPS[step].format(who=who)}
        if step in ("answered", "done") and at in told and not any(e.get("note") == told[at] for e in out):
            entry["note"] = told[at]
        if step == "paused" and at in why:
            entry["note"] = why[at]
        out.append(entry)
    shown = {e["note"] for e in out if "note" in e}
    out += [
        {"at": at, "step": "note", "words": STEPS["note"], "note": said}
        for at, said in told.items()
        if said not in shown
    ]
    return sorted(out, key=lambda e: e["at"])


def public(report_state: str, row: Any | None) -> dict[str, Any]:
    """What everybody may read of a report's state: status, words, and times to the minute."""
    status = status_of(report_state, row)
    return {
        "status": status,
        "words": PUBLIC_WORDS[status],
        "expected_at": minute(row.expected_at) if row is not None else None,
        "resolved_at": minute(row.resolved_at) if row is not None else None,
        "closed_at": minute(row.closed_at) if row is not None else None,
    }


def minute(at: datetime | None) -> str | None:
    """A time to the minute: the second of a call is something a neighbour may have seen."""
    return iso(at.replace(second=0, microsecond=0)) if at is not None else None
