"""Notices: recorded once each, and found again with what became of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final

from jiayuan.chassis import bulk
from jiayuan.chassis.transaction import Prepared
from jiayuan.chassis.work import Work

FACTS: Final = """
n.recipient_type, n.recipient, n.role, n.matter, n.step, n.template, n.template_version, n.rule, n.case_id,
n.report_id, n.parameters, n.at, n.event_id, n.traceparent, n.street
"""

# A notice that is there already stays as it is, and so does what became of it.
_PUT_NOTICES: Final = Prepared(
    """
WITH row AS (
    SELECT * FROM json_to_recordset(CAST($1 AS json)) AS r(
        id uuid, recipient_type text, recipient text, role text, matter text, step text, template text,
        template_version int, rule text, case_id text, report_id text, street text, parameters jsonb,
        at timestamptz, event_id text, traceparent text,
        state text, reason text, state_at timestamptz, priority smallint, due_at timestamptz, channel text)),
new AS (
    INSERT INTO notice (id, recipient_type, recipient, role, matter, step, template, template_version, rule, case_id,
                        report_id, street, parameters, at, event_id, traceparent)
    SELECT id, recipient_type, recipient, role, matter, step, template, template_version, rule, case_id,
           report_id, street, parameters, at, event_id, traceparent FROM row ORDER BY id
    ON CONFLICT (recipient_type, recipient, matter, step, template) DO NOTHING RETURNING id)
INSERT INTO sending (notice_id, state, reason, state_at, priority, due_at, channel)
SELECT id, state, reason, state_at, priority, due_at, channel FROM row JOIN new USING (id) ORDER BY id
""",
    "text",
)

_NUMBERS: Final = """
SELECT DISTINCT ON (case_id) case_id, parameters ->> 'number' AS number FROM notice
WHERE case_id = ANY(:cases) AND parameters ? 'number' ORDER BY case_id
"""

_ATTEMPTS: Final = """
SELECT notice_id, number, kind, provider, outcome, error, started_at, ended_at FROM attempt
WHERE notice_id = ANY(CAST(:ids AS uuid[])) ORDER BY notice_id, ended_at, id
"""

_FOUND: Final = f"""
SELECT CAST(n.id AS text) AS id, {FACTS}, s.state, s.reason, s.state_at, s.attempts, s.provider,
       s.provider_ref, s.channel, s.read_at, CAST(s.gathered_in AS text) AS gathered_in
FROM notice n JOIN sending s ON s.notice_id = n.id
WHERE {{where}} ORDER BY n.at DESC, n.id DESC LIMIT 500
"""

_RESENDS: Final = """
SELECT CAST(notice_id AS text) AS notice_id, at, by, reason, state FROM resend
WHERE notice_id = ANY(CAST(:ids AS uuid[])) ORDER BY id
"""


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


def numbers(work: Work, cases: Iterable[str]) -> dict[str, str]:
    """Case numbers, which clock.* events don't carry, as earlier notices on the same cases knew them."""
    return {row.case_id: row.number for row in work.execute(_NUMBERS, cases=list(cases))}


@dataclass(frozen=True, slots=True)
class Which:
    """Which notices; all that is given must hold. `since`: wall time of their making. `street` limits to a street's.

    `case`: those on a case, and on the reports that it told about before it was known.
    """

    case: str = ""
    report: str = ""
    event: str = ""
    person: str = ""
    state: str = ""
    provider: str = ""
    since: datetime | None = None
    street: str = ""
    id: str = ""


# The notice of receipt is older than the case; it is found by the reports that the case has told of.
_OF_CASE: Final = """
(n.case_id = :case OR (n.report_id IN (SELECT report_id FROM notice WHERE case_id = :case AND report_id IS NOT NULL)
 AND n.case_id IS NULL))
"""
_WHERE: Final = {
    "case": _OF_CASE,
    "report": "n.report_id = :report",
    "event": "n.event_id = :event",
    # Each type, so that the index on people is used.
    "person": "n.recipient_type IN ('citizen', 'person', 'unit', 'desk') AND n.recipient = :person",
    "state": "s.state = :state",
    "provider": "s.provider = :provider",
    "street": "n.street = :street",
    "id": "n.id = CAST(:id AS uuid)",
    "since": "n.id >= CAST(:since AS uuid)",
}


def first_id(at: datetime) -> str:
    """The smallest id (UUIDv7) of a notice that was made at a wall time or later: the key is an index by time."""
    digits = f"{int(at.timestamp() * 1000):012x}70008000000000000000"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def find(work: Work, which: Which) -> list[dict[str, Any]]:
    """Notices with their attempts and resends, oldest first; of more than 500 the newest.

    An event is looked for without an index: a person asks that.
    """
    given: dict[str, Any] = {f.name: getattr(which, f.name) for f in fields(which) if getattr(which, f.name)}
    if which.since is not None:
        given["since"] = first_id(which.since)
    rows = work.execute(_FOUND.format(where=" AND ".join(_WHERE[name] for name in given) or "true"), **given)
    found = {row.id: dict(row._mapping) | {"calls": [], "resends": []} for row in reversed(list(rows))}
    for call in work.execute(_ATTEMPTS, ids=list(found)):
        found[str(call.notice_id)]["calls"].append(dict(call._mapping))
    for one in work.execute(_RESENDS, ids=list(found)):
        found[one.notice_id]["resends"].append(dict(one._mapping))
    return list(found.values())


def counts(work: Work) -> list[tuple[str, str, int]]:
    """How many notices there are by role and state."""
    found = work.execute(
        "SELECT n.role, s.state, count(*) AS n FROM notice n JOIN sending s ON s.notice_id = n.id "
        "GROUP BY 1, 2 ORDER BY 1, 2"
    )
    return [(row.role, row.state, row.n) for row in found]
