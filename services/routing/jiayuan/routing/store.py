"""Tables and SQL of routing. The whole case is a JSON document; what is searched for stands in columns beside it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy import Sequence as DbSequence
from sqlalchemy.dialects.postgresql import JSON

from jiayuan.chassis import bulk, tables
from jiayuan.chassis.transaction import Prepared
from jiayuan.chassis.work import Work

from .case import Case, Moved, Rating, document, from_document
from .directory import EMPTY, Directory, Grid, Person, Place, Unit

metadata = MetaData()
tables.add(metadata)

case_number = DbSequence("case_number", metadata=metadata)

case_table = Table(
    "case",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("number", Text, nullable=False, unique=True),
    Column("sequence", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("livelihood", Boolean, nullable=False),
    Column("colour", Text, nullable=False),
    Column("level", Text, nullable=False),
    Column("street", Text, nullable=False),
    Column("community", Text),
    Column("grid", Text),
    Column("opened_at", DateTime(timezone=True), nullable=False),
    Column("resolved_at", DateTime(timezone=True)),
    Column("closed_at", DateTime(timezone=True)),
    Column("confirmed", Text),
    Column("reopened", SmallInteger, nullable=False, server_default=text("0")),
    Column("rating", JSON),
    Column("state_doc", JSON, nullable=False),
    Index(
        "case_open_by_street",
        "street",
        "opened_at",
        postgresql_where=text("state NOT IN ('closed', 'voided', 'merged')"),
    ),
    comment="A case; state_doc is the case as its last event told it",
)

case_report = Table(
    "case_report",
    metadata,
    Column("report_id", Text, primary_key=True),
    Column("case_id", Uuid),
    Column("waiting", JSON, nullable=False, server_default=text("'[]'")),
    Column(
        "join_sequence",
        Integer,
        nullable=False,
        server_default=text("0"),
        comment="of the newest report.joined or report.separated: what is older changes nothing",
    ),
    comment="Which case a report is in; waiting: what came about a report before the report itself",
)

leg_table = Table(
    "leg",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("case_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("level", Text, nullable=False),
    Column("step", SmallInteger, nullable=False),
    Column("assignee_type", Text, nullable=False),
    Column("assignee", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("offered_at", DateTime(timezone=True), nullable=False),
    Column("ended_at", DateTime(timezone=True)),
    Index("leg_of_assignee", "assignee", "state", "offered_at"),
    comment="Every assignment, so that an assignee finds what it owes",
)

case_step = Table(
    "case_step",
    metadata,
    Column("case_id", Uuid, primary_key=True),
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("sequence", Integer, nullable=False),
    Column("action", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("leg", Uuid),
    Column("reason", Text),
    Column("evidence", JSON),
    comment="Every step of every case: only ever added to",
    info={"grants": "SELECT, INSERT"},
)

handling = Table(
    "handling",
    metadata,
    Column("source", Text, primary_key=True),
    Column("external_id", Text, primary_key=True),
    Column("case_id", Uuid, nullable=False),
    comment="What outside systems have reported, so that a resend under another event id is harmless",
)

turn = Table(
    "turn",
    metadata,
    Column("person", Text, primary_key=True),
    Column("last_given", DateTime(timezone=True), nullable=False),
    Column("given", BigInteger, nullable=False),
    comment="When a worker was last given a case, and how many so far",
    postgresql_with={"fillfactor": "60"},
)

directory_table = Table(
    "directory",
    metadata,
    Column("id", SmallInteger, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("imported_at", DateTime(timezone=True), nullable=False),
    Column("imported_by", Text, nullable=False),
    comment="One row: the version that every process compares with the one in its memory",
)

policy_table = Table(
    "policy",
    metadata,
    Column("version", Text, primary_key=True),
    Column("effective_from", DateTime(timezone=True), nullable=False),
    Column("document", JSON, nullable=False),
    Column("imported_at", DateTime(timezone=True), nullable=False),
    Column("imported_by", Text, nullable=False),
    comment="Policy tables that were imported; the one that comes with the service holds until there is one",
)

place = Table(
    "place",
    metadata,
    Column("code", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("parent", Text, nullable=False),
    Column("contact", Text),
    Column("active", Boolean, nullable=False),
    comment="County, streets, communities and villages; contact: the sealed one of the desk",
    info={"sealed": {"contact": "'desk-' || CASE kind WHEN 'county' THEN code || '000' ELSE code END"}},
)

grid = Table(
    "grid",
    metadata,
    Column("code", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("parent", Text, nullable=False),
    Column("community", Text, nullable=False),
    Column("street", Text, nullable=False),
    Column("party_group", Text, nullable=False),
    Column("functions", JSON, nullable=False),
    Column("active", Boolean, nullable=False),
)

person = Table(
    "person",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("grid", Text, nullable=False),
    Column("community", Text, nullable=False),
    Column("street", Text, nullable=False),
    Column("contact", Text),
    Column("active", Boolean, nullable=False),
    info={"sealed": {"contact": "id"}},
)

unit = Table(
    "unit",
    metadata,
    Column("code", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("member", Text, nullable=False),
    Column("duties", JSON, nullable=False),
    Column("clerk", Text, nullable=False),
    Column("system", Text, nullable=False),
    Column("partner", Text, nullable=False),
    Column("contact", Text),
    Column("active", Boolean, nullable=False),
    info={"sealed": {"contact": "code"}},
)

_CASE_COLUMNS: Final = (
    "state",
    "kind",
    "livelihood",
    "colour",
    "level",
    "street",
    "community",
    "grid",
    "opened_at",
    "resolved_at",
    "closed_at",
    "confirmed",
)


def _rows(work: Work, sql: str, **parameters: Any) -> list[Any]:
    return list(work.execute(sql, **parameters))


# -- opening cases -----------------------------------------------------------------------------------


class Claimed(NamedTuple):
    """A report without a case so far: what came about it before it came itself, a fresh number for its case, and the
    version of the directory (it is wanted with every batch, and costs no round trip here)."""

    waiting: list[dict[str, Any]]
    number: int
    directory: int


def claim_reports(work: Work, rows: Sequence[dict[str, Any]]) -> dict[str, Claimed]:
    """Ties reports to the cases that are to be opened for them; rows: report_id, case_id.

    Returns the reports that had no case yet. One report → one case, whatever is delivered twice and by however
    many replicas.
    """
    claimed = work.insert(
        case_report,
        rows,
        conflict="ON CONFLICT (report_id) DO UPDATE SET case_id = excluded.case_id "
        "WHERE case_report.case_id IS NULL",
        returning="report_id, waiting, nextval('case_number'), "
        "coalesce((SELECT version FROM directory WHERE id = 1), 0)",
    )
    return {row[0]: Claimed(*row[1:]) for row in claimed}


def numbers(work: Work, count: int) -> list[int]:
    """That many fresh running numbers of cases, for reports that had a case before."""
    rows = _rows(work, "SELECT nextval('case_number') FROM generate_series(1, :n)", n=count)
    return [row[0] for row in rows]


def wait_for_report(work: Work, report: str, words: Mapping[str, Any]) -> bool:
    """Keeps what was said about a report that hasn't come yet; False when it has come, and has a case."""
    kept = work.execute(
        "INSERT INTO case_report (report_id, waiting) VALUES (:report, json_build_array(CAST(:words AS json))) "
        "ON CONFLICT (report_id) DO UPDATE SET waiting = "
        "(case_report.waiting::jsonb || excluded.waiting::jsonb)::json WHERE case_report.case_id IS NULL "
        "RETURNING 1",
        report=report,
        words=orjson.dumps(words).decode(),
    )
    return kept.first() is not None


