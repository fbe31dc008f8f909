"""Keys of persons, erasure, and the log of what was revealed: the SQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row

from jiayuan.chassis import bulk
from jiayuan.chassis.transaction import Prepared
from jiayuan.chassis.work import Work
from jiayuan.contracts.ids import new_id
from jiayuan.contracts.times import iso

from .tables import person_key, person_log, reveal_log

ERASED: Final = "（已按本人要求删除）"

# Old rows are held against erasure until the end of the transaction: what it seals must stay readable or go too.
# Old ones are looked for first, since most of a day's reporters are known and a conflicting insert costs more.
_KEYS: Final = Prepared(
    "WITH given AS (SELECT * FROM json_to_recordset(CAST($1 AS json)) AS r(handle text, person text, key text, "
    "algorithm text, ring text, wrapped bytea, created_at timestamptz)), "
    "old AS (SELECT k.handle, k.person, k.key, k.algorithm, k.wrapped FROM person_key k "
    "WHERE k.handle IN (SELECT handle FROM given) ORDER BY k.handle FOR KEY SHARE), "
    "new AS (INSERT INTO person_key (handle, person, key, algorithm, ring, wrapped, created_at) "
    "SELECT g.handle, g.person, g.key, g.algorithm, g.ring, g.wrapped, g.created_at FROM given g "
    "WHERE NOT EXISTS (SELECT 1 FROM old WHERE old.handle = g.handle) ORDER BY g.handle "
    "ON CONFLICT (handle) DO NOTHING RETURNING handle, person, key, algorithm, wrapped) "
    "SELECT * FROM old UNION ALL SELECT * FROM new",
    "text",
)


def person_keys(work: Work, fresh: Sequence[dict[str, Any]]) -> dict[str, Row[Any]]:
    """The keys of persons by handle, those of `fresh` (rows of person_key) where there were none.

    One statement; a second one when another replica met one of the same persons for the first time just now.
    """
    found: dict[str, Row[Any]] = {}
    missing = list(fresh)
    while missing:
        found |= {row.handle: row for row in work.run(_KEYS, bulk.dumps(missing))}
        missing = [row for row in missing if row["handle"] not in found]
    return found


def person_key_of(work: Work, person: str, *, lock: bool = False) -> Row[Any] | None:
    """The key of one person; `lock` holds it against everybody else."""
    return work.execute(
        "SELECT handle, person, key, algorithm, wrapped FROM person_key WHERE person = :person"
        + (" FOR UPDATE" if lock else ""),
        person=person,
    ).first()


def person_of_handle(work: Work, handle: str) -> str | None:
    """The pseudonym behind a handle."""
    found = work.execute("SELECT person FROM person_key WHERE handle = :handle", handle=handle).first()
    return str(found[0]) if found is not None else None


# -- rotation ------------------------------------------------------------------------------------------


def keys_to_rewrap(work: Work, ring: str) -> int:
    """How many keys of persons another key than `ring` wraps."""
    return int(work.execute("SELECT count(*) FROM person_key WHERE ring <> :ring", ring=ring).scalar_one())


def take_to_rewrap(work: Work, ring: str, after: str, most: int) -> list[Row[Any]]:
    """Some of them with handles past `after`, locked: handle, person, wrapped. Who is locked is left out."""
    return list(
        work.execute(
            "SELECT handle, person, wrapped FROM person_key WHERE ring <> :ring AND handle > :after "
            "ORDER BY handle LIMIT :most FOR NO KEY UPDATE SKIP LOCKED",
            ring=ring,
            after=after,
            most=most,
        )
    )


def rewrap(work: Work, rows: Sequence[dict[str, Any]]) -> None:
    """Writes keys wrapped anew: handle, ring, wrapped."""
    work.update(person_key, rows, key=("handle",))


def sealed_by_ring(work: Work, names: Sequence[str], after: str, most: int) -> list[Row[Any]]:
    """Reports past `after`, locked, whose values a key of the ring sealed, as was done before persons had keys."""
    return list(
        work.execute(
            "SELECT id::text AS id, reporter, original, contact, secrets FROM report "
            "WHERE split_part(original, '.', 1) = ANY(:names) AND id > CAST(:after AS uuid) ORDER BY id LIMIT :most "
            "FOR UPDATE SKIP LOCKED",
            names=list(names),
            after=after,
            most=most,
        )
    )


def supplements_of(work: Work, reports: Iterable[str]) -> list[Row[Any]]:
    """What was added to reports: report, sequence, text, original, at; in order."""
    return list(
        work.execute(
            "SELECT report::text AS report, sequence, text, original, at FROM supplement "
            "WHERE report = ANY(CAST(:ids AS uuid[])) ORDER BY report, sequence",
            ids=list(reports),
        )
    )


def reseal(work: Work, report: dict[str, Any], supplements: Sequence[dict[str, Any]]) -> None:
    """Writes a report's sealed values anew (id, reporter, original, contact, secrets), and those added to it."""
    work.execute(
        "UPDATE report SET reporter = :reporter, original = :original, contact = :contact, secrets = :secrets "
        "WHERE id = :id",
        **report,
    )
    for row in supplements:
        work.execute(
            "UPDATE supplement SET original = :original WHERE report = :report AND sequence = :sequence",
            **row,
        )


