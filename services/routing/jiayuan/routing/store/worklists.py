"""SQL of worklists: cases, legs and approvals, page by page, as fast in a million cases as in a thousand.

A page is found by its key, never by an offset. A list over all streets is put together from the first rows of each
street's index, and one over several states of legs from the first rows of each state's: PostgreSQL walks an index in
order under an equality only, and would sort everything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from jiayuan.chassis.work import Work

from ..case import LIVE, OVER
from .rows import rows_of

OPEN: Final = "c.state NOT IN ('closed', 'voided', 'merged')"
_OVER: Final = "c.state IN ('closed', 'voided', 'merged')"
_LAST: Final = "ffffffff-ffff-ffff-ffff-ffffffffffff"

Key = tuple[datetime, str]
"""Where a page ended: the time it is ordered by, and the id of its last row."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which cases. `over`: closed, voided and merged ones, the newest first; else open ones, the oldest first.

    `assignee` with `legs`: only cases in which it holds a leg in one of these states, in the order they were offered.
    `overdue`: only those in which an approval should have been decided by then.
    """

    over: bool = False
    street: str | None = None
    community: str | None = None
    states: Sequence[str] = ()
    colours: Sequence[str] = ()
    kind: str | None = None
    category: str | None = None
    assignee: str | None = None
    legs: Sequence[str] = LIVE
    overdue: datetime | None = None


def _filters(wanted: Wanted) -> tuple[str, str, dict[str, Any]]:
    """What is joined to a list's sources, the conditions, and their parameters.

    Each state and each colour is looked for by itself: an equality on a later column of an index is tried on the index
    alone, one of several values only on the row.
    """
    said: list[tuple[str, str, Any]] = [
        ("c.state = w.state", "states", list(wanted.states) or None),
        ("c.colour = x.colour", "colours", list(wanted.colours) or None),
        ("c.community = :community", "community", wanted.community),
        ("c.kind = :kind", "kind", wanted.kind),
        ("c.category = :category", "category", wanted.category),
    ]
    sql = "".join(f" AND {text}" for text, _, value in said if value is not None)
    values = ""
    if wanted.states:
        values += " CROSS JOIN (SELECT DISTINCT unnest(CAST(:states AS text[])) AS state) w"
    if wanted.colours:
        values += " CROSS JOIN (SELECT DISTINCT unnest(CAST(:colours AS text[])) AS colour) x"
    return values, sql, {name: value for _, name, value in said if value is not None}


def cases_page(work: Work, wanted: Wanted, after: Key | None, limit: int) -> list[Any]:
    """Rows of id, key (the time a page is ordered by), row (the id that goes with it), sequence, state_doc."""
    sql, parameters = cases_sql(wanted, after)
    return rows_of(work, sql, most=limit, **parameters)


def cases_sql(wanted: Wanted, after: Key | None) -> tuple[str, dict[str, Any]]:
    """The statement of `cases_page` and its parameters, but for `most`."""
    values, filters, parameters = _filters(wanted)
    if after is not None:
        parameters |= {"after": after[0], "row": after[1]}
    if wanted.street is not None:
        parameters["street"] = wanted.street
    if wanted.overdue is not None:
        return _overdue(wanted, values, filters, parameters | {"due": wanted.overdue}, after)
    if wanted.assignee is not None:
        parameters |= {"assignee": wanted.assignee, "legs": list(wanted.legs)}
        return _held(wanted, values, filters, after), parameters
    return _by_street(wanted, values, filters, after), parameters


def _by_street(wanted: Wanted, values: str, filters: str, after: Key | None) -> str:
    column, which = ("closed_at", _OVER) if wanted.over else ("opened_at", OPEN)
    order = "DESC" if wanted.over else "ASC"
    page = _page(after, f"c.{column}", "c.id", "<" if wanted.over else ">")
    streets = (
        "(SELECT CAST(:street AS text) AS street)" if wanted.street is not None else f"({_streets(which)})"
    )
    return (
        f"SELECT p.id, p.key, p.id AS row, d.sequence, d.state_doc FROM (SELECT l.id, l.key FROM {streets} s{values} "
        f'CROSS JOIN LATERAL (SELECT c.id, c.{column} AS key FROM "case" c '
        f"WHERE c.street = s.street AND {which}{filters}{page} "
        f"ORDER BY c.{column} {order}, c.id {order} LIMIT :most) l "
        f'ORDER BY l.key {order}, l.id {order} LIMIT :most) p JOIN "case" d ON d.id = p.id '
        f"ORDER BY p.key {order}, p.id {order}"
    )


def _streets(which: str) -> str:
    """Each street that such a case is in, by as many looks into the index as there are streets."""
    return (
        "WITH RECURSIVE t AS ("
        f'(SELECT c.street FROM "case" c WHERE {which} ORDER BY c.street LIMIT 1) UNION ALL '
        f'SELECT (SELECT c.street FROM "case" c WHERE {which} AND c.street > t.street ORDER BY c.street LIMIT 1) '
        "FROM t WHERE t.street IS NOT NULL) SELECT t.street FROM t WHERE t.street IS NOT NULL"
    )


def _page(after: Key | None, time: str, row: str, sign: str) -> str:
    return "" if after is None else f" AND ({time}, {row}) {sign} (:after, CAST(:row AS uuid))"


def _held(wanted: Wanted, values: str, filters: str, after: Key | None) -> str:
    page = _page(after, "l.offered_at", "l.id", ">")
    street = " AND c.street = :street" if wanted.street is not None else ""
    which = _OVER if wanted.over else OPEN
    return (
        "SELECT p.case_id AS id, p.offered_at AS key, p.id AS row, c.sequence, c.state_doc "
        f"FROM unnest(CAST(:legs AS text[])) s(state){values} CROSS JOIN LATERAL ("
        "SELECT l.id, l.case_id, l.offered_at FROM leg l "
        'JOIN "case" c ON c.id = l.case_id '
        f"WHERE l.assignee = :assignee AND l.state = s.state AND {which}{street}{filters}{page} "
        'ORDER BY l.offered_at, l.id LIMIT :most) p JOIN "case" c ON c.id = p.case_id '
        "ORDER BY p.offered_at, p.id LIMIT :most"
    )


def _overdue(
    wanted: Wanted, values: str, filters: str, parameters: dict[str, Any], after: Key | None
) -> tuple[str, dict[str, Any]]:
    """Few are ever overdue: they are all looked at."""
    which, page = (_OVER if wanted.over else OPEN), _page(after, "c.opened_at", "c.id", ">")
    street = " AND c.street = :street" if wanted.street is not None else ""
    held = ""
    if wanted.assignee is not None:
        held = (
            " AND EXISTS (SELECT 1 FROM leg l WHERE l.assignee = :assignee AND l.state = ANY(:legs) "
            "AND l.case_id = c.id)"
        )
        parameters |= {"assignee": wanted.assignee, "legs": list(wanted.legs)}
    sql = (
        "SELECT c.id, c.opened_at AS key, c.id AS row, c.sequence, c.state_doc "
        "FROM (SELECT DISTINCT a.case_id FROM approval a WHERE a.decided_at IS NULL AND a.due_at < :due) a "
        f'JOIN "case" c ON c.id = a.case_id{values} '
        f"WHERE {which}{street}{filters}{page}{held} ORDER BY c.opened_at, c.id LIMIT :most"
    )
    return sql, parameters


# -- legs --------------------------------------------------------------------------------------------


def open_legs(
    work: Work,
    assignee: str | None,
    states: Sequence[str],
    limit: int,
    after: datetime | None = None,
    after_leg: str | None = None,
) -> list[Any]:
    """Legs of an assignee (None: of everybody) with their cases' documents, the oldest first.

    `after`: only those offered later; with `after_leg` also those of the same time that come after that leg.
    """
    sql, parameters = legs_sql(assignee, states, after, after_leg)
    return rows_of(work, sql, most=limit, **parameters)


def legs_sql(
    assignee: str | None, states: Sequence[str], after: datetime | None, after_leg: str | None
) -> tuple[str, dict[str, Any]]:
    """The statement of `open_legs` and its parameters, but for `most`."""
    page = _page((after, after_leg or _LAST), "l.offered_at", "l.id", ">") if after is not None else ""
    parameters: dict[str, Any] = {"states": list(states)}
    if after is not None:
        parameters |= {"after": after, "row": after_leg or _LAST}
    fields = "l.id, l.case_id, l.state, l.offered_at"
    if assignee is not None:
        parameters["assignee"] = assignee
        found = (
            f"SELECT p.* FROM unnest(CAST(:states AS text[])) s(state) CROSS JOIN LATERAL (SELECT {fields} "
            f"FROM leg l WHERE l.assignee = :assignee AND l.state = s.state{page} "
            "ORDER BY l.offered_at, l.id LIMIT :most) p"
        )
    else:
        live = " AND l.state IN ('offered', 'accepted', 'answered')" if set(states) <= set(LIVE) else ""
        found = (
            f"SELECT {fields} FROM leg l WHERE l.state = ANY(:states){live}{page} "
            "ORDER BY l.offered_at, l.id LIMIT :most"
        )
    sql = (
        "SELECT p.id, p.case_id, p.state, p.offered_at, c.sequence, c.state_doc "
        f"FROM (SELECT * FROM ({found}) f ORDER BY f.offered_at, f.id LIMIT :most) p "
        'JOIN "case" c ON c.id = p.case_id ORDER BY p.offered_at, p.id'
    )
    return sql, parameters


# -- approvals ---------------------------------------------------------------------------------------


def approvals_page(
    work: Work,
    *,
    of: Sequence[str] | None = None,
    asked_by: str | None = None,
    street: str | None = None,
    kind: str | None = None,
    overdue: datetime | None = None,
    after: Key | None = None,
    limit: int = 50,
) -> list[Any]:
    """What waits for a decision, the longest waiting first, each with its case's document."""
    sql, parameters = approvals_sql(
        of=of, asked_by=asked_by, street=street, kind=kind, overdue=overdue, after=after
    )
    return rows_of(work, sql, most=limit, **parameters)


