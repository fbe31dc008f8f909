"""How fair the rotation is: cases handed out as several processes do it, and the worst that befell any two workers.

What is measured is what is promised (`rotation`): of every two workers, over every stretch of time in which both could
have been given each case, how far their turns ever got apart. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations
from random import Random
from typing import Final

from .rotation import ABOVE, Rotation

_PLACE: Final = "place"
_COUNT_EVERY: Final = 20  # cases between two counts of the open ones, as the service counts them now and then


@dataclass(frozen=True, slots=True)
class Fairness:
    """What came of a simulation.

    `turns`: by worker; `spread`: the most minus the least. `apart`: the most that two workers' turns got apart while
    both could be given every case; `bound`: the most it may be. `hands`: the most and the least open cases at the
    end of those on duty. `nobody`: cases for which nobody was on duty.
    """

    turns: Mapping[str, int]
    apart: int
    bound: int
    hands: tuple[int, int]
    nobody: int
    off_duty: int

    @property
    def spread(self) -> int:
        """The most turns of one worker minus the least of another."""
        return max(self.turns.values(), default=0) - min(self.turns.values(), default=0)


class _Team:
    """Workers of one place, with the times they are away."""

    def __init__(
        self, workers: Sequence[str], away: Mapping[str, Sequence[tuple[datetime, datetime]]]
    ) -> None:
        self._workers, self._away = workers, away

    def workers(self, _place: str) -> Sequence[str]:
        return self._workers

    def on_duty(self, person: str, at: datetime) -> bool:
        return not any(first <= at < last for first, last in self._away.get(person, ()))

    def stand_in(self, _person: str, _at: datetime) -> str | None:
        return None

    def skills(self, _person: str) -> Collection[str]:
        return ()

    languages = skills


class _Pairs:
    """How far the turns of every two got apart, since both can be given a case."""

    def __init__(self, workers: Sequence[str]) -> None:
        self._there = dict.fromkeys(workers, True)
        # By pair (a, b), a before b: turns of a minus turns of b, the lowest and the highest that it was.
        self._apart = {pair: [0, 0, 0] for pair in combinations(workers, 2)}
        self._of = {w: [(p, 1 if p[0] == w else -1) for p in self._apart if w in p] for w in workers}
        self.worst = 0

    def there(self, worker: str, there: bool) -> None:
        """Whether a worker can be given a case from now on; a change begins all its stretches anew."""
        if self._there[worker] != there:
            self._there[worker] = there
            for pair, _ in self._of[worker]:
                self._apart[pair][:] = 0, 0, 0

    def turn(self, worker: str) -> None:
        """A worker was given a case."""
        for pair, sign in self._of[worker]:
            if not (self._there[pair[0]] and self._there[pair[1]]):
                continue
            found = self._apart[pair]
            found[0] += sign
            found[1], found[2] = min(found[1], found[0]), max(found[2], found[0])
            self.worst = max(self.worst, found[2] - found[1])


def simulate(
    workers: Sequence[str],
    cases: int,
    *,
    start: datetime,
    every: timedelta = timedelta(minutes=1),
    replicas: int = 1,
    away: Mapping[str, Sequence[tuple[datetime, datetime]]] | None = None,
    hours: Mapping[str, float] | None = None,
    restarts: int = 0,
    seed: int = 1,
) -> Fairness:
    """Hands out cases, one after `every`, each by a process drawn at random.

    `away`: when workers are off duty; `hours`: how long each takes to settle a case (by default nobody's hands get
    full). `restarts`: how often a process is started anew on the way, in turn.
    """
    random, team = Random(seed), _Team(workers, away or {})
    known: dict[str, int] = {}
    above = ABOVE if hours else cases
    rotations = [Rotation(team, {}, str(n), above) for n in range(replicas)]
    turns, pairs = dict.fromkeys(workers, 0), _Pairs(workers)
    hands: list[tuple[datetime, str]] = []
    load = dict.fromkeys(workers, 0)
    nobody = off_duty = 0
    at = start
    again = {(n + 1) * cases // (restarts + 1): n % replicas for n in range(restarts)}
    for n in range(cases):
        at = start + n * every
        if n in again:
            rotations[again[n]] = Rotation(team, known, f"again {n}", above)
        hands = _settled(hands, load, at) if hours else hands
        if hours and n % _COUNT_EVERY == 0:
            for rotation in rotations:
                rotation.take_loads(load)
        rotation = random.choice(rotations)
        person = rotation.next(_PLACE, at)
        passed = set().union(*(r.passed(_PLACE) for r in rotations)) if hours else ()
        for worker in workers:
            pairs.there(worker, worker not in passed and team.on_duty(worker, at))
        if person is None:
            nobody += 1
            continue
        off_duty += not team.on_duty(person, at)
        known[person] = rotation.last_given(person)
        turns[person] += 1
        pairs.turn(person)
        if hours:
            load[person] += 1
            hands.append((at + timedelta(hours=random.uniform(0.5, 1.5) * hours[person]), person))
    here = [load[w] for w in workers if team.on_duty(w, at)] or [0]
    return Fairness(turns, pairs.worst, replicas + restarts, (max(here), min(here)), nobody, off_duty)


def _settled(
    hands: list[tuple[datetime, str]], load: dict[str, int], at: datetime
) -> list[tuple[datetime, str]]:
    rest = []
    for until, person in hands:
        if until <= at:
            load[person] -= 1
        else:
            rest.append((until, person))
    return rest


def leaves(
    workers: Sequence[str], share: float, start: datetime, span: timedelta, seed: int = 1
) -> dict[str, list[tuple[datetime, datetime]]]:
    """Invented times away: each worker is off duty for about that share of the span, in a few pieces."""
    random = Random(seed)
    out: dict[str, list[tuple[datetime, datetime]]] = {}
    for worker in workers:
        pieces = random.randint(1, 4)
        for _ in range(pieces):
            first = start + random.random() * span
            out.setdefault(worker, []).append((first, first + span * share / pieces))
    return out
