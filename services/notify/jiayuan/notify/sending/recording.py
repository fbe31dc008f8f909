"""From an answer to what follows: the notice's state, an attempt, an event, and what it says of the provider."""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from jiayuan.chassis import redact
from jiayuan.chassis.service import Runtime
from jiayuan.chassis.work import Work
from jiayuan.contracts.ids import new_id

from .. import cascade, limits, metrics, routes, spending, states, store, wishing
from ..providers.base import Message
from ..spending import Charge
from ..states import Outcome
from ..telling import tell
from .courtesy import number
from .groups import Groups
from .lane import Done, Lane, Sent
from .preparing import Preparing

log = logging.getLogger("jiayuan.notify")

OUT_OF_MONEY_FOR: Final = timedelta(minutes=10)
"""After this long it is tried whether the account has been filled up."""
_ANSWERS: Final = frozenset(
    {"accepted", "delivered", "refused", "content_refused", "no_consent", "not_found"}
)
"""What a question can be answered with; everything else says nothing of the message."""


_CHARGED: Final = frozenset({"accepted", "delivered", "unknown"})


@dataclass(slots=True)
class _Change:
    """What follows for one notice."""

    one: Sent
    state: str
    error: str | None
    columns: dict[str, Any]
    special: dict[str, Any]


class Recording:
    """Writes answers of one process's lanes."""

    def __init__(self, runtime: Runtime, groups: Groups, preparing: Preparing) -> None:
        self._runtime, self._groups, self._preparing = runtime, groups, preparing
        self._settings = routes.settings_of(runtime)
        self._pace, self._policies = self._settings.pace, cascade.bundled()
        give_up = timedelta(hours=self._settings.give_up_hours)
        self._receipt_within = timedelta(seconds=runtime.clock.wall_seconds(give_up))

    def record(self, lane: Lane, done: Sequence[Done]) -> None:
        """Write answers in one transaction. Those of calls that were never made queue their notices again."""
        made = [(d, d.outcome) for d in done if d.outcome is not None]
        never = [d.item.sent for d in done if d.outcome is None and d.item.kind == "send"]
        with self._runtime.work() as work:
            if made:
                self._record(work, lane, [(d, _of_question(d, o)) for d, o in made])
            if never:
                at = done[0].ended_at
                store.give_back(work, [(one.row["id"], one.request_id) for one in never], at)
                self._refund(work, lane, never)
        sends = [o for d, o in made if d.item.kind == "send"]
        metrics.count_calls(lane.name, Counter(o.kind for _, o in made))
        for outcome in sends:
            lane.note(outcome.kind in ("throttled", "unknown"), random.random(), outcome.after)
        if any(o.kind in ("misconfigured", "out_of_money") for o in sends):
            self._groups.stopped |= {("provider", lane.name)}
            lane.drop_waiting()

    def _record(self, work: Work, lane: Lane, made: Sequence[tuple[Done, Outcome]]) -> None:
        follow = {d.item.sent.row["id"]: self._follows(work, lane, d, o) for d, o in made}
        plain = [f.columns for f in follow.values() if not f.special]
        special = [f.columns | _NOTHING_SPECIAL | f.special for f in follow.values() if f.special]
        changed = store.record(work, plain) | store.record(work, special)
        self._keep_refusals(work, lane, made)
        store.put_attempts(work, [self.attempt(lane, d, o) for d, o in made])
        if not lane.route.local:
            self._about_provider(work, lane, made)
        for id_ in changed:
            f = follow[id_]
            self.tell(work, f.one.row, f.state, f.one.version + 1, f.one.attempts, f.error, lane.name)

    def _follows(self, work: Work, lane: Lane, done: Done, outcome: Outcome) -> _Change:
        one, row, ended = done.item.sent, done.item.sent.row, done.ended_at
        then = states.after_call(outcome, one.attempts, self._pace, random.random())
        state, due_in = then.state, then.due_in or timedelta(0)
        policy = self.policy(row)
        further = row["further"]
        special: dict[str, Any] = {}
        if state in ("unknown", "deferred") and self._preparing.too_old(work, row):
            state = "expired"
        elif outcome.kind in cascade.REFUSALS and further:
            state, special = "queued", {"channel": further[0]}
        elif then.elsewhere and self._groups.others(lane):
            special, due_in = {"hold_at": ended + due_in}, timedelta(0)
        elif state in ("accepted", "delivered") and policy.unread and further:
            special = {"follow_at": ended + policy.unread}
        elif state == "unknown" and not lane.route.askable and policy.unanswered and further:
            special = {"follow_at": ended + policy.unanswered}
        if special and "channel" not in special:
            special["channel"] = row["channel"]
        error = redact.mask(outcome.error)[:300] if outcome.error else None
        columns = {
            "notice_id": row["id"],
            "request_id": one.request_id,
            "state": state,
            "reason": error,
            "state_at": work.now,
            "due_at": ended + (self._receipt_within if state == "accepted" else due_in),
            "version": one.version + 1,
            "provider_ref": outcome.ref,
        }
        return _Change(one, state, error, columns, special)

    def policy(self, row: Mapping[str, Any]) -> cascade.Policy:
        """When a notice goes on though its channel has taken it or may have."""
        return self._policies.of(row["priority"], row["role"])

    def _keep_refusals(self, work: Work, lane: Lane, made: Sequence[tuple[Done, Outcome]]) -> None:
        """What a provider refuses because the person has unsubscribed there is kept as his refusal of the channel."""
        gone = [(d.item, o) for d, o in made if o.unsubscribed]
        for item, outcome in sorted(gone, key=lambda one: _person(one[0].sent.row)):
            wishing.unsubscribed(
                work,
                *_person(item.sent.row),
                item.sent.row["channel"],
                number(self._runtime, item.what.to),
                provider=lane.name,
                code=outcome.code or "",
            )

    def attempt(self, lane: Lane, done: Done, outcome: Outcome) -> dict[str, Any]:
        """The row of a call."""
        error = redact.mask(outcome.error)[:300] if outcome.error else None
        one = done.item.sent
        row = attempt_row(
            done.item.kind, lane, one, outcome.kind, outcome.ref, error, done.started_at, done.ended_at
        )
        if charge := _charge(lane, done, outcome):
            row |= {"segments": charge.segments, "cost": charge.cost and str(charge.cost)}
        return row

    # -- what it says of the provider --------------------------------------------------------------

    def _about_provider(self, work: Work, lane: Lane, made: Sequence[tuple[Done, Outcome]]) -> None:
        sends = [(d, o) for d, o in made if d.item.kind == "send"]
        store.weights.count(
            work,
            lane.name,
            accepted=[d.started_at for d, o in sends if o.kind in ("accepted", "delivered")],
            errors=[d.ended_at for d, o in sends if o.kind in states.ERRORS],
        )
        charges = [charge for d, o in made if (charge := _charge(lane, d, o))]
        store.spending.add(work, lane.name, spending.day_of(made[-1][0].ended_at), charges)
        self._refund(work, lane, [d.item.sent for d, o in made if o.kind in states.NEVER_HAD_IT])
        refused = [d.item.sent.credit for d, o in sends if o.kind == "no_consent"]
        if keys := [key for key in refused if key is not None]:
            store.credits.none(work, keys)
        for kind in ("misconfigured", "out_of_money", "content_refused"):
            if found := [(d, o) for d, o in sends if o.kind == kind]:
                self._alarm(work, lane, kind, found)

    def _alarm(self, work: Work, lane: Lane, kind: str, found: Sequence[tuple[Done, Outcome]]) -> None:
        """Somebody has to do something: a row, a line in the log, and where going on makes no sense, a stop."""
        done, outcome = found[-1]
        reason, at = redact.mask(outcome.error or "")[:300], done.ended_at
        template = done.item.sent.row["template"]
        subject = f"{lane.name}/{template}" if kind == "content_refused" else lane.name
        store.operating.raise_alarm(work, kind, subject, reason, at, len(found))
        if kind != "content_refused":
            until = at + OUT_OF_MONEY_FOR if kind == "out_of_money" else None
            store.operating.stop(
                work, "provider", lane.name, reason=f"{kind}: {reason}", by="notify", wall=at, until=until
            )
        log.error(kind.replace("_", " "), extra={"provider": lane.name, "about": subject, "why": reason})

    def _refund(self, work: Work, lane: Lane, never_had: Sequence[Sent]) -> None:
        """What was used up for messages that the provider never had."""
        store.credits.give(work, [one.credit for one in never_had if one.credit is not None])
        back: dict[str, list[limits.Sent]] = {}
        for one in never_had:
            if one.number is not None:
                back.setdefault(one.number, []).append(one.counted)
        if back:
            store.numbers_sent.take_back(work, lane.name, back)

    # -- telling the others ------------------------------------------------------------------------

    def tell(
        self,
        work: Work,
        row: Mapping[str, Any],
        state: str,
        version: int,
        attempts: int,
        error: str | None,
        provider: str,
    ) -> None:
        """The event that a new state deserves, if any."""
        tell(work, row, state, version, attempts, error, provider)


