"""The ledger's tables and all of its SQL.

Postings are append-only: the service's role may only read and insert them (`info["grants"]`), and a trigger
refuses UPDATE, DELETE and TRUNCATE to everybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from jiayuan.chassis import tables
from jiayuan.chassis.transaction import Prepared
from jiayuan.chassis.work import Work
from jiayuan.contracts.envelope import Event
from jiayuan.contracts.schemas.common import ENTRY_STATES, POSTING_KINDS
from jiayuan.contracts.times import iso

from .entry import Entry

metadata: Final = MetaData()
tables.add(metadata)

# Identifiers of others are compared byte by byte: no locale decides about their order.
Key: Final = Text(collation="C")


def _one_of(column: str, words: Iterable[str]) -> str:
    return f"{column} IN ({', '.join(repr(w) for w in words)})"


entry: Final = Table(
    "entry",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column(
        "item", Uuid(as_uuid=False), nullable=False, comment="the matter; stays when it is carried forward"
    ),
    Column("year", SmallInteger, nullable=False),
    Column("case_id", Key),
    Column("case_number", Text),
    Column("street", Key, nullable=False),
    Column("unit", Key),
    Column("category", Key, nullable=False),
    Column("title", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("opened_at", DateTime(timezone=True), nullable=False),
    Column("written_off_at", DateTime(timezone=True)),
    Column("case_state", Text),
    Column("confirmed", Text),
    Column("case_sequence", Integer, nullable=False, comment="the highest step of the case seen"),
    Column("state_sequence", Integer, nullable=False, comment="the step that settled the state"),
    Column("postings", Integer, nullable=False, comment="number of the last posting, the entry's version"),
    UniqueConstraint("case_id", "year", name="entry_case_id_year"),
    UniqueConstraint("item", "year", name="entry_item_year"),
    CheckConstraint(_one_of("state", ENTRY_STATES), name="entry_state"),
    Index("entry_year_street", "year", "street", "id"),
    comment="A line of the annual account, as its postings make it",
    info={"grants": "SELECT, INSERT, UPDATE"},
    postgresql_with={"fillfactor": "80"},
)

posting: Final = Table(
    "posting",
    metadata,
    Column("entry_id", Uuid(as_uuid=False), ForeignKey("entry.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("case_sequence", Integer),
    Column("clock_id", Key),
    Column("clock_sequence", Integer),
    Column("opening", SmallInteger, nullable=False, comment="what it moves in the year's opening balance"),
    Column("entered", SmallInteger, nullable=False, comment="what it moves in what was entered"),
    Column("written_off", SmallInteger, nullable=False, comment="what it moves in what was written off"),
    Column("unit", Key),
    Column("actor", Text),
    Column("at", DateTime(timezone=True), nullable=False, comment="when the step was taken"),
    Column("posted_at", DateTime(timezone=True), nullable=False, comment="when it was posted"),
    Column("note", Text, nullable=False),
    Column("facts", JSONB, nullable=False),
    Column("cause", Text, nullable=False, comment="the event that told of the step"),
    PrimaryKeyConstraint("entry_id", "number", name="posting_pkey"),
    UniqueConstraint("entry_id", "case_sequence", "kind", name="posting_step"),
    CheckConstraint(_one_of("kind", POSTING_KINDS), name="posting_kind"),
    CheckConstraint("number > 0", name="posting_number"),
    CheckConstraint(
        "opening BETWEEN -1 AND 1 AND entered BETWEEN -1 AND 1 AND written_off BETWEEN -1 AND 1",
        name="posting_moves",
    ),
    Index(
        "posting_clock",
        "clock_id",
        "clock_sequence",
        unique=True,
        postgresql_where=text("clock_id IS NOT NULL"),
    ),
    # Two postings of an entry move the balance, the others tell; the account is summed from this alone.
    Index(
        "posting_moved",
        "entry_id",
        postgresql_include=["opening", "entered", "written_off"],
        postgresql_where=text("opening <> 0 OR entered <> 0 OR written_off <> 0"),
    ),
    comment="One line under an entry; nothing here is ever changed or deleted",
    info={"grants": "SELECT, INSERT"},
)

waiting_breach: Final = Table(
    "waiting_breach",
    metadata,
    Column("clock_id", Key, nullable=False),
    Column("clock_sequence", Integer, nullable=False),
    Column("case_id", Key, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("event_source", Text, nullable=False),
    Column("event_time", DateTime(timezone=True), nullable=False),
    Column("street", Text, nullable=False),
    Column("traceparent", Text, nullable=False),
    Column("lane", Text, nullable=False),
    Column("data", JSONB, nullable=False),
    Column("since", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("clock_id", "clock_sequence", name="waiting_breach_pkey"),
    Index("waiting_breach_case_id", "case_id"),
    Index("waiting_breach_since", "since"),
    comment="Deadlines that passed on cases without an entry: not livelihood, or the case is still on its way",
)

_ENTRY_FIELDS: Final = tuple(f.name for f in fields(Entry))
# Identifiers are text in Python; `ORDER BY entry.id` then means the column, not its text.
_ENTRY_COLUMNS: Final = ", ".join(
    f"CAST({name} AS text)" if name in ("id", "item") else name for name in _ENTRY_FIELDS
)
_KEPT: Final = frozenset(("item", "year", "case_id", "case_number", "opened_at"))
_CHANGING: Final = tuple(f for f in _ENTRY_FIELDS if f not in _KEPT)


def _read(work: Work, sql: str, **parameters: Any) -> list[Any]:
    return list(work.execute(sql, **parameters))


def entry_of(row: Any) -> Entry:
    """An entry from its row."""
    values = dict(zip(_ENTRY_FIELDS, row, strict=True))
    values["opened_at"] = iso(values["opened_at"])
    if values["written_off_at"] is not None:
        values["written_off_at"] = iso(values["written_off_at"])
    return Entry(**values)


_ENTERED: Final = Prepared("SELECT case_id FROM entry WHERE case_id = ANY($1)", "text[]")
_LOCK: Final = Prepared(
    f"SELECT {_ENTRY_COLUMNS} FROM entry WHERE case_id = ANY($1) ORDER BY entry.id FOR NO KEY UPDATE",
    "text[]",
)


def cases_entered(work: Work, cases: Sequence[str]) -> set[str]:
    """Which of the cases have an entry."""
    return set(work.run(_ENTERED, list(cases)).scalars())


def insert_entries(work: Work, entries: Sequence[Entry]) -> set[str]:
    """Inserts new entries; the cases of those that no other replica had inserted before."""
    rows = [{name: getattr(e, name) for name in _ENTRY_FIELDS} for e in entries]
    return {r[0] for r in work.insert(entry, rows, conflict="ON CONFLICT DO NOTHING", returning="case_id")}


def lock_entries(work: Work, cases: Sequence[str]) -> dict[str, Entry]:
    """The entries of cases, locked in the order of their ids; a case's newest when it was carried forward."""
    if not cases:
        return {}
    rows = work.run(_LOCK, list(cases))
    out: dict[str, Entry] = {}
    for row in rows:
        found = entry_of(row)
        known = out.get(found.case_id)
        if known is None or known.year < found.year:
            out[found.case_id] = found
    return out


