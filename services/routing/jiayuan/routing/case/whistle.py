"""The whistle 吹哨: a street calls units to a case, each answers for its own leg. Pure.

One unit leads and the others assist; each has one live leg at most and its own report-in clock (`report_in_limit`).
A unit that refuses, with its reasons, lays them before the convener of the street's joint committee, who gets a leg
(kind `convene`) and holds the call up, lets the unit go, or names another one: an approval of kind `refusal` whose id
is the refused leg's and whose `leg` is the convener's. While that leg is live the case can't be resolved. What the
convener doesn't decide in time, or a call that lost its last unit, is for the committee's quarterly meeting
(`unclaimed`), which names a unit.

`bound` units can't refuse (or return) any more: the call was held up, or a meeting named them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from jiayuan.contracts.ids import new_id
from jiayuan.contracts.times import iso

from .approvals import newest
from .handling import accept, settle
from .machine import leg_why, moves_of, require
from .model import DESK_STEP, OVER, Assignee, Case, Change, Leg, Moves, NotAllowed
from .steps import by_hand, desk_handles, for_desk, new_leg, next_step, owned, with_leg

CONVENE: Final = "convene"
CALLED: Final = ("lead", "assist")
DECISIONS: Final = ("uphold", "release", "name")
# An event's whistle has room for a lead and twenty assistants.
MOST_ASSISTANTS: Final = 20


@dataclass(frozen=True, slots=True)
class Limits:
    """What each called unit has, in seconds: to answer, to report in, to finish (None: no clock)."""

    response: int | None
    report_in: int | None
    finish: int | None


# -- what there is -----------------------------------------------------------------------------------


def unit_legs(case: Case, unit: str) -> list[Leg]:
    """The legs of a unit in the case, the oldest first."""
    return [leg for leg in case.legs if leg.assignee.type == "unit" and leg.assignee.id == unit]


def live_leg(case: Case, unit: str) -> Leg | None:
    """What a unit still owes."""
    return next((leg for leg in unit_legs(case, unit) if leg.live and leg.kind in CALLED), None)


def lead_leg(case: Case) -> Leg | None:
    """The leg of the lead: the live one, else the one that is done, unless the case was handed out anew since."""
    legs = [leg for leg in case.legs if leg.kind == "lead" and leg.assignee.type == "unit"]
    live = next((leg for leg in legs if leg.live), None)
    if live is not None:
        return live
    since = _round(case.legs)
    return next((leg for leg in reversed(legs) if _done_since(leg, since)), None)


def _round(legs: Sequence[Leg]) -> str:
    """Since when the case is handled as it is now: when it was last handed out or opened again. A leg that the desk got
    because somebody returned theirs begins no new round."""
    returned = {leg.ended_at for leg in legs if leg.state == "returned"}
    return max(
        (leg.offered_at for leg in legs if leg.kind == "handle" and leg.offered_at not in returned),
        default="",
    )


def _done_since(leg: Leg, since: str) -> bool:
    return leg.state == "done" and (leg.done_at or "") >= since


def refusals(case: Case) -> list[Mapping[str, Any]]:
    """The refusals that wait for the convener's decision; the id of each is that of the refused leg."""
    return [a for a in case.approvals if a["kind"] == "refusal" and not a.get("decided_at")]


def pending(case: Case, unit: str) -> Mapping[str, Any] | None:
    """A unit's refusal that isn't decided yet."""
    mine = {leg.id for leg in unit_legs(case, unit)}
    return next((a for a in refusals(case) if a["id"] in mine), None)


def bound(case: Case, unit: str) -> bool:
    """Whether a unit may not refuse any more."""
    return unit in (case.whistle or {}).get("bound", ())


def asked(case: Case) -> list[Mapping[str, Any]]:
    """The wishes to whistle that wait for the desk."""
    return [a for a in case.approvals if a["kind"] == "whistle" and not a.get("decided_at")]


def unclaimed(case: Case) -> str | None:
    """Why the case is one that nobody takes and that a meeting has to (`released`, `undecided`); None when it isn't."""
    why: str | None = (case.whistle or {}).get("unclaimed")
    if why is None or case.state in (*OVER, "resolved"):
        return None
    if why == "undecided":
        return why if refusals(case) else None
    if (case.whistle or {})["unclaimed_at"] < _round(case.legs):
        return None  # it was handed out, or done and opened again, since
    taken = any(
        leg.live and leg.kind in ("handle", "lead") and leg.assignee.type != "desk" for leg in case.legs
    )
    return None if taken else why


