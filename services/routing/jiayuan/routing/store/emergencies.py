"""Emergencies: what is on, what it changed, who was called, how far the cases are brought in line. The SQL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from jiayuan.chassis import bulk
from jiayuan.chassis.work import Work

from ..case import Case
from .cases import CASE_COLUMNS_READ, cases_of_rows
from .rows import rows_of
from .tables import alert, emergency, emergency_call, emergency_case, emergency_policy, emergency_sweep

_COLUMNS: Final = (
    "id::text AS id, sequence, mode, terms, policy, area, reason, starts_at, ends_at, declared_at, declared_by, "
    "begun_at, lifted_at, lifted_by, history"
)
_OPEN: Final = "state NOT IN ('closed', 'voided', 'merged')"


# -- emergencies -------------------------------------------------------------------------------------


def add_emergency(work: Work, row: Mapping[str, Any]) -> None:
    """Stores an emergency that is declared."""
    work.insert(emergency, [dict(row)])


def emergencies_to_know(work: Work) -> list[Any]:
    """Those that are on or to come: id, terms, area, starts_at, ends_at, declared_by, reason."""
    return rows_of(
        work,
        "SELECT id::text AS id, terms, area, starts_at, ends_at, declared_by, reason FROM emergency "
        "WHERE lifted_at IS NULL AND ends_at > :now",
        now=work.now,
    )


def emergency_of(work: Work, id_: str, *, lock: bool = False) -> Any | None:
    """An emergency by its id."""
    sql = f"SELECT {_COLUMNS} FROM emergency WHERE id = CAST(:id AS uuid)"
    return work.execute(sql + (" FOR UPDATE" if lock else ""), id=id_).first()


def list_emergencies(work: Work, state: str, most: int) -> list[Any]:
    """Emergencies, the newest first: on, coming, over, or all."""
    where = {
        "on": "lifted_at IS NULL AND starts_at <= :now AND ends_at > :now",
        "coming": "lifted_at IS NULL AND starts_at > :now AND ends_at > :now",
        "over": "lifted_at IS NOT NULL OR ends_at <= :now",
        "all": ":now IS NOT NULL",
    }[state]
    sql = f"SELECT {_COLUMNS} FROM emergency WHERE {where} ORDER BY declared_at DESC, id DESC LIMIT :most"
    return rows_of(work, sql, now=work.now, most=most)


def change_emergency(work: Work, id_: str, step: Mapping[str, Any], **fields: Any) -> int:
    """Changes a locked emergency, adds the step to its history, and gives its next sequence."""
    sets = "".join(f", {name} = :{name}" for name in fields)
    return int(
        work.execute(
            "UPDATE emergency SET sequence = sequence + 1, "
            f"history = (history::jsonb || CAST(:step AS jsonb))::json{sets} "
            "WHERE id = CAST(:id AS uuid) RETURNING sequence",
            id=id_,
            step=bulk.dumps([dict(step)]),
            **fields,
        ).scalar_one()
    )


def anything_to_do(work: Work) -> bool:
    """Whether one is to begin or to end, or a street's cases are to be looked at: three look-ups in small indexes."""
    return bool(
        work.execute(
            "SELECT EXISTS (SELECT FROM emergency WHERE lifted_at IS NULL AND (ends_at <= :now "
            "OR (begun_at IS NULL AND starts_at <= :now))) "
            "OR EXISTS (SELECT FROM emergency_sweep WHERE not_before <= clock_timestamp())",
            now=work.now,
        ).scalar()
    )


def emergency_to_begin(work: Work) -> Any | None:
    """Locks one that has begun and for which nothing was done yet."""
    return work.execute(
        f"SELECT {_COLUMNS} FROM emergency WHERE begun_at IS NULL AND lifted_at IS NULL AND starts_at <= :now "
        "AND ends_at > :now ORDER BY starts_at, id LIMIT 1 FOR UPDATE SKIP LOCKED",
        now=work.now,
    ).first()