def update_entries(work: Work, entries: Sequence[Entry]) -> None:
    """Writes entries that this transaction has locked."""
    work.update(entry, [{name: getattr(e, name) for name in _CHANGING} for e in entries])


def steps_posted(work: Work, entries: Sequence[str]) -> dict[str, set[tuple[int, str]]]:
    """The keys (case sequence, kind) of what is posted under entries (locked ones: else it may be stale)."""
    out: dict[str, set[tuple[int, str]]] = {e: set() for e in entries}
    rows = _read(
        work,
        "SELECT entry_id, case_sequence, kind FROM posting "
        "WHERE entry_id = ANY(CAST(:entries AS uuid[])) AND case_sequence IS NOT NULL",
        entries=list(entries),
    )
    for entry_id, sequence, kind in rows:
        out[str(entry_id)].add((sequence, kind))
    return out


def breaches_posted(work: Work, clocks: Sequence[str]) -> set[tuple[str, int]]:
    """The keys (clock, its sequence) of the breaches of clocks that are posted."""
    rows = _read(
        work,
        "SELECT clock_id, clock_sequence FROM posting WHERE clock_id = ANY(:clocks)",
        clocks=list(clocks),
    )
    return {(row[0], row[1]) for row in rows}


def insert_postings(work: Work, rows: Sequence[dict[str, Any]]) -> None:
    """Appends postings. A number or a step that exists already is an error: the caller has looked."""
    work.insert(posting, [{**row, "posted_at": work.now} for row in rows])


