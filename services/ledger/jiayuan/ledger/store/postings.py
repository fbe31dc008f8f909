"""Postings: what is posted already, and appending more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jiayuan.chassis.work import Work

from . import leaves


def steps_posted(work: Work, entries: Sequence[str]) -> dict[str, set[tuple[int, str]]]:
    """The keys (case sequence, kind) of what is posted under entries (locked ones: else it may be stale)."""
    out: dict[str, set[tuple[int, str]]] = {e: set() for e in entries}
    rows = work.execute(
        "SELECT entry_id, case_sequence, kind FROM posting "
        "WHERE entry_id = ANY(CAST(:entries AS uuid[])) AND case_sequence IS NOT NULL",
        entries=list(entries),
    )
    for entry_id, sequence, kind in rows:
        out[str(entry_id)].add((sequence, kind))
    return out


def breaches_posted(work: Work, clocks: Sequence[str]) -> set[tuple[str, int]]:
    """The keys (clock, its sequence) of the breaches of clocks that are posted."""
    rows = work.execute(
        "SELECT clock_id, clock_sequence FROM posting WHERE clock_id = ANY(:clocks)",
        clocks=list(clocks),
    )
    return {(row[0], row[1]) for row in rows}


def insert_postings(work: Work, rows: Sequence[dict[str, Any]]) -> None:
    """Appends postings, each a leaf. A number or a step that exists already is an error: the caller has looked.

    `rows`: see `leaves.put_postings`.
    """
    leaves.put_postings(work, rows)


def postings_of(work: Work, id_: str) -> list[dict[str, Any]]:
    """The postings of an entry by number, with `words`: their free text, None where there is none (any more)."""
    rows = work.execute(
        "SELECT p.*, t.words FROM posting p LEFT JOIN posting_text t USING (entry_id, number) "
        "WHERE entry_id = CAST(:id AS uuid) ORDER BY number",
        id=id_,
    ).mappings()
    return [dict(row) for row in rows]
