"""Whether claimed notices may go now: what people refused, the night, the day's cap, and digests.

What people wish comes with the claim. Counting costs one statement a batch, and is left out where it disturbs nobody:
the sink sends nothing to anybody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from jiayuan.chassis.service import Runtime
from jiayuan.chassis.work import Work
from jiayuan.contracts.ids import new_id

from .. import digest, preferences, store
from ..preferences import NONE, About, Decision, Wishes
from ..rules import CHANNELS, Rule, Rules

_AGAIN: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Kept:
    """Why a notice isn't sent now, and from when on it may be (wall time); `digest`: the notice that stands for it."""

    why: str
    due_at: datetime
    digest: str | None = None


def number(runtime: Runtime, address: str) -> str:
    """What stands for a number where limits are counted and refusals kept; nothing leads back from it."""
    return runtime.sealer.digest(address, "notify number")


class Courtesy:
    """Decides for one process. `counts`: whether quiet hours, caps and digests hold at all; refusals always do."""

    def __init__(self, runtime: Runtime, rules: Rules, counts: bool) -> None:
        self._runtime, self._rules, self.counts = runtime, rules, counts
        self._policy = preferences.bundled()

    def about(self, row: Mapping[str, Any]) -> About | None:
        """What preferences have to know of a claimed notice; None when this build has no such rule any more."""
        rule: Rule | None = self._rules.get(row["rule"])
        if rule is None:
            return None
        return About(
            row["recipient"],
            row["role"],
            rule.subject,
            row["priority"],
            rule.digest,
            "emergency" in row["parameters"],
        )

    def decide(self, work: Work, row: Mapping[str, Any], at: datetime) -> Kept | None:
        """Why a notice doesn't go now, before anybody counts; None: nothing is against it.

        A daily digest is gathered here, for it doesn't matter how many there are.
        """
        wishes = Wishes.of(row["preferences"])
        if not self.counts and wishes is NONE:
            return None
        about = self.about(row)
        if about is None:
            return None
        decision = preferences.decide(self._policy, about, wishes, work.now)
        if decision.kind == "drop":
            return Kept(decision.why, at)
        if not self.counts or decision.kind == "go":
            return None
        return Kept(decision.why, self._wall(work, decision, at))

    def unwanted(self, row: Mapping[str, Any], contact: Mapping[str, Any]) -> frozenset[str]:
        """The channels that the person doesn't want, for what he may refuse. What a provider refused for an address
        counts while that is his address."""
        wishes = Wishes.of(row["preferences"])
        if not wishes.unwanted:
            return frozenset()
        about = self.about(row)
        free = about is not None and "refusal" in preferences.overrides(self._policy, about)
        if free:
            return frozenset()
        moved = {
            c
            for c, said in wishes.vendor.items()
            if said != number(self._runtime, contact.get(CHANNELS[c], ""))
        }
        return wishes.unwanted - moved

    def share_out(self, work: Work, rows: Sequence[Mapping[str, Any]], at: datetime) -> dict[str, Kept]:
        """Of notices that are ready, those that don't go now: too many for today, or gathered. By notice.

        Only first attempts are counted: what a provider puts off has been counted before.
        """
        people: dict[tuple[str, str], list[tuple[Mapping[str, Any], About]]] = {}
        for row in rows:
            about = self.about(row)
            if row["attempts"] == 0 and about is not None:
                people.setdefault((row["recipient_type"], row["recipient"]), []).append((row, about))
        if not people:
            return {}
        counts = [
            {"type": type_, "ref": ref, "sent": len(mine), "burst": self._bursts(mine)}
            for (type_, ref), mine in sorted(people.items())
        ]
        since = work.now - self._policy.digest.within
        totals = store.count_told(work, counts, work.now.astimezone(self._policy.zone).date(), since)
        kept: dict[str, Kept] = {}
        back: list[dict[str, Any]] = []
        for person, mine in people.items():
            sent, burst = totals[person]
            before = sent - len(mine), burst - self._bursts(mine)
            decisions = preferences.share_out(self._policy, [a for _, a in mine], *before, work.now)
            held = [(row, d) for (row, _), d in zip(mine, decisions, strict=True) if d.kind != "go"]
            kept |= {row["id"]: Kept(d.why, self._wall(work, d, at)) for row, d in held}
            if held:
                back.append({"type": person[0], "ref": person[1], "n": len(held)})
        if back:
            store.uncount_told(work, back)
        return kept

    def _bursts(self, mine: Sequence[tuple[Mapping[str, Any], About]]) -> int:
        return sum(preferences.gathers(self._policy, about) for _, about in mine)

    def _wall(self, work: Work, decision: Decision, at: datetime) -> datetime:
        if decision.until is None:
            return at
        return at + timedelta(seconds=self._runtime.clock.wall_seconds(decision.until - work.now))

    # -- digests -----------------------------------------------------------------------------------

    def gather(
        self, work: Work, rows: Sequence[tuple[Mapping[str, Any], Kept]]
    ) -> list[tuple[Mapping[str, Any], Kept]]:
        """Put notices into their people's open digests, making those that aren't there.

        Without a digest at the end: the one that was open is just being sent; it is to be tried again in a moment.
        """
        wanted: dict[tuple[str, str], dict[str, Any]] = {}
        for row, kept in rows:
            person = (row["recipient_type"], row["recipient"])
            made = wanted.setdefault(person, self._digest(work, row, kept))
            made["priority"] = min(made["priority"], row["priority"])
            made["due_at"] = min(made["due_at"], kept.due_at)
        for made in wanted.values():
            made["step"] = digest.step(made["due_at"], self._policy.digest.wait)
        found = store.open_digests(work, list(wanted))
        if fresh := [made for person, made in wanted.items() if person not in found]:
            store.put_notices(work, fresh)
            found |= store.open_digests(work, [(m["recipient_type"], m["recipient"]) for m in fresh])
        return [
            (row, replace(kept, digest=found.get((row["recipient_type"], row["recipient"]))))
            for row, kept in rows
        ]

    def _digest(self, work: Work, row: Mapping[str, Any], kept: Kept) -> dict[str, Any]:
        rule = self._rules.digest
        return {
            "id": new_id(),
            "recipient_type": row["recipient_type"],
            "recipient": row["recipient"],
            "role": row["role"],
            "matter": digest.MATTER,
            "step": "",
            "template": rule.template,
            "template_version": rule.template_version,
            "rule": rule.name,
            "case_id": None,
            "report_id": None,
            "street": row["street"],
            "parameters": {},
            "at": work.now,
            "event_id": row["event_id"],
            "traceparent": row["traceparent"],
            "state": "queued",
            "reason": None,
            "state_at": work.now,
            "priority": row["priority"],
            "due_at": kept.due_at,
            "channel": rule.channels[0],
        }

    def again(self, at: datetime) -> datetime:
        """When a notice whose digest is just being sent is tried again."""
        return at + _AGAIN