def approvals_sql(
    *,
    of: Sequence[str] | None = None,
    asked_by: str | None = None,
    street: str | None = None,
    kind: str | None = None,
    overdue: datetime | None = None,
    after: Key | None = None,
) -> tuple[str, dict[str, Any]]:
    """The statement of `approvals_page` and its parameters, but for `most`."""
    said: list[tuple[str, dict[str, Any]]] = []
    if of is not None:
        said.append(("a.of = ANY(:of)", {"of": list(of)}))
    if asked_by is not None:
        said.append(("a.asked_by = :asked_by", {"asked_by": asked_by}))
    if street is not None:
        said.append(("a.street = :street", {"street": street}))
    if kind is not None:
        said.append(("a.kind = :kind", {"kind": kind}))
    if overdue is not None:
        said.append(("a.due_at < :due", {"due": overdue}))
    if after is not None:
        said.append(("(a.asked_at, a.id) > (:after, :row)", {"after": after[0], "row": after[1]}))
    where = "".join(f" AND {sql}" for sql, _ in said)
    sql = (
        "SELECT a.id, a.case_id, a.street, a.kind, a.leg, a.of, a.asked_by, a.asked_at, a.due_at, c.sequence, "
        'c.state_doc FROM approval a JOIN "case" c ON c.id = a.case_id '
        f"WHERE a.decided_at IS NULL{where} ORDER BY a.asked_at, a.id LIMIT :most"
    )
    return sql, {k: v for _, more in said for k, v in more.items()}


def is_over(states: Sequence[str]) -> bool:
    """Whether these are states of cases that are over."""
    return bool(states) and set(states) <= set(OVER)
