"""What arrives at the same time is done together, and nobody waits for company."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from jiayuan.intake.together import Together

pytestmark = pytest.mark.unit


def _at_once(times: int, do: Callable[[int], Any]) -> list[Any]:
    out: list[Any] = [None] * times
    gate = threading.Barrier(times)

    def one(n: int) -> None:
        gate.wait(20)
        try:
            out[n] = do(n)
        except Exception as error:  # noqa: BLE001  looked at by the test
            out[n] = error

    threads = [threading.Thread(target=one, args=(n,)) for n in range(times)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert not any(t.is_alive() for t in threads), "somebody waits for ever"
    return out


def test_alone_it_goes_at_once() -> None:
    batches: list[list[int]] = []

    def run(items: Sequence[int]) -> list[int]:
        batches.append(list(items))
        return [i * 2 for i in items]

    together: Together[int, int] = Together(run)
    assert [together.do(n) for n in range(3)] == [0, 2, 4]
    assert batches == [[0], [1], [2]]


def test_who_comes_meanwhile_goes_together() -> None:
    batches: list[list[int]] = []
    first_runs, go_on = threading.Event(), threading.Event()

    def run(items: Sequence[int]) -> list[int]:
        batches.append(list(items))
        if len(batches) == 1:
            first_runs.set()
            assert go_on.wait(20)
        return list(items)

    together: Together[int, int] = Together(run, parallel=1)
    out: list[int] = []
    threads = [threading.Thread(target=lambda n=n: out.append(together.do(n))) for n in range(10)]
    threads[0].start()
    assert first_runs.wait(20)
    for t in threads[1:]:
        t.start()
    while len(together._queue) < 9:
        pass
    go_on.set()
    for t in threads:
        t.join(20)
    assert sorted(out) == list(range(10))
    assert batches[0] == [0]
    assert sorted(batches[1]) == list(range(1, 10))


@pytest.mark.parametrize(("most", "parallel"), [(1, 1), (3, 1), (4, 2), (64, 3)])
def test_everybody_gets_his_own_result_and_no_batch_is_too_large(most: int, parallel: int) -> None:
    sizes: list[int] = []
    running = [0]
    lock = threading.Lock()

    def run(items: Sequence[int]) -> list[int | Exception]:
        with lock:
            running[0] += 1
            assert running[0] <= parallel
            sizes.append(len(items))
        out: list[int | Exception] = [i * 10 if i % 7 else ValueError(str(i)) for i in items]
        with lock:
            running[0] -= 1
        return out

    together: Together[int, int] = Together(run, most=most, parallel=parallel)
    for _ in range(5):
        got = _at_once(40, together.do)
        for n, value in enumerate(got):
            assert str(value) == (str(n * 10) if n % 7 else str(n))
    assert sum(sizes) == 200
    assert max(sizes) <= most
    assert together._running == 0


def test_a_batch_that_fails_as_a_whole_tells_all_of_it_and_goes_on() -> None:
    def run(items: Sequence[int]) -> list[int]:
        if 3 in items:
            raise RuntimeError("the whole batch")
        return list(items)

    together: Together[int, int] = Together(run, parallel=2)
    got = _at_once(12, together.do)
    assert isinstance(got[3], RuntimeError)
    assert all(v == n or isinstance(v, RuntimeError) for n, v in enumerate(got))
    assert together.do(5) == 5
    assert together._running == 0
