"""What is said with the moves of a whistle, and what the policy and the directory add to it.

`acting` is the way in, as for every move: `WORDS` and `MOVES` are its tables for these. Here a desk's whistle and a
chief's wish for one are one move: what becomes of it is the policy's (`whistle.chief`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import orjson
from marshmallow import fields, validate

from jiayuan.chassis.errors import Problem
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.schemas.common import (
    Demand,
    a_list,
    a_number,
    a_text,
    a_time,
    a_word,
    a_yes_no,
    an_id,
    said,
)
from jiayuan.contracts.times import iso, parse

from . import case as cases
from .case import Case, Moves, NotAllowed, Situation
from .case import whistle as whistles
from .case.whistle import DECISIONS, Limits
from .policy import GROUNDS, Policy

if TYPE_CHECKING:
    from .acting import Doing

MOST_UNITS: Final = 21


# -- what is said ------------------------------------------------------------------------------------


def _reason() -> fields.String:
    return said(a_text(500, required=True, least=1), "Why; numbers in it are masked.")


def _units(words: str) -> fields.List:
    return said(
        fields.List(an_id(), required=True, validate=validate.Length(min=1, max=MOST_UNITS - 1)), words
    )


class WhistleWords(Demand):
    """whistle."""

    ground = said(
        a_word(GROUNDS),
        "public_matter: the street cannot solve it alone; joint_enforcement; emergency.",
    )
    lead = said(an_id(), "The code of the unit that leads.")
    assistants = said(a_list(an_id(), MOST_UNITS - 1), "Codes of the units that assist.")
    reason = said(
        a_text(500, required=True, least=1),
        "Why, as long as the policy asks of the ground; numbers in it are masked.",
    )


class CallWords(Demand):
    """call."""

    units = _units("Codes of the units that are called as well.")
    reason = _reason()


class LeadWords(Demand):
    """hand_over."""

    unit = said(an_id(), "The code of the unit that leads from now on: an assistant, or another one.")
    keep = said(a_yes_no(required=False), "Whether the lead before goes on as an assistant.")
    reason = _reason()


class ArriveWords(Demand):
    """arrive: 到场报到, with evidence."""

    place = said(a_text(200), "Where they are.")
    people = said(a_number(1, 10_000), "How many have come.")
    since = said(a_time(), "Since when they are there, where it is told later; not before the call.")
    photos = said(a_list(a_text(300, required=True), 20), "Digests or addresses of photos of the spot.")
    evidence = said(a_list(a_text(300, required=True), 20), "Other evidence.")
    note = said(a_text(1000), "What is found there; numbers in it are masked.")


class RefuseWords(Demand):
    """refuse."""

    note = said(a_text(1000, required=True, least=4), "Why the unit won't come; the convener reads it.")
    evidence = a_list(a_text(300, required=True), 20)


class ConveneWords(Demand):
    """convene."""

    decision = said(
        a_word(DECISIONS),
        "uphold: the unit is called again and can't refuse; release: it is let go; name: another unit takes its place.",
    )
    unit = said(an_id(required=False), "name: the code of that unit.")
    reason = _reason()


class AgendaWords(Demand):
    """agenda."""

    meeting = said(an_id(), "The id of the quarterly meeting that takes it up.")
    reason = _reason()


class MeetingWords(Demand):
    """meeting."""

    meeting = said(an_id(), "The id of the quarterly meeting that decided.")
    unit = said(an_id(), "The code of the unit that takes it, and can't refuse.")
    assistants = said(a_list(an_id(), MOST_UNITS - 1), "Codes of the units that assist.")
    reason = _reason()


WORDS: Final[Mapping[str, type[Demand]]] = {
    "whistle": WhistleWords,
    "call": CallWords,
    "hand_over": LeadWords,
    "arrive": ArriveWords,
    "refuse": RefuseWords,
    "convene": ConveneWords,
    "agenda": AgendaWords,
    "meeting": MeetingWords,
}


# -- what the policy and the directory say -----------------------------------------------------------


def limits_of(policy: Policy, case: Case, ground: str) -> Limits:
    """What each called unit has. It finishes within what the case had; a case that nobody had within its colour's."""
    terms = policy.whistle.grounds[ground]
    response = policy.response("department") if terms.response is None else terms.response
    main = [leg.finish_limit for leg in case.legs if leg.kind in ("handle", "lead")]
    finish = next((limit for limit in reversed(main) if limit is not None), policy.finish[case.colour])
    return Limits(response, policy.whistle.report_in(ground, response), finish)


