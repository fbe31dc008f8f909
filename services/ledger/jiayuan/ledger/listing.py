"""The quarter's lists in transactions: drafted, changed by people, published, closed. Who may is the caller's to ask.

Everything that changes a list locks its row first, so that two people at one list wait for each other. A list that is
published is not changed any more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from jiayuan.chassis.aside import aside
from jiayuan.chassis.errors import Problem
from jiayuan.chassis.redact import mask
from jiayuan.chassis.work import Work
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.ids import new_id
from jiayuan.contracts.times import iso

from . import store
from .closing import period_of
from .lists import demand as demands
from .lists import problem as problems
from .lists.demand import Behind, Hotspot, Line
from .lists.publishing import KIND_NAMES, STATE_NAMES, STEPS, wrong_state
from .lists.quarter import Quarter, read
from .store import lists as rows

DETAIL_LIMIT: Final = 2000


@dataclass(frozen=True)
class Learned:
    """What neighbours told: hotspots of the community, the member units (None: not asked), and who did not tell."""

    hotspots: Sequence[Hotspot] = ()
    units: Sequence[Mapping[str, str]] | None = None
    notes: Sequence[str] = ()


@dataclass
class NewDemand:
    """A demand that people bring. `reports`: ids of the reports behind it; `origin`: what it is known by elsewhere."""

    category: str
    title: str
    source: str
    detail: str = ""
    people: int | None = None
    reports: Sequence[str] = ()
    origin: str = ""
    evidence: dict[str, Any] = field(default_factory=dict)


def refused(status: int, title: str, field_: str, why: str, allowed: str = "") -> Problem:
    """A refusal that names the field, what is wrong and what is allowed."""
    return Problem(status, title, problems=[FieldProblem(field_, why, allowed)])


# -- drafting --------------------------------------------------------------------------------------------------


def draft(
    work: Work,
    kind: str,
    quarter: Quarter,
    street: str,
    community: str,
    who: str,
    learned: Learned = Learned(),
    since: datetime | None = None,
) -> tuple[Any, dict[str, int]]:
    """Begins a list, or adds to its draft what has come since: the list, and how much was added.

    `since`: of a demand list, from when on matters are looked at; else from the beginning of the quarter before. What
    is still to be published by others (the demand lists, the problem list) is told in the notes or refused, 409.
    """
    open_quarter(work, str(quarter))
    row = {
        "id": new_id(),
        "kind": kind,
        "quarter": str(quarter),
        "street": street,
        "community": community,
        "state": "draft",
        "sequence": 0,
        "notes": [],
        "units": [],
        "drafted_at": iso(work.now),
        "drafted_by": who,
    }
    begun = rows.add_list(work, row)
    found = rows.list_for(work, kind, str(quarter), street, community, lock="FOR UPDATE")
    needs(found, "draft")
    notes = list(learned.notes)
    if kind == "demand":
        added = _draft_demands(work, found, quarter, who, learned, since)
    elif kind == "problem":
        added = _draft_problems(work, found, quarter, notes)
    else:
        added = _draft_service(work, found, learned)
    units = [dict(u) for u in learned.units] if learned.units is not None else found.units
    rows.change_list(
        work,
        found.id,
        notes=notes,
        units=units,
        drafted_at=iso(work.now),
        drafted_by=who,
    )
    rows.add_act(work, found.id, "draft", who, {**added, "notes": notes})
    return rows.list_of(work, found.id), {**added, "begun": int(begun)}


def _draft_demands(
    work: Work, found: Any, quarter: Quarter, who: str, learned: Learned, since: datetime | None
) -> dict[str, int]:
    matters = rows.matters(work, found.street, found.community, since or quarter.before.begins, quarter.ends)
    there = rows.demands_of(work, found.id)
    behind = rows.reports_behind(work, [d.id for d in there])
    lines = [Line(d.id, d.category, d.title, frozenset(b["report"] for b in behind[d.id])) for d in there]
    drafted = aside(demands.draft, matters, learned.hotspots, lines)
    number = max((d.number for d in there), default=0)
    fresh = []
    for line in drafted.lines:
        number += 1
        made = NewDemand(line.category, line.title, "", people=line.people, evidence=line.evidence)
        fresh.append((_demand_row(work, found.id, number, made, who, line.sources), line.behind))
    rows.add_demands(work, [row for row, _ in fresh])
    for row, reports in fresh:
        rows.put_behind(work, found.id, row["id"], reports)
    for id_, more in drafted.added.items():
        rows.put_behind(work, found.id, id_, more)
    return {"lines": len(drafted.lines), "reports": drafted.reports}


def _draft_problems(work: Work, found: Any, quarter: Quarter, notes: list[str]) -> dict[str, int]:
    wanted = rows.demands_wanted(work, found.quarter, found.street)
    waiting = [
        entry.community
        for entry in rows.find_lists(
            work, kind="demand", quarter=found.quarter, street=found.street, community=None
        )
        if entry.state == "draft"
    ]
    if waiting:
        notes.append(f"需求清单尚未公布的社区：{'、'.join(waiting)}")
    if lost := rows.unplaced(work, found.street, quarter.before.begins, quarter.ends):
        notes.append(f"{lost}件未办结诉求的社区不明，不在任何需求清单中：更正其地点，或由社区自行列入")
    if not wanted:
        raise refused(
            409,
            "There is nothing to draft from",
            "quarter",
            f"no community of street {found.street} has published a demand list of {found.quarter}",
            "publish the communities' demand lists first",
        )
    behind = rows.reports_behind(work, [d.id for d in wanted])
    known = [
        problems.Wanted(d.id, d.category, d.title, len(behind[d.id]), d.community, d.problem_id)
        for d in wanted
    ]
    suggested = aside(problems.suggest, known)
    number = max((p.number for p in rows.problems_of(work, found.id)), default=0)
    fresh = []
    for problem in suggested.problems:
        number += 1
        fresh.append((_problem_row(found.id, number, problem.category, problem.title), problem.demands))
    rows.add_problems(work, [row for row, _ in fresh])
    for row, joined in fresh:
        rows.join_demands(work, joined, row["id"])
    for id_, joined in suggested.added.items():
        rows.join_demands(work, joined, id_)
    joined_now = sum(len(j) for _, j in fresh) + sum(len(j) for j in suggested.added.values())
    return {"lines": len(fresh), "demands": joined_now}


def _draft_service(work: Work, found: Any, learned: Learned) -> dict[str, int]:
    _published_problems(work, found)
    return {"units": len(learned.units or found.units)}


def _published_problems(work: Work, found: Any) -> Any:
    """The problem list that a service list offers; 409 when it isn't published."""
    source = rows.list_for(work, "problem", found.quarter, found.street)
    if source is None or source.state == "draft":
        raise refused(
            409,
            "There is nothing to claim yet",
            "quarter",
            f"the problem list of street {found.street} in {found.quarter} is not published",
            "publish the problem list first",
        )
    return source


