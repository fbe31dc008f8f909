"""What arrives at the same time is done together: one transaction for all, without anybody waiting for company.

Whoever comes first begins at once, alone. Who comes meanwhile is gathered, and goes together as soon as one of the
running batches is done. So an idle service answers as fast as it can, and a busy one spends a batch's transaction on
many. Plain threads or green ones, whatever `threading` is.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")
MOST: Final = 64
PARALLEL: Final = 2


class _Waiting(Generic[T, R]):
    """An item, who waits for it, and what came of it."""

    __slots__ = ("item", "leads", "result", "woken")

    def __init__(self, item: T) -> None:
        self.item = item
        self.woken = threading.Event()
        self.result: R | BaseException | None = None
        self.leads = False


class Together(Generic[T, R]):
    """Runs `run` with the items of several callers; it gives a result or an exception for each, in their order.

    At most `parallel` batches run at a time, of at most `most` items. When `run` itself raises, every caller of its
    batch gets that exception.
    """

    def __init__(
        self,
        run: Callable[[Sequence[T]], Sequence[R | Exception]],
        *,
        most: int = MOST,
        parallel: int = PARALLEL,
    ) -> None:
        self._run, self._most, self._parallel = run, most, parallel
        self._lock = threading.Lock()
        self._queue: deque[_Waiting[T, R]] = deque()
        self._running = 0

    def do(self, item: T) -> R:
        """The result for one item, in company or alone; raises what came of it instead."""
        mine: _Waiting[T, R] = _Waiting(item)
        with self._lock:
            self._queue.append(mine)
            if self._running < self._parallel:
                self._running += 1
                mine.leads = True
        while mine.result is None:
            if mine.leads:
                mine.leads = False
                self._lead()
            else:
                mine.woken.wait()
                mine.woken.clear()
        if isinstance(mine.result, BaseException):
            raise mine.result
        return mine.result

    def _lead(self) -> None:
        with self._lock:
            batch = [self._queue.popleft() for _ in range(min(self._most, len(self._queue)))]
        results: Sequence[R | BaseException] = ()
        try:
            if batch:
                results = self._run([w.item for w in batch])
        except BaseException as error:
            results = [error] * len(batch)
            if not isinstance(error, Exception):
                raise
        finally:
            self._hand_on()
            for waiting, result in zip(batch, results, strict=True):
                waiting.result = result
                waiting.woken.set()

    def _hand_on(self) -> None:
        """The first of those who were gathered meanwhile goes on; with none, one batch fewer is running."""
        with self._lock:
            if self._queue:
                self._queue[0].leads = True
                self._queue[0].woken.set()
            else:
                self._running -= 1