def dead_letters_sealed(work: Work, but: str, after: str, most: int) -> list[Row[Any]]:
    """Sealed dead letters past `after` that another key than `but` sealed, locked: id, body."""
    return list(
        work.execute(
            "SELECT id::text AS id, body FROM dead_letter "
            "WHERE sealed AND position(CAST(:mark AS bytea) IN body) <> 1 AND id > CAST(:after AS uuid) "
            "ORDER BY id LIMIT :most FOR UPDATE SKIP LOCKED",
            after=after,
            mark=but.encode() + b".",
            most=most,
        )
    )


def reseal_dead_letter(work: Work, id_: str, body: bytes) -> None:
    """Writes a dead letter's body anew."""
    work.execute("UPDATE dead_letter SET body = :body WHERE id = :id", body=body, id=id_)


# -- one person ----------------------------------------------------------------------------------------

_MINE: Final = (
    "id::text AS id, tracking_code, kind, channel, source_system, external_id, title, text, original, category, "
    "category_name, importance, urgency, street, community, grid, place_evidence, lat, long, reporter, contact, "
    "secrets, facts, attachments, consent, occurred_at, device_at, received_at, state, withdrawn_at, "
    "withdrawn_reason, erased_at"
)


def reports_of(work: Work, person: str) -> list[Row[Any]]:
    """A person's reports with what is sealed in them, oldest first."""
    if not person.startswith("p"):  # an anonymous report is its own person
        return report_for_opening(work, [person])
    return list(
        work.execute(
            f"SELECT {_MINE} FROM report WHERE reporter = :person ORDER BY received_at, id", person=person
        )
    )


def report_by_code(work: Work, code: str) -> Row[Any] | None:
    """Whose the report with that tracking code is: id, reporter, erased_at."""
    return work.execute(
        "SELECT id::text AS id, reporter, erased_at FROM report WHERE tracking_code = :code", code=code
    ).first()


def report_for_opening(work: Work, ids: Sequence[str]) -> list[Row[Any]]:
    """Reports with what is sealed in them."""
    return list(
        work.execute(
            f"SELECT {_MINE} FROM report WHERE id = ANY(CAST(:ids AS uuid[])) ORDER BY received_at, id",
            ids=list(ids),
        )
    )


def ratings_of(work: Work, reports: Iterable[str]) -> list[Row[Any]]:
    """What was said of results: report, solved, satisfaction, words, at; in order."""
    return list(
        work.execute(
            "SELECT report::text AS report, solved, satisfaction, words, at FROM rating "
            "WHERE report = ANY(CAST(:ids AS uuid[])) ORDER BY report, sequence",
            ids=list(reports),
        )
    )


def erase_words(work: Work, reports: Sequence[str], at: datetime) -> None:
    """Takes the words and the sealed values out of reports and what was added to them; figures stay."""
    ids = list(reports)
    work.execute(
        "UPDATE report SET title = :erased, text = :erased, original = '', contact = NULL, secrets = NULL, "
        "attachments = NULL, withdrawn_reason = NULL, lat = NULL, long = NULL, place_evidence = '', erased_at = :at "
        "WHERE id = ANY(CAST(:ids AS uuid[]))",
        erased=ERASED,
        at=at,
        ids=ids,
    )
    work.execute(
        "UPDATE supplement SET text = :erased, original = '' WHERE report = ANY(CAST(:ids AS uuid[]))",
        erased=ERASED,
        ids=ids,
    )
    work.execute(
        "UPDATE place_question SET why = '', candidates = (SELECT coalesce(jsonb_agg(c || '{\"why\": \"\"}'), '[]') "
        "FROM jsonb_array_elements(candidates) AS c) WHERE report = ANY(CAST(:ids AS uuid[]))",
        ids=ids,
    )
    work.execute(
        "UPDATE rating SET words = NULL WHERE report = ANY(CAST(:ids AS uuid[])) AND words IS NOT NULL",
        ids=ids,
    )


