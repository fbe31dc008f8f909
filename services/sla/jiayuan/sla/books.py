"""What a process keeps in memory: the policies and calendars of its database, one set a database.

A timer looks every two seconds whether there are new versions, never the main path: an event costs no query
for it. What slow replicas do by an older version meanwhile, the second turn of the recomputation finds.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from sqlalchemy import Engine

from jiayuan.chassis.work import Work

from . import calendar, policy, store
from .calendar import Calendar
from .policy import Book, Policy, Rules


class _Loaded(NamedTuple):
    signature: tuple[int, int]
    rules: Rules
    calendars: dict[str, Calendar]


_loaded: WeakKeyDictionary[Engine, _Loaded] = WeakKeyDictionary()


def of(work: Work) -> Rules:
    """The policies of the work's database, as this process knows them."""
    found = _loaded.get(work.engine)
    if found is None:
        refresh(work)
        found = _loaded[work.engine]
    return found.rules


def calendars(work: Work) -> dict[str, Calendar]:
    """The newest version of each calendar, by name."""
    of(work)
    return _loaded[work.engine].calendars


def refresh(work: Work) -> bool:
    """Takes up versions that have come; whether there were any. One small statement when there are none."""
    signature = store.signature(work)
    found = _loaded.get(work.engine)
    if found is not None and found.signature == signature:
        return False
    marks, newest = _calendars(work)
    _loaded[work.engine] = _Loaded(signature, _rules(work, marks, newest), newest)
    return found is not None


def _calendars(work: Work) -> tuple[dict[str, Calendar], dict[str, Calendar]]:
    newest = {name: calendar.bundled(name) for name in calendar.bundled_documents()}
    marks = {c.mark: c for c in newest.values()}
    for row in store.calendars(work):
        found = calendar.read(row.document, row.version, row.imported_at)
        marks[found.mark] = newest[found.name] = found
    return marks, newest


def _rules(work: Work, marks: Mapping[str, Calendar], newest: Mapping[str, Calendar]) -> Rules:
    rows = store.policies(work)
    if not rows and len(newest) == len(marks) == len(calendar.bundled_documents()):
        return policy.current()
    policies = [policy.read(policy.document(), newest)]
    policies += [policy.read(row.document, newest, row.imported_at) for row in rows]
    return Book(policies, marks)


def newest(rules: Rules, now: datetime | None = None) -> Policy:
    """The version that holds now."""
    return rules if isinstance(rules, Policy) else rules.at(now or datetime.now(UTC))


def versions(work: Work) -> list[dict[str, Any]]:
    """All versions of the policy with when they hold, the newest first; the bundled one is the last."""
    rules = of(work)
    now = newest(rules, work.now).version
    rows = [
        {
            "version": row.version,
            "effective_from": row.effective_from,
            "imported_at": row.imported_at,
            "imported_by": row.imported_by,
            "digest": row.digest,
            "holds": row.version == now,
        }
        for row in store.policies(work)
    ]
    bundled = policy.current().version
    rows.sort(key=lambda r: (max(r["effective_from"], r["imported_at"]), r["version"]), reverse=True)
    return [*rows, {"version": bundled, "holds": bundled == now}]
