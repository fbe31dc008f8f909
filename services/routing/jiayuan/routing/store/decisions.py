"""Decisions: only ever added to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from jiayuan.chassis.work import Work

from .rows import rows_of
from .tables import decision_table

_COLUMNS: Final = ", ".join(f'd."{c.name}"' for c in decision_table.columns)
_A_FETCH: Final = 5_000


def insert_decisions(work: Work, rows: Sequence[dict[str, Any]]) -> None:
    """Stores decisions; it travels with the batch's other statements."""
    work.insert(decision_table, rows)


def decisions_of(work: Work, case_id: str) -> list[Any]:
    """The decisions about a case, the first first."""
    sql = f"SELECT {_COLUMNS} FROM decision d WHERE d.case_id = CAST(:id AS uuid) ORDER BY d.sequence"
    return rows_of(work, sql, id=case_id)


def last_decisions(work: Work, case_ids: Iterable[str]) -> dict[str, Any]:
    """The last decision about each of some cases; a person's colour is none."""
    rows = rows_of(
        work,
        f"SELECT DISTINCT ON (d.case_id) {_COLUMNS} FROM decision d "
        "WHERE d.case_id = ANY(CAST(:ids AS uuid[])) AND d.cause <> 'recolour' "
        "ORDER BY d.case_id, d.sequence DESC",
        ids=sorted(case_ids),
    )
    return {str(row.case_id): row for row in rows}


def recoloured(work: Work, case_ids: Iterable[str]) -> set[str]:
    """Of some cases, those whose colour a person has set."""
    rows = rows_of(
        work,
        "SELECT DISTINCT case_id FROM decision WHERE case_id = ANY(CAST(:ids AS uuid[])) AND cause = 'recolour'",
        ids=sorted(case_ids),
    )
    return {str(row[0]) for row in rows}


def stream_decisions(
    work: Work,
    since: datetime,
    until: datetime | None = None,
    street: str | None = None,
    *,
    causes: Sequence[str],
    reports: bool = False,
) -> Iterator[Any]:
    """Decisions since a time with their cases' numbers, in no order; however many there are, the memory stays flat.

    `reports`: with the ids of the case's reports, the first first.
    """
    more = (" AND d.at < :until" if until is not None else "") + (" AND d.street = :street" if street else "")
    parameters: dict[str, Any] = {"since": since, "causes": list(causes)}
    if until is not None:
        parameters["until"] = until
    if street:
        parameters["street"] = street
    ids = (
        ", ARRAY(SELECT e->>'id' FROM json_array_elements(c.state_doc->'reports') e) AS reports"
        if reports
        else ""
    )
    work.execute(
        f'DECLARE decisions NO SCROLL CURSOR FOR SELECT {_COLUMNS}, c.number{ids} FROM decision d JOIN "case" c '
        f"ON c.id = d.case_id WHERE d.at >= :since AND d.cause = ANY(:causes){more}",
        **parameters,
    )
    try:
        while True:
            rows = work.execute(f"FETCH {_A_FETCH} FROM decisions")
            yield from rows
            if len(rows) < _A_FETCH:
                return
    finally:
        work.execute("CLOSE decisions")


def in_doubt(
    work: Work, street: str | None, limit: int, after: tuple[datetime, str] | None = None
) -> list[Any]:
    """Cases that the desk is to look at: their last decision is in doubt, and they are being handled. Oldest first.

    `street` None: of the whole county. `after`: time and case of the last one of the page before.
    """
    mine = "AND d.street = :street " if street is not None else ""
    later = "AND (d.at, d.case_id) > (:at, CAST(:after AS uuid)) " if after is not None else ""
    parameters: dict[str, Any] = {"most": limit}
    if street is not None:
        parameters["street"] = street
    if after is not None:
        parameters |= {"at": after[0], "after": after[1]}
    return rows_of(
        work,
        f'SELECT {_COLUMNS}, c.number, c.sequence AS case_sequence, c.state_doc FROM decision d JOIN "case" c '
        "ON c.id = d.case_id WHERE d.doubt IS NOT NULL "
        f"{mine}{later}AND c.state NOT IN ('resolved', 'closed', 'voided', 'merged') AND NOT EXISTS (SELECT 1 FROM "
        "decision n WHERE n.case_id = d.case_id AND n.sequence > d.sequence AND n.cause <> 'recolour') "
        "ORDER BY d.at, d.case_id LIMIT :most",
        **parameters,
    )
