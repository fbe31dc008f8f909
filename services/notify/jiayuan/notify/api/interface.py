"""`/openapi.json`: the document of the whole interface, as it was generated."""

from __future__ import annotations

from typing import Any

from jiayuan.chassis import openapi
from jiayuan.chassis.service import http
from jiayuan.chassis.web import Call


class OpenApi:
    """The entrypoint."""

    @http("GET", "/openapi.json")
    def openapi(self, call: Call) -> Any:
        """This document."""
        return openapi.answer("jiayuan.notify", call)
