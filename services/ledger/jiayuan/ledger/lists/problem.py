"""The problem list 问题清单 of a street: demands of the same kind, joined. Suggested here, decided by people. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from .grouping import SAME_KIND, Text, group, middle

MOST_TAKERS: Final = 9
STATES: Final = ("suggested", "accepted", "dropped")
STATE_NAMES: Final = {"suggested": "待定", "accepted": "列入", "dropped": "不列入"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A line of a published demand list. `problem`: what it is joined into already."""

    id: str
    category: str
    title: str
    reports: int
    community: str
    problem: str | None = None


@dataclass(slots=True)
class Suggestion:
    """A problem that isn't there yet: what it is called, and its demands."""

    category: str
    title: str
    demands: list[str] = field(default_factory=list)
    reports: int = 0


@dataclass(slots=True)
class Suggested:
    """New problems, the ones with the most reports first, and demands for problems that there are (id → demands)."""

    problems: list[Suggestion] = field(default_factory=list)
    added: dict[str, list[str]] = field(default_factory=dict)


def suggest(demands: Sequence[Wanted]) -> Suggested:
    """Joins what isn't joined yet with what is like it: of the same category and alike."""
    out = Suggested()
    by_id = {d.id: d for d in demands}
    texts = [Text(d.id, d.category, d.title, d.problem, d.community) for d in demands]
    for found in group(texts, SAME_KIND, across=True):
        added = [t.key for t in found.added]
        if not added:
            continue
        if found.key is not None:
            out.added[found.key] = added
            continue
        reports = sum(by_id[d].reports for d in added)
        out.problems.append(Suggestion(found.category, middle(found).says, added, reports))
    out.problems.sort(key=lambda p: -p.reports)
    return out
