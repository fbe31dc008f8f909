"""From our rows to Open311's records. Pure. What is shown to everybody is decided here."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from jiayuan.contracts.times import parse

from ... import progress, report, text
from ...place import Gazetteer
from .answers import w3c
from .places import Directory, Jurisdiction, Service

CLOSED: Final = ("resolved", "closed", "voided")
# What the extended statuses of FixMyStreet's clients are for our steps.
_EXTENDED: Final = {
    "received": "open",
    "open": "open",
    "opened": "open",
    "assigned": "action_scheduled",
    "accepted": "in_progress",
    "answered": "in_progress",
    "done": "in_progress",
    "returned": "action_scheduled",
    "paused": "investigating",
    "resumed": "in_progress",
    "extended": "in_progress",
    "note": "in_progress",
    "merged": "in_progress",
    "resolved": "fixed",
    "closed": "fixed",
    "voided": "no_further_action",
    "withdrawn": "closed",
}
_SAYS_NO_STATUS: Final = ("note", "extended", "merged")
# Matters whose words lead to a person even when no name is in them: listed, but without words and closer place.
_PRIVATE_KINDS: Final = ("dispute",)
_PRIVATE_SIGNS: Final = ("self_harm", "violence")
_MAX_DESCRIPTION: Final = 4000


def is_closed(case: Mapping[str, Any]) -> bool:
    """Whether a case of an event is closed as Open311 means it: it has been resolved, or there is nothing to do."""
    return case["state"] in CLOSED


def record(
    row: Any,
    case: Any | None,
    directory: Directory,
    jurisdiction: Jurisdiction,
    *,
    extensions: bool = False,
    media_url: str | None = None,
) -> dict[str, Any]:
    """A service request as everybody may see it: masked words, no contact, no tracking code.

    `row` is of `store.open311.page`, `case` its case of `store.progress_of`. Times are W3CDTF; what is unknown is None.
    """
    private = is_private(row)
    status = progress.status_of(row.state, case)
    closed_at = _closed_at(row, case)
    service = directory.services.get(row.category)
    agency = progress.document(row.state, case)["handled_by"]
    lat, long = where(row, jurisdiction, coarse=private)
    places = [c for c in (row.street, None if private else row.community) if c]
    out: dict[str, Any] = {
        "service_request_id": str(row.id),
        "status": "closed" if closed_at is not None else "open",
        "status_notes": _status_notes(status, case, show_notes=jurisdiction.show_notes and not private),
        "service_name": row.category_name,
        "service_code": row.category,
        "description": None if private else text.shorten(row.text, _MAX_DESCRIPTION),
        "agency_responsible": agency["words"] or None if agency else None,
        "service_notice": None,
        "requested_datetime": w3c(row.received_at),
        "updated_datetime": w3c(closed_at or _updated(row, case)),
        "expected_datetime": w3c(case.expected_at) if case is not None else None,
        "address": _address(places) or None,
        "address_id": places[-1] if places else None,
        "zipcode": directory.zipcode or None,
        "lat": lat,
        "long": long,
        "media_url": None if private else media_url,
    }
    if extensions:
        out["notes"] = [] if private else notes(row, case, jurisdiction)
        out["extended_attributes"] = {
            "title": None if private else row.title,
            "status_detail": _EXTENDED.get(status, "open"),
            "service_group": service.group if service else None,
            "channel": row.channel,
            "case_number": case.number if case is not None else None,
            "closed_datetime": w3c(closed_at),
        }
    return out


def is_private(row: Any) -> bool:
    """Whether its words and closer place are nobody else's business."""
    return row.kind in _PRIVATE_KINDS or any(s["code"] in _PRIVATE_SIGNS for s in row.signs)


def _closed_at(row: Any, case: Any | None) -> datetime | None:
    if row.withdrawn_at is not None:
        return row.withdrawn_at
    if case is None or case.state not in CLOSED:
        return None
    # Resolved is when the work was done; that the books are closed days later is no news to anybody.
    return case.resolved_at or case.closed_at or case.updated_at


def _updated(row: Any, case: Any | None) -> datetime:
    return max(row.received_at, case.updated_at) if case is not None else row.received_at


