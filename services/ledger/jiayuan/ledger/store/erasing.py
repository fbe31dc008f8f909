"""Free texts go with the person that they may name; what was signed of them stays, and that they went is signed too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from jiayuan.chassis.work import Work

from ..entry import ERASED_TITLE
from . import leaves

ERASURE: Final = "erasure/1"
_AT_ONCE: Final = 500


def erase(work: Work, reporters: Sequence[str], at: str) -> int:
    """Deletes the free texts of all postings that may name one of these reporters, and the titles of their entries; a
    leaf says which postings it were, and nobody's pseudonym. How many texts went."""
    rows = work.execute(
        "DELETE FROM posting_text WHERE reporters && CAST(:reporters AS text[]) RETURNING entry_id, number",
        reporters=list(reporters),
    )
    gone = sorted((row[0], row[1]) for row in rows)
    if not gone:
        return 0
    entries = sorted({entry for entry, _ in gone})
    work.execute(
        "UPDATE entry SET title = :erased WHERE id IN (SELECT id FROM entry WHERE id = ANY(CAST(:ids AS uuid[])) "
        "ORDER BY id FOR NO KEY UPDATE)",
        erased=ERASED_TITLE,
        ids=entries,
    )
    parts = [gone[n : n + _AT_ONCE] for n in range(0, len(gone), _AT_ONCE)]
    leaves.put(work, [{"leaf": ERASURE, "at": at, "postings": [list(key) for key in part]} for part in parts])
    return len(gone)
