"""A report becomes a case: decided by the policy, and offered to whom that names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from jiayuan.chassis.work import Work
from jiayuan.contracts.times import iso, parse

from . import case as cases
from . import deciding, handing, helping, matching
from .book import Book
from .case import Assignee, Case, Leg, Moves
from .policy import Decision, Policy, case_day
from .rotation import Need

ACTOR: Final = "routing"

_DOUBTS: Final = {
    "confidence": "（事项分类把握不大，先交街道研判。）",
    "conflict": "（适用的规则不止一条，先交街道研判。）",
    "place": "（地点不明，先交县级工作台核实。）",
}
_leg = cases.new_leg


def open_case(
    work: Work,
    book: Book,
    given: Counter[str],
    decided: list[dict[str, Any]],
    report: Mapping[str, Any],
    case_id: str,
    number: int,
    cause: str = deciding.RECEIVED,
) -> Moves:
    """The first two steps of a report's case; turns are counted in `given`, the decision goes to `decided`."""
    directory, policy = book.directory, book.policy(work.now)
    place, now = report["place"], iso(work.now)
    street, community, grid = directory.where(place.get("street"), place.get("community"), place.get("grid"))
    matter = deciding.matter_of(report, street, community)
    decision, confidence = policy.decide(matter), report["category"].get("confidence")
    doubt = decision.doubt(confidence, street != directory.county_street)
    where, helped = (street, community, grid), None
    if report["kind"] in helping.KINDS and not doubt:
        helped = helping.first(work, book, report, decision, where, case_id, given)
    if helped is not None:
        legs, note, fields = helped.legs, helped.note, helped.fields
    else:
        spoken = (
            matching.languages(report["title"], report["text"]) if decision.level == "grid" else matching.NONE
        )
        legs, note = first_legs(book, policy, decision, where, now, given, doubt, spoken=spoken)
        fields = {}
    said = {"policy": decision.policy, "rule": decision.rule, "reason": f"{decision.reason}{note}"[:500]}
    if doubt:
        said["confidence"] = confidence
    case = Case(
        id=case_id,
        number=f"{street}-{case_day(policy, work.now)}-{number:06d}",
        sequence=1,
        state="open",
        kind=report["kind"],
        title=report["title"],
        category=report["category"],
        livelihood=report["livelihood"],
        colour=decision.colour,
        level=legs[0].level,
        street=street,
        community=community,
        grid=grid,
        decision=said,
        reports=(reference(report),),
        first_received_at=report["received_at"],
        opened_at=now,
        citizen_limit=decision.citizen_limit,
        confirmation_limit=decision.confirmation_limit,
        **fields,
    )
    more = {"candidates": deciding.candidates_of(report)} if doubt else None
    decided.append(deciding.row_of(case_id, 2, now, cause, ACTOR, matter, decision, confidence, doubt, more))
    opened = cases.opened(case, ACTOR)
    return (opened, cases.assign_first(opened.case, legs, ACTOR, whistle_of(decision, legs)))


def reference(report: Mapping[str, Any]) -> dict[str, Any]:
    """A report as its case names it."""
    return {
        "id": report["id"],
        "reporter": report.get("reporter"),
        "channel": report["channel"],
        "received_at": report["received_at"],
    }


def first_legs(
    book: Book,
    policy: Policy,
    decision: Decision,
    where: tuple[str, str | None, str | None],
    now: str,
    given: Counter[str],
    doubt: str | None = None,
    *,
    spoken: frozenset[str] = frozenset(),
    without: frozenset[str] = frozenset(),
) -> tuple[tuple[Leg, ...], str]:
    """Whom the case is offered to, and what is to be added to the reason. `doubt`: the desk looks first.

    `spoken`: the languages that the reporter needs; `without`: who has turned the case down.
    """
    directory, finish, response = book.directory, decision.finish_limit, decision.response_limit
    if doubt is not None:
        note = _DOUBTS[doubt]
    elif decision.level == "department":
        lead = directory.unit(decision.lead or "")
        if lead is not None:
            called = [u for u in decision.assistants if directory.unit(u) is not None]
            # One unit alone isn't whistled: it is sent the case, and answers it.
            report_in = (
                policy.whistle.report_in(decision.ground, decision.report_in_limit) if called else None
            )
            owed = (now, response, finish, None, report_in)
            first = _leg("lead", "department", 0, Assignee("unit", lead.code), *owed)
            owed = (now, decision.report_in_limit, finish, None, report_in)
            others = (_leg("assist", "department", 0, Assignee("unit", u), *owed) for u in called)
            return (first, *others), ""
        note = f"（名录中没有单位{decision.lead}，先交街道分派。）"
    elif decision.level == "street":
        desk = directory.desk(where[0])
        return (_leg("handle", "street", cases.DESK_STEP, desk, now, response, finish),), ""
    else:
        at = parse(now)
        if decision.level == "community":
            chief = directory.chief(where[1]) if where[1] else None
            person = handing.somebody(book.staff, chief, at, without) if chief else None
            level, step, missing = "community", 2, "该社区暂无总网格长在岗"
        else:
            need = decision.need
            if spoken:
                need = Need(need.skills, need.languages | spoken)
            person = book.next_worker(handing.chain(directory, where), at, given, need, without)
            level, step = "grid", 0
            missing = "该处在岗网格员无所需技能" if need.skills else "该处暂无网格员在岗"
        if person is not None:
            return (_leg("handle", level, step, Assignee("person", person), now, response, finish),), ""
        unknown = where[0] == directory.county_street
        note = _DOUBTS["place"] if unknown else f"（{missing}，先交街道分派。）"
    desk, response = directory.desk(where[0]), policy.response("street")
    return (_leg("handle", "street", cases.DESK_STEP, desk, now, response, finish),), note


def whistle_of(decision: Decision, legs: Sequence[Leg]) -> dict[str, Any] | None:
    """What a case says of the units that it is offered to; None when it is a person's or a desk's."""
    if legs[0].kind != "lead":
        return None
    assistants = [leg.assignee.id for leg in legs[1:]]
    return {"ground": decision.ground, "lead": legs[0].assignee.id, "assistants": assistants}


def with_finish(leg: Leg, finish_limit: int) -> Leg:
    """A leg with another limit to settle the matter."""
    return replace(leg, finish_limit=finish_limit)
