"""The books read again from their first posting: what each one must have moved, and the figures of any moment. Pure.

The postings of an entry, by number, are all that is looked at. From each follows what the entry's state is after it
(`after`), from the states what it must have moved; whoever changes a movement, or leaves a posting out, is found at the
first one that doesn't follow. So the account is proven not only for now: after every posting of every entry, opening +
entered − written off ± reversed is one where the entry is open, and nought where it isn't.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from typing import Any

from .account import Figures
from .entry import OPENING_SEQUENCE, moves

Line = Mapping[str, Any]


@dataclass(slots=True)
class State:
    """An entry after a posting: its state, the step that settled it, whose it is, and what has been moved so far."""

    state: str
    settled: int
    street: str
    unit: str | None
    opening: int = 0
    entered: int = 0
    reversed: int = 0
    written_off: int = 0
    unsatisfied: bool = False


class Wrong(Exception):
    """A posting that doesn't follow from those before it: its number and why."""

    def __init__(self, number: int, why: str) -> None:
        self.number, self.why = number, why
        super().__init__(f"posting {number}: {why}")


def begin(line: Line) -> State:
    """The entry after its first posting. Wrong."""
    facts = line["facts"]
    if line["number"] != 1 or line["kind"] not in ("opening", "carry_forward"):
        raise Wrong(line["number"], "an entry opens with posting 1, an opening or a carry-forward")
    if line["kind"] == "opening":
        expected, state, settled = (0, 1, 0), "open", OPENING_SEQUENCE
    else:
        state, settled = facts["state"], facts["settled"]
        expected = (1 if state == "open" else 0, 0, 0)
    _moved(line, expected)
    return State(state, settled, facts["street"], line["unit"], expected[0], expected[1])


def follow(now: State, before: Line, line: Line, of: Mapping[int, Line]) -> None:
    """Takes the next posting; changes `now`. `of`: the postings before it by number. Wrong."""
    if line["number"] != before["number"] + 1:
        raise Wrong(before["number"] + 1, "is missing")
    state = _after(now, line, of)
    entered, written_off = moves(now.state, state)
    _moved(line, (0, entered, written_off))
    facts = line["facts"]
    now.state = state
    now.reversed += entered
    now.written_off += written_off
    now.unit = line["unit"]
    now.street = facts.get("street") or now.street
    if line["case_sequence"] is not None and facts.get("step") == "case.closed":
        now.unsatisfied = facts.get("confirmed") in (None, "unsatisfied")
    elif facts.get("step") == "case.reopened":
        now.unsatisfied = False


def _after(now: State, line: Line, of: Mapping[int, Line]) -> str:
    """The entry's state after a posting."""
    kind, sequence = line["kind"], line["case_sequence"]
    if sequence is not None:
        to = {"write_off": "written_off", "reopening": "open", "reversal": "reversed"}.get(kind)
        if kind == "progress" and line["facts"].get("step") == "case.closed":
            to = "open"
        if to is None or sequence <= now.settled:
            return now.state
        now.settled = sequence
        return to
    if kind == "write_off":
        return "written_off"
    if kind == "carry_forward":
        return "carried_forward"
    if kind == "reversal":
        if line["clock_id"] is not None and line["corrects"] is None:
            return now.state  # takes back a limit that passed in an earlier year, whose entry its facts name
        corrected = of.get(line["corrects"])
        if corrected is None:
            raise Wrong(
                line["number"], f"takes back posting {line['corrects']}, which is not there before it"
            )
        if corrected["amount"] is not None and line["amount"] != -corrected["amount"]:
            raise Wrong(line["number"], f"takes back {line['amount']} fen of {corrected['amount']}")
        return {"write_off": "open", "opening": "reversed"}.get(corrected["kind"], now.state)
    return now.state


def _moved(line: Line, expected: tuple[int, int, int]) -> None:
    found = (line["opening"], line["entered"], line["written_off"])
    if found != expected:
        words = "opening {}, entered {}, written off {}"
        raise Wrong(
            line["number"], f"moved {words.format(*found)}, and had to move {words.format(*expected)}"
        )


def states(lines: Iterable[Line]) -> Iterator[tuple[Line, State]]:
    """Each posting of an entry with the entry after it (one object, changed as it goes). Wrong at the first that
    doesn't follow, or when there is none."""
    known: dict[int, Line] = {}
    before: Line | None = None
    now: State | None = None
    for line in lines:
        if now is None or before is None:
            now = begin(line)
        else:
            follow(now, before, line, known)
        known[line["number"]] = before = line
        yield line, now
    if now is None:
        raise Wrong(1, "is missing")


def as_of(lines: Iterable[Line], at: datetime) -> State | None:
    """The entry as the books had it at a time, None before it was opened. Wrong.

    What was posted by then is every posting up to the first that came later: numbers are the order of the books.
    """
    by_then = list(takewhile(lambda line: line["posted_at"] <= at, lines))
    return list(states(by_then))[-1][1] if by_then else None


def figures(found: Iterable[State], by: str) -> list[Figures]:
    """The lines of an account from the states of its entries, by `street` or `unit`."""
    sums: dict[str | None, list[int]] = defaultdict(lambda: [0] * 6)
    for now in found:
        line = sums[getattr(now, by)]
        still = now.state in ("open", "carried_forward")
        for i, value in enumerate(
            (
                now.opening,
                now.entered,
                now.written_off,
                still,
                now.reversed,
                now.state == "open" and now.unsatisfied,
            )
        ):
            line[i] += value
    return [Figures(key, *sums[key]) for key in sorted(sums, key=lambda k: (k is not None, k))]
