"""`/public`: what everybody may read."""

from __future__ import annotations

from typing import Any, ClassVar

from jiayuan.chassis.service import http

from .. import limits, public

_READ = limits.Limited("public", "read")


class Public:
    """The entrypoints."""

    delivery: Any
    pages: ClassVar[public.Pages] = public.Pages()

    @http("GET", "/public/reports", before=_READ)
    def public_reports(self, call: Any) -> Any:
        """A page of reports: category, community, status, times."""
        return public.page(self.delivery, call, self.pages)