def _may_refuse(case: Case, leg: Leg) -> str | None:
    """Why a unit can't refuse; None when it can."""
    if bound(case, leg.assignee.id):
        return "the convener held the call up, or a meeting named the unit: it can't refuse any more"
    if leg.arrived_at is not None or leg.state not in ("offered", "accepted"):
        return "the unit has come or answered: it finishes, or asks to return the case"
    return None


# -- calling -----------------------------------------------------------------------------------------


def call(
    case: Case,
    ground: str,
    lead: str,
    assistants: Sequence[str],
    limits: Limits,
    actor: str,
    at: datetime,
    reason: str,
    *,
    by: str = "",
    approvals: tuple[Mapping[str, Any], ...] | None = None,
    action: str = "whistle",
) -> Moves:
    """The street calls a lead and assistants; whoever handles the case in the grid or at the desk passes it on.

    Units that work on it already stay; one of them that is to lead gets the lead's leg instead of its own. `by`: whose
    wish it was, where the actor only grants it; `approvals` then are the case's with that decided.
    """
    _unresolved(case, "whistle")
    now_lead = lead_leg(case)
    if now_lead is not None:
        instead = ("call", "hand_over") if now_lead.live else ("call", "release")
        raise NotAllowed(
            "whistle", f"{now_lead.assignee.id} leads it already, its leg is {now_lead.state}", instead
        )
    if refusals(case):
        raise NotAllowed("whistle", "the convener has a refusal to decide first", ("convene",))
    _roster(case, "whistle", (lead, *assistants))
    when = iso(at)
    legs, first, _ = _called(case, case.legs, lead, assistants, limits, when, reason, ("person", "desk"))
    kept = [u for u in (case.whistle or {}).get("bound", ()) if live_leg(case, u)]
    whistle: dict[str, Any] = {"ground": ground, "lead": lead, "assistants": _assistants(legs)}
    whistle |= {"by": by or actor, "at": when, "reason": reason}
    if kept:
        whistle["bound"] = kept
    fields: dict[str, Any] = {} if approvals is None else {"approvals": approvals}
    change = Change("case.whistled", action, actor, when, first.id, reason)
    return (next_step(case, change, legs, whistle=whistle, **fields),)


def _called(
    case: Case,
    legs: tuple[Leg, ...],
    lead: str | None,
    assistants: Sequence[str],
    limits: Limits,
    when: str,
    reason: str,
    passing_on: tuple[str, ...] = (),
) -> tuple[tuple[Leg, ...], Leg, tuple[Leg, ...]]:
    """The legs with those called; the first new one and all new ones.

    A new lead takes the place of its own leg as an assistant, and, where `passing_on` names their types of assignee,
    of those who handle the case.
    """

    def ends(leg: Leg) -> bool:
        if not leg.live or lead is None:
            return False
        if leg.kind == "handle" and leg.assignee.type in passing_on:
            return True
        return leg.kind == "assist" and leg.assignee == Assignee("unit", lead)

    finish = limits.finish
    if finish is None:
        finish = next(
            (leg.finish_limit for leg in reversed(case.legs) if leg.kind in ("handle", "lead")), None
        )
    ended = tuple(
        replace(leg, state="reassigned", ended_at=when, reason=reason) if ends(leg) else leg for leg in legs
    )
    there = {leg.assignee.id for leg in ended if leg.live and leg.kind in CALLED}
    units = [("lead", lead)] if lead is not None else []
    units += [("assist", u) for u in dict.fromkeys(assistants) if u not in there and u != lead]
    new = tuple(
        new_leg(
            kind,
            "department",
            0,
            Assignee("unit", unit),
            when,
            limits.response,
            finish,
            reason,
            limits.report_in,
        )
        for kind, unit in units
    )
    return (*ended, *new), new[0] if new else ended[-1], new


def _assistants(legs: Sequence[Leg], refused: Sequence[Mapping[str, Any]] = ()) -> list[str]:
    """Who assists: whose leg is live or done, and whose refusal isn't decided."""
    waiting, since = {a["id"] for a in refused}, _round(legs)
    mine = [
        leg.assignee.id
        for leg in legs
        if leg.kind == "assist" and (leg.live or _done_since(leg, since) or leg.id in waiting)
    ]
    return list(dict.fromkeys(mine))[:MOST_ASSISTANTS]


