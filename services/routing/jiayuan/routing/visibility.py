"""Who sees what of a case, and by which right: a unit its legs, a street its cases, the county all. Pure.

Nobody sees a contact here: it lies in intake, sealed, and is shown by its reveal with two persons. What routing has of
a reporter is a pseudonym, and only those who may join and separate reports need it. Every field of a case is named
below, in what a handler needs or in what it doesn't: a new one is hidden from handlers until somebody decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from . import case as cases
from .case import Actor, Case, machine

Scope = Literal["county", "street", "inspection", "community", "legs", "technical"]

# What somebody with a leg needs of the case around it.
NEEDED: Final = (
    "id",
    "number",
    "state",
    "kind",
    "title",
    "category",
    "livelihood",
    "colour",
    "level",
    "street",
    "community",
    "grid",
    "decision",
    "reports",
    "legs",
    "whistle",
    "pauses",
    "extensions",
    "approvals",
    "urged",
    "supervised",
    "inspection",
    "reworked",
    "reopened",
    "citizen_limit",
    "confirmation_limit",
    "callback_limit",
    "first_received_at",
    "opened_at",
    "resolved_at",
    "closed_at",
    "confirmed",
    "satisfaction",
    "solved",
    "emergency",
    "merged_into",
    "point",
)
# What the street, the county and whoever it is about see, and no other handler: what was said in a mediation, and who
# was asked to help.
NOT_NEEDED: Final = ("mediation", "offered_to")

# Of another's leg: where it stands, and nothing of what was written on it.
_OTHERS_LEG: Final = (
    "id",
    "kind",
    "level",
    "step",
    "assignee",
    "state",
    "response_limit",
    "finish_limit",
    "report_in_limit",
    "offered_at",
    "accepted_at",
    "arrived_at",
    "answered_at",
    "done_at",
    "ended_at",
)
# Steps of the case as a whole whose reasons are meant for whoever handles it.
_FOR_HANDLERS: Final = (
    "open",
    "assign",
    "whistle",
    "pause",
    "resume",
    "urge",
    "supervise",
    "unsupervise",
    "inspect",
    "rework",
    "reopen",
    "void",
    "recolour",
    "recategorise",
    "relocate",
    "limits",
)


@dataclass(frozen=True, slots=True)
class Sight:
    """What somebody may see of one case. `need`: the right behind it, as the read log keeps it.

    `reporters`: the pseudonyms behind the reports. `notes`: what others wrote. `own`: the ids of their legs.
    `mediates`: the dispute is theirs to settle, with what was said in it.
    """

    scope: Scope
    need: str
    reporters: bool
    notes: bool
    own: frozenset[str] = frozenset()
    mediates: bool = False

    @property
    def fields(self) -> tuple[str, ...]:
        """Which personal data is in it, for the read log."""
        return tuple(
            name for name, there in (("reporters", self.reporters), ("notes", self.notes)) if there
        ) or ("own",)


# -- rights ------------------------------------------------------------------------------------------


def sight(who: Actor, case: Case, team: Sequence[str] = ()) -> Sight | None:
    """What `who` may see of a case, by the widest right they have; None when they have no part in it.

    `team`: the members of the team that mediates it.
    """
    own = frozenset(leg.id for leg in case.legs if machine.holds(who, leg))
    if "county" in who.roles:
        return Sight("county", "county", True, True, own)
    if machine.sits(who, cases.desk_of(case.street).id):
        return Sight("street", f"desk of {case.street}", True, True, own)
    if "convener" in who.roles and who.street == case.street:
        return Sight("street", f"convener of {case.street}", True, True, own)
    if "inspector" in who.roles and who.street in ("", case.street):
        return Sight("inspection", "inspector", False, True, own)
    heads = {"grid_leader", "grid_chief"} & set(who.roles)
    if heads and case.community and who.community == case.community:
        return Sight("community", f"{min(heads)} of {case.community}", False, True, own)
    settles = mediates(who, case, team)
    if own:
        return Sight("legs", "assignee", False, False, own, settles)
    if settles:
        return Sight("legs", "mediator", False, False, own, settles)
    if any(offer["id"] in (who.subject, who.unit or None) for offer in case.offered_to):
        return Sight("legs", "asked to help", False, False)
    if {"operator", "service"} & set(who.roles):
        return Sight("technical", "operation", False, False)
    return None


def mediates(who: Actor, case: Case, team: Sequence[str] = ()) -> bool:
    """Whether a dispute is theirs to settle: by themselves, or as one of the `team` that mediates it."""
    return who.subject == (case.mediation or {}).get("mediator") or who.subject in team


# -- what is shown -----------------------------------------------------------------------------------


def document(doc: Mapping[str, Any], seen: Sight) -> dict[str, Any]:
    """A case's document (`case.document`) as it is shown; the document itself stays as it is."""
    out = dict(doc)
    if not seen.reporters:
        out["reports"] = [_without(r, "reporter") for r in doc["reports"]]
    if seen.notes:
        return out
    out = {k: v for k, v in out.items() if k in NEEDED}
    if seen.mediates and "mediation" in doc:
        out["mediation"] = doc["mediation"]
    on = active(doc["legs"], seen)
    out["legs"] = [_leg(leg, seen) for leg in doc["legs"] if shows_leg(leg, seen, on)]
    if seen.scope == "legs" and not on:
        out.pop("whistle", None)
    for name, whose in (("extensions", "leg"), ("approvals", "leg")):
        if name in out:
            out[name] = [item for item in out[name] if item.get(whose) in seen.own]
    if "pauses" in out:
        out["pauses"] = [_pause(pause, seen) for pause in out["pauses"]]
    return out


