"""Requests that may be sent again without harm: the SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from jiayuan.chassis import bulk
from jiayuan.chassis.work import Work

from .tables import idempotency_key


def claim_keys(work: Work, keys: Sequence[tuple[str, str, str]]) -> dict[tuple[str, str], Row[Any]]:
    """Takes idempotency keys (scope, key, digest) for this transaction; those that were taken before, with their digest
    and first answer. No key twice.

    A second request with the same key waits here until the first has been committed or rolled back.
    """
    rows = [{"scope": s, "key": k, "digest": d, "created_at": work.now.isoformat()} for s, k, d in keys]
    new = work.insert(idempotency_key, rows, conflict="ON CONFLICT DO NOTHING", returning="scope, key")
    taken = {(s, k) for s, k, _ in keys} - {(r.scope, r.key) for r in new}
    if not taken:
        return {}
    found = work.execute(
        "SELECT t.scope, t.key, t.digest, t.answer FROM json_to_recordset(CAST(:rows AS json)) "
        "AS r(scope text, key text) JOIN idempotency_key t ON t.scope = r.scope AND t.key = r.key",
        rows=bulk.dumps([{"scope": s, "key": k} for s, k in taken]),
    )
    return {(r.scope, r.key): r for r in found}


def keep_answers(work: Work, answers: Sequence[tuple[str, str, dict[str, Any]]]) -> None:
    """Keeps the first answers (scope, key, answer) of keys that this transaction has taken."""
    rows = [{"scope": s, "key": k, "answer": a} for s, k, a in answers]
    work.update(idempotency_key, rows, key=("scope", "key"))


def unclaim_keys(work: Work, keys: Sequence[tuple[str, str]]) -> None:
    """Gives keys (scope, key) back that this transaction has taken: what was refused uses none up."""
    if keys:
        work.execute(
            "DELETE FROM idempotency_key t USING json_to_recordset(CAST(:rows AS json)) "
            "AS r(scope text, key text) WHERE t.scope = r.scope AND t.key = r.key",
            rows=bulk.dumps([{"scope": s, "key": k} for s, k in keys]),
        )


def claim_key(work: Work, scope: str, key: str, digest: str) -> Row[Any] | None:
    """`claim_keys` for one: None when it is new, else its row (digest, answer)."""
    return claim_keys(work, [(scope, key, digest)]).get((scope, key))


def keep_answer(work: Work, scope: str, key: str, answer: dict[str, Any]) -> None:
    """`keep_answers` for one."""
    keep_answers(work, [(scope, key, answer)])


def forget_keys(work: Work, before: datetime, most: int = 5000) -> int:
    """Forgets old idempotency keys; how many."""
    return work.execute(
        "DELETE FROM idempotency_key WHERE ctid IN (SELECT ctid FROM idempotency_key "
        "WHERE created_at < :before LIMIT :most FOR UPDATE SKIP LOCKED)",
        before=before,
        most=most,
    ).rowcount
