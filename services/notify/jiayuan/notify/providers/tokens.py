"""WeChat's access token: one for all replicas, in a row that whoever renews it holds locked.

`stable_token` hands out the same token as long as it is good, and a new one early when forced, at most 20 times a day:
https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/mp-access-token/getStableAccessToken.html
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

from jiayuan.chassis.errors import is_transient
from jiayuan.chassis.seal import Sealer, SealError
from jiayuan.chassis.work import Work
from jiayuan.notify.states import Outcome
from jiayuan.notify.store import wechat as rows

_EARLY: Final = timedelta(minutes=5)
"""So long before its end a token is replaced, as WeChat does; the old one stays good meanwhile."""
_FORCED_APART: Final = timedelta(minutes=75)
"""20 forced renewals a day are allowed."""
_APART: Final = timedelta(seconds=30)
"""A token that is refused so soon after it was had isn't renewed again: it would be refused again."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token, when it is to be replaced, when it was had, and when one was forced for the last time."""

    value: str = field(repr=False)
    until: datetime
    had_at: datetime
    forced_at: datetime | None = None


class Row(Protocol):
    """The token's row, locked."""

    token: Token | None

    def put(self, token: Token) -> None:
        """Keep another token."""
        ...


class Shelf(Protocol):
    """Where the replicas' token is."""

    def locked(self) -> AbstractContextManager[Row]:
        """The row; nobody else has it until the block ends."""
        ...


Fetch = Callable[[bool], "tuple[str, float] | Outcome"]
"""stable_token with or without force: token and seconds, or what went wrong."""


class Tokens:
    """The token that calls use. Each process keeps it in memory and goes to the row when it has none that is good."""

    def __init__(self, shelf: Shelf, fetch: Fetch, clock: Callable[[], datetime]) -> None:
        self._shelf, self._fetch, self._clock = shelf, fetch, clock
        self._lock = threading.Lock()
        self._mine: Token | None = None

    def get(self) -> str | Outcome:
        """A token; what went wrong when there is none to be had."""
        mine = self._mine
        if mine is not None and self._clock() < mine.until:
            return mine.value
        return self._renewed(None)

    def renew(self, stale: str) -> str | Outcome:
        """Another token than one that WeChat has just refused: a replica's, else WeChat's, else a forced one.

        WeChat is asked at most twice, only by the first who finds the token stale, and not again within 30 seconds.
        """
        return self._renewed(stale)

    def _renewed(self, stale: str | None) -> str | Outcome:
        try:
            return self._shared(stale)
        except Exception as error:
            if not is_transient(error):
                raise
            return Outcome("throttled", error="no token: the database is away", code="no_token")

    def _shared(self, stale: str | None) -> str | Outcome:
        # One connection of the pool a process waits for the row, however many calls need it.
        with self._lock:
            mine = self._mine
            if mine is not None and mine.value != stale and self._clock() < mine.until:
                return mine.value
            with self._shelf.locked() as row:
                there = row.token
                if there is None or there.value == stale or self._clock() >= there.until:
                    made = self._fetched(there, stale)
                    if isinstance(made, Outcome):
                        return made
                    row.put(made)
                    there = made
            self._mine = there
            return there.value

    def _fetched(self, old: Token | None, stale: str | None) -> Token | Outcome:
        now = self._clock()
        forced_at = old.forced_at if old else None
        if old is not None and old.value == stale and now - old.had_at < _APART:
            return Outcome(
                "throttled",
                error="a fresh token is refused",
                after=_APART.total_seconds(),
                code="fresh_token",
            )
        got = self._fetch(False)
        if not isinstance(got, Outcome) and got[0] == stale and self._may_force(forced_at):
            forced_at = now
            got = self._fetch(True)
        if isinstance(got, Outcome):
            return got
        value, seconds = got
        until = now + max(timedelta(seconds=seconds) - _EARLY, timedelta(0))
        return Token(value, until, now, forced_at)

    def _may_force(self, last: datetime | None) -> bool:
        return last is None or self._clock() - last >= _FORCED_APART


class DatabaseShelf:
    """The token in the service's database, sealed."""

    def __init__(
        self, appid: str, sealer: Sealer, transaction: Callable[[], AbstractContextManager[Work]]
    ) -> None:
        self._appid, self._sealer, self._transaction = appid, sealer, transaction

    @contextmanager
    def locked(self) -> Iterator[Row]:
        """The row of the app; it is made if it isn't there."""
        with self._transaction() as work:
            yield _DatabaseRow(work, self._appid, self._sealer)


class _DatabaseRow:
    def __init__(self, work: Work, appid: str, sealer: Sealer) -> None:
        self._work, self._appid, self._sealer = work, appid, sealer
        row = rows.lock_token(work, appid)
        self.token: Token | None = None
        if row.token is not None:
            try:
                opened = sealer.open(row.token, appid)
            except SealError:
                return  # sealed with a key that is gone: another token is cheap
            self.token = Token(str(opened["token"]), row.until, row.had_at, row.forced_at)

    def put(self, token: Token) -> None:
        """Keep another token."""
        self.token = token
        rows.put_token(
            self._work,
            self._appid,
            self._sealer.seal({"token": token.value}, self._appid),
            token.until,
            token.had_at,
            token.forced_at,
        )
