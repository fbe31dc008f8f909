"""Answers as Open311 has them: XML and JSON of the same document, and refusals. Pure.

JSON follows the specification's Spark convention: the root falls away, lists stay lists. In XML every list names its
items, and there are no namespaces.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from xml.etree import ElementTree

import orjson
from werkzeug.wrappers import Response

from jiayuan.chassis.errors import Problem

XML: Final = "xml"
JSON: Final = "json"
_TYPES: Final = {XML: "text/xml; charset=utf-8", JSON: "application/json; charset=utf-8"}
_DECLARATION: Final = b'<?xml version="1.0" encoding="utf-8"?>\n'
# What the items of a list are called in XML.
_ITEM: Final = {
    "services": "service",
    "attributes": "attribute",
    "values": "value",
    "service_requests": "request",
    "service_request_updates": "request_update",
    "errors": "error",
    "endpoints": "endpoint",
    "formats": "format",
    "notes": "note",
}
# An empty element is no date and no number: readers of XML that convert by type would stumble over it.
_LEFT_OUT: Final = frozenset({"expected_datetime", "updated_datetime", "lat", "long", "closed_datetime"})
# What XML 1.0 can't carry, however it is written.
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def form_of(path: str) -> str:
    """The format that a path asks for by its suffix; XML where it asks for none, since that one is mandatory."""
    return JSON if path.endswith(".json") else XML


def w3c(at: datetime | None) -> str | None:
    """A W3CDTF time in UTC to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at is not None else None


def answer(
    form: str, root: str, document: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A document in the format asked for. Anybody's web page may read it: no cookie is behind it."""
    if form == JSON:
        body = orjson.dumps(document, default=str)
    else:
        body = _DECLARATION + ElementTree.tostring(_element(root, document), encoding="unicode").encode()
    extra = {"Access-Control-Allow-Origin": "*", **(headers or {})}
    return Response(body, status=status, headers=extra, content_type=_TYPES[form])


def _element(name: str, value: Any) -> ElementTree.Element:
    made = ElementTree.Element(name)
    if isinstance(value, Mapping):
        made.extend(
            _element(key, inner) for key, inner in value.items() if inner is not None or key not in _LEFT_OUT
        )
    elif isinstance(value, Sequence) and not isinstance(value, str):
        made.extend(_element(_ITEM.get(name, "item"), inner) for inner in value)
    elif isinstance(value, bool):
        made.text = "true" if value else "false"
    elif value is not None:
        made.text = _NOT_XML.sub("\ufffd", str(value))
    return made


class Refused(Problem):
    """A refusal with all of its errors: (code, description). The HTTP status is the gravest of the codes."""

    def __init__(self, errors: Sequence[tuple[int, str]]) -> None:
        self.errors = list(errors)
        # A missing key first: who may not ask is told nothing else. Then what doesn't exist, then what is wrong.
        codes = {code for code, _ in errors}
        status = next(code for code in (403, 404, 400, *sorted(codes)) if code in codes)
        super().__init__(status, "Refused", "; ".join(said for _, said in errors))


def refusal(path: str, error: Problem) -> Response:
    """Any refusal under the prefix, in the format of the path. Codes of the body are those of HTTP."""
    if isinstance(error, Refused):
        said = error.errors
    else:
        fields = [
            f"{p.field} {p.problem}" + (f"; allowed: {p.allowed}" if p.allowed else "")
            for p in error.problems
        ]
        said = [(error.status, f) for f in fields] or [
            (error.status, f"{error.title}: {error.detail}" if error.detail else error.title)
        ]
    headers = dict(error.headers)
    if error.status == 503:
        headers.setdefault("Retry-After", "2")
    errors = [{"code": code, "description": description} for code, description in said]
    return answer(form_of(path), "errors", errors, error.status, headers)
