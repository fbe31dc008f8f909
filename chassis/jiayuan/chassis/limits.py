"""How often a person or an address may do something, and when they may try again.

Each process counts by itself, in memory: about 4 µs a call and no statement. Every two seconds it adds what it
counted to the table `limit_use` and reads back what all replicas counted together, in one statement (`share`). So R
replicas let through at most `most` + (R - 1) × what comes in within two seconds, not R × `most`. While the database is
away each process holds the limit on its own.

The window slides: what was counted in the last window counts for as much of it as the sliding window still covers.
Who is refused isn't counted, so that he gets in at the time that he was told. Time is the wall's: limits are about
machines and people, not about deadlines.

A service that has limits adds the table to its metadata (`tables.add_limits`) and `service.Limiting` to its bases. What
it counts is its own: a `Limit` by address, or a `Limited` that says more.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

from . import bulk, forwarded
from .config import Settings
from .errors import Problem
from .work import Work

MOST_KEPT: Final = 200_000
"""Counters a process keeps; with more it forgets those that have counted least."""


class Rule(NamedTuple):
    """At most `most` in any `seconds`; with 0 nobody is let in."""

    most: int
    seconds: int


Wanted = Sequence[tuple[str, Rule]]
"""Under which rules something counts: (what is counted, its rule), of which all must have room."""


@dataclass(slots=True)
class _Count:
    """What one subject did under one rule: in the window `window` (its number) and in the one before."""

    window: int
    now: int = 0
    before: int = 0
    unsent: int = 0


class Used(NamedTuple):
    """What a process has counted since it last said so; `until`: Unix seconds after which nobody asks for it."""

    subject: str
    seconds: int
    window: int
    n: int
    until: int


class Counts:
    """The counters of one process, at most `kept` of them. `secret` is behind the names of addresses."""

    def __init__(self, secret: bytes, clock: Callable[[], float] = time.time, kept: int = MOST_KEPT) -> None:
        self.secret, self.clock, self.kept = secret, clock, kept
        self._counts: dict[tuple[str, int], _Count] = {}
        self._unsent: set[tuple[str, int]] = set()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many counters there are."""
        return len(self._counts)

    def hidden(self, address: str) -> str:
        """An address is personal data: it is counted by a name that means nothing elsewhere."""
        return _name(self.secret, forwarded.household(address))

    def take(self, wanted: Wanted) -> None:
        """Counts one more; Problem 429 with the time at which it would be let in, and then nothing is counted."""
        at = self.clock()
        with self._lock:
            again = self._again(wanted, at)
            if again <= at:
                self._add(wanted, at)
                return
        raise too_many(again, at)

    def ask(self, wanted: Wanted) -> None:
        """Problem 429 where one more would be too many; counts nothing."""
        at = self.clock()
        with self._lock:
            again = self._again(wanted, at)
        if again > at:
            raise too_many(again, at)

    def add(self, wanted: Wanted) -> None:
        """Counts one more, whether there is room or not."""
        with self._lock:
            self._add(wanted, self.clock())

    def _add(self, wanted: Wanted, at: float) -> None:
        for subject, rule in wanted:
            key, window = (subject, rule.seconds), int(at // rule.seconds)
            count = self._counts.get(key)
            if count is None:
                if len(self._counts) >= self.kept:
                    self._forget(at)
                count = self._counts[key] = _Count(window)
            _roll(count, window)
            count.now += 1
            count.unsent += 1
            self._unsent.add(key)

    def _again(self, wanted: Wanted, at: float) -> float:
        """The first moment from `at` on at which all rules have room for one more."""
        return max((self._when(subject, rule, at) for subject, rule in wanted), default=at)

    def _when(self, subject: str, rule: Rule, at: float) -> float:
        seconds, most = rule.seconds, rule.most
        if most == 0:
            return math.inf
        count = self._counts.get((subject, seconds))
        if count is None:
            return at
        window = int(at // seconds)
        _roll(count, window)
        room = most - 1 - count.now
        if room >= count.before * (1 - (at / seconds - window)):
            return at
        if room >= 0:  # when enough of the last window has slid out
            return (window + 1 - room / count.before) * seconds
        return (window + 2 - (most - 1) / count.now) * seconds  # only in the next window

    def _forget(self, at: float) -> None:
        """Down to half of what may be kept, so that it is done once in a while only: first what no window covers."""
        for key, count in list(self._counts.items()):
            if count.window + 2 <= at // key[1]:
                del self._counts[key]
        over = len(self._counts) - self.kept // 2
        if over > 0:
            for key in sorted(self._counts, key=lambda k: self._counts[k].now + self._counts[k].before)[
                :over
            ]:
                del self._counts[key]

    # -- with the other replicas ---------------------------------------------------------------------

    def unsent(self) -> list[Used]:
        """What was counted since the last call, in the order of the keys; counts as told from now on."""
        out = []
        with self._lock:
            for key in sorted(self._unsent):
                subject, seconds = key
                count = self._counts.get(key)
                if count is not None and count.unsent:
                    until = (count.window + 2) * seconds
                    out.append(Used(subject, seconds, count.window, count.unsent, until))
                    count.unsent = 0
            self._unsent.clear()
        return out

    def told(self, totals: Sequence[tuple[str, int, int, int]]) -> None:
        """What all replicas counted together: (subject, seconds, window, n)."""
        with self._lock:
            for subject, seconds, window, n in totals:
                count = self._counts.get((subject, seconds))
                if count is None:
                    continue
                if count.window == window:
                    count.now = n + count.unsent
                elif count.window == window + 1:
                    count.before = n

    @contextmanager
    def telling(self, used: Sequence[Used]) -> Iterator[None]:
        """What `unsent` gave is being told; where that fails it is said again next time."""
        try:
            yield
        except BaseException:
            self._keep(used)
            raise

    def _keep(self, used: Sequence[Used]) -> None:
        with self._lock:
            for u in used:
                count = self._counts.get((u.subject, u.seconds))
                if count is not None and count.window == u.window:
                    count.unsent += u.n
                    self._unsent.add((u.subject, u.seconds))


def _roll(count: _Count, window: int) -> None:
    if window == count.window:
        return
    count.before = count.now if window == count.window + 1 else 0
    count.window, count.now, count.unsent = window, 0, 0


@lru_cache(maxsize=16384)
def _name(secret: bytes, household: str) -> str:
    return hmac.new(secret, household.encode(), hashlib.sha256).hexdigest()[:24]


def too_many(again: float, at: float) -> Problem:
    """The refusal: when to try again, in words, as a time, and as seconds for machines."""
    if again == math.inf:
        return Problem(403, "Not open", "this is not open to you here")
    seconds = max(1, math.ceil(again - at))
    when = datetime.fromtimestamp(math.ceil(at) + seconds, UTC).isoformat().replace("+00:00", "Z")
    return Problem(
        429,
        "Too many requests",
        f"nothing was taken; try again at {when}, in {seconds} s",
        headers={"Retry-After": str(seconds)},
        type="urn:jiayuan:problem:too-many-requests",
        retry_at=when,
        retry_after=seconds,
    )


# -- in the database ----------------------------------------------------------------------------------


def count_together(work: Work, used: Sequence[Used]) -> list[tuple[str, int, int, int]]:
    """Adds what this process counted, rows in the order of their keys: (subject, seconds, slot, n) of all replicas."""
    rows = [
        {"subject": u.subject, "seconds": u.seconds, "slot": u.window, "n": u.n, "until": u.until}
        for u in used
    ]
    found = work.execute(
        "INSERT INTO limit_use AS t (subject, seconds, slot, n, until) "
        "SELECT subject, seconds, slot, n, until FROM json_to_recordset(CAST(:rows AS json)) "
        "AS r(subject text, seconds int, slot bigint, n int, until bigint) "
        "ON CONFLICT (subject, seconds, slot) DO UPDATE SET n = t.n + EXCLUDED.n "
        "RETURNING subject, seconds, slot, n",
        rows=bulk.dumps(rows),
    )
    return [(r.subject, r.seconds, r.slot, r.n) for r in found]


def share(counts: Counts, runtime: Any) -> None:
    """Tells the other replicas what was used of the limits here, and hears what was used there."""
    if used := counts.unsent():
        with counts.telling(used), runtime.work() as work:
            totals = count_together(work, used)
        counts.told(totals)


def forget(work: Work, before: float, most: int = 20000) -> int:
    """Deletes what no window covers any more (`before`: Unix seconds); how many."""
    return work.execute(
        "DELETE FROM limit_use WHERE ctid = ANY(ARRAY(SELECT ctid FROM limit_use WHERE until < :before "
        "LIMIT :most FOR UPDATE SKIP LOCKED))",
        before=int(before),
        most=most,
    ).rowcount


# -- the process's ------------------------------------------------------------------------------------

_current = Counts(secrets.token_bytes(32))


def use(counts: Counts) -> Counts:
    """Makes these the counters of the process."""
    global _current
    _current = counts
    return counts


def current() -> Counts:
    """The counters of the process."""
    return _current


def secret_of(settings: Settings) -> bytes:
    """What is behind the names of addresses: of all that a service keeps secret and every replica of it has, so that
    who reads the table or a copy of it alone knows nothing."""
    parts = (settings.seal_keys, settings.token_secret, settings.database_url)
    return hashlib.sha256("\0".join(("jiayuan limits", *parts)).encode()).digest()


class Limited:
    """`@http(…, before=…)`: an entrypoint that counts its callers. A subclass says what is counted."""

    def wanted(self, call: Any) -> Wanted:
        """Under which rules a call counts; none: it isn't counted."""
        raise NotImplementedError

    def __call__(self, call: Any) -> None:
        """Counts one call; Problem 429 when it is one too many."""
        _current.take(self.wanted(call))


class Limit(Limited):
    """At most `most` in any `seconds` (whole) by an address. Those of one name are counted together."""

    def __init__(self, name: str, *, most: int, seconds: int) -> None:
        self.name, self.rule = name, Rule(most, seconds)

    def wanted(self, call: Any) -> Wanted:
        """The caller's address under the one rule."""
        return [(f"{self.name}:address:{_current.hidden(call.address)}", self.rule)]

    def ask(self, call: Any) -> None:
        """Problem 429 where one more would be too many; counts nothing."""
        _current.ask(self.wanted(call))

    def count(self, call: Any) -> None:
        """Counts what the call turned out to be."""
        _current.add(self.wanted(call))
