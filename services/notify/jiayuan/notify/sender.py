"""Sending: claim, write the request id, commit, call, record.

No transaction is open during a call. What was submitted and has no recorded answer is never sent again before
the provider was asked, and always under the same request id, which is the provider's idempotency key.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from jiayuan.chassis import redact
from jiayuan.chassis.seal import SealError
from jiayuan.chassis.service import Runtime
from jiayuan.chassis.work import Work
from jiayuan.contracts.ids import new_id
from jiayuan.contracts.times import iso

from . import rules, states, store, templates
from .handlers import wall
from .providers.base import Asked, Message, Provider
from .providers.http import HttpProvider
from .providers.sink import Sink
from .settings import NotifySettings
from .states import Outcome

log = logging.getLogger("jiayuan.notify")


def make_provider(runtime: Runtime) -> Provider:
    """The provider that the settings name."""
    settings = _settings(runtime)
    if settings.provider == "sink":
        return Sink(runtime.work, settings.send_batch)
    return HttpProvider(
        settings.provider_url,
        settings.provider_secret,
        timeout=settings.provider_timeout,
        concurrency=settings.provider_concurrency,
    )


@lru_cache(maxsize=8)
def of(runtime: Runtime) -> Sender:
    """The sender of a process's runtime: one, so that its connections to the provider are kept."""
    return Sender(runtime, make_provider(runtime))


@dataclass(frozen=True, slots=True)
class _Sent:
    """A notice between its submission and the answer."""

    row: Mapping[str, Any]
    request_id: str
    version: int
    attempts: int


