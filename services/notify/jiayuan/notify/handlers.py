"""Events in, notices recorded. Nothing is rendered and no contact is opened here: that is done when sending."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from jiayuan.chassis import dead_letters
from jiayuan.chassis.work import Work, on
from jiayuan.contracts.envelope import Event
from jiayuan.contracts.ids import new_id

from . import rules, store, wall


def directory_changed(work: Work, events: Sequence[Event]) -> None:
    """Keep whom notices can go to, and wake the notices that waited for them."""
    newest: dict[tuple[str, str], dict[str, Any]] = {}
    for event in events:
        version = event.data["version"]
        for item in event.data["items"]:
            row = _recipient(
                item["type"],
                item["id"],
                version,
                role=item.get("role"),
                street=item.get("street"),
                grid=item.get("grid"),
                contact=item.get("contact"),
                active=item["active"],
            )
            _keep_newest(newest, row)
    store.put_recipients(work, list(newest.values()))
    store.wake(work, {ref for _, ref in newest}, (), wall.now())


def report_received(work: Work, events: Sequence[Event]) -> None:
    """Keep tracking codes and reporters' sealed contacts, and record the notices of receipt."""
    newest: dict[tuple[str, str], dict[str, Any]] = {}
    codes: dict[str, str] = {}
    for event in events:
        report = event.data["report"]
        codes[report["id"]] = report["tracking_code"]
        if reporter := report.get("reporter"):
            version = int(event.time.timestamp() * 1_000_000)
            row = _recipient("citizen", reporter, version, role="citizen", contact=report.get("contact"))
            _keep_newest(newest, row)
    store.put_reports(work, [{"id": id_, "tracking_code": code} for id_, code in codes.items()])
    store.put_recipients(work, list(newest.values()))
    record(work, events)
    store.wake(work, {ref for _, ref in newest}, codes, wall.now())


def person_erased(work: Work, events: Sequence[Event]) -> None:
    """Forget a citizen's contact, wherever it is; a `report.received` that comes later doesn't bring it back."""
    store.erase_citizens(work, sorted({event.data["reporter"] for event in events}))
    dead_letters.forget_people(work, events)


def record(work: Work, events: Iterable[Event]) -> None:
    """Record the notices that the rules give for the events, each once."""
    at = wall.now()
    store.put_notices(
        work,
        [
            _notice(work, event, draft) | _first_state(work, draft, at)
            for event in events
            for draft in rules.plan(rules.bundled(), event)
        ],
    )


def _recipient(
    type_: str,
    ref: str,
    version: int,
    *,
    role: str | None = None,
    street: str | None = None,
    grid: str | None = None,
    contact: str | None = None,
    active: bool = True,
) -> dict[str, Any]:
    return {
        "type": type_,
        "ref": ref,
        "role": role or "",
        "street": street or "",
        "grid": grid or "",
        "contact": contact or None,
        "active": active,
        "version": version,
    }


def _keep_newest(newest: dict[tuple[str, str], dict[str, Any]], row: dict[str, Any]) -> None:
    key = (row["type"], row["ref"])
    old = newest.get(key)
    if old is None or row["version"] >= old["version"]:
        if old is not None and row["type"] == "citizen":
            row["contact"] = row["contact"] or old["contact"]  # a report without a contact erases none
        newest[key] = row


def _notice(work: Work, event: Event, draft: rules.Draft) -> dict[str, Any]:
    rule = draft.rule
    return {
        "id": new_id(),
        "recipient_type": draft.type,
        # An anonymous report has nobody to tell; its one suppressed notice accounts for it.
        "recipient": draft.ref or f"anonymous:{draft.report}"[:128],
        "role": rule.role,
        "matter": draft.matter,
        "step": draft.step,
        "template": rule.template,
        "template_version": rule.template_version,
        "rule": rule.name,
        "case_id": draft.case,
        "report_id": draft.report,
        "street": draft.street,
        "parameters": draft.parameters,
        "at": work.now,
        "event_id": event.id,
        "traceparent": event.traceparent,
    }


def _first_state(work: Work, draft: rules.Draft, at: datetime) -> dict[str, Any]:
    known = bool(draft.ref)
    return {
        "state": "queued" if known else "suppressed",
        "reason": None if known else "anonymous",
        "state_at": work.now,
        "priority": draft.rule.priority,
        "due_at": at,
        "channel": draft.rule.channels[0],
    }


def _wanted(event: Event) -> bool:
    """Whether any rule gives a notice for the event; most clock.breached are told by case.assigned instead."""
    return bool(rules.plan(rules.bundled(), event))


# A notice has its own key (person, matter, step, template), a tracking code its report's: repetitions write nothing.
HANDLERS = [
    on("directory.changed", directory_changed),
    on("report.received", report_received, repeatable=True),
    on("person.erased", person_erased),
    on("case.*", record, repeatable=True),
    on("clock.*", record, wants=_wanted, repeatable=True),
    on("emergency.called", record),
    on("ladder.reached", record),
]