# -- lines of a demand list --------------------------------------------------------------------------------------


def add_demand(work: Work, list_id: str, new: NewDemand, who: str) -> tuple[dict[str, Any], bool]:
    """A demand from a round of the grid, a meeting or a sheet: the line, and whether it is new.

    It is known by its `origin`, or else by what it says: sent again it is the same line. Reports that the account
    knows in this community keep their cases and entries; one that is behind another line stays there.
    """
    found = locked(work, list_id, "demand", "draft")
    origin = new.origin or "said:" + hashlib.sha256(f"{new.category}\0{new.title}".encode()).hexdigest()[:32]
    there = rows.demands_of(work, found.id)
    known = next((d for d in there if d.origin == origin), None)
    if known is None and not new.origin:
        known = next((d for d in there if (d.category, d.title) == (new.category, _title(new.title))), None)
    if known is not None:
        return known._asdict(), False
    number = max((d.number for d in there), default=0) + 1
    row = _demand_row(work, found.id, number, new, who, (new.source,), origin)
    rows.add_demands(work, [row])
    rows.put_behind(work, found.id, row["id"], _behind(work, found, new.reports))
    rows.add_act(work, found.id, "add", who, {"number": number, "source": new.source})
    return row, True


def _behind(work: Work, found: Any, reports: Iterable[str]) -> list[Behind]:
    named = list(dict.fromkeys(reports))
    if not named:
        return []
    quarter = read(found.quarter)
    matters = rows.matters(work, found.street, found.community, quarter.before.begins, quarter.ends)
    known = {b.report: b for m in matters for b in m.behind}
    return [known.get(r, Behind(r)) for r in named]


