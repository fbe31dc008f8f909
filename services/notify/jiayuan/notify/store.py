"""Notify's tables and all of its SQL.

Two clocks meet here. `at` and `state_at` are business time (they may run faster in a demonstration);
`due_at` and `submitted_at` are wall time, because they are about leases, back-off and time-outs of calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, UUID

from jiayuan.chassis import tables
from jiayuan.chassis.work import Work

metadata = sa.MetaData()
tables.add(metadata)

_TIME: Final = sa.DateTime(timezone=True)

recipient = sa.Table(
    "recipient",
    metadata,
    sa.Column("type", sa.Text, primary_key=True),
    sa.Column("ref", sa.Text, primary_key=True),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("street", sa.Text, nullable=False),
    sa.Column("grid", sa.Text, nullable=False),
    sa.Column("contact", sa.Text),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
)

report = sa.Table(
    "report",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("tracking_code", sa.Text, nullable=False),
)

notice = sa.Table(
    "notice",
    metadata,
    sa.Column("id", UUID(as_uuid=False), primary_key=True),
    sa.Column("recipient_type", sa.Text, nullable=False),
    sa.Column("recipient", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("matter", sa.Text, nullable=False),
    sa.Column("step", sa.Text, nullable=False),
    sa.Column("template", sa.Text, nullable=False),
    sa.Column("template_version", sa.Integer, nullable=False),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("case_id", sa.Text),
    sa.Column("report_id", sa.Text),
    sa.Column("street", sa.Text, nullable=False),
    sa.Column("parameters", JSONB, nullable=False),
    sa.Column("priority", sa.SmallInteger, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("at", _TIME, nullable=False),
    sa.Column("state_at", _TIME, nullable=False),
    sa.Column("due_at", _TIME, nullable=False),
    sa.Column("waits", sa.Integer, nullable=False, server_default="0"),
    sa.Column("version", sa.Integer, nullable=False, server_default="0"),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("provider", sa.Text),
    sa.Column("request_id", UUID(as_uuid=False)),
    sa.Column("provider_ref", sa.Text),
    sa.Column("submitted_at", _TIME),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("traceparent", sa.Text, nullable=False),
)

attempt = sa.Table(
    "attempt",
    metadata,
    sa.Column("id", UUID(as_uuid=False), primary_key=True),
    sa.Column("notice_id", UUID(as_uuid=False), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("request_id", UUID(as_uuid=False), nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("provider_ref", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("started_at", _TIME, nullable=False),
    sa.Column("ended_at", _TIME, nullable=False),
    info={"grants": "SELECT, INSERT"},  # a record of calls is never changed
)

sink_message = sa.Table(
    "sink_message",
    metadata,
    sa.Column("request_id", UUID(as_uuid=False), primary_key=True),
    sa.Column("recipient", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("at", _TIME, nullable=False),
    info={"grants": "SELECT, INSERT"},
)

_KEEP_NEWEST: Final = """
ON CONFLICT (type, ref) DO UPDATE SET
    role = excluded.role, street = excluded.street, grid = excluded.grid, active = excluded.active,
    version = greatest(excluded.version, recipient.version),
    contact = CASE WHEN excluded.type <> 'citizen' THEN excluded.contact
                   WHEN excluded.version > recipient.version THEN coalesce(excluded.contact, recipient.contact)
                   ELSE coalesce(recipient.contact, excluded.contact) END
WHERE excluded.version > recipient.version
   OR (excluded.type = 'citizen' AND recipient.contact IS NULL AND excluded.contact IS NOT NULL)
"""

_CLAIM: Final = """
WITH taken AS (
    SELECT id, recipient_type, recipient, role, matter, step, template, template_version, rule, case_id,
           report_id, parameters, state, reason, at, state_at, waits, version, attempts, provider, request_id, event_id,
           traceparent, street, priority, due_at
    FROM notice
    WHERE state IN ('queued', 'deferred') AND due_at <= :wall
    ORDER BY priority, due_at LIMIT :size
    FOR UPDATE SKIP LOCKED)
SELECT t.*, r.ref IS NOT NULL AS known, r.contact, r.active, p.tracking_code
FROM taken t
LEFT JOIN recipient r ON r.type = t.recipient_type AND r.ref = t.recipient
LEFT JOIN report p ON p.id = t.report_id
ORDER BY t.priority, t.due_at
"""

_NUMBERS: Final = """
SELECT DISTINCT ON (case_id) case_id, parameters ->> 'number' AS number FROM notice
WHERE case_id = ANY(:cases) AND parameters ? 'number' ORDER BY case_id
"""

_WAKE: Final = """
UPDATE notice SET due_at = :wall WHERE id IN (
    SELECT id FROM notice
    WHERE state = 'queued' AND waits > 0 AND (recipient = ANY(:recipients) OR report_id = ANY(:reports))
    ORDER BY id FOR UPDATE SKIP LOCKED)
"""

_STUCK: Final = """
UPDATE notice SET state = 'unknown', reason = 'no answer was recorded', state_at = :now, due_at = :wall,
                  version = version + 1
WHERE id IN (
    SELECT id FROM notice WHERE state = 'submitted' AND submitted_at < :before
    ORDER BY submitted_at LIMIT :size FOR UPDATE SKIP LOCKED)
RETURNING id, version, attempts, provider, request_id, submitted_at
"""

_ASK: Final = """
UPDATE notice SET due_at = :lease WHERE id IN (
    SELECT id FROM notice WHERE state = 'unknown' AND due_at <= :wall AND provider = :provider
    ORDER BY due_at LIMIT :size FOR UPDATE SKIP LOCKED)
