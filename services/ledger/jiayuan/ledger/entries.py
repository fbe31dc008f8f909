"""What staff does with entries, each act in a transaction of its caller.

Lists and meetings open entries by `open_entry` as well: a decision or a line of a list has one entry, however often it
is asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from jiayuan.chassis.work import Work
from jiayuan.contracts.check import FieldProblem

from . import store
from .entry import Entry, Posted
from .handlers import append
from .posting import Act, NotPossible, Opening
from .posting import open_entry as opened
from .write_off import History

log = logging.getLogger("jiayuan.ledger.entries")

Doing = Callable[[Entry, History], Posted]


def open_entry(work: Work, what: Opening, act: Act, *, traceparent: str = "") -> tuple[Entry, bool]:
    """The entry of a decision or a demand, and whether it is new. NotPossible."""
    closed = store.hold(work)
    entry, posted = opened(what, act, closed)
    if not store.insert_whole(work, [entry]):
        known = store.entry_of_source(work, what.source, what.source_id)
        assert known is not None  # the constraint on the source is the only one that it can have met
        return known, False
    append(work, [posted], traceparent=traceparent)
    _say(posted, act)
    return entry, True


def act_on(
    work: Work,
    id_: str,
    act: Act,
    do: Doing,
    *,
    may: Callable[[Entry], None] = lambda _entry: None,
    traceparent: str = "",
) -> Entry | None:
    """Does something with an entry, once an `act.key`; the entry after it, or None when there is none.

    `may` raises when the entry is not the caller's. NotPossible when the entry doesn't allow it.
    """
    closed = store.hold(work)
    entry = store.lock_entry(work, id_)
    if entry is None:
        return None
    may(entry)
    if not store.act_posted(work, id_, act.key):
        newest = store.newest_of(work, entry.item)
        if newest.id != entry.id:
            raise NotPossible(_goes_on(entry, newest))
        if entry.year in closed:
            raise NotPossible(
                FieldProblem(
                    "entry",
                    f"the books of {entry.year} are closed",
                    "reopen them; or correct it in a year that is open, by an entry of its own",
                )
            )
        posted = do(entry, store.history_of(work, entry.item))
        store.update_entry(work, entry)
        append(work, [posted], traceparent=traceparent)
        _say(posted, act)
    return entry


def _goes_on(entry: Entry, newest: Entry) -> FieldProblem:
    return FieldProblem("entry", f"of {entry.year} goes on in {newest.year}", newest.id)


def _say(posted: Posted, act: Act) -> None:
    row: dict[str, Any] = posted.row
    log.info(
        "posted by staff",
        extra={"entry": row["entry_id"], "number": row["number"], "kind": row["kind"], "who": act.who},
    )
