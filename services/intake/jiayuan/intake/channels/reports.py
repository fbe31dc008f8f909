"""`/reports`: one report by HTTP, and what its reporter and staff may ask of it and add to it."""

from __future__ import annotations

from typing import Any, Final

from jiayuan.chassis.service import http

from .. import api, limits
from .adapter import Adapter
from .claims import ANYBODY, CLAIMS

ADAPTER: Final = Adapter(
    name="reports",
    title="Reports by HTTP 訴求接口",
    channels=tuple(CLAIMS),
    ways=("POST /reports",),
    roles=ANYBODY,
    trusts="nobody for a channel but those who answer for it; a phone number is a claim, and the answers go to it",
    key="`Idempotency-Key`, by the signed-in caller, else by the contact; kept for 30 days",
    wrong="422 naming each field, what is wrong and what is allowed; 403 for a channel that isn't the caller's; 409 "
    "for a key that was used for another body",
)

_WRITE = limits.Limited("reports", "write")
_ADD = limits.Limited("reports", "add")
_READ = limits.Limited("reports", "read")


class Reports:
    """The entrypoints."""

    delivery: Any

    @http("POST", "/reports", before=_WRITE)
    def report(self, call: Any) -> Any:
        """A new report."""
        return api.submit(self.delivery, call)

    @http("GET", "/reports", roles=api.FIND, before=_READ)
    def find(self, call: Any) -> Any:
        """A report by its tracking code, for staff whom somebody tells it."""
        return api.find(self.delivery, call)

    # As long as an id, so that a neighbour of it (/reports/likely) isn't taken for one.
    @http("GET", "/reports/<string(length=36):report>", before=_READ)
    def show(self, call: Any, report: str) -> Any:
        """A report, for whoever has its tracking code, and for staff."""
        return api.show(self.delivery, call, report)

    @http("GET", "/track/<string:code>", before=_READ)
    def track(self, call: Any, code: str) -> Any:
        """A report, for whoever has its tracking code and knows no id."""
        return api.track(self.delivery, call, code)

    @http("POST", "/reports/<string:report>/supplements", before=_ADD)
    def supplement(self, call: Any, report: str) -> Any:
        """The reporter adds something."""
        return api.supplement(self.delivery, call, report)

    @http("POST", "/reports/<string:report>/withdrawal", before=_ADD)
    def withdraw(self, call: Any, report: str) -> Any:
        """The reporter takes it back."""
        return api.withdraw(self.delivery, call, report)

    @http("POST", "/reports/<string:report>/rating", before=_ADD)
    def rate(self, call: Any, report: str) -> Any:
        """The reporter says whether it is solved."""
        return api.rate(self.delivery, call, report)