def change_demand(work: Work, demand_list: str, number: int, changes: Mapping[str, Any], who: str) -> bool:
    """Changes what a line says, or whether it is kept (then `reason` says why not): whether anything changed.

    `reports` are put behind it, beside those that are there. 409 when one is behind another line.
    """
    found = locked(work, demand_list, "demand", "draft")
    line = next((d for d in rows.demands_of(work, found.id) if d.number == number), None)
    if line is None:
        raise Problem(404, "There is no such line")
    kept = changes.get("kept", line.kept)
    reason = changes.get("reason", line.reason)
    if not kept and not reason:
        raise refused(422, "The body breaks the schema", "reason", "is missing", "why the line is left out")
    wanted = {
        "category": changes.get("category", line.category),
        "title": _title(changes.get("title", line.title)),
        "detail": mask(changes.get("detail", line.detail) or "")[:DETAIL_LIMIT],
        "people": changes.get("people", line.people),
        "kept": kept,
        "reason": None if kept else mask(reason)[:500],
    }
    changed = {k: v for k, v in wanted.items() if getattr(line, k) != v}
    if not changed:
        return False
    rows.change_demands(work, [{"id": line.id, **wanted, "changed_at": iso(work.now), "changed_by": who}])
    rows.add_act(work, found.id, "change", who, {"number": number, "fields": sorted(changed)})
    return True


def _put_more(work: Work, found: Any, line: Any, reports: Sequence[str]) -> bool:
    """Puts reports behind a line that aren't yet: whether there were any."""
    if not reports:
        return False
    there = {d.id: d.number for d in rows.demands_of(work, found.id)}
    behind = rows.reports_behind(work, list(there))
    home = {b["report"]: there[d] for d, of in behind.items() for b in of}
    elsewhere = [f"{r} is behind line {home[r]}" for r in reports if home.get(r, line.number) != line.number]
    if elsewhere:
        raise refused(409, "A report is behind one line", "reports", elsewhere[0], "reports that are free")
    fresh = [r for r in reports if r not in home]
    rows.put_behind(work, found.id, line.id, _behind(work, found, fresh))
    return bool(fresh)


def _demand_row(
    work: Work,
    list_id: str,
    number: int,
    new: NewDemand,
    who: str,
    sources: Sequence[str],
    origin: str | None = None,
) -> dict[str, Any]:
    return {
        "id": new_id(),
        "list_id": list_id,
        "number": number,
        "category": new.category,
        "title": _title(new.title),
        "detail": mask(new.detail)[:DETAIL_LIMIT],
        "sources": list(sources),
        "people": new.people,
        "evidence": new.evidence,
        "origin": origin,
        "kept": True,
        "reason": None,
        "problem_id": None,
        "changed_at": iso(work.now),
        "changed_by": who,
    }


def _title(says: str) -> str:
    # The list is published: a phone number must never get in.
    return mask(says)[: demands.TITLE_LIMIT]


# -- problems ----------------------------------------------------------------------------------------------------


def decide(work: Work, list_id: str, number: int, decision: Mapping[str, Any], who: str) -> bool:
    """Accepts a problem or drops it with a reason, and says how it is called and how many units it takes.

    True when that changed anything. `state`: accepted or dropped; `title`, `detail`, `category`, `takes` as they are
    unless they are given.
    """
    found = locked(work, list_id, "problem", "draft")
    problem = _numbered(rows.problems_of(work, found.id), number)
    state = decision.get("state", problem.state)
    reason = decision.get("reason", problem.reason)
    if state == "dropped" and not reason:
        raise refused(
            422, "The body breaks the schema", "reason", "is missing", "why the problem is left out"
        )
    wanted = {
        "state": state,
        "title": _title(decision.get("title", problem.title)),
        "detail": mask(decision.get("detail", problem.detail) or "")[:DETAIL_LIMIT],
        "category": decision.get("category", problem.category),
        "takes": decision.get("takes", problem.takes),
        "reason": mask(reason)[:500] if state == "dropped" else None,
    }
    changed = {k: v for k, v in wanted.items() if getattr(problem, k) != v}
    if not changed:
        return False
    rows.change_problems(work, [{"id": problem.id, **wanted, "decided_at": iso(work.now), "decided_by": who}])
    rows.add_act(work, found.id, "decide", who, {"number": number, "state": state, "fields": sorted(changed)})
    return True


