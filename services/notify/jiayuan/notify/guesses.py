"""How many wrong codes an address may try. Pure but for its memory.

Each process counts by itself: a code is one of a billion, so that R times as many tries with R replicas changes
nothing. Who is refused isn't told whether the code exists.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final

MOST: Final = 20
WINDOW: Final = 3600.0
_KEPT: Final = 50_000


class Guesses:
    """Wrong tries by address within the window, the oldest addresses forgotten where there are too many."""

    def __init__(self, most: int = MOST, window: float = WINDOW, kept: int = _KEPT) -> None:
        self._most, self._window, self._kept = most, window, kept
        self._tries: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, address: str, now: float) -> float:
        """How many seconds the address has to wait before it may try again; 0: not at all."""
        with self._lock:
            since, count = self._tries.get(address, (now, 0))
            return max(0.0, since + self._window - now) if count >= self._most else 0.0

    def wrong(self, address: str, now: float) -> None:
        """The address has tried a code that isn't there."""
        with self._lock:
            since, count = self._tries.pop(address, (now, 0))
            if now - since >= self._window:
                since, count = now, 0
            self._tries[address] = (since, count + 1)
            while len(self._tries) > self._kept:
                self._tries.popitem(last=False)
