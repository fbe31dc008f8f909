"""Claims in transactions. Units claim the problems of a published service list, one to three each per quarter.

The order of locks is the same for all: the quarter's books, the list (both shared: they stay open), the unit, the
problem. So units that claim at
the same time wait for each other, and never in a circle; unique indexes would refuse what got past the locks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.redact import mask
from jiayuan.chassis.work import Work
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.ids import new_id
from jiayuan.contracts.times import iso, parse

from . import entries, listing
from .lists import claim as rules
from .lists.claim import HOLDING, Claim, Tally
from .lists.publishing import KIND_NAMES
from .lists.sheets import day
from .posting import Act, Opening
from .store import claims as kept
from .store import lists as rows

# The id of a person in the directory; a name is on the list, and in no event.
_ID: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._:\-]{0,63}")


def claim(
    work: Work,
    list_id: str,
    number: int,
    unit: str,
    person: str,
    due_at: datetime,
    milestones: Sequence[Mapping[str, Any]],
    who: str,
) -> tuple[Claim, bool]:
    """A unit claims line `number` of a service list: the claim, and whether it is new.

    A problem that has all the units it takes is over-claimed: the claim is kept as a wish (`wanted`). A unit that has
    claimed or wished for the problem gets that claim again, unchanged. 409 when the list isn't published, or the unit
    has its three; 422 for a unit that is no member, a limit that is past, or milestones that don't fit.
    """
    service = _open_list(work, list_id)
    problem = _offered(work, service, number)
    known_units = {u["code"] for u in service.units}
    if known_units and unit not in known_units:
        raise listing.refused(422, "Not a member", "unit", f"{unit} is no member unit", "成员单位的编码")
    kept.lock_unit(work, service.quarter, unit)
    problem = rows.problem_of(work, problem.id, lock=True)
    there = kept.claims_of_problem(work, problem.id)
    mine = next((c for c in there if c.unit == unit and c.state != "released"), None)
    if mine is not None:
        return mine, False
    found, wrong = rules.milestones_of(milestones, due_at, work.now)
    if due_at <= work.now:
        wrong.insert(0, FieldProblem("due_at", f"is {iso(due_at)}", "a time to come"))
    if wrong:
        raise Problem(422, "The claim can't be kept", problems=wrong)
    slot = rules.free(kept.slots_of(work, service.quarter, unit), rules.MOST)
    if slot is None:
        raise Problem(409, "The unit has its three", problems=[rules.full(unit, service.quarter)])
    place = _free_place(problem, there)
    made = Claim(
        id=new_id(),
        problem=problem.id,
        unit=unit,
        person=mask(person)[:60],
        due_at=due_at,
        state="claimed" if place else "wanted",
        place=place,
        slot=slot if place else None,
        milestones=found,
        claimed_at=work.now,
        claimed_by=who,
    )
    _note(work, made, "claim" if place else "wish", who)
    kept.add_claim(work, service.id, service.quarter, made)
    if place:
        _entered(work, service, problem, made, who)
        _told(work, service, problem, made)
    return made, True


def grant(work: Work, claim_id: str, takes: int | None, who: str) -> Claim:
    """The desk gives a wish a place: one that is free, or one more by `takes`. 409 when there is none, or the unit has
    its three by now."""
    service, problem, mine = _locked(work, claim_id)
    _one_of(mine, ("wanted",))
    if takes is not None and takes != problem.takes:
        held = sum(1 for c in kept.claims_of_problem(work, problem.id) if c.state in HOLDING)
        if takes < held:
            raise listing.refused(409, "Too few", "takes", f"{held} units have it", f"at least {held}")
        rows.change_problems(work, [{"id": problem.id, "takes": takes}])
        problem = rows.problem_of(work, problem.id)
    place = _free_place(problem, kept.claims_of_problem(work, problem.id))
    if place is None:
        raise listing.refused(
            409, "The problem is full", "takes", f"it takes {problem.takes} and has them", "a greater number"
        )
    slot = rules.free(kept.slots_of(work, service.quarter, mine.unit), rules.MOST)
    if slot is None:
        raise Problem(409, "The unit has its three", problems=[rules.full(mine.unit, service.quarter)])
    mine.state, mine.place, mine.slot = "claimed", place, slot
    _note(work, mine, "grant", who)
    kept.change_claim(work, mine)
    _entered(work, service, problem, mine, who)
    _told(work, service, problem, mine)
    return mine


def release(work: Work, claim_id: str, reason: str, who: str) -> Claim:
    """Gives a claim or a wish back, with a reason: its place and the unit's slot are free again."""
    service, problem, mine = _locked(work, claim_id)
    _one_of(mine, ("claimed", "wanted"))
    held = mine.state in HOLDING
    mine.state, mine.place, mine.slot = "released", None, None
    mine.reason = mask(reason)[:500]
    _note(work, mine, "release", who)
    kept.change_claim(work, mine)
    if held:
        _told(work, service, problem, mine)
    return mine


