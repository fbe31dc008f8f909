"""Disputes go to a mediator, wishes to those whose means match, appointments to their service point.

Only where the policy leaves the matter to the grid: danger, and what is a department's, is not offered to
volunteers. Where nobody is found, the grid has it as before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

from jiayuan.chassis.work import Work
from jiayuan.contracts.times import iso

from . import appointments, handing, matching, mediation, store
from . import case as cases
from .book import Book
from .case import Assignee, Case, Leg, Moves, NotAllowed, offering
from .case.steps import next_step
from .directory import ServicePoint
from .directory.duty import ZONE
from .policy import Decision
from .rotation import Need

KINDS: Final = ("dispute", "wish", "appointment")
Where = tuple[str, str | None, str | None]


@dataclass(frozen=True, slots=True)
class Helped:
    """Whom the case is offered to first, what is added to the reason, and what the case tells beyond its legs."""

    legs: tuple[Leg, ...]
    note: str
    fields: dict[str, Any] = field(default_factory=dict)


def first(
    work: Work,
    book: Book,
    report: Mapping[str, Any],
    decision: Decision,
    where: Where,
    case_id: str,
    given: Counter[str],
) -> Helped | None:
    """Who is asked first about a report of one of `KINDS`; None when the grid has it. Writes what it keeps."""
    if decision.level != "grid":
        return None
    return _FIRST[report["kind"]](work, book, report, decision, where, case_id, given)


# -- disputes ----------------------------------------------------------------------------------------


def _dispute(
    work: Work,
    book: Book,
    report: Mapping[str, Any],
    decision: Decision,
    where: Where,
    case_id: str,
    given: Counter[str],
) -> Helped | None:
    rules, directory = matching.rules(), book.directory
    skills = matching.dispute_skills(report["category"]["code"], report["title"], report["text"])
    big = mediation.needs_team(decision.importance, 1, rules.team_importance, rules.team_reports)
    found = _team(book, where, skills, work.now) if big else None
    found = (
        found
        or _mediator(book, where, skills, work.now)
        or (None if big else _team(book, where, skills, work.now))
    )
    if found is None:
        return None
    team, person = found
    given[person] += 1
    store.insert_mediation(work, case_id, team, person)
    leg = cases.new_leg(
        "handle",
        "community" if directory.people[person].community else "street",
        0,
        Assignee("person", person),
        iso(work.now),
        rules.mediation_response,
        decision.finish_limit,
    )
    name = directory.teams[team].name if team else directory.label(leg.assignee)
    told: dict[str, Any] = {"sessions": []} | ({"team": team} if team else {}) | {"mediator": person}
    return Helped((leg,), f"（已请{name}调解。）", {"mediation": told})


def _team(book: Book, where: Where, skills: Sequence[str], at: datetime) -> tuple[str | None, str] | None:
    found = mediation.team_for(book.directory, book.staff, where, skills, at, ())
    if found is None:
        return None
    book.rotation.had(found[1], at)
    return found[0].code, found[1]


def _mediator(book: Book, where: Where, skills: Sequence[str], at: datetime) -> tuple[str | None, str] | None:
    """Whose turn it is among the mediators near by who know such disputes, else among all near by; else the county."""
    for part in mediation.places(book.directory, where):
        needs = [Need(frozenset((skill,))) for skill in skills]
        for need in needs:
            for place in part:
                person = book.rotation.next(f"mediator|{place}", at, need)
                if person is not None:
                    return None, person
        for place in part:
            person = book.rotation.next(f"mediator|{place}", at)
            if person is not None:
                return None, person
    return None


# -- wishes ------------------------------------------------------------------------------------------


def _wish(
    work: Work,
    book: Book,
    report: Mapping[str, Any],
    decision: Decision,
    where: Where,
    case_id: str,
    given: Counter[str],
) -> Helped | None:
    want = matching.wanted(report["title"], report["text"])
    category, finish = report["category"]["code"], decision.finish_limit
    legs = next_round(work, book, case_id, want, where, category, finish, without=(), number=1)
    if not legs:
        return None
    given.update(leg.assignee.id for leg in legs)
    store.insert_wish(work, case_id, want.document())
    asked = offering.entries([leg.assignee for leg in legs], legs[0].offered_at)
    return Helped(legs, f"（已同时征询{len(legs)}位志愿力量，先认领者办理。）", {"offered_to": asked})


def next_round(
    work: Work,
    book: Book,
    case_id: str,
    want: matching.Wanted,
    where: Where,
    category: str,
    finish: int | None,
    *,
    without: Sequence[str],
    number: int,
    most: int | None = None,
) -> tuple[Leg, ...]:
    """The legs of a round of offers, and their reasons kept; () when nobody is left or there were enough rounds."""
    rules, now = matching.rules(), work.now
    if number > rules.rounds and most is None:
        return ()
    rotation = book.rotation
    found = matching.matches(
        book.directory, want, where, now, load=rotation.load, last=rotation.last_given, category=category,
        without=without,
    )[: most or rules.offered_to]  # fmt: skip
    if not found:
        return ()
    to = [Assignee("unit" if m.type == "unit" else "person", m.id) for m in found]
    when = iso(now)
    legs = offering.offer_legs(to, when, rules.lapses, finish, "供需匹配")
    for match in found:
        rotation.had(match.id, now)
    store.insert_offers(
        work,
        [
            {
                "case_id": case_id,
                "leg": leg.id,
                "round": number,
                "helper": match.id,
                "type": match.type,
                "score": match.score,
                "reasons": list(match.reasons),
                "offered_at": when,
                "lapses": rules.lapses,
            }
            for leg, match in zip(legs, found, strict=True)
        ],
    )
    return legs


def offered(
    work: Work,
    book: Book,
    case: Case,
    want: matching.Wanted,
    actor: str,
    reason: str,
    to: Sequence[str],
    most: int | None,
) -> Moves:
    """The desk has a case offered: to those named, or to whoever's means match best. () when nobody's do."""
    finish = next((leg.finish_limit for leg in case.live_legs if leg.finish_limit), None)
    number = len({o["at"] for o in case.offered_to}) + 1
    if to:
        legs = _named(work, book, case, to, finish, number)
    else:
        asked = [o["id"] for o in case.offered_to]
        legs = next_round(
            work, book, case.id, want, where_of(case), case.category["code"], finish,
            without=asked, number=number, most=most or matching.rules().offered_to,
        )  # fmt: skip
    if not legs:
        return ()
    store.insert_wish(work, case.id, want.document())
    return offering.offer(case, legs, actor, work.now, reason)


def _named(
    work: Work, book: Book, case: Case, to: Sequence[str], finish: int | None, number: int
) -> tuple[Leg, ...]:
    when, rules = iso(work.now), matching.rules()
    who = [Assignee("unit" if book.directory.unit(i) is not None else "person", i) for i in to]
    legs = offering.offer_legs(who, when, rules.lapses, finish, "街道指定征询")
    for one in who:
        book.rotation.had(one.id, work.now)
    store.insert_offers(
        work,
        [
            {
                "case_id": case.id,
                "leg": leg.id,
                "round": number,
                "helper": leg.assignee.id,
                "type": leg.assignee.type,
                "score": 0,
                "reasons": ["街道指定"],
                "offered_at": when,
                "lapses": rules.lapses,
            }
            for leg in legs
        ],
    )
    return legs


def where_of(case: Case) -> Where:
    """Street, community and grid of a case."""
    return case.street, case.community, case.grid


def given_up(
    work: Work, book: Book, case: Case, leg_id: str, actor: str, reason: str, *, lapsed: bool = False
) -> Moves:
    """An offer is declined, or its limit has passed: with the last of a round the next are asked, and when nobody is
    left the grid's party group gets it."""
    leg = case.leg(leg_id)
    then: tuple[Leg, ...] = ()
    if leg is not None and leg.live and not [o for o in offering.open_offers(case) if o.id != leg_id]:
        asked = [o["id"] for o in case.offered_to]
        number = len({o["at"] for o in case.offered_to}) + 1
        want = matching.wanted_from(store.wish_of(work, case.id) or {})
        then = next_round(
            work, book, case.id, want, where_of(case), case.category["code"], leg.finish_limit,
            without=asked, number=number,
        )  # fmt: skip
        then = then or (_party_group(book, case, work.now, leg.finish_limit),)
    return offering.give_up(case, leg_id, actor, work.now, reason, then, lapsed=lapsed)


