"""Postings: what is posted already, and appending more."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from jiayuan.chassis.work import Work

from ..entry import RARE, Breached
from . import leaves


def steps_posted(work: Work, items: Sequence[str]) -> dict[str, set[tuple[int, str]]]:
    """The keys (case sequence, kind) of what is posted about matters, in whichever year (their entries are locked: else
    it may be stale)."""
    out: dict[str, set[tuple[int, str]]] = {item: set() for item in items}
    rows = work.execute(
        "SELECT CAST(e.item AS text), p.case_sequence, p.kind FROM entry e JOIN posting p ON p.entry_id = e.id "
        "WHERE e.item = ANY(CAST(:items AS uuid[])) AND p.case_sequence IS NOT NULL",
        items=list(items),
    )
    for item, sequence, kind in rows:
        out[item].add((sequence, kind))
    return out


def clocks_posted(work: Work, clocks: Sequence[str]) -> set[tuple[str, int]]:
    """The keys (clock, its sequence) of what is posted about clocks: breaches, and what took them back."""
    rows = work.execute(
        "SELECT clock_id, clock_sequence FROM posting WHERE clock_id = ANY(:clocks)",
        clocks=list(clocks),
    )
    return {(row[0], row[1]) for row in rows}


def breaches_of(work: Work, clocks: Sequence[str]) -> list[Breached]:
    """The breaches of clocks that are posted, the newest of each clock first."""
    rows = work.execute(
        "SELECT p.clock_id, p.clock_sequence, CAST(p.entry_id AS text), e.year, p.number, p.at, "
        "  EXISTS (SELECT FROM posting r WHERE r.entry_id = p.entry_id AND r.corrects = p.number) "
        "FROM posting p JOIN entry e ON e.id = p.entry_id "
        "WHERE p.clock_id = ANY(:clocks) AND p.kind <> 'reversal' ORDER BY p.clock_sequence DESC",
        clocks=list(clocks),
    )
    return [Breached(*row) for row in rows]


def insert_postings(work: Work, rows: Sequence[dict[str, Any]]) -> None:
    """Appends postings, each a leaf. A number or a step that exists already is an error: the caller has looked.

    `rows`: see `leaves.put_postings`; some have the columns `RARE`, then all get them.
    """
    if any("amount" in row for row in rows):
        none = dict.fromkeys(RARE)
        rows = [none | row for row in rows]
    leaves.put_postings(work, rows)


def act_posted(work: Work, id_: str, key: str) -> bool:
    """Whether the act with this key is posted under an entry (a locked one: else it may be stale)."""
    return bool(
        work.execute(
            "SELECT 1 AS found FROM posting WHERE entry_id = CAST(:id AS uuid) AND cause = :key "
            "AND case_sequence IS NULL AND clock_id IS NULL",
            id=id_,
            key=key,
        )
    )


def postings_of(work: Work, id_: str) -> list[dict[str, Any]]:
    """The postings of an entry by number, with `words`: their free text, None where there is none (any more)."""
    rows = work.execute(
        "SELECT p.*, t.words FROM posting p LEFT JOIN posting_text t USING (entry_id, number) "
        "WHERE entry_id = CAST(:id AS uuid) ORDER BY number",
        id=id_,
    ).mappings()
    return [dict(row) for row in rows]


def history_of(work: Work, item: str) -> list[list[dict[str, Any]]]:
    """The postings of a matter by number, an entry a year, the newest last."""
    rows = work.execute(
        "SELECT p.*, e.year FROM entry e JOIN posting p ON p.entry_id = e.id "
        "WHERE e.item = CAST(:item AS uuid) ORDER BY e.year, p.number",
        item=item,
    ).mappings()
    return [list(lines) for _, lines in groupby(rows, key=itemgetter("year"))]
