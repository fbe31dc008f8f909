"""Who is next: among the workers of a place who are on duty, the one who was given a case least recently. Pure.

Every process keeps its own order in memory and never waits for another's: a turn is a dictionary write, and the
database gets one bulk statement a batch, for the order that a process begins with.

What is promised, and why (`fairness` tries it, docs/routing/rotation.md says it to people): take two workers A and B
of one pool, and any stretch of time in which both could have been given every case of it. A process gives B a turn
only while it hasn't given B one since A's last; so in one process their turns alternate, and differ by at most 1.
R processes go round independently, so that they differ by at most R, and by one more for each process that is
started anew within the stretch. Nothing else moves the bound: not how many cases there are, not who of the others
comes and goes. That is why a process never takes over the turns that another gave while it runs: it would have to
guess which of its own rounds they belong to, and two guesses can favour the same person for ever.

Who can't be given a case now is passed over and keeps the place in the order: whoever is off duty (a stand-in from
outside the pool takes the turn instead), hasn't the skill that is needed, has turned this case down, or has more
than `above` cases on the hands than the least loaded on duty. Coming back, one is next, once, and not flooded.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Final, NamedTuple, Protocol

ABOVE: Final = 5
_MINUTE: Final = 60_000_000


class Staff(Protocol):
    """What the rotation asks of the directory."""

    def workers(self, place: str) -> Sequence[str]:
        """The ids of the active workers in and under a grid, community or street."""
        ...

    def on_duty(self, person_id: str, at: datetime) -> bool:
        """Whether somebody can be handed a case at a time."""
        ...

    def stand_in(self, person_id: str, at: datetime) -> str | None:
        """Who acts for somebody who is away."""
        ...

    def skills(self, person_id: str) -> Collection[str]:
        """What somebody is trained for."""
        ...

    def languages(self, person_id: str) -> Collection[str]:
        """Which languages somebody speaks."""
        ...


class Need(NamedTuple):
    """What a case asks of whoever gets it: every skill, and every language."""

    skills: frozenset[str] = frozenset()
    languages: frozenset[str] = frozenset()


ANYBODY: Final = Need()


class Standing(NamedTuple):
    """How somebody stands in a place's order: microseconds of the last turn (0: never), open cases, and why the next
    case would go past them: `off duty`, `busy`, `lacks` what is needed, or nothing."""

    person: str
    last: int
    load: int
    passed: str


class _Pool:
    """The order of one place, for one need."""

    __slots__ = ("busy", "floor", "guests", "heap", "members", "minute", "off", "since")

    def __init__(self, members: Sequence[str]) -> None:
        self.members = frozenset(members)
        self.heap: list[tuple[int, int, str]] = []
        # Out of the heap until the minute is over, or loads are known anew.
        self.off: list[str] = []
        self.busy: list[str] = []
        # Stand-ins from outside, and for whom: only as long as the minute.
        self.guests: dict[str, str] = {}
        self.minute = -1
        # The least load on duty when last counted, and how many turns ago. It can only have risen since.
        self.floor = 0
        self.since = 0


class Rotation:
    """The order of turns. Times are microseconds since 1970 by the business clock; 0 means never."""

    def __init__(
        self, staff: Staff, last_given: Mapping[str, int], salt: str = "", above: int = ABOVE
    ) -> None:
        self.staff = staff
        self._last: dict[str, int] = dict(last_given)
        self._load: dict[str, int] = {}
        self._salt = salt.encode()
        self._above = above
        self._pools: dict[str | tuple[str, Need], _Pool] = {}
        self._latest = max(self._last.values(), default=0)

    def next(
        self, place: str, at: datetime, need: Need = ANYBODY, without: Collection[str] = ()
    ) -> str | None:
        """The next worker of a grid, community or street, who has then had a turn; None when there is none.

        `without`: who has turned the case down, and isn't asked again.
        """
        key = place if need is ANYBODY else (place, need)
        pool = self._pools.get(key)
        if pool is None:
            pool = self._pools[key] = _Pool(self._able(self.staff.workers(place), need))
            pool.off = list(pool.members)
        micros = int(at.timestamp() * 1_000_000)
        minute = micros // _MINUTE
        if pool.minute != minute:
            self._renew(pool, minute)
        person = self._choose(pool, at, need, without)
        if person is None:
            return None
        # Strictly later than any turn before, also within a batch.
        self._latest = turn = max(micros, self._latest + 1)
        self._last[person] = turn
        self._load[person] = self._load.get(person, 0) + 1
        pool.since += 1
        return person

    def _choose(self, pool: _Pool, at: datetime, need: Need, without: Collection[str]) -> str | None:
        heap, lasts, loads, staff = pool.heap, self._last, self._load, self.staff
        aside: list[tuple[int, int, str]] = []
        chosen = None
        while heap:
            given, tie, person = heap[0]
            last = lasts.get(person, 0)
            if last != given:
                heapq.heapreplace(heap, (last, tie, person))  # had a turn meanwhile
                continue
            if person in without:
                aside.append(heapq.heappop(heap))
            elif not staff.on_duty(person, at):
                heapq.heappop(heap)
                self._away(pool, person, at, need)
            elif (load := loads.get(person, 0)) > self._above and self._too_busy(pool, load, at):
                heapq.heappop(heap)
                pool.busy.append(person)
            else:
                chosen = person
                break
        for entry in aside:
            heapq.heappush(heap, entry)
        if chosen is None and pool.busy:
            return self._least_busy(pool, at, without)
        return chosen

    def _away(self, pool: _Pool, person: str, at: datetime, need: Need) -> None:
        """Somebody is off duty: until the minute is over, the stand-in has the place in the order."""
        if person in pool.guests:
            return
        pool.off.append(person)
        other = self.staff.stand_in(person, at)
        # A stand-in who is in the pool has a turn of their own in it, and shall not have two.
        if other and other not in pool.members and other not in pool.guests and self._able((other,), need):
            pool.guests[other] = person
            heapq.heappush(pool.heap, (self._last.get(other, 0), self._shuffle(other), other))

    def _too_busy(self, pool: _Pool, load: int, at: datetime) -> bool:
        if load <= pool.floor + self._above:
            return False
        if pool.since:
            self._count(pool, at)
        return load > pool.floor + self._above

    def _count(self, pool: _Pool, at: datetime) -> None:
        here = (p for p in (*pool.members, *pool.guests) if self.staff.on_duty(p, at))
        pool.floor = min((self._load.get(p, 0) for p in here), default=0)
        pool.since = 0
        busy, pool.busy = pool.busy, []
        for person in busy:
            if self._load.get(person, 0) <= pool.floor + self._above:
                self._push(pool, person)
            else:
                pool.busy.append(person)

    def _least_busy(self, pool: _Pool, at: datetime, without: Collection[str]) -> str | None:
        """All others have turned it down, are away or busier than was counted: the least busy who can."""
        free = [p for p in pool.busy if p not in without and self.staff.on_duty(p, at)]
        if not free:
            return None
        person = min(free, key=lambda p: (self._load.get(p, 0), self._last.get(p, 0), self._shuffle(p)))
        pool.busy.remove(person)
        self._push(pool, person)
        return person

    def _renew(self, pool: _Pool, minute: int) -> None:
        """A minute has begun: whoever was passed over is looked at again."""
        pool.minute = minute
        if pool.guests:
            pool.heap = [entry for entry in pool.heap if entry[2] not in pool.guests]
            heapq.heapify(pool.heap)
            pool.busy = [p for p in pool.busy if p not in pool.guests]
            pool.guests = {}
        for person in (*pool.off, *pool.busy):
            self._push(pool, person)
        pool.off, pool.busy = [], []

    def _push(self, pool: _Pool, person: str) -> None:
        heapq.heappush(pool.heap, (self._last.get(person, 0), self._shuffle(person), person))

    def _able(self, people: Iterable[str], need: Need) -> list[str]:
        skills, languages = need
        staff = self.staff
        return [
            p
            for p in people
            if (not skills or skills <= set(staff.skills(p)))
            and (not languages or languages <= set(staff.languages(p)))
        ]

    def had(self, person: str, at: datetime) -> None:
        """Somebody was given something otherwise, and so has had a turn."""
        self._latest = turn = max(int(at.timestamp() * 1_000_000), self._latest + 1)
        self._last[person] = turn
        self._load[person] = self._load.get(person, 0) + 1

    # -- what is known -----------------------------------------------------------------------------

    def last_given(self, person: str) -> int:
        """When somebody last had a turn; 0 when never."""
        return self._last.get(person, 0)

    def load(self, person: str) -> int:
        """How many cases somebody has on the hands, as far as this process knows."""
        return self._load.get(person, 0)

    def passed(self, place: str) -> set[str]:
        """Who of a place was passed over since the minute began, off duty or busy."""
        pool = self._pools.get(place)
        return {*pool.off, *pool.busy} if pool is not None else set()

    def order(self, place: str, at: datetime, need: Need = ANYBODY) -> list[Standing]:
        """The workers of a place as they stand, the next one first; those who are passed over are last."""
        on_duty = self.staff.on_duty
        people = self.staff.workers(place)
        able = set(self._able(people, need))
        here = {p for p in able if on_duty(p, at)}
        floor = min((self._load.get(p, 0) for p in here), default=0)

        def passed(person: str) -> str:
            if person not in able:
                return "lacks"
            if person not in here:
                return "off duty"
            return "busy" if self._load.get(person, 0) > floor + self._above else ""

        rows = [Standing(p, self._last.get(p, 0), self._load.get(p, 0), passed(p)) for p in people]
        return sorted(rows, key=lambda r: (r.passed != "", r.last, self._shuffle(r.person)))

    # -- what changes ------------------------------------------------------------------------------

    def take_loads(self, loads: Mapping[str, int]) -> None:
        """How many cases everybody has on the hands now; between two such counts, only what is given is added."""
        self._load = dict(loads)
        for pool in self._pools.values():
            pool.minute, pool.floor, pool.since = -1, 0, 1

    def take_directory(self, staff: Staff, last_given: Mapping[str, int]) -> None:
        """The directory has changed. The order stays this process's own; `last_given` is for people new to it."""
        self.staff = staff
        self._pools = {}
        self._last = {**last_given, **self._last}
        self._latest = max(self._latest, *self._last.values()) if self._last else self._latest

    def _shuffle(self, person: str) -> int:
        """Whoever never had a turn is shuffled, so that two fresh processes don't both begin with the same person."""
        return int.from_bytes(blake2b(person.encode(), digest_size=8, key=self._salt).digest(), "big")