def _unresolved(case: Case, move: str) -> None:
    if case.state in (*OVER, "resolved"):
        raise NotAllowed(move, f"the case is {case.state}")


def _whistled(case: Case, move: str) -> dict[str, Any]:
    if case.whistle is None:
        raise NotAllowed(move, "nobody has whistled for this case", ("whistle",))
    return dict(case.whistle)


def _roster(case: Case, move: str, units: Sequence[str]) -> None:
    """Nobody is called over a refusal that the convener still has, and not too many are."""
    for unit in units:
        if pending(case, unit) is not None:
            raise NotAllowed(move, f"the convener has to decide on the refusal of {unit} first", ("convene",))
    since = _round(case.legs)
    there = {
        leg.assignee.id for leg in case.legs if leg.kind in CALLED and (leg.live or _done_since(leg, since))
    }
    if len(there | set(units)) > MOST_ASSISTANTS + 1:
        raise NotAllowed(move, f"a case has room for {MOST_ASSISTANTS + 1} units")


def add(case: Case, units: Sequence[str], limits: Limits, actor: str, at: datetime, reason: str) -> Moves:
    """More units are called, as assistants; those who work on it or have done their part are left out."""
    _unresolved(case, "call")
    whistle = _whistled(case, "call")
    if lead_leg(case) is None and not _lead_refused(case):
        raise NotAllowed("call", "nobody leads it: whistle for a lead first", ("whistle",))
    _roster(case, "call", units)
    since = _round(case.legs)
    done = {leg.assignee.id for leg in case.legs if leg.kind in CALLED and _done_since(leg, since)}
    when = iso(at)
    legs, first, new = _called(
        case, case.legs, None, [u for u in units if u not in done], limits, when, reason
    )
    new_ones = [leg for leg in new if leg.assignee.id != whistle["lead"]]
    if not new_ones:
        return ()
    whistle["assistants"] = _assistants(legs, refusals(case))
    change = Change("case.whistled", "call", actor, when, first.id, reason)
    return (next_step(case, change, legs, whistle=whistle),)


def _lead_refused(case: Case) -> bool:
    waiting = {a["id"] for a in refusals(case)}
    return any(leg.kind == "lead" and leg.id in waiting for leg in case.legs)


def hand_over(
    case: Case,
    unit: str,
    limits: Limits,
    actor: str,
    at: datetime,
    reason: str,
    *,
    keep: bool = False,
) -> Moves:
    """Another unit leads: an assistant, or one that is called for it. `keep`: the lead before it assists."""
    _unresolved(case, "hand_over")
    whistle = _whistled(case, "hand_over")
    old = lead_leg(case)
    if old is None:
        instead = ("convene",) if _lead_refused(case) else ("whistle",)
        raise NotAllowed("hand_over", "nobody leads it now", instead)
    if old.assignee.id == unit:
        return ()
    if not old.live:
        raise NotAllowed("hand_over", "the lead has finished", ("call", "release"))
    _roster(case, "hand_over", (unit,))
    when = iso(at)
    ended = with_leg(case, replace(old, state="reassigned", ended_at=when, reason=reason))
    legs, first, _ = _called(case, ended, unit, [old.assignee.id] if keep else [], limits, when, reason)
    whistle |= {"lead": unit, "assistants": _assistants(legs, refusals(case))}
    change = Change("case.whistled", "hand_over", actor, when, first.id, reason)
    return (next_step(case, change, legs, whistle=whistle),)


# -- what a unit does --------------------------------------------------------------------------------


def arrive(
    case: Case,
    leg_id: str,
    actor: str,
    at: datetime,
    note: str | None = None,
    evidence: Sequence[str] = (),
) -> Moves:
    """A called unit is on the spot (報到), with evidence; who comes without having accepted has accepted by that."""
    leg = owned(case, leg_id, "arrive")
    if leg.arrived_at is not None:
        return ()
    _unresolved(case, "arrive")
    if leg.kind not in CALLED or leg.assignee.type != "unit":
        raise NotAllowed("arrive", "only a unit that was whistled reports in on the spot")
    require("arrive", case, leg)
    before = accept(case, leg_id, actor, at) if leg.state == "offered" else ()
    now = before[-1].case if before else case
    here = now.leg(leg_id)
    assert here is not None
    when = iso(at)
    moved = replace(here, arrived_at=when, hands=by_hand(here, actor))
    change = Change("case.changed", "arrive", actor, when, leg.id, note, tuple(evidence))
    return (*before, next_step(now, change, with_leg(now, moved)))


