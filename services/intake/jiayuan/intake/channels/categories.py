"""`PUT /reports/<id>/category`: the desk puts a report's category right."""

from __future__ import annotations

from typing import Any

from jiayuan.chassis.service import http

from .. import corrections, limits

_CORRECT = limits.Limited("reports", "write")


class Categories:
    """The entrypoint."""

    delivery: Any

    @http("PUT", "/reports/<string:report>/category", roles=corrections.DESK, before=_CORRECT)
    def correct_category(self, call: Any, report: str) -> Any:
        """Another category, with the reason."""
        return corrections.correct(self.delivery, call, report)
