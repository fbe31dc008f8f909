"""Desk, gaming, policies and the directory's pages: what is sent; answers are objects
that their pages in docs/routing describe."""

from __future__ import annotations

from typing import Any, Final

from jiayuan.chassis.operation import JSON, Operation, Operations, binary

from ..api import desk, explain, gaming
from . import answers

_ANY: Final[dict[str, Any]] = {JSON: {"schema": {"type": "object"}}}
_XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_CASE: Final = "/cases/<string:case>"
_MOVED: Final = (404, 409)

OPERATIONS: Final[Operations] = {
    ("GET", f"{_CASE}/explain"): Operation(
        "deciding", {200: _ANY}, query=explain.ExplainQuery, refuses=(404,)
    ),
    ("POST", f"{_CASE}/colour"): Operation(
        "deciding", {200: answers.View}, body=desk.ColourBody, refuses=_MOVED
    ),
    ("POST", f"{_CASE}/triage"): Operation("deciding", {200: _ANY}, body=desk.TriageBody, refuses=_MOVED),
    ("GET", "/triage"): Operation("deciding", {200: _ANY}, query=desk.TriageQuery),
    ("GET", "/gaming"): Operation("gaming", {200: _ANY}, query=gaming.GamingQuery),
    ("POST", "/gaming/looks"): Operation("gaming", {201: _ANY}, body=gaming.LookBody, refuses=(404,)),
    ("GET", "/directory/workbook"): Operation("directory", {200: binary(_XLSX)}, refuses=(422,)),
}
