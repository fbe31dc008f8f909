"""`/reports/likely` and `/joins`: which reports are about one matter, before sending and at the desk."""

from __future__ import annotations

from typing import Any

from jiayuan.chassis.service import http

from .. import limits, matters_api

_READ = limits.Limited("matters", "read")
_DECIDE = limits.Limited("matters", "write")


class Matters:
    """The entrypoints."""

    delivery: Any

    @http("POST", "/reports/likely", before=_READ)
    def likely(self, call: Any) -> Any:
        """What a draft may be a repetition of; nothing is stored."""
        return matters_api.likely(self.delivery, call)

    @http("GET", "/joins", roles=matters_api.DESK, before=_READ)
    def joins(self, call: Any) -> Any:
        """Questions to the desk, and what was joined."""
        return matters_api.listed(self.delivery, call)

    @http("POST", "/joins", roles=matters_api.DESK, before=_DECIDE)
    def join(self, call: Any) -> Any:
        """Two reports are about one matter, because a person says so."""
        return matters_api.join(self.delivery, call)

    @http("POST", "/joins/<string:report>/decision", roles=matters_api.DESK, before=_DECIDE)
    def decide(self, call: Any, report: str) -> Any:
        """The desk's answer to a question."""
        return matters_api.decide(self.delivery, call, report)

    @http("POST", "/joins/<string:report>/undo", roles=matters_api.DESK, before=_DECIDE)
    def undo(self, call: Any, report: str) -> Any:
        """A join was wrong."""
        return matters_api.undo(self.delivery, call, report)

    @http("GET", "/hotspots", roles=matters_api.HOTSPOTS, before=_READ)
    def hotspots(self, call: Any) -> Any:
        """What many people say about one thing, as `jiayuan intake hotspots --keep` found it last."""
        return matters_api.hotspots(self.delivery, call)
