"""The OpenAPI 3.1 document of intake's HTTP interface, made from the entrypoints, the schemas and `OPERATIONS`.

    python -m jiayuan.intake.interface.document            # writes data/openapi.json, which /openapi.json serves
    python -m jiayuan.intake.interface.document --check    # exit code 1 when it differs

Needs apispec, which only the development environment has.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any, Final

from jiayuan.chassis import operation
from jiayuan.chassis.openapi import TOKEN, Interface

from .. import consent, report, text
from . import categories, desk, mini_program, open311, places, privacy, reports, staff
from .answers import Problem

FILE: Final = Path(__file__).resolve().parents[1] / "data/openapi.json"
_PARTS: Final = (categories, reports, mini_program, places, staff, desk, privacy, open311)


# -- what the schemas can't say -----------------------------------------------------------------------


def _refined(components: dict[str, Any]) -> dict[str, Any]:
    """With what cleaning a report checks beyond the schemas."""
    rules = report.rules()
    codes = sorted(rules.catalogue.categories)
    for name, schema in components.items():
        members = schema["properties"]
        if schema.get("additionalProperties") is not False:
            continue  # an answer
        if "text" in schema.get("required", ()) and members["text"].get("maxLength") == 8000:
            members["text"]["pattern"] = visible()
        if "category" in members and "enum" not in members["category"] and "text" in members:
            members["category"] = {
                "enum": [*codes, None],
                "description": members["category"].get("description", ""),
            }
        if members.keys() == {"code", "reason"}:
            members["code"] = {"enum": codes}
            members["reason"]["pattern"] = visible()
        if {"lat", "long"} <= members.keys():
            schema["allOf"] = [{"anyOf": _BOTH_OR_NONE}]
            if "code" in members:
                members["code"]["pattern"] = f"^{rules.gazetteer.county}[0-9A-Za-z._:\\-]{{0,58}}$"
        if {"solved", "satisfaction"} <= members.keys():
            schema["anyOf"] = _SAYS_SOMETHING
        if "confirm" in members:
            members["confirm"] = {"const": True}
        if "consent" in members:
            members["consent"] = {
                "enum": [*consent.versions(), "", None],
                "description": "The version agreed to.",
            }
        for member in ("attachments", "photos"):
            if member in members and name != "Draft":  # of a draft no file is looked for
                members[member]["uniqueItems"] = True
    return components


_SAYS_SOMETHING: Final = [
    {"properties": {"solved": {"type": "boolean"}}},
    {"properties": {"satisfaction": {"enum": [1, 2, 3, 4, 5]}}, "required": ["satisfaction"]},
]
_BOTH_OR_NONE: Final = [
    {"properties": {"lat": {"type": "null"}, "long": {"type": "null"}}},
    {"properties": {"lat": {"type": "number"}, "long": {"type": "number"}}, "required": ["lat", "long"]},
]


@cache
def visible() -> str:
    """A pattern: there is a character that the normal form keeps, which is all that a text needs to be one."""
    unseen = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000 and not text.normal(chr(c))]
    ranges: list[list[int]] = []
    for c in unseen:
        if ranges and ranges[-1][1] == c - 1:
            ranges[-1][1] = c
        else:
            ranges.append([c, c])
    return "[^" + "".join(_char(a) if a == b else f"{_char(a)}-{_char(b)}" for a, b in ranges) + "]"


def _char(code: int) -> str:
    return f"\\u{code:04x}" if code < 0x10000 else chr(code)


def interface() -> Interface:
    """Intake's interface."""
    from ..service import IntakeService

    return Interface(
        service=IntakeService,
        title="Jiayuan 數智家園: intake",
        description="Reports of citizens, by every channel that speaks HTTP. Every refusal is a problem "
        "document (RFC 9457), or what the channel's own specification has. Answers may grow: ignore members "
        "that you don't know.",
        parts=(*(part.OPERATIONS for part in _PARTS), operation.SERVICE),
        problem=Problem,
        security={
            "token": {
                **TOKEN,
                "description": "A citizen's, from POST /mini-program/sessions, or one of staff.",
            },
            "trackingCode": {
                "type": "apiKey",
                "in": "header",
                "name": "X-Tracking-Code",
                "description": "The report's tracking code; `?code=` does as well.",
            },
        },
        path={
            "report": {"description": "The report's id."},
            "digest": {"description": "SHA-256 of the file as it is kept, 64 hexadecimal digits."},
            "code": {"description": "A code: a report's tracking code, or a service point's."},
        },
        refine=_refined,
    )


def main(arguments: list[str] | None = None) -> int:
    """The command. Exit code 1 when `--check` finds a difference."""
    return interface().main(FILE, "jiayuan.intake.interface.document", arguments)


if __name__ == "__main__":
    sys.exit(main())
