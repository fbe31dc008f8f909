"""The routing service: entrypoints only."""

from __future__ import annotations

from typing import Any

from jiayuan.chassis.service import Delivery, Service, http
from jiayuan.chassis.web import Call

from . import api, handlers, store

STAFF = ("grid_worker", "grid_leader", "grid_chief", "desk", "unit_clerk", "county", "operator", "service")
ASSIGNEES = ("grid_worker", "grid_leader", "grid_chief", "desk", "unit_clerk", "county")
DESKS = ("desk", "county")


class RoutingService(Service):
    """Opens cases, hands them out, and takes what assignees do."""

    name = "routing"
    delivery = Delivery(store.metadata, handlers.HANDLERS)

    @http("GET", "/cases/<string:case>", roles=STAFF)
    def show(self, call: Call, case: str) -> Any:
        """A case by id or number, with its steps."""
        return api.show(self.delivery, call, case)

    @http("GET", "/cases", roles=STAFF)
    def of_report(self, call: Call) -> Any:
        """The case that a report is in."""
        return api.of_report(self.delivery, call)

    @http("GET", "/legs", roles=STAFF)
    def legs(self, call: Call) -> Any:
        """What the caller has been given; the county's people see everybody's too."""
        return api.legs(self.delivery, call)

    @http(
        "POST",
        "/cases/<string:case>/legs/<string:leg>/<any(accept, answer, return, resolve):action>",
        roles=ASSIGNEES,
    )
    def move(self, call: Call, case: str, leg: str, action: str) -> Any:
        """The assignee accepts, answers, returns or resolves."""
        return api.move(self.delivery, call, case, leg, action)

    @http("POST", "/cases/<string:case>/legs/<string:leg>/release", roles=DESKS)
    def release(self, call: Call, case: str, leg: str) -> Any:
        """The desk lets an assistant off."""
        return api.release(self.delivery, call, case, leg)

    @http("POST", "/cases/<string:case>/assignments", roles=DESKS)
    def assign(self, call: Call, case: str) -> Any:
        """The desk gives the case to a person, or whistles units."""
        return api.assign(self.delivery, call, case)

    @http("GET", "/directory/grids/<string:code>", roles=STAFF)
    def grid(self, call: Call, code: str) -> Any:
        """A grid and its people."""
        return api.grid(self.delivery, call, code)

    @http("GET", "/directory/units", roles=STAFF)
    def units(self, call: Call) -> Any:
        """The member units."""
        return api.units(self.delivery, call)
