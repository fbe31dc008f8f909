"""Answers that several operations share."""

from __future__ import annotations

from marshmallow import fields

from jiayuan.chassis.operation import Wrong, text, told, whole

Problem = told(
    "Problem",
    "A refusal (RFC 9457). Nothing was changed.",
    type=text(metadata={"description": "about:blank, or a URN that tells refusals of one status apart."}),
    title=text(),
    status=whole(),
    detail=fields.String(),
    errors=fields.List(fields.Nested(Wrong)),
)
