"""A person's standing: how far the reports that somebody sent as part of his duty proved true. Pure.

score = (confirmed + 0.7 × 4) / (confirmed + refused + withdrawn + duplicate / 2 + 4)

- confirmed: the case was closed, by the reporter's word or by the time for it running out: there was something to do.
- refused: the case was voided. withdrawn: the report was taken back.
- duplicate: the same words of the same person within a week, under another id; it counts half, since whoever sends it
  twice did see it.
- Whoever is new begins at 0.70, as if four reports had been judged: nobody is condemned or believed by the first one.

The level is what staff read. It changes the order of nobody's matter: a report is taken as carefully from whoever has
none. It is stored with each report as it was then, so that a later fall doesn't rewrite what was known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

PRIOR: Final = 0.7
WEIGHT: Final = 4
_JUDGED_FOR_TRUST: Final = 20
_JUDGED_FOR_DOUBT: Final = 5
LEVELS: Final = {"new": "新人", "trusted": "可信", "usual": "正常", "check": "需核实"}


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of somebody's reports; none is negative."""

    submitted: int = 0
    confirmed: int = 0
    refused: int = 0
    withdrawn: int = 0
    duplicate: int = 0

    @property
    def judged(self) -> int:
        """How many reports have a result."""
        return self.confirmed + self.refused + self.withdrawn


def score(counts: Counts) -> float:
    """0 to 1, two digits."""
    against = counts.refused + counts.withdrawn + counts.duplicate / 2
    return round((counts.confirmed + PRIOR * WEIGHT) / (counts.confirmed + against + WEIGHT), 2)


def level(counts: Counts) -> str:
    """new until five are judged; then check below .50, trusted from .85 with twenty judged, usual in between."""
    value = score(counts)
    if counts.judged < _JUDGED_FOR_DOUBT:
        return "new"
    if value < 0.5:
        return "check"
    return "trusted" if value >= 0.85 and counts.judged >= _JUDGED_FOR_TRUST else "usual"


def document(counts: Counts) -> dict[str, Any]:
    """What staff, and the person, read."""
    where = level(counts)
    return {
        "score": score(counts),
        "level": where,
        "words": LEVELS[where],
        "submitted": counts.submitted,
        "confirmed": counts.confirmed,
        "refused": counts.refused,
        "withdrawn": counts.withdrawn,
        "duplicate": counts.duplicate,
    }


def stored(counts: Counts) -> dict[str, Any]:
    """What is stored with a report."""
    return {"score": score(counts), "level": level(counts), "judged": counts.judged}
