"""Versions of the gazetteer, fallback points, service points, and questions of which place is meant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Row

from jiayuan.chassis import bulk
from jiayuan.chassis.work import Work

from .tables import gazetteer_version, place_question


class InForce(NamedTuple):
    """What tells whether the places that a process has loaded are still those in force."""

    version: int
    fallbacks: int
    newest: datetime | None


_IN_FORCE: Final = (
    "SELECT coalesce((SELECT number FROM gazetteer_version WHERE effective_from <= :now AND revoked_at IS NULL "
    "ORDER BY effective_from DESC, number DESC LIMIT 1), 0) AS version, "
    "(SELECT count(*) FROM fallback_point) AS fallbacks, (SELECT max(added_at) FROM fallback_point) AS newest"
)


def in_force(work: Work, at: datetime | None = None) -> InForce:
    """The number of the version in force (0: the bundled one), and what changes when fallback points do."""
    row = work.execute(_IN_FORCE, now=at or work.now).one()
    return InForce(row.version, row.fallbacks, row.newest)


def gazetteer_document(work: Work, number: int) -> dict[str, Any]:
    """The document of a version."""
    found: dict[str, Any] = work.execute(
        "SELECT document FROM gazetteer_version WHERE number = :number", number=number
    ).scalar_one()
    return found


def add_version(work: Work, row: dict[str, Any]) -> int:
    """Adds a version of the gazetteer; its number."""
    found = work.insert(gazetteer_version, [row], returning="number")
    return int(found[0][0])


def versions(work: Work) -> list[Row[Any]]:
    """All versions without their documents, the latest in effect first."""
    return list(
        work.execute(
            "SELECT number, name, effective_from, digest, counts, imported_at, imported_by, revoked_at, "
            "revoked_reason FROM gazetteer_version ORDER BY effective_from DESC, number DESC"
        )
    )


def revoke_version(work: Work, number: int, reason: str) -> bool:
    """Takes a version out of force; False when there is none with that number that is not revoked."""
    return bool(
        work.execute(
            "UPDATE gazetteer_version SET revoked_at = :now, revoked_reason = :reason "
            "WHERE number = :number AND revoked_at IS NULL",
            number=number,
            now=work.now,
            reason=reason,
        ).rowcount
    )


# -- fallback points ---------------------------------------------------------------------------------


def fallback_points(work: Work) -> list[Row[Any]]:
    """The known ones."""
    return list(work.execute("SELECT * FROM fallback_point ORDER BY reports DESC, lat, long"))


def keep_fallbacks(work: Work, rows: Sequence[dict[str, Any]]) -> int:
    """Adds fallback points; how many are new."""
    if not rows:
        return 0
    return work.execute(
        "INSERT INTO fallback_point SELECT lat, long, reason, reports, places, :now, added_by "
        "FROM json_to_recordset(CAST(:rows AS json)) AS r(lat float, long float, reason text, reports int, "
        "places int, added_by text) ON CONFLICT DO NOTHING",
        now=work.now,
        rows=bulk.dumps(rows),
    ).rowcount


def forget_fallback(work: Work, lat: float, long: float) -> bool:
    """Takes a point out of the list: it is a place after all."""
    return bool(
        work.execute(
            "DELETE FROM fallback_point WHERE lat = :lat AND long = :long", lat=lat, long=long
        ).rowcount
    )


def points_since(work: Work, since: datetime) -> Iterable[Row[Any]]:
    """lat, long, evidence and reporter of the reports that came with coordinates."""
    return work.execute(
        "SELECT lat, long, place_evidence, reporter FROM report WHERE received_at >= :since AND lat IS NOT NULL",
        since=since,
    )


# -- service points ----------------------------------------------------------------------------------


def put_service_points(work: Work, rows: Sequence[dict[str, Any]]) -> int:
    """Adds or changes service points, by code; how many."""
    if not rows:
        return 0
    columns = (
        "code text, name text, kind text, lat float, long float, services jsonb, hours jsonb, capacity int, "
        "street text, community text, address text, open_from date, open_until date"
    )
    names = [c.split()[0] for c in columns.split(", ")]
    return work.execute(
        f"INSERT INTO service_point ({', '.join(names)}, updated_at) SELECT {', '.join(names)}, :now "
        f"FROM json_to_recordset(CAST(:rows AS json)) AS r({columns}) ORDER BY code "
        "ON CONFLICT (code) DO UPDATE SET "
        + ", ".join(f"{n} = excluded.{n}" for n in (*names[1:], "updated_at")),
        now=work.now,
        rows=bulk.dumps(rows),
    ).rowcount


def close_other_points(work: Work, codes: Iterable[str], last_day: date) -> int:
    """Closes, after a last day, the service points that a whole list doesn't name; how many."""
    return work.execute(
        "UPDATE service_point SET open_until = :day, updated_at = :now WHERE NOT code = ANY(:codes) "
        "AND (open_until IS NULL OR open_until > :day)",
        codes=list(codes),
        day=last_day,
        now=work.now,
    ).rowcount


# -- questions ---------------------------------------------------------------------------------------


def ask_place(work: Work, rows: Sequence[dict[str, Any]]) -> None:
    """Keeps questions of which place is meant: one a report."""
    work.insert(place_question, rows, conflict="ON CONFLICT (report) DO NOTHING")


def question(work: Work, report: str, *, lock: bool = False) -> Row[Any] | None:
    """The question about a report's place."""
    sql = "SELECT * FROM place_question WHERE report = :report" + (" FOR UPDATE" if lock else "")
    return work.execute(sql, report=report).first()


_OPEN: Final = (
    "SELECT q.report, q.asked, q.street, q.candidates, q.why, q.at, r.title, r.text, r.channel, r.received_at "
    "FROM place_question q JOIN report r ON r.id = q.report "
    "WHERE q.state = 'open' AND r.state = 'received' AND (q.asked = 'desk' OR q.at < :waited) "
    "AND (CAST(:street AS text) IS NULL OR q.street = :street "
    "OR (q.street IS NULL AND q.candidates @> CAST(:among AS jsonb))) ORDER BY q.at, q.report LIMIT :most"
)


def open_questions(work: Work, street: str | None, waited: datetime, most: int) -> list[Row[Any]]:
    """What a desk has to decide, oldest first: its street's, and those whose candidates lie in several, one of them
    its own. `waited`: a reporter who was asked before then has had time enough. None as street: all."""
    return list(
        work.execute(_OPEN, street=street, among=bulk.dumps([{"street": street}]), waited=waited, most=most)
    )


def decide_place(work: Work, report: str, code: str | None, by: str, reason: str | None) -> None:
    """Closes the question about a report's place."""
    work.execute(
        "UPDATE place_question SET state = 'decided', decided = :code, decided_by = :by, decided_at = :now, "
        "reason = :reason WHERE report = :report",
        report=report,
        code=code,
        by=by,
        now=work.now,
        reason=reason,
    )


def set_place(
    work: Work,
    report: str,
    street: str | None,
    community: str | None,
    grid: str | None,
    evidence: str,
    confidence: float,
) -> None:
    """Sets where a report is."""
    work.execute(
        "UPDATE report SET street = :street, community = :community, grid = :grid, place_evidence = :evidence, "
        "place_confidence = :confidence WHERE id = :report",
        report=report,
        street=street,
        community=community,
        grid=grid,
        evidence=evidence,
        confidence=confidence,
    )
