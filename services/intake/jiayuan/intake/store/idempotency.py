"""Requests that may be sent again without harm: the SQL."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row

from jiayuan.chassis import bulk
from jiayuan.chassis.work import Work


def claim_key(work: Work, scope: str, key: str, digest: str) -> Row[Any] | None:
    """Takes an idempotency key for this transaction: None when it is new, else its row (digest, answer).

    A second request with the same key waits here until the first has been committed or rolled back.
    """
    new = work.execute(
        "INSERT INTO idempotency_key (scope, key, digest, created_at) VALUES (:scope, :key, :digest, :now) "
        "ON CONFLICT DO NOTHING RETURNING key",
        scope=scope,
        key=key,
        digest=digest,
        now=work.now,
    ).first()
    if new is not None:
        return None
    return work.execute(
        "SELECT digest, answer FROM idempotency_key WHERE scope = :scope AND key = :key", scope=scope, key=key
    ).one()


def keep_answer(work: Work, scope: str, key: str, answer: dict[str, Any]) -> None:
    """Keeps the first answer of an idempotency key."""
    work.execute(
        "UPDATE idempotency_key SET answer = CAST(:answer AS jsonb) WHERE scope = :scope AND key = :key",
        scope=scope,
        key=key,
        answer=bulk.dumps(answer),
    )


def forget_keys(work: Work, before: datetime, most: int = 5000) -> int:
    """Forgets old idempotency keys; how many."""
    return work.execute(
        "DELETE FROM idempotency_key WHERE ctid IN (SELECT ctid FROM idempotency_key "
        "WHERE created_at < :before LIMIT :most FOR UPDATE SKIP LOCKED)",
        before=before,
        most=most,
    ).rowcount
