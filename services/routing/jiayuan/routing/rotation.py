"""Who is next: among the active workers of a place, the one who was given a case least recently. Pure.

Every process keeps its own order in memory and never waits for another's: a turn is a dictionary write, and the
database gets one bulk statement a batch that skips rows another replica is writing. Two replicas so may give the
same worker a case each at about the same time, but each goes round the whole pool before it comes back to
somebody, so that over a round nobody gets more than one case a replica above anybody else. Orders are brought
together from the database now and then (`refresh`); workers who were never given anything are shuffled by the
replica's own salt, so that two fresh replicas don't both begin with the same person.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b


class Rotation:
    """The order of turns. Times are microseconds since 1970 by the business clock; 0 means never."""

    def __init__(
        self, pool: Callable[[str], Sequence[str]], last_given: Mapping[str, int], salt: str = ""
    ) -> None:
        self._pool = pool
        self._last: dict[str, int] = dict(last_given)
        self._salt = salt.encode()
        self._heaps: dict[str, list[tuple[int, int, str]]] = {}
        self._latest = max(self._last.values(), default=0)

    def next(self, place: str, at: int) -> str | None:
        """The next worker of a grid, community or street, who has then had a turn; None when there is none."""
        heap = self._heaps.get(place)
        if heap is None:
            heap = [(self._last.get(p, 0), self._shuffle(p), p) for p in self._pool(place)]
            heapq.heapify(heap)
            self._heaps[place] = heap
        if not heap:
            return None
        while True:
            given, tie, person = heap[0]
            last = self._last.get(person, 0)
            if last == given:
                break
            heapq.heapreplace(heap, (last, tie, person))  # had a turn through another pool meanwhile
        self._latest = turn = max(
            at, self._latest + 1
        )  # strictly later than any turn before, also within a batch
        self._last[person] = turn
        heapq.heapreplace(heap, (turn, tie, person))
        return person

    def last_given(self, person: str) -> int:
        """When somebody last had a turn; 0 when never."""
        return self._last.get(person, 0)

    def refresh(self, last_given: Mapping[str, int]) -> None:
        """Takes over the turns that other replicas gave."""
        mine = self._last
        for person, given in last_given.items():
            if given > mine.get(person, 0):
                mine[person] = given

    def _shuffle(self, person: str) -> int:
        return int.from_bytes(blake2b(person.encode(), digest_size=8, key=self._salt).digest(), "big")