def merge(work: Work, list_id: str, numbers: Sequence[int], who: str, title: str = "") -> int:
    """Joins problems into the first one, which is accepted by that: its number. The others are dropped."""
    found = locked(work, list_id, "problem", "draft")
    there = rows.problems_of(work, found.id)
    if len(set(numbers)) < 2:
        raise refused(
            422, "The body breaks the schema", "problems", "are fewer than two", "two or more numbers"
        )
    first, *others = [_numbered(there, n) for n in dict.fromkeys(numbers)]
    behind = rows.demands_behind(work, found.id)
    moved = [d.id for d in behind if d.problem_id in {o.id for o in others}]
    rows.join_demands(work, moved, first.id)
    _decided(work, [first], "accepted", None, who, title)
    _decided(work, others, "dropped", f"并入第{first.number}项", who)
    rows.add_act(work, found.id, "merge", who, {"into": first.number, "from": [o.number for o in others]})
    return int(first.number)


def split(work: Work, list_id: str, number: int, demand_ids: Sequence[str], title: str, who: str) -> int:
    """Takes demands out of a problem into a new, accepted one: its number. Some demand must stay."""
    found = locked(work, list_id, "problem", "draft")
    there = rows.problems_of(work, found.id)
    problem = _numbered(there, number)
    mine = {d.id: d for d in rows.demands_behind(work, found.id) if d.problem_id == problem.id}
    chosen = list(dict.fromkeys(demand_ids))
    strange = [d for d in chosen if d not in mine]
    if strange or not chosen or len(chosen) == len(mine):
        why = f"{strange[0]} is no demand of it" if strange else "would leave one of the two empty"
        raise refused(
            422, "The body breaks the schema", "demands", why, "some, not all, of the problem's demands"
        )
    row = _problem_row(
        found.id, max(p.number for p in there) + 1, mine[chosen[0]].category, title or mine[chosen[0]].title
    )
    row |= {"state": "accepted", "decided_at": iso(work.now), "decided_by": who}
    rows.add_problems(work, [row])
    rows.join_demands(work, chosen, row["id"])
    rows.add_act(
        work, found.id, "split", who, {"from": number, "into": row["number"], "demands": len(chosen)}
    )
    return int(row["number"])


def regroup(work: Work, list_id: str, number: int, demand_keys: Mapping[str, str], who: str) -> bool:
    """Moves demands (key as people see it → id) to a problem, from whichever they were in: whether any moved."""
    found = locked(work, list_id, "problem", "draft")
    problem = _numbered(rows.problems_of(work, found.id), number)
    where = {d.id: d.problem_id for d in rows.demands_behind(work, found.id)}
    moved = {key: id_ for key, id_ in demand_keys.items() if where.get(id_) != problem.id}
    if not moved:
        return False
    rows.join_demands(work, list(moved.values()), problem.id)
    rows.add_act(work, found.id, "regroup", who, {"number": number, "demands": sorted(moved)})
    return True


def _decided(
    work: Work, which: Sequence[Any], state: str, reason: str | None, who: str, title: str = ""
) -> None:
    rows.change_problems(
        work,
        [
            {
                "id": p.id,
                "state": state,
                "title": _title(title) if title else p.title,
                "reason": reason,
                "decided_at": iso(work.now),
                "decided_by": who,
            }
            for p in which
        ],
    )


def _problem_row(list_id: str, number: int, category: str, title: str) -> dict[str, Any]:
    return {
        "id": new_id(),
        "list_id": list_id,
        "number": number,
        "category": category,
        "title": title,
        "detail": "",
        "takes": 1,
        "state": "suggested",
        "reason": None,
        "decided_at": None,
        "decided_by": None,
        "sequence": 0,
        "entry_id": None,
    }


def _numbered(there: Sequence[Any], number: int) -> Any:
    found = next((p for p in there if p.number == number), None)
    if found is None:
        raise refused(
            404, "There is no such line", "number", f"there is no line {number}", "a line of the list"
        )
    return found


# -- publishing and closing ---------------------------------------------------------------------------------------


