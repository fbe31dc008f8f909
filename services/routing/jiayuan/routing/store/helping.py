"""Mediations, offers of wishes, and appointments by service point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from jiayuan.chassis.work import Work

from .rows import rows_of
from .tables import mediation, mediation_session, offer, visit, wish

# -- disputes ----------------------------------------------------------------------------------------


def insert_mediation(work: Work, case_id: str, team: str | None, mediator: str) -> None:
    """A dispute is with a mediator or a team."""
    work.insert(
        mediation,
        [{"case_id": case_id, "team": team, "mediator": mediator}],
        conflict="ON CONFLICT (case_id) DO UPDATE SET team = excluded.team, mediator = excluded.mediator",
    )


def read_mediation(work: Work, case_id: str) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """What is kept of a dispute's mediation, and its sessions in order."""
    found = (
        work.execute("SELECT * FROM mediation WHERE case_id = CAST(:id AS uuid)", id=case_id)
        .mappings()
        .first()
    )
    sessions = work.execute(
        "SELECT * FROM mediation_session WHERE case_id = CAST(:id AS uuid) ORDER BY number", id=case_id
    ).mappings()
    return (dict(found) if found is not None else None), [dict(s) for s in sessions]


def save_session(work: Work, row: Mapping[str, Any]) -> None:
    """A session that is fixed, or was held: the newest word of it holds."""
    sets = ", ".join(f'"{c}" = excluded."{c}"' for c in row if c not in ("case_id", "number"))
    work.insert(
        mediation_session, [dict(row)], conflict=f"ON CONFLICT (case_id, number) DO UPDATE SET {sets}"
    )


def save_mediation(work: Work, row: Mapping[str, Any]) -> None:
    """What came of a mediation; row: case_id and the columns that changed."""
    sets = ", ".join(f'"{c}" = excluded."{c}"' for c in row if c != "case_id")
    work.insert(mediation, [dict(row)], conflict=f"ON CONFLICT (case_id) DO UPDATE SET {sets}")


def mediations_to_check(work: Work, until: date, street: str | None, limit: int) -> list[dict[str, Any]]:
    """Agreements that nobody has looked after, whose day of checking has come, the oldest first."""
    where = "AND c.street = :street " if street is not None else ""
    parameters = {"street": street} if street is not None else {}
    rows = work.execute(
        "SELECT m.case_id, c.number, c.state, c.street, c.community, m.team, m.mediator, m.outcome, m.perform_by, "
        'm.check_on FROM mediation m JOIN "case" c ON c.id = m.case_id '
        f"WHERE m.check_on IS NOT NULL AND m.checked_at IS NULL AND m.check_on <= :until {where}"
        "ORDER BY m.check_on, m.case_id LIMIT :most",
        until=until,
        most=limit,
        **parameters,
    ).mappings()
    return [dict(r) for r in rows]


# -- wishes ------------------------------------------------------------------------------------------


def insert_wish(work: Work, case_id: str, wanted: Mapping[str, Any]) -> None:
    """What a wish asks for."""
    work.insert(
        wish,
        [{"case_id": case_id, "wanted": wanted}],
        conflict="ON CONFLICT (case_id) DO UPDATE SET wanted = excluded.wanted",
    )


def wish_of(work: Work, case_id: str) -> dict[str, Any] | None:
    """What a wish asks for, as it was kept."""
    found = work.execute("SELECT wanted FROM wish WHERE case_id = CAST(:id AS uuid)", id=case_id).scalar()
    return dict(found) if found is not None else None


def insert_offers(work: Work, rows: Sequence[dict[str, Any]]) -> None:
    """Whom a wish is offered to, and why."""
    work.insert(offer, rows)