def _limits(d: Doing) -> Limits:
    ground = (d.case.whistle or {}).get("ground") or GROUNDS[0]
    return limits_of(d.book.policy(d.at), d.case, ground)


def _known(d: Doing, field: str, units: Sequence[str]) -> tuple[str, ...]:
    """The units once each; Problem 422 for those that there aren't."""
    wrong = [
        FieldProblem(field, f"there is no unit {unit[:64]}", "the code of an active unit")
        for unit in units
        if d.book.directory.unit(unit) is None
    ]
    if wrong:
        raise Problem(422, "There is no such unit", problems=wrong)
    return tuple(dict.fromkeys(units))


def _within(policy: Policy, field: str, units: Sequence[str], there: int = 0) -> None:
    most = policy.whistle.most_units
    if there + len(units) > most:
        problem = FieldProblem(field, f"makes {there + len(units)} units", f"at most {most} a case")
        raise Problem(422, "Too many units", problems=[problem])


# -- the moves ---------------------------------------------------------------------------------------


def _whistle(d: Doing) -> Moves:
    policy, ground = d.book.policy(d.at), d.words["ground"]
    assistants = d.words.get("assistants") or ()
    lead, *others = _known(d, "lead", [d.words["lead"]]) + _known(d, "assistants", assistants)
    if lead in others:
        problem = FieldProblem("assistants", f"names the lead {lead} again", "other units than the lead")
        raise Problem(422, "The whistle is wrong", problems=[problem])
    _within(policy, "assistants", (lead, *others))
    least = policy.whistle.grounds[ground].reason_least
    if len(d.reason.strip()) < least:
        says = policy.whistle.grounds[ground].says
        problem = FieldProblem(
            "reason", f"is too short for {ground} ({says})", f"at least {least} characters"
        )
        raise Problem(422, "A reason is needed", problems=[problem])
    if not {"desk", "county"} & cases.machine.standings(d.actor, d.case, None):
        if policy.whistle.chief == "no" or "grid_chief" not in d.actor.roles:
            raise NotAllowed(
                "whistle", "by the policy it is for the street's desk and the county", (), "right"
            )
        if policy.whistle.chief == "asks":
            desk = d.book.directory.desk(d.case.street)
            limit = policy.whistle.ask
            return whistles.wish(d.case, ground, lead, others, desk, limit, d.by, d.at, d.reason)
    limits = limits_of(policy, d.case, ground)
    return whistles.call(d.case, ground, lead, others, limits, d.by, d.at, d.reason)


def answer_wish(d: Doing, approval: Mapping[str, Any]) -> Moves:
    """The desk's word on a chief's wish to whistle (`decide`)."""
    limits = limits_of(d.book.policy(d.at), d.case, approval["whistle"]["ground"])
    note = d.text("note") or "同意"
    return whistles.answer_wish(d.case, approval["id"], d.words["granted"], limits, d.by, d.at, note)


def _call(d: Doing) -> Moves:
    units = _known(d, "units", d.words["units"])
    there = {leg.assignee.id for leg in d.case.legs if leg.live and leg.kind in whistles.CALLED}
    _within(d.book.policy(d.at), "units", [u for u in units if u not in there], len(there))
    return whistles.add(d.case, units, _limits(d), d.by, d.at, d.reason)


