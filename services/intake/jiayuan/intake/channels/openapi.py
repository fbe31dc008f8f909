"""`/openapi.json`: the document of the whole interface, as it was generated."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import Any

from werkzeug.wrappers import Response

from jiayuan.chassis.service import http

from .. import limits


@lru_cache(maxsize=1)
def _bytes() -> bytes:
    return files("jiayuan.intake").joinpath("data/openapi.json").read_bytes()


class OpenApi:
    """The entrypoint."""

    @http("GET", "/openapi.json", before=limits.Limited("openapi", "read"))
    def openapi(self, call: Any) -> Any:
        """This document."""
        response = Response(_bytes(), content_type="application/json; charset=utf-8")
        response.headers["Cache-Control"] = "public, max-age=3600"
        response.add_etag()
        return response.make_conditional(call)