def _party_group(book: Book, case: Case, at: datetime, finish: int | None) -> Leg:
    directory, policy = book.directory, book.policy(at)
    grid = directory.grids.get(case.grid or "")
    compound = grid.parent if grid is not None and grid.kind == "building" else case.grid
    rungs = []
    leader = directory.leader(compound or "")
    if leader is not None:
        rungs.append(cases.Rung(1, "grid", Assignee("person", leader)))
    chief = directory.chief(case.community or "")
    if chief is not None:
        rungs.append(cases.Rung(2, "community", Assignee("person", chief)))
    rungs.append(cases.Rung(cases.DESK_STEP, "street", directory.desk(case.street)))
    left = handing.rungs(rungs, book.staff, at, handing.turned_down(case))
    group = (grid.party_group if grid is not None else "") or "网格党小组"
    return offering.party_group(
        left, iso(at), policy.response(left[0].level), finish, f"无人认领，由{group}落实"[:500]
    )


# -- appointments ------------------------------------------------------------------------------------


def _appointment(
    work: Work,
    book: Book,
    report: Mapping[str, Any],
    decision: Decision,
    where: Where,
    case_id: str,
    given: Counter[str],
) -> Helped | None:
    booked = report.get("appointment")
    if booked:
        # A slot was chosen and a seat taken when it was booked: intake keeps them, here it is only counted.
        starts = booked["starts_at"]
        day = datetime.fromisoformat(starts).astimezone(ZONE).date()
        store.insert_visit(work, case_id, booked["point"], booked["service"], day, starts)
        note = "（已约定服务站点和时间。）"
        code = booked["point"]
    else:
        service = matching.service_of(report["category"]["code"], report["title"], report["text"])
        visit = reserve(work, book, case_id, service, where)
        if visit is None:
            return None
        code = visit.point.code
        note = f"（{visit.point.name}：{'，'.join(visit.reasons)}。）"
    legs = at_point(book, code, where, work, decision)
    given.update(leg.assignee.id for leg in legs if leg.assignee.type == "person")
    return Helped(legs, note, {"point": code})


