"""Lists, their lines, and who did what to them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from jiayuan.chassis.work import Work

from ..lists.demand import Behind, Matter
from .tables import demand, demand_report, list_act, problem, quarter_list

_LIST: Final = (
    "SELECT id, kind, quarter, street, community, state, sequence, notes, units, drafted_at, drafted_by,"
    " published_at, published_by, closed_at, closed_by FROM quarter_list"
)


def list_of(work: Work, id_: str, *, lock: str = "") -> Any:
    """A list by its id, or None; `lock`: `FOR UPDATE` before it is changed, `FOR SHARE` to keep it as it is."""
    return work.execute(f"{_LIST} WHERE id = CAST(:id AS uuid) {lock}", id=id_).first()


def add_list(work: Work, row: dict[str, Any]) -> bool:
    """Begins a list, unless there is one of its kind, quarter and place: whether there was none."""
    conflict = "ON CONFLICT (kind, quarter, street, community) DO NOTHING"
    return bool(work.insert(quarter_list, [row], conflict=conflict, returning="id"))


def list_for(work: Work, kind: str, quarter: str, street: str, community: str = "", *, lock: str = "") -> Any:
    """The list of a kind, quarter and place, or None."""
    return work.execute(
        f"{_LIST} WHERE kind = :kind AND quarter = :quarter AND street = :street AND community = :community {lock}",
        kind=kind,
        quarter=quarter,
        street=street,
        community=community,
    ).first()


def find_lists(
    work: Work,
    *,
    kind: str | None,
    quarter: str | None,
    street: str | None,
    community: str | None,
    state: str | None = None,
) -> list[Any]:
    """Lists, the newest quarter first; at most 500, unless a `state` of a quarter is asked for."""
    return list(
        work.execute(
            f"{_LIST} WHERE (CAST(:kind AS text) IS NULL OR kind = :kind)"
            " AND (CAST(:quarter AS text) IS NULL OR quarter = :quarter)"
            " AND (CAST(:street AS text) IS NULL OR street = :street)"
            " AND (CAST(:community AS text) IS NULL OR community = :community)"
            " AND (CAST(:state AS text) IS NULL OR state = :state)"
            " ORDER BY quarter DESC, street, kind, community LIMIT :most",
            state=state,
            most=500 if state is None else None,
            kind=kind,
            quarter=quarter,
            street=street,
            community=community,
        )
    )


def change_list(work: Work, id_: str, **values: Any) -> None:
    """Writes columns of a list that this transaction has locked."""
    work.update(quarter_list, [{"id": id_, **values}])


def add_act(work: Work, list_id: str, action: str, actor: str, facts: dict[str, Any]) -> None:
    """Keeps who did what; the list is locked, so that numbers follow each other."""
    last = work.execute(
        "SELECT coalesce(max(number), 0) FROM list_act WHERE list_id = CAST(:id AS uuid)", id=list_id
    ).scalar()
    row = {"list_id": list_id, "number": last + 1, "action": action, "actor": actor, "at": work.now}
    work.insert(list_act, [{**row, "facts": facts}])


def acts_of(work: Work, list_id: str) -> list[Any]:
    """What was done to a list, the oldest first."""
    return list(
        work.execute(
            "SELECT number, action, actor, at, facts FROM list_act WHERE list_id = CAST(:id AS uuid)"
            " ORDER BY number",
            id=list_id,
        )
    )


# -- what a draft is made from ---------------------------------------------------------------------------------


def matters(work: Work, street: str, community: str, since: datetime, until: datetime) -> list[Matter]:
    """The community's matters in the account that were opened from `since` to before `until`, and are no mistake.

    Where a matter is and which reports are behind it, the newest posting says that tells of it.
    """
    rows = work.execute(
        "SELECT e.case_id, e.id, e.category, e.title, e.state, coalesce(r.reports, '[]') AS reports"
        " FROM entry e"
        " JOIN LATERAL (SELECT p.facts ->> 'community' AS community FROM entry x JOIN posting p ON p.entry_id = x.id"
        "   WHERE x.item = e.item AND p.facts ? 'community' ORDER BY x.year DESC, p.number DESC LIMIT 1) o ON true"
        " LEFT JOIN LATERAL (SELECT p.facts -> 'reports' AS reports FROM entry x JOIN posting p ON p.entry_id = x.id"
        "   WHERE x.item = e.item AND jsonb_typeof(p.facts -> 'reports') = 'array'"
        "   ORDER BY x.year DESC, p.number DESC LIMIT 1) r ON true"
        " WHERE e.street = :street AND e.opened_at >= :since AND e.opened_at < :until"
        " AND e.state IN ('open', 'written_off') AND o.community = :community ORDER BY e.opened_at, e.id",
        street=street,
        community=community,
        since=since,
        until=until,
    )
    return [
        Matter(r.case_id, str(r.id), r.category, r.title, r.state == "open", tuple(r.reports)) for r in rows
    ]


def unplaced(work: Work, street: str, since: datetime, until: datetime) -> int:
    """How many open matters of a street, opened in that time, are of no community that anybody knows."""
    found: int = work.execute(
        "SELECT count(*) FROM entry e WHERE e.street = :street AND e.opened_at >= :since AND e.opened_at < :until"
        " AND e.state = 'open' AND e.case_id IS NOT NULL AND (SELECT p.facts ->> 'community' FROM entry x"
        "  JOIN posting p ON p.entry_id = x.id WHERE x.item = e.item AND p.facts ? 'community'"
        "  ORDER BY x.year DESC, p.number DESC LIMIT 1) IS NULL",
        street=street,
        since=since,
        until=until,
    ).scalar_one()
    return found


# -- demands ---------------------------------------------------------------------------------------------------

_DEMAND: Final = (
    "SELECT d.id, d.list_id, d.number, d.category, d.title, d.detail, d.sources, d.people, d.evidence, d.origin,"
    " d.kept, d.reason, d.problem_id, l.community FROM demand d JOIN quarter_list l ON l.id = d.list_id"
)


def demands_of(work: Work, list_id: str) -> list[Any]:
    """The lines of a demand list by number."""
    return list(work.execute(f"{_DEMAND} WHERE d.list_id = CAST(:id AS uuid) ORDER BY d.number", id=list_id))


def demands_wanted(work: Work, quarter: str, street: str) -> list[Any]:
    """What the communities of a street published as their demands, by community and number."""
    return list(
        work.execute(
            f"{_DEMAND} WHERE l.kind = 'demand' AND l.quarter = :quarter AND l.street = :street"
            " AND l.state <> 'draft' AND d.kept ORDER BY l.community, d.number",
            quarter=quarter,
            street=street,
        )
    )


def demands_behind(work: Work, problem_list: str, problem: str | None = None) -> list[Any]:
    """The demands that the problems of a list, or one of them, are made from, by community and number."""
    return list(
        work.execute(
            f"{_DEMAND} WHERE d.problem_id IN (SELECT id FROM problem WHERE list_id = CAST(:id AS uuid)"
            " AND (CAST(:problem AS uuid) IS NULL OR id = CAST(:problem AS uuid))) ORDER BY l.community, d.number",
            id=problem_list,
            problem=problem,
        )
    )


def reports_behind(work: Work, demands: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """The reports behind lines (by the line's id), with the cases and entries that they became."""
    out: dict[str, list[dict[str, Any]]] = {d: [] for d in demands}
    rows = work.execute(
        "SELECT demand_id, report_id, case_id, entry_id FROM demand_report"
        " WHERE demand_id = ANY(CAST(:ids AS uuid[])) ORDER BY demand_id, report_id",
        ids=list(demands),
    )
    for r in rows:
        entry = str(r.entry_id) if r.entry_id else None
        out[str(r.demand_id)].append({"report": r.report_id, "case": r.case_id, "entry": entry})
    return out


def add_demands(work: Work, rows: Sequence[dict[str, Any]]) -> None:
    """New lines of a list that is locked."""
    work.insert(demand, rows)


def change_demands(work: Work, rows: Sequence[dict[str, Any]]) -> None:
    """Writes lines of a list that is locked; all rows have the same keys."""
    work.update(demand, rows)


def put_behind(work: Work, list_id: str, demand_id: str, behind: Sequence[Behind]) -> None:
    """Puts reports behind a line. One that is behind another line of the list stays there."""
    rows = [
        {
            "list_id": list_id,
            "report_id": b.report,
            "demand_id": demand_id,
            "case_id": b.case,
            "entry_id": b.entry,
        }
        for b in behind
    ]
    work.insert(demand_report, rows, conflict="ON CONFLICT (list_id, report_id) DO NOTHING")


# -- problems --------------------------------------------------------------------------------------------------

_PROBLEM: Final = (
    "SELECT id, list_id, number, category, title, detail, takes, state, reason, decided_at, decided_by, sequence,"
    " entry_id FROM problem"
)


def problems_of(work: Work, list_id: str) -> list[Any]:
    """The problems of a list by number."""
    return list(work.execute(f"{_PROBLEM} WHERE list_id = CAST(:id AS uuid) ORDER BY number", id=list_id))


def problem_of(work: Work, id_: str, *, lock: bool = False) -> Any:
    """A problem, or None."""
    return work.execute(
        f"{_PROBLEM} WHERE id = CAST(:id AS uuid){' FOR UPDATE' if lock else ''}", id=id_
    ).first()


def add_problems(work: Work, rows: Sequence[dict[str, Any]]) -> None:
    """New problems of a list that is locked."""
    work.insert(problem, rows)


def change_problems(work: Work, rows: Sequence[dict[str, Any]]) -> None:
    """Writes problems of a list that is locked, or problems that are; all rows have the same keys."""
    work.update(problem, rows)


def join_demands(work: Work, demands: Sequence[str], problem_id: str) -> None:
    """Says which problem demands belong to."""
    work.execute(
        "UPDATE demand SET problem_id = CAST(:problem AS uuid) WHERE id = ANY(CAST(:ids AS uuid[]))",
        problem=problem_id,
        ids=list(demands),
    )
