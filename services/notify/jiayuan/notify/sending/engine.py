"""The sender of a process: fills its lanes from the queue, and looks after what is stuck."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from jiayuan.chassis.seal import SealError
from jiayuan.chassis.service import Runtime
from jiayuan.chassis.work import Work

from .. import cascade, failover, metrics, routes, store, wall
from ..providers.base import Asked
from ..routes import Route
from ..rules import CHANNELS
from .groups import Group, Groups, with_address
from .lane import Done, Item, Lane, Sent
from .preparing import Preparing
from .recording import Recording, attempt_row

log = logging.getLogger("jiayuan.notify")

_SPARE: Final = 5.0
"""Seconds between the end of the longest call and the moment at which it counts as unknown."""
_WAIT_FOR_ROOM: Final = 0.25
_JUDGE_EVERY: Final = timedelta(seconds=5)
_PASSED_ON: Final = 200


@lru_cache(maxsize=8)
def of(runtime: Runtime) -> Sender:
    """The sender of a process's runtime: one, so that its connections to the providers are kept."""
    sender = Sender(runtime, routes.shared(runtime))
    runtime.at_stop.append(sender.close)
    return sender


class Sender:
    """Sends what is queued. Any number of them may run at a time, in any process.

    With `inline` calls are made one after another within `turn` and `sweep`.
    """

    def __init__(self, runtime: Runtime, found: Sequence[Route], *, inline: bool = False) -> None:
        self._runtime, self._settings = runtime, routes.settings_of(runtime)
        self._stuck = {
            # A lease of at least a call and a spare is left, or nothing would ever be called for.
            r.name: max(self._settings.stuck_seconds, 2 * (r.provider.longest + _SPARE))
            for r in found
        }
        lanes = [
            Lane(r, self._record, lease=self._stuck[r.name] - r.provider.longest - _SPARE, inline=inline)
            for r in found
        ]
        if len({lane.name for lane in lanes}) < len(lanes):
            raise ValueError("two providers have the same name")
        self._groups = Groups(lanes)
        self._lanes = {lane.name: lane for lane in lanes}
        self.preparing = Preparing(runtime, self._groups)
        self._recording = Recording(runtime, self._groups, self.preparing)
        self._room = threading.Event()
        for lane in lanes:
            lane.on_room = self._room.set
        self._weighed = self._known = False
        self._judged_at: datetime | None = None

    # -- sending -----------------------------------------------------------------------------------

    def turn(self) -> bool:
        """Give every lane what it has room for. True when more may be waiting.

        When no lane has room it waits a moment for some, never for a provider's answer.
        """
        if not self._known:
            self._refresh()
        for lane in self._lanes.values():
            lane.reap()
        self._room.clear()
        more = [self._fill(group) for group in self._groups.all]
        waiting = [group for group, has in zip(self._groups.all, more, strict=True) if has]
        if waiting and not any(self._groups.ready(group) for group in waiting):
            if all(lane.inline for lane in self._lanes.values()):
                return False  # none has calls under way that would make room
            self._room.wait(_WAIT_FOR_ROOM)
        return any(more)

    def _fill(self, group: Group) -> bool:
        while True:
            ready = self._groups.ready(group)
            name = failover.choose(ready, random.random())
            if name is None:
                return group.more if self._groups.open(group) else self._pass_on(group)
            lane = self._lanes[name]
            size = lane.room if len(group.lanes) == 1 else min(lane.room, group.share)
            group.more = self._claim(group, lane, size) == size
            if not group.more or lane.inline:
                return group.more

    def _claim(self, group: Group, lane: Lane, size: int) -> int:
        """Submit up to `size` notices and give them to a lane; how many were found."""
        at = wall.now()
        with self._runtime.work() as work:
            found = store.claim(work, size, at, lane.name, group.claims, group.only)
            rows = [dict(row._mapping) for row in found]
            if not rows:
                return 0
            batch = self.preparing.batch(work, lane, group, rows, at)
            if batch.changed:
                store.change(work, batch.changed)
            for row, state, version, why in batch.ended:
                self._recording.tell(work, row, state, version, row["attempts"], why, lane.name)
        if batch.sent:
            lane.give([Item("send", sent, message, at) for sent, message in batch.sent])
        return len(rows)

    def _pass_on(self, group: Group) -> bool:
        """All providers of a channel are stopped: what has another channel goes there. True when there may be more."""
        every = [rule.channels for rule in self.preparing.rules.all]
        if not any(cascade.following(channels, group.channel) for channels in every):
            return False
        return self._claim(group, group.lanes[0], _PASSED_ON) == _PASSED_ON

    def _record(self, name: str, done: Sequence[Done]) -> None:
        self._recording.record(self._lanes[name], done)

    # -- what is stuck, and how providers do -------------------------------------------------------

    def sweep(self) -> bool:
        """Find what has no answer and ask for it, follow the policy of channels, expire, and judge providers.

        True when a full batch was found, so that more may be waiting.
        """
        self._refresh()
        self._find_stuck()
        more = [self._ask(lane) for lane in self._lanes.values() if lane.route.askable]
        more.append(self._look_again())
        if self._judged_at is None or wall.now() - self._judged_at >= _JUDGE_EVERY:
            self._judged_at = wall.now()
            self._judge()
        return any(more)

    def _find_stuck(self) -> None:
        now = wall.now()
        before = {name: now - timedelta(seconds=seconds) for name, seconds in self._stuck.items()}
        with self._runtime.work() as work:
            found = [dict(r._mapping) for r in store.stuck(work, before, self._settings.send_batch, now)]
            rows = []
            for row in found:
                one = Sent(row, row["request_id"], row["version"], row["attempts"])
                lane = self._lanes.get(row["provider"]) or next(iter(self._lanes.values()))
                made = attempt_row(
                    "send", lane, one, "unknown", None, "no answer was recorded", row["submitted_at"], now
                )
                rows.append(made | {"provider": row["provider"], "channel": row["channel"]})
            store.put_attempts(work, rows)
            self._follow_unanswered(work, found)
        if found:
            log.warning("notices without an answer", extra={"count": len(found)})

    def _follow_unanswered(self, work: Work, found: Sequence[Mapping[str, Any]]) -> None:
        """Where nobody can be asked, policy says when the next channel gets it; so also when it was our own process
        that died before it heard an answer."""
        unaskable = {lane.name for lane in self._lanes.values() if not lane.route.askable}
        sent_at = {row["id"]: row["submitted_at"] for row in found if row["provider"] in unaskable}
        if not sent_at:
            return
        changes = []
        for row in (dict(r._mapping) for r in store.facts_of(work, list(sent_at))):
            policy = self._recording.policy(row)
            if policy.unanswered and self._reachable(row):
                at = sent_at[row["id"]] + policy.unanswered
                changes.append({"notice_id": row["id"], "follow_at": at})
        store.change(work, changes)

    def _ask(self, lane: Lane) -> bool:
        """Ask the provider what became of requests."""
        size = min(lane.room, lane.concurrency * lane.chunk)
        if size == 0:
            return False
        now = wall.now()
        lease = now + timedelta(seconds=self._stuck[lane.name])
        with self._runtime.work() as work:
            rows = [dict(row._mapping) for row in store.ask(work, lane.name, size, now, lease)]
        items = []
        for row in rows:
            where = self._addresses(row)
            one = Sent(
                {**row, "further": tuple(c for c in where if c in self._following(row))},
                row["request_id"],
                row["version"],
                row["attempts"],
            )
            to = where.get(row["channel"], "")
            asked = Asked(row["request_id"], row["provider_ref"], to, row["submitted_at"])
            items.append(Item("query", one, asked, now))
        if items:
            lane.give(items)
        return len(rows) == size and lane.inline

    def _following(self, row: Mapping[str, Any]) -> Sequence[str]:
        return cascade.following(self.preparing.channels(row), row["channel"])

    def _reachable(self, row: Mapping[str, Any]) -> list[str]:
        """The rule's next channels that are served, and by which the person can be reached and wants to be."""
        where = self._addresses(row)
        contact = {CHANNELS[channel]: address for channel, address in where.items()}
        unwanted = self.preparing.courtesy.unwanted(row, contact)
        return [c for c in self._following(row) if c in where and c not in unwanted]

    def _addresses(self, row: Mapping[str, Any]) -> dict[str, str]:
        """Addresses by channel; none when the contact was erased or can't be opened."""
        if not row["contact"]:
            return {}
        try:
            contact = self._runtime.sealer.open(row["contact"], row["recipient"])
        except SealError:
            return {}
        channels = self.preparing.channels(row)
        return dict(with_address(channels, contact, lambda c: self._groups.of(c) is not None))

    def _look_again(self) -> bool:
        """What wasn't read or answered in time goes on where policy says so; what got no receipt has expired."""
        now, size = wall.now(), self._settings.send_batch
        with self._runtime.work() as work:
            follow = store.to_follow(work, size, now)
            people = {row.id: dict(row._mapping) for row in store.facts_of(work, [row.id for row in follow])}
            rows = [{**people[row.id], **row._mapping} for row in follow]
            store.change(work, [self._go_on(work, row, now) for row in rows])
        with self._runtime.work() as work:
            before = work.now - timedelta(hours=self._settings.give_up_hours)
            silent = store.without_receipt(work, size, now)
            self._expire(work, [dict(r._mapping) for r in silent], "no receipt")
            lost = store.unanswered(work, size, before)
            self._expire(work, [dict(r._mapping) for r in lost], "no answer")
        return size in (len(follow), len(silent), len(lost))

    def _go_on(self, work: Work, row: Mapping[str, Any], at: datetime) -> dict[str, Any]:
        change = {
            "notice_id": row["id"],
            "state": row["state"],
            "reason": None,
            "state_at": work.now,
            "due_at": row["due_at"],
            "channel": row["channel"],
            "version": row["version"],
            "follow_at": None,
        }
        reasons = {
            "accepted": "not read in time",
            "delivered": "not read in time",
            "unknown": "no answer in time",
        }
        waiting = row["read_at"] is None and row["state"] in reasons
        # Not to where it would end as suppressed: it may well have arrived.
        if waiting and (further := self._reachable(row)):
            change |= {
                "state": "queued",
                "channel": further[0],
                "due_at": at,
                "reason": reasons[row["state"]],
                "version": row["version"] + 1,
            }
        return change

    def _expire(self, work: Work, rows: Sequence[dict[str, Any]], why: str) -> None:
        changes = []
        for row in rows:
            version = row["version"] + 1
            changes.append(
                {
                    "notice_id": row["id"],
                    "state": "expired",
                    "reason": why,
                    "state_at": work.now,
                    "version": version,
                    "follow_at": None,
                }
            )
            self._recording.tell(work, row, "expired", version, row["attempts"], why, row["provider"])
        store.change(work, changes)

    # -- how providers do --------------------------------------------------------------------------

    def _refresh(self) -> None:
        """Take up stops and weights, which people and other replicas change."""
        now = wall.now()
        several = [g for g in self._groups.all if len(g.lanes) > 1]
        with self._runtime.work() as work:
            if not self._weighed:
                for group in several:
                    points = failover.rests({lane.name: lane.route.weight for lane in group.lanes})
                    store.weights.rest(work, group.channel, points, now)
            self._groups.stopped = frozenset(store.operating.stops(work, now))
            for group in several:
                group.points = {s.provider: s.now for s in store.weights.shares(work, group.channel)}
            alarms = {(a.kind, a.subject): a.times for a in store.operating.alarms(work)}
        self._weighed = self._known = True
        metrics.stand(self._groups.stopped, alarms, {p: n for g in several for p, n in g.points.items()})

    def _judge(self) -> None:
        """Move weights where providers are in trouble or well again, and drop old counts."""
        now = wall.now()
        with self._runtime.work() as work:
            for group in self._groups.all:
                if len(group.lanes) > 1:
                    self._judge_group(work, group, now)
            store.weights.forget(work, now)
            if any(lane.route.limits for lane in self._lanes.values()):
                store.numbers_sent.forget(work, now)

    def _judge_group(self, work: Work, group: Group, now: datetime) -> None:
        receipts = {lane.name: lane.route.receipts for lane in group.lanes}
        health = store.weights.health(work, receipts, now)
        shares = store.weights.shares(work, group.channel)
        if failover.judge(shares, health, now)[0] == shares:
            return
        # Another replica may have moved them meanwhile: what counts is decided with the rows locked.
        shares = store.weights.shares(work, group.channel, lock=True)
        after, moves = failover.judge(shares, health, now)
        store.weights.save(work, group.channel, after, moves, now)
        group.points = {s.provider: s.now for s in after}
        for move in moves:
            log.warning(
                "weights moved",
                extra={
                    "provider": move.provider,
                    "before": move.before,
                    "after": move.after,
                    "why": move.reason,
                },
            )

    # -- its end -----------------------------------------------------------------------------------

    def rest(self, seconds: float = 30.0) -> bool:
        """Wait until no call is under way; False when some still are after so long."""
        return all(lane.rest(seconds) for lane in self._lanes.values())

    def close(self, seconds: float) -> None:
        """Begin no call any more; wait for those under way, at most so long."""
        for lane in self._lanes.values():
            lane.close(seconds)
