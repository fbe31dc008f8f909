"""Reports about the same matter: keys, candidates and joins. The SQL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row

from jiayuan.chassis import bulk
from jiayuan.chassis.transaction import Prepared
from jiayuan.chassis.work import Work
from jiayuan.contracts.ids import new_id

from .tables import hotspot_run, report_join

JOINED: Final = "joined"
ASKED: Final = "asked"
DECLINED: Final = "declined"
SEPARATED: Final = "separated"

# Of each key the newest reports only, and of those the few with most in common: however many reports there are, a new
# one costs as many index look-ups as it has keys, and a bucket that everybody falls into costs no more than another.
_BUCKET: Final = 6
_CANDIDATES: Final = 4
# While an emergency is on: when everybody reports the same at once, the one report about this very corner is not among
# the newest few of any key.
_HARD_BUCKET: Final = 30
_HARD_CANDIDATES: Final = 16

_ROWS: Final = (
    "r AS MATERIALIZED (SELECT r.id, r.since, k.key, k.weight FROM json_to_recordset(CAST($1 AS json)) "
    "AS r(id uuid, since uuid, keys bigint[], weights int[]), unnest(r.keys, r.weights) AS k(key, weight))"
)


# Each LATERAL with its LIMIT is a loop of index look-ups whatever the planner believes of the tables: a process that
# starts with an empty database keeps its plan, and a scan that was right then would read a million rows later. For the
# same reason migration 0014 says that a key has many reports, so that they are read newest first and never sorted.
def _near(bucket: int, candidates: int) -> str:
    return (
        "near AS (SELECT r.id, k.report, sum(r.weight) AS weight FROM r CROSS JOIN LATERAL ("
        "SELECT m.report FROM matter_key m WHERE m.key = r.key AND m.report >= r.since "
        f"ORDER BY m.report DESC LIMIT {bucket}) k GROUP BY r.id, k.report), "
        "best AS (SELECT id, report, row_number() OVER (PARTITION BY id ORDER BY weight DESC, report DESC) AS n "
        "FROM near) "
        "SELECT b.id::text AS new, t.* FROM best b CROSS JOIN LATERAL (SELECT t.id::text AS id, t.kind, t.title, "
        "left(t.text, 800) AS text, t.category, t.street, t.community, t.grid, t.reporter, t.received_at, "
        "t.signs <> '[]' AS danger, (SELECT j.matter::text FROM report_join j WHERE j.report = t.id "
        "AND j.state = 'joined') AS matter FROM report t WHERE t.id = b.report AND t.state = 'received' LIMIT 1) t "
        f"WHERE b.n <= {candidates}"
    )


def _keep(near: str) -> Prepared:
    kept = "kept AS (INSERT INTO matter_key (key, report) SELECT key, id FROM r ORDER BY key, id)"
    return Prepared(f"WITH {_ROWS}, {kept}, {near}", "text")


_KEEP: Final = _keep(_near(_BUCKET, _CANDIDATES))
_KEEP_HARD: Final = _keep(_near(_HARD_BUCKET, _HARD_CANDIDATES))
LOOK: Final = Prepared(f"WITH {_ROWS}, {_near(_BUCKET, _CANDIDATES)}", "text")


def candidates(
    work: Work, rows: Sequence[Mapping[str, Any]], *, keep: bool, hard: bool = False
) -> list[Row[Any]]:
    """Earlier reports that have keys in common with new ones, in one statement; `keep` stores the new ones' keys.

    `hard`: of more of them, while an emergency is on; only together with `keep`.

    `rows`: id, since (a UUIDv7 before which nothing is looked for), keys, weights. Of each candidate: new (the id that
    it is one for), id, kind, title, text, category, street, community, grid, reporter, received_at, danger, and matter
    (the report that it is joined to, or None).
    """
    # `since` stands in the rows and is no parameter of its own: PostgreSQL would plan the statement anew each time, to
    # find out how many rows are younger, and planning costs more than looking.
    statement = (_KEEP_HARD if hard else _KEEP) if keep else LOOK
    return work.run(statement, bulk.dumps(rows)) if rows else []


def forget_matter_keys(work: Work, before: str, most: int = 20000) -> int:
    """Forgets the keys of reports with ids below `before`; how many."""
    return work.execute(
        "DELETE FROM matter_key WHERE ctid = ANY(ARRAY(SELECT ctid FROM matter_key "
        "WHERE report < CAST(:before AS uuid) LIMIT :most))",
        before=before,
        most=most,
    ).rowcount


def add_joins(work: Work, rows: Sequence[dict[str, Any]]) -> None:
    """Notes joins and questions; a report has one row at most."""
    work.insert(report_join, rows, conflict="ON CONFLICT (report) DO NOTHING")


def sizes(work: Work, matters: Iterable[str]) -> dict[str, int]:
    """How many reports are joined to each of these."""
    found = work.execute(
        "SELECT matter, count(*) AS n FROM report_join WHERE matter = ANY(CAST(:ids AS uuid[])) AND state = 'joined' "
        "GROUP BY matter",
        ids=sorted(set(matters)),
    )
    return {str(r.matter): int(r.n) for r in found}


def join_of(work: Work, report: str, *, lock: bool = False) -> Row[Any] | None:
    """The join of a report: report, matter, near, score, reason, state, at, decided_at, decided_by, history."""
    return work.execute(
        "SELECT report, matter, near, score, reason, state, at, decided_at, decided_by, history FROM report_join "
        "WHERE report = :report" + (" FOR UPDATE" if lock else ""),
        report=report,
    ).first()


_LISTED: Final = (
    "SELECT j.report, j.matter, j.score, j.reason, j.state, j.at, j.decided_at, j.decided_by, "
    + ", ".join(
        f"{t}.{c} AS {t}_{c}"
        for t in ("a", "b")
        for c in ("title", "text", "category_name", "street", "community", "received_at", "signs", "state")
    )
    + " FROM report_join j JOIN report a ON a.id = j.report JOIN report b ON b.id = j.matter WHERE j.state = :state "
)


def joins(
    work: Work, state: str, *, street: str = "", after: tuple[datetime, str] | None = None, most: int = 50
) -> list[Row[Any]]:
    """Joins in a state, the oldest first; of the report (a_…) and the first one of its matter (b_…) what a desk needs.

    `street`: only those with a report of that street; `after`: (at, report) of the last one seen.
    """
    sql = _LISTED + ("AND :street IN (a.street, b.street) " if street else "")
    sql += "AND (j.at, j.report) > (:at, CAST(:report AS uuid)) " if after else ""
    parameters: dict[str, Any] = {"state": state, "most": most}
    if street:
        parameters["street"] = street
    if after:
        parameters["at"], parameters["report"] = after
    return list(work.execute(sql + "ORDER BY j.at, j.report LIMIT :most", **parameters))


def decide_join(
    work: Work, report: str, state: str, by: str, note: str | None, *, matter: str | None = None
) -> None:
    """Notes what was decided of a report's join, and by whom; `matter`: the report that it is joined to now."""
    step = {"state": state, "by": by, "at": work.now.isoformat(), "note": note}
    work.execute(
        "UPDATE report_join SET state = :state, decided_at = :at, decided_by = :by, "
        "matter = COALESCE(CAST(:matter AS uuid), matter), history = history || CAST(:step AS jsonb) "
        "WHERE report = :report",
        report=report,
        state=state,
        at=work.now,
        by=by,
        matter=matter,
        step=bulk.dumps([step]),
    )