def keep_breaches(work: Work, events: Sequence[Event]) -> None:
    """Keeps breaches of cases without an entry until the entry comes."""
    rows = [
        {
            "clock_id": e.data["clock"]["id"],
            "clock_sequence": e.sequence,
            "case_id": e.data["clock"]["case"],
            "event_id": e.id,
            "event_source": e.source,
            "event_time": e.time,
            "street": e.street,
            "traceparent": e.traceparent,
            "lane": e.lane,
            "data": e.data,
            "since": work.now,
        }
        for e in events
    ]
    work.insert(waiting_breach, rows, conflict="ON CONFLICT DO NOTHING")


def take_breaches(work: Work, most: int) -> list[Event]:
    """Takes away up to `most` kept breaches whose case has an entry by now."""
    rows = _read(
        work,
        "DELETE FROM waiting_breach WHERE (clock_id, clock_sequence) IN ("
        "  SELECT w.clock_id, w.clock_sequence FROM waiting_breach w"
        "  WHERE EXISTS (SELECT FROM entry e WHERE e.case_id = w.case_id)"
        "  ORDER BY w.clock_id, w.clock_sequence LIMIT :most FOR UPDATE OF w SKIP LOCKED)"
        " RETURNING event_id, event_source, event_time, data, clock_id, clock_sequence, street, lane, traceparent",
        most=most,
    )
    return [
        Event(r[0], r[1], "clock.breached", r[2], r[3], r[4], r[5], r[6], r[7], r[8])
        for r in sorted(rows, key=lambda r: (r[4], r[5]))
    ]


def drop_breaches(work: Work, days: float) -> int:
    """Drops what was kept for more than `days` of business time: cases that are no livelihood matters."""
    return work.execute(
        "DELETE FROM waiting_breach WHERE since < :now - make_interval(secs => :seconds)",
        now=work.now,
        seconds=days * 86400,
    ).rowcount


# -- reading the account ---------------------------------------------------------------------------------

# One statement, so that both sides of the balance are of the same moment.
_FIGURES: Final = """
WITH mine AS (
  SELECT id, state, confirmed, case_state, {key} AS key FROM entry
  WHERE year = :year AND (CAST(:street AS text) IS NULL OR street = :street)
), counted AS (
  SELECT key, count(*) AS entries,
         count(*) FILTER (WHERE state = 'open') AS open,
         count(*) FILTER (WHERE state = 'reversed') AS reversed,
         count(*) FILTER (WHERE state = 'open' AND case_state = 'closed') AS unsatisfied
  FROM mine GROUP BY key
), moved AS (
  SELECT m.key, sum(p.opening) AS opening, sum(p.entered) AS entered, sum(p.written_off) AS written_off
  FROM mine m JOIN posting p ON p.entry_id = m.id
  WHERE p.opening <> 0 OR p.entered <> 0 OR p.written_off <> 0
  GROUP BY m.key
)
SELECT c.key, coalesce(m.opening, 0), coalesce(m.entered, 0), coalesce(m.written_off, 0),
       c.open, c.reversed, c.unsatisfied
FROM counted c LEFT JOIN moved m ON m.key IS NOT DISTINCT FROM c.key
ORDER BY c.key NULLS FIRST
"""
_KEY_OF: Final = {"street": "street", "unit": "unit"}