def _status_notes(status: str, case: Any | None, *, show_notes: bool) -> str:
    words = progress.PUBLIC_WORDS[status]
    if show_notes and case is not None and case.notes:
        newest = max(case.notes, key=int)
        return f"{words}。{case.notes[newest]['text']}"
    return words


def _address(codes: list[str]) -> str:
    """Names from the closest to the widest, as the specification wants it."""
    gazetteer: Gazetteer = report.rules().gazetteer
    names = [gazetteer.nodes[c].name for c in reversed(codes) if c in gazetteer.nodes]
    return "，".join([*names, gazetteer.county_name]) if names else ""


def where(row: Any, jurisdiction: Jurisdiction, *, coarse: bool) -> tuple[float | None, float | None]:
    """Latitude and longitude, WGS-84: as exact as the jurisdiction shows them, else the street's centre."""
    if row.lat is not None and row.long is not None and not coarse and _inside(row.lat, row.long):
        digits = 6 if jurisdiction.location == "exact" else 3
        return round(row.lat, digits), round(row.long, digits)
    centre = report.rules().gazetteer.centre(row.street) if row.street else None
    return (round(centre[0], 3), round(centre[1], 3)) if centre else (None, None)


def _inside(lat: float, long: float) -> bool:
    west, south, east, north = report.rules().gazetteer.box
    return west <= long <= east and south <= lat <= north


def notes(row: Any, case: Any | None, jurisdiction: Jurisdiction) -> list[dict[str, Any]]:
    """The steps of a request, the oldest first: datetime, description, type."""
    return [
        {"datetime": w3c(at), "description": words, "type": step}
        for at, step, words in steps(row, case, jurisdiction)
    ]


def steps(row: Any, case: Any | None, jurisdiction: Jurisdiction) -> list[tuple[datetime, str, str]]:
    """(when, step, words) of what happened to a request since it came in."""
    show = jurisdiction.show_notes and not is_private(row)
    out = []
    if case is not None:
        for entry in progress.history(case):
            if entry["step"] == "note" and not show:
                continue
            words = entry["words"] + (f"：{entry['note']}" if show and entry.get("note") else "")
            out.append((parse(entry["at"]), entry["step"], words))
    if row.withdrawn_at is not None:
        out.append((row.withdrawn_at, "withdrawn", progress.PUBLIC_WORDS["withdrawn"]))
    return out


def updates(
    row: Any, case: Any | None, jurisdiction: Jurisdiction, start: datetime, end: datetime
) -> list[dict[str, Any]]:
    """The steps within a time as mySociety's clients want them, each with an id that stays the same."""
    out = []
    status = "open"
    for at, step, words in steps(row, case, jurisdiction):
        # A note changes nothing: a client that read "in_progress" from it would open what is done again.
        status = status if step in _SAYS_NO_STATUS else _EXTENDED[step]
        # Clients compare the time that they read, which has no fractions.
        if not start <= at.replace(microsecond=0) <= end:
            continue
        name = hashlib.sha256(f"{row.id}|{step}|{at.isoformat()}".encode()).hexdigest()[:32]
        out.append(
            {
                "update_id": name,
                "service_request_id": str(row.id),
                "status": status,
                "updated_datetime": w3c(at),
                "description": words,
                "media_url": None,
                "external_status_code": step,
            }
        )
    return out


def service(one: Service, jurisdiction: Jurisdiction) -> dict[str, Any]:
    """A service of the list."""
    return {
        "service_code": one.code,
        "service_name": one.name,
        "description": one.description,
        "metadata": bool(one.attributes),
        "type": jurisdiction.type,
        "keywords": one.keywords,
        "group": one.group,
    }


def definition(one: Service) -> dict[str, Any]:
    """What a service asks for."""
    return {
        "service_code": one.code,
        "attributes": [
            {
                "variable": True,
                "code": a.code,
                "datatype": a.datatype,
                "required": a.required,
                "datatype_description": a.datatype_description or None,
                "order": number,
                "description": a.description,
                **({"values": [{"key": k, "name": n} for k, n in a.values.items()]} if a.values else {}),
            }
            for number, a in enumerate(one.attributes, 1)
        ],
    }
