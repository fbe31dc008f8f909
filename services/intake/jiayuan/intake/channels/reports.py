"""`/reports`: one report by HTTP, and what its reporter and staff may ask of it and add to it."""

from __future__ import annotations

from typing import Any

from jiayuan.chassis.service import http

from .. import api


class Reports:
    """The entrypoints."""

    delivery: Any

    @http("POST", "/reports")
    def report(self, call: Any) -> Any:
        """A new report."""
        return api.submit(self.delivery, call)

    @http("GET", "/reports", roles=api.FIND)
    def find(self, call: Any) -> Any:
        """A report by its tracking code, for staff whom somebody tells it."""
        return api.find(self.delivery, call)

    @http("GET", "/reports/<string:report>")
    def show(self, call: Any, report: str) -> Any:
        """A report, for whoever has its tracking code, and for staff."""
        return api.show(self.delivery, call, report)

    @http("POST", "/reports/<string:report>/supplements")
    def supplement(self, call: Any, report: str) -> Any:
        """The reporter adds something."""
        return api.supplement(self.delivery, call, report)

    @http("POST", "/reports/<string:report>/withdrawal")
    def withdraw(self, call: Any, report: str) -> Any:
        """The reporter takes it back."""
        return api.withdraw(self.delivery, call, report)

    @http("POST", "/reports/<string:report>/rating")
    def rate(self, call: Any, report: str) -> Any:
        """The reporter says whether it is solved."""
        return api.rate(self.delivery, call, report)
