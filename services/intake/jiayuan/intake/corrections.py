"""The desk puts a report's category right: the report changes, and models learn from it."""

from __future__ import annotations

from typing import Any, Final

from jiayuan.chassis.errors import Problem
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.times import iso

from . import api, people, report, schemas, store, text

DESK: Final = ("desk", "county", "operator")
METHOD: Final = "desk"


def correct(delivery: Any, call: Any, report_id: str) -> dict[str, Any]:
    """`PUT /reports/<id>/category` {code, reason}: the report's category as it is now.

    The same code again changes nothing. Where the report has signs of danger, it stays as urgent as it was.
    """
    document = call.json_body(schemas.Correction)
    category = report.rules().catalogue.categories.get(document["code"])
    if category is None:
        problem = FieldProblem(
            "code", f"is unknown: {document['code']}", "a code of the catalogue of matters"
        )
        raise Problem(422, "The body breaks the schema", problems=[problem])
    reason = people.mask(text.one_line(document["reason"]))
    if not reason:
        problem = FieldProblem("reason", "holds nothing that can be read", "1 to 300 characters")
        raise Problem(422, "The body breaks the schema", problems=[problem])
    with delivery.work() as work:
        row = api.find_report(work, report_id, lock=True)
        api.check_staff(call.who, row)
        danger = bool(row.signs)
        importance = 3 if danger else category.importance
        urgency = 3 if danger else category.urgency
        if (row.category, row.category_method) != (category.code, METHOD):
            store.correct_category(
                work,
                row,
                category,
                importance=importance,
                urgency=urgency,
                who=call.who.subject,
                reason=reason,
            )
        return {
            "report": report_id,
            "category": {"code": category.code, "name": category.name, "confidence": 1.0, "method": METHOD},
            "livelihood": category.livelihood,
            "importance": importance,
            "urgency": urgency,
            "at": iso(work.now),
        }