def reach(work: Work, claim_id: str, milestone: int, at: datetime | None, who: str) -> Claim:
    """A milestone (its number from 1, in the order of their times) is done at `at`, or now; late ones say so.

    Said twice it stays as it was. 422 for a time to come or before the claim.
    """
    service, problem, mine = _locked(work, claim_id, closed=True)
    _one_of(mine, HOLDING)
    if not 1 <= milestone <= len(mine.milestones):
        count = len(mine.milestones)
        raise listing.refused(
            404, "There is no such milestone", "milestone", f"there are {count}", f"1 to {count}"
        )
    if mine.milestones[milestone - 1]["done_at"] is None:
        mine.milestones[milestone - 1] = {
            **mine.milestones[milestone - 1],
            "done_at": iso(_when(work, mine, at)),
        }
        _note(work, mine, "milestone", who, milestone=mine.milestones[milestone - 1]["name"])
        kept.change_claim(work, mine)
        _told(work, service, problem, mine)
    return mine


def finish(work: Work, claim_id: str, at: datetime | None, who: str) -> Claim:
    """The claim is done at `at`, or now, with all its milestones; 409 while one is open. Said twice it stays."""
    service, problem, mine = _locked(work, claim_id, closed=True)
    _one_of(mine, HOLDING)
    if mine.state == "done":
        return mine
    left = [m["name"] for m in mine.milestones if m["done_at"] is None]
    if left:
        raise listing.refused(
            409, "Milestones are open", "milestones", f"not done: {'、'.join(left)}", "all done"
        )
    mine.state, mine.done_at = "done", _when(work, mine, at)
    _note(work, mine, "done", who)
    kept.change_claim(work, mine)
    _told(work, service, problem, mine)
    return mine


def change(
    work: Work, claim_id: str, person: str | None, due_at: datetime | None, reason: str, who: str
) -> bool:
    """Another responsible person, or another limit with a reason: whether anything changed."""
    service, problem, mine = _locked(work, claim_id)
    _one_of(mine, ("claimed", "wanted"))
    wanted = mask(person)[:60] if person else mine.person
    limit = due_at or mine.due_at
    if (wanted, limit) == (mine.person, mine.due_at):
        return False
    if limit != mine.due_at:
        if not reason:
            raise listing.refused(422, "The limit changes", "reason", "is missing", "why the limit changes")
        last = max((parse(m["due_at"]) for m in mine.milestones), default=work.now)
        if limit < max(last, work.now):
            allowed = "to come, and not before a milestone"
            raise listing.refused(422, "The limit doesn't fit", "due_at", f"is {iso(limit)}", allowed)
    mine.person, mine.due_at = wanted, limit
    _note(work, mine, "change", who, due_at=iso(limit), reason=mask(reason)[:500])
    kept.change_claim(work, mine)
    if mine.state in HOLDING:
        _told(work, service, problem, mine)
    return True


def tally_of(work: Work, service: Any, problems: Sequence[Any], claims: Sequence[Claim]) -> Tally:
    """Unclaimed and over-claimed problems of a service list, and member units that have no claim in the quarter."""
    units = [u["code"] for u in service.units]
    busy = kept.busy_units(work, service.quarter, units) if units else set()
    return rules.tally([(p.id, p.takes) for p in problems], claims, units, busy)


