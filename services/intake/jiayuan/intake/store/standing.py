"""How far somebody's reports proved true: the SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row

from jiayuan.chassis import bulk
from jiayuan.chassis.transaction import Prepared
from jiayuan.chassis.work import Work

from ..standing import Counts


def standing_of(work: Work, subject: str) -> Counts:
    """Somebody's counts; zeros for whoever has sent nothing."""
    row = work.execute(
        "SELECT submitted, confirmed, refused, withdrawn, duplicate FROM standing WHERE subject = :subject",
        subject=subject,
    ).first()
    return Counts(*row) if row is not None else Counts()


def count_standing(work: Work, subject: str, *, submitted: int, duplicate: int) -> None:
    """Counts reports that somebody sent."""
    work.execute(
        "INSERT INTO standing (subject, submitted, duplicate, updated_at) VALUES (:subject, :s, :d, :now) "
        "ON CONFLICT (subject) DO UPDATE SET submitted = standing.submitted + excluded.submitted, "
        "duplicate = standing.duplicate + excluded.duplicate, updated_at = excluded.updated_at",
        subject=subject,
        s=submitted,
        d=duplicate,
        now=work.now,
    )


# A closed case confirms its reports, a voided one refuses them, one that is open again judges nothing. Each report is
# judged once: what it was judged before is taken back in the same statement, so that neither the order of the events
# nor their number matters. Of reports that nobody sent as part of a duty nothing is counted.
_JUDGE: Final = Prepared(
    "WITH judged AS (SELECT DISTINCT ON (r.id) r.id, CASE WHEN p.state = 'voided' THEN 'refused' "
    "WHEN p.state = 'closed' AND p.confirmed = 'withdrawn' THEN 'withdrawn' "
    "WHEN p.state = 'closed' THEN 'confirmed' END AS outcome "
    "FROM progress p CROSS JOIN unnest(p.reports) AS r(id) WHERE p.ended AND p.state <> 'merged' "
    "AND p.id IN (SELECT CAST(value AS uuid) FROM json_array_elements_text(CAST($1 AS json))) "
    "ORDER BY r.id, p.opened_at DESC), "
    "found AS (SELECT t.id, t.submitter, t.outcome AS was, j.outcome AS now FROM judged j JOIN report t ON t.id = j.id "
    "WHERE t.submitter IS NOT NULL AND t.outcome IS DISTINCT FROM j.outcome ORDER BY t.id FOR UPDATE OF t), "
    "marked AS (UPDATE report t SET outcome = found.now FROM found WHERE t.id = found.id), "
    "sums AS (SELECT submitter, "
    + ", ".join(
        f"count(*) FILTER (WHERE now = '{o}') - count(*) FILTER (WHERE was = '{o}') AS {o}"
        for o in ("confirmed", "refused", "withdrawn")
    )
    + " FROM found GROUP BY submitter), "
    "held AS (SELECT subject FROM standing WHERE subject IN (SELECT submitter FROM sums) ORDER BY subject FOR UPDATE) "
    "UPDATE standing s SET confirmed = s.confirmed + sums.confirmed, refused = s.refused + sums.refused, "
    "withdrawn = s.withdrawn + sums.withdrawn, updated_at = CAST($2 AS timestamptz) FROM sums, held "
    "WHERE s.subject = sums.submitter AND s.subject = held.subject",
    "text",
    "text",
)


def judge(work: Work, cases: Sequence[str]) -> None:
    """What cases that were just kept say of those who sent their reports. One statement that travels with the next."""
    work.later(_JUDGE, bulk.dumps(list(cases)), work.now.isoformat())


def texts_of(work: Work, subject: str, since: datetime, most: int = 1000) -> dict[str, str]:
    """What somebody sent since then, by its text: the first report that says so."""
    rows = work.execute(
        "SELECT text, id FROM report WHERE submitter = :subject AND received_at > :since "
        "ORDER BY received_at DESC LIMIT :most",
        subject=subject,
        since=since,
        most=most,
    )
    return {r.text: str(r.id) for r in rows}


def submitted_by(work: Work, subject: str, most: int) -> list[Row[Any]]:
    """What somebody sent, newest first."""
    return list(
        work.execute(
            "SELECT id, external_id, title, state, received_at, device_at FROM report "
            "WHERE submitter = :subject ORDER BY received_at DESC LIMIT :most",
            subject=subject,
            most=most,
        )
    )