class Sender:
    """Sends what is queued through one provider. Any number of them may run at a time, in any process."""

    def __init__(self, runtime: Runtime, provider: Provider) -> None:
        self._runtime, self._provider = runtime, provider
        self._settings = _settings(runtime)
        self._pace = self._settings.pace
        self._rules, self._templates = rules.bundled(), templates.bundled()

    # -- sending -----------------------------------------------------------------------------------

    def turn(self) -> bool:
        """Send one batch. True when there was a full one, so that more may be waiting."""
        size = min(self._settings.send_batch, self._provider.batch)
        started = wall()
        with self._runtime.work() as work:
            rows = [dict(row._mapping) for row in store.claim(work, size, started, self._provider.name)]
            if not rows:
                return False
            sent, messages = self._submit(work, rows, started)
        if messages:
            outcomes = self._provider.send(messages)
            self._record("send", sent, outcomes, started)
        return len(rows) == size

    def _submit(
        self, work: Work, rows: Sequence[dict[str, Any]], at: datetime
    ) -> tuple[list[_Sent], list[Message]]:
        """Decide each claimed notice: submitted, as it is already, or waiting, or ended without a call."""
        unknown_number = {r["case_id"] for r in rows if r["case_id"] and self._lacks_number(r)}
        numbers = store.numbers(work, unknown_number) if unknown_number else {}
        sent: list[_Sent] = []
        messages: list[Message] = []
        changed: list[dict[str, Any]] = []
        for row in rows:
            ready = self._prepare(work, row, numbers)
            if isinstance(ready, Message):
                sent.append(_Sent(row, ready.request_id, row["version"] + 1, row["attempts"] + 1))
                messages.append(ready)
            else:
                changed.append(self._without_call(work, row, ready, at))
        if changed:
            store.change(work, changed)
        return sent, messages

    def _lacks_number(self, row: Mapping[str, Any]) -> bool:
        return row["role"] != "citizen" and "number" not in row["parameters"]

    def _prepare(self, work: Work, row: Mapping[str, Any], numbers: Mapping[str, str]) -> Message | str:
        """The message, or in one word why there is none."""
        old = self._too_old(work, row)
        if old and row["state"] == "deferred":
            return "expired"
        if not row["known"]:
            return "no_contact" if old else "wait"
        if not row["active"]:
            return "inactive"
        try:
            channel, address = self._address(row)
        except SealError as error:
            # Our keys are at fault, not the person: put off, so that the right key can still be given.
            log.error("a contact can't be opened", extra={"notice": row["id"], "error": str(error)})
            return "sealed"
        if not address:
            return "no_contact"
        if row["template"] not in self._templates:
            log.error("a notice names a template that this build doesn't hold", extra={"notice": row["id"]})
            return "no_template"
        template = self._templates.get(row["template"], row["template_version"])
        try:
            text = self._templates.render(template, self._facts(row, numbers))
        except templates.MissingFact:
            return "no_facts" if old else "wait"  # the event that brings it is still on its way
        return Message(row["request_id"], row["recipient"], channel, address, text)

    def _address(self, row: Mapping[str, Any]) -> tuple[str, str]:
        """The first channel of the rule that the recipient has an address for, and the address, or ""."""
        if not row["contact"]:
            return "", ""
        contact = self._runtime.sealer.open(row["contact"], row["recipient"])
        rule = self._rules.get(row["rule"])
        for channel in rule.channels if rule else ("sms",):
            address = contact.get(rules.CHANNELS[channel])
            if isinstance(address, str) and address:
                return channel, address
        return "", ""

    def _facts(self, row: Mapping[str, Any], numbers: Mapping[str, str]) -> dict[str, str]:
        """What the text may name. Nothing of it is personal."""
        facts: dict[str, str] = dict(row["parameters"])
        if row["role"] == "citizen":
            code = facts.get("tracking_code") or row["tracking_code"] or ""
            facts["tracking_code"] = code
            facts["link"] = self._settings.citizen_url + code if code else ""
        else:
            number = facts.get("number") or numbers.get(row["case_id"], "")
            facts["number"] = number
            facts["link"] = self._settings.staff_url + number if number else ""
        return facts

    def _without_call(self, work: Work, row: Mapping[str, Any], why: str, at: datetime) -> dict[str, Any]:
        """The change of a notice that isn't sent now: it waits, is put off, or has come to its end."""
        if why == "wait":
            seconds = min(self._settings.wait_most, 2.0 ** min(row["waits"], 20))
            due = at + timedelta(seconds=seconds)
            # The state stays as it is: nothing has happened that anybody should hear of.
            return _change(
                row,
                work,
                reason="waits for its recipient or its code",
                state_at=row["state_at"],
                due_at=due,
                waits=row["waits"] + 1,
                awaits_recipient=row["recipient"],
                awaits_report=row["report_id"],
                version=row["version"],
            )
        if why == "sealed":
            due = at + self._pace.back_off(row["waits"] + 1, random.random())
            return _change(
                row,
                work,
                state="deferred",
                reason="the contact can't be opened",
                due_at=due,
                waits=row["waits"] + 1,
            )
        state = "expired" if why == "expired" else "suppressed"
        change = _change(row, work, state=state, reason=why)
        self._tell(work, row, state, change["version"], row["attempts"], why)
        return change

    # -- answers -----------------------------------------------------------------------------------

    def _record(
        self, kind: str, sent: Sequence[_Sent], outcomes: Sequence[Outcome], started: datetime
    ) -> None:
        """Write the attempts and what follows from them, and tell."""
        ended = wall()
        with self._runtime.work() as work:
            changes, attempts, follow = [], [], {}
            for one, outcome in zip(sent, outcomes, strict=True):
                then = states.after_call(outcome, one.attempts, self._pace, random.random())
                if then.state in ("unknown", "deferred") and self._too_old(work, one.row):
                    then = states.Next("expired")
                error = redact.mask(outcome.error)[:300] if outcome.error else None
                id_ = one.row["id"]
                follow[id_] = (one, then.state, error)
                changes.append(
                    {
                        "notice_id": id_,
                        "request_id": one.request_id,
                        "state": then.state,
                        "reason": error,
                        "state_at": work.now,
                        "due_at": ended + (then.due_in or timedelta(0)),
                        "version": one.version + 1,
                        "provider_ref": outcome.ref,
                    }
                )
                attempts.append(self._attempt(kind, one, outcome.kind, outcome.ref, error, started, ended))
            changed = store.record(work, changes)
            store.put_attempts(work, attempts)
            for id_ in changed:
                one, state, error = follow[id_]
                self._tell(work, one.row, state, one.version + 1, one.attempts, error)

    def _too_old(self, work: Work, row: Mapping[str, Any]) -> bool:
        return bool(work.now - row["at"] > timedelta(hours=self._settings.give_up_hours))

    def _attempt(
        self,
        kind: str,
        one: _Sent,
        outcome: str,
        ref: str | None,
        error: str | None,
        started: datetime,
        ended: datetime,
    ) -> dict[str, Any]:
        return {
            "id": new_id(),
            "notice_id": one.row["id"],
            "number": one.attempts,
            "kind": kind,
            "provider": self._provider.name,
            "request_id": one.request_id,
            "outcome": outcome,
            "provider_ref": ref,
            "error": error,
            "started_at": started,
            "ended_at": ended,
        }

    def _tell(
        self, work: Work, row: Mapping[str, Any], state: str, version: int, attempts: int, error: str | None
    ) -> None:
        name = states.event_of(state, told=False)
        if name is None:
            return
        data: dict[str, Any] = {
            "id": row["id"],
            "recipient": row["recipient"],
            "role": row["role"],
            "matter": row["matter"],
            "step": row["step"],
            "template": row["template"],
            "provider": self._provider.name,
            "state": state,
            "attempts": attempts,
            "at": iso(work.now),
        }
        if error:
            data["error"] = error
        work.emit(
            name,
            {"notice": data},
            subject=data["id"],
            sequence=version,
            street=row["street"],
            traceparent=row["traceparent"],
            causationid=row["event_id"],
        )

    # -- what is stuck -----------------------------------------------------------------------------

    def sweep(self) -> bool:
        """Find submitted notices without an answer, and ask the provider about unknown ones.

        True when a full batch was asked about, so that more may be waiting.
        """
        self._find_stuck()
        return self._ask()

    def _find_stuck(self) -> None:
        now = wall()
        before = now - timedelta(seconds=self._settings.stuck_seconds)
        with self._runtime.work() as work:
            found = store.stuck(work, before, self._settings.send_batch, now)
            attempts = []
            for found_row in found:
                row = dict(found_row._mapping)
                one = _Sent(row, row["request_id"], row["version"], row["attempts"])
                attempts.append(
                    self._attempt(
                        "send", one, "unknown", None, "no answer was recorded", row["submitted_at"], now
                    )
                    | {"provider": row["provider"]}
                )
            store.put_attempts(work, attempts)
        if found:
            log.warning("notices without an answer", extra={"count": len(found)})

    def _ask(self) -> bool:
        now = wall()
        lease = now + timedelta(seconds=self._settings.stuck_seconds)
        size = min(self._settings.send_batch, self._provider.batch)
        with self._runtime.work() as work:
            rows = [dict(row._mapping) for row in store.ask(work, self._provider.name, size, now, lease)]
        if not rows:
            return False
        sent = [_Sent(row, row["request_id"], row["version"], row["attempts"]) for row in rows]
        outcomes = self._provider.query([Asked(one.request_id) for one in sent])
        self._record("query", sent, outcomes, now)
        return len(rows) == size


def _settings(runtime: Runtime) -> NotifySettings:
    settings = runtime.settings
    if not isinstance(settings, NotifySettings):
        raise TypeError("notify needs NotifySettings")
    return settings


def _change(row: Mapping[str, Any], work: Work, **fields: Any) -> dict[str, Any]:
    """All columns that the change of a claimed notice that isn't sent writes, as they were unless given."""
    return {
        "notice_id": row["id"],
        "state": row["state"],
        "reason": None,
        "state_at": work.now,
        "due_at": row["due_at"],
        "waits": row["waits"],
        "awaits_recipient": None,
        "awaits_report": None,
        "version": row["version"] + 1,
        "attempts": row["attempts"],
        "provider": row["provider"],
        "request_id": row["old_request"],
        "submitted_at": None,
    } | fields