def refuse(
    case: Case,
    leg_id: str,
    convener: Assignee,
    limit: int | None,
    actor: str,
    at: datetime,
    reason: str,
) -> Moves:
    """A unit refuses the call with its reasons; the convener has `limit` seconds to decide."""
    leg = owned(case, leg_id, "refuse")
    if leg.state == "refused":
        return ()
    _unresolved(case, "refuse")
    if leg.kind not in CALLED or leg.assignee.type != "unit":
        raise NotAllowed("refuse", "only a unit that was whistled refuses; others return the case")
    why = _may_refuse(case, leg) if leg.live else leg_why(leg)
    if why is not None:
        raise NotAllowed("refuse", why, moves_of(leg))
    when = iso(at)
    refused = replace(leg, state="refused", ended_at=when, reason=reason)
    ask = new_leg(CONVENE, "street", DESK_STEP, convener, when, limit, None, reason)
    approval: dict[str, Any] = {
        "id": leg.id,
        "kind": "refusal",
        "leg": ask.id,
        "asked_by": actor,
        "asked_at": when,
        "reason": reason,
        "of": convener.id,
    }
    if limit:
        approval["limit"] = limit
    whistle = {**(case.whistle or {}), "convener": convener.id}
    change = Change("case.returned", "refuse", actor, when, leg.id, reason)
    legs = with_leg(case, refused, ask)
    return (next_step(case, change, legs, whistle=whistle, approvals=newest((*case.approvals, approval))),)


# -- what the convener does --------------------------------------------------------------------------


def convene(
    case: Case,
    leg_id: str,
    decision: str,
    limits: Limits,
    actor: str,
    at: datetime,
    reason: str,
    *,
    unit: str = "",
    response_limit: int | None = None,
) -> Moves:
    """The convener decides on a refusal: `uphold` (the unit is called again and may not refuse), `release` (it is let
    go), `name` (another `unit` takes its place). `response_limit`: the desk's, should the case come back to it."""
    leg = owned(case, leg_id, "convene")
    approval = next((a for a in case.approvals if a["kind"] == "refusal" and a.get("leg") == leg_id), None)
    if leg.kind != CONVENE or approval is None:
        raise NotAllowed("convene", "there is nothing to decide on this leg")
    if approval.get("decided_at"):
        same = (approval.get("granted") is not True) == (decision == "uphold")
        if same and decision != "name":
            return ()
        raise NotAllowed("convene", "it is decided already")
    _unresolved(case, "convene")
    require("convene", case, leg)
    refused = owned(case, approval["id"], "convene")
    when = iso(at)
    approvals = _decided(case, refused.id, actor, when, decision != "uphold", reason)
    ended = replace(
        leg,
        state="done",
        accepted_at=leg.accepted_at or when,
        answered_at=when,
        done_at=when,
        hands=by_hand(leg, actor),
    )
    base = replace(case, legs=with_leg(case, ended), approvals=approvals)
    whistle = _whistled(case, "convene")
    if not refusals(base):
        whistle.pop("unclaimed", None)
        whistle.pop("unclaimed_at", None)
    if decision == "uphold":
        again = (refused.assignee.id, "uphold")
        whistle["bound"] = _with(whistle.get("bound", ()), refused.assignee.id)
    elif decision == "name":
        _nameable(base, refused, unit)
        again = (unit, "name")
    else:
        return _let_go(case, base, refused, whistle, actor, when, reason, response_limit)
    return (_recalled(case, base, refused.kind, *again, limits, whistle, actor, when, reason),)


def _decided(
    case: Case, id_: str, actor: str, when: str, granted: bool, note: str
) -> tuple[Mapping[str, Any], ...]:
    said = {"decided_at": when, "decided_by": actor, "granted": granted, "note": note[:500]}
    return tuple({**a, **said} if a["id"] == id_ else a for a in case.approvals)


def _with(units: Sequence[str], unit: str) -> list[str]:
    return list(dict.fromkeys((*units, unit)))


