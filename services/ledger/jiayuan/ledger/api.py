"""HTTP: the account and its entries."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Final

from jiayuan.chassis.errors import Problem
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.times import iso

from . import store
from .account import account as account_of
from .entry import Entry, posting_data

YEARS: Final = range(2000, 3000)
MOST: Final = 200
_PAGE: Final = 50


def summary(delivery: Any, year: int) -> dict[str, Any]:
    """The figures of a year, in all and by street: for everybody."""
    with delivery.work() as work:
        found = account_of(year, "street", None, store.figures(work, _year(year), "street", None))
    return {
        "year": year,
        **found.total.document(),
        "balances": found.balances,
        "streets": [{"street": line.key, **line.document()} for line in found.lines],
    }


def account(delivery: Any, call: Any, year: int) -> dict[str, Any]:
    """The account of a year, line by line. Problem 400 for an unknown `by`."""
    by = _argument(call, "by") or "street"
    if by not in ("street", "unit"):
        raise _wrong("by", f"is {by!r:.40}", "one of street, unit")
    street = _argument(call, "street")
    with delivery.work() as work:
        return account_of(year, by, street, store.figures(work, _year(year), by, street)).document()


def entries(delivery: Any, call: Any) -> dict[str, Any]:
    """Entries in the order of their ids; `next` is the `after` of the next page, or None on the last."""
    case, street = _argument(call, "case"), _argument(call, "street")
    year = _number(call, "year", YEARS)
    if case is None and street is None and year is None:
        raise _wrong("case", "nothing to look for", "at least one of case, street, year")
    after = _argument(call, "after")
    if after is not None and _uuid(after) is None:
        raise _wrong("after", f"is {after!r:.40}", "the id of an entry")
    limit = _number(call, "limit", range(1, MOST + 1)) or _PAGE
    with delivery.work() as work:
        found = store.find_entries(work, case=case, street=street, year=year, after=after, limit=limit + 1)
    page = found[:limit]
    return {
        "entries": [document(e) for e in page],
        "next": page[-1].id if len(found) > limit else None,
    }


def entry(delivery: Any, id_: str) -> dict[str, Any]:
    """One entry and its postings by number. Problem 404 when there is none."""
    known = _uuid(id_)
    with delivery.work() as work:
        found = store.get_entry(work, known) if known else None
        if found is None:
            raise Problem(404, "There is no such entry")
        postings = store.postings_of(work, found.id)
    return {**document(found), "postings": [_posting(row) for row in postings]}


def document(found: Entry) -> dict[str, Any]:
    """An entry as JSON: that of the events, and what staff want to know beside it."""
    return {
        **found.data(),
        "case_number": found.case_number,
        "case_state": found.case_state,
        "confirmed": found.confirmed,
        # Closed, yet still in the account: the citizen didn't confirm.
        "unsatisfied": found.state == "open" and found.case_state == "closed",
        "postings": found.postings,
    }


def _posting(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **posting_data({**row, "entry_id": str(row["entry_id"]), "at": iso(row["at"])}),
        "posted_at": iso(row["posted_at"]),
        "clock": row["clock_id"],
        "unit": row["unit"],
        "moved": {k: row[k] for k in ("opening", "entered", "written_off")},
        "facts": row["facts"],
        "cause": row["cause"],
    }


def _wrong(field: str, problem: str, allowed: str) -> Problem:
    return Problem(400, "The query is not usable", problems=[FieldProblem(field, problem, allowed)])


def _argument(call: Any, name: str) -> str | None:
    value = call.args.get(name)
    if not value:
        return None
    if len(value) > 128 or "\x00" in value:
        raise _wrong(name, "is too long or holds U+0000", "at most 128 characters")
    return str(value)


def _number(call: Any, name: str, allowed: range) -> int | None:
    value = _argument(call, name)
    if value is None:
        return None
    if not value.isascii() or not value.isdigit() or int(value) not in allowed:
        raise _wrong(name, f"is {value!r:.40}", f"a whole number from {allowed[0]} to {allowed[-1]}")
    return int(value)


def _year(year: int) -> int:
    if year not in YEARS:
        raise Problem(404, "There is no account of this year")
    return year


def _uuid(value: str) -> str | None:
    try:
        return str(uuid.UUID(value))
    except ValueError:
        return None
