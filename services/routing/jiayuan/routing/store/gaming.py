"""SQL of what looks like gaming: windows over the steps, which lie on disk in the order of their times.

`case_step_at` is a BRIN index: it says in which parts of the table a span of time lies, costs nearly nothing when a
step is written, and is all that is needed, since every question here is about a span. Documents of cases are read for
what was found, by key, and never for the span.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from jiayuan.chassis.work import Work
from jiayuan.contracts.times import iso

from .rows import rows_of
from .tables import gaming_look

# So many of the densest windows of one subject are looked at, of so many subjects, so many photos and cases.
MOST_WINDOWS: Final = 100
MOST_FOUND: Final = 500
# What a detection may take, in milliseconds, and how much memory a sort (wall time and memory of the server).
PATIENCE: Final = 20_000


@dataclass(frozen=True, slots=True)
class Span:
    """From `since` on, before `until`; `street`: of its cases only."""

    since: datetime
    until: datetime
    street: str | None = None


def be_patient(work: Work, milliseconds: int = PATIENCE) -> None:
    """A detection reads much once: more memory for its sorts, and an end to it."""
    work.execute(f"SET LOCAL statement_timeout = {int(milliseconds)}")
    work.execute("SET LOCAL work_mem = '64MB'")
    work.execute("SET LOCAL jit = off")


def _of_street(street: str | None, case_id: str) -> str:
    return f'JOIN "case" sc ON sc.id = {case_id} AND sc.street = :street ' if street is not None else ""


def _parameters(span: Span, **more: Any) -> dict[str, Any]:
    out = {"since": span.since, "until": span.until, **more}
    return out | {"street": span.street} if span.street is not None else out


# A case by its key, one after the other: few are found, whatever the planner believes, and all of them are gigabytes.
_CASE: Final = 'CROSS JOIN LATERAL (SELECT * FROM "case" WHERE id = s.case_id LIMIT 1) AS c'


# -- mass closing ------------------------------------------------------------------------------------

# Who resolved: the person who did it, and the unit whose leg it was.
_WHO: Final = "CROSS JOIN LATERAL (VALUES ('person', s.actor), ('unit', l.assignee)) AS w(type, id) "
_BY_WHOM: Final = (
    "s.action = 'resolve' AND (w.type = 'unit' AND l.assignee_type = 'unit' OR w.type = 'person' "
    "AND s.actor <> 'routing' AND (l.assignee_type <> 'unit' OR s.actor <> l.assignee))"
)


def windows(work: Work, span: Span, window: timedelta, least: int) -> list[Any]:
    """The densest windows of resolutions of each person and unit: type, id, at (its start), n; n at least `least`."""
    sql = (
        "WITH done AS (SELECT w.type, w.id, s.at FROM case_step s JOIN leg l ON l.id = s.leg "
        + _of_street(span.street, "s.case_id")
        + _WHO
        + f"WHERE s.at >= :since AND s.at < :until AND {_BY_WHOM}), "
        "counted AS (SELECT type, id, at, count(*) OVER (PARTITION BY type, id ORDER BY at "
        "RANGE BETWEEN CURRENT ROW AND CAST(:width AS interval) FOLLOWING) AS n FROM done), "
        "ranked AS (SELECT type, id, at, n, row_number() OVER (PARTITION BY type, id ORDER BY n DESC, at) AS r "
        "FROM counted WHERE n >= :least) "
        "SELECT type, id, at, n FROM ranked WHERE r <= :most ORDER BY n DESC, type, id, at LIMIT :found"
    )
    width = f"{int(window.total_seconds())} seconds"
    return rows_of(
        work,
        sql,
        **_parameters(span, width=width, least=least, most=MOST_WINDOWS, found=MOST_FOUND * 20),
    )


def habits(
    work: Work, span: Span, base: timedelta, window: timedelta, ids: Iterable[str]
) -> dict[tuple[str, str], tuple[int, float, int]]:
    """How people and units closed before the span: windows with any resolution, mean and most in one."""
    sql = (
        "SELECT type, id, count(*), avg(n), max(n) FROM (SELECT w.type, w.id, count(*) AS n "
        "FROM case_step s JOIN leg l ON l.id = s.leg "
        + _of_street(span.street, "s.case_id")
        + _WHO
        + f"WHERE s.at >= :since AND s.at < :until AND {_BY_WHOM} AND w.id = ANY(:ids) "
        "GROUP BY w.type, w.id, date_bin(CAST(:width AS interval), s.at, '2001-01-01Z')) AS x GROUP BY type, id"
    )
    before = Span(span.since - base, span.since, span.street)
    width = f"{int(window.total_seconds())} seconds"
    rows = rows_of(work, sql, **_parameters(before, ids=sorted(set(ids)), width=width))
    return {(r[0], r[1]): (r[2], float(r[3]), r[4]) for r in rows}


_STEP: Final = (
    "s.case_id, s.sequence, s.action, s.actor, s.at, s.leg, c.number, c.street, c.community, c.category"
)


def resolutions(work: Work, span: Span, type_: str, id_: str, most: int | None = None) -> list[Any]:
    """What a person or unit resolved in a span, with the cases' documents; the newest `most`, when given."""
    whose = "l.assignee = :id AND l.assignee_type = 'unit'" if type_ == "unit" else "s.actor = :id"
    limit = "" if most is None else " LIMIT :most"
    return rows_of(
        work,
        f"SELECT {_STEP}, c.state_doc FROM case_step s JOIN leg l ON l.id = s.leg "
        'JOIN "case" c ON c.id = s.case_id '
        f"WHERE s.at >= :since AND s.at < :until AND s.action = 'resolve' AND {whose}"
        + (" AND c.street = :street" if span.street is not None else "")
        + f" ORDER BY s.at DESC, s.id DESC{limit}",
        **_parameters(span, id=id_, **({} if most is None else {"most": most})),
    )


