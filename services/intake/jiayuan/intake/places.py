"""Places as the process knows them and as people correct them: the gazetteer in force, and who decides what is open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

from jiayuan.chassis.work import Work
from jiayuan.contracts.times import iso

from . import place, report, store
from .gazetteer import flat
from .place import Choice, Found, Gazetteer
from .store.places import InForce

REPORTER: Final = "reporter"
DESK: Final = "desk"
_loaded: InForce | None = None


def refresh(work: Work) -> bool:
    """Takes up the gazetteer that is in force, if it is another one than this process has; whether it was.

    One statement of three index look-ups when nothing has changed. Called by a timer, never for a report.
    """
    global _loaded
    now = store.in_force(work)
    if now == _loaded:
        return False
    if now == InForce(0, 0, None) and _loaded is None:
        _loaded = now
        return False
    report.use(gazetteer=gazetteer_of(work, now))
    _loaded = now
    return True


def gazetteer_of(work: Work, now: InForce | None = None) -> Gazetteer:
    """The gazetteer in force, or of a given version, with the known fallback points."""
    now = now or store.in_force(work)
    document = store.gazetteer_document(work, now.version) if now.version else place.document()
    known = {(row.lat, row.long) for row in store.fallback_points(work)}
    known |= {(lat, long) for lat, long in flat(document)["county"].get("defaults") or ()}
    if not known and not now.version:
        return place.bundled()
    return Gazetteer(document, known, now.version)


def forget() -> None:
    """Goes back to the bundled gazetteer; for tests, whose databases come and go within one process."""
    global _loaded
    _loaded = None
    report.use(gazetteer=place.bundled())


# -- questions ---------------------------------------------------------------------------------------


def questions(work: Work, found: Sequence[tuple[str, Found, bool]]) -> list[dict[str, Any]]:
    """Rows of `place_question` for (report, its place, can its sender be asked) that a person has to decide."""
    return [
        {
            "report": id_,
            "asked": REPORTER if dialogue else DESK,
            "street": where.street,
            "candidates": [choice_document(c) for c in where.candidates],
            "why": where.evidence,
            "at": iso(work.now),
        }
        for id_, where, dialogue in found
        if where.candidates
    ]


def choice_document(choice: Choice) -> dict[str, Any]:
    """A candidate as it is told."""
    full = report.rules().gazetteer.full_name(choice.code)
    return {**asdict(choice), "name": full or choice.name}


def settle(
    work: Work, report_id: str, code: str | None, by: str, who: str, reason: str | None
) -> Found | None:
    """A person has chosen a place (or that none of the candidates fits: None). None for a code that isn't in the list.

    Sets the report's place and closes the question, if there is one.
    """
    found: Found | None = None
    if code is not None:
        found = report.rules().gazetteer.chosen(code, by)
        if found is None:
            return None
        store.set_place(
            work, report_id, found.street, found.community, found.grid, found.evidence, found.confidence
        )
    store.decide_place(work, report_id, code, who, reason)
    return found


def waited(now: datetime, minutes: float) -> datetime:
    """Who was asked before then has had time enough."""
    return now - timedelta(minutes=minutes)
