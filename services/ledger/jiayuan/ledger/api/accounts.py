"""The account of a year."""

from __future__ import annotations

from typing import Any

from jiayuan.chassis.service import http

from .. import store
from ..account import account as account_of
from .common import STAFF, argument, wrong, year_of
from .entries import returned


class Accounts:
    """The entrypoints."""

    delivery: Any

    @http("GET", "/accounts/<int:year>/summary")
    def summary(self, _call: Any, year: int) -> Any:
        """The public figures of a year."""
        return summary(self.delivery, year)

    @http("GET", "/accounts/<int:year>", roles=STAFF)
    def account(self, call: Any, year: int) -> Any:
        """The account of a year by street or unit: ?by=street|unit&street=CODE."""
        return account(self.delivery, call, year)

    @http("GET", "/accounts/<int:year>/returning", roles=STAFF)
    def returning(self, call: Any, year: int) -> Any:
        """老大难: entries whose matters were written off before, the most often first; ?street=CODE."""
        street = argument(call, "street")
        with self.delivery.work() as work:
            found = store.returning(work, year_of(year), street=street)
        return {
            "year": year,
            "entries": [
                {"entry": r.id, "item": r.item, "title": r.title, "street": r.street, "category": r.category}
                | returned(r)
                for r in found
            ],
        }


def summary(delivery: Any, year: int) -> dict[str, Any]:
    """The figures of a year, in all and by street: for everybody."""
    with delivery.work() as work:
        found = account_of(year, "street", None, store.figures(work, year_of(year), "street", None))
    return {
        "year": year,
        **found.total.document(),
        "balances": found.balances,
        "streets": [{"street": line.key, **line.document()} for line in found.lines],
    }


def account(delivery: Any, call: Any, year: int) -> dict[str, Any]:
    """The account of a year, line by line. Problem 400 for an unknown `by`."""
    by = argument(call, "by") or "street"
    if by not in ("street", "unit"):
        raise wrong("by", f"is {by!r:.40}", "one of street, unit")
    street = argument(call, "street")
    with delivery.work() as work:
        return account_of(year, by, street, store.figures(work, year_of(year), by, street)).document()