# -- the same photo ----------------------------------------------------------------------------------


# The last part of a link without what follows its first dot; a digest is 64 digits long. Only what may hold one
# elsewhere is searched, since that takes long.
_PHOTO: Final = (
    "CASE WHEN length(p.stem) = 64 THEN lower(p.stem) WHEN length(e.said) > 64 "
    "THEN coalesce(substring(lower(e.said) FROM '[0-9a-f]{64}'), e.said) ELSE e.said END"
)


def photos(work: Work, span: Span, back: timedelta) -> list[Any]:
    """Every use of what is evidence of more than one case, once at least in the span: photo, and the step's columns.

    A photo is known by its digest (64 hexadecimal digits, wherever they stand in a link), other evidence by its text.
    """
    said = (
        "CROSS JOIN LATERAL json_array_elements_text(s.evidence) AS e(said) "
        "CROSS JOIN LATERAL (SELECT split_part(split_part(e.said, '/', -1), '.', 1) AS stem) AS p "
    )
    there = "s.evidence IS NOT NULL AND left(e.said, 1) <> '{'"
    # First the photos of the span, then all that was before with one of these: nothing is kept of the others.
    sql = (
        f"WITH mine AS MATERIALIZED (SELECT DISTINCT hashtextextended({_PHOTO}, 0) AS hash FROM case_step s {said}"
        f"WHERE s.at >= :since AND s.at < :until AND {there}), "
        f"used AS MATERIALIZED (SELECT {_PHOTO} AS photo, s.case_id, s.id, s.sequence, s.action, s.actor, s.at, s.leg "
        f"FROM case_step s {said}JOIN mine ON mine.hash = hashtextextended({_PHOTO}, 0) "
        f"WHERE s.at >= :back AND s.at < :until AND {there}), "
        "several AS (SELECT photo, max(at) AS last FROM used GROUP BY photo "
        "HAVING min(CAST(case_id AS text)) <> max(CAST(case_id AS text)) AND max(at) >= :since "
        "ORDER BY last DESC LIMIT :found), "
        "shown AS (SELECT u.*, v.last, row_number() OVER (PARTITION BY u.photo ORDER BY u.at, u.id) AS r "
        "FROM used u JOIN several v USING (photo)) "
        f"SELECT s.photo, {_STEP}, c.state_doc ->> 'merged_into', c.state_doc ->> 'emergency' "
        f"FROM shown s {_CASE} WHERE s.r <= :each ORDER BY s.last DESC, s.photo, s.at, s.id"
    )
    return rows_of(
        work,
        sql,
        back=min(span.since, span.until - back),
        since=span.since,
        until=span.until,
        found=MOST_FOUND,
        each=MOST_FOUND,
    )


# -- ping-pong ---------------------------------------------------------------------------------------


