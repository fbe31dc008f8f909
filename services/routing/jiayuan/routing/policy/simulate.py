"""What another table would have decided: history is made again from the inputs that were kept. Pure.

A simulation looks at one decision after the other and keeps counts and a few examples only, so that a million of them
take no more memory than a thousand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from .table import Matter, Policy

DESK: Final = "desk"
# The order in which changes are told.
FIELDS: Final = ("level", "lead", "assistants", "colour", "response", "finish", "rule")
_CACHE_MOST: Final = 50_000


class Outcome(NamedTuple):
    """What was decided, of which something may change. `level`: `desk` where that looks first; limits: seconds."""

    level: str
    lead: str | None
    assistants: str
    colour: str
    response: int
    finish: int
    rule: str


@dataclass(slots=True)
class Change:
    """How many decisions went from one value to another, and the numbers of the first few cases."""

    count: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Simulation:
    """Decisions of the past, made again with `policy`. `county`: the virtual street of what has no known place."""

    policy: Policy
    county: str
    most_examples: int = 3
    total: int = 0
    changed: int = 0
    changes: dict[tuple[str, Any, Any], Change] = field(default_factory=dict)
    _known: dict[tuple[Any, ...], tuple[tuple[str, Any, Any], ...]] = field(default_factory=dict)

    def add(self, row: Any) -> None:
        """Takes a stored decision (a row of `decision` with its case's number)."""
        self.total += 1
        key = (
            row.category,
            row.kind,
            row.importance,
            row.urgency,
            row.signs,
            row.street,
            row.community,
            row.confidence,
            row.cause == "triage",
            row.doubt,
            row.level,
            row.lead,
            row.assistants,
            row.colour,
            row.response_limit,
            row.finish_limit,
            row.rule,
        )
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= _CACHE_MOST:
                self._known.clear()
            found = self._known[key] = _differences(before(row), self._again(row))
        if not found:
            return
        # A rule that only has another name, or another place in the table, sends nobody anywhere else.
        self.changed += any(f != "rule" for f, _, _ in found)
        for change in found:
            known = self.changes.setdefault(change, Change())
            known.count += 1
            if len(known.examples) < self.most_examples:
                known.examples.append(row.number)

    def _again(self, row: Any) -> Outcome:
        signs = tuple(row.signs.split(",")) if row.signs else ()
        matter = Matter(row.category, row.kind, row.importance, row.urgency, signs, row.street, row.community)
        decision = self.policy.decide(matter)
        confidence = None if row.confidence is None else round(row.confidence, 6)
        doubt = decision.doubt(confidence, row.street != self.county) if row.cause != "triage" else None
        return Outcome(
            DESK if doubt else decision.level,
            decision.lead,
            ",".join(decision.assistants),
            decision.colour,
            decision.response_limit,
            decision.finish_limit,
            decision.rule,
        )

    def of(self, name: str) -> list[tuple[Any, Any, Change]]:
        """The changes of a field, the most frequent first."""
        found = [(a, b, change) for (f, a, b), change in self.changes.items() if f == name]
        return sorted(found, key=lambda c: (-c[2].count, str(c[0]), str(c[1])))

    def document(self) -> dict[str, Any]:
        """Everything as JSON has it."""
        changes: Mapping[str, Any] = {
            name: [
                {"from": a, "to": b, "count": change.count, "examples": change.examples}
                for a, b, change in self.of(name)
            ]
            for name in FIELDS
        }
        return {
            "policy": self.policy.version,
            "decisions": self.total,
            "changed": self.changed,
            "unchanged": self.total - self.changed,
            "changes": {name: found for name, found in changes.items() if found},
        }


def before(row: Any) -> Outcome:
    """What a stored decision was."""
    looked = row.doubt is not None and row.doubt != "accepted"
    return Outcome(
        DESK if looked else row.level,
        row.lead,
        row.assistants,
        row.colour,
        row.response_limit,
        row.finish_limit,
        row.rule,
    )


def _differences(a: Outcome, b: Outcome) -> tuple[tuple[str, Any, Any], ...]:
    return tuple((name, x, y) for name, x, y in zip(FIELDS, a, b, strict=True) if x != y)
