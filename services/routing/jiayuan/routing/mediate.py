"""What is done in a mediation: sessions are fixed and held, something comes of it, somebody looks whether it was done.

HTTP and the command line hand in the same documents (`Session`, `Held`, `FollowUp`) and get the same errors.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any, Final

from marshmallow import fields

from jiayuan.chassis.redact import mask
from jiayuan.chassis.work import Work
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.schemas.common import (
    CODE,
    Demand,
    Pattern,
    a_list,
    a_number,
    a_text,
    a_time,
    a_word,
    said,
)
from jiayuan.contracts.times import iso, parse

from . import case as cases
from . import matching, store
from .book import Book
from .case import Case, Leg, Moves, NotAllowed, mediating
from .directory.duty import ZONE
from .moving import Moving

_DAY: Final = Pattern(r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])")
_DIGEST: Final = Pattern(r"[0-9a-f]{64}")
PERFORMED: Final = ("yes", "partly", "no")
_PERFORMED_NAMES: Final = {"yes": "已履行", "partly": "部分履行", "no": "未履行"}


class Refused(ValueError):
    """What was handed in doesn't fit; `problems` says what and what is allowed."""

    def __init__(self, *problems: FieldProblem) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(f"{p.field}: {p.problem}" for p in self.problems))


class Session(Demand):
    """A session is fixed: when, and where (a place in words, or a service point)."""

    at = said(a_time(required=True), "When it begins.")
    place = said(a_text(200), "Where, in words: no address of a person.")
    point = said(fields.String(allow_none=True, validate=CODE), "The code of a service point.")
    note = a_text(500)
    sequence = a_number(1)


class Agreement(Demand):
    """What was agreed. The signed file stays where it is; its SHA-256 is kept."""

    digest = said(fields.String(required=True, validate=_DIGEST), "SHA-256 of the signed file, lower case.")
    perform_by = said(fields.String(required=True, validate=_DAY), "The day until which it is to be done.")
    check_on = said(
        fields.String(allow_none=True, validate=_DAY),
        "The day on which somebody looks; a week later when absent.",
    )


class Next(Demand):
    """Where the parties go on, when they didn't agree."""

    step = a_word(mediating.NEXT)
    unit = said(fields.String(allow_none=True, validate=CODE), "A unit that the case itself goes to.")


class Held(Demand):
    """A session was held, and what came of it. Of the parties nobody is named."""

    held_at = said(a_time(), "When it began, if not as it was fixed.")
    parties = said(a_number(0, 500, required=True), "How many came.")
    present = said(
        a_list(fields.String(validate=CODE), 50),
        "Pseudonyms of those who came: letters, digits and ._:-, no names.",
    )
    minutes = said(fields.String(allow_none=True, validate=_DIGEST), "SHA-256 of the minutes, lower case.")
    outcome = a_word(mediating.OUTCOMES)
    reason = said(a_text(500, required=True, least=1), "What came of it, in a sentence, without names.")
    agreement = fields.Nested(Agreement, allow_none=True)
    next = fields.Nested(Next, allow_none=True)
    again = said(fields.Nested(Session, allow_none=True), "adjourned: the next session.")
    sequence = a_number(1)


class FollowUp(Demand):
    """Somebody looked whether what was agreed was done."""

    performed = a_word(PERFORMED)
    note = said(a_text(500, required=True, least=1), "What was found, without names.")


def leg_of(case: Case) -> Leg:
    """The leg of whoever mediates. NotAllowed when there is none."""
    leg = mediating.mediation_leg(case)
    if leg is None:
        raise NotAllowed("session", "nobody handles the dispute now")
    return leg


def fix(
    work: Work, book: Book, moving: Moving, case: Case, actor: str, body: dict[str, Any]
) -> tuple[int, Moves]:
    """A session is fixed; its number. Refused and NotAllowed say why not."""
    at = parse(body["at"])
    place = _place(book, body)
    if at < work.now - timedelta(days=1):
        raise Refused(FieldProblem("at", f"is past: {body['at']}", "a time to come"))
    leg = leg_of(case)
    number = len((case.mediation or {}).get("sessions") or ()) + 1
    note = _words(body.get("note"))
    moves = mediating.session(case, leg.id, actor, work.now, number, iso(at), place, note)
    _save(work, moving, moves)
    store.save_session(work, _row(case, number, "fixed", at, {**body, "place": place}, actor, work.now))
    return number, moves


