"""Processes by number: who is alive, whose children they are, and how to end them all.

A process is remembered as (pid, start time), so that a number used again by a stranger is never
mistaken for ours. Linux only: everything is read from /proc.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """A process that we started: its number and its start time in clock ticks since boot."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> Process:
        """Remember a running process. Raises ProcessLookupError when there is none."""
        stat = _stat(pid)
        if stat is None:
            raise ProcessLookupError(f"process {pid} is not running")
        return cls(pid, stat.started)

    def alive(self) -> bool:
        """True while this very process runs (a zombie does not)."""
        _reap(self.pid)
        stat = _stat(self.pid)
        return stat is not None and stat.started == self.started and not stat.ended


@dataclass(frozen=True)
class _Stat:
    state: str
    parent: int
    started: int
    threads: int

    @property
    def ended(self) -> bool:
        # A killed process is a zombie before its last thread, and with it its sockets, is gone.
        return self.state in "ZX" and self.threads <= 1


def _stat(pid: int) -> _Stat | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text[text.rindex(")") + 2 :].split()  # the name in brackets may hold blanks
    return _Stat(state=fields[0], parent=int(fields[1]), started=int(fields[19]), threads=int(fields[17]))


def _reap(pid: int) -> None:
    """Take the exit code of our own child, so that it does not stay a zombie."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return  # not our child: somebody else reaps it


def tree(roots: Iterable[Process]) -> list[Process]:
    """The living processes among `roots` and all their descendants, parents first."""
    children: dict[int, list[Process]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (stat := _stat(int(name))) and not stat.ended:
            children.setdefault(stat.parent, []).append(Process(int(name), stat.started))
    found = [root for root in roots if root.alive()]
    for process in found:  # grows while we walk it
        found.extend(children.get(process.pid, []))
    return found


def wait_gone(processes: Iterable[Process], seconds: float) -> bool:
    """Wait until none of them is alive; False when some still are after `seconds`."""
    deadline = time.monotonic() + seconds
    left = list(processes)
    while left := [process for process in left if process.alive()]:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def send(processes: Iterable[Process], number: signal.Signals) -> None:
    """Send a signal to each that is still alive."""
    for process in processes:
        if process.alive():
            try:
                os.kill(process.pid, number)
            except ProcessLookupError:
                continue  # it ended between the look and the signal: what we wanted


def kill_trees(roots: Iterable[Process]) -> None:
    """SIGKILL the roots and all their descendants and wait until they are gone.

    Raises RuntimeError when one survives 10 seconds (stuck in the kernel).
    """
    everyone = tree(roots)
    send(everyone, signal.SIGKILL)
    if not wait_gone(everyone, 10):
        raise RuntimeError(f"processes survive SIGKILL: {[p.pid for p in everyone if p.alive()]}")
