"""Cases that a transaction locks, moves and tells of: what all handlers and pages that move cases work with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jiayuan.chassis.work import Work
from jiayuan.contracts.envelope import Event

from . import case as cases
from . import colouring, modes, store
from .case import Case, Moved, Moves


def tell(
    work: Work, moves: Iterable[Moved], cause: Event | None = None, traceparent: str = ""
) -> dict[str, Any]:
    """Emits one event a step, each with the whole case as of its sequence; returns the last document."""
    doc: dict[str, Any] = {}
    for moved in moves:
        case, change = moved.case, moved.change
        doc = cases.document(case)
        work.emit(
            change.event,
            {"case": doc, "change": cases.change_document(change)},
            subject=case.id,
            sequence=case.sequence,
            street=case.street,
            cause=cause,
            traceparent=traceparent,
        )
    return doc


def _unclaimed(*versions: Case) -> bool:
    """Whether a whistle is or was one that nobody takes."""
    return any(case.whistle is not None and "unclaimed" in case.whistle for case in versions)


class Moving:
    """Locked cases that one transaction moves, perhaps several steps each; `save` stores and tells."""

    def __init__(self, work: Work, ids: Iterable[str]) -> None:
        self.work = work
        self.cases = store.lock_cases(work, ids)
        self._moves: dict[str, list[tuple[Moved, Event | None, str]]] = {}
        self._kept: set[str] = set()
        self._recoloured: list[tuple[Case, Moved]] = []
        self._unclaimed: set[str] = set()

    def take(self, case: Case, moves: Moves, cause: Event | None = None, traceparent: str = "") -> None:
        """Takes over a case as it is now, and the steps that led there."""
        before = self.cases[case.id]
        if case.whistle is not before.whistle and _unclaimed(case, before):
            self._unclaimed.add(case.id)
        if moves or case is not before:
            self._recoloured += [(before, m) for m in moves if m.change.action == "recolour"]
            self.cases[case.id] = case
            self._kept.add(case.id)
            self._moves.setdefault(case.id, []).extend((m, cause, traceparent) for m in moves)

    def save(self) -> None:
        """Stores all cases that moved and emits their events."""
        if not self._kept:
            return
        for case, moves in modes.settle(self.work, [self.cases[i] for i in sorted(self._kept)]):
            self.take(case, moves)
        moved = [(self.cases[i], [m for m, _, _ in self._moves[i]]) for i in sorted(self._kept)]
        store.save_moves(self.work, moved)
        colouring.keep(self.work, self._recoloured)
        if self._unclaimed:
            store.whistles.keep(self.work, [self.cases[i] for i in sorted(self._unclaimed)])
        for steps in self._moves.values():
            for step, cause, traceparent in steps:
                tell(self.work, (step,), cause, traceparent)