def reserve(
    work: Work, book: Book, case_id: str, service: str, where: Where, without: frozenset[str] = frozenset()
) -> appointments.Visit | None:
    """The nearest point with room, and a place there on that day, which nobody else gets; None when there is none."""
    rules, directory = matching.rules(), book.directory
    if not directory.points:
        return None
    for _ in range(50):
        today = work.now.astimezone(ZONE).date()
        taken = store.visits_of(work, today)

        def count(code: str, day: date, taken: dict[tuple[str, date], int] = taken) -> int:
            return taken.get((code, day), 0)

        visit = appointments.choose(
            directory.points.values(), service, where, work.now, count,
            days=rules.days, slot=rules.slot, without=without,
        )  # fmt: skip
        if visit is None:
            return None
        most = appointments.seats(visit.point, visit.day, work.now, rules.slot)
        if store.reserve_visit(work, case_id, visit.point.code, service, visit.day, most):
            return visit
        # Somebody else was faster; look again, the count has changed.
    return None


def at_point(
    book: Book, code: str, where: Where, work: Work, decision: Decision | None, finish: int | None = None
) -> tuple[Leg, ...]:
    """The leg of whoever is on duty where the point is, else of the street's desk."""
    point = book.directory.points.get(code)
    place = (point.street, point.community or None, None) if point is not None and point.street else where
    policy = book.policy(work.now)
    finish = decision.finish_limit if decision is not None else finish
    for near in handing.chain(book.directory, place):
        person = book.rotation.next(near, work.now)
        if person is not None:
            response = decision.response_limit if decision is not None else policy.response("grid")
            return (
                cases.new_leg(
                    "handle", "grid", 0, Assignee("person", person), iso(work.now), response, finish
                ),
            )
    desk = book.directory.desk(place[0])
    response = policy.response("street")
    return (cases.new_leg("handle", "street", cases.DESK_STEP, desk, iso(work.now), response, finish),)


def other_point(
    work: Work, book: Book, case: Case, code: str | None, service: str, actor: str, reason: str
) -> Moves:
    """An appointment goes to another point: that of the code, or the nearest with room. NotAllowed when none has."""
    if case.state in (*cases.OVER, "resolved"):
        raise NotAllowed("point", f"the case is {case.state}")
    store.drop_visit(work, case.id)
    directory = book.directory
    every = frozenset(directory.points)
    without = (every - {code}) if code else frozenset((case.point or "",))
    visit = reserve(work, book, case.id, service, where_of(case), without)
    if visit is None:
        raise NotAllowed("point", "no service point that offers it has room within a week")
    leg = next((leg for leg in case.live_legs if leg.kind == "handle"), None)
    change = cases.Change("case.changed", "point", actor, iso(work.now), leg.id if leg else None, reason)
    return (next_step(case, change, point=visit.point.code),)


def room(work: Work, point: ServicePoint, day: date) -> int:
    """How many can still come to a point on a day."""
    taken = store.visits_of(work, day).get((point.code, day), 0)
    return max(appointments.seats(point, day, work.now, matching.rules().slot) - taken, 0)


_FIRST: Final = {"dispute": _dispute, "wish": _wish, "appointment": _appointment}
