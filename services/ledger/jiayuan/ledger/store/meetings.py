"""SQL of joint meetings: the meeting and its decisions, and what its agenda is drafted from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from jiayuan.chassis.work import Work
from jiayuan.contracts.times import iso

from ..meeting.agenda import REFUSING, SETTLING
from .breaches import COUNTS
from .tables import meeting, meeting_act, meeting_addendum, meeting_decision

_MEETING: Final = (
    "SELECT id, street, quarter, number, state, title, organ, place, chair, begins_at, agenda, attendance, minutes,"
    " notes, units, signatures, digest, drafted_at, drafted_by, held_at, published_at, published_by FROM meeting"
)
_DECISION: Final = (
    'SELECT id, meeting_id, number, text, becomes, unit, assistants, person, due_at, "case", entry_id, category,'
    " outcome, reason, answered_at FROM meeting_decision"
)


# -- the meeting -----------------------------------------------------------------------------------------------


def add_meeting(work: Work, row: dict[str, Any]) -> bool:
    """Begins a meeting; False when the street has one of this quarter and number."""
    made = work.insert(
        meeting, [row], conflict="ON CONFLICT (street, quarter, number) DO NOTHING", returning="id"
    )
    return len(list(made)) == 1


def meeting_of(work: Work, id_: str, *, lock: bool = False) -> Any:
    """A meeting, or None."""
    return work.execute(
        f"{_MEETING} WHERE id = CAST(:id AS uuid){' FOR UPDATE' if lock else ''}", id=id_
    ).first()


def meeting_for(work: Work, street: str, quarter: str, number: int) -> Any:
    """The meeting of a street about a quarter, locked, or None."""
    return work.execute(
        f"{_MEETING} WHERE street = :street AND quarter = :quarter AND number = :number FOR UPDATE",
        street=street,
        quarter=quarter,
        number=number,
    ).first()


def find_meetings(work: Work, *, street: str | None, quarter: str | None, state: str | None) -> list[Any]:
    """Meetings, the newest quarter first; at most 500."""
    return list(
        work.execute(
            f"{_MEETING} WHERE (CAST(:street AS text) IS NULL OR street = :street)"
            " AND (CAST(:quarter AS text) IS NULL OR quarter = :quarter)"
            " AND (CAST(:state AS text) IS NULL OR state = :state)"
            " ORDER BY quarter DESC, street, number LIMIT 500",
            street=street,
            quarter=quarter,
            state=state,
        )
    )


def change_meeting(work: Work, id_: str, **values: Any) -> None:
    """Writes columns of a meeting that this transaction has locked."""
    work.update(meeting, [{"id": id_, **values}])


def add_act(work: Work, meeting_id: str, action: str, actor: str, facts: dict[str, Any]) -> None:
    """Keeps who did what; the meeting is locked, so that numbers follow each other."""
    row = {"meeting_id": meeting_id, "number": _next(work, "meeting_act", meeting_id)}
    work.insert(meeting_act, [{**row, "action": action, "actor": actor, "at": iso(work.now), "facts": facts}])


def acts_of(work: Work, meeting_id: str) -> list[Any]:
    """What was done to a meeting, the oldest first."""
    return list(
        work.execute(
            "SELECT number, action, actor, at, facts FROM meeting_act WHERE meeting_id = CAST(:id AS uuid)"
            " ORDER BY number",
            id=meeting_id,
        )
    )


def add_addendum(work: Work, meeting_id: str, says: str, by: str) -> int:
    """Adds to a meeting that is locked; the number."""
    number = _next(work, "meeting_addendum", meeting_id)
    row = {"meeting_id": meeting_id, "number": number, "text": says, "by": by, "at": iso(work.now)}
    work.insert(meeting_addendum, [row])
    return number


def addenda_of(work: Work, meeting_id: str) -> list[Any]:
    """What was added, the oldest first."""
    return list(
        work.execute(
            'SELECT number, text, "by", at FROM meeting_addendum WHERE meeting_id = CAST(:id AS uuid)'
            " ORDER BY number",
            id=meeting_id,
        )
    )


def _next(work: Work, table: str, meeting_id: str) -> int:
    last: int = work.execute(
        f"SELECT coalesce(max(number), 0) FROM {table} WHERE meeting_id = CAST(:id AS uuid)", id=meeting_id
    ).scalar_one()
    return last + 1


# -- decisions -------------------------------------------------------------------------------------------------


def decisions_of(work: Work, meeting_id: str) -> list[Any]:
    """The decisions of a meeting by number."""
    return list(
        work.execute(f"{_DECISION} WHERE meeting_id = CAST(:id AS uuid) ORDER BY number", id=meeting_id)
    )


def add_decision(work: Work, row: dict[str, Any]) -> None:
    """A new decision of a meeting that is locked."""
    work.insert(meeting_decision, [row])


def change_decision(work: Work, id_: str, **values: Any) -> None:
    """Writes columns of a decision whose meeting is locked."""
    work.update(meeting_decision, [{"id": id_, **values}])


def drop_decision(work: Work, meeting_id: str, number: int) -> None:
    """Takes a decision out; those after it move up."""
    said = {"id": meeting_id, "number": number}
    work.execute(
        "DELETE FROM meeting_decision WHERE meeting_id = CAST(:id AS uuid) AND number = :number", **said
    )
    work.execute(
        "UPDATE meeting_decision SET number = number - 1"
        " WHERE meeting_id = CAST(:id AS uuid) AND number > :number",
        **said,
    )


def answer(work: Work, answers: Sequence[tuple[str, str, str | None, str]]) -> None:
    """Keeps what routing answered (decision, outcome, reason, when) where it is waited for."""
    if answers:
        rows = [
            {"id": d, "outcome": outcome, "reason": why, "answered_at": at} for d, outcome, why, at in answers
        ]
        work.update(meeting_decision, rows, where="t.outcome = 'waiting'")


# -- what an agenda is drafted from ----------------------------------------------------------------------------


def stalled(work: Work, street: str, before: datetime, most: int) -> list[Any]:
    """Open entries of a street without a posting since `before`, or past what was promised; the longest first."""
    return list(
        work.execute(
            "SELECT e.id, e.item, e.title, e.unit, e.case_id, e.due_at, p.last, b.breached FROM entry e"
            " JOIN LATERAL (SELECT max(p.at) AS last FROM entry x JOIN posting p ON p.entry_id = x.id"
            "   WHERE x.item = e.item AND p.kind <> 'carry_forward') p ON true"
            f" JOIN LATERAL (SELECT EXISTS (SELECT FROM posting p WHERE p.entry_id = e.id AND {COUNTS})"
            "   AS breached) b ON true"
            " WHERE e.street = :street AND e.state = 'open' AND (p.last < :before OR e.due_at < :now OR b.breached)"
            " ORDER BY p.last, e.id LIMIT :most",
            street=street,
            before=before,
            now=work.now,
            most=most,
        )
    )


def refused(work: Work, street: str, most: int) -> list[Any]:
    """Open entries of a street whose case's newest word on its whistle is a refusal or that nobody takes it."""
    return list(
        work.execute(
            "SELECT e.id, e.title, e.case_id, e.case_number, w.action, w.unit FROM entry e"
            " JOIN LATERAL (SELECT p.facts ->> 'action' AS action, p.at, CASE WHEN p.facts ->> 'action' = 'refuse'"
            "   THEN p.facts #>> '{assignee,id}' END AS unit FROM posting p WHERE p.entry_id = e.id"
            "   AND p.facts ->> 'action' = ANY(:words) ORDER BY p.case_sequence DESC LIMIT 1) w ON true"
            " WHERE e.street = :street AND e.state = 'open' AND e.case_id IS NOT NULL"
            " AND w.action = ANY(:refusing) ORDER BY w.at, e.id LIMIT :most",
            street=street,
            words=[*REFUSING, *SETTLING],
            refusing=list(REFUSING),
            most=most,
        )
    )