def hold(
    work: Work, book: Book, moving: Moving, case: Case, number: int, actor: str, body: dict[str, Any]
) -> Moves:
    """A session was held: what came of it, and what follows. Refused and NotAllowed say why not."""
    found, sessions = store.read_mediation(work, case.id)
    row = next((s for s in sessions if s["number"] == number), None)
    if row is None:
        known = ", ".join(str(s["number"]) for s in sessions) or "none is fixed"
        raise Refused(FieldProblem("number", f"there is no session {number}", known))
    if row["state"] == "held":
        raise NotAllowed("outcome", f"session {number} has been held: {row['outcome']}")
    _consistent(book, body, work.now)
    at = parse(body["held_at"]) if body.get("held_at") else row["at"]
    if at > work.now:
        raise Refused(FieldProblem("held_at", f"is to come: {iso(at)}", "a time that has passed"))
    leg, reason = leg_of(case), _words(body["reason"]) or ""
    outcome = body["outcome"]
    note = f"{mediating.OUTCOME_NAMES[outcome]}：{reason}"[:500]
    moves = mediating.session(case, leg.id, actor, work.now, number, iso(at), row["place"], note)
    moves += _conclude(book, moves[-1].case, leg, actor, body, note, work.now)
    again = body.get("again")
    if again is not None:
        more = mediating.session(
            moves[-1].case,
            leg.id,
            actor,
            work.now,
            number + 1,
            iso(parse(again["at"])),
            _place(book, again),
            None,
        )
        moves += more
    _save(work, moving, moves)
    held = {**_row(case, number, "held", at, row, actor, work.now), "outcome": outcome, "note": reason}
    held |= {"parties": body["parties"], "present": body.get("present") or [], "minutes": body.get("minutes")}
    store.save_session(work, held)
    if again is not None:
        store.save_session(work, _row(case, number + 1, "fixed", parse(again["at"]), again, actor, work.now))
    store.save_mediation(work, _outcome_row(case, body, found, actor, work.now, reason))
    return moves


def _conclude(
    book: Book, case: Case, leg: Leg, actor: str, body: dict[str, Any], note: str, now: datetime
) -> Moves:
    policy, after, agreement = book.policy(now), body.get("next") or {}, body.get("agreement")
    if after:
        note = f"{note}（下一步：{mediating.NEXT_NAMES[after['step']]}）"[:500]
    unit = after.get("unit")
    return mediating.conclude(
        case,
        leg.id,
        actor,
        now,
        body["outcome"],
        note,
        agreement=agreement["digest"] if agreement else None,
        unit=mediating.to_unit(unit, policy.response("department")) if unit else None,
        response_limit=policy.response("street"),
    )


def _consistent(book: Book, body: dict[str, Any], now: datetime) -> None:
    outcome, problems = body["outcome"], []
    for name, wanted in (
        ("agreement", outcome in ("agreed", "partly")),
        ("next", outcome == "failed"),
        ("again", outcome == "adjourned"),
    ):
        if wanted and not body.get(name):
            problems.append(FieldProblem(name, f"is missing, where the outcome is {outcome}"))
        if body.get(name) and not wanted and not (name == "next" and outcome == "partly"):
            problems.append(FieldProblem(name, f"doesn't go with the outcome {outcome}", "nothing"))
    unit = (body.get("next") or {}).get("unit")
    if unit and book.directory.unit(unit) is None:
        problems.append(
            FieldProblem("next.unit", f"there is no unit {unit}", "the code of a member unit, or nothing")
        )
    if unit and outcome == "partly":
        problems.append(
            FieldProblem("next.unit", "doesn't go with the outcome partly", "open a new matter for the rest")
        )
    agreement = body.get("agreement")
    if agreement:
        problems += _days(agreement, now)
    again = body.get("again")
    if again and parse(again["at"]) <= now:
        problems.append(FieldProblem("again.at", f"is past: {again['at']}", "a time to come"))
    if problems:
        raise Refused(*problems)


def _days(agreement: dict[str, Any], now: datetime) -> list[FieldProblem]:
    today, problems = now.astimezone(ZONE).date(), []
    days: dict[str, date] = {}
    for name in ("perform_by", "check_on"):
        try:
            if agreement.get(name):
                days[name] = date.fromisoformat(agreement[name])
        except ValueError:
            problems.append(
                FieldProblem(f"agreement.{name}", f"is {agreement[name]}", "a day of the calendar")
            )
    if "perform_by" in days and days["perform_by"] < today:
        problems.append(
            FieldProblem("agreement.perform_by", f"is past: {days['perform_by']}", f"{today} or later")
        )
    if "check_on" in days and "perform_by" in days and days["check_on"] < days["perform_by"]:
        problems.append(
            FieldProblem(
                "agreement.check_on", "is before the day of performance", f"{days['perform_by']} or later"
            )
        )
    return problems


