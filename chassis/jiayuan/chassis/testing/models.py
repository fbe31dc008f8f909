"""How far tests go that search by themselves: a little on every run, far when asked (`make models`)."""

from __future__ import annotations

import os


def examples(short: int) -> int:
    """How many examples a search tries: `short` of them, times JIAYUAN_MODELS where that is set."""
    return short * int(os.environ.get("JIAYUAN_MODELS", "1"))
