"""Keys of Open311 clients: made, recognised, counted."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.work import Work

from ...store import open311 as listed
from .answers import Refused

PER_MINUTE: Final = 120
PER_DAY: Final = 20_000
_KEPT: Final = timedelta(days=40)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key that is in force."""

    id: str
    name: str
    jurisdictions: frozenset[str]

    def may(self, jurisdiction: str) -> bool:
        """Whether it may report to a jurisdiction; a key that names none may report to all."""
        return not self.jurisdictions or jurisdiction in self.jurisdictions


def new_key() -> tuple[str, str, str]:
    """A new key: its id, the key itself, which is shown once, and the hash, which is all that is kept.

    The key has 256 random bits, so that a plain hash of it tells nobody anything.
    """
    id_ = secrets.token_hex(4)
    key = f"jy311-{id_}-{secrets.token_urlsafe(32)}"
    return id_, key, hash_of(key)


def hash_of(key: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def use(work: Work, given: str, jurisdiction: str) -> ApiKey:
    """Recognises a key and counts its use. Refused 403 when it is missing, unknown, revoked or for elsewhere; Problem
    429, with the seconds to wait, when it is used more often than it may be."""
    if not given:
        raise Refused([(403, "api_key was not provided")])
    row = listed.key_of(work, hash_of(given))
    if row is None:
        raise Refused([(403, "api_key is unknown")])
    if row.revoked_at is not None:
        raise Refused([(403, "api_key was revoked")])
    key = ApiKey(row.id, row.name, frozenset(row.jurisdictions))
    if not key.may(jurisdiction):
        raise Refused([(403, f"api_key may not be used for jurisdiction_id {jurisdiction}")])
    _count(work, row)
    return key


def _count(work: Work, row: Any) -> None:
    minute = work.now.replace(second=0, microsecond=0)
    day = minute.replace(hour=0, minute=0)
    used = listed.count_use(work, row.id, minute, day)
    for span, most, again in (
        ("day", row.per_day, day + timedelta(days=1)),
        ("minute", row.per_minute, minute + timedelta(minutes=1)),
    ):
        if used[span] > most:
            seconds = max(1, int((again - work.now).total_seconds()) + 1)
            raise Problem(
                429,
                "Too many requests",
                f"this api_key may be used {most} times a {span}; try again in {seconds} s",
                headers={"Retry-After": str(seconds)},
            )


def forget(work: Work) -> int:
    """Forgets how often keys were used long ago."""
    return listed.forget_use(work, work.now - _KEPT)


def today(now: datetime) -> datetime:
    """The beginning of the day that uses are counted by."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0)