def _nameable(case: Case, refused: Leg, unit: str) -> None:
    if unit == refused.assignee.id:
        raise NotAllowed("convene", f"{unit} is who refused: uphold the call instead", DECISIONS)
    _roster(case, "convene", (unit,))
    there = next((leg for leg in unit_legs(case, unit) if leg.kind in CALLED and leg.live), None)
    if there is not None and (refused.kind == "assist" or there.kind == "lead"):
        raise NotAllowed("convene", f"{unit} works on it already: name another unit, or release", DECISIONS)


def _recalled(
    case: Case,
    base: Case,
    kind: str,
    unit: str,
    action: str,
    limits: Limits,
    whistle: dict[str, Any],
    actor: str,
    when: str,
    reason: str,
) -> Any:
    lead, assistants = (unit, ()) if kind == "lead" else (None, (unit,))
    legs, first, _ = _called(base, base.legs, lead, assistants, limits, when, reason)
    if kind == "lead":
        whistle["lead"] = unit
    whistle["assistants"] = _assistants(legs, refusals(base))
    change = Change("case.whistled", action, actor, when, first.id, reason)
    return next_step(case, change, legs, whistle=whistle, approvals=base.approvals)


def _let_go(
    case: Case,
    base: Case,
    refused: Leg,
    whistle: dict[str, Any],
    actor: str,
    when: str,
    reason: str,
    response_limit: int | None,
) -> Moves:
    """A unit that refused is let go; the last one leaves the case to the desk and to the next meeting."""
    # The refused leg stays refused, as it was; that it was granted stands with the approval.
    change = Change("", "release", actor, when, refused.id, reason)
    whistle["assistants"] = _assistants(base.legs, refusals(base))
    let = replace(base, whistle=whistle)
    if refused.kind == "assist":
        moves = settle(let, base.legs, "case.assigned", change, response_limit)
        return moves
    working = [leg.assignee.id for leg in base.legs if leg.kind == "assist" and leg.live]
    if working or refusals(base):
        who = ", ".join(working) or "other refusals"
        raise NotAllowed(
            "convene",
            f"the lead can't be let go while there are {who}: name the unit that leads, or decide those first",
            ("uphold", "name"),
        )
    whistle |= {"unclaimed": "released", "unclaimed_at": when}
    added = (
        () if desk_handles(base) else (for_desk(base, when, response_limit, refused.finish_limit, reason),)
    )
    legs = (*base.legs, *added)
    moved = next_step(
        case,
        replace(change, event="case.assigned", leg=added[0].id if added else refused.id),
        legs,
        whistle=whistle,
        approvals=base.approvals,
    )
    return (moved,)


def undecided(case: Case, leg_id: str, actor: str, at: datetime) -> Moves:
    """The convener's time is up: the case is for the next meeting; until then the convener may still decide."""
    leg = case.leg(leg_id)
    if leg is None or leg.kind != CONVENE or not leg.live or case.state in (*OVER, "resolved"):
        return ()
    if case.whistle is None or unclaimed(case) == "undecided":
        return ()
    when = iso(at)
    whistle = {**case.whistle, "unclaimed": "undecided", "unclaimed_at": when}
    change = Change("case.changed", "unclaimed", actor, when, leg.id, "召集人到时未决定，列入大工委例会议题")
    return (next_step(case, change, whistle=whistle),)


# -- a chief's wish ----------------------------------------------------------------------------------


def wish(
    case: Case,
    ground: str,
    lead: str,
    assistants: Sequence[str],
    desk: Assignee,
    limit: int,
    actor: str,
    at: datetime,
    reason: str,
) -> Moves:
    """Somebody who may not whistle asks the desk to."""
    _unresolved(case, "whistle")
    now = lead_leg(case)
    if now is not None:
        raise NotAllowed("whistle", f"{now.assignee.id} leads it already, its leg is {now.state}")
    what = {"ground": ground, "lead": lead, "assistants": list(dict.fromkeys(assistants))}
    open_ = asked(case)
    if any(a["whistle"] == what and a["asked_by"] == actor for a in open_):
        return ()
    if open_:
        raise NotAllowed("whistle", "the desk has a wish to whistle for this case already", ("decide",))
    when = iso(at)
    approval = {
        "id": new_id(),
        "kind": "whistle",
        "asked_by": actor,
        "asked_at": when,
        "reason": reason,
        "of": desk.id,
        "limit": limit,
        "whistle": what,
    }
    change = Change("case.changed", "ask", actor, when, None, reason)
    return (next_step(case, change, approvals=newest((*case.approvals, approval))),)