def cases_of_reports(work: Work, reports: Sequence[str]) -> dict[str, str]:
    """The case ids of reports that have one."""
    rows = _rows(
        work,
        "SELECT report_id, case_id FROM case_report WHERE report_id = ANY(:ids) AND case_id IS NOT NULL",
        ids=list(reports),
    )
    return {row[0]: str(row[1]) for row in rows}


def move_reports(work: Work, cases: Mapping[str, str]) -> None:
    """Ties reports to other cases; report id → case id."""
    work.update(
        case_report,
        [{"report_id": report, "case_id": case} for report, case in sorted(cases.items())],
        key=("report_id",),
    )


def newer_joins(work: Work, sequences: Mapping[str, int]) -> set[str]:
    """Of reports whose joining or separating has that sequence, those that haven't heard of a newer one."""
    rows = [{"report_id": report, "join_sequence": n} for report, n in sorted(sequences.items())]
    newer = work.update(
        case_report,
        rows,
        key=("report_id",),
        where="t.join_sequence < r.join_sequence",
        returning="t.report_id",
    )
    return {row[0] for row in newer}


def _row(case: Case, doc: Mapping[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {name: doc.get(name) for name in _CASE_COLUMNS}
    row["id"], row["sequence"], row["number"] = case.id, case.sequence, case.number
    row["category"] = case.category["code"]
    row["reopened"] = case.reopened
    row["rating"] = _rating(case.rating)
    row["state_doc"] = doc
    return row


def _rating(rating: Rating | None) -> dict[str, Any] | None:
    if rating is None:
        return None
    return {"solved": rating.solved, "satisfaction": rating.satisfaction, "at": rating.at, "by": rating.by}


def _leg_rows(case: Case) -> list[dict[str, Any]]:
    return [
        {
            "id": leg.id,
            "case_id": case.id,
            "kind": leg.kind,
            "level": leg.level,
            "step": leg.step,
            "assignee_type": leg.assignee.type,
            "assignee": leg.assignee.id,
            "state": leg.state,
            "offered_at": leg.offered_at,
            "ended_at": leg.ended_at or leg.done_at,
        }
        for leg in case.legs
    ]


def _step_row(moved: Moved) -> dict[str, Any]:
    change = moved.change
    return {
        "case_id": moved.case.id,
        "sequence": moved.case.sequence,
        "action": change.action,
        "actor": change.actor,
        "at": change.at,
        "leg": change.leg,
        "reason": change.reason,
        "evidence": change.evidence or None,
    }


def insert_cases(work: Work, opened: Sequence[tuple[Case, Sequence[Moved], Mapping[str, Any]]]) -> None:
    """Stores new cases: each as it is now, with its steps so far and its document."""
    work.insert(case_table, [_row(case, doc) for case, _, doc in opened])
    work.insert(leg_table, [row for case, _, _ in opened for row in _leg_rows(case)])
    work.insert(case_step, [_step_row(m) for _, moves, _ in opened for m in moves])


# -- moving cases ------------------------------------------------------------------------------------

_SELECT: Final = 'SELECT id, sequence, state_doc, reopened, rating FROM "case" WHERE '


def _cases(rows: Iterable[Any]) -> dict[str, Case]:
    return {str(r[0]): from_document(r[2], r[1], r[3], r[4]) for r in rows}


def lock_cases(work: Work, ids: Iterable[str]) -> dict[str, Case]:
    """The cases by id, locked in the order of their ids until the transaction ends."""
    wanted = [i for i in ids if is_uuid(i)]
    if not wanted:
        return {}
    sql = _SELECT + "id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR UPDATE"
    return _cases(_rows(work, sql, ids=wanted))


def is_uuid(value: str) -> bool:
    """Whether a text is a UUID, so that PostgreSQL can be asked for it."""
    try:
        uuid.UUID(value)
    except ValueError:
        return False
    return True


def find_ids(work: Work, names: Iterable[str]) -> dict[str, str]:
    """Case ids of ids or numbers, by the name given; what is unknown is left out."""
    given = set(names)
    ids = {str(uuid.UUID(n)): n for n in given if is_uuid(n)}
    rows = _rows(
        work,
        'SELECT id, number FROM "case" WHERE number = ANY(:numbers) OR id = ANY(CAST(:ids AS uuid[]))',
        numbers=list(given),
        ids=list(ids),
    )
    out = {}
    for id_, number in rows:
        if number in given:
            out[number] = str(id_)
        if str(id_) in ids:
            out[ids[str(id_)]] = str(id_)
    return out


def read_case(work: Work, name: str) -> Case | None:
    """A case by id or number, as it is now."""
    sql = _SELECT + ("id = CAST(:name AS uuid)" if is_uuid(name) else "number = :name")
    return next(iter(_cases(_rows(work, sql, name=name)).values()), None)


_UPDATED: Final = (
    "id",
    "sequence",
    "state",
    "level",
    "resolved_at",
    "closed_at",
    "confirmed",
    "reopened",
    "rating",
    "state_doc",
)


def save_moves(work: Work, moved: Sequence[tuple[Case, Sequence[Moved]]]) -> None:
    """Stores what became of locked cases: the case as it is now, its legs, and the steps that led there."""
    rows = []
    for case, _ in moved:
        row = _row(case, document(case))
        rows.append({name: row[name] for name in _UPDATED})
    work.update(case_table, rows)
    legs = [row for case, moves in moved if moves for row in _leg_rows(case)]
    work.insert(
        leg_table,
        legs,
        conflict="ON CONFLICT (id) DO UPDATE SET state = excluded.state, ended_at = excluded.ended_at "
        "WHERE leg.state <> excluded.state",
    )
    work.insert(case_step, [_step_row(m) for _, moves in moved for m in moves])


def note_steps(work: Work, rows: Sequence[dict[str, Any]]) -> None:
    """Steps that change nothing others must know: a rating that is kept, words added to a report."""
    work.insert(case_step, rows)


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
    mine = "AND l.assignee = :assignee " if assignee is not None else ""
    since = "AND (l.offered_at, l.id) > (:after, CAST(:leg AS uuid)) " if after is not None else ""
    last = "ffffffff-ffff-ffff-ffff-ffffffffffff"
    parameters: dict[str, Any] = {"assignee": assignee} if assignee is not None else {}
    if after is not None:
        parameters |= {"after": after, "leg": after_leg or last}
    return _rows(
        work,
        "SELECT l.id, l.case_id, l.state, l.offered_at, c.sequence, c.state_doc "
        'FROM leg l JOIN "case" c ON c.id = l.case_id '
        f"WHERE l.state = ANY(:states) {mine}{since}ORDER BY l.offered_at, l.id LIMIT :most",
        states=list(states),
        most=limit,
        **parameters,
    )


def steps(work: Work, case_id: str) -> list[Any]:
    """The steps of a case in order: sequence, action, actor, at, leg, reason."""
    return _rows(
        work,
        "SELECT sequence, action, actor, at, leg, reason, evidence FROM case_step "
        "WHERE case_id = CAST(:id AS uuid) ORDER BY sequence, id",
        id=case_id,
    )


def known_handlings(work: Work, external_ids: Sequence[str]) -> dict[tuple[str, str], str]:
    """What outside systems have reported under these ids: (source, external id) → case id."""
    rows = _rows(
        work,
        "SELECT source, external_id, case_id FROM handling WHERE external_id = ANY(:ids)",
        ids=list(external_ids),
    )
    return {(row[0], row[1]): str(row[2]) for row in rows}


def remember_handlings(work: Work, rows: Sequence[dict[str, Any]]) -> None:
    """Notes what was taken from outside systems; rows: source, external_id, case_id."""
    work.insert(handling, rows, conflict="ON CONFLICT DO NOTHING")


# -- turns -------------------------------------------------------------------------------------------


def turns(work: Work) -> dict[str, int]:
    """When every worker last had a turn, in microseconds since 1970."""
    rows = _rows(work, "SELECT person, CAST(extract(epoch FROM last_given) * 1000000 AS bigint) FROM turn")
    return {row[0]: row[1] for row in rows}


_GIVE_TURNS: Final = Prepared(
    "WITH r AS (SELECT person, to_timestamp(micros / 1000000.0) AS last_given, given "
    "FROM json_to_recordset(CAST($1 AS json)) AS x(person text, micros bigint, given bigint)), "
    "free AS (SELECT t.person FROM turn t JOIN r USING (person) FOR UPDATE OF t SKIP LOCKED) "
    "UPDATE turn t SET last_given = greatest(t.last_given, r.last_given), given = t.given + r.given "
    "FROM r JOIN free USING (person) WHERE t.person = r.person",
    "text",
)


def give_turns(work: Work, given: Sequence[tuple[str, int, int]]) -> None:
    """Notes the turns of a batch: person, last time (microseconds since 1970), how many.

    A row that another replica is writing at the moment is left to it: it writes about the same time, and waiting
    for it would make every batch queue behind the others.
    """
    rows = [{"person": person, "micros": micros, "given": count} for person, micros, count in sorted(given)]
    if rows:
        work.later(_GIVE_TURNS, bulk.dumps(rows))


# -- the directory -----------------------------------------------------------------------------------


_VERSION: Final = Prepared("SELECT version FROM directory WHERE id = 1")


def directory_version(work: Work) -> int:
    """The version of the directory; 0 when none was imported."""
    return work.run(_VERSION).scalar() or 0


def read_directory(work: Work) -> Directory:
    """The whole directory."""
    version = directory_version(work)
    if not version:
        return EMPTY
    places = {r[0]: Place(*r) for r in _rows(work, "SELECT code, name, kind, parent FROM place WHERE active")}
    grids = {
        r[0]: Grid(*[*r[:-1], tuple(r[-1])])
        for r in _rows(
            work,
            "SELECT code, name, kind, parent, community, street, party_group, functions FROM grid WHERE active",
        )
    }
    people = {
        r[0]: Person(*r)
        for r in _rows(work, "SELECT id, name, role, grid, community, street, active FROM person")
    }
    units = {
        r[0]: Unit(*[*r[:-1], tuple(r[-1])])
        for r in _rows(
            work, "SELECT code, name, kind, member, clerk, system, partner, active, duties FROM unit"
        )
    }
    # A policy may be imported before there is a directory.
    county = next((p for p in places.values() if p.kind == "county"), EMPTY.county)
    return Directory(version, county, places, grids, people, units)


def policies(work: Work) -> list[Any]:
    """The documents of the imported policy tables, the one that holds from the latest time first."""
    sql = "SELECT document FROM policy ORDER BY effective_from DESC, imported_at DESC"
    return [row[0] for row in _rows(work, sql)]


def add_policy(work: Work, version: str, since: datetime, document: Mapping[str, Any], by: str) -> bool:
    """Stores a policy table; False when there is one of that version: what decided cases is never changed."""
    row = {
        "version": version,
        "effective_from": since,
        "document": document,
        "imported_at": work.now,
        "imported_by": by,
    }
    return bool(work.insert(policy_table, [row], conflict="ON CONFLICT DO NOTHING", returning="version"))


def next_directory_version(work: Work, by: str) -> int:
    """Takes the next version; whoever imports at the same time waits here."""
    return int(
        work.execute(
            "INSERT INTO directory (id, version, imported_at, imported_by) VALUES (1, 1, :now, :by) "
            "ON CONFLICT (id) DO UPDATE SET version = directory.version + 1, imported_at = :now, imported_by = :by "
            "RETURNING version",
            now=work.now,
            by=by,
        ).scalar_one()
    )


def contacts(work: Work) -> dict[str, str]:
    """Sealed contacts by the id that notices go to."""
    rows = _rows(
        work,
        "SELECT id, contact FROM person WHERE contact IS NOT NULL UNION ALL "
        "SELECT code, contact FROM unit WHERE contact IS NOT NULL UNION ALL "
        "SELECT 'desk-' || CASE kind WHEN 'county' THEN code || '000' ELSE code END, contact "
        "FROM place WHERE contact IS NOT NULL",
    )
    return {row[0]: row[1] for row in rows}


def replace_table(work: Work, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Makes the active rows of a directory table exactly these; the others stay, inactive: cases name them."""
    key = next(iter(table.primary_key.columns)).name
    sets = ", ".join(f'"{c}" = excluded."{c}"' for c in rows[0] if c != key) if rows else ""
    work.insert(table, rows, conflict=f"ON CONFLICT ({key}) DO UPDATE SET {sets}")
    work.execute(
        f'UPDATE "{table.name}" SET active = false WHERE active AND NOT ({key} = ANY(:keys))',
        keys=[row[key] for row in rows],
    )


def add_turns(work: Work, people: Sequence[str]) -> None:
    """Rows for workers who never had a turn, so that giving one only ever updates."""
    rows = [{"person": p, "last_given": "1970-01-01T00:00:00Z", "given": 0} for p in people]
    work.insert(turn, rows, conflict="ON CONFLICT DO NOTHING")
