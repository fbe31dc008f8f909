"""What people wish: on their row, which a claim reads anyway, and each change beside it."""

from __future__ import annotations

from typing import Any

from jiayuan.chassis.bulk import dumps
from jiayuan.chassis.work import Work

from .tables import preference_change


def of_code(work: Work, code: str) -> str | None:
    """The ref of the citizen whose report has that tracking code; None for an unknown code or an anonymous report."""
    return work.execute(
        "SELECT r.ref FROM report p JOIN notice n ON n.report_id = p.id AND n.recipient_type = 'citizen' "
        "JOIN recipient r ON r.type = 'citizen' AND r.ref = n.recipient WHERE p.tracking_code = :code LIMIT 1",
        code=code,
    ).scalar()


def wishes(work: Work, type_: str, ref: str, *, to_change: bool = False) -> dict[str, Any] | None:
    """`{"preferences", "street", "active", "erased"}` of a recipient, None when he isn't known.

    `to_change` locks the row, so that two changes of one person follow each other.
    """
    found = work.execute(
        "SELECT preferences, street, active, erased FROM recipient WHERE type = :type AND ref = :ref"
        + (" FOR UPDATE" if to_change else ""),
        type=type_,
        ref=ref,
    ).first()
    return None if found is None else dict(found._mapping)


def types_of(work: Work, ref: str) -> list[str]:
    """The types of recipients that have this ref."""
    found = work.execute("SELECT type FROM recipient WHERE ref = :ref ORDER BY type", ref=ref)
    return [row.type for row in found]


def put_wishes(work: Work, change: dict[str, Any]) -> None:
    """Write a person's wishes and the change. `change` has the columns of `preference_change`."""
    after = change["after"]
    work.execute(
        "UPDATE recipient SET preferences = CAST(:after AS jsonb) WHERE type = :type AND ref = :ref",
        after=None if after is None else dumps(after),
        type=change["recipient_type"],
        ref=change["recipient"],
    )
    work.insert(preference_change, [change])


def wishes_changes(work: Work, type_: str, ref: str) -> list[dict[str, Any]]:
    """Every change of a person's wishes, the newest first, at most 100."""
    rows = work.execute(
        "SELECT at, how, by, reason, before, after FROM preference_change "
        "WHERE recipient_type = :type AND recipient = :ref ORDER BY at DESC, id DESC LIMIT 100",
        type=type_,
        ref=ref,
    )
    return [dict(row._mapping) for row in rows]
