"""The desk puts a report's category right: the report changes, routing hears of it, and models learn from it.

A street's desk can do it here, on the report, or in routing, on the case (`case.changed`, recategorise): either way the
other service hears of it, and what it knows already changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.work import Work, on
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.envelope import Event
from jiayuan.contracts.times import iso, parse

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
            told = {
                "text": f"分类：{category.name}（街道更正）",
                "at": iso(work.now),
                "category": as_of_desk(category),
                "livelihood": category.livelihood,
                "importance": importance,
                "urgency": urgency,
                "by": call.who.subject,
            }
            api.emit(work, call, row, "report.supplemented", told, store.next_version(work, report_id))
        return {
            "report": report_id,
            "category": as_of_desk(category),
            "livelihood": category.livelihood,
            "importance": importance,
            "urgency": urgency,
            "at": iso(work.now),
        }


def as_of_desk(category: Any) -> dict[str, Any]:
    """A category that a person chose, as in events and answers."""
    return {"code": category.code, "name": category.name, "confidence": 1.0, "method": METHOD}


def wanted(event: Event) -> bool:
    """Whether an event tells that a desk decided what a case is about."""
    change = event.data.get("change")
    return (
        event.name == "case.changed"
        and change is not None
        and change["action"] == "recategorise"
        and event.data["case"]["category"].get("method") == METHOD
    )


def heard(work: Work, events: Sequence[Event]) -> None:
    """`case.changed`, recategorise: the desk decided on the case; its first report is what the case is about.

    A correction's id is made of the event's, so that hearing of it again changes nothing; one that is older than what
    the report has from a desk stays history.
    """
    catalogue = report.rules().catalogue
    for event in sorted(events, key=lambda e: (e.data["case"]["id"], e.sequence)):
        case, change = event.data["case"], event.data["change"]
        category = catalogue.categories.get(case["category"]["code"])
        if category is None or not case["reports"]:
            continue  # of a catalogue that isn't ours
        store.hear_correction(
            work,
            case["reports"][0]["id"],
            category,
            id_=str(uuid5(NAMESPACE_URL, f"{event.source}#{event.id}")),
            who=change["actor"],
            reason=(change.get("reason") or "")[:300],
            at=parse(change["at"]),
        )


HANDLERS: Final = [on("case.*", heard, wants=wanted, repeatable=True)]
