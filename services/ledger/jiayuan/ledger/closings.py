"""Closing the books of a year or a quarter, and opening them again: proposed by one, approved by another.

An approval is one transaction: the act is kept with the figures as they stand, and what is open in a year is carried
forward into the next. A process that dies in the middle has closed nothing.
"""

from __future__ import annotations

import logging
import secrets
from typing import Any, Final

from jiayuan.chassis.redact import mask
from jiayuan.chassis.work import Work
from jiayuan.contracts.ids import new_id
from jiayuan.contracts.times import iso

from . import listing, store
from .account import account
from .closing import NotNow, Period, decide, digest_of, pending, propose
from .entry import Entry, Posted, carry_forward
from .handlers import append
from .leaf import SALT_BYTES, text_digest

log = logging.getLogger("jiayuan.ledger.closings")

LEAF: Final = "closing/2"
# Of acts before there was a salt, whose leaves are in the tree for good.
UNSALTED: Final = "closing/1"
_PAGE: Final = 1000


def figures_of(work: Work, period: Period) -> dict[str, Any]:
    """The account of the period's year as it stands, by street and by unit."""
    by_street, by_unit = (
        account(period.year, by, None, store.figures(work, period.year, by, None)).document()
        for by in ("street", "unit")
    )
    return {
        "year": period.year,
        "total": by_street["total"],
        "streets": by_street["lines"],
        "units": by_unit["lines"],
        "balances": by_street["balances"] and by_unit["balances"],
    }


def ask(work: Work, period: Period, who: str, reason: str, *, reopening: bool = False) -> store.Closing:
    """Proposes to close a period, or to reopen it. NotNow."""
    closed = store.hold_alone(work)
    acts = store.acts_of(work, period)
    years = store.years_with_entries(work)
    act = propose(
        period,
        store.as_acts(acts),
        work.now,
        reopening=reopening,
        open_before=[] if period.quarter else [y for y in years if y < period.year and y not in closed],
        closed_after=[] if period.quarter else [y for y in closed if y > period.year],
    )
    return _keep(work, period, acts, act, who, reason)


def answer(
    work: Work,
    period: Period,
    who: str,
    reason: str,
    *,
    approved: bool,
    digest: str | None = None,
    traceparent: str = "",
) -> store.Closing:
    """Approves or refuses what is proposed for a period. NotNow.

    `digest`: of the figures that were looked at; when they have moved since, nothing is approved.
    """
    store.hold_alone(work)
    acts = store.acts_of(work, period)
    act = decide(period, store.as_acts(acts), who, approved=approved)
    if approved and not figures_of(work, period)["balances"]:
        raise NotNow(f"the account of {period.year} does not balance: run jiayuan ledger check {period.year}")
    done = _keep(work, period, acts, act, who, reason, digest)
    if act == "closed" and not period.quarter:
        _carry_forward(work, period.year, done, traceparent)
    elif act == "closed":
        listing.close_quarter(work, str(period), who)
    return done


def _keep(
    work: Work,
    period: Period,
    acts: list[store.Closing],
    act: str,
    who: str,
    reason: str,
    digest: str | None = None,
) -> store.Closing:
    figures = figures_of(work, period)
    found = digest_of(figures)
    if digest is not None and digest != found:
        raise NotNow(f"the figures have moved since they were looked at: their digest is {found}")
    done = store.Closing(
        new_id(),
        str(period),
        len(acts) + 1,
        act,
        who,
        iso(work.now),
        mask(reason),
        figures,
        found,
        secrets.token_bytes(SALT_BYTES),
    )
    store.insert_closing(work, done)
    store.leaves.put(work, [leaf_of(done, store.leaves.hash_of(work))])
    log.info("books", extra={"period": str(period), "act": act, "who": who, "digest": found})
    return done


def leaf_of(closing: store.Closing, hash_id: str) -> dict[str, Any]:
    """An act as a leaf of the tree: the figures by their digest, the reason by a salted one, as it could be guessed."""
    words = {"reason": closing.reason}
    return {
        "leaf": UNSALTED if closing.salt is None else LEAF,
        "id": closing.id,
        "period": closing.period,
        "number": closing.number,
        "act": closing.act,
        "actor": closing.actor,
        "at": closing.at,
        "figures": closing.digest,
        "reason": digest_of(words) if closing.salt is None else text_digest(closing.salt, words, hash_id),
    }


def _carry_forward(work: Work, year: int, closing: store.Closing, traceparent: str) -> None:
    """Carries every open entry of a year into the next one."""
    after: str | None = None
    while left := store.lock_open(work, year, after, _PAGE):
        posted: list[Posted] = []
        new: list[Entry] = []
        for entry in left:
            out, carried, opening = carry_forward(
                entry, year + 1, closing=closing.id, at=closing.at, actor=closing.actor
            )
            posted += (out, opening)
            new.append(carried)
        store.insert_whole(work, new)
        store.update_entries(work, left)
        append(work, posted, traceparent=traceparent)
        # To the outbox page by page, where the sweeper finds them after the commit: a county's events at once would
        # take more memory than the process has.
        work.flush()
        work.emitted.clear()
        after = left[-1].id


def state_of(work: Work, period: Period) -> dict[str, Any]:
    """Whether a period is closed, what waits for an answer, and everything that was done about it."""
    acts = store.acts_of(work, period)
    waiting = pending(store.as_acts(acts))
    figures = figures_of(work, period)
    return {
        "period": str(period),
        "closed": str(period) in store.closed_periods(work),
        "pending": waiting.act if waiting else None,
        "figures": figures,
        "digest": digest_of(figures),
        "acts": [document(act) for act in acts],
    }


def document(closing: store.Closing) -> dict[str, Any]:
    """An act as JSON."""
    told = closing._asdict()
    del told["salt"]
    return {**told, "at": closing.at if isinstance(closing.at, str) else iso(closing.at)}