def follow(work: Work, report: str, matter: str) -> None:
    """What was joined to `report` is joined to `matter` from now on, and what is asked about it is asked of that."""
    work.execute(
        "UPDATE report_join SET matter = :matter WHERE matter = :report AND report <> :matter "
        "AND state IN ('joined', 'asked')",
        report=report,
        matter=matter,
    )


def whole(work: Work, report: str) -> Row[Any] | None:
    """A report with all that its event tells."""
    return work.execute(
        "SELECT id, tracking_code, kind, channel, source_system, external_id, title, text, category, category_name, "
        "category_confidence, category_method, livelihood, importance, urgency, street, community, grid, "
        "place_evidence, place_confidence, signs, reporter, occurred_at, received_at, state "
        "FROM report WHERE id = :report",
        report=report,
    ).first()


_SAID: Final = (
    "SELECT id, reporter, received_at, title, left(text, 600) AS text, street, community, grid FROM report "
    "WHERE received_at >= :since AND received_at < :until AND state = 'received' "
)


def said(work: Work, since: datetime, until: datetime, street: str = "") -> Iterable[Row[Any]]:
    """What was received in a time: id, reporter, received_at, title, text, street, community, grid."""
    sql = _SAID + ("AND street = :street " if street else "") + "ORDER BY received_at, id"
    return work.execute(sql, since=since, until=until, **({"street": street} if street else {}))


def keep_hotspots(
    work: Work,
    since: datetime,
    until: datetime,
    street: str,
    reports: int,
    document: Sequence[dict[str, Any]],
) -> None:
    """Keeps what was found, for those who ask by HTTP; of a street (or the county) the last 100 times.

    Titles are left out: what is erased of a report must not stay here.
    """
    document = [
        {**h, "messages": [{k: v for k, v in m.items() if k != "title"} for m in h["messages"]]}
        for h in document
    ]
    row = {"id": new_id(), "since": since.isoformat(), "until": until.isoformat(), "street": street}
    row |= {"reports": str(reports), "made_at": work.now.isoformat()}
    work.insert(hotspot_run, [{**row, "document": list(document)}])
    work.execute(
        "DELETE FROM hotspot_run WHERE street = :street "
        "AND id NOT IN (SELECT id FROM hotspot_run WHERE street = :street ORDER BY id DESC LIMIT 100)",
        street=street,
    )


def hotspots(work: Work, street: str) -> Row[Any] | None:
    """The newest hotspots of a street, "" for the county: since, until, reports, made_at, document."""
    return work.execute(
        "SELECT since, until, reports, made_at, document FROM hotspot_run WHERE street = :street "
        "ORDER BY until DESC, id DESC LIMIT 1",
        street=street,
    ).first()


def outlines(work: Work, reports: Iterable[str]) -> dict[str, dict[str, str]]:
    """What reports are about, by id: title, category, community ("" where it isn't known)."""
    rows = work.execute(
        "SELECT id, title, category, community FROM report WHERE id = ANY(CAST(:ids AS uuid[]))",
        ids=sorted(set(reports)),
    )
    return {
        str(r.id): {"title": r.title, "category": r.category, "community": r.community or ""} for r in rows
    }
