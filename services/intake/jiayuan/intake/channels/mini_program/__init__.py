"""`/mini-program`: the citizens' app in WeChat. See docs/channels/mini_program.md."""

from __future__ import annotations

from typing import Any

from jiayuan.chassis.service import http

from ... import limits
from ..adapter import Adapter
from . import api

_SIGN_IN = limits.Limited(api.CHANNEL, "sign_in")
_WRITE = limits.Limited(api.CHANNEL, "write")
_ADD = limits.Limited(api.CHANNEL, "add")
_READ = limits.Limited(api.CHANNEL, "read")
_CITIZEN = ("citizen",)

ADAPTER = Adapter(
    name="mini_program",
    title="The mini-program 微信小程序",
    channels=(api.CHANNEL,),
    ways=("POST /mini-program/reports", "GET /mini-program/reports"),
    roles=_CITIZEN,
    trusts="WeChat's `code2session` for who it is, and our own token for two hours after; nothing that the body "
    "says of who sends it",
    key="the header `Idempotency-Key`, the citizen's own: sent again within 30 days, the first answer comes "
    "again (200 instead of 201); with another body 409",
    wrong="422 with each field, what was wrong and what is allowed; 409 what is well-formed but not possible as"
    " things are (a slot that is full, a photo that is not here); 429 with `retry_at`; all are problem "
    "documents (RFC 9457), and nothing was taken",
)


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
