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

from jiayuan.chassis import bulk, tables
from jiayuan.chassis.transaction import Prepared
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
    sa.Column(
        "erased",
        sa.Boolean,
        nullable=False,
        server_default=sa.text("false"),
        comment="the citizen had the contact erased: none is kept any more",
    ),
    info={"sealed": {"contact": "ref"}},
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
    sa.Column("at", _TIME, nullable=False),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("traceparent", sa.Text, nullable=False),
    info={"grants": "SELECT, INSERT"},
)

# What changes of a notice, apart from what doesn't: its few changes then cost no wide row and no wide index.
sending = sa.Table(
    "sending",
    metadata,
    sa.Column("notice_id", UUID(as_uuid=False), primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("state_at", _TIME, nullable=False),
    sa.Column("priority", sa.SmallInteger, nullable=False),
    sa.Column("due_at", _TIME, nullable=False),
    sa.Column("waits", sa.Integer, nullable=False, server_default="0"),
    sa.Column("awaits_recipient", sa.Text),
    sa.Column("awaits_report", sa.Text),
    sa.Column("version", sa.Integer, nullable=False, server_default="0"),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("provider", sa.Text),
    sa.Column("request_id", UUID(as_uuid=False)),
    sa.Column("provider_ref", sa.Text),
    sa.Column("submitted_at", _TIME),
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
    contact = CASE WHEN recipient.erased THEN NULL
                   WHEN excluded.type <> 'citizen' THEN excluded.contact
                   WHEN excluded.version > recipient.version THEN coalesce(excluded.contact, recipient.contact)
                   ELSE coalesce(recipient.contact, excluded.contact) END
WHERE excluded.version > recipient.version
   OR (excluded.type = 'citizen' AND recipient.contact IS NULL AND excluded.contact IS NOT NULL
       AND NOT recipient.erased)
"""

_FACTS: Final = """
n.recipient_type, n.recipient, n.role, n.matter, n.step, n.template, n.template_version, n.rule, n.case_id,
n.report_id, n.parameters, n.at, n.event_id, n.traceparent, n.street
"""

# Almost everything that is claimed is sent, so it is submitted in the same statement; what isn't is changed once more
# before the commit. `old` is what it was.
_CLAIM: Final = Prepared(
    f"""
WITH old AS (
    SELECT notice_id, state, reason, state_at, priority, due_at, waits, version, attempts, provider, request_id
    FROM sending
    WHERE state IN ('queued', 'deferred') AND due_at <= $1
    ORDER BY priority, due_at LIMIT $2
    FOR UPDATE SKIP LOCKED),
taken AS (
    UPDATE sending s SET
        state = 'submitted', reason = NULL, state_at = $3, due_at = $1, submitted_at = $1, provider = $4,
        awaits_recipient = NULL, awaits_report = NULL, version = s.version + 1, attempts = s.attempts + 1,
        -- The same key as before at the same provider, or it couldn't tell that it is the same message.
        request_id = CASE WHEN old.provider = $4 AND old.request_id IS NOT NULL THEN old.request_id
                          ELSE gen_random_uuid() END
    FROM old WHERE s.notice_id = old.notice_id
    RETURNING s.notice_id, old.state, old.state_at, old.priority, old.due_at, old.waits, old.version, old.attempts,
              old.provider AS old_provider, old.request_id AS old_request, s.request_id)
SELECT CAST(t.notice_id AS text) AS id, t.state, t.state_at, t.due_at, t.waits, t.version, t.attempts,
       t.old_provider AS provider, CAST(t.old_request AS text) AS old_request,
       CAST(t.request_id AS text) AS request_id, {_FACTS},
       r.ref IS NOT NULL AS known, r.contact, r.active, p.tracking_code
FROM taken t
JOIN notice n ON n.id = t.notice_id
LEFT JOIN recipient r ON r.type = n.recipient_type AND r.ref = n.recipient
LEFT JOIN report p ON p.id = n.report_id
ORDER BY t.priority, t.due_at
""",
    "timestamptz",
    "int",
    "timestamptz",
    "text",
)

_NUMBERS: Final = """
SELECT DISTINCT ON (case_id) case_id, parameters ->> 'number' AS number FROM notice
WHERE case_id = ANY(:cases) AND parameters ? 'number' ORDER BY case_id
"""

_WAKE: Final = Prepared(
    """
UPDATE sending SET due_at = $1 WHERE notice_id IN (
    SELECT notice_id FROM sending
    WHERE awaits_recipient = ANY($2) OR awaits_report = ANY($3)
    ORDER BY notice_id FOR UPDATE SKIP LOCKED)
""",
    "timestamptz",
    "text[]",
    "text[]",
)

# A notice that is there already stays as it is, and so does what became of it.
_PUT_NOTICES: Final = Prepared(
    """
WITH row AS (
    SELECT * FROM json_to_recordset(CAST($1 AS json)) AS r(
        id uuid, recipient_type text, recipient text, role text, matter text, step text, template text,
        template_version int, rule text, case_id text, report_id text, street text, parameters jsonb,
        at timestamptz, event_id text, traceparent text,
        state text, reason text, state_at timestamptz, priority smallint, due_at timestamptz)),
new AS (
    INSERT INTO notice (id, recipient_type, recipient, role, matter, step, template, template_version, rule, case_id,
                        report_id, street, parameters, at, event_id, traceparent)
    SELECT id, recipient_type, recipient, role, matter, step, template, template_version, rule, case_id,
           report_id, street, parameters, at, event_id, traceparent FROM row ORDER BY id
    ON CONFLICT (recipient_type, recipient, matter, step, template) DO NOTHING RETURNING id)
INSERT INTO sending (notice_id, state, reason, state_at, priority, due_at)
SELECT id, state, reason, state_at, priority, due_at FROM row JOIN new USING (id) ORDER BY id
""",
    "text",
)

_STUCK: Final = """
UPDATE sending SET state = 'unknown', reason = 'no answer was recorded', state_at = :now, due_at = :wall,
                   version = version + 1
WHERE notice_id IN (
    SELECT notice_id FROM sending WHERE state = 'submitted' AND submitted_at < :before
    ORDER BY submitted_at LIMIT :size FOR UPDATE SKIP LOCKED)
RETURNING CAST(notice_id AS text) AS id, version, attempts, provider, CAST(request_id AS text) AS request_id,
          submitted_at
"""

_ASK: Final = f"""
WITH asked AS (
    UPDATE sending SET due_at = :lease WHERE notice_id IN (
        SELECT notice_id FROM sending WHERE state = 'unknown' AND due_at <= :wall AND provider = :provider
        ORDER BY due_at LIMIT :size FOR UPDATE SKIP LOCKED)
    RETURNING notice_id, version, attempts, provider, request_id)
SELECT CAST(a.notice_id AS text) AS id, a.version, a.attempts, a.provider,
       CAST(a.request_id AS text) AS request_id, {_FACTS}
FROM asked a JOIN notice n ON n.id = a.notice_id
"""

_ATTEMPTS: Final = """
SELECT notice_id, number, kind, provider, outcome, error, started_at, ended_at FROM attempt
WHERE notice_id = ANY(CAST(:ids AS uuid[])) ORDER BY notice_id, ended_at, id
"""

_FOUND: Final = f"""
SELECT CAST(n.id AS text) AS id, {_FACTS}, s.state, s.reason, s.state_at, s.attempts, s.provider,
       s.provider_ref
FROM notice n JOIN sending s ON s.notice_id = n.id
WHERE {{where}} AND (:street = '' OR n.street = :street) ORDER BY n.at, n.id LIMIT 500
"""


def put_recipients(work: Work, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep of every recipient the highest version; a citizen's report without a contact erases none."""
    work.insert(
        recipient,
        [dict(row) for row in rows],
        conflict=_KEEP_NEWEST,
    )


def erase_citizens(work: Work, refs: Sequence[str]) -> None:
    """Drop the citizens' contacts for good; one who isn't known yet is kept as erased, with nothing about him."""
    work.execute(
        "INSERT INTO recipient (type, ref, role, street, grid, active, version, erased) "
        "SELECT 'citizen', ref, 'citizen', '', '', true, 0, true FROM unnest(CAST(:refs AS text[])) AS ref "
        "ORDER BY ref ON CONFLICT (type, ref) DO UPDATE SET contact = NULL, erased = true",
        refs=list(refs),
    )


def put_reports(work: Work, rows: Sequence[dict[str, Any]]) -> None:
    """Remember the tracking codes, which case.* events don't carry."""
    work.insert(report, rows, conflict="ON CONFLICT (id) DO NOTHING")


def put_notices(work: Work, rows: Sequence[dict[str, Any]]) -> None:
    """Record notices and their first states; one that is there already (same person, matter, step, template) stays.

    Rows go in by their ids, so ids are dealt out in the order of what makes them unique: two replicas with
    the same events then wait for each other in one order and never deadlock.
    """
    if not rows:
        return
    ordered = sorted(rows, key=lambda r: (r["recipient"], r["matter"], r["step"], r["template"]))
    for row, id_ in zip(ordered, sorted(row["id"] for row in rows), strict=True):
        row["id"] = id_
    work.later(_PUT_NOTICES, bulk.dumps(ordered))


def wake(work: Work, recipients: Iterable[str], reports: Iterable[str], wall: datetime) -> None:
    """Notices that wait for these recipients or reports are due now."""
    work.later(_WAKE, wall, list(recipients), list(reports))


def claim(work: Work, size: int, wall: datetime, provider: str) -> list[sa.Row[Any]]:
    """Submit up to `size` due notices to a provider, the most urgent first: each as it was before, with its request id
    and what is known of its recipient."""
    return work.run(_CLAIM, wall, size, work.now, provider)


def numbers(work: Work, cases: Iterable[str]) -> dict[str, str]:
    """Case numbers, which clock.* events don't carry, as earlier notices on the same cases knew them."""
    return {row.case_id: row.number for row in work.execute(_NUMBERS, cases=list(cases))}


def change(work: Work, rows: Sequence[dict[str, Any]]) -> None:
    """Write new states of notices whose rows this transaction has locked."""
    work.update(sending, rows, key=("notice_id",))


def record(work: Work, rows: Sequence[dict[str, Any]]) -> set[str]:
    """Write what became of submitted notices; ids of those that still stood where the call left them."""
    changed = work.update(
        sending,
        rows,
        key=("notice_id", "request_id"),
        where="t.state IN ('submitted', 'unknown')",
        returning="CAST(t.notice_id AS text) AS id",
    )
    return {row.id for row in changed}


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
        "SELECT CAST(request_id AS text) AS id FROM sink_message WHERE request_id = ANY(CAST(:ids AS uuid[]))",
        ids=list(request_ids),
    )
    return {row.id for row in found}


def find(work: Work, *, case: str = "", report_: str = "", street: str = "") -> list[dict[str, Any]]:
    """Notices of a case (and of the reports it told about) or of a report, oldest first, with attempts.

    `street` limits them to a street's. At most 500.
    """
    if case:
        # The notice of receipt is older than the case; it is found by the reports that the case has told of.
        where = (
            "(n.case_id = :id OR (n.report_id IN (SELECT report_id FROM notice WHERE case_id = :id "
            "AND report_id IS NOT NULL) AND n.case_id IS NULL))"
        )
    else:
        where = "n.report_id = :id"
    rows = work.execute(_FOUND.format(where=where), id=case or report_, street=street)
    found = {row.id: dict(row._mapping) | {"calls": []} for row in rows}
    for call in work.execute(_ATTEMPTS, ids=list(found)):
        found[str(call.notice_id)]["calls"].append(dict(call._mapping))
    return list(found.values())


def counts(work: Work) -> list[tuple[str, str, int]]:
    """How many notices there are by role and state."""
    found = work.execute(
        "SELECT n.role, s.state, count(*) AS n FROM notice n JOIN sending s ON s.notice_id = n.id "
        "GROUP BY 1, 2 ORDER BY 1, 2"
    )
    return [(row.role, row.state, row.n) for row in found]
