"""Every event: its name, who may send it, its schema and what it says. The one list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from marshmallow import Schema

from .schemas import case, clock, inbound, ledger, notice, report


@dataclass(frozen=True, slots=True)
class EventType:
    """An event's contract. `owner` is a service, or `partner` for what outside systems send."""

    name: str
    owner: str
    schema: type[Schema]
    summary: str


def _types(owner: str, schema: type[Schema], **summaries: str) -> list[EventType]:
    return [EventType(k.replace("__", "."), owner, schema, v) for k, v in summaries.items()]


_CASE: Final = {
    "case__opened": "A case was opened from a report and triaged.",
    "case__merged": "Reports or cases were joined into this case.",
    "case__separated": "A report was taken out of this case again; it has a case of its own.",
    "case__assigned": "A leg was offered to an assignee.",
    "case__whistled": "The street called several units: a lead and its assistants.",
    "case__accepted": "An assignee accepted its leg.",
    "case__answered": "An assignee answered the reporter.",
    "case__returned": "An assignee returned its leg with a reason.",
    "case__extended": "A leg got more time.",
    "case__paused": "The case is paused, with a reason and an approver.",
    "case__resumed": "The case goes on after a pause.",
    "case__resolved": "Every leg that matters is done.",
    "case__inspected": "Somebody who did not handle it looked at the result.",
    "case__closed": "The case is closed: confirmed, lapsed or withdrawn.",
    "case__reopened": "The case was closed or resolved and is open again.",
    "case__voided": "The case was opened in error.",
    "case__changed": "Something else about the case changed: `change.action` says what.",
}

EVENTS: Final[dict[str, EventType]] = {
    e.name: e
    for e in (
        _types("intake", report.ReportReceived, report__received="A report came in through any channel.")
        + _types("intake", report.ReportSupplemented, report__supplemented="The reporter added something.")
        + _types("intake", report.ReportWithdrawn, report__withdrawn="The reporter took the report back.")
        + _types("intake", report.ReportRated, report__rated="The reporter said whether it is solved.")
        + _types("intake", report.PersonErased, person__erased="A reporter's personal data was erased.")
        + _types(
            "intake",
            report.ReportJoined,
            report__joined="A report was found to be about another one's matter.",
        )
        + _types("intake", report.ReportSeparated, report__separated="A join was undone.")
        + _types("routing", case.CaseChanged, **_CASE)
        + _types("routing", case.DirectoryChanged, directory__changed="People, units or desks changed.")
        + _types(
            "routing",
            case.EmergencyDeclared,
            emergency__declared="Emergency mode is on for an area; again when its end was moved.",
        )
        + _types("routing", case.EmergencyLifted, emergency__lifted="Emergency mode is off.")
        + _types(
            "routing",
            case.LadderReached,
            ladder__reached="A step of the ladder of clocks tells somebody, or takes back what it told.",
        )
        + _types("routing", case.EmergencyCalled, emergency__called="People are called in for an emergency.")
        + _types(
            "routing",
            case.DecisionAnswered,
            decision__answered="What became of a joint meeting's decision to whistle.",
        )
        + _types(
            "sla",
            clock.ClockSpoke,
            clock__warned="A deadline is near.",
            clock__breached="A deadline has passed.",
            clock__met="A deadline was kept.",
            clock__escalated="A point after the limit has come: a reminder, or a step of the policy's ladder.",
            clock__corrected="A breach was told that never was; `state` is what holds instead.",
        )
        + _types(
            "sla",
            clock.ClockPromised,
            clock__promised="The citizen is promised another time than the case's own limit gives.",
        )
        + _types(
            "ledger",
            ledger.EntryPosted,
            entry__opened="A livelihood matter was entered.",
            entry__posted="Something was posted under an entry.",
            entry__written_off="An entry was written off.",
        )
        + _types("ledger", ledger.ListPublished, list__published="A quarterly list was published.")
        + _types("ledger", ledger.ServiceClaimed, service__claimed="A unit claimed a service.")
        + _types("ledger", ledger.MeetingHeld, meeting__held="A joint meeting was held.")
        + _types(
            "notify",
            notice.NoticeChanged,
            notice__sent="A provider took the notice.",
            notice__delivered="The notice reached the person.",
            notice__failed="The notice will not reach the person.",
        )
        + _types("notify", notice.NoticeAsked, notice__asked="A notice was sent that has to be read.")
        + _types("notify", notice.NoticeRead, notice__read="A notice that has to be read was read.")
    )
}

INBOUND_EVENTS: Final[dict[str, EventType]] = {
    e.name: e
    for e in (
        _types("partner", inbound.ReportSubmitted, report__submitted="Another system hands over a report.")
        + _types("partner", inbound.HandlingReported, handling__reported="A department acts on its leg.")
        + _types("partner", inbound.AlertRaised, alert__raised="A warning that may turn emergency mode on.")
    )
}

OUTCOME: Final = EventType(
    "inbound.outcome", "intake|routing", inbound.Outcome, "What became of a message of an outside system."
)