def _without(item: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {k: v for k, v in item.items() if k not in names}


def _pause(pause: Mapping[str, Any], seen: Sight) -> dict[str, Any]:
    """Everybody has to know that it is paused; why somebody else asked for it is theirs."""
    mine = pause.get("leg") is None or pause["leg"] in seen.own
    return dict(pause) if mine else {**pause, "reason": None}


def active(legs: Iterable[Mapping[str, Any]], seen: Sight) -> bool:
    """Whether somebody still has a part in it: of one that was returned, refused or passed on its holder sees what was
    done on it, and no more."""
    mine = [leg for leg in legs if leg["id"] in seen.own]
    return any(leg["state"] in (*cases.LIVE, "done", "released") for leg in mine) or not mine


def shows_leg(leg: Mapping[str, Any], seen: Sight, on: bool) -> bool:
    """Whether a leg is shown at all. A handler sees who else works on it now, a technical reader all of them."""
    if seen.notes or leg["id"] in seen.own or seen.scope == "technical":
        return True
    return on and (leg["state"] in cases.LIVE or (leg["state"] == "done" and leg["kind"] != "supervise"))


def _leg(leg: Mapping[str, Any], seen: Sight) -> dict[str, Any]:
    if leg["id"] in seen.own:
        return dict(leg)
    return {k: leg[k] for k in _OTHERS_LEG if k in leg}


def steps(
    found: Sequence[Mapping[str, Any]], legs: Iterable[Mapping[str, Any]], seen: Sight
) -> list[dict[str, Any]]:
    """The steps of a case as they are shown: each has sequence, action, actor, at, leg, reason, evidence.

    `legs`: all legs of the case. Of what is said on others' legs a handler sees that it was done, when, and by whom it
    is held; of what the reporter said only that it was said.
    """
    everybody = list(legs)
    by_id = {leg["id"]: leg for leg in everybody}
    on = active(everybody, seen)
    out = []
    for step in found:
        leg = by_id.get(step["leg"] or "")
        if leg is not None and not shows_leg(leg, seen, on):
            continue
        if leg is None and not seen.notes and not on:
            continue
        out.append(_step(step, leg, seen))
    return out


def _step(step: Mapping[str, Any], leg: Mapping[str, Any] | None, seen: Sight) -> dict[str, Any]:
    out = dict(step)
    if not seen.reporters and step["actor"].startswith("report:"):
        out["actor"] = "reporter"
    if seen.notes or (leg is not None and leg["id"] in seen.own):
        return out
    if leg is None:
        kept = step["action"] in _FOR_HANDLERS and seen.scope != "technical"
        return out if kept else {**out, "reason": None, "evidence": []}
    # What led to the leg is no note of its holder, and the reason is the handler's too when it is about the case.
    actor = step["actor"] if step["actor"] == "routing" else leg["assignee"]["id"]
    return {**out, "actor": actor, "reason": None, "evidence": []}
