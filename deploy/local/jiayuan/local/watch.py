"""Clears a set of servers away when the process that started it is gone, however it went.

Runs beside it as `python -m jiayuan.local.watch STATE_FILE PARENT_PID` with a pipe from the parent on
standard input. Whichever comes first - the pipe closes, the parent is no longer our parent - it takes
down what the state file lists.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from pathlib import Path

from jiayuan.local.state import take_down_state


def main(state_file: Path, parent: int) -> None:
    """Wait for the end of `parent`, then take the set down. Signals meant for the parent are ignored."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while os.getppid() == parent:
        readable, _, _ = select.select([sys.stdin], [], [], 2)
        if readable and not os.read(sys.stdin.fileno(), 1):
            break
    take_down_state(state_file)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