RETURNING id, recipient, role, matter, step, template, at, version, attempts, provider, request_id,
          event_id, traceparent, street
"""

_ATTEMPTS: Final = """
SELECT notice_id, number, kind, provider, outcome, error, started_at, ended_at FROM attempt
WHERE notice_id = ANY(CAST(:ids AS uuid[])) ORDER BY notice_id, ended_at, id
"""

_FOUND: Final = """
SELECT id, recipient_type, recipient, role, matter, step, template, template_version, case_id, report_id,
       street, state, reason, at, state_at, attempts, provider, provider_ref
FROM notice WHERE {where} AND (:street = '' OR street = :street) ORDER BY at, id LIMIT 500
"""


def put_recipients(work: Work, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep of every recipient the highest version; a citizen's report without a contact erases none."""
    work.insert(
        recipient,
        [dict(row) for row in rows],
        conflict=_KEEP_NEWEST,
    )


def put_reports(work: Work, rows: Sequence[dict[str, Any]]) -> None:
    """Remember the tracking codes, which case.* events don't carry."""
    work.insert(report, rows, conflict="ON CONFLICT (id) DO NOTHING")


def put_notices(work: Work, rows: Sequence[dict[str, Any]]) -> None:
    """Record notices; one that is there already (same person, matter, step, template) stays as it is.

    Rows go in by their ids, so ids are dealt out in the order of what makes them unique: two replicas with
    the same events then wait for each other in one order and never deadlock.
    """
    ordered = sorted(rows, key=lambda r: (r["recipient"], r["matter"], r["step"], r["template"]))
    for row, id_ in zip(ordered, sorted(r["id"] for r in rows), strict=True):
        row["id"] = id_
    work.insert(
        notice,
        ordered,
        conflict="ON CONFLICT (recipient_type, recipient, matter, step, template) DO NOTHING",
    )


def wake(work: Work, recipients: Iterable[str], reports: Iterable[str], wall: datetime) -> None:
    """Notices that wait for these recipients or reports are due now."""
    work.execute(_WAKE, wall=wall, recipients=list(recipients), reports=list(reports))


def claim(work: Work, size: int, wall: datetime) -> list[sa.Row[Any]]:
    """Lock up to `size` due notices, the most urgent first, with what is known of their recipients."""
    return list(work.execute(_CLAIM, wall=wall, size=size))


def numbers(work: Work, cases: Iterable[str]) -> dict[str, str]:
    """Case numbers, which clock.* events don't carry, as earlier notices on the same cases knew them."""
    return {row.case_id: row.number for row in work.execute(_NUMBERS, cases=list(cases))}


def change(work: Work, rows: Sequence[dict[str, Any]]) -> None:
    """Write new states of notices whose rows this transaction has locked."""
    work.update(notice, rows)


def record(work: Work, rows: Sequence[dict[str, Any]]) -> set[str]:
    """Write what became of submitted notices; ids of those that still stood where the call left them."""
    changed = work.update(
        notice,
        rows,
        key=("id", "request_id"),
        where="t.state IN ('submitted', 'unknown')",
        returning="t.id",
    )
    return {str(row.id) for row in changed}


def put_attempts(work: Work, rows: Sequence[dict[str, Any]]) -> None:
    """One row for each call to a provider."""
    work.insert(attempt, rows)


def stuck(work: Work, before: datetime, size: int, wall: datetime) -> list[sa.Row[Any]]:
    """Notices submitted before `before` without an answer become unknown; at most `size`."""
    return list(work.execute(_STUCK, before=before, size=size, wall=wall, now=work.now))


def ask(work: Work, provider: str, size: int, wall: datetime, lease: datetime) -> list[sa.Row[Any]]:
    """Unknown notices whose provider is to be asked now; nobody else asks until `lease`."""
    return list(work.execute(_ASK, provider=provider, size=size, wall=wall, lease=lease))


def put_sink_messages(work: Work, rows: Sequence[dict[str, Any]]) -> None:
    """What the sink would have sent, once a request."""
    work.insert(
        sink_message,
        sorted(rows, key=lambda r: r["request_id"]),
        conflict="ON CONFLICT (request_id) DO NOTHING",
    )


def sink_has(work: Work, request_ids: Sequence[str]) -> set[str]:
    """Which requests the sink has stored."""
    found = work.execute(
        "SELECT request_id FROM sink_message WHERE request_id = ANY(CAST(:ids AS uuid[]))",
        ids=list(request_ids),
    )
    return {str(row.request_id) for row in found}


def find(work: Work, *, case: str = "", report_: str = "", street: str = "") -> list[dict[str, Any]]:
    """Notices of a case (and of the reports it told about) or of a report, oldest first, with attempts.

    `street` limits them to a street's. At most 500.
    """
    if case:
        # The notice of receipt is older than the case; it is found by the reports that the case has told of.
        where = (
            "(case_id = :id OR (report_id IN (SELECT report_id FROM notice WHERE case_id = :id "
            "AND report_id IS NOT NULL) AND case_id IS NULL))"
        )
    else:
        where = "report_id = :id"
    rows = work.execute(_FOUND.format(where=where), id=case or report_, street=street)
    found = {str(row.id): dict(row._mapping) | {"calls": []} for row in rows}
    for call in work.execute(_ATTEMPTS, ids=list(found)):
        found[str(call.notice_id)]["calls"].append(dict(call._mapping))
    return list(found.values())


def counts(work: Work) -> list[tuple[str, str, int]]:
    """How many notices there are by role and state."""
    found = work.execute("SELECT role, state, count(*) AS n FROM notice GROUP BY role, state ORDER BY 1, 2")
    return [(row.role, row.state, row.n) for row in found]
