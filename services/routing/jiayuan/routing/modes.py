"""What the emergencies that hold mean for cases that are opened or moved anyway: in the same transaction, at once.

In peace it costs a look at an empty list. Those that nobody touches are brought in line by `emergencies.turn`.
"""

from __future__ import annotations

from collections.abc import Sequence

from jiayuan.chassis.work import Work

from . import book as books
from .book import Book
from .case import Case, Moves
from .emergency import Kept, follow
from .store import emergencies as records


def settle(work: Work, cases: Sequence[Case]) -> list[tuple[Case, Moves]]:
    """The cases that an emergency, or its end, changes, each with the step; locked, as they are about to be stored."""
    book = books.kept(work)
    known = book.emergencies if book is not None else None
    concerned = [c for c in cases if known or c.emergency is not None]
    if not concerned:
        return []
    before = records.limits_in_peace(work, [c.id for c in concerned])
    out: list[tuple[Case, Moves]] = []
    after: dict[str, Kept] = {}
    for case in concerned:
        holding = known.at(case.street, case.community, case.grid, work.now) if known else None
        kept = before.get(case.id, {})
        new, moves, kept_now = follow(case, holding, kept, work.now)
        if kept_now != kept:
            after[case.id] = kept_now
        if moves:
            out.append((new, moves))
    records.keep_limits(work, after)
    return out


def opened(work: Work, book: Book, moves: Moves, keep: dict[str, Kept]) -> Moves:
    """A new case's steps, with the one that the emergency at its place brings; what is to be kept goes into `keep`."""
    case = moves[-1].case
    holding = book.emergencies.at(case.street, case.community, case.grid, work.now)
    if holding is None:
        return moves
    _, more, kept = follow(case, holding, {}, work.now)
    if kept:
        keep[case.id] = kept
    return moves + more


def keep(work: Work, limits: dict[str, Kept]) -> None:
    """Keeps the limits in peace of new cases; nothing is done when there are none."""
    if limits:
        records.keep_limits(work, limits)