def _outcome_row(
    case: Case, body: dict[str, Any], found: dict[str, Any] | None, actor: str, now: datetime, reason: str
) -> dict[str, Any]:
    agreement, after = body.get("agreement"), body.get("next") or {}
    row: dict[str, Any] = {
        "case_id": case.id,
        "mediator": (found or {}).get("mediator") or actor,
        "outcome": body["outcome"],
        "concluded_at": now,
        "next_step": after.get("step"),
        "next_unit": after.get("unit"),
        "note": reason,
    }
    if agreement:
        by = date.fromisoformat(agreement["perform_by"])
        later = by + timedelta(seconds=matching.rules().follow_up)
        check = date.fromisoformat(agreement["check_on"]) if agreement.get("check_on") else later
        row |= {"agreement": agreement["digest"], "perform_by": by, "check_on": check}
        row |= {"performed": None, "checked_at": None, "checked_by": None}
    return row


def follow_up(
    work: Work, book: Book, moving: Moving, case: Case, actor: str, body: dict[str, Any]
) -> tuple[bool, Moves]:
    """Whether what was agreed was done; what wasn't opens the case again, at the desk, where that is still allowed:
    (was it opened again, the steps). Refused when there is no agreement."""
    found, _ = store.read_mediation(work, case.id)
    if found is None or not found["agreement"]:
        raise Refused(
            FieldProblem("case", "there is no agreement to look after", "a dispute that was settled")
        )
    note = f"{_PERFORMED_NAMES[body['performed']]}：{_words(body['note'])}"[:500]
    moves: Moves = mediating.followed_up(case, actor, work.now, note)
    now = moves[-1].case if moves else case
    again = False
    if body["performed"] != "yes" and now.state in ("resolved", "closed"):
        response = book.policy(work.now).response("street")
        try:
            moves += (cases.reopen(now, actor, iso(work.now), f"调解协议{note}"[:500], response),)
            again = True
        except NotAllowed:
            again = False
    _save(work, moving, moves)
    if not moves:
        store.note_steps(
            work,
            [
                {
                    "case_id": case.id,
                    "sequence": case.sequence,
                    "action": "follow_up",
                    "actor": actor,
                    "at": iso(work.now),
                    "leg": None,
                    "reason": note,
                }
            ],
        )
    store.save_mediation(
        work,
        {"case_id": case.id, "performed": body["performed"], "checked_at": work.now, "checked_by": actor},
    )
    return again, moves


def document(work: Work, case: Case) -> dict[str, Any]:
    """A dispute's mediation as it is shown: sessions in order, outcome, agreement."""
    found, sessions = store.read_mediation(work, case.id)
    if found is None and not sessions and not case.mediation:
        return {}
    head = found or {}
    out = {k: head.get(k) for k in ("team", "mediator", "outcome", "next_step", "next_unit", "note")}
    out["concluded_at"] = iso(head["concluded_at"]) if head.get("concluded_at") else None
    out["agreement"] = None
    if head.get("agreement"):
        out["agreement"] = {
            "digest": head["agreement"],
            "perform_by": str(head["perform_by"]),
            "check_on": str(head["check_on"]),
            "performed": head["performed"],
            "checked_at": iso(head["checked_at"]) if head["checked_at"] else None,
            "checked_by": head["checked_by"],
        }
    keys = (
        "number",
        "state",
        "place",
        "point",
        "parties",
        "present",
        "minutes",
        "outcome",
        "note",
        "recorded_by",
    )
    out["sessions"] = [{**{k: s[k] for k in keys}, "at": iso(s["at"])} for s in sessions]
    return out


def _save(work: Work, moving: Moving, moves: Moves) -> None:
    if moves:
        moving.take(moves[-1].case, moves)
        moving.save()
    assert work is moving.work


def _place(book: Book, body: dict[str, Any]) -> str | None:
    code, place = body.get("point"), _words(body.get("place"))
    if code:
        point = book.directory.points.get(code)
        if point is None:
            raise Refused(
                FieldProblem("point", f"there is no service point {code}", "the code of a service point")
            )
        return place or point.name
    if not place:
        raise Refused(FieldProblem("place", "is missing", "a place in words, or a service point"))
    return place


def _words(given: str | None) -> str | None:
    return mask(given)[:500] if given else None


def _row(
    case: Case, number: int, state: str, at: datetime, body: dict[str, Any], actor: str, now: datetime
) -> dict[str, Any]:
    return {
        "case_id": case.id,
        "number": number,
        "state": state,
        "at": at,
        "place": _words(body.get("place")),
        "point": body.get("point"),
        "parties": None,
        "present": None,
        "minutes": None,
        "outcome": None,
        "note": _words(body.get("note")),
        "recorded_by": actor,
        "recorded_at": now,
    }
