"""CPU, memory and latency as the benchmarks count them (Linux /proc)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


def _processes() -> dict[int, tuple[int, float]]:
    """pid → (parent, CPU seconds with reaped children)."""
    found: dict[int, tuple[int, float]] = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            line = Path("/proc", entry, "stat").read_text()
        except OSError:
            continue
        fields = line[line.rindex(")") + 2 :].split()
        found[int(entry)] = (int(fields[1]), sum(map(int, fields[11:15])) / _TICK)
    return found


def cpu(groups: Mapping[str, Iterable[int]]) -> dict[str, float]:
    """CPU seconds so far of each group of processes, their descendants included."""
    table = _processes()
    children: dict[int, list[int]] = {}
    for pid, (parent, _) in table.items():
        children.setdefault(parent, []).append(pid)
    out = {}
    for name, roots in groups.items():
        todo, seen = list(roots), set()
        while todo:
            pid = todo.pop()
            if pid in table and pid not in seen:
                seen.add(pid)
                todo += children.get(pid, [])
        out[name] = sum(table[p][1] for p in seen)
    return out


def machine() -> float:
    """CPU seconds that the whole machine has been busy."""
    values = list(map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]))
    return (sum(values[:8]) - values[3] - values[4]) / _TICK


def yardstick() -> float:
    """Milliseconds of a fixed Python loop, the least of three: how fast this machine is at the moment."""
    best = float("inf")
    for _ in range(3):
        started, x = time.perf_counter(), 0
        for i in range(3_000_000):
            x += i & 7
        best = min(best, 1e3 * (time.perf_counter() - started))
    return best


def rss_mb(pid: int) -> float:
    """Resident memory of a process in MB."""
    for line in Path("/proc", str(pid), "status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def whole_answer(got: bytes) -> bool:
    """Whether what has been read on a kept HTTP connection is a whole answer with a Content-Length."""
    head, end, body = got.partition(b"\r\n\r\n")
    if not end:
        return False
    return len(body) >= next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line[:15].lower() == b"content-length:"
    )


def percentile(values: list[float], q: float) -> float:
    """The q-quantile (0 to 1) of values, nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


@dataclass(frozen=True)
class Row:
    """One contestant's run."""

    name: str
    reports_per_s: float
    cpu_ms: float
    p50_ms: float
    p99_ms: float
    detail: Mapping[str, float]
    complete: bool
