"""Entries with their postings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.service import http
from jiayuan.contracts.times import iso

from .. import store
from ..entry import Entry, posting_data
from ..write_off import CONFIRMED
from .common import STAFF, YEARS, argument, number, uuid_of, wrong

MOST: Final = 200
_PAGE: Final = 50


class Entries:
    """The entrypoints."""

    delivery: Any

    @http("GET", "/entries", roles=STAFF)
    def entries(self, call: Any) -> Any:
        """Entries: ?case=…|street=…|year=…, &after=ID&limit=N."""
        return entries(self.delivery, call)

    @http("GET", "/entries/<string:entry>", roles=STAFF)
    def entry(self, _call: Any, entry: str) -> Any:
        """One entry with its postings."""
        return entry_of(self.delivery, entry)


def entries(delivery: Any, call: Any) -> dict[str, Any]:
    """Entries in the order of their ids; `next` is the `after` of the next page, or None on the last."""
    case, street = argument(call, "case"), argument(call, "street")
    year = number(call, "year", YEARS)
    if case is None and street is None and year is None:
        raise wrong("case", "nothing to look for", "at least one of case, street, year")
    after = argument(call, "after")
    if after is not None and uuid_of(after) is None:
        raise wrong("after", f"is {after!r:.40}", "the id of an entry")
    limit = number(call, "limit", range(1, MOST + 1)) or _PAGE
    with delivery.work() as work:
        found = store.find_entries(work, case=case, street=street, year=year, after=after, limit=limit + 1)
    page = found[:limit]
    return {
        "entries": [document(e) for e in page],
        "next": page[-1].id if len(found) > limit else None,
    }


def entry_of(delivery: Any, id_: str) -> dict[str, Any]:
    """One entry and its postings by number. Problem 404 when there is none."""
    known = uuid_of(id_)
    with delivery.work() as work:
        found = store.get_entry(work, known) if known else None
        if found is None:
            raise Problem(404, "There is no such entry")
        return whole(work, found)


def whole(work: Any, found: Entry) -> dict[str, Any]:
    """An entry with its postings by number, and how often its matter has returned."""
    again = store.returned(work, found)
    return {
        **document(found),
        "returned": returned(again) if again else None,
        "postings": [_posting(row) for row in store.postings_of(work, found.id)],
    }


def returned(found: store.Returned) -> dict[str, Any]:
    """How often a matter was written off before, since which year, and by which entries."""
    return {"times": found.times, "first_year": found.first_year, "earlier": found.earlier}


def document(found: Entry) -> dict[str, Any]:
    """An entry as JSON: that of the events, and what staff want to know beside it."""
    silent = found.confirmed in CONFIRMED
    return {
        **found.data(),
        "case_number": found.case_number,
        "case_state": found.case_state,
        "confirmed": found.confirmed,
        # Closed, yet still in the account: the citizen didn't confirm; or was silent, and nobody has looked at it.
        "unsatisfied": found.state == "open" and found.case_state == "closed" and not silent,
        "uninspected": found.state == "open" and found.case_state == "closed" and silent,
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