def offers_of(work: Work, case_id: str) -> list[dict[str, Any]]:
    """The offers of a case in order, each with what came of it."""
    rows = work.execute(
        "SELECT o.leg, o.round, o.helper, o.type, o.score, o.reasons, o.offered_at, o.lapses, l.state, l.ended_at "
        "FROM offer o JOIN leg l ON l.id = o.leg WHERE o.case_id = CAST(:id AS uuid) "
        "ORDER BY o.round, o.score DESC, o.helper",
        id=case_id,
    ).mappings()
    return [dict(r) for r in rows]


def offers_to(work: Work, helper: str, limit: int) -> list[dict[str, Any]]:
    """What is offered to somebody now, the oldest first."""
    rows = work.execute(
        "SELECT o.case_id, o.leg, o.score, o.reasons, o.offered_at, o.lapses, c.number, c.state_doc FROM leg l "
        'JOIN offer o ON o.case_id = l.case_id AND o.leg = l.id JOIN "case" c ON c.id = l.case_id '
        "WHERE l.assignee = :who AND l.state = 'offered' ORDER BY l.offered_at, l.id LIMIT :most",
        who=helper,
        most=limit,
    ).mappings()
    return [dict(r) for r in rows]


# -- appointments ------------------------------------------------------------------------------------


def insert_visit(work: Work, case_id: str, point: str, service: str, day: date, starts_at: str) -> None:
    """An appointment that was booked."""
    row = {
        "case_id": case_id,
        "point": point,
        "service": service,
        "day": day,
        "number": None,
        "starts_at": starts_at,
    }
    work.insert(
        visit,
        [row],
        conflict="ON CONFLICT (case_id) DO UPDATE SET point = excluded.point, service = excluded.service, "
        "day = excluded.day, number = NULL, starts_at = excluded.starts_at",
    )


# A case of this very batch may not be stored yet; one that is over takes nobody's place.
_COMING = (
    'FROM visit v LEFT JOIN "case" c ON c.id = v.case_id '
    "WHERE coalesce(c.state, 'open') NOT IN ('closed', 'voided', 'merged')"
)


def visits_of(work: Work, since: date) -> dict[tuple[str, date], int]:
    """How many come to each point on each day from a day on."""
    rows = rows_of(
        work, f"SELECT v.point, v.day, count(*) {_COMING} AND v.day >= :since GROUP BY 1, 2", since=since
    )
    return {(r[0], r[1]): r[2] for r in rows}


def reserve_visit(work: Work, case_id: str, point: str, service: str, day: date, most: int) -> bool:
    """A place at a point on a day; False when it is full by now, or somebody takes one at this very moment."""
    kept = work.execute(
        "INSERT INTO visit (case_id, point, service, day, number) "
        "SELECT CAST(:case AS uuid), :point, :service, :day, coalesce((SELECT max(number) FROM visit "
        "WHERE point = :point AND day = :day), 0) + 1 "
        f"WHERE (SELECT count(*) {_COMING} AND v.point = :point AND v.day = :day AND v.case_id <> CAST(:case AS uuid)) "
        "< :most ON CONFLICT DO NOTHING RETURNING 1",
        case=case_id,
        point=point,
        service=service,
        day=day,
        most=most,
    )
    return kept.first() is not None


def drop_visit(work: Work, case_id: str) -> None:
    """The appointment is somewhere else now."""
    work.execute("DELETE FROM visit WHERE case_id = CAST(:id AS uuid)", id=case_id)


def visits_at(work: Work, point: str, day: date) -> list[dict[str, Any]]:
    """Who comes to a point on a day: by time, those without one last."""
    rows = work.execute(
        "SELECT v.case_id, v.service, v.starts_at, v.number, c.number AS case, c.state, c.street, c.state_doc "
        'FROM visit v JOIN "case" c ON c.id = v.case_id WHERE v.point = :point AND v.day = :day '
        "AND c.state NOT IN ('voided', 'merged') AND coalesce(c.confirmed, '') <> 'withdrawn' "
        "ORDER BY v.starts_at NULLS LAST, v.number, v.case_id",
        point=point,
        day=day,
    ).mappings()
    return [dict(r) for r in rows]
