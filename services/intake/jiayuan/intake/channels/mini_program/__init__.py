"""`/mini-program`: the citizens' app in WeChat. See docs/channels/mini_program.md."""

from __future__ import annotations

from typing import Any

from jiayuan.chassis.service import http

from ... import limits
from . import api

_SIGN_IN = limits.Limited(api.CHANNEL, "sign_in")
_WRITE = limits.Limited(api.CHANNEL, "write")
_ADD = limits.Limited(api.CHANNEL, "add")
_READ = limits.Limited(api.CHANNEL, "read")
_CITIZEN = ("citizen",)


class MiniProgram:
    """The entrypoints."""

    delivery: Any

    @http("POST", "/mini-program/sessions", before=_SIGN_IN)
    def mini_program_sign_in(self, call: Any) -> Any:
        """A citizen signs in with a code of wx.login."""
        return api.sign_in(self.delivery, call)

    @http("POST", "/mini-program/reports", roles=_CITIZEN, before=_WRITE)
    def mini_program_report(self, call: Any) -> Any:
        """A new report, question, dispute or wish."""
        return api.submit(self.delivery, call)

    @http("GET", "/mini-program/reports", roles=_CITIZEN, before=_READ)
    def mini_program_reports(self, call: Any) -> Any:
        """What the citizen has reported."""
        return api.mine(self.delivery, call)

    @http("GET", "/mini-program/service-points", before=_READ)
    def mini_program_points(self, call: Any) -> Any:
        """Service points, the nearest first."""
        return api.points(self.delivery, call)

    @http("GET", "/mini-program/service-points/<string:code>/slots", before=_READ)
    def mini_program_slots(self, call: Any, code: str) -> Any:
        """When a point can be booked."""
        return api.slots(self.delivery, call, code)

    @http("POST", "/mini-program/bookings", roles=_CITIZEN, before=_WRITE)
    def mini_program_book(self, call: Any) -> Any:
        """An appointment."""
        return api.book(self.delivery, call)

    @http("GET", "/mini-program/bookings", roles=_CITIZEN, before=_READ)
    def mini_program_bookings(self, call: Any) -> Any:
        """The citizen's appointments."""
        return api.booked(self.delivery, call)

    @http("POST", "/mini-program/bookings/<string:report>/cancellation", roles=_CITIZEN, before=_ADD)
    def mini_program_cancel(self, call: Any, report: str) -> Any:
        """The citizen doesn't come."""
        return api.cancel(self.delivery, call, report)

    @http("POST", "/mini-program/bookings/<string:report>/move", roles=_CITIZEN, before=_WRITE)
    def mini_program_move(self, call: Any, report: str) -> Any:
        """The citizen comes at another time."""
        return api.move(self.delivery, call, report)