def thrown(work: Work, span: Span, moves: Sequence[str], transfers: int) -> list[Any]:
    """Documents of cases that changed hands in the span, and so often in all that they may be thrown to and fro."""
    sql = (
        "WITH moved AS (SELECT DISTINCT s.case_id FROM case_step s "
        + _of_street(span.street, "s.case_id")
        + "WHERE s.at >= :since AND s.at < :until AND s.action = ANY(:moves) AND s.sequence > 2), "
        "often AS (SELECT s.case_id FROM moved JOIN case_step s USING (case_id) "
        "WHERE s.action = ANY(:moves) GROUP BY s.case_id HAVING count(*) > :transfers) "
        f"SELECT c.id, c.state_doc FROM often s {_CASE} ORDER BY c.id LIMIT :found"
    )
    return rows_of(
        work, sql, **_parameters(span, moves=list(moves), transfers=transfers, found=MOST_FOUND * 4)
    )


def steps_of(work: Work, cases: Iterable[str], actions: Sequence[str]) -> list[Any]:
    """The steps of cases with these actions, in order."""
    return rows_of(
        work,
        f"SELECT {_STEP} FROM case_step s {_CASE} "
        "WHERE s.case_id = ANY(CAST(:ids AS uuid[])) AND s.action = ANY(:actions) ORDER BY s.case_id, s.sequence, s.id",
        ids=sorted(set(cases)),
        actions=list(actions),
    )


# -- closed and reopened -----------------------------------------------------------------------------


def resolved(work: Work, span: Span) -> dict[tuple[str, str], int]:
    """How many legs each unit and person of a grid resolved in a span."""
    rows = rows_of(
        work,
        "SELECT l.assignee_type, l.assignee, count(*) FROM case_step s JOIN leg l ON l.id = s.leg "
        + _of_street(span.street, "s.case_id")
        + "WHERE s.at >= :since AND s.at < :until AND s.action = 'resolve' "
        "AND l.assignee_type IN ('unit', 'person') GROUP BY 1, 2",
        **_parameters(span),
    )
    return {(r[0], r[1]): r[2] for r in rows}


def opened_again(work: Work, span: Span, actions: Sequence[str]) -> list[Any]:
    """Cases that were opened again in a span: the step's columns, and whose result it was (type, id)."""
    return rows_of(
        work,
        f"SELECT {_STEP}, l.assignee_type, l.assignee FROM case_step s "
        'JOIN "case" c ON c.id = s.case_id'
        + (" AND c.street = :street " if span.street is not None else " ")
        + "CROSS JOIN LATERAL (SELECT p.leg FROM case_step p JOIN leg r ON r.id = p.leg "
        "WHERE p.case_id = s.case_id AND p.sequence < s.sequence AND p.action = 'resolve' "
        "AND r.kind IN ('handle', 'lead') "
        "ORDER BY p.sequence DESC LIMIT 1) AS before JOIN leg l ON l.id = before.leg "
        "WHERE s.at >= :since AND s.at < :until AND s.action = ANY(:actions) ORDER BY s.at, s.id",
        **_parameters(span, actions=list(actions)),
    )


# -- who looked --------------------------------------------------------------------------------------


def add_look(work: Work, finding: Mapping[str, Any], street: str | None, by: str, note: str) -> None:
    """Somebody looked at a finding; what it was then is kept with the note."""
    row = {
        "finding": finding["id"],
        "kind": finding["kind"],
        "street": street,
        "at": iso(work.now),
        "by": by,
        "note": note,
        "document": finding,
    }
    work.insert(gaming_look, [row])


def looks(work: Work, findings: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """Who looked at findings, the oldest first."""
    out: dict[str, list[dict[str, Any]]] = {}
    for row in rows_of(
        work,
        "SELECT finding, at, by, note FROM gaming_look WHERE finding = ANY(:ids) ORDER BY id",
        ids=sorted(set(findings)),
    ):
        out.setdefault(row[0], []).append({"at": iso(row[1]), "by": row[2], "note": row[3]})
    return out


def look_documents(work: Work, finding: str) -> list[dict[str, Any]]:
    """Every look at a finding, with what it was then."""
    rows = rows_of(
        work,
        "SELECT at, by, note, document, street FROM gaming_look WHERE finding = :id ORDER BY id",
        id=finding,
    )
    return [
        {"at": iso(r[0]), "by": r[1], "note": r[2], "finding": _parsed(r[3]), "street": r[4]} for r in rows
    ]


def _parsed(document: Any) -> Any:
    return orjson.loads(document) if isinstance(document, str | bytes) else document
