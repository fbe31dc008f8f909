"""`/openapi.json`: the document of the whole interface, as it was generated."""

from __future__ import annotations

from typing import Any

from jiayuan.chassis import openapi
from jiayuan.chassis.service import http

from .. import limits


class OpenApi:
    """The entrypoint."""

    @http("GET", "/openapi.json", before=limits.Limited("openapi", "read"))
    def openapi(self, call: Any) -> Any:
        """This document."""
        return openapi.answer("jiayuan.intake", call)