def _person(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["recipient_type"], row["recipient"]


_NOTHING_SPECIAL: Final[dict[str, Any]] = {"channel": "sms", "hold_at": None, "follow_at": None}


def _of_question(done: Done, outcome: Outcome) -> Outcome:
    """A provider that can't answer a question just now has said nothing of the message."""
    if done.item.kind == "query" and outcome.kind not in _ANSWERS:
        return replace(outcome, kind="unknown")
    return outcome


def attempt_row(
    kind: str,
    lane: Lane,
    one: Sent,
    outcome: str,
    ref: str | None,
    error: str | None,
    started: datetime,
    ended: datetime,
) -> dict[str, Any]:
    """A row of `attempt`; all rows of one lane have the same keys."""
    row = {
        "id": new_id(),
        "notice_id": one.row["id"],
        "number": one.attempts,
        "kind": kind,
        "provider": lane.name,
        "request_id": one.request_id,
        "outcome": outcome,
        "provider_ref": ref,
        "error": error,
        "started_at": started,
        "ended_at": ended,
    }
    if not lane.route.local:
        row |= {"segments": None, "cost": None}
    if lane.channel != "sms":
        row["channel"] = one.row["channel"]
    return row


def _charge(lane: Lane, done: Done, outcome: Outcome) -> Charge | None:
    """What a call costs. One whose answer was lost counts: it may be on the bill."""
    what = done.item.what
    if lane.route.local or not isinstance(what, Message) or outcome.kind not in _CHARGED:
        return None
    return spending.charge(what.text if lane.channel == "sms" else "", lane.route.price)