def emergency_to_end(work: Work) -> Any | None:
    """Locks one whose time is over and that nobody has lifted."""
    return work.execute(
        f"SELECT {_COLUMNS} FROM emergency WHERE lifted_at IS NULL AND ends_at <= :now "
        "ORDER BY ends_at, id LIMIT 1 FOR UPDATE SKIP LOCKED",
        now=work.now,
    ).first()


def begun(work: Work, id_: str) -> None:
    """Notes that the people were called and the cases asked for."""
    work.execute("UPDATE emergency SET begun_at = :now WHERE id = CAST(:id AS uuid)", now=work.now, id=id_)


# -- people ------------------------------------------------------------------------------------------


def called_now(work: Work) -> set[str]:
    """Whom an emergency that is on has called."""
    rows = rows_of(
        work,
        "SELECT c.person FROM emergency_call c JOIN emergency e ON e.id = c.emergency "
        "WHERE e.lifted_at IS NULL AND e.starts_at <= :now AND e.ends_at > :now",
        now=work.now,
    )
    return {row[0] for row in rows}


def add_calls(work: Work, rows: Sequence[dict[str, Any]]) -> set[str]:
    """Notes who is called; those for whom it is news. Rows: emergency, person, street, at."""
    if not rows:
        return set()
    added = work.insert(emergency_call, rows, conflict="ON CONFLICT DO NOTHING", returning="person")
    return {row[0] for row in added}


def calls_of(work: Work, id_: str) -> int:
    """How many were called for an emergency."""
    sql = "SELECT count(*) FROM emergency_call WHERE emergency = CAST(:id AS uuid)"
    return int(work.execute(sql, id=id_).scalar_one())


# -- warnings ----------------------------------------------------------------------------------------


def known_alerts(work: Work, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Any]:
    """Messages that came before, by (source, external id): root, mode, emergency."""
    wanted = sorted(set(keys))
    rows = rows_of(
        work,
        "SELECT source, external_id, root, mode, emergency::text AS emergency FROM alert "
        "WHERE source = ANY(:sources) AND external_id = ANY(:ids)",
        sources=[s for s, _ in wanted],
        ids=[i for _, i in wanted],
    )
    return {(r.source, r.external_id): r for r in rows}


def newest_of_alert(work: Work, source: str, root: str) -> Any | None:
    """What the newest message about a warning led to: mode, emergency."""
    return work.execute(
        "SELECT mode, emergency::text AS emergency FROM alert WHERE source = :source AND root = :root "
        "ORDER BY at DESC, external_id DESC LIMIT 1",
        source=source,
        root=root,
    ).first()


def remember_alert(work: Work, row: dict[str, Any]) -> bool:
    """Keeps a message; False when another replica was faster."""
    return bool(work.insert(alert, [row], conflict="ON CONFLICT DO NOTHING", returning="external_id"))


# -- what it changed of cases ------------------------------------------------------------------------


def limits_in_peace(work: Work, cases: Sequence[str]) -> dict[str, dict[str, list[int | None]]]:
    """By case and leg the limits in peace of those whose limits are changed."""
    if not cases:
        return {}
    sql = "SELECT case_id, legs FROM emergency_case WHERE case_id = ANY(CAST(:ids AS uuid[]))"
    return {str(row[0]): row[1] for row in rows_of(work, sql, ids=list(cases))}


def keep_limits(work: Work, kept: Mapping[str, Mapping[str, Any]]) -> None:
    """Keeps the limits in peace of locked or new cases; of a case without any nothing is kept any more."""
    rows = [{"case_id": case, "legs": legs} for case, legs in sorted(kept.items()) if legs]
    if rows:
        work.insert(emergency_case, rows, conflict="ON CONFLICT (case_id) DO UPDATE SET legs = excluded.legs")
    gone = sorted(case for case, legs in kept.items() if not legs)
    if gone:
        work.execute("DELETE FROM emergency_case WHERE case_id = ANY(CAST(:ids AS uuid[]))", ids=gone)