def figures(work: Work, year: int, by: str, street: str | None) -> list[tuple[Any, ...]]:
    """Per street or unit: key, opening, entered, written off (sums of the postings), open, reversed, unsatisfied
    (counts of the entries' states)."""
    rows = _read(work, _FIGURES.format(key=_KEY_OF[by]), year=year, street=street)
    return [(r[0], *(int(v) for v in r[1:])) for r in rows]


_FAULTS: Final = """
WITH mine AS (SELECT id, case_number, state, postings, case_sequence FROM entry WHERE year = :year),
sums AS (
  SELECT m.id, count(p.number) AS lines, coalesce(max(p.number), 0) AS last, coalesce(min(p.number), 0) AS first,
         coalesce(sum(p.opening + p.entered), 0) AS entered, coalesce(sum(p.written_off), 0) AS written_off,
         count(*) FILTER (WHERE p.kind IN ('opening', 'carry_forward')) AS openings,
         count(DISTINCT p.case_sequence) AS steps
  FROM mine m LEFT JOIN posting p ON p.entry_id = m.id GROUP BY m.id
), judged AS (
  SELECT m.id, m.case_number, CASE
    WHEN s.openings <> 1 THEN 'opening'
    WHEN s.lines <> m.postings OR s.last <> m.postings OR s.first <> 1 THEN 'numbers'
    WHEN s.entered <> CASE m.state WHEN 'reversed' THEN 0 ELSE 1 END
      OR s.written_off <> CASE m.state WHEN 'written_off' THEN 1 ELSE 0 END THEN 'balance'
    WHEN s.steps <> m.case_sequence THEN 'steps'
  END AS fault
  FROM mine m JOIN sums s ON s.id = m.id
)
SELECT fault, count(*), (array_agg(CAST(id AS text) ORDER BY id))[1:20],
  (array_agg(case_number ORDER BY id))[1:20]
FROM judged WHERE fault IS NOT NULL GROUP BY fault ORDER BY fault
"""


class Fault(NamedTuple):
    """Entries whose postings don't bear out what they say: how many, and the first 20 (id, case number)."""

    kind: str
    entries: int
    shown: list[tuple[str, str | None]]


def faults(work: Work, year: int) -> list[Fault]:
    """What is wrong with the entries of a year; the kinds are those of `account.FAULTS`."""
    rows = _read(work, _FAULTS, year=year)
    return [Fault(r[0], r[1], list(zip(r[2], r[3], strict=True))) for r in rows]


def find_entries(
    work: Work, *, case: str | None, street: str | None, year: int | None, after: str | None, limit: int
) -> list[Entry]:
    """Entries of a case, a street or a year in the order of their ids, from the one after `after`."""
    rows = _read(
        work,
        f"SELECT {_ENTRY_COLUMNS} FROM entry WHERE (CAST(:case AS text) IS NULL OR case_id = :case)"
        " AND (CAST(:street AS text) IS NULL OR street = :street)"
        " AND (CAST(:year AS int) IS NULL OR year = :year)"
        " AND (CAST(:after AS uuid) IS NULL OR id > CAST(:after AS uuid)) ORDER BY entry.id LIMIT :limit",
        case=case,
        street=street,
        year=year,
        after=after,
        limit=limit,
    )
    return [entry_of(row) for row in rows]


def get_entry(work: Work, id_: str) -> Entry | None:
    """One entry."""
    row = work.execute(f"SELECT {_ENTRY_COLUMNS} FROM entry WHERE id = CAST(:id AS uuid)", id=id_).first()
    return entry_of(row) if row else None


def postings_of(work: Work, id_: str) -> list[dict[str, Any]]:
    """The postings of an entry by number."""
    rows = work.execute(
        "SELECT * FROM posting WHERE entry_id = CAST(:id AS uuid) ORDER BY number", id=id_
    ).mappings()
    return [dict(row) for row in rows]
