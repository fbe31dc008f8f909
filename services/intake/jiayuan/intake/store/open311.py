"""What Open311 lists, its keys and how often they are used: the SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Row

from jiayuan.chassis import bulk
from jiayuan.chassis.work import Work

from .tables import open311_key, open311_request

# -- keys ---------------------------------------------------------------------------------------------


def add_key(work: Work, row: dict[str, Any]) -> None:
    """A new key."""
    work.insert(open311_key, [row])


def key_of(work: Work, hash_: str) -> Row[Any] | None:
    """The key with that hash: id, name, jurisdictions, limits, revoked_at."""
    return work.execute(
        "SELECT id, name, jurisdictions, per_minute, per_day, revoked_at FROM open311_key WHERE hash = :hash",
        hash=hash_,
    ).first()


def keys(work: Work, day: datetime) -> list[Row[Any]]:
    """All keys, the oldest first, with how often each was used on the day that begins then."""
    return list(
        work.execute(
            "SELECT k.id, k.name, k.jurisdictions, k.per_minute, k.per_day, k.created_at, k.created_by, "
            "k.revoked_at, k.revoked_by, k.revoked_reason, coalesce(u.count, 0) AS used FROM open311_key k "
            "LEFT JOIN open311_use u ON u.key = k.id AND u.span = 'day' AND u.starts_at = :day "
            "ORDER BY k.created_at, k.id",
            day=day,
        )
    )


def revoke_key(work: Work, id_: str, by: str, reason: str) -> bool:
    """Revokes a key; False when there is none with that id that is in force."""
    return (
        work.execute(
            "UPDATE open311_key SET revoked_at = :now, revoked_by = :by, revoked_reason = :reason "
            "WHERE id = :id AND revoked_at IS NULL",
            id=id_,
            now=work.now,
            by=by,
            reason=reason,
        ).rowcount
        > 0
    )


def count_use(work: Work, key: str, minute: datetime, day: datetime) -> dict[str, int]:
    """Counts one use of a key; how often it was used in this minute and on this day, by span."""
    rows = work.execute(
        "INSERT INTO open311_use (key, span, starts_at, count) VALUES (:key, 'day', :day, 1), "
        "(:key, 'minute', :minute, 1) ON CONFLICT (key, span, starts_at) "
        "DO UPDATE SET count = open311_use.count + 1 RETURNING span, count AS n",
        key=key,
        minute=minute,
        day=day,
    )
    return {row.span: row.n for row in rows}


def forget_use(work: Work, before: datetime, most: int = 5000) -> int:
    """Forgets uses of minutes and days that are past; how many."""
    return work.execute(
        "DELETE FROM open311_use WHERE ctid IN (SELECT ctid FROM open311_use WHERE starts_at < :before LIMIT :most)",
        before=before,
        most=most,
    ).rowcount


# -- the same again -----------------------------------------------------------------------------------


def claim(work: Work, scope: str, key: str, since: datetime) -> dict[str, Any] | None:
    """Takes what makes a post the same as another: None when it is new, or the last was before `since`; else the
    first answer. A second post at the same time waits here until the first is committed or rolled back."""
    new = work.execute(
        "INSERT INTO idempotency_key AS k (scope, key, digest, created_at) VALUES (:scope, :key, '', :now) "
        "ON CONFLICT (scope, key) DO UPDATE SET created_at = :now, answer = NULL WHERE k.created_at < :since "
        "RETURNING key",
        scope=scope,
        key=key,
        now=work.now,
        since=since,
    ).first()
    if new is not None:
        return None
    answer = work.execute(
        "SELECT answer FROM idempotency_key WHERE scope = :scope AND key = :key", scope=scope, key=key
    ).scalar_one()
    return dict(answer)


# -- what is listed -----------------------------------------------------------------------------------


def add(work: Work, row: dict[str, Any]) -> None:
    """A request that has come in."""
    work.insert(open311_request, [row], conflict="ON CONFLICT (report) DO NOTHING")


_CHANGED: Final = (
    "INSERT INTO open311_request AS t (report, channel, category, street, requested_at, updated_at, closed) "
    "SELECT q.id, q.channel, q.category, q.street, q.received_at, greatest(r.updated_at, q.received_at), r.closed "
    "FROM json_to_recordset(CAST(:rows AS json)) AS r(report uuid, updated_at timestamptz, closed boolean) "
    "JOIN report q ON q.id = r.report ORDER BY q.id "
    "ON CONFLICT (report) DO UPDATE SET category = excluded.category, street = excluded.street, "
    "updated_at = excluded.updated_at, closed = excluded.closed WHERE t.updated_at <= excluded.updated_at"
)


def change(work: Work, rows: Sequence[dict[str, Any]]) -> None:
    """What cases say of reports: {report, updated_at, closed}, one row a report; what is older changes nothing."""
    if rows:
        work.execute(_CHANGED, rows=bulk.dumps(list(rows)))


class Mine(NamedTuple):
    """What a jurisdiction has: requests of these channels, in these streets (none: everywhere) or, as long as their
    street is unknown, posted to it."""

    channels: Sequence[str]
    streets: Sequence[str]
    jurisdiction: str


_COLUMNS: Final = (
    "q.id, q.state, q.kind, q.title, q.text, q.category, q.category_name, q.street, q.community, q.signs, "
    "q.received_at, q.withdrawn_at, q.facts, q.attachments, q.erased_at, q.lat, q.long, q.tracking_code, "
    "t.jurisdiction, t.key, t.closed, t.updated_at, t.channel"
)


def _mine(mine: Mine) -> tuple[list[str], dict[str, Any]]:
    wanted = ["t.channel = ANY(CAST(:channels AS text[]))"]
    given: dict[str, Any] = {"channels": list(mine.channels)}
    if mine.streets:
        wanted.append(
            "(t.street = ANY(CAST(:streets AS text[])) OR t.street IS NULL AND t.jurisdiction = :jurisdiction)"
        )
        given |= {"streets": list(mine.streets), "jurisdiction": mine.jurisdiction}
    return wanted, given


def by_id(work: Work, ids: Sequence[str], mine: Mine) -> list[Row[Any]]:
    """Those of the requests that a jurisdiction has, the newest first."""
    wanted, given = _mine(mine)
    return list(
        work.execute(
            f"SELECT {_COLUMNS} FROM open311_request t JOIN report q ON q.id = t.report "
            f"WHERE t.report = ANY(CAST(:ids AS uuid[])) AND {' AND '.join(wanted)} "
            "ORDER BY t.requested_at DESC, t.report DESC",
            ids=list(ids),
            **given,
        )
    )


def page(
    work: Work,
    mine: Mine,
    *,
    limit: int,
    offset: int = 0,
    services: Sequence[str] = (),
    start: datetime | None = None,
    end: datetime | None = None,
    updated_after: datetime | None = None,
    updated_before: datetime | None = None,
    closed: bool | None = None,
    after: str = "",
    by_update: bool = False,
) -> list[Row[Any]]:
    """A page of what a jurisdiction has, the newest first, or the last changed first.

    `after` is the id of the request that the page follows. The page is found in an index; reports are read for what
    is on it only.
    """
    column = "updated_at" if by_update else "requested_at"
    wanted, given = _mine(mine)
    given |= {"limit": limit, "offset": offset}
    for name, condition, value in (
        # One service alone is a range of an index in the order that is wanted.
        ("service", "t.category = :service", services[0] if len(services) == 1 else None),
        (
            "services",
            "t.category = ANY(CAST(:services AS text[]))",
            list(services) if len(services) > 1 else None,
        ),
        ("start", "t.requested_at >= :start", start),
        ("end", "t.requested_at <= :end", end),
        ("updated_after", "t.updated_at >= :updated_after", updated_after),
        ("updated_before", "t.updated_at <= :updated_before", updated_before),
        (
            "after",
            f"(t.{column}, t.report) < (SELECT a.{column}, a.report FROM open311_request a WHERE a.report = :after)",
            after or None,
        ),
    ):
        if value is not None:
            wanted.append(condition)
            given[name] = value
    if closed is not None:
        wanted.append("t.closed" if closed else "NOT t.closed")
    found = (
        f"SELECT t.* FROM open311_request t WHERE {' AND '.join(wanted)} "
        f"ORDER BY t.{column} DESC, t.report DESC LIMIT :limit OFFSET :offset"
    )
    return list(
        work.execute(
            f"SELECT {_COLUMNS} FROM ({found}) t JOIN report q ON q.id = t.report "
            f"ORDER BY t.{column} DESC, t.report DESC",
            **given,
        )
    )
