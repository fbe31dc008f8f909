"""`/reports/<id>/category`: the desk puts a category right."""

from __future__ import annotations

from typing import Final

from marshmallow import fields

from jiayuan.chassis.operation import Operation, Operations, at, part, text, told, whole

from .. import schemas
from . import answers

Corrected = told(
    "CorrectedReport",
    "The report's category as it is now, and what follows from it.",
    report=text(),
    category=part(answers.Guess),
    livelihood=fields.Boolean(required=True),
    importance=whole(),
    urgency=whole(),
    at=at(),
)

OPERATIONS: Final[Operations] = {
    ("PUT", "/reports/<string:report>/category"): Operation(
        "reports", {200: Corrected}, body=schemas.Correction, refuses=(404,)
    ),
}
