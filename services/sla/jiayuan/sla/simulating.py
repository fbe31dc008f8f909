"""What breach rates would have been under another policy: every clock of the past computed again. Pure.

outcomes(clock, leg, ended, history, now) -> Outcome     of one clock, as it was and as it would have been
Comparison().add(…)                               by kind of clock and street, with examples
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

from jiayuan.contracts.times import iso

from .clock import Clock, History, under
from .rates import SMALL, percent

_RUNNING: Final = ("armed", "warned")
EXAMPLES: Final = 20


class Outcome(NamedTuple):
    """`before` and `after`: breached, met, running, cancelled, or none where there would be no clock.

    `due_at` is the deadline that there would have been, None where there would be no clock.
    """

    before: str
    after: str
    due_at: datetime | None


def outcomes(clock: Clock, leg: tuple[str, str], ended: bool, history: History, now: datetime) -> Outcome:
    """How a clock ended, and how it would have ended by the rules of `history`; `leg` and `ended` as `under` has them.

    The thing itself is taken to be done when it was done: nobody would have hurried more, or less.
    """
    before: str = clock.state
    if clock.state in _RUNNING:
        before = "breached" if not clock.paused and clock.due_at < now else "running"
    wanted = under(clock, leg, ended, history)
    if wanted is None:
        return Outcome(before, "none", None)
    after: str = wanted.outcome
    if after == "running" and not wanted.paused and wanted.due_at < now:
        after = "breached"
    return Outcome(before, after, wanted.due_at)


@dataclass(slots=True)
class Pair:
    """Counts of one kind of clock in one street."""

    clocks: int = 0
    before: Counter[str] = field(default_factory=Counter)
    after: Counter[str] = field(default_factory=Counter)
    newly: int = 0
    spared: int = 0

    def merge(self, other: Pair) -> None:
        """Takes another pair in."""
        self.clocks += other.clocks
        self.before.update(other.before)
        self.after.update(other.after)
        self.newly += other.newly
        self.spared += other.spared

    def shown(self) -> dict[str, Any]:
        """As people and programs read it: breached over breached or met; what runs or was called off is in neither."""
        return {
            "clocks": self.clocks,
            "before": _rate(self.before),
            "after": _rate(self.after),
            "newly_breached": self.newly,
            "spared": self.spared,
            "no_clock": self.after["none"],
        }


def _rate(counts: Mapping[str, int]) -> dict[str, Any]:
    hits, over = counts["breached"], counts["breached"] + counts["met"]
    out: dict[str, Any] = {"breached": hits, "over": over}
    if over >= SMALL:
        out["percent"] = percent(hits, over)
    return out


class Comparison:
    """Before and after, by kind of clock and street."""

    def __init__(self, examples: int = EXAMPLES) -> None:
        self.pairs: dict[tuple[str, str], Pair] = {}
        self.examples: list[dict[str, Any]] = []
        self._most = examples

    def add(self, clock: Clock, found: Outcome) -> None:
        """Takes a clock in."""
        pair = self.pairs.setdefault((clock.kind, clock.street), Pair())
        pair.clocks += 1
        pair.before[found.before] += 1
        pair.after[found.after] += 1
        newly = found.after == "breached" != found.before
        spared = found.before == "breached" != found.after
        pair.newly += newly
        pair.spared += spared
        if (newly or spared) and len(self.examples) < self._most:
            self.examples.append(
                {
                    "case": clock.case_id,
                    "leg": clock.leg_id or None,
                    "kind": clock.kind,
                    "street": clock.street,
                    "started_at": iso(clock.started_at),
                    "stopped_at": iso(clock.stopped_at) if clock.stopped_at else None,
                    "before": {"outcome": found.before, "due_at": iso(clock.due_at)},
                    "after": {
                        "outcome": found.after,
                        "due_at": iso(found.due_at) if found.due_at else None,
                    },
                }
            )

    def document(self) -> dict[str, Any]:
        """Kinds and streets, the totals of the kinds, and examples."""
        kinds: dict[str, Pair] = {}
        for (kind, _), pair in self.pairs.items():
            kinds.setdefault(kind, Pair()).merge(pair)
        return {
            "groups": [
                {"kind": kind, "street": street, **pair.shown()}
                for (kind, street), pair in sorted(self.pairs.items())
            ],
            "kinds": [{"kind": kind, **pair.shown()} for kind, pair in sorted(kinds.items())],
            "examples": self.examples,
        }
