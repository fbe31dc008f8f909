"""Other government systems: `report.submitted` on the bus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from jiayuan.chassis.work import Work, on
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.envelope import Event

from .. import report
from ..handlers import ACCEPTED, DUPLICATE, receive
from .adapter import Adapter

ADAPTER: Final = Adapter(
    name="government_system",
    title="Other government systems 其他政府系統",
    channels=("government_system", "hotline"),
    ways=("report.submitted",),
    roles=("partners",),
    trusts="the broker for who sends; the sender for channel, kind, category and its own number; its time of receipt "
    "is kept unless it is in the future",
    key="the broker user's name and `external_id`, the sender's work-order number, for ever",
    wrong="an `inbound.outcome` with `rejected`, each field, its problem and what is allowed; the message is kept as a "
    "dead letter",
)


def submitted(work: Work, events: Sequence[Event]) -> None:
    """`report.submitted`: other systems hand over reports; each hears what became of its own."""
    submissions = [
        report.from_document(
            event.data, channel="government_system", source_system=partner_of(event), cause=event
        )
        for event in events
    ]
    for event, receipt in zip(events, receive(work, submissions), strict=True):
        if receipt.outcome == ACCEPTED:
            work.accepted(event, result=receipt.report)
        elif receipt.outcome == DUPLICATE:
            work.duplicate(event, result=receipt.report)
        else:
            work.refuse(
                event, [FieldProblem(f"data.{p.field}", p.problem, p.allowed) for p in receipt.problems]
            )


def partner_of(event: Event) -> str:
    """Who sent an inbound event: its broker user's name, which the envelope has checked."""
    return event.source.rsplit("/", 1)[-1]


# A report is known by its sender and the sender's number, for longer than any inbox keeps a message.
HANDLERS: Final = [on("report.submitted", submitted, repeatable=True)]
