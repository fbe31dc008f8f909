"""Gaming and the directory's pages: what is sent; answers are objects
that their pages in docs/routing describe."""

from __future__ import annotations

from typing import Any, Final

from jiayuan.chassis.operation import JSON, Operation, Operations, binary

from ..api import gaming

_ANY: Final[dict[str, Any]] = {JSON: {"schema": {"type": "object"}}}
_XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

OPERATIONS: Final[Operations] = {
    ("GET", "/gaming"): Operation("gaming", {200: _ANY}, query=gaming.GamingQuery),
    ("POST", "/gaming/looks"): Operation("gaming", {201: _ANY}, body=gaming.LookBody, refuses=(404,)),
    ("GET", "/directory/workbook"): Operation("directory", {200: binary(_XLSX)}, refuses=(422,)),
}