def ask_sweep(work: Work, streets: Iterable[str]) -> None:
    """All open cases of streets are to be looked at from the first; and once more, for what was under way."""
    now = work.execute("SELECT clock_timestamp()").scalar()
    work.insert(
        emergency_sweep,
        [
            {"street": s, "cursor_at": None, "cursor_id": None, "again": 1, "not_before": now.isoformat()}
            for s in sorted(set(streets))
        ],
        conflict="ON CONFLICT (street) DO UPDATE SET cursor_at = NULL, cursor_id = NULL, again = 1, "
        "not_before = excluded.not_before",
    )


def claim_sweep(work: Work) -> Any | None:
    """Locks a street whose cases are to be looked at: street, cursor_at, cursor_id, again."""
    return work.execute(
        "SELECT street, cursor_at, cursor_id::text AS cursor_id, again FROM emergency_sweep "
        "WHERE not_before <= clock_timestamp() ORDER BY not_before, street LIMIT 1 FOR UPDATE SKIP LOCKED"
    ).first()


def open_cases_after(work: Work, street: str, at: datetime | None, id_: str | None, most: int) -> list[Case]:
    """Open cases of a street in the order in which they were opened, after a given one."""
    since = "AND (opened_at, id) > (:at, CAST(:id AS uuid)) " if at is not None else ""
    parameters: dict[str, Any] = {"at": at, "id": id_} if at is not None else {}
    rows = rows_of(
        work,
        f'SELECT {CASE_COLUMNS_READ} FROM "case" WHERE street = :street AND {_OPEN} {since}'
        "ORDER BY opened_at, id LIMIT :most",
        street=street,
        most=most,
        **parameters,
    )
    return list(cases_of_rows(rows).values())


def sweep_on(work: Work, street: str, last: Case) -> None:
    """The cases of a locked street are looked at up to this one."""
    work.execute(
        "UPDATE emergency_sweep SET cursor_at = :at, cursor_id = CAST(:id AS uuid) WHERE street = :street",
        at=last.opened_at,
        id=last.id,
        street=street,
    )


def sweep_done(work: Work, street: str, again: int, seconds: float) -> None:
    """All cases of a locked street were looked at: done, or again after a while."""
    if again:
        work.execute(
            "UPDATE emergency_sweep SET cursor_at = NULL, cursor_id = NULL, again = again - 1, "
            "not_before = clock_timestamp() + make_interval(secs => :seconds) WHERE street = :street",
            seconds=seconds,
            street=street,
        )
    else:
        work.execute("DELETE FROM emergency_sweep WHERE street = :street", street=street)


def sweeps(work: Work) -> dict[str, int]:
    """Streets whose cases are being brought in line, and how many passes are to follow."""
    return {row[0]: row[1] for row in rows_of(work, "SELECT street, again FROM emergency_sweep")}


def under(work: Work, id_: str, streets: Sequence[str]) -> tuple[int, int]:
    """How many open cases of streets are under an emergency, and how many of them are paused."""
    row = work.execute(
        "SELECT count(*), count(*) FILTER (WHERE EXISTS (SELECT FROM json_array_elements(state_doc->'pauses') p "
        "WHERE p->>'end' IS NULL AND p->>'emergency' IS NOT NULL)) "
        f"FROM \"case\" WHERE street = ANY(:streets) AND {_OPEN} AND state_doc->>'emergency' = :id",
        streets=list(streets),
        id=id_,
    ).one()
    return int(row[0]), int(row[1])


# -- the policy --------------------------------------------------------------------------------------


def emergency_policies(work: Work) -> list[Any]:
    """The documents of the imported tables, the one that holds from the latest time first."""
    sql = "SELECT document FROM emergency_policy ORDER BY effective_from DESC, imported_at DESC"
    return [row[0] for row in rows_of(work, sql)]


def add_emergency_policy(
    work: Work, version: str, since: datetime, document: Mapping[str, Any], by: str
) -> bool:
    """Stores a table; False when there is one of that version: what was declared names it."""
    row = {
        "version": version,
        "effective_from": since.isoformat(),
        "document": dict(document),
        "imported_at": work.now.isoformat(),
        "imported_by": by,
    }
    return bool(work.insert(emergency_policy, [row], conflict="ON CONFLICT DO NOTHING", returning="version"))