def publish(work: Work, list_id: str, who: str) -> Any:
    """Publishes a draft, for good; emits list.published with how many lines it has.

    409 for a problem list with undecided problems or with an accepted one that has no demand, and for a service list
    before its problem list. A service list's lines are the accepted problems.
    """
    found = locked(work, list_id, None, "draft")
    lines = _lines(work, found)
    _step(work, found, "publish", who, {"lines": lines})
    work.emit(
        "list.published",
        {
            "id": found.id,
            "kind": found.kind,
            "quarter": found.quarter,
            "street": found.street,
            "community": found.community or None,
            "lines": lines,
            "at": iso(work.now),
        },
        subject=found.id,
        sequence=found.sequence + 1,
        street=found.street,
    )
    return rows.list_of(work, found.id)


def _lines(work: Work, found: Any) -> int:
    """How many lines will be published; 409 when the draft isn't ready."""
    if found.kind == "demand":
        return sum(1 for d in rows.demands_of(work, found.id) if d.kept)
    if found.kind == "service":
        return len(offered(work, found))
    there = rows.problems_of(work, found.id)
    undecided = [str(p.number) for p in there if p.state == "suggested"]
    behind = {d.problem_id for d in rows.demands_behind(work, found.id)}
    bare = [str(p.number) for p in there if p.state == "accepted" and p.id not in behind]
    if undecided or bare:
        which, why = (undecided, "are not decided yet") if undecided else (bare, "have no demand behind them")
        raise refused(
            409, "Not ready", "problems", f"lines {', '.join(which[:20])} {why}", "accepted or dropped, each"
        )
    return sum(1 for p in there if p.state == "accepted")


def offered(work: Work, service: Any) -> list[Any]:
    """The problems that a service list offers: the accepted ones of the street's problem list."""
    source = _published_problems(work, service)
    return [p for p in rows.problems_of(work, source.id) if p.state == "accepted"]


def close(work: Work, list_id: str, who: str) -> Any:
    """Closes a published list: nobody claims any more; what was claimed goes on until it is done."""
    found = locked(work, list_id, None, "published")
    _step(work, found, "close", who, {})
    return rows.list_of(work, found.id)


def close_quarter(work: Work, quarter: str, who: str) -> int:
    """Closes the published lists of a quarter whose books are closed (`closings` holds the lock): how many.

    What is a draft then stays one, and is not to be changed while the quarter is closed.
    """
    found = rows.find_lists(work, kind=None, quarter=quarter, street=None, community=None, state="published")
    for each in sorted(found, key=lambda f: str(f.id)):
        now = rows.list_of(work, each.id, lock="FOR UPDATE")
        if now.state == "published":
            _step(work, now, "close", who, {"quarter": quarter})
    return len(found)


def open_quarter(work: Work, quarter: str) -> None:
    """Problem 409 when the quarter's books are closed; nobody closes them before this transaction ends.

    Asked before any list is locked: whoever closes takes that lock first, and then the lists.
    """
    if store.is_closed(work, period_of(quarter)):
        raise refused(
            409, "The quarter is closed", "quarter", f"{quarter} is closed", "a quarter that is open"
        )


def _step(work: Work, found: Any, step: str, who: str, facts: dict[str, Any]) -> None:
    _, state = STEPS[step]
    at, by = ("published_at", "published_by") if step == "publish" else ("closed_at", "closed_by")
    values = {"state": state, "sequence": found.sequence + 1, at: iso(work.now), by: who}
    rows.change_list(work, found.id, **values)
    rows.add_act(work, found.id, step, who, facts)


def locked(work: Work, list_id: str, kind: str | None, state: str) -> Any:
    """A list, locked, which must be of that kind and state; Problem 404 or 409."""
    seen = rows.list_of(work, list_id)
    if seen is None:
        raise Problem(404, "There is no such list")
    open_quarter(work, seen.quarter)
    found = rows.list_of(work, list_id, lock="FOR UPDATE")
    if kind is not None and found.kind != kind:
        title = f"This is a {found.kind} list {KIND_NAMES[found.kind]}"
        raise refused(409, title, "list", f"is a {found.kind} list", f"a {kind} list")
    needs(found, state)
    return found


def needs(found: Any, state: str) -> None:
    """Problem 409 when a list isn't in a state."""
    if found.state != state:
        raise refused(
            409,
            f"The list is {found.state} {STATE_NAMES[found.state]}",
            "state",
            wrong_state(found.kind, found.state, state),
            state,
        )