def _hand_over(d: Doing) -> Moves:
    [unit] = _known(d, "unit", [d.words["unit"]])
    keep = bool(d.words.get("keep"))
    return whistles.hand_over(d.case, unit, _limits(d), d.by, d.at, d.reason, keep=keep)


def _arrive(d: Doing) -> Moves:
    assert d.leg is not None
    at = d.at
    if d.words.get("since") is not None:
        # Told later from where there was no signal: not before the call, and not in the future.
        at = min(max(_time(d.words["since"]), parse(d.leg.offered_at)), d.at)
    arrival = {k: d.text(k) if k == "place" else d.words[k] for k in ("place", "people") if d.words.get(k)}
    evidence = [*(d.words.get("photos") or ()), *(d.words.get("evidence") or ())]
    # One line of JSON among the evidence, beside the photos: what was seen stays with the step.
    details = [orjson.dumps({**arrival, "at": iso(at)}).decode()] if arrival else []
    return whistles.arrive(d.case, d.leg_id, d.by, at, d.text("note"), (*evidence, *details))


def _time(value: Any) -> datetime:
    return parse(value) if isinstance(value, str) else value


def _refuse(d: Doing) -> Moves:
    street = d.case.street
    convener = d.book.directory.convener(street) or d.book.directory.desk(street)
    limit = d.book.policy(d.at).whistle.convener
    return whistles.refuse(d.case, d.leg_id, convener, limit, d.by, d.at, d.text("note") or "")


def _convene(d: Doing) -> Moves:
    unit = d.words.get("unit") or ""
    if d.words["decision"] == "name":
        if not unit:
            raise Problem(
                422, "A unit is needed", problems=[FieldProblem("unit", "is missing", "the code of a unit")]
            )
        _known(d, "unit", [unit])
    return whistles.convene(
        d.case,
        d.leg_id,
        d.words["decision"],
        _limits(d),
        d.by,
        d.at,
        d.reason,
        unit=unit,
        response_limit=d.desk_limit,
    )


def _agenda(d: Doing) -> Moves:
    return whistles.put_on_agenda(d.case, d.words["meeting"], d.by, d.at, d.reason)


def _meeting(d: Doing) -> Moves:
    unit, *assistants = _known(d, "unit", [d.words["unit"]]) + _known(
        d, "assistants", d.words.get("assistants") or ()
    )
    _within(d.book.policy(d.at), "assistants", (unit, *assistants))
    return whistles.decide_in_meeting(
        d.case, d.words["meeting"], unit, assistants, _limits(d), d.by, d.at, d.reason
    )


MOVES: Final[Mapping[str, Callable[[Any], Moves]]] = {
    "whistle": _whistle,
    "call": _call,
    "hand_over": _hand_over,
    "arrive": _arrive,
    "refuse": _refuse,
    "convene": _convene,
    "agenda": _agenda,
    "meeting": _meeting,
}


def had(move: str, s: Situation, words: Mapping[str, Any]) -> bool:
    """Whether a move of a whistle was made before as it is said now: repeating it is no error."""
    case, leg = s.case, s.leg
    if move == "convene" and leg is not None and leg.kind == whistles.CONVENE and leg.state == "done":
        found = next((a for a in case.approvals if a["kind"] == "refusal" and a.get("leg") == leg.id), None)
        decided = found is not None and found.get("decided_by") == s.actor.subject
        return decided and found is not None and found["granted"] == (words["decision"] != "uphold")
    if move == "whistle" and case.whistle is not None and case.state in cases.machine.UNRESOLVED:
        lead = whistles.lead_leg(case)
        same = all(case.whistle.get(k) == words.get(k) for k in ("ground", "lead", "reason"))
        mine = case.whistle.get("by") == s.actor.subject
        return bool(
            mine
            and same
            and lead is not None
            and set(words.get("assistants") or ()) <= set(case.whistle["assistants"])
        )
    return False