def answer_wish(
    case: Case,
    id_: str,
    granted: bool,
    limits: Limits | None,
    actor: str,
    at: datetime,
    note: str,
) -> Moves:
    """The desk blows the whistle that somebody asked for (with `limits`), or says why not."""
    wish = next((a for a in case.approvals if a["id"] == id_ and a["kind"] == "whistle"), None)
    if wish is None:
        raise NotAllowed("decide", f"nobody asked for a whistle under {id_}")
    if wish.get("decided_at"):
        if wish["granted"] is granted:
            return ()
        raise NotAllowed("decide", "it is decided already")
    _unresolved(case, "decide")
    when = iso(at)
    approvals = _decided(case, id_, actor, when, granted, note)
    if not granted:
        change = Change("case.changed", "decide", actor, when, None, note)
        return (next_step(case, change, approvals=approvals),)
    assert limits is not None
    what = wish["whistle"]
    return call(
        case,
        what["ground"],
        what["lead"],
        what["assistants"],
        limits,
        actor,
        at,
        wish["reason"],
        by=wish["asked_by"],
        approvals=approvals,
    )


# -- the meeting -------------------------------------------------------------------------------------


def put_on_agenda(case: Case, meeting: str, actor: str, at: datetime, reason: str) -> Moves:
    """A meeting takes up a case that nobody takes."""
    _unclaimed(case, "agenda")
    whistle = _whistled(case, "agenda")
    if whistle.get("meeting") == meeting:
        return ()
    when = iso(at)
    change = Change("case.changed", "agenda", actor, when, None, reason)
    return (next_step(case, change, whistle={**whistle, "meeting": meeting}),)


def decide_in_meeting(
    case: Case,
    meeting: str,
    unit: str,
    assistants: Sequence[str],
    limits: Limits,
    actor: str,
    at: datetime,
    reason: str,
) -> Moves:
    """The meeting names the unit that takes it, which can't refuse any more; the case goes back into the machine.

    Where the lead is missing the unit leads; else it takes the place of the assistant that refused. What the convener
    hadn't decided is decided by that.
    """
    whistle = _whistled(case, "meeting")
    if (
        unclaimed(case) is None
        and whistle.get("meeting") == meeting
        and bound(case, unit)
        and live_leg(case, unit)
    ):
        return ()
    _unclaimed(case, "meeting")
    when = iso(at)
    open_ = refusals(case)
    ids = {a["id"] for a in open_}
    said = {"decided_at": when, "decided_by": actor, "note": reason[:500]}
    approvals = tuple(
        {**a, **said, "granted": a["id"] not in {leg.id for leg in unit_legs(case, unit)}}
        if a["id"] in ids
        else a
        for a in case.approvals
    )
    ended = tuple(
        replace(leg, state="released", ended_at=when, reason=leg.reason or reason)
        if leg.kind == CONVENE and leg.live
        else leg
        for leg in case.legs
    )
    base = replace(case, legs=ended, approvals=approvals)
    leads = lead_leg(base) is None
    if not leads and live_leg(base, unit) is not None:
        raise NotAllowed("meeting", f"{unit} works on it already: name another unit")
    _roster(base, "meeting", (unit, *assistants))
    lead, more = (unit, tuple(assistants)) if leads else (None, (unit, *assistants))
    legs, first, _ = _called(base, ended, lead, more, limits, when, reason, ("person", "desk"))
    for key in ("unclaimed", "unclaimed_at"):
        whistle.pop(key, None)
    if leads:
        whistle["lead"] = unit
    whistle |= {
        "assistants": _assistants(legs),
        "meeting": meeting,
        "bound": _with(whistle.get("bound", ()), unit),
    }
    change = Change("case.whistled", "meeting", actor, when, first.id, reason)
    return (next_step(case, change, legs, whistle=whistle, approvals=approvals),)


def _unclaimed(case: Case, move: str) -> None:
    _unresolved(case, move)
    if unclaimed(case) is None:
        why = "it isn't one that nobody takes: the convener still has time, or a unit works on it"
        raise NotAllowed(move, why)