def forget_likeness(work: Work, reports: Sequence[str]) -> None:
    """Deletes what was made of the words of reports: what the same matter is looked for by, and hotspots' titles.

    Hotspots can be found again, from what is left.
    """
    work.execute("DELETE FROM matter_key WHERE report = ANY(CAST(:ids AS uuid[]))", ids=list(reports))
    work.execute(
        "DELETE FROM hotspot_run h WHERE EXISTS "
        "(SELECT 1 FROM unnest(CAST(:ids AS text[])) AS i WHERE position(i IN CAST(h.document AS text)) > 0)",
        ids=list(reports),
    )


def drop_key(work: Work, person: str) -> None:
    """Deletes a person's key, and with it the way from a phone or an openid to the pseudonym."""
    work.execute("DELETE FROM person_key WHERE person = :person", person=person)


def forget_answers(work: Work, handle: str, reports: Sequence[str]) -> None:
    """Deletes kept answers to a person's requests: they show titles, and their scope holds the handle."""
    work.execute(
        "DELETE FROM idempotency_key WHERE scope = :scope OR answer ->> 'id' = ANY(:ids) "
        "OR answer ->> 'report' = ANY(:ids)",
        scope=f"report:{handle}",
        ids=list(reports),
    )


def log_person(work: Work, action: str, person: str, reports: int, asked_by: str, why: str) -> None:
    """Keeps that somebody's data were exported or erased."""
    row = {
        "id": new_id(),
        "action": action,
        "person": person,
        "reports": reports,
        "asked_by": asked_by,
        "why": why,
        "at": iso(work.now),
    }
    work.insert(person_log, [row])


def erased(work: Work, person: str) -> Row[Any] | None:
    """When a person was erased: at, reports; None if never."""
    return work.execute(
        "SELECT at, reports FROM person_log WHERE person = :person AND action = 'erased' ORDER BY at LIMIT 1",
        person=person,
    ).first()


def person_log_lines(work: Work, most: int = 500) -> list[Row[Any]]:
    """The newest exports and erasures: at, action, person, reports, asked_by, why."""
    return list(
        work.execute(
            "SELECT at, action, person, reports, asked_by, why FROM person_log ORDER BY at DESC, id DESC "
            "LIMIT :most",
            most=most,
        )
    )


# -- reveals -------------------------------------------------------------------------------------------


def log_reveal(work: Work, row: dict[str, Any]) -> bool:
    """Adds a step to a reveal; False when that step is taken (two persons decided at the same time)."""
    return bool(
        work.insert(reveal_log, [row], conflict="ON CONFLICT (reveal, step) DO NOTHING", returning="step")
    )


def hold_reveal(work: Work, reveal: str) -> None:
    """Lets nobody else add a step to a reveal until the end of the transaction (rows can't be locked: no UPDATE)."""
    work.execute("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))", key=f"reveal:{reveal}")


def reveal_steps(work: Work, reveal: str) -> list[Row[Any]]:
    """The steps of one reveal, in order."""
    return list(
        work.execute(
            "SELECT reveal::text AS reveal, step, action, report::text AS report, who, at, why, until "
            "FROM reveal_log WHERE reveal = :id ORDER BY step",
            id=reveal,
        )
    )


def reveals(
    work: Work, *, report: str | None = None, who: str | None = None, waiting: bool = False, most: int = 500
) -> list[Row[Any]]:
    """Steps of the newest reveals, of a report, of those somebody had a part in, or of those not decided yet."""
    return list(
        work.execute(
            "SELECT l.reveal::text AS reveal, l.step, l.action, l.report::text AS report, l.who, l.at, l.why, l.until "
            "FROM reveal_log l JOIN (SELECT reveal, at FROM reveal_log a WHERE step = 1 "
            "AND (CAST(:report AS uuid) IS NULL OR report = CAST(:report AS uuid)) "
            "AND (CAST(:who AS text) IS NULL OR EXISTS (SELECT 1 FROM reveal_log o WHERE o.reveal = a.reveal "
            "AND o.who = :who)) "
            "AND (NOT :waiting OR NOT EXISTS (SELECT 1 FROM reveal_log d WHERE d.reveal = a.reveal AND d.step = 2)) "
            "ORDER BY at DESC, reveal DESC LIMIT :most) AS newest ON newest.reveal = l.reveal "
            "ORDER BY newest.at DESC, l.reveal DESC, l.step",
            report=report,
            who=who,
            waiting=waiting,
            most=most,
        )
    )