def _open_list(work: Work, list_id: str, *, closed: bool = False) -> Any:
    """The service list, which stays as it is until the transaction ends: published, or `closed` too."""
    seen = rows.list_of(work, list_id)
    if seen is None:
        raise Problem(404, "There is no such list")
    if not closed:
        listing.open_quarter(work, seen.quarter)
    service = rows.list_of(work, list_id, lock="FOR SHARE")
    if service.kind != "service":
        raise listing.refused(
            409, "Nothing is claimed there", "list", f"is a {service.kind} list", "a service list"
        )
    if service.state != "published" and not (closed and service.state == "closed"):
        listing.needs(service, "published")
    return service


def _offered(work: Work, service: Any, number: int) -> Any:
    found = next((p for p in listing.offered(work, service) if p.number == number), None)
    if found is None:
        raise Problem(404, "There is no such line")
    return found


def _locked(work: Work, claim_id: str, *, closed: bool = False) -> tuple[Any, Any, Claim]:
    """A claim with its list and problem, everything locked in the usual order, and read under the locks."""
    mine = kept.claim_of(work, claim_id)
    if mine is None:
        raise Problem(404, "There is no such claim")
    service = _open_list(work, kept.list_of_claim(work, claim_id), closed=closed)
    kept.lock_unit(work, service.quarter, mine.unit)
    problem = rows.problem_of(work, mine.problem, lock=True)
    again = kept.claim_of(work, claim_id)
    assert again is not None  # claims are never deleted
    return service, problem, again


def _one_of(mine: Claim, states: Sequence[str]) -> None:
    if mine.state not in states:
        words = rules.STATE_NAMES[mine.state]
        raise listing.refused(
            409, f"The claim is {mine.state} {words}", "state", f"is {mine.state}", " or ".join(states)
        )


def _free_place(problem: Any, there: Sequence[Claim]) -> int | None:
    return rules.free((c.place for c in there), problem.takes)


def _when(work: Work, mine: Claim, at: datetime | None) -> datetime:
    if at is None:
        return work.now
    if not mine.claimed_at <= at <= work.now:
        allowed = f"from {iso(mine.claimed_at)} until now"
        raise listing.refused(422, "The time doesn't fit", "done_at", f"is {iso(at)}", allowed)
    return at


def _entered(work: Work, service: Any, problem: Any, mine: Claim, who: str) -> None:
    """A problem that is claimed is entered in the account, once, with the unit that was first and what it promised."""
    if problem.entry_id is not None:
        return
    behind = rows.reports_behind(work, [d.id for d in rows.demands_behind(work, problem.list_id, problem.id)])
    what = Opening(
        source="demand_list",
        source_id=problem.id,
        street=service.street,
        category=problem.category,
        title=problem.title,
        promise=f"{service.quarter}{KIND_NAMES['service']}第{problem.number}项，{mine.unit}认领，{day(mine.due_at)}前完成",
        unit=mine.unit,
        person=mine.person if _ID.fullmatch(mine.person) else None,
        due_at=iso(mine.due_at),
        reports=tuple(b["report"] for of in behind.values() for b in of),
    )
    entry, _ = entries.open_entry(work, what, Act(who, iso(work.now), f"claim {mine.id}"))
    rows.change_problems(work, [{"id": problem.id, "entry_id": entry.id}])


def _note(work: Work, mine: Claim, action: str, who: str, **facts: str) -> None:
    mine.history = [*mine.history, {"action": action, "actor": who, "at": iso(work.now), **facts}]


def _told(work: Work, service: Any, problem: Any, mine: Claim) -> None:
    """service.claimed: the claim as it is now. The problem is locked, so that sequences follow each other."""
    now = rows.problem_of(work, problem.id)
    rows.change_problems(work, [{"id": now.id, "sequence": now.sequence + 1}])
    data: dict[str, Any] = {
        "line": problem.id,
        "unit": mine.unit,
        "quarter": service.quarter,
        "street": service.street,
        "person": mine.person if _ID.fullmatch(mine.person) else None,
        "due_at": iso(mine.due_at),
        "at": iso(mine.claimed_at),
        "claim": mine.id,
        "state": mine.state,
        "done_at": iso(mine.done_at) if mine.done_at else None,
        "milestones": mine.milestones,
    }
    work.emit("service.claimed", data, subject=problem.id, sequence=now.sequence + 1, street=service.street)
