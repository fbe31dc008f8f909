"""How often an address may ask for what costs us something, counted by each process for itself, in memory.

With R replicas an address gets R times as much; that is enough against machines that try one after the other. Time is
the wall's.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.web import Call

_MOST_KEPT: Final = 20_000


class Limit:
    """At most `most` calls of an address in any `seconds`; Problem 429 says when to come back.

    Calls flow off evenly: after a burst of `most` there is room for one every seconds / most.
    """

    def __init__(
        self, name: str, *, most: int, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.name, self.most, self.seconds = name, most, seconds
        self._clock = clock
        # By address: when all that it asked for will have flowed off.
        self._full: OrderedDict[str, float] = OrderedDict()

    def __call__(self, call: Call) -> None:
        """Counts a call, or refuses it; who is refused isn't counted."""
        now, each = self._clock(), self.seconds / self.most
        empty = max(self._full.pop(call.address, now), now)
        room = empty + each - now <= self.seconds
        self._full[call.address] = empty + each if room else empty
        while len(self._full) > _MOST_KEPT:
            self._full.popitem(last=False)
        if not room:
            wait = int(empty + each - now - self.seconds) + 1
            raise Problem(
                429,
                "Too many requests",
                f"at most {self.most} in {self.seconds:.0f} seconds; come back in {wait}",
                headers={"Retry-After": str(wait)},
            )
